use serde_json::{Value, json};

use super::*;
use crate::common::table::Table;
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
        "privacy": {"min_cell": 0},
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
    let expected = "id,age,day,sex,y,_rules,_row_id,_outcome\n\
                    P1,20,,F,1,unique(id),1,1\n\
                    P3,91,1,,0,range(age); nullable(sex),2,0\n\
                    Q,50,1,M,1,pattern(id),3,1\n";
    assert_eq!(lab.text("quarantine.csv"), expected);
    let report = lab.json("report.json");
    assert_eq!((&report["read"], &report["passed"], &report["quarantined"]), (&json!(5), &json!(2), &json!(3)));
    let level = &report["by_outcome"]["levels"][1];
    assert_eq!(*level, json!({"level": "1", "read": 2, "quarantined": 2, "rate": 1.0}));
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
fn one_bad_row_stops_nothing_unless_a_rule_says_so() {
    let mut value = params();
    value["schema"]["columns"]["id"]["unique"] = json!(false);
    value["validate"] = json!({});
    let lab = Lab::new();
    validate(&lab, &value).expect("each rule is broken by one row at most");
    assert_eq!(lab.table("clean.parquet").rows(), 3);
    let warnings = &lab.json("report.json")["warnings"];
    let told = warnings
        .as_array()
        .expect("sentences")
        .iter()
        .any(|w| w.as_str().is_some_and(|w| w.contains("1 of 5 rows break range (age); they were set aside")));
    assert!(told, "{warnings}");
    value["validate"] = json!({"columns": {"age": {"level": "critical"}}});
    let text = validate(&Lab::new(), &value).expect_err("critical").to_string();
    assert!(text.contains("range (age): 1 of 5 rows (20.00 %, critical: none is tolerated)"), "{text}");
    for strict in [json!({"max_fail": 0}), json!({"columns": {"age": {"max_fail": 0}}}), json!({"max_rows": 0})] {
        value["validate"] = strict;
        assert!(validate(&Lab::new(), &value).is_err(), "{value}");
    }
    value["validate"] = json!({"columns": {"age": {"level": "critical", "max_rows": 1}}});
    assert!(validate(&Lab::new(), &value).expect_err("a contradiction").to_string().contains("columns.age.level"));
}

#[test]
fn a_row_without_a_readable_value_or_outcome_is_set_aside_with_its_own_text() {
    let lab = Lab::new();
    let mut value = params();
    value["schema"]["columns"]["y"] = json!({"type": "integer", "nullable": true});
    let mut rows = String::from("id,age,day,sex,y\n");
    for row in 0..300 {
        let age = if row == 7 { "forty" } else { "40" };
        let y = match row {
            8 => "2",
            9 => "",
            row => ["1", "0"][row % 2],
        };
        rows = [rows, format!("P{row},{age},1,M,{y}\n")].concat();
    }
    lab.write("raw.csv", rows);
    value["validate"] = json!({});
    let outputs = [("table", "raw.parquet"), ("report", "ingest.json")];
    lab.run(&crate::ingest::Ingest, &[("table", "raw.csv")], &outputs, &value).expect("a bad cell is a bad row");
    lab.run(&Validate, &[("table", "raw.parquet")], &OUTPUTS, &value).expect("three bad rows are set aside");
    let quarantine = lab.text("quarantine.csv");
    assert!(quarantine.contains("P7,forty,1,M,0,type(age),7,0"), "{quarantine}");
    assert!(quarantine.contains("P8,40,1,M,2,outcome(y),8,2"), "{quarantine}");
    assert!(quarantine.contains("P9,40,1,M,,outcome(y),9,missing"), "{quarantine}");
    // Rows without a usable outcome are told apart; they have no part in the comparison.
    let levels = lab.json("report.json")["by_outcome"]["levels"].clone();
    let names: Vec<&str> =
        levels.as_array().expect("levels").iter().filter_map(|level| level["level"].as_str()).collect();
    assert_eq!(names, ["0", "1", "missing or unusable"]);
    let clean = lab.table("clean.parquet");
    assert_eq!((clean.rows(), clean.has("_unread")), (297, false));
    // A column of another type is no single bad row.
    lab.write("raw.csv", format!("id,age,day,sex,y\n{}", "P1,x,1,M,0\n".repeat(5)));
    lab.run(&crate::ingest::Ingest, &[("table", "raw.csv")], &outputs, &value).expect("readable as a table");
    let text = lab.run(&Validate, &[("table", "raw.parquet")], &OUTPUTS, &value).expect_err("all ages").to_string();
    assert!(
        text.contains("type (age): 5 of 5 rows") && text.contains("line 2: expected a whole number, found `x`"),
        "{text}"
    );
}

/// The failed row ids of each rule by name.
fn failed(lab: &Lab) -> std::collections::BTreeMap<String, Value> {
    let report = lab.json("report.json");
    let rules = report["rules"].as_array().expect("records").iter();
    rules.map(|rule| (rule["rule"].as_str().expect("a name").to_owned(), rule["example_row_ids"].clone())).collect()
}

#[test]
fn rules_across_rows_and_dates() {
    let lab = Lab::new();
    let value = json!({
        "schema": {
            "group": "patient",
            "target": {"column": "y", "event": "ends"},
            "columns": {
                "patient": {"type": "text"},
                "year": {"type": "integer"},
                "stage": {"type": "integer", "nullable": true},
                "from": {"type": "text", "nullable": true},
                "to": {"type": "text", "nullable": true},
                "y": {"type": "integer"},
            },
        },
        "validate": {
            "max_fail": 0.5,
            "columns": {"stage": {"max_missing": 0.1, "level": "warning"}},
            "rules": [
                {"name": "one row a year", "unique": ["patient", "year"]},
                {"name": "stages rise", "monotone": {"column": "stage", "by": "patient", "order_by": "year"}},
                {"name": "dates", "order": ["from", "to"]},
            ],
        },
    });
    lab.write(
        "raw.csv",
        "patient,year,stage,from,to,y\n\
         A,2020,1,2020-01-01,2020-01-01,0\n\
         A,2022,3,2020-02-30,2020-05-01,0\n\
         A,2021,9,2021-12-31,2022-01-01,1\n\
         A,2022,4,2020-01-01,2019-12-31,0\n\
         B,2020,1,,2019-12-31,1\n\
         B,2021,,2020-01-01,2020-01-02,1\n",
    );
    let outputs = [("table", "raw.parquet"), ("report", "ingest.json")];
    lab.run(&crate::ingest::Ingest, &[("table", "raw.csv")], &outputs, &value).expect("readable");
    lab.run(&Validate, &[("table", "raw.parquet")], &OUTPUTS, &value).expect("within the tolerance");
    let failed = failed(&lab);
    assert_eq!(failed["one row a year"], json!([3]));
    assert_eq!(failed["stages rise"], json!([2]), "the 9 of 2021 is wrong, not what follows");
    assert_eq!(failed["dates"], json!([1, 3]), "30 February is no date");
    let report = lab.json("report.json");
    let missing = report["rules"].as_array().expect("records").iter().find(|rule| rule["rule"] == "max_missing");
    let missing = missing.expect("asked for");
    assert_eq!((&missing["n_failed"], &missing["status"]), (&json!(1), &json!("warning")));
    assert_eq!(report["quarantined"], json!(3), "a gap sets nothing aside");
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
    let of = |rule: Value| {
        let mut named = json!({"name": "r"});
        named.as_object_mut().expect("an object").extend(rule.as_object().expect("an object").clone());
        path(json!({"rules": [named]}))
    };
    assert_eq!(of(json!({})).0, "validate.rules.0");
    assert_eq!(of(json!({"check": "day <= age", "unique": ["id", "age"]})).0, "validate.rules.0");
    assert_eq!(of(json!({"unique": ["id"]})).0, "validate.rules.0.unique");
    assert_eq!(of(json!({"order": ["day", "sex"]})).0, "validate.rules.0.order");
    let monotone = json!({"monotone": {"column": "day", "by": "idd", "order_by": "age"}});
    assert_eq!(of(monotone).0, "validate.rules.0.monotone.by");
    assert_eq!(path(json!({"subgroups": ["sx"]})).0, "validate.subgroups.0");
    assert_eq!(path(json!({"subgroups": ["id"]})).0, "validate.subgroups.0");
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

/// Sixty glucose values in mg/dL, of which the first `foreign` came in mmol/L.
fn glucose(lab: &Lab, foreign: usize, validate: &Value) -> Result<(), StageError> {
    let value = json!({
        "schema": {
            "target": {"column": "y", "event": "ends"},
            "columns": {
                "glucose": {"type": "number", "range": [20, 600], "unit": "mg/dL", "analyte": "glucose"},
                "site": {"type": "category", "levels": ["A", "<b>"]},
                "y": {"type": "integer"},
            },
        },
        "validate": validate,
    });
    let row = |row: usize| {
        let (value, site) = if row < foreign { (5.5, "<b>") } else { (99.0, "A") };
        format!("{value},{site},{}\n", row % 2)
    };
    let rows: Vec<String> = (0..60).map(row).collect();
    lab.write("raw.csv", format!("glucose,site,y\n{}", rows.concat()));
    let outputs = [("table", "raw.parquet"), ("report", "ingest.json")];
    lab.run(&crate::ingest::Ingest, &[("table", "raw.csv")], &outputs, &value).expect("readable");
    let outputs = [OUTPUTS[0], OUTPUTS[1], OUTPUTS[2], ("page", "validation.html")];
    lab.run(&Validate, &[("table", "raw.parquet")], &outputs, &value)
}

#[test]
fn values_that_look_like_another_unit_are_suspected() {
    let lab = Lab::new();
    glucose(&lab, 12, &json!({"max_fail": 0.5, "subgroups": ["site"]})).expect("within the tolerance");
    let report = lab.json("report.json");
    let rules = report["rules"].as_array().expect("records");
    let unit = rules.iter().find(|rule| rule["rule"] == "unit").expect("a known unit");
    assert_eq!((&unit["n_failed"], &unit["status"]), (&json!(12), &json!("warning")));
    let note = unit["note"].as_str().expect("a suspicion");
    assert!(note.contains("12 of 12 values out of range would lie within it as mmol/L"), "{note}");
    // A value that twelve rows share tells nothing of one of them.
    assert_eq!(unit["example_values"], json!([{"value": "5.5", "rows": 12}]));
    let site = &report["by_subgroup"][0];
    assert_eq!((&site["column"], &site["selective"]), (&json!("site"), &json!(true)));
    // Over the tolerance, the error says what it may be.
    let text = glucose(&Lab::new(), 12, &json!({})).expect_err("a fifth is out of range").to_string();
    assert!(text.contains("range (glucose): 12 of 60") && text.contains("as mmol/L"), "{text}");
    glucose(&lab, 1, &json!({})).expect("one odd value");
    let report = lab.json("report.json");
    let rules = report["rules"].as_array().expect("records");
    assert!(rules.iter().any(|rule| rule["rule"] == "unit" && rule["status"] == "passed"), "one is an error of typing");
    let range = rules.iter().find(|rule| rule["rule"] == "range").expect("a range");
    assert_eq!((&range["n_failed"], &range["example_values"]), (&json!(1), &json!([])), "one row's value is its own");
}

#[test]
fn the_page_says_what_the_report_says_and_nothing_of_the_few() {
    let lab = Lab::new();
    glucose(&lab, 12, &json!({"max_fail": 0.5, "subgroups": ["site"]})).expect("within the tolerance");
    let page = lab.text("validation.html");
    for part in
        ["60 rows read, 48 passed, 12 set aside", "<code>5.5</code> in 12 rows", "Set aside by site", "&lt;b&gt;"]
    {
        assert!(page.contains(part), "{part} is not in the page");
    }
    assert!(!page.contains("<b>") && !page.contains("<script"));
    glucose(&lab, 1, &json!({"subgroups": ["site"]})).expect("one bad row");
    let page = lab.text("validation.html");
    assert!(!page.contains("<code>5.5") && page.contains("fewer than 10"), "{page}");
    let report = lab.json("report.json");
    let level = |name: &str| {
        let levels = report["by_subgroup"][0]["levels"].as_array().expect("levels");
        levels.iter().find(|level| level["level"] == name).expect("a level").clone()
    };
    assert_eq!((&level("<b>")["quarantined"], &level("<b>")["rate"]), (&Value::Null, &Value::Null));
    glucose(&lab, 0, &json!({})).expect("nothing is wrong");
    assert!(lab.text("validation.html").contains("Every row keeps every rule."));
}

#[test]
fn bytes_are_frozen() {
    let lab = Lab::new();
    validate(&lab, &params()).expect("within the tolerance");
    let digest = lab.digest(&["clean.parquet", "quarantine.csv", "report.json"]);
    assert_eq!(digest, "31748150fd4a1b3d", "bytes moved: raise VERSION");
}
