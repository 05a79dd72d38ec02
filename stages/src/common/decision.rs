//! What a decision to flag costs and gains: the confusion matrix, the four-cell cost table, F-beta, net benefit.
//!
//! "Flagged" means p ≥ t everywhere. A quantity whose denominator is empty is `None`, never NaN.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A confusion matrix; rows, or weighted rows, in each cell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Flagged, with the event.
    #[serde(rename = "tp")]
    pub true_positive: u64,
    /// Flagged, without the event.
    #[serde(rename = "fp")]
    pub false_positive: u64,
    /// Not flagged, with the event.
    #[serde(rename = "fn")]
    pub false_negative: u64,
    /// Not flagged, without the event.
    #[serde(rename = "tn")]
    pub true_negative: u64,
}

impl Counts {
    /// Adds `weight` rows of one kind.
    pub fn add(&mut self, flagged: bool, event: bool, weight: u64) {
        let cell = match (flagged, event) {
            (true, true) => &mut self.true_positive,
            (true, false) => &mut self.false_positive,
            (false, true) => &mut self.false_negative,
            (false, false) => &mut self.true_negative,
        };
        *cell += weight;
    }

    /// Counts rows flagged or not; `weights` as in [`super::scores`].
    pub fn of(flagged: &[bool], y: &[bool], weights: &[u32]) -> Self {
        let mut counts = Self::default();
        for ((&flagged, &event), &weight) in flagged.iter().zip(y).zip(weights) {
            counts.add(flagged, event, u64::from(weight));
        }
        counts
    }

    /// All rows.
    pub fn rows(&self) -> u64 {
        self.events() + self.false_positive + self.true_negative
    }

    /// Rows with the event.
    pub fn events(&self) -> u64 {
        self.true_positive + self.false_negative
    }

    /// Flagged rows.
    pub fn flagged(&self) -> u64 {
        self.true_positive + self.false_positive
    }

    /// (1 + β²)TP / ((1 + β²)TP + β²FN + FP); `None` when nothing is flagged and nothing happened.
    pub fn fbeta(&self, beta: f64) -> Option<f64> {
        let square = beta * beta;
        let hits = (1.0 + square) * self.true_positive as f64;
        let total = hits + square * self.false_negative as f64 + self.false_positive as f64;
        (total > 0.0).then(|| hits / total)
    }

    /// Net benefit per row: TP/n − FP/n · t/(1 − t) (Vickers and Elkin). `None` without rows, and for t ≥ 1 when there
    /// are false positives, because their weight is then infinite.
    pub fn net_benefit(&self, threshold: f64) -> Option<f64> {
        let rows = self.rows() as f64;
        if rows == 0.0 {
            return None;
        }
        if self.false_positive == 0 {
            return Some(self.true_positive as f64 / rows);
        }
        let odds = threshold / (1.0 - threshold);
        (threshold < 1.0).then(|| self.true_positive as f64 / rows - self.false_positive as f64 / rows * odds)
    }
}

/// What each outcome of a decision costs, in any one unit of money.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CostTable {
    /// Acting on a patient who would not have had the event.
    pub false_positive: f64,
    /// An event that nobody acted on.
    pub false_negative: f64,
    /// Acting on a patient who would have had the event; the event itself comes on top as far as `effect` < 1.
    #[serde(default)]
    pub true_positive: f64,
    /// Leaving alone a patient who has no event.
    #[serde(default)]
    pub true_negative: f64,
    /// The share of flagged events that acting prevents, 0 to 1. 1 assumes that acting always works.
    #[serde(default = "full_effect")]
    pub effect: f64,
}

fn full_effect() -> f64 {
    1.0
}

impl CostTable {
    /// Checks the values; the error is the field and what is wrong with it.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        let cells = [
            ("false_positive", self.false_positive),
            ("false_negative", self.false_negative),
            ("true_positive", self.true_positive),
            ("true_negative", self.true_negative),
        ];
        for (field, cost) in cells {
            if !cost.is_finite() {
                return Err((field, format!("{cost} is not a finite cost")));
            }
        }
        if !(0.0..=1.0).contains(&self.effect) {
            return Err(("effect", format!("{} is not a share from 0 to 1", self.effect)));
        }
        Ok(())
    }

    /// The cost of one flagged event: acting, plus the event as often as acting fails.
    pub fn flagged_event(&self) -> f64 {
        self.true_positive + (1.0 - self.effect) * self.false_negative
    }

    /// The mean cost of a row; `None` without rows.
    pub fn mean(&self, counts: &Counts) -> Option<f64> {
        let total = counts.true_positive as f64 * self.flagged_event()
            + counts.false_positive as f64 * self.false_positive
            + counts.false_negative as f64 * self.false_negative
            + counts.true_negative as f64 * self.true_negative;
        (counts.rows() > 0).then(|| total / counts.rows() as f64)
    }

    /// The threshold that is optimal for perfectly calibrated probabilities: where flagging and not flagging cost the
    /// same. `None` when flagging an event does not pay, or flagging a non-event costs nothing.
    pub fn calibrated_optimum(&self) -> Option<f64> {
        let harm = self.false_positive - self.true_negative;
        let gain = self.false_negative - self.flagged_event();
        (harm > 0.0 && gain > 0.0).then(|| harm / (harm + gain))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COST: CostTable = CostTable {
        false_positive: 500.0,
        false_negative: 5000.0,
        true_positive: 500.0,
        true_negative: 0.0,
        effect: 0.5,
    };

    #[test]
    fn an_intervention_that_fails_leaves_the_event() {
        let counts = Counts { true_positive: 4, false_positive: 2, false_negative: 1, true_negative: 3 };
        // 4 · (500 + 2500) + 2 · 500 + 1 · 5000 over 10 rows.
        assert_eq!(COST.mean(&counts), Some(1800.0));
        assert_eq!(COST.mean(&Counts::default()), None);
    }

    #[test]
    fn the_calibrated_optimum_balances_harm_and_gain() {
        let full = CostTable { true_positive: 0.0, effect: 1.0, ..COST };
        assert!((full.calibrated_optimum().expect("pays") - 500.0 / 5500.0).abs() < 1e-15);
        assert_eq!(COST.calibrated_optimum(), Some(0.2));
        assert_eq!(CostTable { effect: 0.1, ..COST }.calibrated_optimum(), None);
    }

    #[test]
    fn empty_denominators_are_none() {
        let none = Counts { true_negative: 5, ..Counts::default() };
        assert_eq!(none.fbeta(2.0), None);
        assert_eq!(none.net_benefit(1.5), Some(0.0));
        assert_eq!(Counts { false_positive: 1, ..none }.net_benefit(1.0), None);
        assert_eq!(Counts::default().net_benefit(0.1), None);
    }

    #[test]
    fn bad_costs_name_their_field() {
        assert_eq!(CostTable { effect: 1.5, ..COST }.check().expect_err("no share").0, "effect");
        assert_eq!(CostTable { false_positive: f64::NAN, ..COST }.check().expect_err("NaN").0, "false_positive");
    }
}
