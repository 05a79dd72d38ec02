//! The ladder on its own and through the stage: reference coefficients, what cross-fitting may not do, refusals.

use serde_json::{Value, json};

use super::ladder::{divide, update};
use super::*;
use crate::bundle::tests::assemble;
use crate::common::link::sigmoid;
use crate::common::rng::Stream;
use crate::common::table::Table;
use crate::train::test_study::{outcomes, raw, run, schema, write_clean};

/// Risks that are overestimated by 0.8 on the log odds.
fn shifted(n: usize) -> (Vec<bool>, Vec<f64>, Vec<usize>) {
    let mut stream = Stream::new(4, "external/tests");
    let margins: Vec<f64> = (0..n).map(|_| 1.3 * stream.normal()).collect();
    let y = margins.iter().map(|margin| stream.chance(sigmoid(margin - 0.8))).collect();
    (y, margins.into_iter().map(sigmoid).collect(), (0..n).map(|row| row / 2).collect())
}

#[test]
fn updates_are_those_of_statsmodels() {
    let text = include_str!("../../../fixtures/slices.json");
    let fixture: Value = serde_json::from_str(text).expect("a fixture");
    let list = |key: &str| serde_json::from_value::<Vec<f64>>(fixture["trend"][key].clone()).expect("numbers");
    let (y, p): (Vec<bool>, Vec<f64>) = (list("y").iter().map(|&y| y > 0.5).collect(), list("p"));
    let all: Vec<usize> = (0..p.len()).collect();
    let near = |own: f64, reference: f64| assert!((own - reference).abs() < 1e-6, "{own} {reference}");
    let one = update(&y, &p, &all, false).expect("a fit");
    near(one.intercept, fixture["trend"]["intercept"].as_f64().expect("a number"));
    assert_eq!(one.slope, 1.0);
    let two = update(&y, &p, &all, true).expect("a fit");
    near(two.intercept, list("line")[0]);
    near(two.slope, 1.0 + list("line")[1]);
}

#[test]
fn an_intercept_update_brings_calibration_in_the_large_to_zero() {
    let (y, p, patient) = shifted(2000);
    let folds = divide(&y, &patient, 42).expect("folds");
    let ones = vec![1; y.len()];
    let as_is = Predictions::new(&y, p.clone(), &[0.3; 2000], 0.3).measure(&ones);
    let (predicted, coefficients) = updated(&y, &p, &folds, false).expect("an update");
    let mended = Predictions::new(&y, predicted, &[0.3; 2000], 0.3).measure(&ones);
    assert!(as_is[2] < -0.6 && mended[2].abs() < 0.02, "{as_is:?} {mended:?}");
    assert!((coefficients.intercept - as_is[2]).abs() < 1e-6);
    assert!(mended[1] < as_is[1] && mended[5] < as_is[5]);
}

#[test]
fn no_row_and_no_patient_has_a_part_in_its_own_prediction() {
    let (mut y, p, patient) = shifted(300);
    let folds = divide(&y, &patient, 42).expect("folds");
    let before = updated(&y, &p, &folds, true).expect("an update").0;
    let fold = |row: usize| folds.place(row).held_in;
    assert!((0..300).step_by(2).all(|row| fold(row) == fold(row + 1)), "patients are whole");
    y[7] = !y[7];
    let after = updated(&y, &p, &folds, true).expect("an update").0;
    for row in 0..300 {
        assert_eq!(before[row] == after[row], fold(row) == fold(7), "row {row}");
    }
}

#[test]
fn rows_that_cannot_be_divided_leave_the_first_rung_alone() {
    let error = divide(&[true, false, false], &[0, 1, 2], 42).expect_err("three rows");
    assert!(error.starts_with("the rows cannot be divided"), "{error}");
    let separated = update(&[false, false, true, true], &[0.1, 0.2, 0.8, 0.9], &[0, 1, 2, 3], true);
    assert!(separated.is_err());
}

/// Evaluates a bundle of the test study on its first `n` rows, told to be new, with some of the roles and params.
fn elsewhere(
    n: usize,
    roles: &[(&str, &str)],
    without: &str,
) -> Result<(tempfile::TempDir, ExternalReport), StageError> {
    let directory = assemble("gbdt");
    let at = directory.path();
    let table = write_clean(at)?;
    let raw = raw();
    // Other patients: half a year older.
    let mut other = Table::with_rows(n);
    let first: Vec<usize> = (0..n).collect();
    other.push_ints("row_id", (0..n as i64).map(Some).collect())?;
    let older = table.take(&first)?.floats("age")?.iter().map(|age| age + 0.5).collect();
    other.push_floats("age", older)?;
    for (name, column) in raw.columns().filter(|(name, _)| *name != "age") {
        other.push_column(name, &column.take(&first))?;
    }
    other.push_ints("event", outcomes(&raw)[..n].iter().copied().map(Some).collect())?;
    other.write(&at.join("new.parquet"))?;
    canonical_json::write(&at.join("new.json"), &json!({"source": "real", "file": "new.csv", "blake3": "11"}))?;
    let inputs = [&[("bundle", "bundle/")], roles].concat();
    let outputs = [("metrics", "metrics.json"), ("predictions", "predictions.parquet"), ("external", "external.json")];
    let mut params = json!({
        "seed": 42, "schema": schema(), "evaluate": {"bootstrap": 100}, "tune_threshold": {"policy": "fbeta", "beta": 2},
    });
    params.as_object_mut().expect("an object").remove(without);
    run(&crate::evaluate::Evaluate, at, &inputs, &outputs, params, 2)?;
    let report = canonical_json::read(&at.join("external.json"), "external.json")?;
    Ok((directory, report))
}

#[test]
fn the_stage_reports_every_rung_and_what_was_compared() {
    let roles = [
        ("table", "new.parquet"),
        ("ingest", "new.json"),
        ("training", "clean.parquet"),
        ("training_split", "split.parquet"),
    ];
    let (directory, report) = elsewhere(300, &roles, "").expect("evaluated");
    let bytes = std::fs::read(directory.path().join("external.json")).expect("a file");
    assert_eq!(canonical_json::to_string(&report).expect("JSON").as_bytes(), bytes);
    // The bundle's digest moves with its files, which are other stages' bytes.
    let own = ExternalReport { bundle: String::new(), ..report.clone() };
    let own = canonical_json::to_string(&own).expect("JSON");
    assert_eq!(
        blake3::hash(own.as_bytes()).to_hex()[..16].to_owned(),
        "b39566b82da478a9",
        "bytes moved: raise VERSION"
    );
    let updates: Vec<Update> = report.ladder.iter().map(|rung| rung.update).collect();
    assert_eq!(updates, [Update::AsIs, Update::Intercept, Update::InterceptAndSlope, Update::Refitted]);
    assert!(report.ladder.iter().all(|rung| rung.auroc.value.is_some() && rung.reason.is_none()));
    assert!(report.ladder[3].about.contains("plain logistic regression"));
    assert_eq!(report.unseen.checked, ["raw_file", "schema", "rows"]);
    assert_eq!((report.unseen.equal_rows, report.n), (Some(0), 300));
    assert!(report.case_mix.development.is_some());
    assert_eq!(report.case_mix.features.len(), 4);
    let metrics: Value = canonical_json::read(&directory.path().join("metrics.json"), "m").expect("JSON");
    assert_eq!((&metrics["n"], &metrics["data"]), (&json!(300), &json!("real")));
}

#[test]
fn what_is_not_new_or_not_comparable_is_refused() {
    let said = |roles: &[(&str, &str)], without: &str| elsewhere(300, roles, without).expect_err("not new").to_string();
    let new = [("table", "new.parquet"), ("ingest", "new.json")];
    assert!(said(&new[..1], "").contains("`ingest` must be bound"));
    assert!(said(&new, "schema").contains("need the schema"));
    // The study's own raw file, by its digest.
    assert!(said(&[("table", "clean.parquet"), ("ingest", "ingest.json")], "").contains("nothing in it is new"));
    // The study's own rows under another file's name.
    let same = [("table", "clean.parquet"), ("ingest", "new.json"), ("training", "clean.parquet")];
    assert!(said(&same, "").contains("480 of 480 rows equal"));
}
