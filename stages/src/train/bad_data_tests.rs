//! Data that nobody should send and somebody will: every learner gives a defined result or says what is wrong.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::test_study::{TRAIN, outcomes, raw, train, write_inputs};
use super::*;
use crate::StageFile;
use crate::common::frame::Column;
use crate::common::table::Table;

/// Replaces the features and outcomes of the test study.
fn write(directory: &Path, features: &[(&str, Column)], y: &[f64], events: bool) {
    write_inputs(directory).expect("inputs can be written");
    let path = directory.join("features.parquet");
    let before = Table::read(&StageFile { path: path.clone(), name: "features".to_owned() }).expect("a table");
    let mut table = Table::with_rows(before.rows());
    table.push_ints("row_id", before.ints("row_id").expect("ids")).expect("a column");
    table.push_texts("group", &before.texts("group").expect("patients")).expect("a column");
    if events {
        table.push_ints("y", y.iter().map(|&y| Some(y as i64)).collect()).expect("a column");
    } else {
        table.push_floats("y", y.to_vec()).expect("a column");
    }
    let mut described = Vec::new();
    for (name, column) in features {
        table.push_column(name, column).expect("a column");
        let kind = if column.numbers().is_some() { "number" } else { "category" };
        described.push(json!({"name": name, "kind": kind, "levels": []}));
    }
    table.write(&path).expect("written");
    let names: Vec<&str> = features.iter().map(|(name, _)| *name).collect();
    let spec = json!({
        "schema_version": 1, "derive": [], "inputs": names, "target": "event", "id": null, "group": null,
        "features": described,
    });
    canonical_json::write(&directory.join("features.json"), &spec).expect("written");
}

/// Every kind of useless or dangerous column, beside two good ones.
fn bad() -> (Vec<(&'static str, Column)>, Vec<f64>) {
    let raw = raw();
    let y: Vec<f64> = outcomes(&raw).into_iter().map(|y| y as f64).collect();
    let rows = y.len();
    let number = |value: &dyn Fn(usize) -> f64| Column::Number((0..rows).map(value).collect());
    let age = raw.get("age").cloned().expect("ages");
    let features = vec![
        ("age", age.clone()),
        ("again", age),
        ("lab", raw.get("lab").cloned().expect("labs")),
        ("constant", number(&|_| 7.0)),
        ("constant_or_missing", number(&|row| if row % 5 == 0 { f64::NAN } else { 7.0 })),
        ("missing", number(&|_| f64::NAN)),
        ("infinite", number(&|row| [f64::INFINITY, f64::NEG_INFINITY, 1.0, 2.0][row % 4])),
        ("huge", number(&|row| [f64::MAX, f64::MIN, 1.0][row % 3])),
        ("tiny", number(&|row| [f64::MIN_POSITIVE, 0.0, -0.0][row % 3])),
        ("separates", number(&|row| y[row] * 1e6)),
        ("names", Column::Text((0..rows).map(|row| Some(format!("P{row}"))).collect())),
        ("no_names", Column::Text(vec![None::<&str>; rows].into())),
        ("one_name", Column::Text(vec![Some("a".to_owned()); rows].into())),
    ];
    (features, y)
}

fn check_outputs(directory: &Path, prediction: &str) {
    for name in ["models/model.json", "cv.json"] {
        let text = fs::read_to_string(directory.join(name)).expect("an output");
        assert!(!text.contains("null") && !text.contains("NaN"), "{name}");
    }
    let file = StageFile { path: directory.join("oof.parquet"), name: "oof".to_owned() };
    let predicted = Table::read(&file).and_then(|table| table.floats(prediction)).expect("predictions");
    assert_eq!(predicted.len(), TRAIN);
    assert!(predicted.iter().all(|value| value.is_finite()));
}

fn settings(model: &str, more: &Value) -> Value {
    let mut params = json!({
        "models": [model], "forest": {"trees": 20}, "gbdt": {"rounds": 30, "early_stopping": 5},
        "select": {"trees": 5},
    });
    for (key, value) in more.as_object().into_iter().flatten() {
        params[key] = value.clone();
    }
    params
}

#[test]
fn every_learner_and_encoding_survives_bad_columns() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (features, y) = bad();
    write(directory.path(), &features, &y, true);
    for model in ["logistic", "forest", "gbdt"] {
        for more in [
            json!({}),
            json!({"preprocess": {"encode": "label", "scale": "robust"}, "select": {"method": "variance"}}),
            json!({"preprocess": {"encode": "target", "scale": "minmax"}, "select": {"method": "importance", "max": 4}}),
            json!({"preprocess": {"impute": {"trees": true}}, "imbalance": {"method": "weights"}}),
        ] {
            train(directory.path(), settings(model, &more), 2)
                .unwrap_or_else(|error| panic!("{model} {more}: {error}"));
            check_outputs(directory.path(), "p_raw");
            let file = fs::read_to_string(directory.path().join("models/preprocessor.json")).expect("an output");
            let fitted: Value = serde_json::from_str(&file).expect("JSON");
            let dropped = fitted["members"][0]["dropped"].as_array().expect("a list");
            let reason = |name: &str| dropped.iter().find(|one| one["feature"] == name).map(|one| &one["reason"]);
            assert_eq!(reason("missing"), Some(&json!("missing")), "{model} {more}");
            assert_eq!(reason("no_names"), Some(&json!("missing")), "{model} {more}");
        }
    }
}

#[test]
fn numbers_are_learned_from_bad_columns_too() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (features, y) = bad();
    let y: Vec<f64> = y.iter().enumerate().map(|(row, y)| 10.0 * y + (row % 7) as f64).collect();
    write(directory.path(), &features, &y, false);
    for model in ["ridge", "forest", "gbdt"] {
        let more = json!({"preprocess": {"encode": "target"}, "select": {"method": "rfe", "max": 6, "step": 0.5}});
        train(directory.path(), settings(model, &more), 2).unwrap_or_else(|error| panic!("{model}: {error}"));
        check_outputs(directory.path(), "prediction");
    }
    let more = json!({"imbalance": {"method": "smote"}});
    let error = train(directory.path(), settings("ridge", &more), 1).expect_err("numbers cannot be balanced");
    assert!(error.to_string().contains("train.imbalance.method"), "{error}");
}

#[test]
fn without_a_usable_column_the_learners_say_so() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (features, y) = bad();
    let empty: Vec<(&str, Column)> = features.into_iter().filter(|(name, _)| *name == "missing").collect();
    write(directory.path(), &empty, &y, true);
    let error = train(directory.path(), settings("forest", &json!({})), 1).expect_err("nothing to learn from");
    assert!(error.to_string().contains("there is no column to learn from"), "{error}");
}
