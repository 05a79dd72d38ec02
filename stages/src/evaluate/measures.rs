//! Every measure of the report on one weighting of the test rows: the point estimates with all weights 1, a bootstrap
//! resample with the number of times each row was drawn.
//!
//! Inside this module NaN marks an undefined measure; it becomes null with a reason in the report. It is fastest when
//! the rows come in ascending order of their predictions.

use crate::common::calibration::{CalibrationData, Distances};
use crate::common::decision::{CostTable, Counts};
use crate::common::exchange::Exchange;
use crate::common::scores::{self, Ranking};

use super::ranked::{Below, Discrimination, Ranked, lane_sum};

/// The thresholds of the decision curve: 0.01 to 0.50.
pub const DECISION_GRID: usize = 50;
/// Points of the smooth calibration curve, from the lowest to the highest prediction.
pub const SMOOTH_GRID: usize = 101;

/// The k-th threshold of the decision curve.
pub fn decision_threshold(k: usize) -> f64 {
    (k + 1) as f64 / 100.0
}

/// A naive alternative to the model, on the same rows.
#[derive(Debug, Clone)]
pub struct Rival {
    /// Its predictions; 1 for flagging all, 0 for flagging none.
    pub p: Vec<f64>,
    /// Which rows it flags.
    pub flagged: Vec<bool>,
    losses: Vec<f64>,
    /// Its order, unless everyone gets the same prediction.
    ranked: Option<Ranked>,
}

impl Rival {
    /// A rival that flags each row by the threshold that applies to it.
    pub fn scored(p: Vec<f64>, y: &[bool], thresholds: &[f64]) -> Self {
        let varies = p.iter().any(|value| Some(value) != p.first());
        let ranked = varies.then(|| Ranked::new(&Ranking::new(&p), y, &p));
        Self { flagged: reached(&p, thresholds), losses: scores::squared_errors(y, &p), p, ranked }
    }

    /// A rival that flags all rows or none, whatever the threshold.
    pub fn constant(flag: bool, y: &[bool]) -> Self {
        let p = vec![f64::from(u8::from(flag)); y.len()];
        Self { flagged: vec![flag; y.len()], losses: scores::squared_errors(y, &p), p, ranked: None }
    }

    /// Whether predictions differ.
    pub fn varies(&self) -> bool {
        self.ranked.is_some()
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
    /// The overall threshold: rows at or above it are flagged, unless they have thresholds of their own.
    pub threshold: f64,
    /// The thresholds that apply: what false positives weigh in net benefit.
    pub exchange: Exchange,
    /// Beta of F-beta.
    pub beta: f64,
    /// Cost table, if the study has one.
    pub cost: Option<CostTable>,
    /// The naive alternatives.
    pub rivals: Vec<Rival>,
    /// For the calibration models.
    pub calibration: CalibrationData,
    /// Which rows are flagged.
    pub flagged: Vec<bool>,
    /// Where the smooth calibration curve is taken.
    pub smooth_grid: Vec<f64>,
    ranked: Ranked,
    decision_ranks: Vec<usize>,
    squared_errors: Vec<f64>,
    log_losses: Vec<f64>,
}

/// What a decision rule achieves; NaN where undefined.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Worth {
    /// Area under the ROC curve.
    pub auroc: f64,
    /// Brier score.
    pub brier: f64,
    /// Net benefit per row at the thresholds that apply.
    pub net_benefit: f64,
    /// Mean cost of a row.
    pub cost: f64,
}

impl Worth {
    /// Nothing is known.
    pub const UNDEFINED: Self = Self { auroc: f64::NAN, brier: f64::NAN, net_benefit: f64::NAN, cost: f64::NAN };
}

/// All measures; NaN where undefined.
#[derive(Debug, Clone, PartialEq)]
pub struct Measures {
    /// Confusion matrix at the threshold.
    pub counts: Counts,
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
    /// Observed over expected events.
    pub observed_expected: f64,
    /// ICI, E50, E90, Emax.
    pub distances: Distances,
    /// F-beta at the threshold.
    pub fbeta: f64,
    /// AUROC, Brier score, net benefit and cost of the model.
    pub model: Worth,
    /// The same of each rival, in the order of [`Sample::rivals`].
    pub rivals: Vec<Worth>,
    /// Net benefit of the model on the grid of the decision curve.
    pub decision: Vec<f64>,
    /// The smooth calibration curve at [`Sample::smooth_grid`].
    pub smooth: Vec<f64>,
}

/// The buffers of a thread.
#[derive(Debug, Default)]
pub struct Buffers {
    model: Below,
    rival: Below,
}

const NOWHERE: Distances = Distances { ici: f64::NAN, e50: f64::NAN, e90: f64::NAN, emax: f64::NAN };

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
        let ranking = Ranking::new(&p);
        let ranked = Ranked::new(&ranking, &y, &p);
        Self {
            flagged: p.iter().map(|&p| p >= threshold).collect(),
            squared_errors: scores::squared_errors(&y, &p),
            log_losses: scores::log_losses(&y, &p),
            calibration: CalibrationData::new(&y, &p),
            decision_ranks: (0..DECISION_GRID).map(|k| ranked.rank(decision_threshold(k))).collect(),
            smooth_grid: smooth_grid(&ranking, &p),
            ranking,
            ranked,
            y,
            p,
            rivals,
            threshold,
            exchange: Exchange::one(threshold),
            beta,
            cost,
        }
    }

    /// With decisions, and their worth, by the threshold that applies to each row.
    #[must_use]
    pub fn decided(mut self, thresholds: &[f64]) -> Self {
        self.flagged = reached(&self.p, thresholds);
        self.exchange = Exchange::of_rows(thresholds, self.threshold);
        self
    }

    /// Whether all rows are judged by the overall threshold.
    pub fn one_threshold(&self) -> bool {
        self.exchange.single() == Some(self.threshold)
    }

    /// Whether predictions differ.
    pub fn varies(&self) -> bool {
        !super::enough::constant(&self.p)
    }

    /// The confusion matrix when the rows at or above `threshold` are flagged.
    pub fn counts_at(&self, threshold: f64) -> Counts {
        let flagged: Vec<bool> = self.p.iter().map(|&p| p >= threshold).collect();
        Counts::of(&flagged, &self.y, &vec![1; self.y.len()])
    }

    /// The measures of every row taken once.
    pub fn plain(&self) -> Measures {
        self.measure(&mut Buffers::default(), &vec![1; self.y.len()])
    }

    /// AUROC, average precision and Brier score of every row taken `weights[row]` times.
    pub fn headline(&self, buffers: &mut Buffers, weights: &[u32]) -> (Discrimination, f64) {
        self.ranked.sum(weights, &mut buffers.model);
        let rows = buffers.model.counts_from(0).rows();
        (self.ranked.discrimination(&buffers.model), lane_sum(&self.squared_errors, weights) / rows as f64)
    }

    /// The measures of every row taken `weights[row]` times.
    pub fn measure(&self, buffers: &mut Buffers, weights: &[u32]) -> Measures {
        let (Discrimination { auroc, auprc }, brier) = self.headline(buffers, weights);
        let counts = Counts::of(&self.flagged, &self.y, weights);
        let (events, rows) = (counts.events(), counts.rows());
        let observed = self.calibration.observed(weights);
        let rivals = self.rivals.iter().map(|rival| self.rival(rival, &mut buffers.rival, weights)).collect();
        let net_benefit = |(k, &rank)| or_nan(buffers.model.counts_from(rank).net_benefit(decision_threshold(k)));
        let decision = self.decision_ranks.iter().enumerate().map(net_benefit).collect();
        let (intercept, slope, ratio) = (observed.intercept(), observed.slope(), observed.ratio());
        let smooth = observed.smooth();
        Measures {
            counts,
            auprc,
            scaled_brier: or_nan(scores::scale_brier(brier, events, rows - events)),
            log_loss: lane_sum(&self.log_losses, weights) / rows as f64,
            intercept: or_nan(intercept),
            slope: or_nan(slope),
            observed_expected: or_nan(ratio),
            distances: smooth.distances().unwrap_or(NOWHERE),
            fbeta: or_nan(counts.fbeta(self.beta)),
            model: self.worth(&self.flagged, &counts, weights, [auroc, brier]),
            rivals,
            decision,
            smooth: self.smooth_grid.iter().map(|&p| or_nan(smooth.at(p))).collect(),
        }
    }

    fn rival(&self, rival: &Rival, below: &mut Below, weights: &[u32]) -> Worth {
        let counts = Counts::of(&rival.flagged, &self.y, weights);
        let both = counts.events() > 0 && counts.events() < counts.rows();
        let auroc = match &rival.ranked {
            Some(ranked) => {
                ranked.sum(weights, below);
                ranked.discrimination(below).auroc
            }
            None if both => 0.5,
            None => f64::NAN,
        };
        let brier = lane_sum(&rival.losses, weights) / counts.rows() as f64;
        self.worth(&rival.flagged, &counts, weights, [auroc, brier])
    }

    fn worth(&self, flagged: &[bool], counts: &Counts, weights: &[u32], [auroc, brier]: [f64; 2]) -> Worth {
        Worth {
            auroc,
            brier,
            net_benefit: or_nan(self.exchange.net_benefit(counts, flagged, &self.y, weights)),
            cost: or_nan(self.cost.as_ref().and_then(|cost| cost.mean(counts))),
        }
    }
}

/// Even steps from the lowest to the highest prediction; one point where all are equal.
fn smooth_grid(ranking: &Ranking, p: &[f64]) -> Vec<f64> {
    let ends = (ranking.order().first(), ranking.order().last());
    let (Some(&first), Some(&last)) = ends else {
        return Vec::new();
    };
    let (low, high) = (p[first], p[last]);
    let points = if low < high { SMOOTH_GRID } else { 1 };
    let steps = (SMOOTH_GRID - 1) as f64;
    (0..points).map(|k| if k + 1 == SMOOTH_GRID { high } else { low + k as f64 / steps * (high - low) }).collect()
}

/// Which predictions reach the threshold of their row.
fn reached(p: &[f64], thresholds: &[f64]) -> Vec<bool> {
    p.iter().zip(thresholds).map(|(p, threshold)| p >= threshold).collect()
}

fn or_nan(value: Option<f64>) -> f64 {
    value.unwrap_or(f64::NAN)
}
