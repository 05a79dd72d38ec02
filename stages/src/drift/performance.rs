//! What the model is worth on the current rows: measured where outcomes are known, estimated where they are not.
//!
//! Invariants: measured numbers come from the code of `evaluate`, at the bundle's overall threshold; without outcomes, or
//! with too few for an interval, performance is unknown, whatever the estimate says.

use super::current::Current;
use super::document::{Estimated, Measures, Performance, PerformanceStatus};
use crate::StageContext;
use crate::StageError;
use crate::bundle::Bundle;
use crate::common::canonical_json;
use crate::common::interval::finite;
use crate::common::scores::Ranking;
use crate::evaluate::{Metrics, Predicted};

/// What has to hold for an estimate without outcomes.
const ASSUMPTION: &str = "the calibrated probabilities are still right for these patients: who they are may have \
    changed, how risk follows from what is known of them may not. A change of that relation cannot be seen without outcomes";

/// What is known of performance on the rows in the window.
pub(super) fn performance(
    context: &StageContext,
    bundle: &Bundle,
    current: &Current,
    outcomes: Option<&[Option<bool>]>,
    resamples: usize,
) -> Result<Performance, StageError> {
    let scored: Vec<usize> = (0..current.scores.len()).filter(|&row| current.scores[row].is_finite()).collect();
    let threshold = bundle.threshold().map(|threshold| threshold.value);
    let reference = context.input_opt("metrics").map(|file| canonical_json::read::<Metrics>(&file.path, &file.name));
    let mut found = Performance {
        status: PerformanceStatus::Unknown,
        reason: Some("no outcomes are given".to_owned()),
        predictions: scored.len() as u64,
        labelled: 0,
        unlabelled: scored.len() as u64,
        patients: 0,
        events: None,
        threshold,
        measured: None,
        reference: reference.transpose()?.map(measures),
        estimated: None,
    };
    let Some(threshold) = threshold else {
        found.reason = Some("the outcome is a number: evaluate the model on new rows instead".to_owned());
        return Ok(found);
    };
    let p: Vec<f64> = scored.iter().map(|&row| current.scores[row]).collect();
    found.estimated = estimate(&p, threshold);
    let Some(outcomes) = outcomes else { return Ok(found) };
    let labelled: Vec<(usize, bool)> = scored.iter().filter_map(|&row| Some((row, outcomes[row]?))).collect();
    found.labelled = labelled.len() as u64;
    found.unlabelled = found.predictions - found.labelled;
    if labelled.is_empty() {
        found.reason = Some("no prediction has an outcome yet".to_owned());
        return Ok(found);
    }
    let patient = |row: usize| current.keys[row].clone().unwrap_or_default();
    let rows = Predicted {
        y: labelled.iter().map(|(_, y)| *y).collect(),
        p: labelled.iter().map(|(row, _)| current.scores[*row]).collect(),
        patients: labelled.iter().map(|(row, _)| first_part(&patient(*row)).to_owned()).collect(),
    };
    let metrics = rows.metrics(threshold, resamples, context.seed()?, context.threads())?;
    (found.events, found.patients) = (Some(metrics.events), metrics.patients);
    let measured = measures(metrics);
    found.reason = [&measured.auroc, &measured.calibration_intercept]
        .into_iter()
        .find(|estimate| estimate.low.is_none() || estimate.high.is_none())
        .map(|estimate| estimate.reason.clone().unwrap_or_else(|| "there is no interval".to_owned()));
    if found.reason.is_none() {
        found.status = PerformanceStatus::Measured;
    }
    found.measured = Some(measured);
    Ok(found)
}

/// The patient of a key that may have a time after it.
fn first_part(key: &str) -> &str {
    key.split('\u{1f}').next().unwrap_or(key)
}

fn measures(metrics: Metrics) -> Measures {
    Measures {
        auroc: metrics.auroc,
        calibration_intercept: metrics.calibration.intercept,
        calibration_slope: metrics.calibration.slope,
        brier: metrics.brier,
        net_benefit: metrics.net_benefit,
        sensitivity: metrics.at_threshold.sensitivity,
    }
}

/// What is expected of probabilities that are right. The AUROC is the expected share of concordant pairs among pairs of
/// an event and another row; ties count one half.
fn estimate(p: &[f64], threshold: f64) -> Option<Estimated> {
    let n = p.len() as f64;
    let events: f64 = p.iter().sum();
    let (mut concordant, mut pairs, mut below) = (0.0, 0.0, 0.0);
    let ranking = Ranking::new(p);
    let others: f64 = p.iter().map(|p| 1.0 - p).sum();
    for group in ranking.groups() {
        let happens: f64 = group.iter().map(|&row| p[row]).sum();
        let spared: f64 = group.iter().map(|&row| 1.0 - p[row]).sum();
        // A row is no pair with itself.
        let own: f64 = group.iter().map(|&row| p[row] * (1.0 - p[row])).sum();
        concordant += happens * below + 0.5 * (happens * spared - own);
        pairs += happens * others - own;
        below += spared;
    }
    let flagged = || p.iter().copied().filter(|p| *p >= threshold);
    let hits: f64 = flagged().sum();
    let alarms: f64 = flagged().map(|p| 1.0 - p).sum();
    let odds = threshold / (1.0 - threshold);
    (n > 0.0).then(|| Estimated {
        assumption: ASSUMPTION.to_owned(),
        events,
        auroc: (ranking.groups().nth(1).is_some() && pairs > 0.0).then(|| concordant / pairs),
        brier: p.iter().map(|p| p * (1.0 - p)).sum::<f64>() / n,
        net_benefit: finite((hits - alarms * odds) / n),
        sensitivity: finite(hits / events),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// The expected AUROC is that of its definition by pairs.
        #[test]
        fn an_estimate_is_its_definition(levels in prop::collection::vec(0..=10_u8, 2..30)) {
            let p: Vec<f64> = levels.iter().map(|level| f64::from(*level) / 10.0).collect();
            let found = estimate(&p, 0.5).expect("rows");
            let (mut concordant, mut pairs) = (0.0, 0.0);
            for (i, a) in p.iter().enumerate() {
                for (_, b) in p.iter().enumerate().filter(|(j, _)| *j != i) {
                    let weight = a * (1.0 - b);
                    pairs += weight;
                    concordant += weight * if a > b { 1.0 } else if a == b { 0.5 } else { 0.0 };
                }
            }
            if let Some(auroc) = found.auroc {
                prop_assert!((auroc - concordant / pairs).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn probabilities_without_spread_or_rows_have_no_auroc() {
        assert_eq!(estimate(&[], 0.5), None);
        assert_eq!(estimate(&[0.3, 0.3], 0.5).expect("rows").auroc, None);
        let sure = estimate(&[0.0, 1.0], 0.5).expect("rows");
        assert_eq!((sure.auroc, sure.brier, sure.events), (Some(1.0), 0.0, 1.0));
        assert_eq!((sure.net_benefit, sure.sensitivity), (Some(0.5), Some(1.0)));
    }
}
