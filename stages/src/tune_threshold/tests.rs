//! The stage from Parquet to threshold.json and sweep.csv.

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Map, Value, json};
use tempfile::TempDir;

use super::{Decision, FLAG_NONE, Threshold, TuneThreshold};
use crate::common::canonical_json;
use crate::common::table::Table;
use crate::{Stage, StageContext, StageError, StageFile, StageRequest};

fn run(y: &[i64], p: &[f64], policy: Value) -> (TempDir, Result<Threshold, StageError>) {
    let dir = tempfile::tempdir().expect("a directory");
    let file = |name: &str| StageFile { path: dir.path().join(name), name: name.to_owned() };
    let mut table = Table::with_rows(y.len());
    table.push_ints("y", y.iter().copied().map(Some).collect()).expect("a column");
    table.push_floats("p", p.to_vec()).expect("a column");
    table.write(&file("calibrated.parquet").path).expect("written");
    let bind = |role: &str, name: &str| (role.to_owned(), file(name));
    let request = StageRequest {
        uses: "tune_threshold".to_owned(),
        inputs: BTreeMap::from([bind("calibrated", "calibrated.parquet")]),
        outputs: BTreeMap::from([bind("threshold", "threshold.json"), bind("sweep", "sweep.csv")]),
        params: Map::from_iter([("tune_threshold".to_owned(), policy)]),
        threads: 1,
    };
    let result = TuneThreshold.run(&StageContext::new(request, &|_| {}));
    let threshold = result.and_then(|()| canonical_json::read(&dir.path().join("threshold.json"), "threshold.json"));
    (dir, threshold)
}

fn cost(false_positive: f64, false_negative: f64) -> Value {
    json!({"policy": "cost", "cost": {"false_positive": false_positive, "false_negative": false_negative}})
}

const Y: [i64; 5] = [0, 0, 1, 0, 1];
const P: [f64; 5] = [0.1, 0.2, 0.4, 0.6, 0.8];

#[test]
fn the_cheapest_threshold_is_frozen_with_what_it_does() {
    let (dir, threshold) = run(&Y, &P, cost(1.0, 3.0));
    let threshold = threshold.expect("a threshold");
    assert_eq!((threshold.value, threshold.decision), (0.4, Decision::Cutoff));
    assert_eq!((threshold.n, threshold.events), (5, 2));
    let expected = threshold.expected;
    assert_eq!((expected.cost_per_1000, expected.flagged_per_1000), (Some(200.0), 600.0));
    assert_eq!((expected.flag_all_cost_per_1000, expected.flag_none_cost_per_1000), (Some(600.0), Some(1200.0)));
    let sweep = fs::read_to_string(dir.path().join("sweep.csv")).expect("readable");
    let lines: Vec<&str> = sweep.lines().collect();
    assert_eq!(lines[1], "0,flag_all,1,2,3,0,0,600,0.5714285714285714,0.4");
    assert!(lines.contains(&"0.4,chosen,0.6,2,1,0,2,200,0.8,0.26666666666666666"));
    assert!(lines[lines.len() - 1].starts_with("1.0000000000000002,flag_none,0,0,0,2,3,1200,0,0"));
}

#[test]
fn an_optimum_that_treats_everyone_alike_is_said_to_be_one() {
    let all = run(&Y, &P, cost(1.0, 1000.0)).1.expect("a threshold");
    assert_eq!(all.decision, Decision::Cutoff, "the two lowest rows are no events");
    let all = run(&[1, 0], &[0.2, 0.8], cost(1.0, 1000.0)).1.expect("a threshold");
    assert_eq!((all.value, all.decision), (0.0, Decision::FlagAll));
    assert!(all.note.contains("adds nothing to flagging everyone"));
    let none = run(&Y, &P, cost(1000.0, 1.0)).1.expect("a threshold");
    assert_eq!(none.decision, Decision::Cutoff, "the highest row is an event");
    let none = run(&[1, 0], &[0.2, 0.8], cost(1000.0, 1.0)).1.expect("a threshold");
    assert_eq!((none.value, none.decision), (FLAG_NONE, Decision::FlagNone));
    assert!(none.value > 1.0, "no probability reaches it");
}

#[test]
fn what_is_no_outcome_or_probability_is_refused() {
    for (y, p) in [(2, 0.5), (0, f64::NAN), (0, 1.5)] {
        let error = run(&[1, y], &[0.1, p], cost(1.0, 1.0)).1.expect_err("refused");
        assert!(error.to_string().contains("calibrated.parquet"), "{error}");
    }
    assert!(run(&[], &[], cost(1.0, 1.0)).1.is_err());
}

#[test]
fn bytes_are_frozen() {
    let (dir, threshold) = run(&Y, &P, cost(1.0, 3.0));
    threshold.expect("a threshold");
    let mut hasher = blake3::Hasher::new();
    for name in ["threshold.json", "sweep.csv"] {
        hasher.update(&fs::read(dir.path().join(name)).expect("an output"));
    }
    assert_eq!(hasher.finalize().to_hex()[..16].to_owned(), "074f334294f2bc6e", "bytes moved: raise VERSION");
}
