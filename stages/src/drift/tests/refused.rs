//! Rows that are not there and outcomes that are none: refused, never taken for a quiet month.

use super::*;

#[test]
fn an_outcome_that_is_neither_0_nor_1_is_an_error_that_names_its_cell() {
    let directory = study();
    let at = directory.path();
    write_table(at, "current.csv", 0..50, |_, _| {});
    let labels = |name: &str| drift(at, &[("labels", name)], json!({"seed": 1}), 1);
    for wrong in ["2", "-1", "0.7", "yes"] {
        fs::write(at.join("labels.csv"), format!("patient,event\nP-1,1\nP-2,-\nP-3,{wrong}\n")).expect("written");
        let error = labels("labels.csv").expect_err(wrong);
        assert!(error.to_string().starts_with("labels.csv: row 4, column event: "), "{error}");
        assert!(error.to_string().contains(&format!("`{wrong}`")) && error.hint().is_some(), "{error}");
    }
    let mut table = Table::with_rows(2);
    table.push_texts("patient", [Some("P-1"), Some("P-2")]).expect("a column");
    table.push_floats("event", vec![1.0, 0.7]).expect("a column");
    table.write(&at.join("labels.parquet")).expect("written");
    let error = labels("labels.parquet").expect_err("0.7").to_string();
    assert!(error.contains("row 2") && error.contains("event") && error.contains("0.7"), "{error}");
    fs::write(at.join("labels.csv"), "patient,event\nP-1,1\nP-2,-\nP-3,0\n").expect("written");
    assert_eq!(labels("labels.csv").expect("compared").performance.labelled, 2);
}

#[test]
fn a_look_at_no_rows_fails_and_says_why() {
    let directory = study();
    let at = directory.path();
    write_table(at, "current.csv", 0..50, |_, _| {});
    let window = |current: &str, window: Value| {
        let params = json!({"seed": 1, "drift": {"window": window}});
        let error = drift(at, &[("current", current)], params, 1).expect_err("no rows");
        assert!(!at.join("drift.json").exists(), "{error}");
        assert!(error.hint().is_some(), "{error}");
        error.to_string()
    };
    let error = window("current.csv", json!({"column": "month", "from": 13, "to": 14}));
    assert_eq!(error, "current.csv: none of its 50 rows lies in the window, `month` from 13 to 14");
    write_table(at, "none.csv", 0..0, |_, _| {});
    let error = drift(at, &[("current", "none.csv")], json!({"seed": 1}), 1).expect_err("no rows");
    assert_eq!(error.to_string(), "none.csv: has a header but no rows");
    assert!(error.hint().is_some_and(|hint| hint.contains("why nothing came in")));
    fs::write(at.join("none.jsonl"), "").expect("written");
    assert_eq!(window("none.jsonl", Value::Null), "none.jsonl: holds no lines, so nothing can be compared");
    let bundle = Bundle::load(&at.join("bundle")).expect("a bundle");
    write_log(at, &PseudonymKey::new(b"0123456789abcdef").expect("a key"), &bundle);
    let error = window("log", json!({"column": "timestamp", "from": "2027", "to": "2027"}));
    let aside = "480 outside the window, 1 prediction of another bundle, 1 refused, 1 unfinished line";
    assert_eq!(
        error,
        format!("log: none of its 483 lines lies in the window, `timestamp` from 2027 to 2027 ({aside})")
    );
    let other = json!({"record": "prediction", "bundle": "00", "probability": 0.5, "prediction": 1});
    fs::write(at.join("other.jsonl"), format!("{other}\n")).expect("written");
    let error = window("other.jsonl", Value::Null);
    assert!(error.contains("none of its 1 lines is a prediction of this bundle"), "{error}");
}

#[test]
fn a_day_out_of_reach_is_refused_before_anything_is_read() {
    for wrong in ["0000-01-01", "9999-12-31", "200000-01-01", "soon", ""] {
        let params = json!({"seed": 1, "drift": {"as_of": wrong}});
        let params = ParamSet::new(params.as_object().cloned().expect("an object"));
        let error = Drift.check(&params).expect_err(wrong);
        assert_eq!(error.path, "drift.as_of");
        assert!(error.to_string().contains("1900 to 2999"), "{error}");
    }
}
