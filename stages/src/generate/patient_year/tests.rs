use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;
use crate::common::table::Table;
use crate::generate::Generate;
use crate::testing::Lab;

fn params(more: &Value) -> Value {
    let mut params = json!({"kind": "patient_year", "n": 700, "years": 4});
    for (key, value) in more.as_object().expect("an object") {
        params[key] = value.clone();
    }
    json!({"seed": 42, "generate": params})
}

fn generated(more: &Value) -> (Lab, Table) {
    let lab = Lab::new();
    let outputs = [("table", "panel.parquet"), ("summary", "panel.json")];
    lab.run(&Generate, &[], &outputs, &params(more)).expect("runs");
    let table = lab.table("panel.parquet");
    (lab, table)
}

fn share(table: &Table, name: &str) -> f64 {
    let values = table.floats(name).expect("numbers");
    values.iter().filter(|value| value.is_nan()).count() as f64 / values.len() as f64
}

#[test]
fn outcomes_do_not_depend_on_what_is_missing() {
    let outcome = |missing: &str| {
        let (_lab, table) = generated(&json!({"missing": missing}));
        (share(&table, "bmi"), share(&table, "glucose"), table.ints("target").expect("events"))
    };
    let (bmi, glucose, events) = outcome("none");
    assert_eq!((bmi, glucose), (0.0, 0.0));
    let rows = events.len() as f64;
    let count = events.iter().filter(|event| **event == Some(1)).count();
    assert_eq!(count, (0.07 * rows).round() as usize, "prevalence is met exactly");
    for (missing, rates) in
        [("high_quality", [0.02, 0.005]), ("standard_practice", [0.10, 0.03]), ("resource_limited", [0.15, 0.20])]
    {
        let (bmi, glucose, same) = outcome(missing);
        // Five standard deviations of a binomial share.
        let near = |found: f64, rate: f64| (found - rate).abs() < 5.0 * (rate * (1.0 - rate) / rows).sqrt();
        assert!(near(bmi, rates[0]) && near(glucose, rates[1]), "{missing}: {bmi} {glucose}");
        assert_eq!(same, events, "{missing}");
    }
}

#[test]
fn a_patient_does_not_depend_on_the_others() {
    let (_few, few) = generated(&json!({"n": 50, "prevalence": 0}));
    let (_many, many) = generated(&json!({"prevalence": 0}));
    let first: Vec<usize> = (0..few.rows()).collect();
    let many = many.take(&first).expect("its first rows");
    for name in few.names() {
        assert_eq!(few.labels(name).expect("labels"), many.labels(name).expect("labels"), "{name}");
    }
}

#[test]
fn threads_and_forms_give_the_same_rows() {
    let lab = Lab::new();
    let run = |threads: usize, output: &str| {
        let Value::Object(params) = params(&json!({"n": 5000, "years": 3, "unseen": 0.2})) else { unreachable!() };
        let request = crate::StageRequest {
            uses: "generate".to_owned(),
            inputs: BTreeMap::new(),
            outputs: BTreeMap::from([("table".to_owned(), lab.file(output))]),
            params,
            threads,
        };
        crate::Stage::run(&Generate, &StageContext::new(request, &|_| {})).expect("runs");
    };
    run(1, "one.parquet");
    run(4, "two.parquet");
    assert_eq!(lab.digest(&["one.parquet"]), lab.digest(&["two.parquet"]));
    run(2, "panel.csv");
    std::fs::create_dir(lab.path("panel")).expect("a directory");
    run(2, "panel");
    let table = lab.table("one.parquet");
    let years = table.ints_full("year").expect("years");
    let targets = table.ints_full("target").expect("events");
    let csv: Vec<String> = lab.text("panel.csv").lines().skip(1).map(str::to_owned).collect();
    assert_eq!(csv.len(), table.rows());
    let cells: Vec<&str> = csv[0].split(',').collect();
    assert_eq!((cells[0], cells[1]), ("P000000", years[0].to_string().as_str()));
    let mut rows = 0;
    for year in 2015..2018 {
        let part = lab.table(&format!("panel/year={year}/part-0.parquet"));
        let of_year: Vec<i64> =
            years.iter().zip(&targets).filter(|(at, _)| **at == year).map(|(_, target)| *target).collect();
        assert!(!part.has("year"));
        assert_eq!(part.ints_full("target").expect("events"), of_year);
        rows += part.rows();
    }
    assert_eq!(rows, table.rows());
}

#[test]
fn recorded_years_are_uncertain_only_when_asked() {
    let (_lab, table) = generated(&json!({}));
    assert!(!table.has("target_in_time"));
    let (lab, moved) = generated(&json!({"uncertain_diagnosis": 0.5, "yearly_risk": 0}));
    let (recorded, in_time) = (moved.ints_full("target").expect("events"), moved.ints_full("target_in_time"));
    let in_time = in_time.expect("events");
    let differ = recorded.iter().zip(&in_time).filter(|(a, b)| a != b).count();
    let events = in_time.iter().sum::<i64>() as f64;
    // Each event that is moved makes two rows differ, unless it falls on another one.
    assert!(differ as f64 > 0.4 * events && (differ as f64) < 1.6 * events, "{differ} of {events}");
    assert_eq!(lab.json("panel.json")["rows"], moved.rows());
    assert_eq!(lab.json("panel.json")["events"], recorded.iter().sum::<i64>());
}

#[test]
fn values_are_within_the_contract() {
    let (_lab, table) = generated(&json!({"missing": "none", "n": 3000}));
    let column = |name: &str| table.floats(name).expect(name);
    let within = |name: &str, low: f64, high: f64| column(name).iter().all(|value| (low..=high).contains(value));
    assert!(within("age", 18.0, 90.0) && within("bmi", 16.0, 50.0) && within("systolic_bp", 80.0, 220.0));
    assert!(
        within("diastolic_bp", 50.0, 120.0) && within("cholesterol", 120.0, 400.0) && within("glucose", 70.0, 300.0)
    );
    assert!(
        column("systolic_bp").iter().zip(column("diastolic_bp")).all(|(systolic, diastolic)| diastolic < *systolic)
    );
    let events = column("target");
    let mean_age = |event: f64| {
        let ages: Vec<f64> =
            column("age").into_iter().zip(&events).filter(|(_, e)| **e == event).map(|x| x.0).collect();
        ages.iter().sum::<f64>() / ages.len() as f64
    };
    assert!(mean_age(1.0) > mean_age(0.0) + 3.0, "risk grows with age");
}

#[test]
fn the_highest_are_chosen_and_of_equal_ones_the_first() {
    assert_eq!(highest(&[1.0, 3.0, 2.0, 3.0, 2.0], 3), [false, true, true, true, false]);
    assert_eq!(highest(&[1.0, 1.0], 0), [false, false]);
    assert_eq!(highest(&[1.0, 1.0], 9), [true, true]);
}

#[test]
fn bytes_are_frozen() {
    let (lab, _) = generated(&json!({"n": 40, "uncertain_diagnosis": 0.2, "unseen": 0.1}));
    assert_eq!(lab.digest(&["panel.parquet", "panel.json"]), "6625a466d201e012", "bytes moved: raise VERSION");
}
