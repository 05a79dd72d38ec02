use serde_json::{Value, json};

use super::*;
use crate::testing::Lab;

const PATIENTS: &str = "\
id,age,last_day,left,visits
a,50,364,,12
b,60,364,100,3
c,70,80,80,2
d,40,60,,2
e,30,200,,6
f,20,364,300,10
g,55,90,90,3
";
const EVENTS: &str = "\
id,day,event,grade
b,95,adverse,4
a,28,visit,
a,90,visit,
a,91,visit,
a,10,adverse,2
a,85,adverse,1
b,28,missed,
f,90,adverse,3
";

fn params() -> Value {
    json!({"landmark": {
        "day": 90, "horizon": 180, "entity": "id", "outcome": "leaves",
        "patients": {"end": "last_day", "outcome_day": "left", "drop": ["visits"]},
        "events": {"day": "day", "kind": "event", "value": "grade"},
        "features": [
            {"name": "visits_so_far", "op": "count", "of": "visit"},
            {"name": "since_visit", "op": "days_since", "of": "visit"},
            {"name": "worst", "op": "max", "of": "adverse"},
            {"name": "recent", "op": "sum", "of": "adverse", "last": 30}
        ]
    }})
}

fn run(patients: &str, events: &str, params: &Value) -> Result<Lab, StageError> {
    let lab = Lab::new();
    lab.write("patients.csv", patients);
    lab.write("events.csv", events);
    let inputs = [("patients", "patients.csv"), ("events", "events.csv")];
    lab.run(&Landmark, &inputs, &[("table", "out.csv"), ("report", "landmark.json")], params).map(|()| lab)
}

#[test]
fn a_row_says_what_was_known_on_the_day_and_what_came_after_it() {
    let lab = run(PATIENTS, EVENTS, &params()).expect("runs");
    // c and g had left by day 90, d was not observed to it, e not to day 270; f left after the horizon. Day 90 itself
    // counts as known: a's visit and f's adverse event of that day do, a's visit of day 91 and b's event of day 95 do not.
    let expected = "\
id,age,visits_so_far,since_visit,worst,recent,leaves
a,50,2,0,2,1,0
b,60,0,,,0,1
f,20,0,,3,3,0
";
    assert_eq!(lab.text("out.csv"), expected);
    let report = lab.json("landmark.json");
    let count = |name: &str| report[name].as_u64();
    assert_eq!((count("patients"), count("kept"), count("events")), (Some(7), Some(3), Some(1)));
    let out = (count("outcome_by_landmark"), count("ended_by_landmark"), count("censored"));
    assert_eq!(out, (Some(2), Some(1), Some(1)));
    assert_eq!((count("records"), count("records_after_landmark")), (Some(8), Some(2)));
    assert_eq!(report["source"], "real");
}

#[test]
fn what_happens_after_the_landmark_changes_no_predictor() {
    let later = format!("{EVENTS}a,200,adverse,4\nf,91,visit,\nb,91,missed,\n");
    let (with, without) =
        (run(PATIENTS, &later, &params()).expect("runs"), run(PATIENTS, EVENTS, &params()).expect("runs"));
    assert_eq!(with.text("out.csv"), without.text("out.csv"));
}

#[test]
fn faults_name_the_file_the_row_and_the_column() {
    let fault = |patients: &str, events: &str| match run(patients, events, &params()) {
        Err(error) => error.to_string(),
        Ok(_) => panic!("accepted"),
    };
    for (events, expected) in [
        ("id,day,event,grade\nz,1,visit,\n", "events.csv: row 2, column id: `z` is not in the file of patients"),
        ("id,day,event,grade\na,soon,visit,\n", "events.csv: row 2, column day: `soon` is not a whole number of days"),
        ("id,day,event,grade\na,1,adverse,bad\n", "events.csv: row 2, column grade: `bad` is not a number"),
        ("id,day,event,grade\na,1,adverse,inf\n", "events.csv: row 2, column grade: `inf` is not a number"),
        ("id,day,event\n", "events.csv: has no column `grade`"),
        ("id,day,event,grade\na,1\n", "events.csv: is not readable as CSV"),
    ] {
        let said = fault(PATIENTS, events);
        assert!(said.starts_with(expected), "{said}");
    }
    for (patients, expected) in [
        (
            "id,age,last_day,left,visits\na,1,90,,1\na,1,90,,1\n",
            "patients.csv: row 3, column id: `a` has a row already",
        ),
        ("id,age,last_day,left,visits\na,1,,,1\n", "patients.csv: row 2, column last_day: is empty"),
        ("id,age,last_day,left,visits\na,1,10,20,1\n", "patients.csv: row 2, column left: day 20 lies after"),
        ("id,age,last_day,left,visits,worst\na,1,10,,1,1\n", "patients.csv: column worst: is the name of a column"),
        ("id,age,last_day,left,visits\n", "patients.csv: has no rows"),
        ("id,age,last_day,left,visits\na,1,10,5,1\n", "no patient is at risk on day 90"),
    ] {
        let said = fault(patients, "id,day,event,grade\n");
        assert!(said.starts_with(expected), "{said}");
    }
}

#[test]
fn both_files_come_from_one_place() {
    let lab = Lab::new();
    lab.write("patients.csv", PATIENTS);
    lab.write("events.csv", EVENTS);
    let outputs = [("table", "out.csv"), ("report", "landmark.json")];
    let run = |inputs: &[(&str, &str)]| lab.run(&Landmark, inputs, &outputs, &params());
    let synthetic = [("synthetic", "patients.csv"), ("synthetic_events", "events.csv")];
    run(&synthetic).expect("runs");
    assert_eq!(lab.json("landmark.json")["source"], "synthetic");
    let mixed = run(&[&[("patients", "patients.csv")], &synthetic[..]].concat()).expect_err("half a study");
    assert!(mixed.to_string().contains("patients.csv is there, but not the other"), "{mixed}");
}

#[test]
fn parameters_are_checked_by_path() {
    let fault = |change: &dyn Fn(&mut Value)| {
        let mut changed = params();
        change(&mut changed["landmark"]);
        let Value::Object(map) = changed else { unreachable!() };
        Landmark.check(&ParamSet::new(map)).expect_err("invalid").path
    };
    assert_eq!(fault(&|p| p["horizon"] = json!(0)), "landmark.horizon");
    assert_eq!(fault(&|p| p["outcome"] = json!("left")), "landmark.patients.outcome_day");
    assert_eq!(fault(&|p| p["features"][1]["name"] = json!("worst")), "landmark.features.2.name");
    assert_eq!(fault(&|p| p["features"][3]["last"] = json!(0)), "landmark.features.3.last");
    assert_eq!(fault(&|p| p["events"] = json!({"day": "day", "kind": "event"})), "landmark.features.2.op");
    assert_eq!(fault(&|p| p["features"] = json!([])), "landmark.features");
}
