//! Imputing, scaling and encoding against scikit-learn: stages/fixtures/preprocess.json, made by preprocess.py.

use serde_json::{Value, json};

use super::*;
use crate::common::frame::{Column, Frame};
use crate::train::params::PreprocessParams;

fn fixture() -> Value {
    serde_json::from_str(include_str!("../../../fixtures/preprocess.json")).expect("JSON")
}

fn numbers(value: &Value) -> Vec<f64> {
    let cells = value.as_array().expect("a list");
    cells.iter().map(|cell| cell.as_f64().unwrap_or(f64::NAN)).collect()
}

fn texts(value: &Value) -> Vec<Option<String>> {
    value.as_array().expect("a list").iter().map(|cell| cell.as_str().map(str::to_owned)).collect()
}

fn frame(column: Column) -> Frame {
    let mut frame = Frame::with_rows(column.len());
    frame.insert("x", column);
    frame
}

/// Fits on one column and encodes new rows of it.
fn encode(fit: Column, y: &[f64], new: Column, params: Value) -> Matrix {
    let features = frame(fit);
    let all: Vec<usize> = (0..features.rows()).collect();
    let ids: Vec<i64> = (0..features.rows() as i64).collect();
    let names = ["x".to_owned()];
    let rows = FitRows {
        features: &features,
        names: &names,
        index: &all,
        row_ids: &ids,
        y,
        groups: &all,
        seed: 1,
        label: "reference",
    };
    let params: PreprocessParams = serde_json::from_value(params).expect("the right types");
    let (fitted, _) = Preprocessor::fit_transform(&rows, &params, Dialect::Linear).expect("the column is there");
    fitted.transform(&frame(new), None).expect("the same column")
}

fn close(found: f64, expected: f64) -> bool {
    (found - expected).abs() <= 1e-12 * expected.abs().max(1.0)
}

#[test]
fn filled_and_scaled_numbers_are_those_of_scikit_learn() {
    let numbers_of = &fixture()["numbers"];
    let (fit, new) = (numbers(&numbers_of["fit"]), numbers(&numbers_of["new"]));
    let cases = numbers_of["cases"].as_array().expect("cases");
    assert_eq!(cases.len(), 16);
    for case in cases {
        let params = json!({
            "impute": {"numeric": case["impute"], "constant": 1.5, "missing_flag": false}, "scale": case["scale"],
        });
        let x = encode(Column::Number(fit.clone()), &vec![0.0; fit.len()], Column::Number(new.clone()), params);
        for (found, expected) in x.values.iter().zip(numbers(&case["transformed"])) {
            assert!(close(*found, expected), "{} {}: {found} is not {expected}", case["impute"], case["scale"]);
        }
    }
}

#[test]
fn one_hot_columns_are_those_of_scikit_learn() {
    let categories = &fixture()["categories"];
    let (fit, asked) = (texts(&categories["fit"]), texts(&categories["asked"]));
    for case in categories["onehot"].as_array().expect("cases") {
        let params = json!({"levels": {"max": case["max"], "min_count": case["min_count"]}});
        let x =
            encode(Column::Text(fit.clone().into()), &vec![0.0; fit.len()], Column::Text(asked.clone().into()), params);
        let expected: Vec<f64> = case["encoded"].as_array().expect("rows").iter().flat_map(numbers).collect();
        assert_eq!(x.values, expected, "{case}");
    }
}

#[test]
fn labels_and_target_means_are_those_of_scikit_learn() {
    let categories = &fixture()["categories"];
    let (fit, asked) = (texts(&categories["fit"]), texts(&categories["asked"]));
    let run = |y: &[f64], params: Value| {
        encode(Column::Text(fit.clone().into()), y, Column::Text(asked.clone().into()), params).values
    };
    let mut labels = numbers(&categories["label"]);
    // An unknown level gets the code of the most frequent one, `b`.
    labels.push(1.0);
    assert_eq!(run(&vec![0.0; fit.len()], json!({"encode": "label", "scale": "none"})), labels);
    for case in categories["target"].as_array().expect("cases") {
        let y = numbers(&categories[case["outcome"].as_str().expect("a name")]);
        let params = json!({"encode": "target", "scale": "none", "target": {"smoothing": case["smoothing"]}});
        for (found, expected) in run(&y, params).into_iter().zip(numbers(&case["encoded"])) {
            assert!(close(found, expected), "{case}: {found} is not {expected}");
        }
    }
}
