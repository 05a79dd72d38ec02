//! Records that bring their patients' earlier rows: what is refused, and that they get what a table gives.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::intake::IntakeRule;
use super::record::RecordSchema;
use crate::bundle::FieldError;
use crate::common::frame::{Column, Frame};
use crate::common::schema::Schema;
use crate::featurize::{FeatureSpec, FeaturizeParams};
use crate::validate::Level;

fn schema() -> Schema {
    serde_json::from_value(json!({
        "group": "pid",
        "target": {"column": "y", "event": "falls ill"},
        "columns": {
            "pid": {"type": "text"},
            "year": {"type": "integer", "range": [2000, 2030]},
            "bmi": {"type": "number", "range": [10, 60], "nullable": true},
            "sbp": {"type": "number"},
            "dbp": {"type": "number", "nullable": true},
            "sex": {"type": "category", "levels": ["f", "m"]},
            "y": {"type": "integer", "available_at": "post"},
        },
    }))
    .expect("a schema")
}

fn spec() -> FeatureSpec {
    let params: FeaturizeParams = serde_json::from_value(json!({
        "history": {
            "time": "year", "unit": "y", "rolling": [{"of": ["bmi", "sbp"], "length": 3}],
            "lags": [{"of": ["sbp"], "by": [1]}], "last_known": ["bmi"], "earlier_rows": true, "since_previous": true,
        },
        "derive": [{"name": "rise", "op": "difference", "of": "sbp", "minus": "sbp_lag_1y"}],
    }))
    .expect("parameters");
    params.resolve(&schema()).expect("valid")
}

fn records() -> RecordSchema {
    let rule = IntakeRule { name: "pressures".to_owned(), check: "dbp < sbp".to_owned(), level: Level::Error };
    let schema = RecordSchema::new(&schema(), &spec().reads(), &[rule]).expect("a good schema");
    schema.with_past(spec().history)
}

fn record(history: &Value) -> Value {
    json!({"pid": "A", "year": 2020, "bmi": 31.5, "sbp": 140, "sex": "f", "history": history})
}

fn faults(record: &Value) -> Vec<(String, &'static str)> {
    let errors = records().parse(record.as_object().expect("an object")).expect_err("refused");
    errors.into_iter().map(|FieldError { field, kind, .. }| (field, kind)).collect()
}

#[test]
fn a_past_row_needs_only_what_the_past_is_made_of() {
    assert_eq!(records().required_of_past(), Some(vec!["sbp".to_owned(), "year".to_owned()]));
    let parsed = records().parse(record(&json!([{"year": 2019, "sbp": 130}])).as_object().expect("an object"));
    let frame = parsed.expect("a good record").frame;
    let features = spec().apply(&frame).expect("applies");
    let value = |name: &str| features.get(name).and_then(Column::numbers).expect(name)[0];
    assert_eq!((value("sbp_lag_1y"), value("rise"), value("earlier_rows")), (130.0, 10.0, 1.0));
    assert!(value("bmi_last_known").is_nan());
    assert_eq!(value("bmi_rolling_mean_3y"), 31.5);
}

#[test]
fn without_a_history_a_record_is_the_first_row() {
    for record in [record(&json!([])), record(&Value::Null), {
        let mut record = record(&Value::Null);
        record.as_object_mut().expect("an object").remove("history");
        record
    }] {
        let frame = records().parse(record.as_object().expect("an object")).expect("a good record").frame;
        let features = spec().apply(&frame).expect("applies");
        assert_eq!(features.get("earlier_rows"), Some(&Column::Number(vec![0.0])));
        assert!(features.get("sbp_lag_1y").and_then(Column::numbers).expect("numbers")[0].is_nan());
    }
}

#[test]
fn every_problem_of_the_past_is_listed_with_its_place() {
    let found = faults(&record(&json!([
        {"year": 2019, "sbp": 130, "bmi": 9},
        {"year": 2020, "sbp": "x"},
        7,
        {"year": 2018, "sbp": 120, "dbp": 125, "pid": "B", "shoe": 1},
        {"sbp": 120},
    ])));
    let expected = [
        ("history.0.bmi", "range"),
        ("history.1.sbp", "type"),
        ("history.1.year", "history"),
        ("history.2", "type"),
        ("history.3.shoe", "unknown_field"),
        ("history.3.pid", "history"),
        ("history.3.dbp", "rule"),
        ("history.4.year", "missing"),
    ];
    assert_eq!(found, expected.map(|(field, kind)| (field.to_owned(), kind)));
    assert_eq!(faults(&record(&json!({}))), [("history".to_owned(), "type")]);
    let twice = json!([{"year": 2019, "sbp": 130}, {"year": 2019, "sbp": 131}]);
    assert_eq!(faults(&record(&twice)), [("history".to_owned(), "history")]);
}

#[test]
fn a_study_without_a_past_knows_no_history() {
    let schema = RecordSchema::new(&schema(), &["sbp".to_owned()], &[]).expect("a good schema");
    let errors = schema.parse(record(&json!([])).as_object().expect("an object")).expect_err("unknown");
    assert_eq!((errors[0].field.as_str(), errors[0].kind), ("history", "unknown_field"));
    assert_eq!(schema.required_of_past(), None);
}

proptest! {
    /// Row by row, a request with its history in any order has the features that the row has in the table.
    #[test]
    fn a_request_gets_the_features_of_the_table(
        cells in prop::collection::vec((prop::option::of(10.0..60.0f64), 90.0..200.0f64), 1..9),
        years in Just((2010..2022).collect::<Vec<i32>>()).prop_shuffle(),
    ) {
        let rows: Vec<(i32, Option<f64>, f64)> =
            years.iter().zip(&cells).map(|(&year, &(bmi, sbp))| (year, bmi, sbp)).collect();
        let mut table = Frame::with_rows(rows.len());
        table.insert("pid", Column::Text(vec![Some("A".to_owned()); rows.len()].into()));
        table.insert("sex", Column::Text(vec![Some("f".to_owned()); rows.len()].into()));
        table.insert("dbp", Column::Number(vec![f64::NAN; rows.len()]));
        table.insert("year", Column::Number(rows.iter().map(|row| f64::from(row.0)).collect()));
        table.insert("bmi", Column::Number(rows.iter().map(|row| row.1.unwrap_or(f64::NAN)).collect()));
        table.insert("sbp", Column::Number(rows.iter().map(|row| row.2).collect()));
        let whole = spec().apply(&table).expect("applies");
        for (at, now) in rows.iter().enumerate() {
            let past: Vec<Value> = rows
                .iter()
                .filter(|row| row.0 < now.0)
                .map(|row| json!({"year": row.0, "bmi": row.1, "sbp": row.2}))
                .collect();
            let request =
                json!({"pid": "A", "year": now.0, "bmi": now.1, "sbp": now.2, "sex": "f", "history": past});
            let parsed = records().parse(request.as_object().expect("an object")).expect("a good record");
            let alone = spec().apply(&parsed.frame).expect("applies");
            for (name, column) in whole.take(&[at]).columns() {
                match (column, alone.get(name)) {
                    (Column::Number(table), Some(Column::Number(request))) => {
                        prop_assert_eq!(table[0].to_bits(), request[0].to_bits(), "{}", name);
                    }
                    (table, request) => prop_assert_eq!(Some(table), request, "{}", name),
                }
            }
        }
    }
}
