//! What calibrated probabilities would make of a threshold.
//!
//! Scores that are probabilities have their cheapest threshold where the costs say, whatever the data, and their best
//! F-beta threshold at F*/(1 + β²) ≤ 1/(1 + β²). Scores that are not calibrated obey neither, so a clash is questionable, not
//! impossible.

use super::finding::{Finding, Level, Report, shown};
use super::interval::Interval;
use super::stated::Stated;
use super::types::{Claims, Costs, Point, Policy};

/// The cheapest threshold for calibrated probabilities: flagging pays where p (C_FN − C_TP) ≥ (1 − p) (C_FP − C_TN).
fn cheapest(costs: &Costs) -> Option<f64> {
    let value = |cost: &Option<Stated>| cost.as_ref().map_or(0.0, |cost| cost.value);
    let alarm = costs.false_positive.value - value(&costs.true_negative);
    let miss = costs.false_negative.value - value(&costs.true_positive);
    (alarm > 0.0 && miss > 0.0).then(|| alarm / (alarm + miss))
}

pub(super) fn check(claims: &Claims, report: &mut Report) {
    for point in claims.models.iter().flat_map(|model| &model.points) {
        let (Some(threshold), Some(policy)) = (&point.threshold, point.policy) else { continue };
        let finding = match policy {
            Policy::Cost => claims.costs.as_ref().and_then(|costs| by_cost(point, threshold, costs)),
            Policy::FBeta(beta) => by_fbeta(point, threshold, beta),
        };
        if let Some(finding) = finding {
            report.push(finding);
        }
    }
}

fn by_cost(point: &Point, threshold: &Stated, costs: &Costs) -> Option<Finding> {
    let best = cheapest(costs)?;
    if !threshold.share().is_apart(Interval::exact(best)) {
        return None;
    }
    let caught = if costs.true_positive.is_none() { " (a caught event costing nothing)" } else { "" };
    let finding = Finding::new(Level::Questionable, "threshold by cost", &point.name, threshold.span)
        .number("threshold", threshold)
        .number("cost of a false positive", &costs.false_positive)
        .number("cost of a false negative", &costs.false_negative)
        .arithmetic(format!(
            "with calibrated probabilities the cheapest threshold is {} whatever the data{caught}",
            shown(best)
        ));
    Some(finding.possible(
        "scores that are no calibrated probabilities, a threshold chosen on the rows it is judged by, or other costs",
    ))
}

fn by_fbeta(point: &Point, threshold: &Stated, beta: f64) -> Option<Finding> {
    let most = 1.0 / (1.0 + beta * beta);
    if threshold.share().lo <= most {
        return None;
    }
    let finding = Finding::new(Level::Questionable, "threshold by F-beta", &point.name, threshold.span)
        .number("threshold", threshold)
        .arithmetic(format!(
            "with calibrated probabilities the best threshold for F{beta} is F*/(1 + {beta}²), at most {}",
            shown(most)
        ));
    Some(finding.possible("scores inflated by class weights or resampling; they should not be shown as risks"))
}
