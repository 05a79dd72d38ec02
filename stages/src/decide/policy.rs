//! The rules of both policies, each written down with what it looked at, whether it fired and why.
//!
//! Invariants: every rule of the policy is in the record, fired or not; what is unknown fires nothing and is said to be
//! unknown, never to be in order; changed inputs alone never ask for more than a look under `clinical`.

use super::params::{ClinicalLimits, SeedLimits};
use super::{Choice, Rule};
use crate::common::interval::Estimate;
use crate::drift::{DriftReport, Measures, PerformanceStatus, Severity, Verdict};

/// Why an AUROC can be compared with nothing.
const NO_METRICS: &str =
    "it is not known what it was at evaluation: bind `metrics` under the deps of the stage `drift`";

/// The limits as a text, the value as a number, whether it fired.
fn rule(name: &str, asks_for: Choice, value: Option<f64>, limit: String, fired: Option<bool>, reason: String) -> Rule {
    Rule { name: name.to_owned(), asks_for, value, limit, known: fired.is_some(), fired: fired == Some(true), reason }
}

/// The rules of `clinical`; the gravest that fires decides.
pub(super) fn clinical(report: &DriftReport, limits: &ClinicalLimits) -> Vec<Rule> {
    let measured = report.performance.measured.as_ref().filter(|_| is_measured(report));
    let unknown = || report.performance.reason.clone().unwrap_or_else(|| "performance is unknown".to_owned());
    let mut rules = vec![inputs(report), scores(report)];
    let around = |name: &str, estimate: Option<&Estimate>, centre: f64, margin: f64| {
        let ends = estimate.and_then(|estimate| Some((estimate.value?, estimate.low?, estimate.high?)));
        let limit = format!("{} to {}", centre - margin, centre + margin);
        let fired = ends.map(|(_, low, high)| low > centre + margin || high < centre - margin);
        let reason = match (ends, fired) {
            (Some((_, low, high)), Some(true)) => format!("its interval {low:.3} to {high:.3} lies outside {limit}"),
            (Some((_, low, high)), _) => format!("its interval {low:.3} to {high:.3} reaches into {limit}"),
            _ => unknown(),
        };
        rule(name, Choice::Recalibrate, ends.map(|ends| ends.0), limit, fired, reason)
    };
    let intercept = measured.map(|measured| &measured.calibration_intercept);
    let slope = measured.map(|measured| &measured.calibration_slope);
    rules.push(around("calibration_intercept", intercept, 0.0, limits.intercept_margin));
    rules.push(around("calibration_slope", slope, 1.0, limits.slope_margin));
    rules.push(discrimination(report, measured, limits.auroc_margin, &unknown()));
    rules.push(expected(report, limits.auroc_margin));
    rules
}

fn is_measured(report: &DriftReport) -> bool {
    report.performance.status == PerformanceStatus::Measured
}

fn inputs(report: &DriftReport) -> Rule {
    let (drifted, compared) = (report.dataset.drifted, report.dataset.compared);
    let fired = (compared > 0).then_some(drifted > 0);
    let columns = report.columns.iter().filter(|column| column.verdict == Verdict::Drifted);
    let names: Vec<&str> = columns.map(|column| column.name.as_str()).collect();
    let reason = match fired {
        None => "no column could be compared".to_owned(),
        Some(false) => format!("none of {compared} compared columns drifts"),
        Some(true) => format!("{drifted} of {compared} compared columns drift: {}", names.join(", ")),
    };
    rule("input_drift", Choice::Look, report.dataset.share, "no drifted column".to_owned(), fired, reason)
}

fn scores(report: &DriftReport) -> Rule {
    let judged = report.scores.as_ref().filter(|scores| scores.verdict != Verdict::TooFew);
    let fired = judged.map(|scores| scores.verdict == Verdict::Drifted);
    let reason = match &report.scores {
        Some(scores) => scores.reasons.join("; "),
        None => "the scores could not be compared".to_owned(),
    };
    rule(
        "score_drift",
        Choice::Look,
        judged.and(report.dataset.prediction_shift),
        "the scores do not drift".to_owned(),
        fired,
        reason,
    )
}

fn discrimination(report: &DriftReport, measured: Option<&Measures>, margin: f64, unknown: &str) -> Rule {
    let before = report.performance.reference.as_ref().and_then(|reference| reference.auroc.value);
    let now = measured.and_then(|measured| Some((measured.auroc.value?, measured.auroc.high?)));
    let fired = before.zip(now).map(|(before, (_, high))| high < before - margin);
    let reason = match (now, before) {
        (Some((_, high)), Some(before)) => {
            format!("the upper end of its interval is {high:.3}, at evaluation it was {before:.3}")
        }
        (None, _) => unknown.to_owned(),
        (_, None) => NO_METRICS.to_owned(),
    };
    rule("discrimination", Choice::Retrain, now.map(|now| now.0), below_margin(before, margin), fired, reason)
}

/// What probabilities alone say of the AUROC may ask for a look and for nothing else; of few predictions it says nothing.
fn expected(report: &DriftReport, margin: f64) -> Rule {
    let before = report.performance.reference.as_ref().and_then(|reference| reference.auroc.value);
    let (predictions, wanted) = (report.performance.predictions, report.rules.min_rows);
    let estimated = report.performance.estimated.as_ref().and_then(|estimated| estimated.auroc);
    let now = estimated.filter(|_| predictions >= wanted);
    let fired = before.zip(now).map(|(before, now)| now < before - margin);
    let reason = match (now, before) {
        (Some(_), Some(_)) => {
            "expected without outcomes, if probabilities are still right; other patients alone can lower it".to_owned()
        }
        (None, _) if predictions < wanted => format!("{predictions} predictions; {wanted} are wanted"),
        (None, _) => "nothing can be expected of these probabilities".to_owned(),
        (_, None) => NO_METRICS.to_owned(),
    };
    rule("expected_discrimination", Choice::Look, now, below_margin(before, margin), fired, reason)
}

/// The limit of a rule that compares an AUROC with that at evaluation.
fn below_margin(before: Option<f64>, margin: f64) -> String {
    before.map_or_else(|| "none: metrics.json was not given".to_owned(), |before| format!("{:.4}", before - margin))
}

/// The rules of `seed`, in their order; the first that fires decides.
pub(super) fn seed(report: &DriftReport, limits: &SeedLimits) -> Vec<Rule> {
    let measured = report.performance.measured.as_ref();
    let unknown = || report.performance.reason.clone().unwrap_or_else(|| "performance is unknown".to_owned());
    let above = |name: &str, value: Option<f64>, limit: f64| {
        let reason = if value.is_some() { "above the limit retrains" } else { "there was nothing to compare" };
        rule(name, Choice::Retrain, value, format!("{limit}"), value.map(|value| value > limit), reason.to_owned())
    };
    let below = |name: &str, value: Option<f64>, limit: f64| {
        let reason = if value.is_some() { "below the limit retrains".to_owned() } else { unknown() };
        rule(name, Choice::Retrain, value, format!("{limit}"), value.map(|value| value < limit), reason)
    };
    let critical: Vec<&str> = report
        .alert
        .alerts
        .iter()
        .filter(|alarm| alarm.severity == Severity::Critical)
        .map(|alarm| alarm.subject.as_str())
        .collect();
    // That no critical column drifts is known only of columns that could be compared.
    let known = !critical.is_empty() || report.dataset.compared > 0;
    let named = match (known, critical.is_empty()) {
        (false, _) => "no column could be compared".to_owned(),
        (true, true) => "no critical column drifts".to_owned(),
        (true, false) => critical.join(", "),
    };
    vec![
        above("drift_share", report.dataset.share, limits.drift_share),
        above("prediction_shift", report.dataset.prediction_shift, limits.prediction_shift),
        below("recall", measured.and_then(|measured| measured.sensitivity.value), limits.recall),
        below("auroc", measured.and_then(|measured| measured.auroc.value), limits.auroc),
        rule(
            "critical_columns",
            Choice::Retrain,
            known.then_some(critical.len() as f64),
            "0".to_owned(),
            known.then_some(!critical.is_empty()),
            named,
        ),
    ]
}
