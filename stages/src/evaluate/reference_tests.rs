//! The measures against literal values: the fixture G24 (24 rows, 9 events, tied scores), whose values were computed
//! with scikit-learn, scipy, statsmodels and dcurves, and a random fixture made by `fixtures/metrics_reference.py`.

use serde::Deserialize;

use crate::common::decision::{CostTable, Counts};
use crate::common::interval::wilson;
use crate::common::scores::{self, Ranking};
use crate::tune_threshold::{Policy, PolicyKind, choose, sweep};

use super::measures::{Buffers, Sample, decision_threshold};
use crate::common::calibration::{CalibrationData, Smooth};
use crate::common::delong::{delong, paired};

const P: [f64; 24] = [
    0.02, 0.03, 0.05, 0.05, 0.08, 0.10, 0.12, 0.15, 0.15, 0.18, 0.20, 0.22, 0.25, 0.30, 0.30, 0.35, 0.40, 0.45, 0.50,
    0.55, 0.60, 0.70, 0.80, 0.90,
];
const Y: [u8; 24] = [0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 1, 0, 1, 1, 1];

pub(super) fn g24() -> (Vec<bool>, Vec<f64>) {
    (Y.iter().map(|&y| y == 1).collect(), P.to_vec())
}

fn flagged_at(threshold: f64) -> Counts {
    let (y, p) = g24();
    let flagged: Vec<bool> = p.iter().map(|&p| p >= threshold).collect();
    Counts::of(&flagged, &y, &[1; 24])
}

#[track_caller]
fn near(actual: impl Into<Option<f64>>, expected: f64, tolerance: f64) {
    let actual = actual.into().expect("defined");
    assert!((actual - expected).abs() <= tolerance, "{actual} is not {expected}");
}

#[test]
fn g24_discrimination() {
    let (y, p) = g24();
    near(scores::auroc(&y, &p), 0.792_592_592_6, 1e-10);
    near(scores::average_precision(&y, &p), 0.762_962_963_0, 1e-10);
    let fit = delong(&Ranking::new(&p), &y).expect("both classes");
    near(fit.auroc, 0.792_592_592_6, 1e-10);
    near(fit.se, 0.100_137_080_3, 1e-10);
    let (low, high) = fit.plain(0.95);
    near(low, 0.596_327_5, 1e-7);
    near(high, 0.988_857_7, 1e-7);
    let (low, high) = fit.logit(0.95);
    near(low, 0.536_614_9, 1e-7);
    near(high, 0.926_527_1, 1e-7);
}

#[test]
fn g24_overall_scores() {
    let (y, p) = g24();
    near(scores::brier(&y, &p), 0.173_454_166_7, 1e-10);
    near(scores::scaled_brier(&y, &p), 0.259_928_888_9, 1e-10);
    near(scores::log_loss(&y, &p), 0.523_924_798_1, 1e-10);
}

#[test]
fn g24_calibration() {
    let (y, p) = g24();
    let data = CalibrationData::new(&y, &p);
    assert_eq!(data.clipped, 0);
    near(data.intercept(&[1; 24]), 0.404_495_238_8, 1e-9);
    near(data.slope(&[1; 24]), 0.952_247_9, 1e-7);
    let distances = Smooth::new(&y, &p, &[1; 24]).distances().expect("rows");
    near(distances.ici, 0.064_156_7, 1e-7);
    near(distances.e50, 0.067_039_3, 1e-7);
    near(distances.e90, 0.095_625_0, 1e-7);
    near(distances.emax, 0.164_787_2, 1e-7);
    let observed = data.observed(&[1; 24]);
    near(observed.ratio(), 1.208_053_691_3, 1e-10);
    let (z, p_value) = observed.spiegelhalter().expect("defined");
    near(z, 0.523_909_0, 1e-7);
    near(p_value, 0.600_342_2, 1e-6);
    near(observed.large().map(|line| line.se[0]), 0.501_233_3, 1e-7);
    let weak = observed.weak().expect("fitted");
    near(weak.intercept, 0.365_811_0, 1e-7);
    near(weak.se[1], 0.437_437_6, 1e-7);
}

/// The second prediction is half the first plus a tenth of it in reverse order.
#[test]
fn g24_paired_comparison() {
    let (y, p) = g24();
    let other: Vec<f64> = p
        .iter()
        .zip(y.iter().rev())
        .map(|(p, &back)| (p / 2.0 + 0.1 * f64::from(u8::from(back))).clamp(0.0, 1.0))
        .collect();
    near(scores::auroc(&y, &other), 0.737_037_0, 1e-7);
    let fit = paired(&Ranking::new(&p), &Ranking::new(&other), &y).expect("both classes");
    near(fit.z(), 0.860_663_0, 1e-7);
    near(fit.p_value(), 0.389_423_7, 1e-7);
    near(fit.difference, 0.055_555_555_6, 1e-9);
    let same = paired(&Ranking::new(&p), &Ranking::new(&p), &y).expect("both classes");
    assert_eq!((same.difference, same.z()), (0.0, None));
}

#[test]
fn g24_net_benefit() {
    let (y, p) = g24();
    let all = Counts::of(&[true; 24], &y, &[1; 24]);
    for (t, model, everyone) in [(0.1, 0.282_407_4, 0.305_555_6), (0.2, 0.218_75, 0.218_75), (0.5, 0.166_666_7, -0.25)]
    {
        near(flagged_at(t).net_benefit(t), model, 1e-7);
        near(all.net_benefit(t), everyone, 1e-7);
    }
    let sample = Sample::new(y, p, Vec::new(), 0.2, 2.0, None);
    let curve = sample.plain().decision;
    near(curve[9], 0.282_407_4, 1e-7);
    for (k, value) in curve.iter().enumerate() {
        near(flagged_at(decision_threshold(k)).net_benefit(decision_threshold(k)), *value, 1e-15);
    }
}

#[test]
fn g24_f_beta() {
    let counts = flagged_at(0.2);
    near(counts.fbeta(0.5), 0.538_461_5, 1e-7);
    near(counts.fbeta(1.0), 0.608_695_7, 1e-7);
    near(counts.fbeta(2.0), 0.7, 1e-12);
    let (y, p) = g24();
    let policy = Policy { beta: Some(2.0), ..Policy::of(PolicyKind::Fbeta) };
    let candidates = sweep(&y, &p, &policy);
    let best = candidates[choose(&candidates, &policy).expect("a best one")];
    assert_eq!(best.threshold, 0.08);
    near(best.counts.fbeta(2.0), 0.803_571_4, 1e-7);
}

#[test]
fn g24_cost_threshold() {
    let cost = CostTable {
        false_positive: 500.0,
        false_negative: 5000.0,
        true_positive: 0.0,
        true_negative: 0.0,
        effect: 1.0,
    };
    near(cost.calibrated_optimum(), 0.090_909_1, 1e-7);
    let (y, p) = g24();
    let policy = Policy { cost: Some(cost), ..Policy::of(PolicyKind::Cost) };
    let candidates = sweep(&y, &p, &policy);
    let best = candidates[choose(&candidates, &policy).expect("a best one")];
    assert_eq!(best.threshold, 0.08);
    near(cost.mean(&best.counts).map(|mean| 24.0 * mean), 5500.0, 1e-9);
}

#[derive(Deserialize)]
struct Fixture {
    p: Vec<f64>,
    y: Vec<u8>,
    weights: Vec<u32>,
    plain: Expected,
    weighted: Expected,
    wilson_90: Vec<(u64, u64, f64, f64)>,
}

#[derive(Deserialize)]
struct Expected {
    auroc: f64,
    average_precision: f64,
    brier: f64,
    log_loss: f64,
    intercept: f64,
    slope: f64,
    ici: f64,
    fbeta_2: f64,
    fbeta_half: f64,
}

fn fixture() -> Fixture {
    serde_json::from_str(include_str!("../../fixtures/metrics_reference.json")).expect("the fixture parses")
}

fn compare(weights: &[u32], fixture: &Fixture, expected: &Expected) {
    let y: Vec<bool> = fixture.y.iter().map(|&y| y == 1).collect();
    let sample = Sample::new(y, fixture.p.clone(), Vec::new(), 0.3, 2.0, None);
    let measures = sample.measure(&mut Buffers::default(), weights);
    near(measures.model.auroc, expected.auroc, 1e-12);
    near(measures.auprc, expected.average_precision, 1e-12);
    near(measures.model.brier, expected.brier, 1e-12);
    near(measures.log_loss, expected.log_loss, 1e-12);
    near(measures.intercept, expected.intercept, 1e-8);
    near(measures.slope, expected.slope, 1e-8);
    near(measures.distances.ici, expected.ici, 1e-9);
    near(measures.fbeta, expected.fbeta_2, 1e-12);
    near(measures.counts.fbeta(0.5), expected.fbeta_half, 1e-12);
}

#[test]
fn random_rows_match_scikit_learn_and_statsmodels() {
    let fixture = fixture();
    compare(&vec![1; fixture.y.len()], &fixture, &fixture.plain);
}

#[test]
fn a_resample_is_what_the_repeated_rows_would_give() {
    let fixture = fixture();
    compare(&fixture.weights, &fixture, &fixture.weighted);
}

#[test]
fn wilson_matches_statsmodels() {
    for (hits, n, low, high) in fixture().wilson_90 {
        let ends = wilson(hits, n, 0.9).expect("rows");
        near(ends.0, low, 1e-12);
        near(ends.1, high, 1e-12);
    }
}
