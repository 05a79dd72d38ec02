//! The ladder: the model as it is, with a new intercept, with a new intercept and slope, and refitted, judged on the
//! same rows.
//!
//! No row is judged by parameters that it helped to fit: whole patients are divided into folds, and the rows of a fold
//! are predicted by what the others gave. Intervals come from the patient bootstrap with those predictions held fixed,
//! so they do not count the uncertainty of the update itself.

use super::document::{Coefficients, Rung, Update};
use crate::common::calibration::CalibrationData;
use crate::common::decision::Counts;
use crate::common::delong;
use crate::common::exchange::Exchange;
use crate::common::folds::{Design, Folds};
use crate::common::glm::fit_logistic;
use crate::common::interval::{Estimate, centred, finite, percentile};
use crate::common::link::{clipped_logit, sigmoid};
use crate::common::rng::Stream;
use crate::common::scores::{self, Ranking};
use crate::evaluate::assemble::{EQUAL, NO_ODDS, ONE_CLASS, SEPARATED};
use crate::evaluate::enough::{constant, limited, varied};

/// Folds of the cross-fitting.
pub(super) const FOLDS: usize = 5;

/// Rows divided so that patients are whole and events are in proportion. The error says why it cannot be done.
pub(super) fn divide(y: &[bool], patient: &[usize], seed: u64) -> Result<Folds, String> {
    let strata = y.iter().map(|&y| usize::from(y)).collect();
    let outcomes: Vec<f64> = y.iter().map(|&y| f64::from(u8::from(y))).collect();
    divide_by(&outcomes, strata, patient, seed)
}

/// The same by any strata.
pub(super) fn divide_by(y: &[f64], strata: Vec<usize>, patient: &[usize], seed: u64) -> Result<Folds, String> {
    let design = Design { groups: patient.to_vec(), strata, time: None };
    let rows: Vec<usize> = (0..y.len()).collect();
    let folds = design.folds(&rows, FOLDS, &mut Stream::new(seed, "evaluate/external/folds"));
    let checked = folds.and_then(|folds| folds.check_outcomes(y).map(|()| folds));
    checked.map_err(|error| format!("the rows cannot be divided for cross-fitting: {error}"))
}

/// An intercept, and with `slope` a slope, for the log odds of `p` at `rows`.
pub(super) fn update(y: &[bool], p: &[f64], rows: &[usize], slope: bool) -> Result<Coefficients, String> {
    let outcomes: Vec<f64> = rows.iter().map(|&row| f64::from(u8::from(y[row]))).collect();
    let logits: Vec<f64> = rows.iter().map(|&row| clipped_logit(p[row])).collect();
    let (x, cols, ridge): (&[f64], usize, &[f64]) = if slope { (&logits, 1, &[0.0]) } else { (&[], 0, &[]) };
    let fit = fit_logistic(x, cols, &outcomes, None, Some(&logits), ridge, true).map_err(|error| error.to_string())?;
    if !fit.converged {
        return Err("the update has no finite maximum: the predictions separate the classes".to_owned());
    }
    Ok(Coefficients { intercept: fit.intercept, slope: 1.0 + fit.coef.first().copied().unwrap_or_default() })
}

impl Coefficients {
    fn apply(self, p: f64) -> f64 {
        sigmoid(self.intercept + self.slope * clipped_logit(p))
    }
}

/// Cross-fitted predictions of an update, and its coefficients on all rows.
pub(super) fn updated(y: &[bool], p: &[f64], folds: &Folds, slope: bool) -> Result<(Vec<f64>, Coefficients), String> {
    let mut predicted = vec![f64::NAN; p.len()];
    for fold in 0..folds.count() {
        let (fit, held) = folds.parts(fold);
        let coefficients = update(y, p, &fit, slope)?;
        for row in held {
            predicted[row] = coefficients.apply(p[row]);
        }
    }
    Ok((predicted, update(y, p, &(0..p.len()).collect::<Vec<_>>(), slope)?))
}

/// The predictions of one rung.
pub(super) struct Predictions<'a> {
    y: &'a [bool],
    p: Vec<f64>,
    exchange: Exchange,
    ranking: Ranking,
    calibration: CalibrationData,
    squared: Vec<f64>,
    flagged: Vec<bool>,
}

/// AUROC, Brier score, calibration in the large, slope, ICI and net benefit; NaN where undefined.
pub(super) type Measured = [f64; 6];

impl<'a> Predictions<'a> {
    /// Rows are flagged by the threshold that applies to each; `overall` is that of no row in particular.
    pub(super) fn new(y: &'a [bool], p: Vec<f64>, thresholds: &[f64], overall: f64) -> Self {
        Self {
            y,
            exchange: Exchange::of_rows(thresholds, overall),
            ranking: Ranking::new(&p),
            calibration: CalibrationData::new(y, &p),
            squared: scores::squared_errors(y, &p),
            flagged: p.iter().zip(thresholds).map(|(p, threshold)| p >= threshold).collect(),
            p,
        }
    }

    /// The measures on one weighting of the rows.
    pub(super) fn measure(&self, weights: &[u32]) -> Measured {
        let observed = self.calibration.observed(weights);
        let counts = Counts::of(&self.flagged, self.y, weights);
        [
            scores::weighted_auroc(&self.ranking, self.y, weights),
            scores::weighted_mean(&self.squared, weights),
            observed.intercept(),
            observed.slope(),
            self.exchange.net_benefit(&counts, &self.flagged, self.y, weights),
            observed.smooth().ici(),
        ]
        .map(|value| value.unwrap_or(f64::NAN))
    }

    /// The rung of these predictions.
    pub(super) fn rung(&self, rung: Rung, resamples: &[Measured], how: &How) -> Rung {
        let point = self.measure(&vec![1; self.p.len()]);
        let draws = |at: usize| resamples.iter().map(move |measured| measured[at]);
        let known = |estimate: Estimate| varied(limited(estimate, how.too_few.as_ref()));
        let of = |at: usize, why: &str| known(percentile(finite(point[at]), draws(at), how.confidence, why));
        let auroc = match how.rarer {
            None => delong::estimate(&self.ranking, self.y, finite(point[0]), how.confidence),
            Some(rarer) => delong::resampled(finite(point[0]), draws(0), rarer, how.confidence),
        };
        Rung {
            auroc: known(auroc),
            brier: of(1, "there are no rows"),
            intercept: of(2, ONE_CLASS),
            slope: of(3, self.no_slope()),
            net_benefit: of(4, NO_ODDS),
            ici: known(centred(finite(point[5]), draws(5), how.confidence, "there are no rows")),
            ..rung
        }
    }

    /// Why there is no calibration slope.
    fn no_slope(&self) -> &'static str {
        match () {
            () if self.y.iter().all(|y| Some(y) == self.y.first()) => ONE_CLASS,
            () if constant(&self.p) => EQUAL,
            () => SEPARATED,
        }
    }
}

/// How intervals are made.
pub(super) struct How {
    pub confidence: f64,
    /// Patients of the rarer class where patients have several rows; none where rows are independent.
    pub rarer: Option<usize>,
    /// Why there are no intervals, if there are none.
    pub too_few: Option<String>,
}

/// A rung without numbers.
pub(super) fn blank(update: Update, about: &str, reason: Option<String>) -> Rung {
    let none = || Estimate::undefined(reason.clone().unwrap_or_default());
    Rung {
        update,
        about: about.to_owned(),
        coefficients: None,
        auroc: none(),
        brier: none(),
        intercept: none(),
        slope: none(),
        ici: none(),
        net_benefit: none(),
        reason,
    }
}
