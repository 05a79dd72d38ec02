//! A bundle made by the stages: what it refuses, and that it scores as training did.

use std::fs;
use std::path::Path;
use std::time::Instant;

use serde_json::{Value, json};

use super::*;
use crate::StageError;
use crate::calibrate::Calibrate;
use crate::common::frame::{Column, Frame};
use crate::train::test_study::{ROWS, raw, run, schema, train, write_inputs};
use crate::tune_threshold::TuneThreshold;

/// The test study trained with one learner and bundled, with every file on the way.
pub(crate) fn assemble(model: &str) -> tempfile::TempDir {
    assemble_with(model, json!({}))
}

/// The same with parameters of the preprocessing.
fn assemble_with(model: &str, preprocess: Value) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let at = directory.path();
    write_inputs(at).expect("inputs can be written");
    let settings = json!({
        "models": [model], "forest": {"trees": 25}, "gbdt": {"rounds": 60, "early_stopping": 10},
        "preprocess": preprocess,
    });
    train(at, settings, 2).expect("the study can be trained");
    let calibrated = [("calibrator", "calibrator.json"), ("calibrated", "calibrated.parquet")];
    run(&Calibrate, at, &[("oof", "oof.parquet")], &calibrated, json!({"calibrate": {}}), 1).expect("calibrated");
    let policy = json!({"tune_threshold": {"policy": "fbeta", "beta": 2}});
    let tuned = [("threshold", "threshold.json"), ("sweep", "sweep.csv")];
    run(&TuneThreshold, at, &[("calibrated", "calibrated.parquet")], &tuned, policy, 1).expect("tuned");
    bundle_of(at);
    directory
}

/// Bundles what lies in a directory.
pub(crate) fn bundle_of(at: &Path) {
    bundle_with(at, &[]).expect("a bundle");
}

/// The same with more inputs.
fn bundle_with(at: &Path, more: &[(&str, &str)]) -> Result<(), StageError> {
    bundle_as(at, &schema(), more)
}

/// The same under another schema.
pub(crate) fn bundle_as(at: &Path, schema: &Value, more: &[(&str, &str)]) -> Result<(), StageError> {
    let tiers = json!({"version": 1, "levels": [
        {"name": "High", "from": "threshold", "action": "call", "cost": 10}, {"name": "Low", "from": 0},
    ]});
    let inputs = [
        ("models", "models/"),
        ("spec", "features.json"),
        ("calibrator", "calibrator.json"),
        ("threshold", "threshold.json"),
        ("table", "features.parquet"),
        ("split", "split.parquet"),
        ("ingest", "ingest.json"),
    ];
    let rules = json!([{"name": "plausible", "check": "lab < age", "level": "warning"}]);
    let params = json!({
        "schema": schema, "ingest": {"na": ["-"]}, "validate": {"rules": rules}, "tiers": tiers,
        "profile": {"name": "clinic", "answer": [{"name": "risk", "value": "probability"}]},
    });
    run(&Assemble, at, &[&inputs[..], more].concat(), &[("bundle", "bundle/")], params, 1)
}

#[test]
fn a_row_is_judged_by_the_threshold_of_its_level_and_other_levels_by_the_overall_one() {
    let directory = assemble("logistic");
    let at = directory.path();
    fs::remove_dir_all(at.join("bundle")).expect("removed");
    let strata = json!({"column": "site", "thresholds": {"north": 0.9, "south": 0.05}, "min_events": 100_000});
    let policy = json!({"tune_threshold": {"policy": "f1", "strata": strata}});
    let inputs = [("calibrated", "calibrated.parquet"), ("table", "features.parquet")];
    run(&TuneThreshold, at, &inputs, &[("threshold", "threshold.json")], policy, 1).expect("tuned");
    bundle_of(at);
    let bundle = load(at).expect("its own bundle");
    assert_eq!(bundle.strata(), ["north", "south", "west"]);
    let overall = bundle.threshold().expect("of events").value;
    let mut table = raw();
    let Some(Column::Text(sites)) = table.get("site").cloned() else { unreachable!() };
    // `east` is a level of the schema that no training row has.
    let sites: Vec<_> = sites.into_iter().map(|site| site.map(|site| site.replace("west", "east"))).collect();
    table.insert("site", Column::Text(sites.clone().into()));
    for (row, prediction) in bundle.predict(&table).expect("the same columns").into_iter().enumerate() {
        let (wanted, stratum) = match sites[row].as_deref() {
            Some("north") => (0.9, Some(0)),
            Some("south") => (0.05, Some(1)),
            _ => (overall, None),
        };
        assert_eq!((prediction.threshold, prediction.stratum), (wanted, stratum), "row {row}");
        assert_eq!(prediction.flagged, prediction.p >= wanted);
        assert_eq!(prediction.tier, Some(usize::from(!prediction.flagged)), "the level `High` starts at the threshold");
    }
    // A threshold that nothing can read is refused, a file without the newer keys is read.
    let file = at.join("bundle/threshold.json");
    let mut threshold: Value = serde_json::from_slice(&fs::read(&file).expect("a file")).expect("JSON");
    threshold["schema_version"] = json!(3);
    let known: crate::tune_threshold::Threshold = serde_json::from_value(threshold.clone()).expect("its shape");
    assert!(known.fault().is_some_and(|fault| fault.contains("format 3")));
    let object = threshold.as_object_mut().expect("an object");
    for key in ["uncertainty", "theory", "strata"] {
        object.remove(key);
    }
    object.insert("schema_version".to_owned(), json!(1));
    let old: crate::tune_threshold::Threshold = serde_json::from_value(threshold).expect("the first format");
    assert!(old.fault().is_none() && old.strata.is_none());
}

fn load(directory: &Path) -> Result<Bundle, BundleError> {
    Bundle::load(&directory.join("bundle"))
}

#[test]
fn every_learner_scores_each_row_alone_as_in_its_table() {
    for model in ["logistic", "forest", "gbdt"] {
        let directory = assemble(model);
        let bundle = load(directory.path()).expect("its own bundle");
        assert_eq!(bundle.manifest().model, model);
        let table = raw();
        let all = bundle.predict(&table).expect("the same columns");
        let logistic = bundle.baseline_linear(&table).expect("the same columns");
        for row in 0..ROWS {
            let alone = table.take(&[row]);
            let one = bundle.predict(&alone).expect("one row")[0];
            assert_eq!(one, all[row]);
            assert_eq!(one.p_raw.to_bits(), all[row].p_raw.to_bits());
            assert_eq!(one.flagged, one.p >= bundle.threshold().expect("of events").value);
            assert_eq!(one.tier, Some(usize::from(!one.flagged)));
            assert_eq!(bundle.baseline_linear(&alone).expect("one row")[0].to_bits(), logistic[row].to_bits());
        }
        let profile = json!({"name": "clinic", "answer": [{"name": "risk", "value": "probability"}]});
        assert_eq!(serde_json::to_value(bundle.profile()).ok(), Some(profile));
        assert!(bundle.reference().range("age").is_some_and(|[_, high]| high < 200.0));
    }
}

#[test]
fn a_combination_that_training_never_saw_is_remarked_on_in_records_and_tables() {
    let rules = json!([{"name": "known site", "columns": ["sex", "site"]}]);
    let directory = assemble_with("logistic", json!({"combinations": rules}));
    let bundle = load(directory.path()).expect("its own bundle");
    let parse = |site: Value| {
        let record = json!({"age": 50, "lab": 5.0, "sex": "F", "site": site});
        parse_record(&bundle, record.as_object().expect("an object")).expect("a good record").warnings
    };
    // The schema knows `east`, no training row has it; a missing site is no combination.
    for site in [json!("north"), Value::Null] {
        assert_eq!(parse(site), []);
    }
    let warnings = parse(json!("east"));
    assert_eq!((warnings.len(), warnings[0].field.as_str(), warnings[0].kind), (1, "sex", "combination"));
    assert!(warnings[0].message.contains("`known site`: no training row has this combination of sex, site"));
    let mut table = raw();
    assert_eq!(bundle.records().table_warnings(&table).len(), 0);
    let mut sites = table.get("site").and_then(Column::texts).expect("texts").to_vec();
    sites[3] = Some("east".to_owned());
    table.insert("site", Column::Text(sites.into()));
    assert_eq!(bundle.records().table_warnings(&table)[0].1, [3]);
    let text = fs::read_to_string(directory.path().join("bundle/combinations.json")).expect("a member");
    let learned: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(learned["rules"][0]["seen"].as_array().map(Vec::len), Some(6));
}

#[test]
fn a_changed_missing_or_added_file_is_refused_by_name() {
    let directory = assemble("logistic");
    let at = directory.path().join("bundle");
    let digest = load(directory.path()).expect("its own bundle").digest().to_owned();
    assert_eq!(digest.len(), 64);
    let refused = |name: &str| {
        let error = load(directory.path()).expect_err("not what was made");
        assert!(matches!(error, BundleError::Tampered(_)) && error.to_string().contains(name), "{error}");
    };
    let path = at.join("threshold.json");
    let text = fs::read_to_string(&path).expect("a member");
    fs::write(&path, text.replacen("\"value\": 0", "\"value\": 1", 1)).expect("it can be changed");
    refused("threshold.json");
    fs::remove_file(&path).expect("it can be removed");
    refused("threshold.json");
    fs::write(&path, text).expect("it can be brought back");
    fs::write(at.join("extra.txt"), "x").expect("a file can be added");
    refused("extra.txt");
    fs::remove_file(at.join("extra.txt")).expect("it can be removed");
    assert_eq!(load(directory.path()).expect("as it was").digest(), digest);
    assert!(matches!(Bundle::load(directory.path()), Err(BundleError::Absent(_))));
}

#[test]
fn nullable_columns_may_be_absent_and_required_ones_not() {
    let directory = assemble("gbdt");
    let bundle = load(directory.path()).expect("its own bundle");
    let mut frame = Frame::with_rows(1);
    frame.insert("age", Column::Number(vec![70.0]));
    assert!(matches!(bundle.predict(&frame), Err(BundleError::MissingColumn(name)) if name == "sex"));
    frame.insert("sex", Column::Text(vec![Some("M".to_owned())].into()));
    let absent = bundle.predict(&frame).expect("lab and site may be absent");
    frame.insert("lab", Column::Number(vec![f64::NAN]));
    frame.insert("site", Column::Text(vec![None::<&str>].into()));
    assert_eq!(bundle.predict(&frame).expect("all columns"), absent);
    // A level of the schema that no training row had, and a text of no schema: unknown, not an error.
    for text in ["east", "nowhere"] {
        frame.insert("site", Column::Text(vec![Some(text.to_owned())].into()));
        assert!(bundle.predict(&frame).expect("unknown levels are scored")[0].p.is_finite());
    }
    frame.insert("age", Column::Text(vec![None::<&str>].into()));
    assert!(matches!(bundle.predict(&frame), Err(BundleError::WrongType { .. })));
}

#[test]
fn a_request_is_scored_like_its_row() {
    let directory = assemble("forest");
    let bundle = load(directory.path()).expect("its own bundle");
    let Value::Object(record) = json!({"age": 69.0, "sex": "F", "lab": null}) else { unreachable!() };
    let parsed = parse_record(&bundle, &record).expect("a valid record");
    let mut frame = Frame::with_rows(1);
    frame.insert("age", Column::Number(vec![69.0]));
    frame.insert("sex", Column::Text(vec![Some("F".to_owned())].into()));
    assert_eq!(bundle.predict(&parsed.frame).expect("one row"), bundle.predict(&frame).expect("one row"));
    let Value::Object(record) = json!({"age": true, "sexx": "F"}) else { unreachable!() };
    assert_eq!(parse_record(&bundle, &record).expect_err("three faults").len(), 3);
}

#[test]
fn no_bundle_is_made_of_a_run_with_a_leak() {
    let directory = assemble("logistic");
    let at = directory.path();
    let card: Value = serde_json::from_slice(&fs::read(at.join("models/card.json")).expect("a card")).expect("JSON");
    let mut report = json!({
        "schema_version": 1, "clean": false, "level": 0.001, "checks": [], "warnings": [],
        "training_rows": card["training_rows"], "test_rows": card["training_rows"],
        "findings": [{
            "check": "missingness", "subject": "lab", "measure": "auroc_ranks", "effect": 0.9, "bound": 0.8,
            "p_value": 1e-9, "example_row_ids": [3], "text": "", "waived": null,
        }],
    });
    let bundle = |report: &Value| {
        fs::write(at.join("leakage.json"), report.to_string()).expect("written");
        bundle_with(at, &[("leakage", "leakage.json")]).map_err(|error| error.to_string())
    };
    assert_eq!(bundle(&report), Err("leakage.json: has 1 findings that nobody answers for".to_owned()));
    report["clean"] = json!(true);
    report["findings"][0]["waived"] = json!({"who": "Dr. Roe", "why": "known"});
    assert_eq!(bundle(&report), Ok(()));
    let made = load(at).expect("a bundle");
    let record = made.manifest().leakage.as_ref().expect("on record");
    assert_eq!((record.waived.len(), record.waived[0].waived.who.as_str()), (1, "Dr. Roe"));
    report["training_rows"]["n"] = json!(7);
    assert!(bundle(&report).expect_err("other rows").contains("other rows"));
}

#[test]
fn one_row_is_scored_in_microseconds() {
    let directory = assemble("gbdt");
    let bundle = load(directory.path()).expect("its own bundle");
    let row = raw().take(&[0]);
    let started = Instant::now();
    for _ in 0..1000 {
        bundle.predict(&row).expect("one row");
    }
    // Far above what it takes (a few microseconds), far below what a slow path would.
    assert!(started.elapsed().as_micros() < 1_000_000, "{:?} for 1,000 rows", started.elapsed());
}

#[test]
fn the_bytes_are_those_of_this_version() {
    let directory = assemble("gbdt");
    let digest = |name: &str| {
        let bytes = fs::read(directory.path().join(name)).expect("an output");
        blake3::hash(&bytes).to_hex()[..16].to_owned()
    };
    let hint = "the stage writes other bytes; raise its version, then this digest";
    assert_eq!(digest("calibrator.json"), "f8f0968b59a6ed19", "calibrate: {hint}");
    assert_eq!(digest("calibrated.parquet"), "5d54c17bb6d50f1f", "calibrate: {hint}");
    assert_eq!(digest("bundle/reference.json"), "206aeca829dcd67e", "bundle: {hint}");
    assert_eq!(digest("bundle/intake.json"), "d4ede10ecd0a8b51", "bundle: {hint}");
    assert_eq!(digest("bundle/schema.json"), "4463170e7388b696", "bundle: {hint}");
}
