//! The stage on the small study: what it reports, that threads do not matter, and what it refuses.

use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Part, Stabilise, Stability};
use crate::bundle::tests::assemble;
use crate::common::canonical_json;
use crate::common::table::Table;
use crate::train::test_study::{ROWS, raw, run};
use crate::{Stage, StageError};

const INPUTS: [(&str, &str); 5] = [
    ("bundle", "bundle"),
    ("table", "features.parquet"),
    ("spec", "features.json"),
    ("split", "split.parquet"),
    ("raw", "clean.parquet"),
];

/// The bundled study, with the validated table beside it.
fn study(model: &str) -> TempDir {
    let dir = assemble(model);
    let mut table = Table::with_rows(ROWS);
    table.push_ints("row_id", (0..ROWS as i64).map(|row| Some(3 * row)).collect()).expect("a column");
    for (name, column) in raw().columns() {
        table.push_column(name, column).expect("a column");
    }
    table.write(&dir.path().join("clean.parquet")).expect("written");
    dir
}

fn train() -> Value {
    json!({"models": ["logistic"]})
}

fn stability(directory: &Path, train: Value, params: Value, threads: usize) -> Result<Stability, StageError> {
    let outputs = [("report", "stability.json"), ("points", "stability.csv")];
    let params = json!({"seed": 42, "train": train, "calibrate": {"method": "platt"}, "stability": params});
    run(&Stabilise, directory, &INPUTS, &outputs, params, threads)?;
    canonical_json::read(&directory.join("stability.json"), "stability.json")
}

#[test]
fn refits_move_and_a_longer_study_learns_more_whatever_the_threads() {
    let dir = study("logistic");
    let params = json!({"refits": 30, "learning_curve": {"fractions": [0.2, 1.0], "repeats": 4}});
    let report = stability(dir.path(), train(), params.clone(), 1).expect("a report");
    assert_eq!((report.refits, report.failed, report.enough_refits), (30, 0, false));
    assert_eq!((report.training.n, report.training.patients), (400, 200));
    let moved = &report.instability;
    assert_eq!((moved.n, moved.part), (80, Part::Test));
    assert!(moved.mape.mean > 0.005 && moved.mape.mean < 0.15, "{:?}", moved.mape);
    assert!(moved.spread.median > moved.mape.median && moved.spread.max <= 1.0);
    let flips = moved.flips.as_ref().expect("of events");
    assert!(flips.mean_share > 0.0 && flips.mean_share < flips.unsettled_share);
    assert_eq!(flips.deciles.len(), 10);
    // Where risks are far from the threshold nobody changes sides.
    assert!(flips.deciles.iter().any(|decile| decile.flip_share == 0.0));
    let curve = report.learning_curve.expect("asked for");
    assert!(curve[0].n < curve[1].n && curve[1].n == Some(300.0));
    let score = |at: usize, name: &str| curve[at].scores[name].mean.expect("defined");
    assert!(score(0, "brier") > score(1, "brier") && score(1, "auroc") > 0.6);
    assert!(curve[1].scores["slope"].sd.is_some() && curve[1].events.is_some());

    let bytes = |name: &str| std::fs::read(dir.path().join(name)).expect("an output");
    let before = ["stability.json", "stability.csv"].map(bytes);
    stability(dir.path(), train(), params, 3).expect("a report");
    assert!(["stability.json", "stability.csv"].map(bytes) == before, "bytes depend on threads");
    assert_eq!(String::from_utf8_lossy(&before[1]).lines().count(), 81);
}

#[test]
fn the_training_rows_of_the_model_are_no_more_stable_than_they_look() {
    let dir = study("forest");
    let trees = json!({"models": ["forest"], "forest": {"trees": 25}});
    let params = json!({"refits": 10, "part": "train", "learning_curve": null});
    let report = stability(dir.path(), trees, params, 2).expect("a report");
    assert_eq!((report.model.as_str(), report.instability.n), ("forest", 400));
    assert!(report.learning_curve.is_none() && report.instability.mape.mean > 0.0);
}

#[test]
fn searched_settings_must_be_found_or_searched_for_again() {
    let dir = study("logistic");
    let tuned = json!({
        "models": ["logistic"],
        "tune": {"method": "grid", "trials": 2, "inner_folds": 2, "space": {"logistic.l2": {"values": [0.1, 10.0]}}},
    });
    let params = |retune: bool| json!({"refits": 10, "retune": retune, "learning_curve": null});
    let error = stability(dir.path(), tuned.clone(), params(false), 2).expect_err("no cv.json");
    assert!(error.hint().is_some_and(|hint| hint.contains("`cv`")), "{error}");
    let report = stability(dir.path(), tuned, params(true), 2).expect("searched");
    assert!(report.retuned && report.failed == 0, "{:?}", report.failure);
}

#[test]
fn another_split_is_refused() {
    let dir = study("logistic");
    let manifest = dir.path().join("bundle/bundle.json");
    let text = std::fs::read_to_string(&manifest).expect("a manifest");
    std::fs::write(&manifest, text.replace("\"n\": 400", "\"n\": 399")).expect("written");
    let error = stability(dir.path(), train(), json!({"refits": 10}), 1).expect_err("other rows");
    assert!(error.to_string().contains("not trained on the training part"), "{error}");
    assert_eq!(Stabilise.version(), 1);
}
