//! Reports in, decisions out.

use std::fs;

use serde_json::{Value, json};

use super::*;
use crate::testing::Lab;

/// A report of `drift` in which nothing happened, as JSON; performance is measured.
fn quiet() -> Value {
    let estimate = |value: f64, low: f64, high: f64| json!({"value": value, "low": low, "high": high});
    let measures = json!({
        "auroc": estimate(0.75, 0.72, 0.78), "calibration_intercept": estimate(0.02, -0.1, 0.14),
        "calibration_slope": estimate(1.0, 0.85, 1.15), "brier": estimate(0.2, 0.19, 0.21),
        "net_benefit": estimate(0.3, 0.28, 0.32), "sensitivity": estimate(0.7, 0.65, 0.75),
    });
    json!({
        "schema_version": 1, "as_of": "2026-03-01", "bundle": "b0", "reference": {"columns": "bundle", "n": 400},
        "current": {"kind": "table", "window": null, "read": 500, "n": 500, "scored": 500},
        "rules": {
            "alpha": 0.01, "adjustment": "benjamini-hochberg", "tests": 9, "min_rows": 100, "critical": [],
            "limits": {"wasserstein": 0.1, "jensen_shannon": 0.1, "psi": 0.2, "missing": 0.05, "unseen": 0.01},
            "dataset": {"share": 0.3, "prediction": 0.2},
        },
        "columns": [], "scores": null,
        "dataset": {"compared": 8, "drifted": 0, "share": 0.0, "weighted_share": null, "prediction_shift": 0.01},
        "performance": {
            "status": "measured", "reason": null, "predictions": 500, "labelled": 500, "unlabelled": 0, "patients": 500,
            "events": 200, "threshold": 0.3, "measured": measures, "reference": measures, "estimated": null,
        },
        "alert": {"triggered": false, "alerts": [], "severity": "none", "action": "none", "escalation": null},
        "notes": [],
    })
}

fn decide(report: &Value, params: Value, history: Option<&str>) -> Result<DecisionRecord, StageError> {
    let lab = Lab::new();
    lab.write("drift.json", report.to_string());
    let mut inputs = vec![("drift", "drift.json")];
    if let Some(text) = history {
        lab.write("history.jsonl", text);
        inputs.push(("history", "history.jsonl"));
    }
    lab.run(&Decide, &inputs, &[("decision", "decision.json")], &json!({"decide": params}))?;
    Ok(serde_json::from_str(&fs::read_to_string(lab.path("decision.json")).expect("a record")).expect("its own JSON"))
}

fn with(change: impl Fn(&mut Value)) -> Value {
    let mut report = quiet();
    change(&mut report);
    report
}

fn drifted(report: &mut Value) {
    report["dataset"]["drifted"] = json!(3);
    report["dataset"]["share"] = json!(0.375);
}

fn recalibrate(report: &mut Value) {
    report["performance"]["measured"]["calibration_intercept"] = json!({"value": 0.4, "low": 0.2, "high": 0.6});
}

fn worse(report: &mut Value) {
    report["performance"]["measured"]["auroc"] = json!({"value": 0.6, "low": 0.55, "high": 0.65});
}

#[test]
fn each_change_asks_for_its_own_remedy_and_the_gravest_decides() {
    let said = |report: &Value| decide(report, json!({}), None).expect("decided");
    assert_eq!(said(&quiet()).decision, Choice::None);
    let look = said(&with(drifted));
    assert_eq!((look.decision, look.retrain_required), (Choice::Look, false));
    let calibrate = said(&with(|report| {
        drifted(report);
        recalibrate(report);
    }));
    assert_eq!((calibrate.decision, calibrate.cooldown_until.as_deref()), (Choice::Recalibrate, Some("2026-03-08")));
    let retrain = said(&with(|report| {
        recalibrate(report);
        worse(report);
    }));
    assert_eq!((retrain.decision, retrain.retrain_required), (Choice::Retrain, true));
    assert!(retrain.reason.starts_with("discrimination: the upper end of its interval is 0.650"), "{}", retrain.reason);
    assert_eq!(retrain.rules.len(), 6);
    // An interval that reaches inside the margin decides nothing.
    let open = with(|report| {
        report["performance"]["measured"]["calibration_intercept"] = json!({"value": 0.4, "low": 0.05, "high": 0.6});
        report["performance"]["measured"]["auroc"] = json!({"value": 0.6, "low": 0.4, "high": 0.74});
    });
    assert_eq!(said(&open).decision, Choice::None);
}

#[test]
fn missing_outcomes_are_unknown_and_never_in_order() {
    let report = with(|report| {
        report["performance"]["status"] = json!("unknown");
        report["performance"]["reason"] = json!("no prediction has an outcome yet");
        // What was measured on too few rows decides nothing.
        worse(report);
    });
    let record = decide(&report, json!({}), None).expect("decided");
    assert_eq!((record.decision, record.performance), (Choice::None, PerformanceStatus::Unknown));
    assert!(record.reason.ends_with("performance is unknown: no prediction has an outcome yet"), "{}", record.reason);
    let unknown = record.rules.iter().filter(|rule| !rule.known && !rule.fired && rule.value.is_none()).count();
    assert_eq!(unknown, 5);
    let without = with(|report| report["performance"]["reference"] = Value::Null);
    let record = decide(&without, json!({}), None).expect("decided");
    let rule = record.rules.iter().find(|rule| rule.name == "discrimination").expect("a rule");
    assert!(!rule.known && rule.reason.contains("bind `metrics`"), "{}", rule.reason);
}

#[test]
fn a_decision_in_the_cool_down_asks_for_a_look() {
    let earlier = "{\"as_of\": \"2026-02-10\", \"decision\": \"retrain\", \"x\": 1}\n{\"as_of\": \"2026-02-28\", \"decision\": \"look\"}\n";
    let report = with(worse);
    let free = decide(&report, json!({}), Some(earlier)).expect("decided");
    assert_eq!((free.decision, free.cooldown_until.as_deref()), (Choice::Retrain, Some("2026-03-08")));
    let bound = decide(&report, json!({"cooldown_days": 20}), Some(earlier)).expect("decided");
    assert_eq!((bound.decision, bound.retrain_required), (Choice::Look, false));
    assert_eq!(bound.cooldown_until.as_deref(), Some("2026-03-02"));
    assert!(bound.reason.contains("until 2026-03-02"), "{}", bound.reason);
    let next = decide(&report, json!({"cooldown_days": 20, "as_of": "2026-03-02"}), Some(earlier)).expect("decided");
    assert_eq!(next.decision, Choice::Retrain);
    let mut undated = report.clone();
    undated["as_of"] = Value::Null;
    let error = decide(&undated, json!({}), Some(earlier)).expect_err("no day").to_string();
    assert!(error.contains("no day is given"), "{error}");
    assert!(decide(&report, json!({}), Some("{\n")).expect_err("no record").to_string().contains("line 1"));
}

#[test]
fn a_record_of_no_day_or_of_a_later_one_is_named() {
    for (history, wanted) in [
        (
            "{\"as_of\": \"2026-02-10\", \"decision\": \"look\"}\n{\"as_of\": \"2026-03-02\", \"decision\": \"retrain\"}\n",
            "line 2 (`retrain`) is of 2026-03-02, later than the day of this decision, 2026-03-01",
        ),
        ("\n{\"as_of\": \"2026-03-02\", \"decision\": \"none\"}\n", "line 2 (`none`) is of 2026-03-02, later"),
        ("{\"as_of\": null, \"decision\": \"retrain\"}\n", "line 1 (`retrain`) has no day"),
        ("{\"as_of\": \"last week\", \"decision\": \"look\"}\n", "line 1 (`look`) is of `last week`, which is no day"),
        ("{\"as_of\": \"200000-01-01\", \"decision\": \"look\"}\n", "is of `200000-01-01`, which is no day"),
        ("{\"as_of\": \"2026-02-10\", \"decision\": \"sell\"}\n", "line 1 is no decision"),
    ] {
        let error = decide(&quiet(), json!({}), Some(history)).expect_err(wanted);
        assert!(error.to_string().starts_with("history.jsonl: the record on") && error.to_string().contains(wanted));
        assert!(error.hint().is_some(), "{wanted}");
    }
    // One of the same day is this decision, made before.
    for (day, choice) in [("2026-03-01", Choice::Retrain), ("2026-02-28", Choice::Look)] {
        let earlier = format!("{{\"as_of\": \"{day}\", \"decision\": \"retrain\"}}\n");
        assert_eq!(decide(&with(worse), json!({}), Some(&earlier)).expect("decided").decision, choice, "{day}");
    }
}

#[test]
fn days_out_of_reach_are_errors() {
    for wrong in ["0000-01-01", "9999-12-31", "200000-01-01", "99999999999999999999-01-01", "-0001-01-01", "soon"] {
        let report = with(|report| report["as_of"] = json!(wrong));
        let error = decide(&report, json!({}), None).expect_err(wrong);
        assert!(error.to_string().contains(&format!("drift.json: its `as_of` is `{wrong}`")), "{error}");
        assert!(error.hint().is_some_and(|hint| hint.contains("1900 to 2999")));
        let error = decide(&quiet(), json!({"as_of": wrong}), None).expect_err(wrong);
        assert!(error.to_string().contains("decide.as_of"), "{error}");
    }
    let last = decide(&with(worse), json!({"as_of": "2999-12-31", "cooldown_days": 3650}), None).expect("decided");
    assert_eq!(last.cooldown_until.as_deref(), Some("3009-12-29"));
}

#[test]
fn few_predictions_expect_nothing() {
    let of = |predictions: u64, before: bool| {
        let report = with(|report| {
            report["performance"]["status"] = json!("unknown");
            report["performance"]["predictions"] = json!(predictions);
            let estimated = json!({"assumption": "", "events": 1.0, "auroc": 0.5, "brier": 0.2, "net_benefit": 0.1, "sensitivity": 0.5});
            report["performance"]["estimated"] = estimated;
            if !before {
                report["performance"]["reference"] = Value::Null;
            }
        });
        let record = decide(&report, json!({}), None).expect("decided");
        record.rules.into_iter().find(|rule| rule.name == "expected_discrimination").expect("a rule")
    };
    let few = of(99, true);
    assert_eq!((few.known, few.fired, few.value), (false, false, None));
    assert_eq!(few.reason, "99 predictions; 100 are wanted");
    let enough = of(100, true);
    assert_eq!((enough.known, enough.fired, enough.value), (true, true, Some(0.5)));
    let alone = of(100, false);
    assert!(!alone.known && alone.reason.contains("bind `metrics`"), "{}", alone.reason);
}

#[test]
fn a_record_that_contradicts_itself_has_a_fault_and_one_of_the_stage_never() {
    let nothing = with(|report| {
        report["dataset"] =
            json!({"compared": 0, "drifted": 0, "share": null, "weighted_share": null, "prediction_shift": null});
        report["performance"]["status"] = json!("unknown");
        report["performance"]["measured"] = Value::Null;
    });
    let earlier = "{\"as_of\": \"2026-02-28\", \"decision\": \"retrain\"}\n";
    for report in [quiet(), with(drifted), with(recalibrate), with(worse), nothing.clone()] {
        for (policy, history) in
            [("clinical", None), ("seed", None), ("clinical", Some(earlier)), ("seed", Some(earlier))]
        {
            let record = decide(&report, json!({"policy": policy}), history).expect("decided");
            assert_eq!(record.fault(), None, "{record:?}");
            assert_eq!(record.knows_anything(), report != nothing);
        }
    }
    let retrain = decide(&with(worse), json!({}), None).expect("decided");
    let none = decide(&quiet(), json!({}), None).expect("decided");
    let faults: [(DecisionRecord, &str); 7] = [
        (DecisionRecord { schema_version: 2, ..none.clone() }, "format 2"),
        (DecisionRecord { retrain_required: true, ..none.clone() }, "`none` and `retrain_required: true`"),
        (DecisionRecord { retrain_required: false, ..retrain.clone() }, "`retrain` and"),
        (DecisionRecord { as_of: Some("soon".to_owned()), ..none.clone() }, "`soon`, which is no day"),
        (DecisionRecord { rules: Vec::new(), ..none.clone() }, "no rule"),
        (DecisionRecord { rules: retrain.rules.clone(), ..none.clone() }, "although the rule `discrimination` fired"),
        (DecisionRecord { decision: Choice::Look, ..none.clone() }, "no rule that asks for it fired"),
    ];
    for (record, wanted) in faults {
        assert!(record.fault().is_some_and(|fault| fault.contains(wanted)), "{wanted}");
    }
}

#[test]
fn the_seed_policy_takes_the_first_match() {
    let seed = |report: &Value| decide(report, json!({"policy": "seed"}), None).expect("decided");
    assert_eq!(seed(&quiet()).decision, Choice::None);
    let first = seed(&with(|report| {
        drifted(report);
        worse(report);
    }));
    assert!(first.retrain_required && first.reason.starts_with("drift_share: "), "{}", first.reason);
    for (change, name) in [
        (json!({"dataset": {"prediction_shift": 0.21}}), "prediction_shift"),
        (json!({"performance": {"measured": {"sensitivity": {"value": 0.5}}}}), "recall"),
        (json!({"performance": {"measured": {"auroc": {"value": 0.57}}}}), "auroc"),
    ] {
        let report = with(|report| merge(report, &change));
        let record = seed(&report);
        assert!(record.retrain_required && record.reason.starts_with(name), "{name}: {}", record.reason);
    }
    let alarm = json!({"rule": "critical_column", "subject": "age", "severity": "critical", "message": "moved"});
    let critical = seed(&with(|report| report["alert"]["alerts"] = json!([alarm.clone()])));
    assert!(critical.retrain_required && critical.reason == "critical_columns: age");
}

fn merge(into: &mut Value, from: &Value) {
    match from {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| merge(&mut into[name], value)),
        plain => *into = plain.clone(),
    }
}

#[test]
fn bytes_are_frozen_and_nonsense_names_its_path() {
    let lab = Lab::new();
    lab.write("drift.json", with(worse).to_string());
    lab.run(&Decide, &[("drift", "drift.json")], &[("decision", "decision.json")], &json!({})).expect("decided");
    let hint = "the stage writes other bytes; raise its version, then this digest";
    assert_eq!(lab.digest(&["decision.json"]), "4973ffa0bf9279d0", "{hint}");
    for (params, path) in [
        (json!({"clinical": {"auroc_margin": -1}}), "decide.clinical.auroc_margin"),
        (json!({"as_of": "soon"}), "decide.as_of"),
        (json!({"as_of": "0000-01-01"}), "decide.as_of"),
        (json!({"cooldown_days": 4_294_967_295_u32}), "decide.cooldown_days"),
        (json!({"policy": "mine"}), "decide.policy"),
    ] {
        let params = json!({"decide": params});
        let params = ParamSet::new(params.as_object().cloned().expect("an object"));
        assert_eq!(Decide.check(&params).map_err(|error| error.path), Err(path.to_owned()));
    }
}
