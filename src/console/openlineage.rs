//! Events as OpenLineage (specification 2-0-2), one JSON object a line.
//!
//! The run is one job with a run of its own, each stage that runs is another below it. A stage has START, RUNNING for each
//! further attempt, and then COMPLETE, FAIL or ABORT; a stage whose outputs come from the action cache has START and
//! COMPLETE. What is fresh or skipped did nothing and has no event. Datasets are paths of the project in its namespace;
//! their version is the BLAKE3 digest of their bytes, which is known once the stage's result is recorded.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::lines::Lines;
use crate::config::StageName;
use crate::key::Digest;
use crate::sched::events::{Event, EventSink, Outcome};
use crate::util::RelPath;

const SPECIFICATION: &str = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent";
const FACETS: &str = "https://openlineage.io/spec/facets";

/// What the pipeline says of a stage.
#[derive(Debug, Clone, Default)]
pub struct Job {
    /// Paths that it always reads.
    pub inputs: Vec<RelPath>,
    /// Paths that it writes.
    pub outputs: Vec<RelPath>,
    /// Its description.
    pub about: Option<String>,
}

/// The names under which others know this project.
#[derive(Debug, Clone)]
pub struct Namespace {
    /// Of jobs and datasets.
    pub name: String,
    /// The pipeline, as the job of the whole run.
    pub pipeline: String,
}

/// What the caller knows and a console does not: the time, as RFC 3339, and a fresh UUID.
pub struct Clock {
    /// Now.
    pub now: Box<dyn FnMut() -> String + Send>,
    /// A UUID that nobody has.
    pub uuid: Box<dyn FnMut() -> String + Send>,
}

/// The runs that are under way, and how the whole has gone so far.
pub struct OpenLineageConsole {
    lines: Lines,
    namespace: Namespace,
    jobs: BTreeMap<StageName, Job>,
    clock: Clock,
    run: String,
    stages: BTreeMap<StageName, StageState>,
    worst: &'static str,
}

/// One stage under way.
#[derive(Default)]
struct StageState {
    run: String,
    read: BTreeMap<RelPath, Digest>,
    wrote: BTreeMap<RelPath, Digest>,
}

impl OpenLineageConsole {
    /// Writes the events of stages, which `jobs` describes, to `lines`.
    pub fn new(lines: Lines, namespace: Namespace, jobs: BTreeMap<StageName, Job>, mut clock: Clock) -> Self {
        let run = (clock.uuid)();
        Self { lines, namespace, jobs, clock, run, stages: BTreeMap::new(), worst: "COMPLETE" }
    }

    /// An event of the whole run.
    fn whole(&mut self, kind: &str) {
        let job = json!({
            "namespace": self.namespace.name,
            "name": self.namespace.pipeline,
            "facets": {"jobType": job_type("DAG")},
        });
        let run = json!({"runId": self.run, "facets": {"processing_engine": engine()}});
        self.write(kind, run, job, Value::Array(Vec::new()), Value::Array(Vec::new()));
    }

    /// An event of a stage; `error` is the message of a failure.
    fn stage(&mut self, kind: &str, name: &StageName, error: &str) {
        let uuid = &mut self.clock.uuid;
        let state =
            self.stages.entry(name.clone()).or_insert_with(|| StageState { run: uuid(), ..StageState::default() });
        let description = self.jobs.get(name).cloned().unwrap_or_default();
        let space = &self.namespace.name;
        let parent = json!({
            "run": {"runId": self.run},
            "job": {"namespace": space, "name": self.namespace.pipeline},
        });
        let mut facets = json!({"processing_engine": engine(), "parent": facet("1-2-0/ParentRunFacet", parent)});
        if !error.is_empty() {
            let told = json!({"message": error, "programmingLanguage": "unknown"});
            facets["errorMessage"] = facet("1-0-1/ErrorMessageRunFacet", told);
        }
        let run = json!({"runId": state.run, "facets": facets});
        let mut of_job = json!({"jobType": job_type("TASK")});
        if let Some(about) = &description.about {
            of_job["documentation"] = facet("1-1-0/DocumentationJobFacet", json!({"description": about}));
        }
        let job = json!({"namespace": space, "name": format!("{}.{name}", self.namespace.pipeline), "facets": of_job});
        let inputs = datasets(space, &description.inputs, &state.read);
        let outputs = datasets(space, &description.outputs, &state.wrote);
        self.write(kind, run, job, inputs, outputs);
    }

    fn write(&mut self, kind: &str, run: Value, job: Value, inputs: Value, outputs: Value) {
        self.lines.write(&json!({
            "eventType": kind,
            "eventTime": (self.clock.now)(),
            "producer": producer(),
            "schemaURL": SPECIFICATION,
            "run": run,
            "job": job,
            "inputs": inputs,
            "outputs": outputs,
        }));
    }

    fn finished(&mut self, name: &StageName, outcome: Outcome, detail: &str) {
        let kind = match outcome {
            Outcome::Fresh | Outcome::Skipped => return,
            Outcome::Ran | Outcome::Restored => "COMPLETE",
            Outcome::Failed => "FAIL",
            Outcome::Interrupted => "ABORT",
        };
        // Restored, or failed before its first attempt.
        if !self.is_running(name) {
            self.begin(name);
        }
        self.stage(kind, name, detail);
        self.stages.remove(name);
        self.worst = match (self.worst, kind) {
            ("ABORT", _) | (_, "ABORT") => "ABORT",
            ("FAIL", _) | (_, "FAIL") => "FAIL",
            _ => "COMPLETE",
        };
    }

    /// Whether its first event is written.
    fn is_running(&self, name: &StageName) -> bool {
        self.stages.get(name).is_some_and(|state| !state.run.is_empty())
    }

    /// The first event of a stage. What is known of its bytes comes with the last.
    fn begin(&mut self, name: &StageName) {
        let known = self.stages.remove(name).unwrap_or_default();
        self.stage("START", name, "");
        if let Some(state) = self.stages.get_mut(name) {
            (state.read, state.wrote) = (known.read, known.wrote);
        }
    }
}

impl EventSink for OpenLineageConsole {
    fn event(&mut self, event: &Event) {
        match event {
            Event::RunStarted { .. } => self.whole("START"),
            Event::StageStarted { stage, .. } if self.is_running(stage) => self.stage("RUNNING", stage, ""),
            Event::StageStarted { stage, .. } => self.begin(stage),
            Event::StageRecorded { stage, inputs, outputs } => {
                let state = self.stages.entry(stage.clone()).or_default();
                (state.read, state.wrote) = (inputs.clone(), outputs.clone());
            }
            Event::StageFinished { stage, outcome, detail, .. } => self.finished(stage, *outcome, detail),
            Event::RunFinished { .. } => self.whole(self.worst),
            Event::Waiting { .. } | Event::StageProgress { .. } | Event::Note { .. } => {}
        }
    }
}

/// Declared paths and those that are known, the latter with their version.
fn datasets(namespace: &str, declared: &[RelPath], known: &BTreeMap<RelPath, Digest>) -> Value {
    let dataset = |path: &RelPath| {
        let mut facets = json!({});
        if let Some(digest) = known.get(path) {
            let version = json!({"datasetVersion": format!("blake3:{digest}")});
            facets["version"] = facet("1-0-1/DatasetVersionDatasetFacet", version);
        }
        json!({"namespace": namespace, "name": path.as_str(), "facets": facets})
    };
    declared.iter().chain(known.keys()).collect::<BTreeSet<_>>().into_iter().map(dataset).collect()
}

fn facet(schema: &str, mut content: Value) -> Value {
    let name = schema.rsplit('/').next().unwrap_or(schema);
    let (version, file) = schema.split_once('/').unwrap_or(("", schema));
    content["_producer"] = producer().into();
    content["_schemaURL"] = format!("{FACETS}/{version}/{file}.json#/$defs/{name}").into();
    content
}

fn engine() -> Value {
    facet("1-1-1/ProcessingEngineRunFacet", json!({"name": "clinpipe", "version": env!("CARGO_PKG_VERSION")}))
}

fn job_type(kind: &str) -> Value {
    let content = json!({"processingType": "BATCH", "integration": "CLINPIPE", "jobType": kind});
    facet("2-0-4/JobTypeJobFacet", content)
}

/// A URI, as the specification wants it; it needs no place on the web.
fn producer() -> &'static str {
    concat!("urn:clinpipe:", env!("CARGO_PKG_VERSION"))
}

#[cfg(test)]
mod tests {
    use super::super::text::tests::{Shared, run};
    use super::*;

    fn written(events: &[Event]) -> Vec<Value> {
        let out = Shared::default();
        let path = |text: &str| RelPath::parse(text).expect("a path");
        let ingest = Job {
            inputs: vec![path("data/raw.csv")],
            outputs: vec![path("artifacts/table.parquet"), path("artifacts/new.json")],
            about: Some("reads".to_owned()),
        };
        let (mut tick, mut count) = (0, 0);
        let clock = Clock {
            now: Box::new(move || {
                tick += 1;
                format!("2026-01-01T00:00:{tick:02}.000Z")
            }),
            uuid: Box::new(move || {
                count += 1;
                format!("00000000-0000-7000-8000-{count:012}")
            }),
        };
        let namespace = Namespace { name: "site".to_owned(), pipeline: "pipeline".to_owned() };
        let jobs = BTreeMap::from([(StageName("ingest".to_owned()), ingest)]);
        let mut console = OpenLineageConsole::new(Lines::new(Box::new(out.clone())), namespace, jobs, clock);
        for event in events {
            console.event(event);
        }
        out.text().lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    /// Kind and job of each event, in order.
    fn kinds(events: &[Value]) -> Vec<String> {
        events.iter().map(|event| format!("{} {}", text(&event["eventType"]), text(&event["job"]["name"]))).collect()
    }

    fn text(value: &Value) -> &str {
        value.as_str().expect("a text")
    }

    #[test]
    fn every_run_begins_and_ends_once() {
        let events = written(&run());
        let expected = [
            "START pipeline",
            "START pipeline.ingest",
            "COMPLETE pipeline.ingest",
            "START pipeline.split",
            "COMPLETE pipeline.split",
            "START pipeline.train",
            "FAIL pipeline.train",
            "FAIL pipeline",
        ];
        assert_eq!(kinds(&events), expected);
        let ids = |at: &[usize]| at.iter().map(|&at| text(&events[at]["run"]["runId"]).to_owned()).collect::<Vec<_>>();
        assert!(ids(&[0, 1, 3, 5]).iter().collect::<BTreeSet<_>>().len() == 4);
        assert_eq!((ids(&[0, 1, 3, 5]), 8), (ids(&[7, 2, 4, 6]), events.len()));
        for stage in &events[1..7] {
            assert_eq!(stage["run"]["facets"]["parent"]["run"]["runId"], events[0]["run"]["runId"]);
        }
    }

    #[test]
    fn versions_come_with_the_end_and_errors_with_a_failure() {
        let events = written(&run());
        assert_eq!(events[1]["inputs"][0]["facets"], json!({}));
        let digest = Digest::of(b"data/raw.csv");
        let version = &events[2]["inputs"][0]["facets"]["version"];
        assert_eq!(version["datasetVersion"], format!("blake3:{digest}"));
        assert!(
            text(&version["_schemaURL"])
                .ends_with("1-0-1/DatasetVersionDatasetFacet.json#/$defs/DatasetVersionDatasetFacet")
        );
        assert_eq!(events[2]["outputs"][2]["name"], "artifacts/table.parquet");
        assert!(events[2]["outputs"][2]["facets"]["version"].is_object());
        assert_eq!(events[2]["outputs"][0]["facets"], json!({}), "a file that is not in the record has no version");
        assert_eq!(events[2]["job"]["facets"]["documentation"]["description"], "reads");
        assert!(text(&events[6]["run"]["facets"]["errorMessage"]["message"]).contains("exited with code 1"));
    }

    #[test]
    fn an_interrupted_run_is_aborted() {
        let name = StageName("train".to_owned());
        let start = Event::StageStarted { stage: name.clone(), reasons: Vec::new(), attempt: 1 };
        let end = |stage: &StageName, outcome| Event::StageFinished {
            stage: stage.clone(),
            outcome,
            seconds: 0.1,
            detail: String::new(),
        };
        let begin = Event::RunStarted { stages: 2, jobs: 1 };
        let again = Event::StageStarted { stage: name.clone(), reasons: Vec::new(), attempt: 2 };
        let events = [
            begin,
            start,
            again,
            end(&name, Outcome::Interrupted),
            end(&StageName("last".to_owned()), Outcome::Skipped),
            Event::RunFinished { seconds: 1.0 },
        ];
        let expected = [
            "START pipeline",
            "START pipeline.train",
            "RUNNING pipeline.train",
            "ABORT pipeline.train",
            "ABORT pipeline",
        ];
        assert_eq!(kinds(&written(&events)), expected);
    }
}
