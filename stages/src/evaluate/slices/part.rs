//! The measures of some of the rows, on any weighting of all rows.
//!
//! Inside this module NaN marks an undefined measure; it becomes null with a reason in the report. Nothing here knows
//! what may be published.

use super::document::Measure;
use crate::common::calibration::CalibrationData;
use crate::common::decision::Counts;
use crate::common::scores::{self, Ranking};

/// What the model said of all rows, and what happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Answers {
    /// Calibrated probabilities of an event.
    Events {
        /// Outcomes.
        y: Vec<bool>,
        /// Probabilities.
        p: Vec<f64>,
        /// Whether each row reaches the frozen threshold.
        flagged: Vec<bool>,
    },
    /// Predictions of a number.
    Numbers {
        /// Outcomes.
        y: Vec<f64>,
        /// Predictions.
        predicted: Vec<f64>,
    },
}

/// Measures of an event; `measure` answers in this order.
pub const OF_EVENTS: [Measure; 8] = [
    Measure::Auroc,
    Measure::Intercept,
    Measure::Slope,
    Measure::ObservedExpected,
    Measure::Sensitivity,
    Measure::FalsePositiveRate,
    Measure::Ppv,
    Measure::FlaggedPer1000,
];
/// Measures of a number, in the order of `measure`.
pub const OF_NUMBERS: [Measure; 3] = [Measure::Rmse, Measure::Mae, Measure::Bias];

impl Answers {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        match self {
            Self::Events { y, .. } => y.len(),
            Self::Numbers { y, .. } => y.len(),
        }
    }

    /// What is measured.
    pub fn measures(&self) -> &'static [Measure] {
        match self {
            Self::Events { .. } => &OF_EVENTS,
            Self::Numbers { .. } => &OF_NUMBERS,
        }
    }

    /// The confusion matrix of some rows; nothing where the outcome is a number.
    pub fn counts(&self, rows: &[usize]) -> Option<Counts> {
        let Self::Events { y, flagged, .. } = self else { return None };
        let mut counts = Counts::default();
        for &row in rows {
            counts.add(flagged[row], y[row], 1);
        }
        Some(counts)
    }
}

/// Some of the rows, with all that does not depend on the weights.
#[derive(Debug, Clone)]
pub struct Part {
    rows: Vec<usize>,
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    Events(Box<Events>),
    /// Prediction − outcome.
    Numbers(Vec<f64>),
}

#[derive(Debug, Clone)]
struct Events {
    y: Vec<bool>,
    p: Vec<f64>,
    flagged: Vec<bool>,
    ranking: Ranking,
    calibration: CalibrationData,
    with_slope: bool,
}

impl Part {
    /// The rows at `rows`. Without `with_slope` the slope stays NaN: it is the dearest measure.
    pub fn new(answers: &Answers, rows: Vec<usize>, with_slope: bool) -> Self {
        let kind = match answers {
            Answers::Events { y, p, flagged } => {
                let y: Vec<bool> = rows.iter().map(|&row| y[row]).collect();
                let p: Vec<f64> = rows.iter().map(|&row| p[row]).collect();
                let calibration = CalibrationData::new(&y, &p);
                let flagged = rows.iter().map(|&row| flagged[row]).collect();
                let ranking = Ranking::new(&p);
                Kind::Events(Box::new(Events { y, p, flagged, ranking, calibration, with_slope }))
            }
            Answers::Numbers { y, predicted } => {
                Kind::Numbers(rows.iter().map(|&row| predicted[row] - y[row]).collect())
            }
        };
        Self { rows, kind }
    }

    /// The measures with every row of the part taken `weights[row]` times, in the order of [`Answers::measures`].
    pub fn measure(&self, weights: &[u32]) -> Vec<f64> {
        let own: Vec<u32> = self.rows.iter().map(|&row| weights[row]).collect();
        match &self.kind {
            Kind::Events(events) => events.measure(&own).to_vec(),
            Kind::Numbers(errors) => of_errors(errors, &own).to_vec(),
        }
    }

    /// The rows in the order of their probabilities, and their outcomes; nothing where the outcome is a number.
    pub fn ranked(&self) -> Option<(&Ranking, &[bool])> {
        match &self.kind {
            Kind::Events(events) => Some((&events.ranking, &events.y)),
            Kind::Numbers(_) => None,
        }
    }
}

impl Events {
    fn measure(&self, weights: &[u32]) -> [f64; 8] {
        let counts = Counts::of(&self.flagged, &self.y, weights);
        let or_nan = |value: Option<f64>| value.unwrap_or(f64::NAN);
        let expected: f64 = self.p.iter().zip(weights).map(|(p, &weight)| p * f64::from(weight)).sum();
        let observed = self.calibration.observed(weights);
        let slope = if self.with_slope { observed.slope() } else { None };
        [
            or_nan(scores::weighted_auroc(&self.ranking, &self.y, weights)),
            or_nan(observed.intercept()),
            or_nan(slope),
            if expected > 0.0 { counts.events() as f64 / expected } else { f64::NAN },
            share(counts.true_positive, counts.events()),
            share(counts.false_positive, counts.rows() - counts.events()),
            share(counts.true_positive, counts.flagged()),
            1000.0 * share(counts.flagged(), counts.rows()),
        ]
    }
}

fn share(hits: u64, n: u64) -> f64 {
    if n == 0 { f64::NAN } else { hits as f64 / n as f64 }
}

fn of_errors(errors: &[f64], weights: &[u32]) -> [f64; 3] {
    let n: f64 = weights.iter().map(|&weight| f64::from(weight)).sum();
    let mean = |loss: fn(f64) -> f64| {
        errors.iter().zip(weights).map(|(&error, &weight)| f64::from(weight) * loss(error)).sum::<f64>() / n
    };
    [libm::sqrt(mean(|error| error * error)), mean(f64::abs), mean(|error| error)]
}
