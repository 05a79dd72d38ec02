"""Every study's service against its own description: schemathesis makes requests from /openapi.json, right and wrong ones,
and judges the answers by every check that it has."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from service import STUDIES

HERE = Path(__file__).parent
# As many requests a route as make a run last about ten seconds; raise it to search for longer.
EXAMPLES = os.environ.get("CLINPIPE_SCHEMATHESIS_EXAMPLES", "15")
SEED = os.environ.get("CLINPIPE_SCHEMATHESIS_SEED", "1")


@pytest.mark.parametrize("study, key", [*[(study, "correct-horse-battery-staple") for study in STUDIES], ("dropout", None)])
def test_the_service_keeps_to_its_description(services, tmp_path, study, key):
    # One study with its papers beside the bundle, as /model/card tells of them.
    service = services(study, key, target="" if study == "dropout" else "bundle")
    command = [str(Path(sys.executable).with_name("st")), "--config-file", str(HERE / "schemathesis.toml"), "run", f"{service.address}/openapi.json"]
    command += ["--checks", "all", "--max-examples", EXAMPLES]
    command += ["--seed", SEED, "--continue-on-failure", "--no-color"]
    if key:
        command += ["--header", f"x-api-key: {key}"]
    schema = tmp_path / "schema.json"
    schema.write_bytes(service.ask("/schema")[2])
    environment = {**os.environ, "PYTHONPATH": str(HERE), "CLINPIPE_RECORD_SCHEMA": str(schema)}
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout[-20000:] + run.stderr[-5000:]
    assert service.process.poll() is None
    # A check that is not run proves nothing.
    routes = len(service.json("/openapi.json")["paths"])
    assert f"{routes} selected / {routes} total" in run.stdout, run.stdout[:2000]
