//! The studies on other rows than those they ship with: a score that nothing explains, the reference trial, other
//! outcomes of the same patients, and patients of later months.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::project::Project;

/// A project of the study in this folder of the repository.
fn study(folder: &str) -> Project {
    let project = Project::empty();
    for name in ["pipeline.yaml", "params.yaml"] {
        project.write(name, &repository(&format!("{folder}/{name}")));
    }
    project
}

fn repository(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

fn json(project: &Project, name: &str) -> Value {
    serde_json::from_str(&project.read(name)).unwrap()
}

/// The place of a column, and the rows of a table without quoted cells.
fn rows(text: &str, column: &str) -> (usize, Vec<Vec<String>>) {
    let mut lines = text.lines().map(|line| line.split(',').map(str::to_owned).collect::<Vec<_>>());
    let header = lines.next().unwrap();
    (header.iter().position(|name| name == column).unwrap(), lines.collect())
}

#[test]
fn a_score_that_nothing_explains_is_no_better_than_the_mean_and_not_promotable() {
    let project = study("studies/outcome");
    let repro = || {
        let small = ["generate.n=1000", "train.forest.trees=40", "evaluate.bootstrap=200"];
        let set: Vec<&str> = small.iter().flat_map(|setting| ["--set", *setting]).collect();
        project.run(&[&["repro", "gate"], &set[..]].concat()).succeeds()
    };
    repro();
    let metrics = json(&project, "artifacts/metrics.json");
    assert!(metrics["r2"]["low"].as_f64().unwrap() > 0.1, "{}", metrics["r2"]);
    assert_eq!(json(&project, "artifacts/verdict.json")["promotable"], true);

    // The same patients with the scores in reverse, so that each has that of somebody else; as a file with a byte-order mark.
    let text = project.read("data/synthetic.csv");
    let (at, mut table) = rows(&text, "Improvement_Score");
    let scores: Vec<String> = table.iter().rev().map(|row| row[at].clone()).collect();
    table.iter_mut().zip(scores).for_each(|(row, score)| row[at] = score);
    let lines: Vec<String> = table.iter().map(|row| row.join(",")).collect();
    project.write(
        "data/treatment_outcome.csv",
        &format!("\u{feff}{}\n{}\n", text.lines().next().unwrap(), lines.join("\n")),
    );
    let run = repro();
    assert!(run.stdout.contains("the mean of the training rows is at least as good"), "{}", run.stdout);
    let metrics = json(&project, "artifacts/metrics.json");
    assert_eq!((&metrics["data"], &metrics["verdict"]["beats_mean"]), (&json!("real"), &json!(false)));
    assert!(metrics["r2"]["high"].as_f64().unwrap() < 0.1, "{}", metrics["r2"]);
    let verdict = json(&project, "artifacts/verdict.json");
    assert_eq!(verdict["promotable"], false, "{verdict}");
}

#[test]
fn the_reference_trial_puts_every_patient_into_its_published_band() {
    let project = study(".");
    project.write("params.yaml", &repository("variants/trial.yaml"));
    let set = ["--set", "generate.n=2000", "--set", "train.models=[logistic]"];
    project.run(&[&["repro", "-q", "bundle"], &set[..]].concat()).succeeds();
    let tiers = json(&project, "artifacts/bundle/tiers.json");
    let levels = tiers["levels"].as_array().unwrap().iter();
    let costs: Vec<f64> = levels.map(|level| level["cost"].as_f64().unwrap()).collect();
    assert_eq!(costs, [500.0, 150.0, 45.0, 0.5]);
    let scores = project.run(&["predict", "data/synthetic.csv"]).succeeds().stdout;
    let ((p, table), (tier, _)) = (rows(&scores, "p"), rows(&scores, "risk_level"));
    assert_eq!(table.len(), 2000);
    let mut seen = std::collections::BTreeSet::new();
    for row in &table {
        let band = match row[p].parse::<f64>().unwrap() {
            p if p >= 0.75 => "Critical",
            p if p >= 0.55 => "High",
            p if p >= 0.35 => "Medium",
            _ => "Low",
        };
        assert_eq!(row[tier], band, "{row:?}");
        seen.insert(band);
    }
    assert!(seen.len() >= 3, "{seen:?}");
}

#[test]
fn other_outcomes_of_the_same_patients_can_be_the_target() {
    let project = study(".");
    for target in ["early_dropout", "late_dropout", "dropout_30_days"] {
        let target_is = format!("schema.target.column={target}");
        let set = ["generate.n=2000", "train.models=[logistic]", "evaluate.bootstrap=100", &target_is];
        let set: Vec<&str> = set.iter().flat_map(|setting| ["--set", *setting]).collect();
        project.run(&[&["repro", "-q", "evaluate"], &set[..]].concat()).succeeds();
        let (at, table) = rows(&project.read("data/synthetic.csv"), target);
        let events = table.iter().filter(|row| row[at] == "1").count();
        let split = json(&project, "artifacts/split.json");
        assert_eq!(split["events"], json!(events), "{target}");
        let part = split["test"]["events"].as_u64().unwrap();
        assert_eq!(json(&project, "artifacts/metrics.json")["events"], json!(part), "{target}");
    }
}

#[test]
fn later_patients_change_from_the_month_on_that_the_file_says() {
    let project = Project::init("dropout");
    let run = |args: &[&str]| project.run(&[&["-C", "study"], args].concat()).succeeds();
    run(&["repro", "-q", "--file", "monitor.yaml", "current"]);
    run(&["repro", "-q", "bundle"]);
    // The study and what comes after it are apart.
    assert!(run(&["status", "bundle"]).stdout.contains("up to date"));
    assert!(!project.read("study/lockfiles/pipeline.lock").contains("current.csv"));
    let (phase, later) = rows(&project.read("study/data/current.csv"), "trial_phase");
    let (outcome, reference) = rows(&project.read("study/data/synthetic.csv"), "dropout");
    let ids: std::collections::BTreeSet<&String> = reference.iter().map(|row| &row[0]).collect();
    assert!(later.len() == 6000 && later.iter().all(|row| !ids.contains(&row[0])));
    let months = |from: usize, to: usize| &later[(from - 1) * 500..to * 500];
    let third =
        |rows: &[Vec<String>]| rows.iter().filter(|row| row[phase] == "Phase III").count() as f64 / rows.len() as f64;
    assert_eq!((&months(5, 5)[0].last().unwrap()[..], &months(1, 4)[1999].last().unwrap()[..]), ("5", "4"));
    let before = third(&reference);
    assert!((third(months(1, 4)) - before).abs() < 0.03 && (third(months(7, 12)) - 0.6).abs() < 0.03);
    // The model of the reference predicts the share that leaves as long as nothing has changed, and too few afterwards.
    let (p, scores) = rows(&run(&["predict", "data/current.csv"]).stdout, "p");
    let gap = |from: usize, to: usize| {
        let range = (from - 1) * 500..to * 500;
        let left = later[range.clone()].iter().filter(|row| row[outcome] == "1").count() as f64;
        let expected: f64 = scores[range.clone()].iter().map(|row| row[p].parse::<f64>().unwrap()).sum();
        (left - expected) / range.len() as f64
    };
    assert!(gap(1, 4).abs() < 0.04, "{}", gap(1, 4));
    assert!(gap(7, 12) > 0.06, "{}", gap(7, 12));
}
