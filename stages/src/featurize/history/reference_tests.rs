//! The columns of a small panel beside those that pandas computes (`fixtures/history.py`).

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;

use crate::common::frame::{Column, Frame};
use crate::common::schema::Schema;
use crate::featurize::FeaturizeParams;

#[derive(Deserialize)]
struct Fixture {
    patient: Vec<Option<String>>,
    year: Vec<f64>,
    bmi: Vec<Option<f64>>,
    expected: BTreeMap<String, Vec<Option<f64>>>,
}

#[test]
fn columns_are_those_of_pandas() {
    let fixture: Fixture =
        serde_json::from_str(include_str!("../../../fixtures/history.json")).expect("the fixture's form");
    let schema: Schema = serde_json::from_value(json!({
        "group": "patient",
        "target": {"column": "y", "event": "falls ill"},
        "columns": {
            "patient": {"type": "text"},
            "year": {"type": "integer"},
            "bmi": {"type": "number", "nullable": true},
            "y": {"type": "integer", "available_at": "post"},
        },
    }))
    .expect("a schema");
    let params: FeaturizeParams = serde_json::from_value(json!({"history": {
        "time": "year", "unit": "y",
        "rolling": [
            {"of": ["bmi"], "length": 3, "stats": ["mean", "std", "min", "max", "trend", "count"]},
            {"of": ["bmi"], "length": 2, "gap": 1, "stats": ["mean"]},
        ],
        "lags": [{"of": ["bmi"], "by": [1, 2]}],
        "last_known": ["bmi"],
        "earlier_rows": true,
        "since_previous": true,
    }}))
    .expect("parameters");
    let spec = params.resolve(&schema).expect("valid");
    let mut raw = Frame::with_rows(fixture.year.len());
    raw.insert("patient", Column::Text(fixture.patient.into()));
    raw.insert("year", Column::Number(fixture.year));
    raw.insert("bmi", Column::Number(fixture.bmi.iter().map(|value| value.unwrap_or(f64::NAN)).collect()));
    let features = spec.apply(&raw).expect("applies");
    assert_eq!(fixture.expected.len(), 12);
    for (name, expected) in &fixture.expected {
        let found = features.get(name).and_then(Column::numbers).expect(name);
        for (row, (found, expected)) in found.iter().zip(expected).enumerate() {
            let same =
                expected.map_or(found.is_nan(), |expected| (found - expected).abs() < 1e-9 * expected.abs().max(1.0));
            assert!(same, "{name} of row {row}: {found}, in pandas {expected:?}");
        }
    }
}
