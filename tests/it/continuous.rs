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
fn predictions_are_numbers_within_their_bounds() {
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
    let run = project.run(&["serve", "--check"]).succeeds();
    assert!(run.stdout.contains("predicts a number"), "{}", run.stdout);
}

/// Patients of another hospital, who stay two days longer than the model expects, and 1.5 times what it expects beyond.
const ELSEWHERE: &str = "
  ingest_elsewhere:
    uses: ingest
    deps: {table: elsewhere.csv}
    params: [schema]
    outs: {table: elsewhere/ingested.parquet, report: elsewhere/ingest.json}
  validate_elsewhere:
    uses: validate
    deps: {table: elsewhere/ingested.parquet}
    params: [schema]
    outs: {table: elsewhere/clean.parquet, quarantine: elsewhere/quarantine.csv, report: elsewhere/validation.json}
  elsewhere:
    uses: evaluate
    deps:
      bundle: artifacts/bundle/
      table: elsewhere/clean.parquet
      ingest: elsewhere/ingest.json
      training: artifacts/clean.parquet
      training_split: artifacts/split.parquet
    params: [seed, schema, evaluate, train]
    outs: {predictions: elsewhere/predictions.parquet, external: elsewhere/external.json, slices: elsewhere/slices.json}
    metrics: {metrics: elsewhere/metrics.json}
  report:
    uses: report
    deps:
      metrics: artifacts/metrics.json
      evaluation: artifacts/evaluation.json
      slices: artifacts/slices.json
      external: elsewhere/external.json
    params: [seed, schema]
    outs: {page: artifacts/report.html}
";

fn study_with_slices() -> Project {
    let project = study();
    let pipeline = project.read("pipeline.yaml").replace(
        "evaluation: artifacts/evaluation.json}",
        "evaluation: artifacts/evaluation.json, slices: artifacts/slices.json}",
    );
    project.write("pipeline.yaml", &format!("{pipeline}{ELSEWHERE}"));
    let sliced = "evaluate: {bootstrap: 200, slices: [ward, {column: age, bins: [60]}], over_time: {column: year}}";
    project.write("params.yaml", &PARAMS.replace("evaluate: {bootstrap: 200}", sliced));
    let csv = project.read("stay.csv");
    let mut lines = csv.lines();
    let head = lines.next().unwrap();
    let column = |name: &str| head.split(',').position(|column| column == name).unwrap();
    let (patient, stay) = (column("patient"), column("stay"));
    let moved = lines.map(|line| {
        let mut cells: Vec<String> = line.split(',').map(str::to_owned).collect();
        cells[patient] = format!("other-{}", cells[patient]);
        if let Ok(days) = cells[stay].parse::<f64>() {
            cells[stay] = format!("{:.1}", (2.0 + 1.5 * days).min(30.0));
        }
        cells.join(",")
    });
    let text: Vec<String> = std::iter::once(head.to_owned()).chain(moved).collect();
    project.write("elsewhere.csv", &(text.join("\n") + "\n"));
    project
}

#[test]
fn a_line_mends_a_model_of_numbers_that_meets_longer_stays() {
    let project = study_with_slices();
    let run = project.run(&["repro"]).succeeds();
    let report = json(&project, "elsewhere/external.json");
    assert_eq!(report["kind"], "number");
    let ladder = report["ladder"].as_array().unwrap();
    let value = |rung: usize, measure: &str| ladder[rung][measure]["value"].as_f64().unwrap();
    assert!(value(0, "bias") < -2.0 && value(0, "slope") > 1.2, "{:#}", ladder[0]);
    // A shift mends calibration in the large and leaves the slope; a line mends both; each step has the smaller error.
    assert!(value(1, "bias").abs() < 0.1 && (value(1, "slope") - value(0, "slope")).abs() < 0.1, "{:#}", ladder[1]);
    assert!(value(2, "bias").abs() < 0.1 && (value(2, "slope") - 1.0).abs() < 0.1, "{:#}", ladder[2]);
    assert!(value(0, "rmse") > value(1, "rmse") && value(1, "rmse") > value(2, "rmse"));
    let line = &ladder[2]["coefficients"];
    assert!((line["slope"].as_f64().unwrap() - value(0, "slope")).abs() < 1e-9, "{line}");
    assert!(ladder[3]["about"].as_str().unwrap().contains("ridge") && value(3, "rmse") < value(0, "rmse"));
    let metrics = json(&project, "elsewhere/metrics.json");
    for measure in ["rmse", "mae", "r2", "bias"] {
        for end in ["value", "low", "high"] {
            let [own, other] = [&metrics, &ladder[0]].map(|report| report[measure][end].as_f64().unwrap());
            assert!((own - other).abs() < 1e-9, "{measure}.{end}: {own} is not {other}");
        }
    }
    assert_eq!(report["case_mix"]["development"]["n"], json(&project, "artifacts/metrics.json")["n"]);
    // The table at the end is about the study's own test part, as the gate is.
    let own = format!("data   {} test rows", json(&project, "artifacts/metrics.json")["n"]);
    assert!(run.stdout.contains(&own), "{}", run.stdout);
    let page = project.read("artifacts/report.html");
    assert!(page.contains("<section id=\"external\"") && page.contains("Calibration in the large"));
    assert!(!page.replace("data:image", "").contains("NaN"));
}

#[test]
fn slices_of_a_number_add_up_and_keep_their_bounds() {
    let project = study_with_slices();
    project.run(&["repro", "-q", "evaluate"]).succeeds();
    let (slices, metrics) = (json(&project, "artifacts/slices.json"), json(&project, "artifacts/metrics.json"));
    assert_eq!((&slices["n"], &slices["events"]), (&metrics["n"], &Value::Null));
    let columns = slices["slices"].as_array().unwrap();
    assert_eq!(columns.len(), 2);
    for column in columns {
        let levels = column["levels"].as_array().unwrap();
        let (mut n, mut squares, mut errors) = (0.0, 0.0, 0.0);
        for level in levels.iter().filter(|level| level["n"] != 0) {
            if level["status"] == "insufficient" {
                // Few patients: the number of rows, and nothing that could be concluded from.
                assert!(column["column"] == "age" && level["measures"] == json!({}), "{level:#}");
                continue;
            }
            let measure = |name: &str| level["measures"][name]["value"].as_f64().unwrap();
            let rows = level["n"].as_f64().unwrap();
            (n, squares) = (n + rows, squares + rows * measure("rmse") * measure("rmse"));
            errors += rows * measure("bias");
            for name in ["rmse", "mae", "bias"] {
                let one = &level["measures"][name];
                assert!(one["low"].as_f64() < one["high"].as_f64(), "{name}: {one}");
                assert!(level["gaps"][name]["p_holm"].as_f64() >= level["gaps"][name]["p"].as_f64(), "{level:#}");
            }
            assert!(level["measures"].get("auroc").is_none() && level["counts"].is_null());
        }
        if column["column"] == "ward" {
            let own = [n, (squares / n).sqrt(), errors / n];
            let whole = [&metrics["n"], &metrics["rmse"]["value"], &metrics["bias"]["value"]];
            let near = |(own, whole): (f64, &Value)| (own - whole.as_f64().unwrap()).abs() < 1e-9;
            assert!(own.into_iter().zip(whole).all(near), "{own:?} is not {whole:?}");
        }
    }
    assert!(slices["over_time"]["periods"].as_array().unwrap().len() > 1, "{:#}", slices["over_time"]);
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
