//! The stage from Parquet to threshold.json and sweep.csv.

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Decision, FLAG_NONE, Source, Threshold, TuneThreshold};
use crate::common::canonical_json;
use crate::common::rng::Stream;
use crate::common::table::Table;
use crate::{Stage, StageContext, StageError, StageFile, StageRequest};

/// Runs the stage with everything under `params`, on rows of patients `P0`, `P1`, …; `phases` go into a raw table.
fn run_with(y: &[i64], p: &[f64], phases: &[Option<&str>], params: Value) -> (TempDir, Result<Threshold, StageError>) {
    let dir = tempfile::tempdir().expect("a directory");
    let file = |name: &str| StageFile { path: dir.path().join(name), name: name.to_owned() };
    let ids: Vec<Option<i64>> = (0..y.len() as i64).map(|row| Some(2 * row)).collect();
    let mut table = Table::with_rows(y.len());
    table.push_ints("row_id", ids.clone()).expect("a column");
    table.push_texts("group", (0..y.len()).map(|row| Some(format!("P{row}")))).expect("a column");
    table.push_ints("y", y.iter().copied().map(Some).collect()).expect("a column");
    table.push_floats("p", p.to_vec()).expect("a column");
    table.write(&file("calibrated.parquet").path).expect("written");
    let bind = |role: &str, name: &str| (role.to_owned(), file(name));
    let mut inputs = BTreeMap::from([bind("calibrated", "calibrated.parquet")]);
    if !phases.is_empty() {
        // The raw table has the rows in another order, and one more.
        let mut raw = Table::with_rows(y.len() + 1);
        raw.push_ints("row_id", [Some(-1)].into_iter().chain(ids.into_iter().rev()).collect()).expect("a column");
        let labels = phases.iter().rev().map(|phase| phase.map(str::to_owned));
        raw.push_texts("phase", [None].into_iter().chain(labels)).expect("a column");
        raw.write(&file("clean.parquet").path).expect("written");
        inputs.extend([bind("table", "clean.parquet")]);
    }
    let Value::Object(params) = params else { unreachable!() };
    let request = StageRequest {
        uses: "tune_threshold".to_owned(),
        inputs,
        outputs: BTreeMap::from([bind("threshold", "threshold.json"), bind("sweep", "sweep.csv")]),
        params,
        threads: 2,
    };
    let context = StageContext::new(request, &|_| {});
    let checked = TuneThreshold.check(context.params()).map_err(StageError::from);
    let result = checked.and_then(|()| TuneThreshold.run(&context));
    let threshold = result.and_then(|()| canonical_json::read(&dir.path().join("threshold.json"), "threshold.json"));
    (dir, threshold)
}

fn run(y: &[i64], p: &[f64], policy: Value) -> (TempDir, Result<Threshold, StageError>) {
    run_with(y, p, &[], json!({ "tune_threshold": policy }))
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

/// Calibrated predictions with outcomes drawn from them; the lower `bent` is, the more they understate.
fn calibrated(n: usize, bent: f64) -> (Vec<i64>, Vec<f64>) {
    let mut stream = Stream::new(3, "tune_threshold/tests");
    let p: Vec<f64> = (0..n).map(|_| 0.01 + 0.6 * stream.uniform() * stream.uniform()).collect();
    let y = p.iter().map(|&p| i64::from(stream.chance(p))).collect();
    (y, p.into_iter().map(|p| p * bent).collect())
}

#[test]
fn the_choice_comes_with_its_uncertainty_and_the_same_bytes_on_any_thread() {
    let (y, p) = calibrated(600, 1.0);
    let mut policy = cost(500.0, 5000.0);
    policy["prevalences"] = json!([0.05, 0.2]);
    let params = json!({"seed": 42, "tune_threshold": policy});
    let threshold = run_with(&y, &p, &[], params.clone()).1.expect("a threshold");
    let certain = threshold.uncertainty.expect("it is always there");
    let (low, high) = (certain.threshold.low.expect("an end"), certain.threshold.high.expect("an end"));
    assert!(low <= threshold.value && threshold.value <= high && low < high);
    assert_eq!((certain.resamples, certain.patients), (500, 600));
    assert_eq!(certain.achieved.value, threshold.expected.cost_per_1000);
    assert!(certain.optimism.expect("resampled") < 0.0, "costs look lower where they were minimised");
    let flat = certain.flat.expect("an optimum");
    let one_se = flat.within_1_se.expect("resampled");
    assert!(one_se[0] <= threshold.value && threshold.value <= one_se[1] && one_se[0] < one_se[1]);
    let theory = threshold.theory.expect("a law");
    assert!((theory.value.expect("of costs") - 1.0 / 11.0).abs() < 1e-12 && !theory.far, "{theory:?}");
    assert_eq!(threshold.alerts.len(), 2);
    assert!(threshold.alerts[0].flagged_per_1000 < threshold.alerts[1].flagged_per_1000);
    let again = run_with(&y, &p, &[], params);
    assert_eq!(again.1.expect("a threshold").uncertainty.expect("there").threshold, certain.threshold);
}

#[test]
fn an_optimum_far_from_theory_says_that_calibration_is_at_fault() {
    let (y, p) = calibrated(3000, 0.2);
    let threshold = run_with(&y, &p, &[], json!({"seed": 1, "tune_threshold": cost(500.0, 1500.0)})).1;
    let theory = threshold.expect("a threshold").theory.expect("a law");
    assert!(theory.far && theory.note.as_ref().is_some_and(|note| note.contains("calibration curve")), "{theory:?}");
}

#[test]
fn without_the_seed_intervals_are_null_and_say_why() {
    let certain = run(&Y, &P, cost(1.0, 3.0)).1.expect("a threshold").uncertainty.expect("there");
    assert_eq!((certain.resamples, certain.threshold.low, certain.optimism), (0, None, None));
    assert!(certain.threshold.reason.is_some_and(|reason| reason.contains("`seed`")));
    assert!(certain.flat.is_some_and(|flat| flat.within_1_se.is_none()));
}

#[test]
fn levels_with_events_choose_for_themselves_and_the_others_follow_the_whole() {
    let (y, p) = calibrated(1500, 1.0);
    let phase = |row: usize| [Some("I"), Some("II"), Some("III"), Some("IV"), None][row % 5];
    let mut phases: Vec<Option<&str>> = (0..y.len()).map(phase).collect();
    // Only a few rows are of phase IV.
    phases.iter_mut().enumerate().filter(|(row, _)| row % 5 == 3 && *row > 60).for_each(|(_, phase)| *phase = None);
    let mut policy = cost(500.0, 5000.0);
    policy["strata"] = json!({
        "column": "phase", "min_events": 15, "thresholds": {"II": 0.22}, "policies": {"III": {"policy": "f1"}},
    });
    let params = json!({"seed": 42, "tune_threshold": policy});
    let (_dir, threshold) = run_with(&y, &p, &phases, params);
    let threshold = threshold.expect("a threshold");
    let strata = threshold.strata.expect("asked for");
    let level = |name: &str| (strata.levels[name].source, strata.levels[name].value);
    assert_eq!(level("I").0, Source::Chosen);
    assert_eq!(level("II"), (Source::Given, 0.22));
    assert_eq!(level("III").0, Source::Chosen);
    assert!(level("III").1 > level("I").1, "F1 asks for more than costs of 1 to 10");
    assert_eq!(level("IV"), (Source::Overall, threshold.value));
    assert!(strata.levels["IV"].note.contains("fewer than 15"), "{}", strata.levels["IV"].note);
    // What is expected is what the rows' own thresholds do.
    let applies = |row: usize| phases[row].map_or(threshold.value, |phase| strata.levels[phase].value);
    let flagged = (0..y.len()).filter(|&row| p[row] >= applies(row)).count();
    assert_eq!(threshold.expected.flagged_per_1000, 1000.0 * flagged as f64 / 1500.0);
    assert_ne!(strata.without_strata.flagged_per_1000, threshold.expected.flagged_per_1000);
}

#[test]
fn strata_need_their_table_and_levels_that_exist() {
    let strata = |inner: Value| json!({"tune_threshold": {"policy": "f1", "strata": inner}});
    let (_dir, without) = run_with(&Y, &P, &[], strata(json!({"column": "phase"})));
    assert!(without.expect_err("no table").to_string().contains("no table is bound"));
    let phases = [Some("I"); 5];
    let (_dir, absent) = run_with(&Y, &P, &phases, strata(json!({"column": "stage"})));
    assert!(absent.expect_err("no column").to_string().contains("has no column `stage`"));
    let (_dir, slip) = run_with(&Y, &P, &phases, strata(json!({"column": "phase", "thresholds": {"l": 0.2}})));
    assert!(slip.expect_err("a slip").to_string().contains("there are: I"));
}

#[test]
fn limits_that_exclude_everything_are_an_error() {
    let policy = json!({"policy": "recall_floor", "recall": 1.0, "min": 0.5});
    let error = run(&Y, &P, policy).1.expect_err("the event at .4 is below");
    assert!(error.to_string().contains("finds 1 of the events") && error.hint().is_some(), "{error}");
}

#[test]
fn bytes_are_frozen() {
    let (dir, threshold) = run(&Y, &P, cost(1.0, 3.0));
    threshold.expect("a threshold");
    let mut hasher = blake3::Hasher::new();
    for name in ["threshold.json", "sweep.csv"] {
        hasher.update(&fs::read(dir.path().join(name)).expect("an output"));
    }
    assert_eq!(hasher.finalize().to_hex()[..16].to_owned(), "c789b088783b180c", "bytes moved: raise VERSION");
}
