"""`repro --openlineage` writes what OpenLineage's own client takes for events of specification 2-0-2."""

import json
from datetime import datetime
from uuid import UUID

import pytest
from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.facet_v2 import (
    dataset_version_dataset,
    documentation_job,
    error_message_run,
    job_type_job,
    parent_run,
    processing_engine_run,
)

from conftest import clinpipe

FACETS = {
    "processing_engine": processing_engine_run.ProcessingEngineRunFacet,
    "parent": parent_run.ParentRunFacet,
    "errorMessage": error_message_run.ErrorMessageRunFacet,
    "jobType": job_type_job.JobTypeJobFacet,
    "documentation": documentation_job.DocumentationJobFacet,
    "version": dataset_version_dataset.DatasetVersionDatasetFacet,
}
PIPELINE = """stages:
  copy:
    desc: copies
    cmd: cp in.txt out.txt
    deps: [in.txt]
    outs: [out.txt]
  break:
    cmd: echo lost && exit 3
    deps: [out.txt]
    outs: [never.txt]
  last:
    cmd: cp never.txt last.txt
    deps: [never.txt]
    outs: [last.txt]
"""


def facets(raw):
    """Each facet as the client's own type, which refuses what it does not know; its schema is the client's."""
    made = {}
    for name, content in raw.items():
        kind = FACETS[name]
        content = dict(content)
        producer, schema = content.pop("_producer"), content.pop("_schemaURL")
        if name == "parent":
            content = {"run": parent_run.Run(**content["run"]), "job": parent_run.Job(**content["job"])}
        made[name] = kind(**content)
        assert producer.startswith("urn:clinpipe:") and schema == kind._get_schema(), name
    return made


def taken(raw):
    """An event as the client's own type."""
    raw = dict(raw)
    assert raw.pop("schemaURL") == RunEvent._get_schema()
    run, job = dict(raw.pop("run")), dict(raw.pop("job"))
    assert UUID(run["runId"]).version == 7 and datetime.fromisoformat(raw["eventTime"].replace("Z", "+00:00"))
    sets = {
        name: [kind(**{**dataset, "facets": facets(dataset["facets"])}) for dataset in raw.pop(name)]
        for name, kind in {"inputs": InputDataset, "outputs": OutputDataset}.items()
    }
    kind = RunState(raw.pop("eventType"))
    run, job = Run(run.pop("runId"), facets(run.pop("facets"))), Job(job["namespace"], job["name"], facets(job["facets"]))
    return RunEvent(eventType=kind, run=run, job=job, **sets, **raw)


@pytest.fixture
def project(tmp_path):
    (tmp_path / "pipeline.yaml").write_text(PIPELINE)
    (tmp_path / "in.txt").write_text("1\n")
    return tmp_path


def events(project, *args, code=0):
    run = clinpipe("-C", project, "-q", "repro", "--openlineage", project / "lineage.jsonl", *args, check=False)
    assert run.returncode == code, run.stderr
    return [taken(json.loads(line)) for line in (project / "lineage.jsonl").read_text().splitlines()]


def short(found):
    return [f"{event.eventType.value} {event.job.name}" for event in found]


def test_a_failing_run_is_told_from_its_beginning_to_its_end(project, monkeypatch):
    monkeypatch.setenv("OPENLINEAGE_NAMESPACE", "ward-7")
    found = events(project, code=3)
    assert short(found) == [
        "START pipeline", "START pipeline.copy", "COMPLETE pipeline.copy", "START pipeline.break", "FAIL pipeline.break", "FAIL pipeline",
    ]
    assert {event.job.namespace for event in found} == {"ward-7"}
    lock = json.loads((project / "lockfiles/pipeline.lock").read_text())
    (output,) = found[2].outputs
    assert output.name == "out.txt"
    assert output.facets["version"].datasetVersion.removeprefix("blake3:") in json.dumps(lock)
    assert [dataset.name for dataset in found[3].inputs] == ["out.txt"]
    assert "exit" in found[4].run.facets["errorMessage"].message
    assert all(event.run.facets["parent"].run.runId == found[0].run.runId for event in found[1:5])
    assert len({event.run.runId for event in found}) == 3


def test_what_did_nothing_is_not_told_and_what_was_restored_is(project):
    assert short(events(project, "copy")) == ["START pipeline", "START pipeline.copy", "COMPLETE pipeline.copy", "COMPLETE pipeline"]
    assert short(events(project, "copy")) == ["START pipeline", "COMPLETE pipeline"]
    (project / "in.txt").write_text("2\n")
    first = events(project, "copy")[2].outputs[0].facets["version"].datasetVersion
    (project / "in.txt").write_text("1\n")
    restored = events(project, "copy")
    assert short(restored) == ["START pipeline", "START pipeline.copy", "COMPLETE pipeline.copy", "COMPLETE pipeline"]
    assert restored[2].outputs[0].facets["version"].datasetVersion != first


def test_a_study_is_told_whole(tmp_path):
    clinpipe("init", tmp_path / "study", "--study", "stroke")
    found = events(tmp_path / "study", "bundle", "--set", "generate.n=1000", "--set", "train.models=[logistic]")
    done = {event.job.name: event for event in found if event.eventType is RunState.COMPLETE}
    made = {dataset.name for event in done.values() for dataset in event.outputs}
    bundle = done["pipeline.bundle"]
    assert all("version" in dataset.facets for event in done.values() for dataset in event.inputs + event.outputs)
    assert {dataset.name for dataset in bundle.inputs} <= made
