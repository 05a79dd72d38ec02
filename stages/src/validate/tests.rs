use serde_json::{Value, json};

use super::*;
use crate::testing::Lab;

fn params() -> Value {
    json!({
        "schema": {
            "id": "id",
            "target": {"column": "y", "event": "ends"},
            "columns": {
                "id": {"type": "text", "pattern": "P[0-9]+", "unique": true},
                "age": {"type": "integer", "range": [18, 90]},
                "day": {"type": "number", "nullable": true},
                "sex": {"type": "category", "levels": ["M", "F"]},
                "y": {"type": "integer", "levels": [0, 1]},
            },
        },
        "validate": {
            "max_fail": 0.5,
            "columns": {"id": {"max_fail": 0.5}},
            "rules": [{"name": "order", "check": "day <= age", "level": "warning"}],
        },
    })
}

fn raw() -> Table {
    let mut table = Table::with_rows(5);
    let texts = |values: [&str; 5]| values.map(|value| (!value.is_empty()).then(|| value.to_owned())).to_vec();
    table
        .push_ints("row_id", [0, 1, 2, 3, 7].map(Some).to_vec())
        .and_then(|t| t.push_texts("id", texts(["P1", "P1", "P3", "Q", "P5"])))
        .and_then(|t| t.push_ints("age", vec![Some(18), Some(20), Some(91), Some(50), Some(90)]))
        .and_then(|t| t.push_floats("day", vec![100.0, f64::NAN, 1.0, 1.0, 1.5]))
        .and_then(|t| t.push_texts("sex", texts(["M", "F", "", "M", "F"])))
        .and_then(|t| t.push_ints("y", [0, 1, 0, 1, 0].map(Some).to_vec()))
        .expect("columns");
    table
}

const OUTPUTS: [(&str, &str); 3] =
    [("table", "clean.parquet"), ("quarantine", "quarantine.csv"), ("report", "report.json")];

fn validate(lab: &Lab, params: &Value) -> Result<(), StageError> {
    raw().write(&lab.path("raw.parquet")).expect("written");
    lab.run(&Validate, &[("table", "raw.parquet")], &OUTPUTS, params)
}

#[test]
fn broken_rows_are_set_aside_with_all_their_reasons() {
    let lab = Lab::new();
    validate(&lab, &params()).expect("within the tolerance");
    assert_eq!(lab.table("clean.parquet").ints("row_id").expect("ints"), [Some(0), Some(7)]);
    let expected = "id,age,day,sex,y,_rule,_row\n\
                    P1,20,,F,1,unique(id),1\n\
                    P3,91,1,,0,range(age); nullable(sex),2\n\
                    Q,50,1,M,1,pattern(id),3\n";
    assert_eq!(lab.text("quarantine.csv"), expected);
    let report = lab.json("report.json");
    assert_eq!((&report["read"], &report["passed"], &report["quarantined"]), (&json!(5), &json!(2), &json!(3)));
    assert_eq!(report["by_outcome"]["1"], json!({"read": 2, "quarantined": 2}));
    let rules = report["rules"].as_array().expect("records");
    let order = rules.iter().find(|rule| rule["rule"] == "order").expect("the cross-field rule");
    // One day is missing there, so four rows were judged; a warning sets nothing aside.
    assert_eq!(
        (&order["n_evaluated"], &order["n_failed"], &order["status"]),
        (&json!(4), &json!(1), &json!("tolerated"))
    );
    assert_eq!(order["example_row_ids"], json!([0]));
}

#[test]
fn over_tolerance_the_run_fails_with_every_failed_rule() {
    let mut strict = params();
    strict["validate"]["max_fail"] = json!(0.0);
    strict["validate"]["columns"] = json!({});
    let text = validate(&Lab::new(), &strict).expect_err("too many").to_string();
    for part in ["range (age): 1 of 5 rows", "unique (id)", "pattern (id)", "nullable (sex)", "row_id 2"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(!text.contains("order"), "a warning does not fail: {text}");
}

#[test]
fn identity_tolerates_nothing_by_default() {
    let mut value = params();
    value["validate"] = json!({"max_fail": 0.9});
    let text = validate(&Lab::new(), &value).expect_err("the id is broken").to_string();
    assert!(text.contains("unique (id)") && !text.contains("range (age)"), "{text}");
}

#[test]
fn rules_are_checked_by_path() {
    let path = |validate: Value| {
        let mut value = params();
        value["validate"] = validate;
        let Value::Object(map) = value else { unreachable!() };
        let error = Validate.check(&ParamSet::new(map)).expect_err("invalid");
        (error.path, error.message)
    };
    let rule = |check: &str| json!({"rules": [{"name": "r", "check": check}]});
    assert_eq!(path(rule("day <= agee")).0, "validate.rules.0.check");
    assert!(path(rule("day <= agee")).1.contains("did you mean `age`"));
    assert!(path(rule("day age")).1.contains("no operator"));
    assert!(path(rule("sex == age")).1.contains("not a number"));
    assert_eq!(path(json!({"columns": {"ages": {}}})).0, "validate.columns.ages");
    assert_eq!(path(json!({"max_fail": 2})).0, "validate.max_fail");
}

#[test]
fn comparisons_read_as_they_look() {
    let Value::Object(map) = params() else { unreachable!() };
    let (schema, _) = parse(&ParamSet::new(map)).expect("valid");
    for (check, left, right, expected) in [
        ("day<=age", 1.0, 1.0, Some(true)),
        ("day < age", 1.0, 1.0, Some(false)),
        ("day != age", 1.0, 2.0, Some(true)),
        ("day >= 3", 2.0, 3.0, Some(false)),
        ("day == age", f64::NAN, 2.0, None),
    ] {
        let comparison = compare::Comparison::parse(check, &schema).expect(check);
        assert_eq!(comparison.holds(left, right), expected, "{check}");
    }
}

#[test]
fn bytes_are_frozen() {
    let lab = Lab::new();
    validate(&lab, &params()).expect("within the tolerance");
    let digest = lab.digest(&["clean.parquet", "quarantine.csv", "report.json"]);
    assert_eq!(digest, "f5713284065b4da8", "bytes moved: raise VERSION");
}
