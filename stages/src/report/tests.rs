//! The stage on the test study: what it shows, what it refuses, and that nothing is made up.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::*;
use crate::evaluate::Evaluate;
use crate::explain::tests::{explain, study};
use crate::gate::Gate;
use crate::train::test_study::{run, schema};

/// What is bound in these tests: role and file.
const BOUND: [(&str, &str); 12] = [
    ("metrics", "metrics.json"),
    ("curves", "curves.csv"),
    ("threshold", "threshold.json"),
    ("sweep", "sweep.csv"),
    ("cv", "cv.json"),
    ("models", "models/"),
    ("explain", "explain.json"),
    ("pictures", "pictures/"),
    ("verdict", "verdict.json"),
    ("bundle", "bundle/"),
    ("ingest", "ingest.json"),
    ("split", "split.json"),
];

/// The test study, evaluated, explained and judged.
fn made() -> tempfile::TempDir {
    let directory = study("logistic");
    let at = directory.path();
    explain(at, json!({"seed": 1}), 1).expect("explained");
    let inputs = [("bundle", "bundle/"), ("table", "clean.parquet"), ("split", "split.parquet")];
    let outputs = [("metrics", "metrics.json"), ("predictions", "predictions.parquet"), ("curves", "curves.csv")];
    let params = json!({"seed": 1, "evaluate": {"bootstrap": 100}, "tune_threshold": {"policy": "fbeta", "beta": 2}});
    run(&Evaluate, at, &inputs, &outputs, params, 1).expect("evaluated");
    let rules = json!({"gate": {"rules": [{"metric": "auroc.low", "min": 0.999}]}});
    run(&Gate, at, &[("metrics", "metrics.json")], &[("verdict", "verdict.json")], rules, 1).expect("judged");
    let part = |n: u64| json!({"n": n, "events": n / 4, "groups": n / 2});
    let split = json!({"kind": "group", "n": 400, "events": 100, "groups": 200, "train": part(320), "test": part(80), "folds": []});
    write_json(at, "split.json", &split);
    let column = json!({"type": "number", "position": 0, "missing": 12, "missing_share": 0.03});
    let ingest = json!({
        "source": "synthetic", "file": "data/<b>.csv", "blake3": "00", "rows_read": 410, "rows_kept": 405,
        "columns": {"lab": column},
    });
    write_json(at, "ingest.json", &ingest);
    directory
}

fn write_json(at: &Path, name: &str, value: &Value) {
    fs::write(at.join(name), value.to_string()).expect("written");
}

/// Runs the stage; its page, card and index.
fn report(at: &Path, inputs: &[(&str, &str)], more: Value) -> Result<[String; 3], StageError> {
    let mut params = json!({"seed": 1, "schema": schema()});
    if !more.is_null() {
        params["report"] = more;
    }
    let outputs = [("page", "report.html"), ("card", "model_card.md"), ("tripod", "tripod_ai.md")];
    run(&Report, at, inputs, &outputs, params, 1)?;
    Ok(outputs.map(|(_, name)| fs::read_to_string(at.join(name)).expect("an output")))
}

#[test]
fn calibration_comes_before_ranking_and_every_number_has_its_n() {
    let directory = made();
    let [page, card, tripod] = report(directory.path(), &BOUND, Value::Null).expect("reported");
    let places: Vec<usize> =
        ["verdict", "participants", "headline", "calibration", "decision", "threshold", "ranking", "limits"]
            .iter()
            .map(|id| page.find(&format!("<section id=\"{id}\"")).unwrap_or_else(|| panic!("no section {id}")))
            .collect();
    assert!(places.is_sorted(), "{places:?}");
    let metrics: Value =
        serde_json::from_slice(&fs::read(directory.path().join("metrics.json")).expect("metrics")).expect("JSON");
    let size = format!("{} rows, {} events", metrics["n"], metrics["events"]);
    assert!(page.contains(&size) && card.contains(&size), "{size}");
    // Encoded pictures may hold any letters.
    let lines = [&page, &card, &tripod].into_iter().flat_map(|text| text.lines());
    assert!(lines.filter(|line| !line.contains("data:image")).all(|line| !line.contains("NaN")));
    assert!(!page.contains("<b>.csv") && card.contains("`data/<b>.csv`"));
    assert!(page.contains("data/&lt;b&gt;.csv") && page.contains("Synthetic data."));
    assert!(page.contains("Not every rule of the gate holds"));
    let label = |svg: &'_ str| Some(svg.split_once("aria-label=\"")?.1.split_once('"')?.0.to_owned());
    let drawn: Vec<String> = page.split("<svg ").skip(1).filter_map(label).collect();
    // Costs need a cost table, and curves of ranking need events: these test rows hold none.
    assert_eq!(
        drawn,
        [
            "Flow of participants",
            "Calibration plot",
            "Distribution of predicted risks",
            "Decision curve",
            "SHAP values"
        ]
    );
    let again = report(directory.path(), &BOUND, Value::Null).expect("reported again");
    assert!(again == [page, card, tripod], "bytes differ between runs");
}

#[test]
fn parts_appear_when_they_are_bound_and_metrics_alone_are_enough() {
    let directory = made();
    let [page, card, tripod] = report(directory.path(), &BOUND[..1], Value::Null).expect("reported");
    assert!(page.contains("Technical report only.") && page.contains("No gate was run"));
    for id in ["participants", "decision", "explanation", "training"] {
        assert!(!page.contains(&format!("<section id=\"{id}\"")), "{id}");
    }
    assert!(card.contains("Add `study.intended_use` to params.yaml."));
    assert!(tripod.contains("Bind the role `ingest`"));
}

#[test]
fn what_is_null_is_said_with_its_reason_and_never_as_zero() {
    let directory = made();
    let at = directory.path();
    let mut metrics: Value =
        serde_json::from_slice(&fs::read(at.join("metrics.json")).expect("metrics")).expect("JSON");
    metrics["auroc"] = json!({"value": null, "low": null, "high": null, "reason": "every row <has> the event"});
    metrics["calibration"]["slope"] = json!({"value": 0.9, "low": null, "high": null, "reason": "too few resamples"});
    write_json(at, "metrics.json", &metrics);
    let [page, card, _] = report(at, &BOUND, Value::Null).expect("reported");
    assert!(page.contains("<td class=\"number none\">not estimable: every row &lt;has&gt; the event</td>"));
    assert!(page.contains("0.90 (no interval: too few resamples)"));
    assert!(card.contains("not estimable: every row &lt;has> the event"));
}

#[test]
fn people_are_quoted_and_nothing_is_filled_in_for_them() {
    let directory = made();
    let said = json!({
        "title": "Who <falls> ill?", "authors": ["A. | Author"],
        "card": {"ethics": "Approved\n# by the board"}, "tripod": {"18a": "A grant *without* conditions"},
    });
    let [page, card, tripod] = report(directory.path(), &BOUND, said).expect("reported");
    assert!(page.contains("<h1>Who &lt;falls&gt; ill?</h1>"));
    assert!(card.contains("A. \\| Author") && card.contains("Approved \\# by the board"));
    let row =
        |item: &str| -> Vec<&str> { tripod.lines().filter(|line| line.starts_with(&format!("| {item} |"))).collect() };
    assert!(row("18a")[0].contains("| declared | A grant \\*without\\* conditions (`report.tripod.18a`)"));
    for item in ["3a", "17", "18b", "19"] {
        assert!(row(item).iter().all(|line| line.contains("| missing |")), "{item}");
    }
    let digest = blake3::hash(&fs::read(directory.path().join("metrics.json")).expect("metrics")).to_hex();
    assert!(row("23a")[0].contains("| auto |") && row("23a")[0].contains(digest.as_str()));
    assert!(!tripod.to_lowercase().contains("low risk"));
}

#[test]
fn what_cannot_be_read_is_named() {
    let directory = made();
    let at = directory.path();
    for (file, text) in [
        ("metrics.json", "{\"auroc\": 1}"),
        ("curves.csv", "curve,x,y,low,high,n\nroc,zero,,,,\n"),
        ("cv.json", "[]"),
        ("bundle/features.json", "{}"),
    ] {
        let kept = fs::read(at.join(file)).expect("a file");
        fs::write(at.join(file), text).expect("written");
        let error = report(at, &BOUND, Value::Null).expect_err(file).to_string();
        assert!(error.contains(file) || (file.starts_with("bundle") && error.contains("bundle/")), "{file}: {error}");
        fs::write(at.join(file), kept).expect("written back");
    }
    report(at, &BOUND, Value::Null).expect("readable again");
}

#[test]
fn a_number_is_reported_in_its_unit() {
    let directory = made();
    let at = directory.path();
    let estimate =
        |value: f64| json!({"value": value, "low": value - 0.1, "high": value + 0.1, "method": "patient-bootstrap"});
    let mut metrics: Value =
        serde_json::from_slice(&fs::read(at.join("metrics.json")).expect("metrics")).expect("JSON");
    let baseline = json!({"n": 80, "rmse": 2.0, "mae": 1.5, "r2": 0.0, "difference": {"rmse": estimate(-0.5), "mae": estimate(-0.4)}});
    let mut number = json!({
        "schema_version": metrics["schema_version"], "data": "real", "model": "ridge", "n": 80, "patients": 40,
        "intervals": metrics["intervals"].take(), "outcome": {"mean": 5.0, "sd": 2.0, "min": 1.0, "max": 9.0},
        "rmse": estimate(1.5), "mae": estimate(1.1), "r2": estimate(0.4), "bias": estimate(0.0),
        "baselines": {"mean": baseline, "ridge": baseline},
        "verdict": {"criterion": "rmse", "beats_mean": true, "beats_ridge": false, "text": "better than the mean"},
    });
    if let Some(evaluated) = metrics.get_mut("evaluated") {
        number["evaluated"] = evaluated.take();
    }
    write_json(at, "number.json", &number);
    let curves = "curve,x,y,low,high,n\ncalibration_groups,4,4.2,4,4.4,40\ncalibration_groups,6,5.9,5.5,6.2,40\n";
    fs::write(at.join("number.csv"), curves).expect("written");
    let inputs = [("metrics", "number.json"), ("curves", "number.csv")];
    let [page, card, _] = report(at, &inputs, Value::Null).expect("reported");
    let shown = "<span class=\"nb\">1.500</span> <span class=\"nb\">(1.400 to 1.600)</span>";
    assert!(page.contains(shown) && card.contains("| RMSE | 1.500 (1.400 to 1.600) |"));
    assert!(!page.contains("<section id=\"threshold\"") && page.contains("mean outcome"));
}

#[test]
fn an_item_that_cannot_be_declared_is_refused_with_its_key() {
    let check = |report: Value| {
        let Value::Object(map) = json!({ "report": report }) else { unreachable!() };
        ReportParams::parse(&ParamSet::new(map)).err().map(|error| error.path)
    };
    assert_eq!(check(json!({"title": "T", "tripod": {"18a": "a grant"}})), None);
    assert_eq!(check(json!({"tripod": {"12a": "no"}})).as_deref(), Some("report.tripod.12a"));
    assert_eq!(check(json!({"tripod": {"18a": " "}})).as_deref(), Some("report.tripod.18a"));
    assert_eq!(check(json!({"titel": "T"})).as_deref(), Some("report.titel"));
}
