//! What a policy wants of a decision: which candidates it allows, how it ranks them, and the number it is judged by.
//!
//! Everything here is a function of a confusion matrix; nothing sees rows.

use serde::{Deserialize, Serialize};

use crate::common::decision::{CostTable, Counts};

use super::params::{Policy, PolicyKind};

/// The number by which a policy's result is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// Mean cost of 1,000 rows; lower is better.
    #[serde(rename = "cost_per_1000")]
    CostPer1000,
    /// F-beta; higher is better.
    Fbeta,
    /// Sensitivity + specificity − 1; higher is better.
    Youden,
    /// Flagged events among events.
    Sensitivity,
    /// Net benefit per row at the policy's weight of a false positive; higher is better.
    NetBenefit,
    /// Flagged rows per 1,000.
    #[serde(rename = "flagged_per_1000")]
    FlaggedPer1000,
}

impl Goal {
    /// The number in words, with its unit.
    pub fn name(self) -> &'static str {
        match self {
            Self::CostPer1000 => "cost per 1,000 patients (in the unit of the cost table)",
            Self::Fbeta => "F-beta",
            Self::Youden => "Youden's index",
            Self::Sensitivity => "sensitivity",
            Self::NetBenefit => "net benefit per patient",
            Self::FlaggedPer1000 => "number flagged per 1,000",
        }
    }
}

/// Ranges narrower than this count as their middle, where the integral below would cancel.
const NARROW: f64 = 1e-4;

impl Policy {
    /// How bad a decision is under this policy; lower is better. An undefined score is as bad as 0.
    pub(super) fn loss(&self, counts: &Counts) -> f64 {
        match self.policy {
            PolicyKind::Cost => self.cost.as_ref().and_then(|cost| cost.mean(counts)).unwrap_or(f64::INFINITY),
            PolicyKind::Fbeta | PolicyKind::F1 => -counts.fbeta(self.reported_beta()).unwrap_or(0.0),
            PolicyKind::Youden => -youden(counts).unwrap_or(0.0),
            PolicyKind::NetBenefit => -self.net_benefit(counts).unwrap_or(0.0),
            PolicyKind::RecallFloor => flagged_share(counts).unwrap_or(0.0),
            PolicyKind::Capacity => -flagged_share(counts).unwrap_or(0.0),
            PolicyKind::Fixed => 0.0,
        }
    }

    /// Whether a candidate keeps the policy's bounds, its capacity and its floor.
    pub(super) fn allows(&self, threshold: f64, counts: &Counts) -> bool {
        let bounded = self.min.is_none_or(|min| threshold >= min) && self.max.is_none_or(|max| threshold <= max);
        let fits = |most: f64| 1000.0 * counts.flagged() as f64 <= most * counts.rows() as f64;
        let kept = match self.policy {
            PolicyKind::Fixed => self.value == Some(threshold),
            PolicyKind::RecallFloor => {
                sensitivity(counts).zip(self.recall).is_some_and(|(found, floor)| found >= floor)
            }
            _ => true,
        };
        bounded && kept && self.max_flagged_per_1000.is_none_or(fits)
    }

    /// Whether it looks for the best of a score rather than for the limit of a rule: only then is there a flat optimum.
    pub(super) fn optimises(&self) -> bool {
        matches!(
            self.policy,
            PolicyKind::Cost | PolicyKind::Fbeta | PolicyKind::F1 | PolicyKind::Youden | PolicyKind::NetBenefit
        )
    }

    /// The number by which its result is reported.
    pub fn goal(&self) -> Goal {
        match self.policy {
            PolicyKind::Cost => Goal::CostPer1000,
            PolicyKind::Fbeta | PolicyKind::F1 => Goal::Fbeta,
            PolicyKind::Youden => Goal::Youden,
            PolicyKind::RecallFloor => Goal::Sensitivity,
            PolicyKind::NetBenefit => Goal::NetBenefit,
            PolicyKind::Fixed if self.cost.is_some() => Goal::CostPer1000,
            PolicyKind::Capacity | PolicyKind::Fixed => Goal::FlaggedPer1000,
        }
    }

    /// That number; `None` where the rows do not define it.
    pub(super) fn achieved(&self, counts: &Counts) -> Option<f64> {
        match self.goal() {
            Goal::CostPer1000 => self.cost.as_ref().and_then(|cost| cost.mean(counts)).map(|mean| 1000.0 * mean),
            Goal::Fbeta => counts.fbeta(self.reported_beta()),
            Goal::Youden => youden(counts),
            Goal::Sensitivity => sensitivity(counts),
            Goal::NetBenefit => self.net_benefit(counts),
            Goal::FlaggedPer1000 => flagged_share(counts).map(|share| 1000.0 * share),
        }
    }

    /// What one false positive weighs against one true positive: the odds of the threshold probability, averaged over
    /// `range` (taken as equally likely), or harm over gain of the cost table.
    pub(super) fn exchange(&self) -> Option<f64> {
        let odds = |t: f64| t / (1.0 - t);
        match self.range {
            Some([low, high]) if high - low < NARROW => Some(odds(f64::midpoint(low, high))),
            // The integral of t / (1 − t) is −ln(1 − t) − t.
            Some([low, high]) => Some((libm::log1p(-low) - libm::log1p(-high)) / (high - low) - 1.0),
            None => self.cost.as_ref().and_then(CostTable::calibrated_optimum).map(odds),
        }
    }

    fn net_benefit(&self, counts: &Counts) -> Option<f64> {
        let (weight, rows) = (self.exchange()?, counts.rows() as f64);
        (rows > 0.0).then(|| (counts.true_positive as f64 - weight * counts.false_positive as f64) / rows)
    }

    /// What it looks for, for people.
    pub fn aim(&self) -> String {
        match self.policy {
            PolicyKind::Cost => "the lowest cost".to_owned(),
            PolicyKind::Fbeta => format!("the highest F-beta (beta {})", self.reported_beta()),
            PolicyKind::F1 => "the highest F1".to_owned(),
            PolicyKind::Youden => "the highest sensitivity + specificity".to_owned(),
            PolicyKind::RecallFloor => {
                format!("the highest threshold that finds {} of the events", self.recall.unwrap_or(f64::NAN))
            }
            PolicyKind::NetBenefit => "the highest net benefit".to_owned(),
            PolicyKind::Capacity => {
                format!("at most {} flagged of 1,000", self.max_flagged_per_1000.unwrap_or(f64::NAN))
            }
            PolicyKind::Fixed => "the fixed threshold".to_owned(),
        }
    }
}

fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// Flagged events among events.
pub(super) fn sensitivity(counts: &Counts) -> Option<f64> {
    share(counts.true_positive, counts.events())
}

/// Flagged rows among rows without the event.
pub(super) fn false_alarms(counts: &Counts) -> Option<f64> {
    share(counts.false_positive, counts.rows() - counts.events())
}

/// Flagged rows among rows.
pub(super) fn flagged_share(counts: &Counts) -> Option<f64> {
    share(counts.flagged(), counts.rows())
}

fn youden(counts: &Counts) -> Option<f64> {
    Some(sensitivity(counts)? - false_alarms(counts)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_of_threshold_probabilities_weighs_by_its_mean_odds() {
        let weight = |low, high| {
            let policy = Policy { range: Some([low, high]), ..Policy::of(PolicyKind::NetBenefit) };
            policy.exchange().expect("a range")
        };
        assert_eq!(weight(0.2, 0.2), 0.25);
        let (low, high, steps) = (0.05, 0.4, 100_000);
        let at = |k: i32| low + (high - low) * (f64::from(k) + 0.5) / f64::from(steps);
        let mean = (0..steps).map(|k| at(k) / (1.0 - at(k))).sum::<f64>() / f64::from(steps);
        assert!((weight(low, high) - mean).abs() < 1e-9);
        assert!((weight(0.1, 0.1002) - 0.1001 / 0.8999).abs() < 1e-7, "no cancellation in narrow ranges");
    }

    #[test]
    fn costs_rank_candidates_as_the_net_benefit_they_imply() {
        let cost = CostTable {
            false_positive: 500.0,
            false_negative: 5000.0,
            true_positive: 700.0,
            true_negative: 20.0,
            effect: 0.6,
        };
        let by = |kind| Policy { cost: Some(cost), ..Policy::of(kind) };
        let (by_cost, by_benefit) = (by(PolicyKind::Cost), by(PolicyKind::NetBenefit));
        let counts = |tp: u64, fp: u64| Counts {
            true_positive: tp,
            false_positive: fp,
            false_negative: 40 - tp,
            true_negative: 160 - fp,
        };
        // Costs are a constant minus the gain of an event times the net benefit.
        let gain = cost.false_negative - cost.flagged_event();
        let none = by_cost.loss(&counts(0, 0));
        for (tp, fp) in [(40, 160), (30, 50), (5, 0), (39, 155)] {
            let expected = none + gain * by_benefit.loss(&counts(tp, fp));
            assert!((by_cost.loss(&counts(tp, fp)) - expected).abs() < 1e-9);
        }
    }
}
