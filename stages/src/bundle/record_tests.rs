//! Records and table rows: what is accepted, refused and remarked on, and that both get the same verdict.

use super::intake::IntakeRule;
use super::record::{ParsedRecord, RecordSchema};
use crate::bundle::FieldError;
use crate::common::frame::{Column, Frame};
use crate::common::schema::Schema;
use crate::validate::Level;
use proptest::prelude::*;
use serde_json::{Value, json};

fn fields() -> RecordSchema {
    let schema: Schema = serde_json::from_value(json!({
        "id": "pid",
        "target": {"column": "y", "event": "drops out"},
        "columns": {
            "pid": {"type": "text", "pattern": "P-[0-9]+"},
            "age": {"type": "integer", "range": [18, 85]},
            "bmi": {"type": "number", "nullable": true},
            "arm": {"type": "category", "levels": ["Active", "Control"]},
            "phase": {"type": "integer", "levels": [1, 2, 3]},
            "sex": {"type": "category", "levels": ["f", "m"]},
            "y": {"type": "integer"},
            "after": {"type": "number", "available_at": "post"},
            "onset": {"type": "number", "nullable": true},
        },
    }))
    .expect("a schema");
    let inputs = ["age", "arm", "bmi", "phase"].map(str::to_owned);
    let rule = |name: &str, check: &str, level| IntakeRule { name: name.into(), check: check.into(), level };
    let rules = [
        rule("onset before now", "onset <= age", Level::Error),
        rule("not obese", "bmi < 40", Level::Warning),
        rule("needs the outcome", "after > age", Level::Error),
    ];
    RecordSchema::new(&schema, &inputs, &rules).expect("a good schema")
}

fn parse(record: Value) -> Result<ParsedRecord, Vec<FieldError>> {
    fields().parse(record.as_object().expect("an object"))
}

#[test]
fn a_good_record_becomes_one_row_of_inputs() {
    let record = parse(json!({"pid": "P-1", "age": 69.0, "arm": "Active", "phase": 2, "sex": "f"}));
    let record = record.expect("a good record");
    assert_eq!(record.id, Some(json!("P-1")));
    assert_eq!(record.frame.get("age"), Some(&Column::Number(vec![69.0])));
    assert_eq!(record.frame.get("arm"), Some(&Column::Text(vec![Some("Active".to_owned())].into())));
    assert!(matches!(record.frame.get("bmi"), Some(Column::Number(values)) if values[0].is_nan()));
    assert_eq!(record.frame.get("sex"), None);
}

#[test]
fn every_problem_is_listed() {
    let errors = parse(json!({
        "pid": "X", "age": 17, "arm": "active", "bmi": true, "sex": null, "y": 1, "after": 2, "agee": 1,
    }))
    .expect_err("nothing fits");
    let found: Vec<_> = errors.iter().map(|error| (error.field.as_str(), error.kind)).collect();
    assert_eq!(
        found,
        [
            ("age", "range"),
            ("arm", "level"),
            ("bmi", "type"),
            ("phase", "missing"),
            ("pid", "pattern"),
            ("sex", "missing"),
            ("after", "unknown_field"),
            ("agee", "unknown_field"),
            ("y", "unknown_field"),
        ]
    );
    assert!(errors[7].message.contains("`age`"), "{}", errors[7].message);
}

#[test]
fn numbers_are_neither_booleans_nor_texts_nor_fractions() {
    for age in [json!(true), json!("69"), json!(69.5), json!(1e300), json!([69]), json!({})] {
        let errors = parse(json!({"age": age, "arm": "Active", "phase": 1})).expect_err("no age");
        assert_eq!((errors.len(), errors[0].kind), (1, "type"), "{age}");
    }
}

#[test]
fn rules_across_columns_refuse_or_remark() {
    let record =
        |onset: Value, bmi: Value| parse(json!({"age": 60, "arm": "Active", "phase": 1, "onset": onset, "bmi": bmi}));
    assert_eq!(record(json!(50), json!(30)).expect("keeps all").warnings, []);
    let warnings = record(Value::Null, json!(45)).expect("a warning only").warnings;
    assert_eq!((warnings[0].field.as_str(), warnings[0].kind), ("bmi", "rule"));
    let errors = record(json!(61), json!(45)).expect_err("an onset to come");
    assert_eq!((errors.len(), errors[0].field.as_str(), errors[0].kind), (1, "onset", "rule"));
    assert!(errors[0].message.contains("`onset before now`: onset <= age"), "{}", errors[0].message);
    // A rule joins the list of other problems, unless it cannot be judged because of them.
    assert_eq!(record(json!(70), json!("x")).expect_err("two problems").len(), 2);
    assert_eq!(record(json!("x"), json!(1)).expect_err("one problem").len(), 1);
}

#[test]
fn a_table_is_judged_by_the_same_rules() {
    let fields = fields();
    assert_eq!(fields.compared(), ["age", "bmi", "onset"]);
    assert_eq!(fields.rules().count(), 2, "a rule on the outcome cannot be judged");
    let mut table = Frame::with_rows(2);
    table.insert("age", Column::Number(vec![60.0, 60.0]));
    table.insert("arm", Column::Text(vec![Some("Active".to_owned()); 2].into()));
    table.insert("phase", Column::Number(vec![1.0, 1.0]));
    table.insert("bmi", Column::Number(vec![50.0, 20.0]));
    assert_eq!(fields.check_table(&table, 10), [], "without the column there is no rule");
    table.insert("onset", Column::Number(vec![f64::NAN, 61.0]));
    let errors = fields.check_table(&table, 10);
    assert_eq!((errors.len(), errors[0].row, errors[0].error.kind), (1, 1, "rule"));
    assert_eq!(fields.table_warnings(&table)[0].1, [0]);
}

#[test]
fn a_combination_that_training_never_saw_refuses_or_remarks() {
    let seen = |level: &str| {
        let rule = json!({"name": "known arm", "columns": ["arm", "phase"], "level": level,
            "seen": [["Active", 1], ["Active", 2.0], ["Control", 1]]});
        let fields = fields().with_combinations(vec![serde_json::from_value(rule).expect("a learned rule")]);
        assert_eq!(fields.compared(), ["age", "arm", "bmi", "onset", "phase"]);
        fields
    };
    let record = |arm: &str, phase: i64| json!({"age": 60, "arm": arm, "phase": phase});
    let parse = |level: &str, record: Value| seen(level).parse(record.as_object().expect("an object"));
    assert_eq!(parse("error", record("Active", 2)).expect("seen").warnings, []);
    let errors = parse("error", record("Control", 2)).expect_err("never seen");
    assert_eq!((errors.len(), errors[0].field.as_str(), errors[0].kind), (1, "arm", "combination"));
    let warnings = parse("warning", record("Control", 2)).expect("a warning only").warnings;
    assert_eq!((warnings.len(), warnings[0].kind), (1, "combination"));
    let mut table = Frame::with_rows(2);
    table.insert("age", Column::Number(vec![60.0, 60.0]));
    table.insert("arm", Column::Text(vec![Some("Control".to_owned()); 2].into()));
    table.insert("phase", Column::Number(vec![1.0, 3.0]));
    let errors = seen("error").check_table(&table, 10);
    assert_eq!((errors.len(), errors[0].row, errors[0].error.kind), (1, 1, "combination"));
    assert_eq!(seen("error").table_warnings(&table), []);
    assert_eq!(seen("warning").table_warnings(&table)[0].1, [1]);
}

#[test]
fn what_must_and_may_be_given_is_told() {
    let fields = fields();
    assert_eq!(fields.required(), ["age", "arm", "phase"]);
    assert_eq!(fields.fields(), ["age", "arm", "bmi", "onset", "phase", "pid", "sex"]);
}

#[test]
fn a_table_that_lacks_a_needed_column_fails_in_every_row() {
    let errors = fields().check_table(&Frame::with_rows(2), 100);
    assert_eq!(errors.len(), 6);
    assert_eq!((errors[1].row, errors[1].error.field.as_str(), errors[1].error.kind), (1, "age", "missing"));
    assert_eq!(fields().check_table(&Frame::with_rows(2), 4).len(), 4);
}

proptest! {
    #[test]
    fn a_record_and_a_table_row_get_the_same_verdict(age in prop_oneof![(0i32..100).prop_map(f64::from), -1e9..1e9],
                                                     arm in "Active|Control|active|", phase in 0i32..5) {
        let fields = fields();
        let record = json!({"age": age, "arm": arm, "phase": phase});
        let mut table = Frame::with_rows(1);
        table.insert("age", Column::Number(vec![age]));
        table.insert("arm", Column::Text(vec![Some(arm)].into()));
        table.insert("phase", Column::Number(vec![f64::from(phase)]));
        let in_table: Vec<_> = fields.check_table(&table, 10).into_iter().map(|cell| cell.error).collect();
        let in_record = fields.parse(record.as_object().expect("an object")).err().unwrap_or_default();
        prop_assert_eq!(in_table, in_record);
    }
}

/// A study whose glucose comes in two units, and weight always in pounds.
fn in_units() -> (Schema, Vec<String>) {
    let schema = serde_json::from_value(json!({
        "id": "id",
        "target": {"column": "y", "event": "ends"},
        "columns": {
            "id": {"type": "text"},
            "glucose": {"type": "number", "range": [20, 600], "unit": "mg/dL", "analyte": "glucose",
                "convert": [{"from": "mmol/L", "when": {"column": "glucose_unit", "is": "mmol/L"}}]},
            "glucose_unit": {"type": "category", "levels": ["mg/dL", "mmol/L"]},
            "weight": {"type": "number", "range": [20, 300], "unit": "kg", "convert": [{"from": "lb"}]},
            "y": {"type": "integer", "available_at": "post"},
        },
    }));
    (schema.expect("a schema"), vec!["glucose".to_owned(), "weight".to_owned()])
}

#[test]
fn a_record_and_a_file_reach_the_model_in_the_units_of_training() {
    let (schema, inputs) = in_units();
    let fields = RecordSchema::new(&schema, &inputs, &[]).expect("a good schema");
    assert_eq!(fields.required(), ["glucose", "glucose_unit", "weight"], "a value without a unit has none");
    let record = json!({"id": "a", "glucose": 5.5, "glucose_unit": "mmol/L", "weight": 154});
    let parsed = fields.parse(record.as_object().expect("a record")).expect("a good record");

    // The same row as a file to be scored, and as a raw table of training.
    let lab = crate::testing::Lab::new();
    let row = "id,glucose,glucose_unit,weight,y\na,5.5,mmol/L,154,0\nb,99,mg/dL,154,1\n";
    lab.write("rows.csv", row);
    let read = crate::ingest::read_for_scoring(
        &lab.file("rows.csv"),
        &schema,
        &inputs,
        &fields.compared(),
        &crate::ingest::RawFormat::default(),
    );
    let scored = read.expect("readable").frame_of(["glucose", "glucose_unit", "weight"]).expect("columns");
    assert_eq!(fields.check_table(&scored, 10), []);
    let params = json!({"schema": schema, "validate": {}});
    let outputs = [("table", "raw.parquet"), ("report", "ingest.json")];
    lab.run(&crate::ingest::Ingest, &[("table", "rows.csv")], &outputs, &params).expect("readable");
    let outputs = [("table", "clean.parquet"), ("quarantine", "quarantine.csv"), ("report", "validation.json")];
    lab.run(&crate::validate::Validate, &[("table", "raw.parquet")], &outputs, &params).expect("sound");
    let trained = lab.table("clean.parquet").frame_of(["glucose", "weight"]).expect("columns");
    for name in ["glucose", "weight"] {
        let number = |frame: &Frame| frame.get(name).and_then(Column::numbers).expect("numbers")[0].to_bits();
        assert_eq!(number(&parsed.frame), number(&scored), "{name}");
        assert_eq!(number(&parsed.frame), number(&trained), "{name}");
    }
    let converted = &lab.json("validation.json")["converted"];
    assert_eq!(converted[0], json!({"column": "glucose", "from": "mmol/L", "to": "mg/dL", "rows": 1}));
    assert_eq!(converted[1]["rows"], json!(2));

    // Bounds are those of the schema's unit, and the message says how the value got there.
    let high = json!({"glucose": 50, "glucose_unit": "mmol/L", "weight": 154});
    let errors = fields.parse(high.as_object().expect("a record")).expect_err("too high");
    assert_eq!(errors.len(), 1);
    assert!(errors[0].message.ends_with("not 900.8 (in mg/dL, converted from mmol/L)"), "{errors:?}");
    let unknown = json!({"glucose": 5.5, "glucose_unit": "mmol", "weight": 154});
    let errors = fields.parse(unknown.as_object().expect("a record")).expect_err("an unknown unit");
    assert!(errors.iter().any(|error| error.field == "glucose_unit" && error.kind == "level"), "{errors:?}");
    lab.write("rows.csv", "id,glucose,weight\na,5.5,154\n");
    let read = crate::ingest::read_for_scoring(
        &lab.file("rows.csv"),
        &schema,
        &inputs,
        &fields.compared(),
        &crate::ingest::RawFormat::default(),
    );
    assert!(read.expect_err("no unit").to_string().contains("lacks `glucose_unit`"));
}
