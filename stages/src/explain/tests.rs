//! The stage on the test study.

use std::fs;
use std::path::Path;

use serde_json::json;

use super::*;
use crate::bundle::tests::assemble;
use crate::train::test_study::{TRAIN, raw, run, schema};

/// The test study with the clean table that the stage reads beside the bundle.
pub(crate) fn study(model: &str) -> tempfile::TempDir {
    let directory = assemble(model);
    let frame = raw();
    let mut table = Table::with_rows(frame.rows());
    table.push_ints("row_id", (0..frame.rows() as i64).map(|row| Some(3 * row)).collect()).expect("a column");
    let schema = schema();
    for name in schema["columns"].as_object().expect("columns").keys() {
        match frame.get(name) {
            Some(column) => table.push_column(name, column).expect("a column"),
            None => table.push_ints(name, vec![Some(0); frame.rows()]).expect("a column"),
        };
    }
    table.write(&directory.path().join("clean.parquet")).expect("written");
    directory
}

pub(crate) fn explain(at: &Path, params: serde_json::Value, threads: usize) -> Result<(), StageError> {
    let inputs = [("bundle", "bundle/"), ("table", "clean.parquet"), ("split", "split.parquet")];
    let outputs = [("importance", "importance.csv"), ("report", "explain.json"), ("pictures", "pictures/")];
    run(&Explain, at, &inputs, &outputs, params, threads)
}

fn outputs(at: &Path) -> Vec<String> {
    let names = ["importance.csv", "explain.json", "pictures/shap_bar.svg", "pictures/shap_beeswarm.svg"];
    names.iter().map(|name| fs::read_to_string(at.join(name)).expect("an output")).collect()
}

#[test]
fn the_report_ranks_what_drives_the_outcome_and_repeats_its_bytes() {
    for (model, scale) in [("gbdt", "log_odds"), ("forest", "probability"), ("logistic", "log_odds")] {
        let directory = study(model);
        explain(directory.path(), json!({"seed": 1}), 1).expect("explained");
        let first = outputs(directory.path());
        explain(directory.path(), json!({"seed": 1}), 2).expect("explained again");
        assert!(first == outputs(directory.path()), "{model}: bytes differ between runs");
        let report: ExplainReport = serde_json::from_str(&first[1]).expect("its own JSON");
        let [member] = report.members.as_slice() else { panic!("{model} is one model") };
        assert_eq!((report.rows, report.rows_available), (80, 80));
        assert_eq!(serde_json::to_value(member.scale).expect("a name"), scale);
        assert!(member.additivity_error < 1e-9);
        let age = member.top.iter().find(|one| one.feature == "age").expect("all four features are shown");
        assert_eq!((age.direction, age.rank <= 2), (Some(Direction::Up), true), "{model}");
        let sex = member.top.iter().find(|one| one.feature == "sex").expect("all four features are shown");
        assert_eq!((sex.correlation, sex.direction), (None, None));
        assert!(
            first[0].starts_with("member,rank,feature,mean_abs_contribution,mean_contribution,correlation,direction\n")
        );
        assert_eq!(first[0].lines().count(), 5);
        for picture in &first[2..] {
            for text in ["age", "site", member.scale.as_str(), "80 test rows"] {
                assert!(picture.contains(text), "{model}: no {text:?} in a picture");
            }
            assert!(!picture.contains("NaN") && picture.ends_with("</svg>\n"));
        }
    }
}

#[test]
fn a_sample_is_drawn_by_the_seed_and_only_the_top_is_shown() {
    let directory = study("logistic");
    let at = directory.path();
    let run = |seed: u64| {
        let params = json!({"seed": seed, "explain": {"rows": 30, "top": 2, "part": "train"}});
        explain(at, params, 1).expect("explained");
        outputs(at)
    };
    let (one, other) = (run(1), run(2));
    assert!(one == run(1) && one != other);
    let report: ExplainReport = serde_json::from_str(&one[1]).expect("its own JSON");
    assert_eq!((report.rows, report.rows_available, report.members[0].top.len()), (30, TRAIN, 2));
    assert_eq!(one[0].lines().count(), 5);
}

#[test]
fn bytes_are_frozen() {
    let directory = study("logistic");
    explain(directory.path(), json!({"seed": 1}), 1).expect("explained");
    let digest = blake3::hash(outputs(directory.path()).concat().as_bytes()).to_hex();
    assert_eq!(&digest[..16], "3b3db55acb73b380", "the stage writes other bytes; raise its version, then this digest");
}

#[test]
fn nonsense_names_its_path() {
    let check = |explain: serde_json::Value| {
        let params = json!({"seed": 1, "explain": explain});
        Explain.check(&ParamSet::new(params.as_object().cloned().expect("an object"))).map_err(|error| error.path)
    };
    assert_eq!(check(json!({})), Ok(()));
    assert_eq!(check(json!({"rows": 0})), Err("explain.rows".to_owned()));
    assert_eq!(check(json!({"top": 101})), Err("explain.top".to_owned()));
    assert_eq!(check(json!({"part": "all"})), Err("explain.part".to_owned()));
}
