//! What drift moves, by how much, and what it leaves alone.

use serde_json::{Value, json};

use crate::generate::cohort::Cohort;
use crate::generate::{Generate, dropout, dropout_trial};
use crate::testing::Lab;
use crate::{ParamSet, Stage};

const KINDS: [&str; 2] = ["dropout_causal", "dropout_trial"];
const INPUTS: [&str; 8] = [
    "age",
    "gender",
    "treatment_group",
    "trial_phase",
    "days_in_trial",
    "visits_completed",
    "last_visit_day",
    "adverse_events",
];

fn draw(kind: &str, seed: u64, mut params: Value, drift: Value) -> Cohort {
    if !drift.is_null() {
        params["drift"] = drift;
    }
    match kind {
        "dropout_causal" => dropout::generate(&serde_json::from_value(params).expect("parameters"), seed),
        _ => dropout_trial::generate(&serde_json::from_value(params).expect("parameters"), seed),
    }
}

fn cohort(kind: &str, n: usize, drift: Value) -> Cohort {
    draw(kind, 3, json!({"n": n}), drift)
}

fn numbers(cohort: &Cohort, column: &str) -> Vec<f64> {
    cohort.column(column).iter().filter_map(|cell| cell.parse().ok()).collect()
}

fn moments(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    (mean, (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n).sqrt())
}

fn share(cohort: &Cohort, column: &str, of: &str) -> f64 {
    let cells = cohort.column(column);
    cells.iter().filter(|cell| **cell == of).count() as f64 / cells.len() as f64
}

#[test]
fn months_without_a_change_hold_the_patients_of_the_cohort() {
    for kind in KINDS {
        let before = cohort(kind, 1200, Value::Null);
        let drift = json!({"months": 12, "from": 5, "shift": {"age": 1}, "outcome": {"intercept": 2}});
        for (now, same) in [(cohort(kind, 1200, json!({"months": 12})), 1200), (cohort(kind, 1200, drift), 400)] {
            let months = numbers(&now, "month");
            assert!((1..=12).all(|month| months.iter().filter(|is| **is == f64::from(month)).count() == 100));
            assert!(months.is_sorted());
            for column in INPUTS.iter().chain(&["patient_id", "dropout", "dropout_day"]) {
                assert_eq!(now.column(column)[..same], before.column(column)[..same], "{kind} {column}");
            }
            let moved = now.column("age")[400..] != before.column("age")[400..];
            assert_eq!(moved, same == 400, "{kind}");
        }
    }
}

#[test]
fn two_populations_without_drift_are_alike() {
    for kind in KINDS {
        let one = draw(kind, 1, json!({"n": 20_000}), Value::Null);
        let other = draw(kind, 2, json!({"n": 20_000}), json!({"first_patient": 20_001}));
        assert_eq!((one.column("patient_id")[19_999], other.column("patient_id")[0]), ("P-20000", "P-20001"));
        for column in ["age", "days_in_trial", "visits_completed", "last_visit_day", "adverse_events", "dropout"] {
            let ((mean, sd), (other, _)) = (moments(&numbers(&one, column)), moments(&numbers(&other, column)));
            // Four standard errors of a difference.
            assert!((mean - other).abs() < 4.0 * sd * (2.0_f64 / 20_000.0).sqrt(), "{kind} {column}: {mean} {other}");
        }
    }
}

#[test]
fn a_column_moves_by_as_many_standard_deviations_as_asked() {
    for kind in KINDS {
        let before = cohort(kind, 20_000, Value::Null);
        for (column, deviations) in [
            ("age", 0.5),
            ("age", -1.0),
            ("days_in_trial", 1.0),
            ("days_in_trial", -0.4),
            ("visits_completed", -0.5),
            ("visits_completed", 0.4),
            ("adverse_events", 1.2),
            ("adverse_events", -0.6),
        ] {
            let after = cohort(kind, 20_000, json!({"shift": {column: deviations}}));
            let ((mean, sd), (moved, _)) = (moments(&numbers(&before, column)), moments(&numbers(&after, column)));
            let found = (moved - mean) / sd;
            assert!((found - deviations).abs() < 0.03, "{kind} {column}: {found} instead of {deviations}");
            let (range, wider) = (numbers(&before, column), numbers(&after, column));
            let ends = |values: &[f64]| values.iter().fold((f64::MAX, f64::MIN), |(a, b), v| (a.min(*v), b.max(*v)));
            if column == "age" || column == "days_in_trial" {
                let (before, after) = (ends(&range), ends(&wider));
                assert!(before.0 <= after.0 && after.1 <= before.1, "{kind} {column} keeps within its range");
            }
        }
    }
}

#[test]
fn shifted_rows_keep_the_rules_of_the_file() {
    for kind in KINDS {
        let shift = json!({"shift": {"age": 1.5, "days_in_trial": -1.5, "visits_completed": 0.4, "adverse_events": 2}});
        let cohort = cohort(kind, 5000, shift);
        let [days, last, visits] =
            ["days_in_trial", "last_visit_day", "visits_completed"].map(|column| numbers(&cohort, column));
        assert!(last.iter().zip(&days).all(|(last, days)| last <= days), "{kind}");
        assert!(visits.iter().zip(&last).all(|(visits, last)| (*visits > 0.0) == (*last > 0.0)), "{kind}");
        assert!(visits.iter().zip(&days).all(|(visits, days)| visits * 30.0 <= *days), "{kind}");
    }
}

#[test]
fn levels_and_gaps_have_the_shares_asked_for() {
    for kind in KINDS {
        let levels = json!({"gender": {"Female": 1.0}, "trial_phase": {"Phase III": 0.7}});
        let missing = json!({"gender": 0.3, "adverse_events": 0.1});
        let all = cohort(kind, 20_000, json!({"levels": levels, "missing": missing}));
        let near = |found: f64, asked: f64| assert!((found - asked).abs() < 0.015, "{kind}: {found} not {asked}");
        near(share(&all, "trial_phase", "Phase III"), 0.7);
        let before = cohort(kind, 20_000, Value::Null);
        let ratio = |of: &Cohort| share(of, "trial_phase", "Phase I") / share(of, "trial_phase", "Phase II");
        assert!((ratio(&all) / ratio(&before) - 1.0).abs() < 0.06, "the others keep their proportions");
        near(share(&all, "gender", ""), 0.3);
        near(share(&all, "gender", "Female"), 0.7);
        near(share(&all, "adverse_events", ""), 0.1);
        near(share(&all, "age", ""), 0.0);
        // Half of the way in the first of two months.
        let steps = json!({"months": 2, "over": 2, "missing": {"age": 0.4}});
        let ages = cohort(kind, 20_000, steps);
        let gaps = |rows: &[&str]| rows.iter().filter(|cell| cell.is_empty()).count() as f64 / rows.len() as f64;
        near(gaps(&ages.column("age")[..10_000]), 0.2);
        near(gaps(&ages.column("age")[10_000..]), 0.4);
    }
}

#[test]
fn the_relation_moves_and_the_inputs_stay() {
    for kind in KINDS {
        let before = cohort(kind, 20_000, Value::Null);
        let with = |outcome: Value| cohort(kind, 20_000, json!({"outcome": outcome}));
        let same_inputs = |after: &Cohort| {
            for column in INPUTS {
                assert_eq!(after.column(column), before.column(column), "{kind} {column}");
            }
        };
        // Slope 0: everyone has the chance of the intercept.
        let flat = with(json!({"intercept": 0.7, "slope": 0}));
        same_inputs(&flat);
        let chance = 1.0 / (1.0 + (-0.7_f64).exp());
        assert!((share(&flat, "dropout", "1") - chance).abs() < 0.012, "{kind}");
        // A higher intercept takes nobody's dropout back.
        let more = with(json!({"intercept": 1}));
        same_inputs(&more);
        let pairs = before.column("dropout").into_iter().zip(more.column("dropout"));
        assert!(pairs.filter(|(was, is)| was > is).count() == 0, "{kind}");
        assert!(share(&more, "dropout", "1") > share(&before, "dropout", "1") + 0.1, "{kind}");
        // A phase without weight no longer tells who leaves.
        let apart = |of: &Cohort| {
            let rate = |phase: &str| {
                let (mut n, mut events) = (0.0, 0.0);
                for (_, event) in
                    of.column("trial_phase").iter().zip(of.column("dropout")).filter(|(p, _)| **p == phase)
                {
                    n += 1.0;
                    events += f64::from(u8::from(event == "1"));
                }
                events / n
            };
            rate("Phase III") - rate("Phase I")
        };
        let weightless = with(json!({"weights": {"trial_phase": 0}}));
        same_inputs(&weightless);
        assert!(apart(&before) > 0.07 && apart(&weightless).abs() < 0.04, "{kind}");
    }
}

#[test]
fn bytes_are_frozen() {
    let lab = Lab::new();
    for (kind, golden) in [("dropout_causal", "51a46fa81e5833a2"), ("dropout_trial", "b15b06f88ae9b6fb")] {
        let drift = json!({
            "months": 6, "from": 2, "over": 3, "first_patient": 5001,
            "shift": {"age": 0.5, "days_in_trial": -0.4, "visits_completed": -0.3, "adverse_events": 0.8},
            "levels": {"trial_phase": {"Phase III": 0.6}},
            "missing": {"age": 0.1},
            "outcome": {"intercept": 0.4, "slope": 0.8, "weights": {"age": 2}},
        });
        let params = json!({"seed": 42, "generate": {"kind": kind, "n": 600, "drift": drift}});
        lab.run(&Generate, &[], &[("table", "out.csv")], &params).expect("runs");
        assert_eq!(lab.digest(&["out.csv"]), golden, "the bytes of drift ({kind}) moved: raise VERSION");
    }
}

#[test]
fn parameters_are_checked_by_path() {
    let found = |kind: &str, drift: Value| {
        let generate = json!({"kind": kind, "n": 100, "drift": drift});
        let Value::Object(map) = json!({"seed": 1, "generate": generate}) else { unreachable!() };
        let error = Generate.check(&ParamSet::new(map)).expect_err("refused");
        (error.path, error.message)
    };
    for (drift, path) in [
        (json!({"from": 3}), "from"),
        (json!({"over": 3}), "over"),
        (json!({"months": 12, "from": 13}), "from"),
        (json!({"months": 101}), "months"),
        (json!({"first_patient": 0}), "first_patient"),
        (json!({"shift": {"age": 2}}), "shift.age"),
        (json!({"shift": {"visits_completed": -9}}), "shift.visits_completed"),
        (json!({"shift": {"weight": 1}}), "shift.weight"),
        (json!({"levels": {"trial_phase": {"Phase IV": 0.1}}}), "levels.trial_phase.Phase IV"),
        (json!({"levels": {"gender": {"Male": 0.7, "Female": 0.7}}}), "levels.gender"),
        (json!({"missing": {"age": 1.5}}), "missing.age"),
        (json!({"outcome": {"intercept": 100}}), "outcome.intercept"),
        (json!({"outcome": {"weights": {"gender": 1}}}), "outcome.weights.gender"),
    ] {
        assert_eq!(found("dropout_causal", drift).0, format!("generate.drift.{path}"));
    }
    let (path, message) = found("dropout_trial", json!({"outcome": {"weights": {"adverse_events": 0}}}));
    assert_eq!(path, "generate.drift.outcome.weights.adverse_events");
    assert!(message.contains("age, treatment_group, trial_phase"), "{message}");
    let (_, message) = found("dropout_trial", json!({"levels": {"gender": {"Non-binary": 0.1}}}));
    assert!(message.ends_with("these are: Male, Female"), "{message}");
}
