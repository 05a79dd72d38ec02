//! The watch on a model, on the real program: what the service logged, the outcomes that came in, and what follows.

use std::fmt::Write as _;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::project::Project;
use crate::service::Service;

const KEY: &str = "a key that only this test knows";

const WATCH: &str = "\
stages:
  drift:
    uses: drift
    deps: {bundle: artifacts/bundle/, current: log/, labels: outcomes.csv, metrics: artifacts/metrics.json}
    params: [seed, privacy, watch.params.yaml: [drift]]
    outs: {drift: artifacts/drift.json, html: artifacts/drift.html}
  decide:
    uses: decide
    deps: {drift: artifacts/drift.json}
    params: [watch.params.yaml: [decide]]
    outs: {decision: artifacts/decision.json}
";

/// Patients of the synthetic table as requests, older by some years; and their outcomes.
fn patients(project: &Project, rows: usize, older: i64) -> (Vec<Value>, String) {
    let text = project.read("study/data/synthetic.csv");
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().unwrap().split(',').collect();
    let (mut records, mut outcomes) = (Vec::new(), "patient_id,dropout\n".to_owned());
    for line in lines.take(rows) {
        let cells: Vec<&str> = line.split(',').collect();
        let cell = |name: &str| cells[header.iter().position(|column| *column == name).unwrap()];
        let number = |name: &str| cell(name).parse::<i64>().unwrap();
        records.push(json!({
            "patient_id": cell("patient_id"), "age": (number("age") + older).min(85),
            "treatment_group": cell("treatment_group"), "trial_phase": cell("trial_phase"),
            "days_in_trial": number("days_in_trial"), "visits_completed": number("visits_completed"),
            "last_visit_day": number("last_visit_day"), "adverse_events": number("adverse_events"),
        }));
        writeln!(outcomes, "{},{}", cell("patient_id"), cell("dropout")).unwrap();
    }
    (records, outcomes)
}

#[test]
fn the_log_of_a_service_is_compared_and_outcomes_find_it_by_the_key() {
    let project = Project::init("dropout");
    project.run(&["-C", "study", "repro", "evaluate", "-q", "--set", "train.models=[logistic]"]).succeeds();
    let params = project.read("study/params.yaml");
    let start = params.find("\nserve: ").unwrap();
    let serve = "serve: {predictions: {file: log/predictions.jsonl, inputs: true}}";
    project.write("study/params.yaml", &format!("{}\n{serve}\n", &params[..start]));
    project.write("study/watch.yaml", WATCH);
    let watch = "drift: {as_of: '2026-03-01', critical: [age]}\ndecide: {}\n";
    project.write("study/watch.params.yaml", watch);
    project.write("study/log/keep", "");
    let (records, outcomes) = patients(&project, 300, 25);
    project.write("study/outcomes.csv", &outcomes);

    let mut command = project.command(&["-C", "study", "-q", "serve", "--port", "0"]);
    let service = Service::spawn(command.env("CLINPIPE_LOG_KEY", KEY));
    let (status, answer) = service.post("/predict/batch", &json!(records));
    assert_eq!((status, answer["failed"].as_u64()), (200, Some(0)), "{answer}");
    service.signal(Signal::TERM);
    assert_eq!(service.end().0, Some(0));
    assert!(!project.read("study/log/predictions.jsonl").contains(records[0]["patient_id"].as_str().unwrap()));

    let repro = ["-C", "study", "repro", "--file", "watch.yaml"];
    let run = project.run(&repro).exits(3);
    assert!(run.stderr.contains("CLINPIPE_LOG_KEY"), "{}", run.stderr);
    let keyed = |key: &str| project.command(&repro).env("CLINPIPE_LOG_KEY", key).output().unwrap();
    let other = keyed("a key of another log, which is as long");
    assert_eq!(other.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&other.stderr).contains("none of its 300 patients"));
    project.write("study/outcomes.csv", &format!("{outcomes}P-new,2\n"));
    let run = keyed(KEY);
    let error = String::from_utf8_lossy(&run.stderr);
    assert_eq!(run.status.code(), Some(3));
    assert!(error.contains("outcomes.csv: row 302, column dropout: `2` is no outcome"), "{error}");
    project.write("study/outcomes.csv", &outcomes);
    assert_eq!(keyed(KEY).status.code(), Some(0));

    let report: Value = serde_json::from_str(&project.read("study/artifacts/drift.json")).unwrap();
    assert_eq!(report["current"]["kind"], "log");
    assert_eq!((&report["current"]["n"], &report["performance"]["labelled"]), (&json!(300), &json!(300)));
    assert_eq!(report["performance"]["status"], "measured");
    assert_eq!(report["alert"]["severity"], "critical");
    assert_eq!(report["alert"]["alerts"][0]["subject"], "age");
    let decision: Value = serde_json::from_str(&project.read("study/artifacts/decision.json")).unwrap();
    assert_ne!(decision["decision"], "none");
    assert_eq!((&decision["as_of"], &decision["performance"]), (&json!("2026-03-01"), &json!("measured")));
    let page = project.read("study/artifacts/drift.html");
    assert!(page.len() < 300_000 && page.contains("<code>age</code>") && !page.contains("<script"));
    for file in ["study/lockfiles/watch.lock", "study/artifacts/drift.json", "study/artifacts/drift.html"] {
        assert!(!project.read(file).contains(KEY), "{file} tells the key");
    }
    // The key is no part of the stage: without it nothing runs again.
    let again = project.run(&["-C", "study", "status", "--file", "watch.yaml", "--check"]);
    again.succeeds();
}
