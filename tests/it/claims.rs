//! `check-claims` as a command, and clinpipe's own numbers under it.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::project::{Project, Run};

fn example(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/claims").join(name)).unwrap()
}

fn piped(project: &Project, text: &str, args: &[&str]) -> Run {
    let mut command = project.command(&[&["check-claims", "-"], args].concat());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    child.wait_with_output().unwrap().into()
}

#[test]
fn the_exit_code_is_the_answer() {
    let project = Project::empty();
    project.write("published.yaml", &example("trial-dropout.yaml"));
    project.write("sound.yaml", &example("consistent.yaml"));
    let run = project.run(&["check-claims", "published.yaml"]).exits(1);
    assert!(run.stdout.matches("IMPOSSIBLE").count() >= 4, "{}", run.stdout);
    project.run(&["check-claims", "sound.yaml"]).succeeds();
    let document = piped(&project, &example("trial-dropout.yaml"), &["--json"]).exits(1).json();
    assert_eq!(document["findings"][0]["level"], json!("impossible"));
    project.write("bad.yaml", "models:\n- {name: m, aurok: 0.7}\n");
    let run = project.run(&["check-claims", "bad.yaml"]).exits(2);
    assert!(run.stderr.contains("bad.yaml:2:13") && run.stderr.contains("did you mean `auroc`?"), "{}", run.stderr);
    project.run(&["check-claims", "nosuch.yaml"]).exits(2);
    fs::write(project.path("bytes.yaml"), b"\xff\xfe").unwrap();
    project.run(&["check-claims", "bytes.yaml"]).exits(2);
}

/// A number of metrics.json, rounded as a paper would.
fn rounded(value: &Value) -> Option<Value> {
    let number = |value: &Value| value.as_f64().map(|value| json!(format!("{value:.3}")));
    let inner = value.get("value").unwrap_or(value);
    let ends = value.get("low").and_then(number).zip(value.get("high").and_then(number));
    Some(match ends {
        Some((low, high)) => json!({"value": number(inner)?, "low": low, "high": high}),
        None => number(inner)?,
    })
}

#[test]
fn the_metrics_of_the_studies_can_all_be_true() {
    let project = Project::empty();
    for file in ["artifacts/metrics.json", "studies/stroke/artifacts/metrics.json"] {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
        let metrics: Value = serde_json::from_str(&text).unwrap();
        let at = &metrics["at_threshold"];
        let mut point = json!({});
        for (key, value) in [
            ("recall", &at["sensitivity"]),
            ("specificity", &at["specificity"]),
            ("precision", &at["ppv"]),
            ("npv", &at["npv"]),
        ] {
            if let Some(value) = rounded(value) {
                point[key] = value;
            }
        }
        for cell in ["tp", "fp", "tn", "fn"] {
            point[cell] = at["counts"][cell].clone();
        }
        let mut claims = json!({
            "samples": {"test": {"n": metrics["n"], "events": metrics["events"]}},
            "models": [{"name": "ours", "sample": "test", "auroc": rounded(&metrics["auroc"]), "points": [point]}],
        });
        let run = piped(&project, &claims.to_string(), &[]).succeeds();
        assert!(run.stdout.contains("no contradiction found"), "{}", run.stdout);
        // And they are looked at: one patient more is found out.
        let tp = claims["models"][0]["points"][0]["tp"].as_u64().unwrap();
        claims["models"][0]["points"][0]["tp"] = json!(tp - 1);
        piped(&project, &claims.to_string(), &[]).exits(1);
    }
}
