//! How the model's probabilities become calibrated ones, flags and levels: calibrator, frozen threshold, risk levels.
//!
//! Invariant: which threshold a row gets depends on that row's raw columns alone. A level that is missing or that the
//! threshold does not know gets the overall one.

use super::manifest::{BundleError, Files};
use super::tiers::{Tiers, level_of};
use crate::calibrate::{Calibrator, CalibratorFile, VennAbers};
use crate::common::frame::{Column, Frame};
use crate::tune_threshold::Threshold;

/// What a bundle says of one row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prediction {
    /// The model's probability.
    pub p_raw: f64,
    /// The calibrated probability.
    pub p: f64,
    /// The lower and upper end of its Venn–Abers interval, when the bundle has them. The calibrated probability comes
    /// from another function of the same predictions and may lie outside.
    pub interval: Option<[f64; 2]>,
    /// The threshold that applies to the row.
    pub threshold: f64,
    /// The place of the row's level among [`super::Bundle::strata`]; none where the overall threshold applies because
    /// there are no strata, or the level is missing or unknown.
    pub stratum: Option<usize>,
    /// Whether `p` reaches the threshold.
    pub flagged: bool,
    /// The index of its risk level, when the bundle has levels.
    pub tier: Option<usize>,
}

/// A threshold with the bounds of the risk levels under it.
#[derive(Debug)]
struct Cutoff {
    value: f64,
    bounds: Vec<f64>,
}

impl Cutoff {
    fn new(value: f64, tiers: Option<&Tiers>) -> Self {
        Self { value, bounds: tiers.map(|tiers| tiers.bounds(value)).unwrap_or_default() }
    }
}

/// How probabilities are judged.
#[derive(Debug)]
pub(super) struct Decision {
    calibrator: Calibrator,
    pub(super) venn_abers: Option<VennAbers>,
    pub(super) threshold: Threshold,
    pub(super) tiers: Option<Tiers>,
    overall: Cutoff,
    /// The levels with thresholds of their own, in name order.
    pub(super) strata: Vec<String>,
    cutoffs: Vec<Cutoff>,
}

impl Decision {
    pub(super) fn load(files: &Files) -> Result<Self, BundleError> {
        let fault = |member: &str, message: String| BundleError::Format { member: member.to_owned(), message };
        let CalibratorFile { calibrator, venn_abers, .. } = files.json("calibrator.json")?;
        if !calibrator.is_sound() || venn_abers.as_ref().is_some_and(|intervals| !intervals.is_sound()) {
            return Err(fault("calibrator.json", "does not hold an ascending calibration".to_owned()));
        }
        let threshold: Threshold = files.json("threshold.json")?;
        if let Some(message) = threshold.fault() {
            return Err(fault("threshold.json", message));
        }
        let tiers: Option<Tiers> = files.json_opt("tiers.json")?;
        let levels = threshold.strata.iter().flat_map(|strata| &strata.levels);
        let own = |(name, stratum): (&String, &crate::tune_threshold::Stratum)| {
            (name.clone(), Cutoff::new(stratum.value, tiers.as_ref()))
        };
        let (strata, cutoffs) = levels.map(own).unzip();
        let overall = Cutoff::new(threshold.value, tiers.as_ref());
        Ok(Self { calibrator, venn_abers, threshold, tiers, overall, strata, cutoffs })
    }

    /// The raw column that decides which threshold a row gets.
    pub(super) fn column(&self) -> Option<&str> {
        self.threshold.strata.as_ref().map(|strata| strata.column.as_str())
    }

    /// The place of each row's level among the strata.
    pub(super) fn strata_of(&self, raw: &Frame) -> Vec<Option<usize>> {
        let place = |level: &str| self.strata.binary_search_by(|known| known.as_str().cmp(level)).ok();
        match self.column().and_then(|name| raw.get(name)) {
            Some(Column::Text(levels)) => levels.iter().map(|level| place(level?)).collect(),
            Some(Column::Number(levels)) => levels.iter().map(|level| place(&level.to_string())).collect(),
            None => vec![None; raw.rows()],
        }
    }

    pub(super) fn judge(&self, p_raw: f64, stratum: Option<usize>) -> Prediction {
        let p = self.calibrator.apply(p_raw);
        let interval = self.venn_abers.as_ref().map(|intervals| intervals.interval(p_raw));
        let cutoff = stratum.and_then(|at| self.cutoffs.get(at)).unwrap_or(&self.overall);
        let threshold = cutoff.value;
        Prediction {
            p_raw,
            p,
            interval,
            threshold,
            stratum,
            flagged: p >= threshold,
            tier: level_of(&cutoff.bounds, p),
        }
    }
}
