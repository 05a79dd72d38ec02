//! The stage on small tables with one leak each.

use serde_json::{Value, json};

use super::*;
use crate::common::frame::Column;
use crate::common::rng::Stream;
use crate::common::table::Table;
use crate::testing::Lab;

const ROWS: usize = 600;

/// A cohort without a leak, into which a test puts one.
struct Study {
    ids: Vec<String>,
    patients: Vec<String>,
    y: Vec<i64>,
    a: Vec<f64>,
    b: Vec<f64>,
    c: Vec<Option<String>>,
    d: Vec<f64>,
    /// Added to the default parameters.
    params: Value,
}

impl Study {
    fn new() -> Self {
        let mut stream = Stream::new(17, "leakage test");
        let a: Vec<f64> = (0..ROWS).map(|_| stream.normal()).collect();
        let b = (0..ROWS).map(|_| stream.normal()).collect();
        let d = (0..ROWS).map(|_| stream.normal()).collect();
        let levels = ["north", "south", "west"];
        let c = (0..ROWS).map(|_| Some(levels[stream.below(3) as usize].to_owned())).collect();
        let y = a.iter().map(|a| i64::from(stream.chance(crate::common::link::sigmoid(1.2 * a - 1.2)))).collect();
        let ids: Vec<String> = (1..=ROWS).map(|number| format!("P{number}")).collect();
        Self { patients: ids.clone(), ids, y, a, b, c, d, params: json!({}) }
    }

    fn rows(&self) -> usize {
        self.y.len()
    }

    fn params(&self) -> Value {
        let mut params = json!({
            "seed": 42,
            "schema": {
                "id": "id", "group": "patient",
                "target": {"column": "y", "event": "happens"},
                "columns": {
                    "id": {"type": "text"}, "patient": {"type": "text"},
                    "y": {"type": "integer", "available_at": "post"},
                    "a": {"type": "number", "nullable": true}, "b": {"type": "number", "nullable": true},
                    "d": {"type": "number"},
                    "c": {"type": "category", "levels": ["north", "south", "west"], "nullable": true},
                },
            },
            "split": {"kind": "group", "test": 0.25, "folds": 4},
            "featurize": {"features": ["a", "b", "c", "d"]},
            "leakage": {"permutations": 4},
        });
        for (key, value) in self.params.as_object().into_iter().flatten() {
            params[key] = value.clone();
        }
        params
    }

    /// The table, the split and the features.
    fn prepare(&self, lab: &Lab) {
        let n = self.rows();
        let texts = |all: &[String]| all.iter().cloned().map(Some).collect::<Vec<_>>();
        let mut table = Table::with_rows(n);
        let mut write = || -> Result<(), StageError> {
            table.push_ints("row_id", (0..n as i64).map(|row| Some(10 * row)).collect())?;
            table.push_texts("id", texts(&self.ids))?.push_texts("patient", texts(&self.patients))?;
            table.push_ints("y", self.y.iter().map(|&y| Some(y)).collect())?;
            table
                .push_floats("a", self.a.clone())?
                .push_floats("b", self.b.clone())?
                .push_texts("c", self.c.clone())?;
            table.push_floats("d", self.d.clone())?;
            table.write(&lab.path("clean"))
        };
        write().expect("written");
        let params = self.params();
        lab.run(&crate::split::Split, &[("table", "clean")], &[("split", "split"), ("report", "split.json")], &params)
            .expect("split");
        let outputs = [("table", "features"), ("spec", "spec")];
        lab.run(&crate::featurize::Featurize, &[("table", "clean")], &outputs, &params).expect("featurized");
    }

    fn examine(&self, lab: &Lab) -> Result<(), StageError> {
        let inputs = [("table", "clean"), ("features", "features"), ("spec", "spec"), ("split", "split")];
        lab.run(&Leakage, &inputs, &[("report", "leakage.json")], &self.params())
    }

    /// The report, and the error if there is one.
    fn report(&self) -> (Report, Option<String>) {
        let lab = Lab::new();
        self.prepare(&lab);
        let error = self.examine(&lab).err();
        let report = serde_json::from_str(&lab.text("leakage.json")).expect("a report");
        (report, error.map(|error| format!("{error}\n{}", error.hint().unwrap_or_default())))
    }

    fn found(&self) -> Vec<(Check, String)> {
        self.report().0.findings.into_iter().map(|finding| (finding.check, finding.subject)).collect()
    }

    /// The outcome, seen through noise.
    fn echo(&self) -> Vec<f64> {
        let mut stream = Stream::new(5, "echo");
        self.y.iter().map(|&y| 4.0 * y as f64 + stream.normal()).collect()
    }
}

fn of(check: Check, subject: &str) -> (Check, String) {
    (check, subject.to_owned())
}

/// Rewrites parts and folds of a split.
fn tamper(lab: &Lab, change: impl Fn(&mut Vec<Option<String>>, &mut Vec<Option<i64>>)) {
    let split = lab.table("split");
    let (mut part, mut fold) = (split.texts("part").expect("parts").to_vec(), split.ints("fold").expect("folds"));
    change(&mut part, &mut fold);
    let mut table = Table::with_rows(split.rows());
    let pushed = table.push_ints("row_id", split.ints("row_id").expect("ids"));
    pushed
        .and_then(|table| table.push_texts("part", part))
        .and_then(|table| table.push_ints("fold", fold))
        .expect("columns");
    table.write(&lab.path("split")).expect("written");
}

#[test]
fn a_clean_study_passes_and_every_check_is_on_record() {
    let (report, error) = Study::new().report();
    assert_eq!(error, None);
    assert!(report.clean && report.findings.is_empty() && report.warnings.is_empty());
    assert_eq!(report.checks.iter().map(|record| record.check).collect::<Vec<_>>(), Check::ALL);
    assert_eq!((report.training_rows.n, report.test_rows.n), (449, 151));
    let features = &report.checks[Check::FeatureAuroc as usize];
    assert_eq!((features.subjects, features.tested, features.tests.len()), (4, 4, 7));
    let a = &features.tests[0];
    assert!(a.interval.is_some_and(|[low, high]| low < a.effect && a.effect < high), "{a:?}");
}

#[test]
fn a_feature_that_tells_the_outcome_fails_the_run_and_a_waiver_keeps_it_on_record() {
    let mut study = Study::new();
    study.b = study.echo();
    let (report, error) = study.report();
    let error = error.expect("a leak");
    assert!(!report.clean);
    for word in
        ["feature_auroc b", "row_id ", "bound 0.95", "featurize.features", "waivers: [{check: feature_auroc, column: b"]
    {
        assert!(error.contains(word), "no {word:?} in {error}");
    }
    let rows = &report.findings[0].example_row_ids;
    assert!(!rows.is_empty() && rows.iter().all(|id| study.y[(id / 10) as usize] == 1), "{rows:?}");
    study.params = json!({"leakage": {"permutations": 0, "waivers": [
        {"check": "feature_auroc", "column": "b", "who": "Dr. Roe", "why": "measured at admission, see protocol 4.2"},
    ]}});
    let (report, error) = study.report();
    assert_eq!((error, report.clean), (None, true));
    let waived = report.findings[0].waived.as_ref().expect("waived");
    assert_eq!(waived.who, "Dr. Roe");
    assert!(report.lines().iter().any(|line| line.contains("waived by Dr. Roe: measured at admission")));
}

#[test]
fn a_waiver_needs_who_and_why_and_something_to_waive() {
    let check = |waiver: Value| {
        let Value::Object(params) = json!({
            "seed": 1, "schema": Study::new().params()["schema"], "leakage": {"waivers": [waiver]},
        }) else {
            unreachable!()
        };
        Leakage.check(&ParamSet::new(params)).expect_err("unsound").path
    };
    assert_eq!(check(json!({"check": "missingness", "who": " ", "why": "x"})), "leakage.waivers.0.who");
    assert_eq!(check(json!({"check": "missingness", "who": "x", "why": ""})), "leakage.waivers.0.why");
    assert_eq!(check(json!({"check": "missingnes", "who": "x", "why": "y"})), "leakage.waivers.0.check");
    assert_eq!(check(json!({"check": "missingness", "who": "x"})), "leakage.waivers.0");
    let mut study = Study::new();
    study.b = study.echo();
    study.params = json!({"leakage": {"permutations": 0, "waivers": [
        {"check": "feature_auroc", "column": "B", "who": "x", "why": "y"},
    ]}});
    let lab = Lab::new();
    study.prepare(&lab);
    let error = study.examine(&lab).expect_err("nothing matches").to_string();
    assert!(error.contains("did you mean `b`?") && error.contains("1 finding has no waiver"), "{error}");
    // Every one is named, with what became of its test.
    study.params = json!({"leakage": {"permutations": 0, "waivers": [
        {"check": "feature_auroc", "column": "b", "who": "x", "why": "y"},
        {"check": "feature_auroc", "column": "a", "who": "Dr. Roe", "why": "y"},
        {"check": "permuted_target", "who": "x", "why": "y"},
    ]}});
    let lab = Lab::new();
    study.prepare(&lab);
    let error = study.examine(&lab).expect_err("nothing matches").to_string();
    for part in [
        "`feature_auroc` of `a` by Dr. Roe",
        "`a` was tested: auroc",
        "below the bound of 0.95",
        "`leakage.permutations` is 0",
    ] {
        assert!(error.contains(part), "no {part:?} in {error}");
    }
    assert!(!error.contains("no waiver"), "{error}");
}

#[test]
fn missing_values_that_tell_the_outcome_are_found() {
    let mut study = Study::new();
    for row in 0..ROWS {
        if study.y[row] == 1 && row % 5 > 0 {
            study.b[row] = f64::NAN;
        }
    }
    let found = study.found();
    assert!(found.contains(&of(Check::Missingness, "b")), "{found:?}");
}

/// Outcomes given by position: the last rows have the event.
fn by_position(study: &mut Study) {
    let events = study.y.iter().sum::<i64>() as usize;
    let n = study.rows();
    study.y = (0..n).map(|row| i64::from(row >= n - events)).collect();
}

#[test]
fn labels_that_follow_the_rows_are_found_and_a_sorted_file_is_not_mistaken_for_them() {
    let mut study = Study::new();
    by_position(&mut study);
    let found = study.found();
    assert!(found.contains(&of(Check::RowOrder, "position")) && found.contains(&of(Check::IdOrder, "id")), "{found:?}");
    // The same file with ids that do not follow it: still nothing but the position tells the outcome.
    let mut stream = Stream::new(1, "ids");
    stream.shuffle(&mut study.ids);
    study.patients.clone_from(&study.ids);
    assert_eq!(study.found(), [of(Check::RowOrder, "position")]);
    // A file that somebody sorted by the outcome: the features tell the outcome, the ids do not follow.
    let honest = Study::new();
    let mut order: Vec<usize> = (0..ROWS).collect();
    order.sort_by_key(|&row| honest.y[row]);
    let sorted = Study {
        y: order.iter().map(|&row| honest.y[row]).collect(),
        a: order.iter().map(|&row| honest.a[row]).collect(),
        b: order.iter().map(|&row| honest.b[row]).collect(),
        ..study
    };
    let (report, error) = sorted.report();
    assert_eq!((error, report.clean), (None, true));
    assert_eq!(report.warnings.len(), 1);
    assert!(report.warnings[0].text.contains("sorted by the outcome"), "{:?}", report.warnings);
}

#[test]
fn patients_on_both_sides_are_counted_and_remembered() {
    let mut study = Study::new();
    study.patients = (0..ROWS).map(|row| format!("P{}", row / 3)).collect();
    // What stays the same for a patient lets a model recognise it.
    for row in 0..ROWS {
        let first = row / 3 * 3;
        (study.a[row], study.b[row], study.d[row]) = (study.a[first], study.b[first], study.d[first]);
    }
    let lab = Lab::new();
    study.prepare(&lab);
    tamper(&lab, |part, fold| {
        for row in 0..ROWS {
            fold[row] = fold[row].map(|fold| (fold + row as i64 % 3) % 4);
        }
        let first = part.iter().position(|part| part.as_deref() == Some("train")).expect("a training row");
        part[first] = Some("test".to_owned());
        fold[first] = None;
    });
    let error = study.examine(&lab).expect_err("overlap").to_string();
    let report: Report = serde_json::from_str(&lab.text("leakage.json")).expect("a report");
    let effect = |subject: &str| {
        report
            .findings
            .iter()
            .find(|found| found.check == Check::PatientOverlap && found.subject == subject)
            .map(|found| found.effect)
    };
    assert_eq!((effect("test"), effect("folds")), (Some(1.0), Some(150.0)), "{error}");
    assert!(
        report.findings.iter().any(|found| found.check == Check::PermutedTarget && found.measure == Measure::AurocGbdt),
        "{error}"
    );
}

#[test]
fn copies_under_new_names_are_found_exact_and_blurred() {
    for (blur, check) in [(0.0, Check::Duplicates), (0.004, Check::NearDuplicates)] {
        let mut study = Study::new();
        for copy in 0..30 {
            study.ids.push(format!("Q{copy}"));
            study.patients.push(format!("Q{copy}"));
            study.y.push(study.y[copy]);
            study.a.push(study.a[copy] + blur);
            study.b.push(study.b[copy] - blur);
            study.c.push(study.c[copy].clone());
            study.d.push(study.d[copy] + blur);
        }
        let found = study.found();
        assert!(found.contains(&of(check, "folds")), "{found:?}");
        assert!(found.iter().all(|(found, _)| *found == check), "{found:?}");
    }
    // Three levels of each column: equal rows are no copies.
    let mut coarse = Study::new();
    coarse
        .a
        .iter_mut()
        .chain(&mut coarse.b)
        .chain(&mut coarse.d)
        .for_each(|value| *value = value.round().clamp(-1.0, 1.0));
    assert_eq!(coarse.found(), []);
}

#[test]
fn late_columns_are_found_through_derivations_and_late_names_are_warned_of() {
    let study = Study::new();
    let lab = Lab::new();
    study.prepare(&lab);
    let mut spec = lab.json("spec");
    spec["derive"] = json!([
        {"op": "linear", "name": "late", "of": "y"}, {"op": "product", "name": "b", "of": ["late", "a"]},
    ]);
    lab.write("spec", spec.to_string());
    let error = study.examine(&lab).expect_err("late").to_string();
    assert!(error.contains("availability b: is made of the outcome `y`"), "{error}");

    let mut named = Study::new();
    let mut params = named.params();
    params["schema"]["columns"]["discharge_day"] = params["schema"]["columns"]["b"].clone();
    params["featurize"] = json!({"features": ["a", "c", "discharge_day"]});
    named.params = params;
    let lab = Lab::new();
    let mut with_name = |available: &str| {
        named.params["schema"]["columns"]["discharge_day"]["available_at"] = json!(available);
        let plain = Study::new();
        plain.prepare(&lab);
        let mut table = lab.table("clean");
        table.push_floats("discharge_day", plain.b.clone()).expect("a column");
        table.write(&lab.path("clean")).expect("written");
        lab.run(
            &crate::featurize::Featurize,
            &[("table", "clean")],
            &[("table", "features"), ("spec", "spec")],
            &named.params(),
        )
        .expect("featurized");
        named.examine(&lab).expect("no leak");
        let report: Report = serde_json::from_str(&lab.text("leakage.json")).expect("a report");
        report.warnings.into_iter().map(|found| (found.check, found.subject)).collect::<Vec<_>>()
    };
    assert_eq!(with_name("baseline"), [of(Check::OutcomeName, "discharge_day")]);
    assert_eq!(with_name("index"), []);
}

#[test]
fn no_check_reads_the_outcome_of_a_test_row() {
    let study = Study::new();
    let lab = Lab::new();
    study.prepare(&lab);
    study.examine(&lab).expect("clean");
    let before = lab.text("leakage.json");
    let part = lab.table("split").texts("part").expect("parts");
    let features = lab.table("features");
    let mut changed = Table::with_rows(ROWS);
    let flipped = |row: usize| if part.get(row) == Some("test") { 1 - study.y[row] } else { study.y[row] };
    changed.push_ints("row_id", features.ints("row_id").expect("ids")).expect("a column");
    changed.push_texts("group", &features.texts("group").expect("patients")).expect("a column");
    changed.push_ints("y", (0..ROWS).map(|row| Some(flipped(row))).collect()).expect("a column");
    let frame = features.frame_of(["a", "b", "c", "d"]).expect("features");
    for (name, column) in frame.columns() {
        changed.push_column(name, column).expect("a column");
    }
    changed.write(&lab.path("features")).expect("written");
    study.examine(&lab).expect("clean");
    assert!(before == lab.text("leakage.json"));
}

#[test]
fn too_few_events_give_reasons_and_a_number_is_cut_at_its_median() {
    let mut rare = Study::new();
    rare.y = (0..ROWS).map(|row| i64::from(row % 100 == 7 || row % 100 == 61)).collect();
    rare.params = json!({"split": {"kind": "stratified", "test": 0.5, "folds": 2}});
    rare.b = rare.echo();
    let (report, error) = rare.report();
    assert_eq!(error, None);
    for check in [Check::FeatureAuroc, Check::RowOrder, Check::PermutedTarget] {
        let record = &report.checks[check as usize];
        assert!(
            record.tested == 0 && record.reason.as_deref().is_some_and(|text| text.contains("too few patients")),
            "{record:?}"
        );
    }

    let lab = Lab::new();
    let mut number = Study::new();
    let mut schema = number.params()["schema"].clone();
    schema["target"] = json!({"column": "y", "kind": "continuous"});
    number.params = json!({"schema": schema});
    number.y = (0..ROWS as i64).map(|row| row * 7919 % 1000).collect();
    number.b = number.y.iter().map(|&y| y as f64 / 3.0).collect();
    number.prepare(&lab);
    let error = number.examine(&lab).expect_err("b is the outcome").to_string();
    assert!(error.contains("feature_auroc b"), "{error}");
    assert!(Column::Number(number.b).len() == ROWS);
}
