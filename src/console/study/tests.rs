//! The table's numbers from what stages wrote, whatever shape that has.

use super::*;
use proptest::prelude::*;
use serde_json::json;

/// A study whose model does not pay.
pub(in crate::console) fn study() -> StudySummary {
    let metrics = json!({
        "data": "synthetic", "model": "gbdt", "n": 2000, "events": 240,
        "auroc": {"value": 0.7124, "low": 0.6781, "high": 0.7467},
        "calibration": {"slope": {"value": 0.981, "low": 0.84, "high": 1.122}, "intercept": {"value": 0.01}},
        "net_benefit": {"value": -0.0123, "low": -0.02, "high": 0.001},
        "brier": {"value": 0.0991, "low": 0.09, "high": 0.108},
        "threshold": 0.087,
        "at_threshold": {"flagged_per_1000": {"value": 412.0, "low": 390.0, "high": 434.0}},
        "expected_cost": {"value": 312_456.5, "low": 290_000, "high": 330_000, "per": 1000},
        "baselines": {
            "flag_all": {"expected_cost": 308_000, "net_benefit": 0.02, "brier": 0.88},
            "flag_none": {"expected_cost": {"value": 600_000}, "net_benefit": 0, "brier": 0.12},
            "prevalence": {"expected_cost": 308_000, "net_benefit": 0.02, "brier": 0.1056},
            "logistic": {"cost": 315_000, "net_benefit": 0.018, "brier": 0.1001, "auroc": {"value": 0.701}}
        },
        "verdict": {"beats_flag_all": false, "beats_flag_none": true, "text": "Flagging everyone costs less."}
    });
    let threshold = json!({"value": 0.087, "policy": {"policy": "cost"}});
    let verdict = json!({"promotable": false, "rules": [
        {"rule": {"metric": "auroc.low"}, "passed": true, "reason": "fine"},
        {"rule": {"metric": "expected_cost.value"}, "passed": false, "reason": "312,457 is not below 308,000"}
    ]});
    let cv = json!({"chosen": "gbdt", "reason": "lowest log loss over 5 folds (0.331)"});
    StudySummary::from_json(&metrics, &threshold, &verdict, &cv).unwrap()
}

#[test]
fn numbers_and_objects_are_read_alike() {
    let study = study();
    assert_eq!(study.flagged_per_1000, Estimate { value: Some(412.0), interval: Some((390.0, 434.0)) });
    let cost = study.headlines.iter().find(|row| row.name == "cost / 1,000").unwrap();
    assert_eq!(cost.baselines, [Some(308_000.0), Some(600_000.0), Some(308_000.0), Some(315_000.0)]);
    assert_eq!(study.headlines[0].baselines, [None, None, None, Some(0.701)]);
    assert_eq!((study.policy.as_deref(), study.decision), (Some("lowest cost"), None));
    let said = "flagging everyone is at least as good as this model: cost per 1,000 308,000, the model's 312,457";
    assert_eq!(study.not_beaten, [said]);
    assert_eq!(study.gate.unwrap().failures, ["expected_cost.value: 312,457 is not below 308,000"]);
}

#[test]
fn each_comparison_shows_its_own_criterion() {
    let metrics = json!({
        "model": "logistic", "brier": 0.2114, "expected_cost": {"value": 500_000}, "net_benefit": 0.1,
        "baselines": {
            "flag_all": {"expected_cost": 500_000, "net_benefit": 0.1},
            "prevalence": {"expected_cost": 500_000, "brier": 0.2},
            "logistic": {"expected_cost": 500_000, "brier": 0.21059}
        },
        "verdict": {"beats_flag_all": false, "beats_prevalence": false, "beats_logistic": false}
    });
    assert_eq!(
        not_beaten(&metrics, Some("flag_all")),
        [
            "the best threshold on the training rows flags everyone, so the model changes no decision",
            "giving everyone the training prevalence is at least as good as this model: Brier score 0.2000, the \
             model's 0.2114",
            "the model is itself a logistic regression, and the plain, uncalibrated one does as well: Brier score \
             0.2106, the model's 0.2114",
        ]
    );
    let mut other = metrics.clone();
    other["model"] = json!("gbdt");
    let lines = not_beaten(&other, Some("cutoff"));
    assert!(lines[0].ends_with("cost per 1,000 500,000, the model's 500,000"), "{}", lines[0]);
    assert!(lines[2].starts_with("a plain logistic regression is at least as good"), "{}", lines[2]);
    other["expected_cost"] = Value::Null;
    assert!(not_beaten(&other, None)[0].ends_with("net benefit 0.1000, the model's 0.1000"));
}

#[test]
fn a_threshold_that_treats_everyone_alike_is_named() {
    let threshold = json!({"value": 0, "decision": "flag_all"});
    let study = StudySummary::from_json(&json!({"auroc": 0.5}), &threshold, &Value::Null, &Value::Null).unwrap();
    assert_eq!((study.threshold, study.decision.as_deref()), (Some(0.0), Some("flags everyone")));
}

#[test]
fn a_study_of_a_number_has_its_own_rows_and_rivals() {
    let estimate = |value: f64| json!({"value": value, "low": value - 1.0, "high": value + 1.0});
    let baseline = |rmse: f64| json!({"rmse": rmse, "mae": 1.0, "r2": 0.0});
    let metrics = json!({
        "model": "gbdt", "n": 9, "rmse": estimate(3.0), "mae": estimate(2.0), "r2": estimate(-0.1),
        "baselines": {"mean": baseline(2.5), "ridge": baseline(4.0)},
        "verdict": {"beats_mean": false, "beats_ridge": true, "text": "No better than the mean."},
    });
    let study = StudySummary::from_json(&metrics, &Value::Null, &Value::Null, &Value::Null).unwrap();
    let names: Vec<&str> = study.headlines.iter().map(|row| row.name.as_str()).collect();
    assert_eq!(
        (names, study.baselines),
        (vec!["RMSE", "MAE", "R²"], vec!["training mean".to_owned(), "plain ridge".to_owned()])
    );
    assert_eq!(study.headlines[0].baselines, [Some(2.5), Some(4.0)]);
    let note = "giving everyone the mean of the training rows is at least as good as this model: RMSE 2.5000, the model's 3.0000";
    assert_eq!(study.not_beaten, [note]);
}

#[test]
fn gaps_stay_gaps_and_other_metrics_are_no_study() {
    let bare = json!({"auroc": null});
    let study = StudySummary::from_json(&bare, &Value::Null, &json!([1]), &json!("x")).unwrap();
    assert_eq!(study.headlines.len(), 4);
    assert!(study.headlines.iter().all(|row| row.model == Estimate::default()));
    assert_eq!(study.gate, None);
    assert_eq!(StudySummary::from_json(&json!({"rmse": 1}), &bare, &bare, &bare), None);
    assert_eq!(StudySummary::from_json(&json!([0.5]), &bare, &bare, &bare), None);
}

#[test]
fn absent_and_broken_files_are_gaps() {
    let root = tempfile::tempdir().unwrap();
    let files = StudyFiles { metrics: "metrics.json".into(), cv: Some("cv.json".into()), ..StudyFiles::default() };
    assert_eq!(StudySummary::read(root.path(), &files), None);
    fs::write(root.path().join("metrics.json"), r#"{"brier": 0.1, "model": "forest"}"#).unwrap();
    fs::write(root.path().join("cv.json"), "{").unwrap();
    let study = StudySummary::read(root.path(), &files).unwrap();
    assert_eq!((study.model.as_deref(), study.why), (Some("forest"), None));
    let told = |validation: &str| {
        fs::write(root.path().join("validation.json"), validation).unwrap();
        let files = StudyFiles { validation: Some("validation.json".into()), ..files.clone() };
        StudySummary::read(root.path(), &files).unwrap().set_aside
    };
    assert_eq!(told(r#"{"read": 9, "quarantined": 0}"#), None);
    let text = "2 of 9 rows break a rule and were set aside; validation.json says which";
    assert_eq!(told(r#"{"read": 9, "quarantined": 2}"#).as_deref(), Some(text));
}

proptest! {
    #[test]
    fn any_shape_is_survived(key in "[a-z_]{1,12}", text in "\\PC*", number: f64) {
        for inner in [json!(text), json!(number), json!([number]), json!({key.clone(): text}), Value::Null] {
            let metrics = json!({"auroc": inner, "baselines": inner, "verdict": inner, "calibration": inner,
                "at_threshold": {"net_benefit": inner}, "threshold": inner, "expected_cost": {"value": inner}});
            let verdict = json!({"passed": false, "rules": [inner]});
            let study = StudySummary::from_json(&metrics, &inner, &verdict, &inner);
            prop_assert_eq!(study.and_then(|study| study.gate).map(|gate| gate.passed), Some(false));
        }
    }
}
