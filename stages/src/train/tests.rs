//! The train stage on a small study: bytes, choice, and what it must not see.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::test_study::{TRAIN, train, write_inputs};
use super::*;
use crate::StageFile;
use crate::common::canonical_json;
use crate::common::table::Table;

fn small() -> Value {
    json!({"forest": {"trees": 25, "depth": 6}, "gbdt": {"rounds": 60, "early_stopping": 10}})
}

fn study(params: &Value, threads: usize) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a temporary directory");
    write_inputs(directory.path()).expect("inputs can be written");
    train(directory.path(), params.clone(), threads).expect("the study can be trained");
    directory
}

fn bytes(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let names = ["models/model.json", "models/preprocessor.json", "models/baseline_linear.json", "models/card.json"];
    let all = names.iter().chain(&["models/baseline_constant.json", "oof.parquet", "cv.json"]);
    all.map(|name| ((*name).to_owned(), fs::read(directory.join(name)).expect("an output"))).collect()
}

fn json_of(directory: &Path, name: &str) -> Value {
    canonical_json::read(&directory.join(name), name).expect("an output is JSON")
}

#[test]
fn one_thread_and_two_give_the_same_bytes_for_every_learner() {
    for name in ["logistic", "forest", "gbdt"] {
        let mut params = small();
        params["models"] = json!([name]);
        let (one, two) = (study(&params, 1), study(&params, 2));
        assert_eq!(bytes(one.path()), bytes(two.path()), "{name}");
        assert_eq!(json_of(one.path(), "models/card.json")["model"], name);
    }
}

#[test]
fn the_report_shows_every_fold_and_the_baselines() {
    let directory = study(&small(), 2);
    let cv = json_of(directory.path(), "cv.json");
    for path in ["candidates/logistic", "candidates/forest", "candidates/gbdt", "baselines/logistic"] {
        let summary = cv.pointer(&format!("/{path}")).expect("every contestant is reported");
        let auroc = summary["mean"]["auroc"].as_f64().expect("a mean");
        assert!((0.6..0.95).contains(&auroc), "{path}: {auroc}");
        assert_eq!(summary["folds"].as_array().map(Vec::len), Some(4));
    }
    assert_eq!(cv["baselines"]["prevalence"]["mean"]["auroc"], 0.5);
    assert!(cv["candidates"]["gbdt"]["rounds"].as_u64().is_some_and(|rounds| (1..=60).contains(&rounds)));
    let file = StageFile { path: directory.path().join("oof.parquet"), name: "oof.parquet".to_owned() };
    let oof = Table::read(&file).expect("a table");
    assert_eq!(oof.rows(), TRAIN);
    assert!(oof.floats("p_raw").expect("predictions").iter().all(|p| (0.0..=1.0).contains(p)));
    assert_eq!(oof.texts("model").expect("names").get(0), cv["chosen"].as_str());
}

#[test]
fn test_rows_do_not_reach_a_single_byte() {
    let before = study(&small(), 2);
    let directory = tempfile::tempdir().expect("a temporary directory");
    write_inputs(directory.path()).expect("inputs can be written");
    let path = directory.path().join("features.parquet");
    let file = StageFile { path: path.clone(), name: "features.parquet".to_owned() };
    let table = Table::read(&file).expect("a table");
    let flip = |row: usize, y: i64| Some(if row < TRAIN { y } else { 1 - y });
    let y = table.ints_full("y").expect("outcomes").into_iter().enumerate().map(|(row, y)| flip(row, y)).collect();
    let mut changed = Table::with_rows(table.rows());
    changed.push_ints("row_id", table.ints("row_id").expect("ids")).expect("a column");
    changed.push_texts("group", &table.texts("group").expect("patients")).expect("a column");
    changed.push_ints("y", y).expect("a column");
    let other = |name: &str| table.floats(name).expect("numbers").into_iter().enumerate();
    for name in ["age", "lab"] {
        let moved = other(name).map(|(row, value)| if row < TRAIN { value } else { value + 1e3 }).collect();
        changed.push_floats(name, moved).expect("a column");
    }
    for name in ["sex", "site"] {
        changed.push_texts(name, &table.texts(name).expect("texts")).expect("a column");
    }
    changed.write(&path).expect("the table can be written");
    train(directory.path(), small(), 2).expect("the study can be trained");
    assert_eq!(bytes(before.path()), bytes(directory.path()));
}

#[test]
fn a_split_without_events_in_a_fold_is_an_error_that_names_it() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    write_inputs(directory.path()).expect("inputs can be written");
    let path = directory.path().join("split.parquet");
    let split = Table::read(&StageFile { path: path.clone(), name: "split".to_owned() }).expect("a table");
    let mut changed = Table::with_rows(split.rows());
    changed.push_ints("row_id", split.ints("row_id").expect("ids")).expect("a column");
    changed.push_texts("part", &split.texts("part").expect("parts")).expect("a column");
    let lonely = split.ints("fold").expect("folds").into_iter().enumerate();
    let lonely = lonely.map(|(row, fold)| fold.map(|_| i64::from(row == 0))).collect();
    changed.push_ints("fold", lonely).expect("a column");
    changed.write(&path).expect("the table can be written");
    let error = train(directory.path(), small(), 1).expect_err("fold 1 has one row");
    assert!(error.to_string().contains("fold 0 trains on"), "{error}");
}

#[test]
fn the_bytes_are_those_of_this_version() {
    let golden = [("logistic", "03b4c1bf5a00a67b"), ("forest", "77cdfa257f97da33"), ("gbdt", "916f335c65e0e4d8")];
    let written = golden.map(|(name, _)| {
        let mut params = small();
        params["models"] = json!([name]);
        let mut hasher = blake3::Hasher::new();
        for (file, content) in bytes(study(&params, 2).path()) {
            hasher.update(file.as_bytes());
            hasher.update(&content);
        }
        (name, hasher.finalize().to_hex()[..16].to_owned())
    });
    let golden = golden.map(|(name, digest)| (name, digest.to_owned()));
    assert_eq!(written, golden, "the stage writes other bytes; raise its version, then these digests");
}

/// Trains one learner with settings beside its own.
fn variant(model: &str, settings: &[(&str, Value)]) -> tempfile::TempDir {
    let mut params = small();
    params["models"] = json!([model]);
    for (key, value) in settings {
        params[*key] = value.clone();
    }
    study(&params, 2)
}

fn mean_raw(directory: &Path) -> f64 {
    let file = StageFile { path: directory.join("oof.parquet"), name: "oof.parquet".to_owned() };
    let p = Table::read(&file).and_then(|table| table.floats("p_raw")).expect("predictions");
    p.iter().sum::<f64>() / p.len() as f64
}

#[test]
fn every_preprocessing_and_selection_gives_the_same_bytes_on_any_number_of_threads() {
    let settings = [
        (
            "preprocess",
            json!({
                "drop_missing_share": 0.9, "encode": "target", "scale": "robust",
                "columns": {"site": {"impute": "mode"}, "lab": {"impute": "mean"}},
            }),
        ),
        ("select", json!({"method": "rfe", "max": 3, "trees": 10})),
        ("imbalance", json!({"method": "smote"})),
    ];
    for name in ["logistic", "forest", "gbdt"] {
        let mut params = small();
        params["models"] = json!([name]);
        for (key, value) in &settings {
            params[*key] = value.clone();
        }
        params["preprocess"]["impute"] = json!({"trees": true});
        let (one, two) = (study(&params, 1), study(&params, 2));
        assert_eq!(bytes(one.path()), bytes(two.path()), "{name}");
        let fitted = json_of(one.path(), "models/preprocessor.json");
        assert_eq!(fitted["members"][0]["steps"].as_array().map(Vec::len), Some(3));
        assert_eq!(fitted["members"][0]["dropped"][0]["reason"], "rfe");
        assert_eq!(json_of(one.path(), "models/card.json")["imbalance"], "smote");
    }
}

#[test]
fn balancing_moves_probabilities_and_calibration_brings_them_back() {
    let plain = mean_raw(variant("logistic", &[]).path());
    for imbalance in [json!({"method": "weights", "event_weight": 8}), json!({"method": "smote"})] {
        let balanced = variant("logistic", &[("imbalance", imbalance.clone())]);
        let at = balanced.path();
        let events = json_of(at, "models/card.json")["events"].as_f64().expect("events") / TRAIN as f64;
        assert!((plain - events).abs() < 0.02, "{plain} is the event rate {events}");
        let moved = mean_raw(at) - events;
        assert!(moved > if imbalance["method"] == "weights" { 0.15 } else { 0.04 }, "moved by {moved} only");
        let outputs = [("calibrator", "calibrator.json"), ("calibrated", "calibrated.parquet")];
        let calibrate = |method: &str| {
            let params = json!({"calibrate": {"method": method}});
            test_study::run(&crate::calibrate::Calibrate, at, &[("oof", "oof.parquet")], &outputs, params, 1)
        };
        let error = calibrate("none").expect_err("balanced rows must be calibrated");
        assert!(error.to_string().contains("they are no event rates") && error.hint().is_some(), "{error}");
        calibrate("platt").expect("calibrated");
        let file = StageFile { path: at.join("calibrated.parquet"), name: "calibrated.parquet".to_owned() };
        let p = Table::read(&file).and_then(|table| table.floats("p")).expect("probabilities");
        let mean = p.iter().sum::<f64>() / p.len() as f64;
        assert!((mean - events).abs() < 0.01, "{mean} is not the event rate {events}");
    }
}

#[test]
fn settings_that_do_not_fit_the_rows_are_errors_that_name_them() {
    let refused = |model: &str, key: &str, value: Value| {
        let directory = tempfile::tempdir().expect("a temporary directory");
        write_inputs(directory.path()).expect("inputs can be written");
        let mut params = small();
        params["models"] = json!([model]);
        params[key] = value;
        train(directory.path(), params, 1).expect_err("it does not fit").to_string()
    };
    let text = refused("gbdt", "imbalance", json!({"method": "smote"}));
    assert!(text.contains("column `lab` has missing values") && text.contains("impute.trees"), "{text}");
    let text = refused("logistic", "imbalance", json!({"method": "smote", "ratio": 0.01}));
    assert!(text.contains("fold 1 of 4") && text.contains("train.imbalance.ratio"), "{text}");
    let rule = json!([{"name": "n", "columns": ["sex", "ages"]}]);
    let text = refused("logistic", "preprocess", json!({"combinations": rule}));
    assert!(text.contains("combinations.0.columns.1`: `ages` is not a feature (did you mean `age`?)"), "{text}");
    let text = refused("forest", "preprocess", json!({"columns": {"sit": {"encode": "label"}}}));
    assert!(text.contains("train.preprocess.columns.sit") && text.contains("did you mean `site`"), "{text}");
    let text =
        refused("forest", "preprocess", json!({"drop_missing_share": 0, "columns": {"age": {"impute": "none"}}}));
    assert!(text.contains("train.preprocess.columns.age.impute"), "{text}");
}
