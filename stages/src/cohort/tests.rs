use serde_json::{Value, json};

use super::*;
use crate::testing::Lab;

fn params() -> Value {
    json!({
        "schema": {
            "id": "visit",
            "group": "patient",
            "target": {"column": "y", "event": "leaves"},
            "columns": {
                "visit": {"type": "text"},
                "patient": {"type": "text"},
                "age": {"type": "number", "range": [0, 120]},
                "bmi": {"type": "number", "nullable": true},
                "sex": {"type": "category", "levels": ["F", "M", "X"]},
                "watched": {"type": "number", "nullable": true, "available_at": "post"},
                "y": {"type": "integer", "available_at": "post"},
            },
        },
        "ingest": {"dedupe": "exact"},
        "validate": {},
        "seed": 1,
        "split": {"kind": "group", "folds": 2, "test": 0.25},
        "featurize": {
            "derive": [{"name": "heavy", "op": "linear", "of": "bmi", "factor": 2}],
            "features": ["age", "bmi", "sex", "heavy"],
        },
        "study": {
            "question": "Who leaves within a year?",
            "population": "Adults enrolled in 2020",
            "index_time": "the day of enrolment",
            "outcome": "leaves before the last visit",
            "risk_window": {"start": 0, "end": 365, "unit": "days"},
            "follow_up": "watched",
        },
    })
}

/// 200 visits of 100 patients; each leaves (1) or stays, the last visit repeated, one age absurd.
fn raw() -> String {
    let mut text = String::from("visit,patient,age,bmi,sex,watched,y\n");
    for row in 0..200 {
        let (age, y) = (if row == 11 { 900 } else { 30 + row % 50 }, u8::from(row % 4 == 0));
        let watched = ["400", "100", "", "365"][row % 4];
        text = [text, format!("V{row},P{},{age},25,F,{watched},{y}\n", row / 2)].concat();
    }
    text + "V199,P99,79,25,F,365,0\n"
}

fn study(params: &Value) -> (Lab, Value) {
    let lab = Lab::new();
    lab.write("raw.csv", raw());
    let run = |stage: &dyn Stage, inputs: &[(&str, &str)], outputs: &[(&str, &str)]| {
        lab.run(stage, inputs, outputs, params).expect("runs");
    };
    let ingested = [("table", "ingested.parquet"), ("report", "ingest.json")];
    run(&crate::ingest::Ingest, &[("table", "raw.csv")], &ingested);
    let validated = [("table", "clean.parquet"), ("quarantine", "quarantine.csv"), ("report", "validation.json")];
    run(&crate::validate::Validate, &[("table", "ingested.parquet")], &validated);
    run(&crate::split::Split, &[("table", "clean.parquet")], &[("split", "split.parquet"), ("report", "split.json")]);
    let features = [("table", "features.parquet"), ("spec", "features.json")];
    run(&crate::featurize::Featurize, &[("table", "clean.parquet")], &features);
    let inputs = [
        ("table", "clean.parquet"),
        ("ingest", "ingest.json"),
        ("ingested", "ingested.parquet"),
        ("validation", "validation.json"),
        ("split", "split.parquet"),
        ("spec", "features.json"),
    ];
    run(&Cohort, &inputs, &[("report", "cohort.json")]);
    let report = lab.json("cohort.json");
    (lab, report)
}

#[test]
fn every_step_says_who_was_left() {
    let (_, report) = study(&params());
    let steps = report["attrition"].as_array().expect("steps");
    let rows: Vec<(&str, u64)> = steps
        .iter()
        .map(|step| (step["step"].as_str().expect("a name"), step["rows"].as_u64().expect("rows")))
        .collect();
    assert_eq!(rows[..3], [("read", 201), ("deduplicated", 200), ("validated", 199)]);
    assert_eq!(steps[0]["patients"], Value::Null, "nobody counted them before duplicates went");
    assert_eq!((&steps[1]["patients"], &steps[1]["events"]), (&json!(100), &json!(50)));
    assert_eq!((&steps[2]["patients"], &steps[2]["events"]), (&json!(100), &json!(50)));
    let parts: u64 = rows[3..].iter().map(|(_, rows)| rows).sum();
    assert_eq!(parts, 199, "{rows:?}");
    let typed: CohortReport = serde_json::from_value(report).expect("the published type");
    assert_eq!((typed.kind, typed.undeclared), (Kind::Clinical, Vec::new()));
}

#[test]
fn the_lost_are_counted_and_told() {
    let (_, report) = study(&params());
    // Of four rows one has the event, one was watched for 100 days, one for nobody knows how long; row 11 is set aside.
    let lost = &report["follow_up"];
    assert_eq!((&lost["censored"], &lost["unknown"], &lost["horizon"]), (&json!(50), &json!(50), &json!(365.0)));
    let warnings = report["warnings"].to_string();
    assert!(warnings.contains("50 rows without the event were watched for less than 365 by watched"), "{warnings}");
}

#[test]
fn parameters_are_counted_before_selection() {
    let (_, report) = study(&params());
    // age 1, bmi 1 and its gaps 1, sex 2, heavy 1 and the gaps it inherits 1.
    assert_eq!(report["sample_size"]["parameters"], json!(7));
    assert_eq!(report["sample_size"]["enough"], json!(false));
    let (n, patients) = (&report["sample_size"]["n"], &report["attrition"][3]["patients"]);
    assert_eq!(n, patients, "two visits of one patient are one patient");
    let mut value = params();
    value["study"]["candidate_parameters"] = json!(1);
    assert_eq!(study(&value).1["sample_size"]["counted"], json!("declared"));
}

#[test]
fn what_is_not_declared_makes_a_study_technical() {
    let mut value = params();
    value["study"] = Value::Null;
    value.as_object_mut().expect("an object").remove("study");
    let (_, report) = study(&value);
    assert_eq!((&report["kind"], &report["follow_up"]), (&json!("technical"), &Value::Null));
    assert_eq!(report["undeclared"], json!(["population", "index_time", "outcome", "risk_window"]));
    assert!(report["warnings"][0].as_str().is_some_and(|text| text.starts_with("technical only")));
}

#[test]
fn declarations_are_checked_by_path() {
    let path = |study: Value| {
        let mut value = params();
        value["study"] = study;
        let Value::Object(map) = value else { unreachable!() };
        Cohort.check(&ParamSet::new(map)).expect_err("invalid").path
    };
    let window = json!({"start": 0, "end": 365, "unit": "days"});
    assert_eq!(path(json!({"question": " "})), "study.question");
    assert_eq!(path(json!({"risk_window": {"start": 9, "end": 1, "unit": "days"}})), "study.risk_window");
    assert_eq!(path(json!({"follow_up": "watched"})), "study.follow_up");
    assert_eq!(path(json!({"follow_up": "watch", "risk_window": window})), "study.follow_up");
    assert_eq!(path(json!({"follow_up": "sex", "risk_window": window})), "study.follow_up");
    assert_eq!(path(json!({"expected_r2": 1.0})), "study.expected_r2");
    assert_eq!(path(json!({"populaton": "x"})), "study.populaton");
}

#[test]
fn bytes_are_frozen() {
    let (lab, _) = study(&params());
    assert_eq!(lab.digest(&["cohort.json"]), "e4c79c677508388e", "bytes moved: raise VERSION");
}
