use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::testing::Lab;

/// Parameters over the columns patient, year and y.
fn params(kind: &str, split: Value) -> Value {
    let mut value = json!({
        "seed": 42,
        "schema": {
            "group": "patient",
            "target": {"column": "y", "event": "ends"},
            "columns": {
                "patient": {"type": "integer"},
                "year": {"type": "integer"},
                "site": {"type": "text"},
                "y": {"type": "integer"},
            },
        },
        "split": {"kind": kind, "time": "year"},
    });
    if let (Some(into), Value::Object(from)) = (value["split"].as_object_mut(), split) {
        into.extend(from);
    }
    value
}

/// Runs the stage on rows of patient, year and event.
fn split(lab: &Lab, rows: &[(i64, i64, bool)], params: &Value) -> Result<(), StageError> {
    let column = |pick: fn(&(i64, i64, bool)) -> i64| rows.iter().map(|row| Some(pick(row))).collect::<Vec<_>>();
    let mut table = Table::with_rows(rows.len());
    table
        .push_ints("row_id", (0..rows.len() as i64).map(Some).collect())
        .and_then(|t| t.push_ints("patient", column(|row| row.0)))
        .and_then(|t| t.push_ints("year", column(|row| row.1)))
        .and_then(|t| t.push_ints("y", column(|row| i64::from(row.2))))
        .expect("columns");
    table.write(&lab.path("clean.parquet")).expect("written");
    lab.run(&Split, &[("table", "clean.parquet")], &[("split", "split.parquet"), ("report", "split.json")], params)
}

/// 60 patients a year from 2011 to 2020, each seen once; every third has the event.
fn once() -> Vec<(i64, i64, bool)> {
    (0..600).map(|row| (row, 2011 + row / 60, row % 3 == 0)).collect()
}

/// 90 patients seen in each of 2011 to 2020.
fn returning() -> Vec<(i64, i64, bool)> {
    (0..900).map(|row| (row / 10, 2011 + row % 10, row % 7 < 2)).collect()
}

fn refused(rows: &[(i64, i64, bool)], params: &Value) -> (String, String) {
    let error = split(&Lab::new(), rows, params).expect_err("refused");
    (error.to_string(), error.hint().unwrap_or_default().to_owned())
}

#[test]
fn the_latest_rows_are_tested_and_the_gap_is_unused() {
    let lab = Lab::new();
    split(&lab, &once(), &params("temporal", json!({"test": 0.2, "gap": 1, "folds": 3}))).expect("splits");
    let report = lab.json("split.json");
    assert_eq!(report["time"], json!({"column": "year", "cutoff": 2019.0, "gap": 1.0}));
    assert_eq!(report["test"], json!({"n": 120, "events": 40, "groups": 120, "time": [2019.0, 2020.0]}));
    assert_eq!(report["unused"]["time"], json!([2018.0, 2018.0]));
    assert_eq!(report["train"]["time"], json!([2011.0, 2017.0]));
    let fold = |index: usize, part: &str| report["folds"][index].pointer(part).cloned();
    assert_eq!(fold(0, "/fit/time"), Some(json!([2011.0, 2011.0])));
    assert_eq!(fold(0, "/time"), Some(json!([2013.0, 2013.0])));
    assert_eq!(fold(2, "/fit/time"), Some(json!([2011.0, 2014.0])));
    assert_eq!(fold(2, "/time"), Some(json!([2016.0, 2017.0])));
    let table = lab.table("split.parquet");
    assert_eq!(table.names(), ["row_id", "part", "fold", "time", "gap", "train_from", "apart"]);
    let at = |name: &str, row: usize| table.ints(name).expect("ints")[row];
    // 2011 trains from the first fold and is held out in none; 2013 is held out first and trains the third.
    assert_eq!((at("fold", 0), at("train_from", 0), at("apart", 0)), (None, Some(0), None));
    assert_eq!((at("fold", 130), at("train_from", 130)), (Some(0), Some(2)));
    assert_eq!((at("fold", 599), at("train_from", 599)), (None, None));
}

#[test]
fn a_cutoff_takes_the_place_of_a_share() {
    let lab = Lab::new();
    split(&lab, &once(), &params("temporal", json!({"cutoff": 2016, "folds": 2}))).expect("splits");
    let report = lab.json("split.json");
    assert_eq!(
        (&report["test"]["n"], &report["train"]["n"], &report["unused"]["n"]),
        (&json!(300), &json!(300), &json!(0))
    );
    let (error, hint) = refused(&once(), &params("temporal", json!({"cutoff": 2021})));
    assert!(error.contains("the latest is of 2020") && hint.contains("split.cutoff"), "{error}; {hint}");
}

#[test]
fn tested_patients_are_never_trained_on() {
    let lab = Lab::new();
    split(&lab, &returning(), &params("temporal_group", json!({"test": 0.3, "gap": 1, "folds": 3}))).expect("splits");
    let report = lab.json("split.json");
    assert_eq!(report["time"]["cutoff"], json!(2018.0));
    assert_eq!(report["test"]["groups"], json!(27));
    assert_eq!(report["test"]["n"], json!(81));
    // 63 patients train on 2011 to 2016; their later rows and the tested patients' earlier ones are unused.
    assert_eq!((&report["train"]["n"], &report["unused"]["n"]), (&json!(63 * 6), &json!(63 * 4 + 27 * 7)));
    assert_eq!(report["folds"][1]["groups"], json!(21));
    assert_eq!(report["folds"][1]["fit"]["groups"], json!(42));
}

#[test]
fn two_years_of_training_can_be_folded_by_patient() {
    let lab = Lab::new();
    let years: Vec<_> = returning().into_iter().filter(|row| row.1 < 2014).collect();
    let split_by = |by: &str| params("temporal_group", json!({"cutoff": 2013, "gap": 0, "folds": 3, "fold_by": by}));
    let (error, hint) = refused(&years, &split_by("time"));
    assert!(error.contains("there are 1 (of 2 in all)") && hint.contains("`fold_by: patient`"), "{error}; {hint}");
    split(&lab, &years, &split_by("patient")).expect("splits");
    let report = lab.json("split.json");
    assert_eq!(report["time"], json!({"column": "year", "cutoff": 2013.0, "gap": 0.0, "fold_by": "patient"}));
    let of = |place: &str| report.pointer(place).cloned().unwrap_or_default();
    // 72 of 90 patients train, on two years each; a fold holds out 24 of them in both years.
    assert_eq!((of("/train/n"), of("/test/n"), of("/unused/n")), (json!(144), json!(18), json!(108)));
    assert_eq!((of("/folds/0/n"), of("/folds/0/groups"), of("/folds/0/fit/groups")), (json!(48), json!(24), json!(48)));
    assert_eq!((of("/folds/0/time"), of("/folds/0/fit/time")), (json!([2011.0, 2012.0]), json!([2011.0, 2012.0])));
    let table = lab.table("split.parquet");
    assert_eq!(table.names(), ["row_id", "part", "fold", "time", "gap"]);
}

#[test]
fn patients_who_return_need_the_group_kind() {
    let (error, hint) = refused(&returning(), &params("temporal", json!({})));
    assert!(error.contains("900 rows belong to 90 patients") && hint.contains("temporal_group"), "{error}; {hint}");
}

#[test]
fn what_cannot_be_divided_says_what_to_change() {
    let few = |split| refused(&once(), &params("temporal", split));
    let (error, hint) = few(json!({"folds": 9}));
    assert!(
        error.starts_with("9 folds in time need as many points in time")
            && error.contains("there are 7 (of 8 in all)")
            && hint.contains("fewer folds"),
        "{error}; {hint}"
    );
    let (error, hint) = few(json!({"gap": 20}));
    assert!(error.contains("more than the gap of 20") && hint.contains("split.gap"), "{error}; {hint}");
    let rows: Vec<_> = once().into_iter().map(|(patient, year, _)| (patient, year, year == 2015)).collect();
    let (error, hint) = refused(&rows, &params("temporal", json!({"folds": 2})));
    assert!(error.contains("test part has 120 rows of which 0") && hint.contains("earlier cutoff"), "{error}; {hint}");
    let same: Vec<_> = once().into_iter().map(|(patient, _, event)| (patient, 2011, event)).collect();
    assert!(refused(&same, &params("temporal", json!({}))).0.contains("all rows are of the same time"));
}

#[test]
fn parameters_of_time_belong_to_the_kinds_in_time() {
    let path = |kind: &str, split: Value| {
        let Value::Object(map) = params(kind, split) else { unreachable!() };
        Split.check(&ParamSet::new(map)).err().map(|error| error.path)
    };
    let found = |kind, split| path(kind, split).expect("refused");
    assert_eq!(path("temporal", json!({"gap": 0.5, "test": 0.3})), None);
    assert_eq!(found("group", json!({})), "split.time");
    assert_eq!(found("group", json!({"time": null, "gap": 1})), "split.gap");
    assert_eq!(found("group", json!({"time": null, "fold_by": "patient"})), "split.fold_by");
    assert_eq!(path("group", json!({"time": null, "fold_by": "time"})), None);
    assert_eq!(found("temporal", json!({"time": null})), "split.kind");
    assert_eq!(found("temporal", json!({"time": "when"})), "split.time");
    assert_eq!(found("temporal", json!({"time": "site"})), "split.time");
    assert_eq!(found("temporal", json!({"gap": -1})), "split.gap");
    assert_eq!(found("temporal", json!({"cutoff": 2018, "test": 0.2})), "split.test");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// What holds for any panel: no tested patient trains, and all that trains lies before the test period by more
    /// than the gap. The stage's own proof covers the folds.
    #[test]
    fn the_past_of_others_is_all_that_trains(
        panel in prop::collection::vec((0..40_i64, 2000..2012_i64, any::<bool>()), 100..300),
        gap in 0..3_i64,
        seed in any::<u64>(),
    ) {
        let lab = Lab::new();
        let mut value = params("temporal_group", json!({"test": 0.25, "gap": gap, "folds": 2}));
        value["seed"] = json!(seed);
        if split(&lab, &panel, &value).is_err() {
            return Ok(());
        }
        let part = lab.table("split.parquet").texts("part").expect("texts");
        let rows = |name: &str| (0..panel.len()).filter(|&row| part.get(row) == Some(name)).collect::<Vec<_>>();
        let (train, test) = (rows("train"), rows("test"));
        let patients = |rows: &[usize]| rows.iter().map(|&row| panel[row].0).collect::<BTreeSet<_>>();
        prop_assert!(patients(&train).is_disjoint(&patients(&test)));
        let latest = train.iter().map(|&row| panel[row].1).max().unwrap();
        let earliest = test.iter().map(|&row| panel[row].1).min().unwrap();
        prop_assert!(latest + gap < earliest);
    }
}
