//! The pipeline that watches the champion: from the patients of a month to a decision, and from that to a challenger.

use serde_json::{Value, json};

use crate::project::{Project, Run};

/// The shipped study with costs at which its gate passes, and its model as the champion.
fn watched() -> Project {
    let project = Project::init("dropout");
    let params = project.read("study/params.yaml");
    let (before, rest) = params.split_once("  cost: {").unwrap();
    let (_, after) = rest.split_once('}').unwrap();
    let cost = "false_positive: 800, false_negative: 5000, true_positive: 800, true_negative: 0, effect: 0.33";
    project.write("study/params.yaml", &format!("{before}  cost: {{{cost}}}{after}"));
    project.run(&["-C", "study", "repro", "-q", "--set", "train.models=[logistic]"]).succeeds();
    let set = "train.models=[logistic]";
    project.run(&["-C", "study", "promote", "--reason", "the first model", "--set", set]).succeeds();
    project
}

/// One look at a month. Its last stage calls clinpipe by name.
fn look(project: &Project, month: u32, settings: &[&str]) -> Run {
    let binary = std::path::Path::new(env!("CARGO_BIN_EXE_clinpipe")).parent().unwrap();
    let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap());
    let month = format!("variants/drift.yaml:look.month={month}");
    let settings = [&["-C", "study", "repro", "-q", "--file", "monitor.yaml", "--set", &month], settings].concat();
    project.command(&settings).env("PATH", path).output().unwrap().into()
}

#[test]
fn a_quiet_month_changes_nothing_and_a_drifted_one_makes_a_challenger() {
    let project = watched();
    look(&project, 2, &[]).succeeds();
    let told = project.run(&["-C", "study", "decision", "--check"]).succeeds().stdout;
    assert!(told.starts_with("RETRAIN_REQUIRED=false\ndecision  none: "), "{told}");
    assert_eq!(project.read("study/artifacts/retraining.txt"), "none\n");
    // By the older policy drift in the inputs is enough.
    look(&project, 9, &["--set", "variants/drift.yaml:decide.policy=seed"]).succeeds();
    let told = project.run(&["-C", "study", "decision", "--check"]).exits(1).stdout;
    assert!(told.starts_with("RETRAIN_REQUIRED=true\ndecision  retrain: "), "{told}");
    assert!(told.contains("fired     "), "{told}");
    let rows = |file: &str| project.read(file).lines().count();
    assert_eq!(rows("study/data/dropout.csv"), rows("study/data/synthetic.csv") + 9 * 500);
    let listed = project.run(&["-C", "study", "registry", "list"]).succeeds().stdout;
    let role = |role: &str| listed.lines().find(|line| line.contains(role)).map(|line| line[9..21].to_owned());
    assert!(
        role("champion").is_some() && role("challenger").is_some() && role("champion") != role("challenger"),
        "{listed}"
    );
    // A look at the same month finds nothing left to do.
    let again = look(&project, 9, &["--set", "variants/drift.yaml:decide.policy=seed", "--dry-run", "--check"]);
    again.succeeds();
}

/// The table that the study takes for real is its owner's.
#[test]
fn a_retraining_leaves_a_table_alone_that_it_did_not_make() {
    let project = watched();
    project.write("study/data/dropout.csv", "my,own\n");
    let run = look(&project, 9, &["--set", "variants/drift.yaml:decide.policy=seed"]).exits(3);
    assert!(run.stderr.contains("was not made here; it is left alone"), "{}", run.stderr);
    assert_eq!(project.read("study/data/dropout.csv"), "my,own\n");
}

/// The pipeline of the CronJob is one, with what every study has.
#[test]
fn the_monitor_of_the_deployment_is_a_pipeline() {
    let project = Project::init("dropout");
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/monitor.yaml");
    std::fs::copy(shipped, project.path("study/monitor.yaml")).unwrap();
    let drawn = project.run(&["-C", "study", "dag", "--file", "monitor.yaml"]).succeeds().stdout;
    assert!(drawn.contains("decide") && !drawn.contains("retrain"), "{drawn}");
}

#[test]
fn a_file_that_is_no_decision_is_told() {
    let project = Project::init("dropout");
    let run = project.run(&["-C", "study", "decision"]).exits(2);
    assert!(run.stderr.contains("monitor.yaml decide"), "{}", run.stderr);
    project.write("study/artifacts/decision.json", "{\"decision\": \"sell\"}");
    let run = project.run(&["-C", "study", "decision"]).exits(2);
    assert!(run.stderr.contains("is no decision"), "{}", run.stderr);
}

/// A decision with one rule, as `decide` writes it, after a change.
fn decision(project: &Project, change: &[(&str, Value)]) {
    let mut record = json!({
        "schema_version": 1, "as_of": null, "bundle": "b0", "policy": "clinical", "decision": "none",
        "retrain_required": false, "reason": "no rule fired", "performance": "unknown", "severity": "none",
        "cooldown_until": null, "rules": [{
            "name": "input_drift", "asks_for": "look", "value": 0.0, "limit": "no drifted column", "known": true,
            "fired": false, "reason": "0 of 8 compared columns drift",
        }],
    });
    for (pointer, value) in change {
        *record.pointer_mut(pointer).unwrap() = value.clone();
    }
    project.write("study/artifacts/decision.json", &record.to_string());
}

#[test]
fn only_a_recent_decision_that_knows_something_and_agrees_with_itself_is_healthy() {
    let project = Project::init("dropout");
    let check = |more: &[&str]| project.run(&[&["-C", "study", "decision", "--check"], more].concat());
    decision(&project, &[]);
    let told = check(&[]).succeeds().stdout;
    assert!(told.contains("as of     a day that nobody gave"), "{told}");
    let told = check(&["--max-age", "7"]).exits(1).stdout;
    assert!(told.contains("in doubt  the day of the decision is not known"), "{told}");
    decision(&project, &[("/as_of", json!("2020-02-01"))]);
    let told = check(&[]).succeeds().stdout;
    assert!(told.contains("\nas of     2020-02-01\n"), "{told}");
    let told = check(&["--max-age", "7"]).exits(1).stdout;
    assert!(told.contains("in doubt  decided ") && told.contains("at most 7 are allowed"), "{told}");
    check(&["--max-age", "1000000"]).succeeds();
    project.run(&["-C", "study", "decision", "--max-age", "7"]).exits(2);
    decision(&project, &[("/rules/0/known", json!(false))]);
    let told = check(&[]).exits(1).stdout;
    assert!(told.contains("in doubt  no rule could be judged"), "{told}");
    project.run(&["-C", "study", "decision"]).succeeds();
    decision(&project, &[("/retrain_required", json!(true))]);
    let run = project.run(&["-C", "study", "decision"]).exits(2);
    assert!(run.stderr.contains("says `none` and `retrain_required: true`"), "{}", run.stderr);
    decision(&project, &[("/rules/0/fired", json!(true))]);
    let run = check(&[]).exits(2);
    assert!(run.stderr.contains("the rule `input_drift` fired"), "{}", run.stderr);
}
