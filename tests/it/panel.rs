//! Patients seen once a year, end to end on the real program: a cohort in a folder a year, windows and lags of the past,
//! a split in time, and the same features for a table to be scored and for a request with its history.

use std::collections::BTreeMap;

use clinpipe_stages::StageFile;
use clinpipe_stages::bundle::{Bundle, parse_record};
use clinpipe_stages::common::table::Table;
use serde_json::{Map, Value, json};

use crate::project::Project;

const PIPELINE: &str = "\
stages:
  generate:
    uses: generate
    params: [seed, generate]
    outs: {table: data/panel/, summary: data/panel.json}
  flat:
    uses: generate
    params: [seed, generate]
    outs: {table: data/panel.csv}
  ingest:
    uses: ingest
    deps: {synthetic: data/panel/}
    params: [seed, schema, ingest]
    outs: {table: artifacts/ingested.parquet, report: artifacts/ingest.json}
  validate:
    uses: validate
    deps: {table: artifacts/ingested.parquet}
    params: [schema, validate]
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
  calibrate:
    uses: calibrate
    deps: {oof: artifacts/oof.parquet}
    params: [calibrate]
    outs: {calibrator: artifacts/calibrator.json, calibrated: artifacts/calibrated.parquet}
  tune_threshold:
    uses: tune_threshold
    deps: {calibrated: artifacts/calibrated.parquet}
    params: [tune_threshold]
    outs: {threshold: artifacts/threshold.json}
  bundle:
    uses: bundle
    deps:
      models: artifacts/models/
      spec: artifacts/features.json
      calibrator: artifacts/calibrator.json
      threshold: artifacts/threshold.json
      table: artifacts/features.parquet
      split: artifacts/split.parquet
      ingest: artifacts/ingest.json
    params: [schema, ingest, validate]
    outs: {bundle: artifacts/bundle/}
  evaluate:
    uses: evaluate
    deps: {bundle: artifacts/bundle/, table: artifacts/clean.parquet, split: artifacts/split.parquet}
    params: [seed, evaluate, tune_threshold]
    outs: {predictions: artifacts/predictions.parquet, metrics: artifacts/metrics.json, curves: artifacts/curves.csv}
";

const PARAMS: &str = "\
seed: 42
generate: {kind: patient_year, n: 700, years: 6, unseen: 0.1, noise_features: 1, yearly_risk: 0.02, prevalence: 0.15}
schema:
  group: patient_id
  target: {column: target, event: falls ill}
  columns:
    patient_id: {type: text}
    year: {type: integer, range: [2000, 2030]}
    age: {type: integer, range: [0, 120]}
    gender: {type: category, levels: [M, F]}
    bmi: {type: number, nullable: true}
    systolic_bp: {type: number, nullable: true}
    glucose: {type: number, nullable: true}
    smoking_status: {type: category, levels: [Never, Former, Current]}
    target: {type: integer, levels: [0, 1], available_at: post}
ingest: {extra_columns: drop}
validate: {}
split: {kind: temporal_group, time: year, gap: 1, cutoff: 2020, folds: 2, test: 0.3}
featurize:
  history:
    time: year
    unit: y
    same_time: refuse
    rolling: [{of: [bmi, systolic_bp, glucose], length: 3}]
    lags: [{of: [systolic_bp, glucose], by: [1]}]
    last_known: [bmi]
    earlier_rows: true
    since_previous: true
train: {models: [gbdt], gbdt: {rounds: 40, early_stopping: 10}}
calibrate: {}
tune_threshold: {policy: fbeta, beta: 2}
evaluate: {bootstrap: 100}
";

fn table(project: &Project, name: &str) -> Table {
    Table::read(&StageFile { path: project.path(name), name: name.to_owned() }).unwrap()
}

/// Patient and year of every row of a table.
fn keys(table: &Table) -> Vec<(String, i64)> {
    let patients = table.texts("patient_id").unwrap().to_vec().into_iter().flatten();
    patients.zip(table.ints_full("year").unwrap()).collect()
}

/// The probability of every test row, by patient and year, as `evaluate` found it.
fn evaluated(project: &Project) -> BTreeMap<(String, i64), f64> {
    let (clean, predictions) =
        (table(project, "artifacts/clean.parquet"), table(project, "artifacts/predictions.parquet"));
    let key: BTreeMap<i64, (String, i64)> = clean.ints_full("row_id").unwrap().into_iter().zip(keys(&clean)).collect();
    let p = predictions.floats("p").unwrap();
    predictions.ints_full("row_id").unwrap().iter().map(|row| key[row].clone()).zip(p).collect()
}

/// The cohort's rows by patient and year, as its CSV holds them.
fn lines(project: &Project) -> (Vec<String>, Vec<Vec<String>>) {
    let text = project.read("data/panel.csv");
    let mut lines = text.lines().map(|line| line.split(',').map(str::to_owned).collect::<Vec<_>>());
    (lines.next().unwrap(), lines.collect())
}

#[test]
fn a_panel_is_learned_from_and_scored_with_its_past() {
    let project = Project::new(PIPELINE);
    project.write("params.yaml", PARAMS);
    project.run(&["repro", "-q"]).succeeds();
    // Read year by year, so that a patient's rows lie apart; the table keeps that order.
    let clean = keys(&table(&project, "artifacts/clean.parquet"));
    assert!(clean.windows(2).all(|pair| pair[0].1 <= pair[1].1));
    let features = table(&project, "artifacts/features.parquet");
    let patients: Vec<String> = features.texts("group").unwrap().to_vec().into_iter().flatten().collect();
    assert_eq!(patients, clean.iter().map(|key| key.0.clone()).collect::<Vec<_>>());
    let evaluated = evaluated(&project);
    assert!(evaluated.len() > 50 && evaluated.keys().all(|key| key.1 == 2020), "{}", evaluated.len());

    // A file in another order, patient by patient, gives each test row the same probability to the bit.
    let answer = project.run(&["predict", "data/panel.csv"]).succeeds().stdout;
    let (header, rows) = lines(&project);
    let at = |name: &str| header.iter().position(|column| column == name).unwrap();
    let key = |row: &[String]| (row[at("patient_id")].clone(), row[at("year")].parse::<i64>().unwrap());
    let p = answer.lines().next().unwrap().split(',').position(|name| name == "p").unwrap();
    let mut compared = 0;
    for (row, line) in rows.iter().zip(answer.lines().skip(1)) {
        if let Some(expected) = evaluated.get(&key(row)) {
            let found: f64 = line.split(',').nth(p).unwrap().parse().unwrap();
            assert_eq!(found.to_bits(), expected.to_bits(), "{:?}", key(row));
            compared += 1;
        }
    }
    assert_eq!(compared, evaluated.len());
    let text = project.read("data/panel.csv");
    project.write("data/twice.csv", &format!("{text}{}\n", text.lines().nth(3).unwrap()));
    let run = project.run(&["predict", "data/twice.csv"]).exits(2);
    let last = text.lines().count() + 1;
    assert!(
        run.stderr.contains(&format!("data/twice.csv: two rows of one patient at the same time: row 4 and row {last}")),
        "{}",
        run.stderr
    );

    // So does a request with the patient's earlier rows, latest first.
    let bundle = Bundle::load(&project.path("artifacts/bundle")).unwrap();
    let names = ["patient_id", "year", "age", "gender", "bmi", "systolic_bp", "glucose", "smoking_status"];
    let record = |row: &[String]| -> Map<String, Value> {
        let value = |cell: &String| match cell.parse::<f64>() {
            Ok(number) => json!(number),
            Err(_) if cell.is_empty() => Value::Null,
            Err(_) => json!(cell),
        };
        names.iter().map(|name| ((*name).to_owned(), value(&row[at(name)]))).collect()
    };
    let mut with_past = 0;
    for row in rows.iter().filter(|row| evaluated.contains_key(&key(row))).take(60) {
        let (patient, year) = key(row);
        let past = rows.iter().rev().filter(|other| key(other).0 == patient && key(other).1 < year);
        let past: Vec<Value> = past.map(|other| Value::Object(record(other))).collect();
        with_past += usize::from(!past.is_empty());
        let mut request = record(row);
        request.insert("history".to_owned(), Value::Array(past));
        let frame = parse_record(&bundle, &request).unwrap().frame;
        let answer = bundle.predict(&frame).unwrap();
        assert_eq!(answer[0].p.to_bits(), evaluated[&(patient, year)].to_bits());
    }
    assert!(with_past > 30);
}

#[test]
fn a_repeated_year_stops_the_run_and_says_where() {
    let project = Project::new(PIPELINE);
    project.write("params.yaml", PARAMS);
    project.run(&["repro", "-q", "flat"]).succeeds();
    let text = project.read("data/panel.csv");
    let second = text.lines().nth(1).unwrap().to_owned();
    project.write("data/own.csv", &format!("{text}{second}\n"));
    project.write("pipeline.yaml", &PIPELINE.replace("synthetic: data/panel/", "table: data/own.csv"));
    let run = project.run(&["repro", "-q", "featurize"]).exits(3);
    let last = text.lines().count() - 1;
    assert!(run.stderr.contains(&format!("row_id 0 and row_id {last}")), "{}", run.stderr);
    assert!(run.stderr.contains("same_time: apart"), "{}", run.stderr);
    project.run(&["repro", "-q", "featurize", "--set", "featurize.history.same_time=apart"]).succeeds();
}
