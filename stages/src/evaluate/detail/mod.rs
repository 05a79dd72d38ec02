//! evaluation.json: everything a reviewer may ask of the test part that metrics.json, which gates read, leaves out.

mod decisions;
mod deployment;
mod document;
mod number;
#[cfg(test)]
mod tests;

pub use document::{
    Appendix, AtThresholdDetail, CalibrationDetail, CalibrationGroup, Comparison, Costs, CurvePoint, DecisionCurve,
    DecisionPoint, Deployment, Evaluation, PrevalenceRow, Prevalences, Quantile, RiskOfClass, Strategy, ThresholdRow,
};
pub use number::{NumberComparison, NumberEvaluation, NumberGroup, Residuals, Straight};

pub(super) use number::{Shaped, detail as number_detail};

use std::ops::Range;

use crate::common::decision::Counts;
use crate::common::delong::Paired;
use crate::common::interval::{Estimate, finite, quantile, wilson};

use super::EvaluateParams;
use super::assemble::{Evidence, LOGISTIC, NO_COST, NOTHING};
use super::document::ZTest;
use super::measures::{Measures, Sample, Worth};

/// Groups of the calibration plot.
pub(super) const GROUPS: usize = 10;
/// The quantiles of a risk distribution. The ends are left out: they are single patients.
const QUANTILES: [f64; 7] = [0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95];
/// Why F1 and accuracy stand last.
const NOTE: &str = "F1 and accuracy are no proper measures of a probability: both can rise when the predictions get \
                    worse. F1 ignores the patients who were rightly left alone, and accuracy is high wherever the event \
                    is rare. Judge the model by calibration and net benefit.";

/// The whole file.
pub(super) fn detail(evidence: &Evidence, params: &EvaluateParams) -> Evaluation {
    let counts = evidence.point.counts;
    let costs = deployment::costs(evidence);
    Evaluation {
        schema_version: 1,
        kind: "event".to_owned(),
        data: evidence.data.clone(),
        model: evidence.model.clone(),
        evaluated: evidence.evaluated.clone(),
        n: counts.rows(),
        events: counts.events(),
        patients: evidence.clusters.count() as u64,
        prevalence: counts.events() as f64 / counts.rows() as f64,
        intervals: evidence.intervals(),
        threshold: evidence.frozen.clone(),
        calibration: calibration(evidence),
        risk: [false, true].map(|event| risk(evidence.sample, event)).into(),
        decision_curve: decisions::decision_curve(evidence, params),
        thresholds: decisions::thresholds(evidence, params),
        at_threshold: decisions::at_threshold(evidence),
        reason: costs.is_none().then(|| format!("costs: {NO_COST}")),
        costs,
        prevalences: deployment::prevalences(evidence, params),
        comparison: comparison(evidence),
        appendix: appendix(evidence),
    }
}

fn calibration(evidence: &Evidence) -> CalibrationDetail {
    let point = |(k, &predicted): (usize, &f64)| CurvePoint {
        predicted,
        observed: evidence.band("there are no rows", |measures| measures.smooth[k]),
    };
    CalibrationDetail {
        groups: groups(evidence),
        curve: evidence.sample.smooth_grid.iter().enumerate().map(point).collect(),
        clipped: evidence.sample.calibration.clipped,
    }
}

/// Tenths of the rows by rank: mean prediction, observed share with its interval. Neighbouring tenths are one group
/// until neither the patients with the event nor those without are few enough to be protected.
pub(super) fn groups(evidence: &Evidence) -> Vec<CalibrationGroup> {
    let order = evidence.sample.ranking.order();
    let tenth = |k: usize| k * order.len() / GROUPS;
    let rows = |tenths: Range<usize>| &order[tenth(tenths.start)..tenth(tenths.end)];
    let joined = evidence.privacy.joined(GROUPS, |tenths| evidence.people(rows(tenths)));
    joined.into_iter().filter_map(|tenths| group(evidence, rows(tenths))).collect()
}

fn group(evidence: &Evidence, rows: &[usize]) -> Option<CalibrationGroup> {
    let sample = evidence.sample;
    let (n, events) = (rows.len() as u64, rows.iter().filter(|&&row| sample.y[row]).count() as u64);
    let ends = wilson(events, n, evidence.confidence)?;
    let share = events as f64 / n as f64;
    let observed = if evidence.clusters.single_rows() {
        Estimate::new(share, ends, "wilson")
    } else {
        Estimate::without_interval(share, "rows of one patient are not independent: see the band of the curve")
    };
    let predicted = rows.iter().map(|&row| sample.p[row]).sum::<f64>() / n as f64;
    Some(CalibrationGroup { n, events, predicted, observed })
}

fn risk(sample: &Sample, event: bool) -> RiskOfClass {
    let order = sample.ranking.order();
    let sorted: Vec<f64> = order.iter().filter(|&&row| sample.y[row] == event).map(|&row| sample.p[row]).collect();
    let mean = (!sorted.is_empty()).then(|| sorted.iter().sum::<f64>() / sorted.len() as f64);
    let quantiles = QUANTILES.iter().filter_map(|&q| Some(Quantile { q, value: quantile(&sorted, q)? })).collect();
    let reason = mean.is_none().then(|| "there are no such rows".to_owned());
    RiskOfClass { event, n: sorted.len() as u64, mean, quantiles, reason }
}

/// The model beside the plain logistic regression.
fn comparison(evidence: &Evidence) -> Comparison {
    let worth = |measures: &Measures| *measures.rivals.get(LOGISTIC).unwrap_or(&Worth::UNDEFINED);
    let rival = worth(evidence.point);
    let differences = evidence.difference(LOGISTIC);
    let auroc_rival = finite(rival.auroc);
    Comparison {
        with: "logistic".to_owned(),
        auroc_model: finite(evidence.point.model.auroc),
        reason: auroc_rival.is_none().then(|| "the rows hold only one class".to_owned()),
        auroc_rival,
        auroc_test: auroc_test(evidence),
        auroc: differences.auroc,
        brier: differences.brier,
        net_benefit: differences.net_benefit,
    }
}

fn auroc_test(evidence: &Evidence) -> ZTest {
    let alike = || ZTest::undefined("both rank every pair of patients alike, or there are too few to tell");
    if let Some(reason) = &evidence.too_few {
        return ZTest::undefined(reason.clone());
    }
    if evidence.clusters.single_rows() {
        return evidence.paired(LOGISTIC).and_then(Paired::z).map_or_else(alike, ZTest::new);
    }
    let difference = |m: &Measures| m.model.auroc - m.rivals.get(LOGISTIC).map_or(f64::NAN, |w| w.auroc);
    let drawn: Vec<f64> = evidence.resamples.iter().map(difference).filter(|value| value.is_finite()).collect();
    let n = drawn.len() as f64;
    let mean = drawn.iter().sum::<f64>() / n;
    let variance = drawn.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / (n - 1.0);
    let z = difference(evidence.point) / libm::sqrt(variance);
    if n > 1.0 && variance > 0.0 && z.is_finite() { ZTest::new(z) } else { alike() }
}

fn appendix(evidence: &Evidence) -> Appendix {
    let counts = evidence.point.counts;
    let right = |counts: &Counts| counts.true_positive + counts.true_negative;
    let majority = counts.events().max(counts.rows() - counts.events());
    Appendix {
        note: NOTE.to_owned(),
        f1: evidence.interval(NOTHING, |measures| measures.counts.fbeta(1.0).unwrap_or(f64::NAN)),
        accuracy: evidence.proportion(|counts| (right(counts), counts.rows()), "there are no rows"),
        accuracy_of_majority: majority as f64 / counts.rows() as f64,
    }
}
