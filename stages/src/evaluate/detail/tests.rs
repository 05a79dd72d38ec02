//! What evaluation.json says of G24 (24 rows, 9 events), of degenerate parts and of several rows a patient.

use serde_json::Value;

use super::*;
use crate::common::canonical_json;
use crate::evaluate::reference_tests::g24;
use crate::evaluate::tests::{COST, degenerate, nulls_are_explained, rows, with_evidence};

fn params() -> EvaluateParams {
    EvaluateParams { prevalences: vec![0.1, 0.375], ..EvaluateParams::default() }
}

fn of_g24(threshold: f64) -> Evaluation {
    let (y, p) = g24();
    let patients = (0..24).map(|row| row.to_string()).collect();
    with_evidence((y, p, patients), threshold, Some(COST), 1, |evidence| detail(evidence, &params()))
}

#[track_caller]
fn near(actual: impl Into<Option<f64>>, expected: f64) {
    let actual = actual.into().expect("defined");
    assert!((actual - expected).abs() < 1e-7, "{actual} is not {expected}");
}

#[test]
fn a_threshold_has_its_rates() {
    let evaluation = of_g24(0.2);
    let row = evaluation.thresholds.iter().find(|row| row.frozen).expect("the frozen one");
    assert_eq!((row.n, row.events, row.flagged, row.counts.true_positive), (24, 9, 14, 7));
    near(row.sensitivity, 7.0 / 9.0);
    near(row.specificity, 8.0 / 15.0);
    near(row.ppv, 0.5);
    near(row.npv, 0.8);
    near(row.lr_positive, (7.0 / 9.0) / (7.0 / 15.0));
    near(row.lr_negative, (2.0 / 9.0) / (8.0 / 15.0));
    near(row.number_needed_to_screen, 2.0);
    near(row.youden, 7.0 / 9.0 + 8.0 / 15.0 - 1.0);
    near(row.net_benefit, 0.218_75);
    near(row.f1, 0.608_695_7);
    near(row.f2, 0.7);
    // 7 · 500 + 7 · 500 + 2 · 5000 over 24 rows.
    near(row.cost_per_1000, 1000.0 * 17_000.0 / 24.0);
    let thresholds: Vec<f64> = evaluation.thresholds.iter().map(|row| row.threshold).collect();
    assert!(thresholds.is_sorted_by(|a, b| a < b) && thresholds.len() == 13, "{thresholds:?}");
    near(evaluation.at_threshold.lr_positive.value, 5.0 / 3.0);
    near(evaluation.appendix.accuracy.value, 15.0 / 24.0);
    near(evaluation.appendix.accuracy_of_majority, 15.0 / 24.0);
}

/// clinical.md's value of the intercept update: .40 at a prevalence of .375 is .1098901 at .1.
#[test]
fn an_updated_intercept_keeps_the_meaning_of_the_threshold() {
    near(of_g24(0.109_890_109_890_109_9).prevalences.rows[0].updated.cut_off, 0.4);
    let evaluation = of_g24(0.105);
    let [rare, same] = &evaluation.prevalences.rows[..] else { unreachable!("two were asked for") };
    // A cut-off of .388 flags 5 of 9 events and 3 of 15 others; as it is, .105 flags 8 and 10.
    near(rare.updated.sensitivity, 5.0 / 9.0);
    near(rare.updated.specificity, 12.0 / 15.0);
    near(rare.as_is.alerts_per_1000, 1000.0 * (8.0 / 9.0 * 0.1 + 10.0 / 15.0 * 0.9));
    near(rare.as_is.ppv, (8.0 / 90.0) / (8.0 / 90.0 + 0.6));
    near(rare.updated.npv, (0.8 * 0.9) / (0.8 * 0.9 + 4.0 / 90.0));
    near(rare.updated.net_benefit, 5.0 / 90.0 - 0.2 * 0.9 * 0.105 / 0.895);
    near(same.shift, 0.0);
    near(same.updated.ppv, same.as_is.ppv.expect("defined"));
    near(same.as_is.ppv, 8.0 / 18.0);
}

#[test]
fn the_parts_of_a_cost_add_up() {
    let costs = of_g24(0.2).costs.expect("a cost table");
    assert_eq!(
        costs.strategies.iter().map(|s| s.name.as_str()).collect::<Vec<_>>(),
        ["model", "flag_all", "flag_none", "logistic"]
    );
    let nothing = costs.strategies[2].total.value.expect("known");
    for strategy in &costs.strategies {
        let parts = strategy.true_positive + strategy.failed + strategy.false_positive;
        near(strategy.total.value, parts + strategy.false_negative + strategy.true_negative);
        near(strategy.saved, nothing - strategy.total.value.expect("known"));
    }
    near(costs.strategies[0].prevented, 1000.0 * 7.0 / 24.0);
    near(nothing, 1000.0 * 9.0 * 5000.0 / 24.0);
}

#[test]
fn the_decision_curve_says_where_the_model_is_of_no_use() {
    let curve = of_g24(0.2).decision_curve;
    assert_eq!((curve.points.len(), curve.range), (50, [0.01, 0.5]));
    near(curve.points[9].flag_all, 0.305_555_6);
    near(curve.points[9].model.value, 0.282_407_4);
    assert!(curve.without_benefit.contains(&0.1) && curve.without_benefit.contains(&0.2), "{curve:?}");
    assert!(!curve.without_benefit.contains(&0.5) && curve.text.contains("of the 50 thresholds"), "{}", curve.text);
}

#[test]
fn the_smooth_curve_lies_in_its_band_and_classes_are_told_apart() {
    let evaluation = with_evidence(rows(1500, 1), 0.2, None, 2, |evidence| detail(evidence, &params()));
    let curve = &evaluation.calibration.curve;
    let held = curve.iter().filter(|point| {
        let Estimate { value, low, high, .. } = &point.observed;
        low.zip(*high).zip(*value).is_some_and(|((low, high), value)| low <= value && value <= high)
    });
    assert!(curve.len() == 101 && held.count() > 90, "the band holds the curve");
    assert_eq!(evaluation.calibration.groups.iter().map(|group| group.n).sum::<u64>(), 1500);
    let [without, with] = &evaluation.risk[..] else { unreachable!("two classes") };
    assert!(with.mean > without.mean && with.event && !without.event);
    assert!(evaluation.costs.is_none() && evaluation.reason.is_some());
}

#[test]
fn patients_with_several_rows_get_no_test_for_independent_ones() {
    let evaluation = with_evidence(rows(600, 3), 0.2, None, 2, |evidence| detail(evidence, &params()));
    assert_eq!(evaluation.comparison.brier.method.as_deref(), Some("patient-bootstrap"));
    assert!(evaluation.calibration.groups.iter().all(|group| group.observed.low.is_none()));
    // The rival is half the model: it ranks alike.
    assert_eq!((evaluation.comparison.auroc.value, evaluation.comparison.auroc.low), (Some(0.0), None));
    assert!(evaluation.comparison.auroc_test.reason.is_some());
}

/// Of 400 rows 30 have the event, nearly all at high risk.
#[test]
fn no_calibration_group_tells_of_a_few_patients() {
    let p: Vec<f64> = (0..400).map(|row| f64::from(row) / 400.0).collect();
    for every in [1_usize, 2, 7] {
        let y: Vec<bool> = (0..400).map(|row| row >= 400 - 30 * every && row % every == 0 || row == 100).collect();
        let patients: Vec<String> = (0..400).map(|row| row.to_string()).collect();
        let groups = with_evidence((y, p.clone(), patients), 0.2, None, 1, groups);
        let few = |count: u64| (1..10).contains(&count);
        assert!(groups.len() > 1 || every == 1, "{every}: {groups:?}");
        assert!(groups.iter().all(|group| !few(group.events) && !few(group.n - group.events)), "{groups:?}");
        assert_eq!(groups.iter().map(|group| group.n).sum::<u64>(), 400);
    }
}

#[test]
fn every_null_has_its_reason_and_the_file_can_be_read_back() {
    for (index, part) in degenerate().into_iter().enumerate() {
        for t in [0.0, 0.5, crate::tune_threshold::FLAG_NONE] {
            let evaluation = with_evidence(part.clone(), t, None, 1, |evidence| detail(evidence, &params()));
            let text = canonical_json::to_string(&evaluation).expect("JSON");
            let value: Value = serde_json::from_str(&text).expect("JSON");
            assert!(nulls_are_explained(&value, false), "part {index}, threshold {t}: {text}");
            assert_eq!(serde_json::from_str::<Evaluation>(&text).expect("read"), evaluation);
        }
    }
}
