//! The stage on panels: pieces reach no value, row order stays, what cannot be ordered is told by row.

use serde_json::{Value, json};

use super::*;
use crate::common::frame::Column;
use crate::common::rng::Stream;
use crate::common::table::Table;
use crate::testing::Lab;

fn params() -> Value {
    json!({
        "schema": {
            "group": "patient",
            "target": {"column": "y", "event": "falls ill"},
            "columns": {
                "patient": {"type": "text"},
                "ward": {"type": "text"},
                "year": {"type": "integer"},
                "bmi": {"type": "number", "nullable": true},
                "visits": {"type": "integer"},
                "y": {"type": "integer", "levels": [0, 1], "available_at": "post"},
            },
        },
        "featurize": {
            "history": {
                "time": "year", "unit": "y", "earlier_rows": true, "last_known": ["bmi"],
                "rolling": [{"of": ["bmi", "visits"], "length": 3}], "lags": [{"of": ["bmi"], "by": [1]}],
            },
            "derive": [{"name": "change", "op": "difference", "of": "bmi", "minus": "bmi_lag_1y"}],
        },
    })
}

const OUTPUTS: [(&str, &str); 2] = [("table", "features.parquet"), ("spec", "features.json")];

/// Every patient in every year, in random order when `shuffled`.
fn panel(patients: i64, years: i64, shuffled: bool) -> Table {
    let mut stream = Stream::new(9, "panel");
    let mut order: Vec<(i64, i64)> = (0..patients).flat_map(|p| (0..years).map(move |y| (p, 2000 + y))).collect();
    if shuffled {
        stream.shuffle(&mut order);
    }
    let mut table = Table::with_rows(order.len());
    let bmi =
        order.iter().map(|_| if stream.chance(0.2) { f64::NAN } else { 20.0 + 10.0 * stream.uniform() }).collect();
    let some = |pick: &dyn Fn(&(i64, i64)) -> i64| order.iter().map(|row| Some(pick(row))).collect::<Vec<_>>();
    let text = |pick: &dyn Fn(&(i64, i64)) -> String| order.iter().map(|row| Some(pick(row))).collect::<Vec<_>>();
    table
        .push_ints("row_id", (0..order.len() as i64).map(|row| Some(2 * row)).collect())
        .and_then(|t| t.push_texts("patient", text(&|row| format!("P{}", row.0))))
        .and_then(|t| t.push_texts("ward", text(&|row| format!("W{}", row.0 % 3))))
        .and_then(|t| t.push_ints("year", some(&|row| row.1)))
        .and_then(|t| t.push_floats("bmi", bmi))
        .and_then(|t| t.push_ints("visits", some(&|row| row.0 % 5 + row.1 % 2)))
        .and_then(|t| t.push_ints("y", some(&|row| i64::from(row.0 % 4 == 0))))
        .expect("columns");
    table
}

fn run(lab: &Lab, table: &Table, params: &Value) -> Result<(), StageError> {
    table.write(&lab.path("clean.parquet")).expect("written");
    lab.run(&Featurize, &[("table", "clean.parquet")], &OUTPUTS, params)
}

/// A table of several pieces has the features that it has in one, in the order of its rows.
#[test]
fn pieces_reach_no_value() {
    let (lab, table) = (Lab::new(), panel(35_000, 4, true));
    assert!(table.rows() > crate::common::table::TableWriter::PIECE);
    run(&lab, &table, &params()).expect("runs");
    let Value::Object(map) = params() else { unreachable!() };
    let spec = parse(&ParamSet::new(map)).expect("valid").1;
    let whole =
        spec.apply(&table.frame_of(spec.reads().iter().map(String::as_str)).expect("columns")).expect("applies");
    let out = lab.table("features.parquet");
    assert_eq!(out.ints_full("row_id").expect("ids"), table.ints_full("row_id").expect("ids"));
    assert_eq!(out.texts("group").expect("texts"), table.texts("patient").expect("texts"));
    for feature in &spec.features {
        let expected = whole.get(&feature.name).and_then(Column::numbers).expect("numbers");
        let found = out.floats(&feature.name).expect("numbers");
        let same =
            found.iter().zip(expected).all(|(f, e)| f.to_bits() == (e + 0.0).to_bits() || (f.is_nan() && e.is_nan()));
        assert!(same, "{}", feature.name);
    }
    let earlier = out.floats("earlier_rows").expect("numbers");
    assert_eq!(earlier.iter().sum::<f64>(), 35_000.0 * (1.0 + 2.0 + 3.0));
}

#[test]
fn what_has_no_order_is_told_by_row() {
    let (lab, table) = (Lab::new(), panel(3, 3, false));
    let twice = table.take(&[0, 1, 2, 4, 1]).expect("rows");
    let error = run(&lab, &twice, &params()).expect_err("refused");
    assert!(error.to_string().contains("clean.parquet: `patient`, `year`") && error.hint().is_some(), "{error}");
    assert!(error.to_string().contains("row_id 2 and row_id 2"), "{error}");
    let mut apart = params();
    apart["featurize"]["history"]["same_time"] = json!("apart");
    run(&lab, &twice, &apart).expect("both are meant");
    assert_eq!(lab.table("features.parquet").floats("earlier_rows").expect("numbers"), [0.0, 1.0, 3.0, 0.0, 1.0]);
}

#[test]
fn an_entity_is_finer_than_a_patient() {
    let (lab, table) = (Lab::new(), panel(4, 3, false));
    let mut by_ward = params();
    by_ward["featurize"]["history"]["entity"] = json!("ward");
    let error = run(&lab, &table, &by_ward).expect_err("wards hold several patients").to_string();
    assert!(error.contains("`ward` occurs under another `patient`"), "{error}");
    // Patients within wards are what the split keeps together.
    by_ward["schema"]["group"] = json!("ward");
    by_ward["featurize"]["history"]["entity"] = json!("patient");
    run(&lab, &table, &by_ward).expect("patients are finer");
    assert_eq!(lab.table("features.parquet").floats("earlier_rows").expect("numbers").iter().sum::<f64>(), 12.0);
}

#[test]
fn bytes_of_a_panel_are_frozen() {
    let lab = Lab::new();
    run(&lab, &panel(40, 6, true), &params()).expect("runs");
    let digest = lab.digest(&["features.parquet", "features.json"]);
    assert_eq!(digest, "c0957037596821f6", "bytes moved: raise VERSION");
}
