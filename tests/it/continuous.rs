//! A study of a number, end to end on the real program: patients are seen in several years, and how long they stay is
//! predicted. The reference values are scikit-learn's; `tests/fixtures/continuous/make.py` makes them.

use serde_json::{Value, json};

use crate::project::Project;

const PIPELINE: &str = "\
stages:
  ingest:
    uses: ingest
    deps: {table: stay.csv}
    params: [schema]
    outs: {table: artifacts/ingested.parquet, report: artifacts/ingest.json}
  validate:
    uses: validate
    deps: {table: artifacts/ingested.parquet}
    params: [schema]
    outs: {table: artifacts/clean.parquet, quarantine: artifacts/quarantine.csv, report: artifacts/validation.json}
  split:
    uses: split
    deps: {table: artifacts/clean.parquet}
    params: [seed, schema, split]
    outs: {split: artifacts/split.parquet, report: artifacts/split.json}
  featurize:
    uses: featurize
    deps: {table: artifacts/clean.parquet}
    params: [schema, featurize]
    outs: {table: artifacts/features.parquet, spec: artifacts/features.json}
  train:
    uses: train
    deps: {table: artifacts/features.parquet, spec: artifacts/features.json, split: artifacts/split.parquet}
    params: [seed, train]
    outs: {models: artifacts/models/, oof: artifacts/oof.parquet, cv: artifacts/cv.json}
  bundle:
    uses: bundle
    deps:
      models: artifacts/models/
      spec: artifacts/features.json
      table: artifacts/features.parquet
      split: artifacts/split.parquet
      ingest: artifacts/ingest.json
    params: [schema, ingest, validate]
    outs: {bundle: artifacts/bundle/}
  evaluate:
    uses: evaluate
    deps: {bundle: artifacts/bundle/, table: artifacts/clean.parquet, split: artifacts/split.parquet}
    params: [seed, evaluate]
    outs: {predictions: artifacts/predictions.parquet, metrics: artifacts/metrics.json, curves: artifacts/curves.csv, evaluation: artifacts/evaluation.json}
  gate:
    uses: gate
    deps: {metrics: artifacts/metrics.json}
    params: [gate]
    outs: {verdict: artifacts/verdict.json}
";

const PARAMS: &str = "\
seed: 42
schema:
  id: patient
  group: patient
  target: {column: stay, kind: continuous, range: [0, 30], decimals: 1}
  columns:
    patient: {type: text}
    year: {type: integer}
    age: {type: integer, range: [0, 120], unit: years}
    severity: {type: number}
    ward: {type: category, levels: [medicine, surgery, geriatrics]}
    stay: {type: number, unit: days, available_at: post}
ingest: {}
validate: {}
split: {kind: group, test: 0.25, folds: 4}
featurize: {features: [age, severity, ward]}
train: {models: [ridge], ridge: {l2: 1.0}}
evaluate: {bootstrap: 200}
gate:
  mode: enforce
  rules:
    - {metric: r2.low, min: 0.3}
    - {metric: rmse.value, direction: lower, must_beat: baselines.mean.rmse}
";

fn study() -> Project {
    let project = Project::new(PIPELINE);
    project.write("params.yaml", PARAMS);
    project.write("stay.csv", include_str!("../fixtures/continuous/stay.csv"));
    project
}

fn json(project: &Project, name: &str) -> Value {
    serde_json::from_str(&project.read(name)).unwrap()
}

#[test]
fn ridge_scores_as_scikit_learns_on_the_same_split() {
    let project = study();
    let run = project.run(&["repro"]).succeeds();
    for word in ["RMSE", "MAE", "R²", "training", "passed"] {
        assert!(run.stdout.contains(word), "no {word:?} in:\n{}", run.stdout);
    }
    let metrics = json(&project, "artifacts/metrics.json");
    let reference: Value = serde_json::from_str(include_str!("../fixtures/continuous/reference.json")).unwrap();
    assert_eq!(metrics["n"], json!(reference["test"].as_array().unwrap().len()), "the split moved: see make.py");
    for score in ["rmse", "mae", "r2"] {
        let near = |ours: &Value, theirs: &Value| {
            let (ours, theirs) = (ours.as_f64().unwrap(), theirs.as_f64().unwrap());
            assert!((ours - theirs).abs() < 1e-9, "{score}: {ours} is not {theirs}");
        };
        near(&metrics[score]["value"], &reference["ridge"][score]);
        near(&metrics["baselines"]["ridge"][score], &reference["ridge"][score]);
        near(&metrics["baselines"]["mean"][score], &reference["mean"][score]);
        let estimate = &metrics[score];
        assert!(estimate["low"].as_f64() < estimate["value"].as_f64(), "{estimate}");
        assert!(estimate["value"].as_f64() < estimate["high"].as_f64(), "{estimate}");
        assert_eq!(estimate["method"], "patient-bootstrap");
    }
    assert_eq!(metrics["verdict"]["beats_mean"], true);
    assert!(project.read("artifacts/curves.csv").lines().count() == 11);
    let detail = json(&project, "artifacts/evaluation.json");
    assert_eq!((&detail["kind"], &detail["evaluated"]), (&json!("number"), &metrics["evaluated"]));
    assert_eq!(detail["groups"].as_array().unwrap().len(), 10);
    // The mean residual is the bias, and a ridge regression of such rows is nearly calibrated.
    let (mean, bias) = (detail["residuals"]["mean"].as_f64().unwrap(), metrics["bias"]["value"].as_f64().unwrap());
    assert!(
        (mean - bias).abs() < 1e-9 && (detail["calibration"]["slope"]["value"].as_f64().unwrap() - 1.0).abs() < 0.3
    );
}

#[test]
fn predictions_are_numbers_within_their_bounds_and_are_not_served() {
    let project = study();
    project.run(&["repro", "-q", "--set", "schema.target.range=[3.0,6.0]", "--set", "gate.mode=mark"]).succeeds();
    let predict = |args: &[&str]| project.run(&[&["predict", "stay.csv"], args].concat()).succeeds().stdout;
    let text = predict(&[]);
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("row_id,id,prediction"));
    let values: Vec<&str> = lines.map(|line| line.rsplit(',').next().unwrap()).collect();
    assert_eq!(values.len(), project.read("stay.csv").lines().count() - 1);
    assert!(values.iter().all(|value| value.len() == 3 && ("3.0"..="6.0").contains(value)), "{values:?}");
    assert!(values.contains(&"3.0") && values.contains(&"6.0"));
    let run = project.run(&["serve", "--check"]).exits(2);
    assert!(run.stderr.contains("predicts a number") && run.stderr.contains("clinpipe predict"), "{}", run.stderr);
}

#[test]
fn an_outcome_and_its_pipeline_must_fit() {
    let project = study();
    let refused = |args: &[&str]| project.run(&[&["repro", "-q"], args].concat());
    let run = refused(&["--set", "schema.target.kind=binary"]).exits(2);
    assert!(run.stderr.contains("kind: continuous"), "{}", run.stderr);
    project.write("pipeline.yaml", &PIPELINE.replace("      ingest: ", "      threshold: stay.csv\n      ingest: "));
    let run = refused(&[]).exits(3);
    assert!(run.stderr.contains("the outcome of this study is a number"), "{}", run.stderr);
}

#[test]
fn patients_who_return_are_split_in_time() {
    let project = study();
    let kind = "split={kind: temporal_group, time: year, gap: 0, cutoff: 2020, test: 0.3, folds: 3}";
    project.run(&["repro", "-q", "--set", kind, "--set", "gate.mode=mark"]).succeeds();
    let split = json(&project, "artifacts/split.json");
    assert_eq!(split["groups_in_several"], 0);
    assert_eq!(split["test"]["time"], json!([2020.0, 2021.0]));
    assert_eq!(split["train"]["time"][1], json!(2019.0));
    for fold in split["folds"].as_array().unwrap() {
        assert!(fold["fit"]["time"][1].as_f64() < fold["time"][0].as_f64(), "{fold}");
    }
    let held: u64 = split["folds"].as_array().unwrap().iter().map(|fold| fold["n"].as_u64().unwrap()).sum();
    assert!(held < split["train"]["n"].as_u64().unwrap(), "some training rows are held out in no fold");
    assert_eq!(json(&project, "artifacts/metrics.json")["n"], split["test"]["n"]);
}
