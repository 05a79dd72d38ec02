//! The search inside the train stage: bytes, what it must not see, what it writes.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::StageFile;
use crate::common::canonical_json;
use crate::common::table::Table;
use crate::train::Train;
use crate::train::test_study::{TRAIN, run, write_inputs};

fn tuned() -> Value {
    json!({
        "models": ["logistic", "gbdt"],
        "gbdt": {"rounds": 30, "early_stopping": 5},
        "tune": {
            "method": "tpe", "trials": 8, "startup": 2, "batch": 3, "inner_folds": 2, "metric": "auroc",
            "space": {
                "gbdt.leaves": {"low": 2, "high": 16, "integer": true, "log": true},
                "gbdt.learning_rate": {"low": 0.02, "high": 0.5, "log": true},
                "logistic.l2": {"values": [0.01, 1, 100]},
                "preprocess.scale": {"values": ["standard", "none"]},
            },
        },
    })
}

fn train(directory: &Path, params: &Value, threads: usize) {
    run(
        &Train,
        directory,
        &[("table", "features.parquet"), ("spec", "features.json"), ("split", "split.parquet")],
        &[("models", "models/"), ("oof", "oof.parquet"), ("cv", "cv.json"), ("trials", "trials.csv")],
        json!({"seed": 42, "train": params}),
        threads,
    )
    .expect("the study can be trained");
}

fn study(params: &Value, threads: usize) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a temporary directory");
    write_inputs(directory.path()).expect("inputs can be written");
    train(directory.path(), params, threads);
    directory
}

fn bytes(directory: &Path) -> Vec<Vec<u8>> {
    let names = ["models/model.json", "models/preprocessor.json", "models/card.json", "oof.parquet", "cv.json"];
    names.iter().chain(&["trials.csv"]).map(|name| fs::read(directory.join(name)).expect("an output")).collect()
}

fn cv(directory: &Path) -> Value {
    canonical_json::read(&directory.join("cv.json"), "cv.json").expect("an output is JSON")
}

#[test]
fn threads_reach_no_byte_of_a_search() {
    let one = study(&tuned(), 1);
    for threads in [2, 4] {
        assert_eq!(bytes(one.path()), bytes(study(&tuned(), threads).path()), "{threads} threads");
    }
}

#[test]
fn every_fold_reports_its_settings_and_both_scores() {
    let directory = study(&tuned(), 2);
    let cv = cv(directory.path());
    let trials = fs::read_to_string(directory.path().join("trials.csv")).expect("readable");
    let mut listed = 0;
    for (name, most) in [("logistic", 6), ("gbdt", 8)] {
        for fold in cv["candidates"][name]["folds"].as_array().expect("folds") {
            let tuning = &fold["tuning"];
            assert_eq!(tuning["metric"], "auroc");
            assert_eq!(tuning["outer"], fold["auroc"], "the fold's own score, by the metric of the search");
            let inner = tuning["inner"].as_f64().expect("the best trial's value");
            assert!((0.5..1.0).contains(&inner));
            let counts = ["complete", "pruned", "failed"].map(|state| tuning[state].as_u64().expect("a count"));
            assert_eq!(counts.iter().sum::<u64>(), most, "{name}");
            assert!(tuning["params"]["preprocess.scale"].is_string());
            let row = format!("{name},fold-{},{},complete,{inner},", fold["fold"], tuning["trial"]);
            assert!(trials.lines().any(|line| line.starts_with(&row)), "{row}");
            listed += most as usize;
        }
        assert_eq!(cv["candidates"][name].get("rounds"), None, "every fold has its own settings");
    }
    let chosen = cv["chosen"].as_str().expect("a name");
    let last = &cv["tuning"][chosen];
    assert!(last["params"].is_object() && last.get("outer").is_none(), "nothing is left to judge the final settings");
    listed += if chosen == "gbdt" { 8 } else { 6 };
    assert_eq!(trials.lines().count(), 1 + listed);
}

#[test]
fn a_search_cannot_see_the_rows_that_judge_it() {
    let before = cv(study(&tuned(), 2).path());
    let directory = tempfile::tempdir().expect("a temporary directory");
    write_inputs(directory.path()).expect("inputs can be written");
    let path = directory.path().join("features.parquet");
    let table = Table::read(&StageFile { path: path.clone(), name: "features".to_owned() }).expect("a table");
    let y = table.ints_full("y").expect("outcomes");
    // Patients have two rows and go to fold (row / 2) % 4: the outcomes of fold 0 are put in reverse order.
    let held: Vec<usize> = (0..TRAIN).filter(|row| row / 2 % 4 == 0).collect();
    let mut changed = y.clone();
    held.iter().zip(held.iter().rev()).for_each(|(&to, &from)| changed[to] = y[from]);
    assert_ne!(y, changed);
    let mut moved = Table::with_rows(table.rows());
    moved.push_ints("row_id", table.ints("row_id").expect("ids")).expect("a column");
    moved.push_texts("group", &table.texts("group").expect("patients")).expect("a column");
    moved.push_ints("y", changed.into_iter().map(Some).collect()).expect("a column");
    for name in ["age", "lab"] {
        moved.push_floats(name, table.floats(name).expect("numbers")).expect("a column");
    }
    for name in ["sex", "site"] {
        moved.push_texts(name, &table.texts(name).expect("texts")).expect("a column");
    }
    moved.write(&path).expect("the table can be written");
    train(directory.path(), &tuned(), 2);
    let after = cv(directory.path());
    for name in ["logistic", "gbdt"] {
        let of = |cv: &Value, fold: usize| cv["candidates"][name]["folds"][fold]["tuning"].clone();
        let (old, new) = (of(&before, 0), of(&after, 0));
        for key in ["params", "trial", "inner", "complete", "pruned"] {
            assert_eq!(old[key], new[key], "{name} {key}");
        }
        assert_ne!(old["outer"], new["outer"], "the outcomes that judge it did change");
        assert_ne!(of(&before, 1)["inner"], of(&after, 1)["inner"], "and the other folds saw them");
    }
}

#[test]
fn inner_folds_are_by_patient_where_time_does_not_suffice_and_that_is_said() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    write_inputs(directory.path()).expect("inputs can be written");
    let path = directory.path().join("split.parquet");
    let table = Table::read(&StageFile { path: path.clone(), name: "split".to_owned() }).expect("a table");
    // A hundred rows in each of the years 0 to 3, gap 1: the folds hold out 2 and 3 and train on 0, and on 0 and 1.
    let year = |row: usize| row / 100;
    let column = |value: fn(usize) -> Option<i64>| (0..table.rows()).map(|row| value(year(row))).collect::<Vec<_>>();
    let mut split = Table::with_rows(table.rows());
    split.push_ints("row_id", table.ints("row_id").expect("ids")).expect("a column");
    split.push_texts("part", &table.texts("part").expect("parts")).expect("a column");
    let held = |year: usize| if year > 3 { None } else { year.checked_sub(2).map(|fold| fold as i64) };
    split.push_ints("fold", column(held)).expect("a column");
    split.push_floats("time", (0..table.rows()).map(|row| year(row) as f64).collect()).expect("a column");
    split.push_floats("gap", vec![1.0; table.rows()]).expect("a column");
    split.push_ints("train_from", column(|year| Some(year.min(2) as i64))).expect("a column");
    split.push_ints("apart", column(|_| None)).expect("a column");
    split.write(&path).expect("written");
    let params = json!({
        "models": ["logistic"],
        "tune": {"method": "random", "trials": 3, "inner_folds": 2, "space": {"logistic.l2": {"low": 0.1, "high": 10}}},
    });
    train(directory.path(), &params, 2);
    let cv = cv(directory.path());
    for fold in cv["candidates"]["logistic"]["folds"].as_array().expect("folds") {
        let note = fold["tuning"]["note"].as_str().expect("a note");
        assert!(note.starts_with("the inner folds are by patient, not in time: 2 folds in time need"), "{note}");
        assert_eq!(fold["tuning"]["complete"], 3);
    }
    // All training rows together have years enough.
    let last = &cv["tuning"]["logistic"];
    assert!(last["params"].is_object() && last.get("note").is_none(), "{last}");
}

#[test]
fn a_trial_that_fails_is_listed_and_the_others_decide() {
    // With `min_leaf` beyond the rows of a fold, the forest has one leaf, whose calibration slope is undefined.
    let params = json!({
        "models": ["forest"], "forest": {"trees": 10, "depth": 4},
        "tune": {
            "method": "grid", "inner_folds": 2, "metric": "calibration_slope", "pruner": "none",
            "space": {"forest.min_leaf": {"values": [5, 100_000]}},
        },
    });
    let directory = study(&params, 2);
    let trials = fs::read_to_string(directory.path().join("trials.csv")).expect("readable");
    let failed = trials.lines().find(|line| line.contains(",failed,")).expect("a failed trial");
    assert!(failed.ends_with("the distance of the calibration slope from 1 is undefined on inner fold 0"), "{failed}");
    let tuning = &cv(directory.path())["candidates"]["forest"]["folds"][0]["tuning"];
    assert_eq!((&tuning["failed"], &tuning["params"]["forest.min_leaf"]), (&json!(1), &json!(5)));
    assert_eq!(tuning["note"], "all 2 combinations were tried");
}

#[test]
fn balancing_that_a_search_chose_is_marked() {
    let mut params = json!({
        "models": ["logistic"],
        "tune": {"method": "grid", "inner_folds": 2, "space": {"imbalance.method": {"values": ["weights"]}}},
    });
    let card = |params: &Value| -> Value {
        let directory = study(params, 1);
        let file = StageFile { path: directory.path().join("oof.parquet"), name: "oof".to_owned() };
        let marked = Table::read(&file).expect("a table").has("imbalance");
        let card: Value = canonical_json::read(&directory.path().join("models/card.json"), "card").expect("a card");
        assert_eq!(marked, card["imbalance"].is_string());
        card["imbalance"].clone()
    };
    assert_eq!(card(&params), "weights");
    params["tune"]["space"]["imbalance.method"] = json!({"values": ["none"]});
    assert_eq!(card(&params), Value::Null);
}

#[test]
fn without_a_method_the_search_changes_no_byte() {
    let mut idle = tuned();
    idle["tune"]["method"] = json!("none");
    let mut plain = tuned();
    plain.as_object_mut().expect("parameters").remove("tune");
    let (idle, plain) = (study(&idle, 2), study(&plain, 2));
    assert_eq!(bytes(idle.path()), bytes(plain.path()));
    assert_eq!(fs::read_to_string(plain.path().join("trials.csv")).expect("readable").lines().count(), 1);
}
