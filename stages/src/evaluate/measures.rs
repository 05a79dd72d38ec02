//! Every measure of the report on one weighting of the test rows: the point estimates with all weights 1, a bootstrap
//! resample with the number of times each row was drawn.
//!
//! Inside this module NaN marks an undefined measure; it becomes null with a reason in the report.

use crate::common::decision::{CostTable, Counts};
use crate::common::scores::{self, Ranking};

use crate::common::calibration::{CalibrationData, Smooth};

/// The thresholds of the decision curve: 0.01 to 0.50.
pub const DECISION_GRID: usize = 50;

/// The k-th threshold of the decision curve.
pub fn decision_threshold(k: usize) -> f64 {
    (k + 1) as f64 / 100.0
}

/// A naive alternative to the model, on the same rows.
#[derive(Debug, Clone)]
pub struct Rival {
    /// Its predictions; 1 for flagging all, 0 for flagging none.
    pub p: Vec<f64>,
    flagged: Vec<bool>,
    losses: Vec<f64>,
}

impl Rival {
    /// A rival that flags by the model's threshold.
    pub fn scored(p: Vec<f64>, y: &[bool], threshold: f64) -> Self {
        let flagged = p.iter().map(|&p| p >= threshold).collect();
        Self { flagged, losses: scores::squared_errors(y, &p), p }
    }

    /// A rival that flags all rows or none, whatever the threshold.
    pub fn constant(flag: bool, y: &[bool]) -> Self {
        let p = vec![f64::from(u8::from(flag)); y.len()];
        Self { flagged: vec![flag; y.len()], losses: scores::squared_errors(y, &p), p }
    }
}

/// The test rows with all that does not depend on the weights.
#[derive(Debug, Clone)]
pub struct Sample {
    /// Outcomes.
    pub y: Vec<bool>,
    /// Calibrated probabilities.
    pub p: Vec<f64>,
    /// Their order.
    pub ranking: Ranking,
    /// Rows at or above it are flagged.
    pub threshold: f64,
    /// Beta of F-beta.
    pub beta: f64,
    /// Cost table, if the study has one.
    pub cost: Option<CostTable>,
    /// The naive alternatives.
    pub rivals: Vec<Rival>,
    /// For the calibration models.
    pub calibration: CalibrationData,
    flagged: Vec<bool>,
    squared_errors: Vec<f64>,
    log_losses: Vec<f64>,
}

/// What a decision rule achieves; NaN where undefined.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Worth {
    /// Brier score.
    pub brier: f64,
    /// Net benefit per row at the threshold.
    pub net_benefit: f64,
    /// Mean cost of a row.
    pub cost: f64,
}

impl Worth {
    /// Nothing is known.
    pub const UNDEFINED: Self = Self { brier: f64::NAN, net_benefit: f64::NAN, cost: f64::NAN };
}

/// All measures; NaN where undefined.
#[derive(Debug, Clone, PartialEq)]
pub struct Measures {
    /// Confusion matrix at the threshold.
    pub counts: Counts,
    /// Area under the ROC curve.
    pub auroc: f64,
    /// Average precision.
    pub auprc: f64,
    /// Scaled Brier score.
    pub scaled_brier: f64,
    /// Log loss.
    pub log_loss: f64,
    /// Calibration in the large.
    pub intercept: f64,
    /// Calibration slope.
    pub slope: f64,
    /// Integrated calibration index.
    pub ici: f64,
    /// F-beta at the threshold.
    pub fbeta: f64,
    /// Brier score, net benefit and cost of the model.
    pub model: Worth,
    /// The same of each rival, in the order of [`Sample::rivals`].
    pub rivals: Vec<Worth>,
    /// Net benefit of the model on the grid of the decision curve.
    pub decision: Vec<f64>,
}

impl Sample {
    /// Prepares the test rows.
    pub fn new(
        y: Vec<bool>,
        p: Vec<f64>,
        rivals: Vec<Rival>,
        threshold: f64,
        beta: f64,
        cost: Option<CostTable>,
    ) -> Self {
        Self {
            ranking: Ranking::new(&p),
            flagged: p.iter().map(|&p| p >= threshold).collect(),
            squared_errors: scores::squared_errors(&y, &p),
            log_losses: scores::log_losses(&y, &p),
            calibration: CalibrationData::new(&y, &p),
            y,
            p,
            rivals,
            threshold,
            beta,
            cost,
        }
    }

    /// The measures of every row taken once.
    pub fn plain(&self) -> Measures {
        self.measure(&vec![1; self.y.len()])
    }

    /// The measures of every row taken `weights[row]` times.
    pub fn measure(&self, weights: &[u32]) -> Measures {
        let counts = Counts::of(&self.flagged, &self.y, weights);
        let brier = scores::weighted_mean(&self.squared_errors, weights);
        let (events, rows) = (counts.events(), counts.rows());
        let smooth = Smooth::new(self.ranking.order(), &self.y, &self.p, weights);
        let rival = |rival: &Rival| {
            let counts = Counts::of(&rival.flagged, &self.y, weights);
            self.worth(&counts, scores::weighted_mean(&rival.losses, weights))
        };
        Measures {
            counts,
            auroc: or_nan(scores::weighted_auroc(&self.ranking, &self.y, weights)),
            auprc: or_nan(scores::weighted_average_precision(&self.ranking, &self.y, weights)),
            scaled_brier: or_nan(brier.and_then(|brier| scores::scale_brier(brier, events, rows - events))),
            log_loss: or_nan(scores::weighted_mean(&self.log_losses, weights)),
            intercept: or_nan(self.calibration.intercept(weights)),
            slope: or_nan(self.calibration.slope(weights)),
            ici: or_nan(smooth.ici()),
            fbeta: or_nan(counts.fbeta(self.beta)),
            model: self.worth(&counts, brier),
            rivals: self.rivals.iter().map(rival).collect(),
            decision: self.decision_curve(weights, counts),
        }
    }

    fn worth(&self, counts: &Counts, brier: Option<f64>) -> Worth {
        Worth {
            brier: or_nan(brier),
            net_benefit: or_nan(counts.net_benefit(self.threshold)),
            cost: or_nan(self.cost.as_ref().and_then(|cost| cost.mean(counts))),
        }
    }

    /// Net benefit on the grid, walking down the ranking once.
    fn decision_curve(&self, weights: &[u32], totals: Counts) -> Vec<f64> {
        let mut counts = Counts {
            false_negative: totals.events(),
            true_negative: totals.rows() - totals.events(),
            ..Counts::default()
        };
        let mut descending = self.ranking.order().iter().rev().peekable();
        let mut curve = vec![f64::NAN; DECISION_GRID];
        for k in (0..DECISION_GRID).rev() {
            let threshold = decision_threshold(k);
            while let Some(&row) = descending.next_if(|&&row| self.p[row] >= threshold) {
                let weight = u64::from(weights[row]);
                let missed = if self.y[row] { &mut counts.false_negative } else { &mut counts.true_negative };
                *missed -= weight;
                counts.add(true, self.y[row], weight);
            }
            curve[k] = or_nan(counts.net_benefit(threshold));
        }
        curve
    }
}

fn or_nan(value: Option<f64>) -> f64 {
    value.unwrap_or(f64::NAN)
}
