use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::common::folds::Units;
use crate::common::rng::Stream;
use crate::testing::Lab;

fn params(kind: &str, folds: usize) -> Value {
    let group = if kind == "group" { json!("patient") } else { Value::Null };
    json!({
        "seed": 42,
        "schema": {
            "group": group,
            "target": {"column": "y", "event": "ends"},
            "columns": {"patient": {"type": "integer"}, "y": {"type": "integer"}},
        },
        "split": {"kind": kind, "test": 0.25, "folds": folds},
    })
}

fn split(lab: &Lab, patients: &[i64], events: &[bool], params: &Value) -> Result<(), StageError> {
    let mut table = Table::with_rows(patients.len());
    table
        .push_ints("row_id", (0..patients.len()).map(|row| Some(10 + row as i64)).collect())
        .and_then(|t| t.push_ints("patient", patients.iter().copied().map(Some).collect()))
        .and_then(|t| t.push_ints("y", events.iter().map(|&event| Some(i64::from(event))).collect()))
        .expect("columns");
    table.write(&lab.path("clean.parquet")).expect("written");
    lab.run(&Split, &[("table", "clean.parquet")], &[("split", "split.parquet"), ("report", "split.json")], params)
}

fn every(n: i64, period: i64) -> (Vec<i64>, Vec<bool>) {
    ((0..n).collect(), (0..n).map(|row| row % period == 0).collect())
}

#[test]
fn stratified_parts_have_the_outcome_in_proportion() {
    let lab = Lab::new();
    let (rows, events) = every(400, 10);
    split(&lab, &rows, &events, &params("stratified", 5)).expect("splits");
    let report = lab.json("split.json");
    assert_eq!(report["test"], json!({"n": 100, "events": 10, "groups": 100}));
    for fold in report["folds"].as_array().expect("folds") {
        assert_eq!(fold, &json!({"n": 60, "events": 6, "groups": 60}));
    }
    let table = lab.table("split.parquet");
    assert_eq!(table.names(), ["row_id", "part", "fold"]);
    assert_eq!(table.ints("row_id").expect("ints")[0], Some(10));
}

#[test]
fn a_part_or_fold_without_both_outcomes_is_an_error() {
    let (rows, events) = every(40, 20);
    let error = split(&Lab::new(), &rows, &events, &params("stratified", 5)).expect_err("two events, five folds");
    assert!(error.to_string().contains("of which 0 have the event"), "{error}");
    assert!(error.hint().is_some_and(|hint| hint.contains("fewer folds")));
    assert!(split(&Lab::new(), &[1, 2, 3, 4], &[true; 4], &params("random", 2)).is_err());
}

#[test]
fn too_few_patients_are_counted_against_what_the_parts_need() {
    for kind in ["random", "stratified"] {
        let error = split(&Lab::new(), &[7], &[true], &params(kind, 5)).expect_err("one patient");
        assert_eq!(error.to_string(), "1 patient is too few for a test part and 5 folds, which need 6 or more");
        assert!(error.hint().is_some_and(|hint| hint.contains("more patients")));
    }
    let few = split(&Lab::new(), &[1, 2], &[true, false], &params("random", 2)).expect_err("two patients");
    assert!(few.to_string().starts_with("2 patients are too few"), "{few}");
}

#[test]
fn patients_with_several_rows_need_the_group_kind() {
    let (_, events) = every(100, 2);
    let patients: Vec<i64> = (0..100).map(|row| row / 2).collect();
    let mut value = params("stratified", 3);
    value["schema"]["group"] = json!("patient");
    let error = split(&Lab::new(), &patients, &events, &value).expect_err("patients would be torn");
    assert!(error.to_string().contains("torn apart"), "{error}");
    let Value::Object(mut map) = params("group", 3) else { unreachable!() };
    map["schema"]["group"] = Value::Null;
    assert_eq!(Split.check(&ParamSet::new(map)).expect_err("no patients").path, "split.kind");
}

#[test]
fn the_outcome_must_be_0_or_1() {
    let lab = Lab::new();
    let mut table = Table::with_rows(1);
    table
        .push_ints("row_id", vec![Some(3)])
        .and_then(|t| t.push_ints("y", vec![Some(2)]))
        .and_then(|t| t.push_ints("patient", vec![Some(1)]))
        .expect("columns");
    table.write(&lab.path("clean.parquet")).expect("written");
    let outputs = [("split", "split.parquet"), ("report", "split.json")];
    let error =
        lab.run(&Split, &[("table", "clean.parquet")], &outputs, &params("random", 2)).expect_err("2 is no outcome");
    assert!(error.to_string().contains("row_id 3"), "{error}");
}

#[test]
fn bytes_are_frozen() {
    let lab = Lab::new();
    let (rows, events) = every(100, 4);
    split(&lab, &rows, &events, &params("stratified", 3)).expect("splits");
    assert_eq!(lab.digest(&["split.parquet", "split.json"]), "d2c46e2f51cc69c9", "bytes moved: raise VERSION");
}

proptest! {
    #[test]
    fn patients_never_cross_and_every_row_is_placed(
        patients in prop::collection::vec(0..60_i64, 80..200),
        flips in prop::collection::vec(any::<bool>(), 200),
        folds in 2..5_usize,
        seed in any::<u64>(),
    ) {
        let groups: Vec<usize> = patients.iter().map(|&patient| patient as usize).collect();
        let strata: Vec<usize> = flips[..patients.len()].iter().map(|&flip| usize::from(flip)).collect();
        let fold_of = Units::new(&groups, &strata).assign(0.25, folds, &mut Stream::new(seed, "split"));
        let mut places: BTreeMap<usize, BTreeSet<Option<usize>>> = BTreeMap::new();
        for (&group, &fold) in groups.iter().zip(&fold_of) {
            places.entry(group).or_default().insert(fold);
        }
        prop_assert!(places.values().all(|places| places.len() == 1));
        prop_assert!(fold_of.iter().flatten().all(|fold| *fold < folds));
        let test = fold_of.iter().filter(|fold| fold.is_none()).count() as f64;
        let largest = places.keys().map(|name| groups.iter().filter(|group| *group == name).count()).max().unwrap_or(0);
        // Each of the two strata misses its share by at most half a patient.
        prop_assert!((test - 0.25 * groups.len() as f64).abs() <= largest as f64 + 1.0);
    }
}
