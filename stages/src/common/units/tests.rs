use serde_json::{Value, json};

use super::*;

fn near(from: (f64, &str), to: (f64, &str), analyte: Option<Analyte>, tolerance: f64) {
    let there = Formula::new(from.1, to.1, analyte).expect("a formula").apply(from.0);
    assert!((there - to.0).abs() <= tolerance, "{} {} = {there} {}, not {}", from.0, from.1, to.1, to.0);
    let back = Formula::new(to.1, from.1, analyte).expect("a formula").apply(there);
    assert!((back - from.0).abs() <= 1e-12 * from.0.abs().max(1.0), "{} {} came back as {back}", from.0, from.1);
}

#[test]
fn values_are_those_of_the_tables_in_use() {
    near((5.5, "mmol/L"), (99.088, "mg/dL"), Some(Analyte::Glucose), 1e-9);
    near((1.0, "mmol/L"), (38.67, "mg/dL"), Some(Analyte::Cholesterol), 1e-12);
    near((1.0, "mmol/L"), (88.57, "mg/dL"), Some(Analyte::Triglycerides), 1e-12);
    near((1.0, "mg/dL"), (88.4, "µmol/L"), Some(Analyte::Creatinine), 0.005);
    near((1.0, "mmol/L"), (2.8014, "mg/dL"), Some(Analyte::UreaNitrogen), 1e-12);
    near((1.0, "mg/dL"), (59.48, "umol/l"), Some(Analyte::UricAcid), 0.005);
    near((1.0, "mg/dL"), (17.1, "\u{3bc}mol/L"), Some(Analyte::Bilirubin), 0.005);
    near((154.323_584, "lb"), (70.0, "kg"), None, 1e-6);
    near((70.0, "in"), (177.8, "cm"), None, 1e-12);
    near((98.6, "°F"), (37.0, "°C"), None, 1e-12);
    near((310.15, "K"), (37.0, "C"), None, 1e-9);
    near((16.0, "kPa"), (120.0, "mmHg"), None, 0.02);
    // The pairs that the International HbA1c Consensus printed.
    near((48.0, "mmol/mol"), (6.5, "%"), None, 0.05);
    near((53.0, "mmol/mol"), (7.0, "%"), None, 0.05);
    near((1.2, "mmol/L"), (1200.0, "µmol/L"), None, 1e-9);
}

#[test]
fn what_cannot_be_converted_is_said() {
    let fault = |from, to, analyte| Formula::new(from, to, analyte).expect_err("no formula");
    assert!(fault("mmol/L", "mg/dL", None).contains("say `analyte`"));
    assert!(fault("kg", "cm", None).contains("do not measure the same"));
    assert!(fault("stone", "kg", None).contains("`stone` is no unit") && fault("stone", "kg", None).contains("lb"));
}

fn schema(change: fn(&mut Value)) -> Result<Units, ParamError> {
    let mut value = json!({
        "target": {"column": "y", "event": "ends"},
        "columns": {
            "glucose": {"type": "number", "unit": "mg/dL", "analyte": "glucose",
                "convert": [{"from": "mmol/L", "when": {"column": "unit", "is": "mmol/L"}}]},
            "weight": {"type": "number", "unit": "kg", "convert": [{"from": "lb"}]},
            "unit": {"type": "category", "levels": ["mg/dL", "mmol/L"]},
            "y": {"type": "integer"},
        },
    });
    change(&mut value);
    Units::new(&serde_json::from_value(value).expect("a schema by its types"))
}

fn frame() -> Frame {
    let mut frame = Frame::with_rows(3);
    frame.insert("glucose", Column::Number(vec![100.0, 5.0, f64::NAN]));
    frame.insert("weight", Column::Number(vec![100.0, f64::NAN, 200.0]));
    let units = ["mg/dL", "mmol/L", "mmol/L"];
    frame.insert("unit", Column::Text(units.map(|unit| Some(unit.to_owned())).to_vec().into()));
    frame
}

#[test]
fn rows_are_converted_by_what_they_say_and_say_so() {
    let units = schema(|_| {}).expect("sound");
    let mut found = frame();
    let done = units.apply(&mut found);
    let glucose = found.get("glucose").and_then(Column::numbers).expect("numbers");
    assert!(glucose[0] == 100.0 && (glucose[1] - 90.08).abs() < 1e-12 && glucose[2].is_nan());
    let texts = found.get("unit").and_then(Column::texts).expect("texts");
    assert!(texts.iter().all(|unit| unit == Some("mg/dL")), "{texts:?}");
    let told: Vec<(&str, &str, usize)> = done.iter().map(|c| (c.column.as_str(), c.from.as_str(), c.rows)).collect();
    assert_eq!(told, [("glucose", "mmol/L", 1), ("weight", "lb", 2)]);
    // What says its unit is not converted twice.
    let again = found.get("glucose").cloned();
    units.apply(&mut found);
    assert_eq!(found.get("glucose").map(|c| format!("{c:?}")), again.map(|c| format!("{c:?}")));
}

#[test]
fn contradictions_are_found_by_path() {
    let at = |change| schema(change).expect_err("a contradiction").path;
    let glucose = "schema.columns.glucose.convert.0";
    assert_eq!(at(|s| s["columns"]["glucose"]["type"] = json!("integer")), glucose);
    assert_eq!(at(|s| s["columns"]["glucose"]["unit"] = Value::Null), glucose);
    assert_eq!(at(|s| s["columns"]["glucose"]["analyte"] = Value::Null), format!("{glucose}.from"));
    assert_eq!(at(|s| s["columns"]["unit"]["nullable"] = json!(true)), format!("{glucose}.when.column"));
    assert_eq!(at(|s| s["columns"]["unit"]["levels"] = json!(["mmol/L"])), format!("{glucose}.when"));
    let shared = |s: &mut Value| {
        s["columns"]["weight"]["convert"] = json!([{"from": "lb", "when": {"column": "unit", "is": "mmol/L"}}]);
        s["columns"]["unit"]["levels"] = json!(["mg/dL", "mmol/L", "kg"]);
    };
    assert_eq!(at(shared), "schema.columns.weight.unit");
}
