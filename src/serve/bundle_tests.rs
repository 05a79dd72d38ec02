//! The service over a real bundle: its answers are the bundle's, bit for bit, and a damaged bundle is refused.

use std::collections::HashMap;

use clinpipe_stages::bundle::{Bundle, BundleError, Overrides};
use serde_json::{Map, Value, json};

use super::test_bundle::{copy_of_bundle, study};
use super::{BundleModel, Event, Model, Outcome, Papers, Scored, ScoringError};

fn model() -> BundleModel {
    let bundle = Bundle::load(&study().bundle()).expect("a bundle");
    BundleModel::new(bundle, &Overrides::default(), Papers::default()).expect("the bundle's own bounds")
}

fn event(scored: &Scored) -> &Event {
    match &scored.outcome {
        Outcome::Event(event) => event,
        Outcome::Number(_) => panic!("the study is of an event"),
    }
}

fn record() -> Map<String, Value> {
    let record = json!({
        "patient_id": "P-0001", "age": 69.0, "treatment_group": "Active", "trial_phase": "Phase II",
        "days_in_trial": 100, "visits_completed": 2, "last_visit_day": 50, "adverse_events": 3,
    });
    record.as_object().cloned().expect("an object")
}

#[test]
fn an_answer_is_the_bundles_prediction() {
    let model = model();
    let bundle = Bundle::load(&study().bundle()).expect("a bundle");
    let frame = bundle.records().parse(&record()).expect("a good record").frame;
    let expected = bundle.predict(&frame).expect("a prediction")[0];
    let scored = model.score(&record()).expect("a score");
    assert_eq!(event(&scored).probability.to_bits(), expected.p.to_bits());
    assert_eq!(event(&scored).flagged, expected.flagged);
    assert_eq!(scored.id, Some(json!("P-0001")));
    let level = event(&scored).tier.clone().expect("a level");
    assert_eq!((level.name == "High", level.action.is_some()), (expected.p >= 0.5, expected.p >= 0.5));
    assert!(scored.warnings.is_empty(), "{:?}", scored.warnings);
    assert_eq!((model.info().data.as_str(), model.info().bundle.as_str()), ("synthetic", bundle.digest()));
    assert_eq!(model.info().decision.as_ref().expect("of an event").threshold_version.len(), 12);
}

#[test]
fn what_training_has_not_seen_is_remarked_on() {
    let mut record = record();
    record.insert("age".to_owned(), json!(110));
    record.insert("adverse_events".to_owned(), Value::Null);
    let warnings = model().score(&record).expect("the schema allows it").warnings;
    let found: Vec<_> = warnings.iter().map(|warning| (warning.field.as_str(), warning.kind)).collect();
    assert_eq!(found, [("age", "out_of_training_range")]);
}

#[test]
fn what_was_ordinary_in_training_is_told_and_nobodys_name() {
    let model = model();
    let typical = &model.info().details["typical"];
    let mut table = csv::Reader::from_path(study().raw()).expect("the raw table");
    let rows = table.deserialize().map(|row: Result<HashMap<String, String>, _>| row.expect("a row"));
    let ages: Vec<f64> = rows.filter_map(|row| row["age"].parse().ok()).collect();
    let place = ages.iter().filter(|age| Some(**age) <= typical["age"].as_f64()).count() as f64 / ages.len() as f64;
    assert!((0.45..0.6).contains(&place), "{typical}");
    assert!(typical["trial_phase"].is_string() && typical.get("patient_id").is_none(), "{typical}");
}

#[test]
fn of_very_many_problems_the_first_are_told_and_the_others_counted_once() {
    let mut record = record();
    record.extend((0..150).map(|at| (format!("field_{at}"), Value::Null)));
    let Err(ScoringError::Invalid(problems)) = model().score(&record) else { panic!("unknown fields") };
    let last = problems.last().expect("problems");
    assert_eq!((problems.len(), last.message.as_str(), last.kind), (101, "50 further problems", "more"));
}

#[test]
fn rules_across_columns_refuse_or_remark() {
    let mut record = record();
    record.insert("visits_completed".to_owned(), json!(99));
    let warnings = model().score(&record).expect("a warning only").warnings;
    assert!(warnings.iter().any(|w| w.kind == "rule" && w.message.contains("few visits")), "{warnings:?}");
    record.insert("last_visit_day".to_owned(), json!(101));
    let Err(ScoringError::Invalid(problems)) = model().score(&record) else { panic!("a visit after the last day") };
    assert_eq!((problems.len(), problems[0].field.as_str(), problems[0].kind), (1, "last_visit_day", "rule"));
    let names: Vec<Value> = model().request_schema()["x-rules"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|rule| rule["name"].clone())
        .collect();
    assert_eq!(names, ["visits within the trial", "few visits"]);
}

#[test]
fn the_published_schema_asks_for_what_validation_requires() {
    let model = model();
    let required = model.request_schema()["required"].as_array().cloned().expect("a list");
    assert_eq!(required, ["age", "days_in_trial", "trial_phase", "visits_completed"]);
    let Err(ScoringError::Invalid(problems)) = model.score(&Map::new()) else { panic!("an empty record is invalid") };
    let missing: Vec<Value> = problems.iter().map(|problem| json!(problem.field)).collect();
    assert_eq!(missing, required);
    assert!(model.request_schema()["properties"].get("dropout").is_none());
}

#[test]
fn a_bundle_with_one_changed_bit_is_refused() {
    for name in ["model.json", "threshold.json", "tiers.json"] {
        let copy = copy_of_bundle();
        assert!(Bundle::load(copy.path()).is_ok());
        let path = copy.path().join(name);
        let mut bytes = std::fs::read(&path).expect("readable");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&path, bytes).expect("written");
        assert!(matches!(Bundle::load(copy.path()), Err(BundleError::Tampered(_))), "{name}");
    }
    let copy = copy_of_bundle();
    std::fs::write(copy.path().join("extra.json"), "{}").expect("written");
    assert!(matches!(Bundle::load(copy.path()), Err(BundleError::Tampered(_))));
}
