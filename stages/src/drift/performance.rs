//! What the model is worth on the current rows: measured where outcomes are known, estimated where they are not.
//!
//! Invariants: measured numbers come from the code of `evaluate`, at the bundle's overall threshold; without outcomes, or
//! with too few for an interval, performance is unknown, whatever the estimate says. With few events, or few rows without
//! one, their number is not told, nor what it follows from, and performance is unknown as well.

use std::collections::BTreeSet;

use super::current::Current;
use super::document::{Estimated, Measures, Performance, PerformanceStatus};
use crate::StageContext;
use crate::StageError;
use crate::bundle::Bundle;
use crate::common::canonical_json;
use crate::common::interval::{Estimate, finite};
use crate::common::privacy::{DecisionsTold, Privacy};
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
    privacy: Privacy,
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
        estimated_reason: None,
    };
    let Some(threshold) = threshold else {
        found.reason = Some("the outcome is a number: evaluate the model on new rows instead".to_owned());
        found.estimated_reason.clone_from(&found.reason);
        return Ok(found);
    };
    (found.estimated, found.estimated_reason) = expected(current, &scored, threshold, privacy);
    let Some(outcomes) = outcomes else { return Ok(found) };
    let labelled: Vec<(usize, bool)> = scored.iter().filter_map(|&row| Some((row, outcomes[row]?))).collect();
    found.labelled = labelled.len() as u64;
    found.unlabelled = found.predictions - found.labelled;
    if labelled.is_empty() {
        found.reason = Some("no prediction has an outcome yet".to_owned());
        return Ok(found);
    }
    let people = |rows: &mut dyn Iterator<Item = usize>| patients(current, rows);
    found.patients = people(&mut labelled.iter().map(|(row, _)| *row));
    if privacy.hides(found.patients) {
        found.reason = Some(format!("patients with an outcome: {}", privacy.reason()));
        return Ok(found);
    }
    let of = |event: bool| people(&mut labelled.iter().filter(|(_, y)| *y == event).map(|(row, _)| *row));
    let few = [true, false].into_iter().any(|event| privacy.hides(of(event)));
    let rows = Predicted {
        y: labelled.iter().map(|(_, y)| *y).collect(),
        p: labelled.iter().map(|(row, _)| current.scores[*row]).collect(),
        patients: labelled.iter().map(|(row, _)| patient(current, *row).to_owned()).collect(),
    };
    let metrics = rows.metrics(threshold, resamples, context.seed()?, context.threads())?;
    found.events = (!few).then_some(metrics.events);
    let measured = told(metrics, few, privacy);
    found.reason = if few {
        Some(format!("events or rows without one: {}", privacy.reason()))
    } else {
        let needed = [&measured.auroc, &measured.calibration_intercept];
        let lacks = needed.into_iter().find(|estimate| estimate.low.is_none() || estimate.high.is_none());
        lacks.map(|estimate| estimate.reason.clone().unwrap_or_else(|| "there is no interval".to_owned()))
    };
    if found.reason.is_none() {
        found.status = PerformanceStatus::Measured;
    }
    found.measured = Some(measured);
    Ok(found)
}

/// What is estimated of the scored rows, or why nothing is.
fn expected(
    current: &Current,
    scored: &[usize],
    threshold: f64,
    privacy: Privacy,
) -> (Option<Estimated>, Option<String>) {
    if privacy.hides(patients(current, &mut scored.iter().copied())) {
        return (None, Some(format!("patients with a score: {}", privacy.reason())));
    }
    let p: Vec<f64> = scored.iter().map(|&row| current.scores[row]).collect();
    let Some(mut found) = estimate(&p, threshold) else { return (None, Some("no row has a score".to_owned())) };
    let flagged = p.iter().filter(|p| **p >= threshold).count() as u64;
    if hides_decisions(privacy, &[flagged, p.len() as u64 - flagged]) {
        // Both together are the number of flagged rows.
        (found.net_benefit, found.sensitivity) = (None, None);
        found.reason = Some(privacy.reason());
    }
    (Some(found), None)
}

/// Whether decisions on all rows are left out: where a site treats them as a table, and one of the counts is small.
pub(super) fn hides_decisions(privacy: Privacy, counts: &[u64]) -> bool {
    privacy.decisions == DecisionsTold::Ranges && counts.iter().any(|&count| privacy.hides(count))
}

/// What may be told of what was measured. With `few` events, or rows without one, their number follows from everything
/// that adds them up, with the scores that are told beside it; what compares them pairwise, and the slope, are coarsened.
fn told(metrics: Metrics, few: bool, privacy: Privacy) -> Measures {
    let counts = metrics.at_threshold.counts;
    let cells = [counts.true_positive, counts.false_positive, counts.false_negative, counts.true_negative];
    let decided = few || hides_decisions(privacy, &cells);
    let Measures { auroc, calibration_intercept, calibration_slope, brier, net_benefit, sensitivity } =
        measures(metrics);
    // In how many resamples nobody has the event tells how many have it.
    let coarse = |estimate: Estimate| match (few, estimate.value) {
        (false, _) => estimate,
        (true, None) => Estimate::undefined(privacy.reason()),
        (true, Some(_)) => privacy.coarse(Estimate { failed_resamples: None, reason: None, ..estimate }),
    };
    let left_out = |hidden: bool, estimate: Estimate| {
        if hidden { Estimate::undefined(privacy.reason()) } else { estimate }
    };
    Measures {
        auroc: coarse(auroc),
        calibration_intercept: left_out(few, calibration_intercept),
        calibration_slope: coarse(calibration_slope),
        brier: left_out(few, brier),
        net_benefit: left_out(decided, net_benefit),
        sensitivity: left_out(decided, sensitivity),
    }
}

/// How many patients rows are of; a row without one is its own.
fn patients(current: &Current, rows: &mut dyn Iterator<Item = usize>) -> u64 {
    let mut alone = 0;
    let named: BTreeSet<&str> = rows
        .filter_map(|row| {
            let name = patient(current, row);
            alone += u64::from(name.is_empty());
            (!name.is_empty()).then_some(name)
        })
        .collect();
    named.len() as u64 + alone
}

/// The patient of a row; empty where nobody is named.
fn patient(current: &Current, row: usize) -> &str {
    first_part(current.keys[row].as_deref().unwrap_or_default())
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
        reason: None,
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
