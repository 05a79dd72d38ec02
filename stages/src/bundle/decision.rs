//! How the model's probabilities become calibrated ones, flags and levels: calibrator, frozen threshold, risk levels.
//!
//! Invariant: which threshold a row gets depends on that row's raw columns alone. A level that is missing or that the
//! threshold does not know gets the overall one.

use std::collections::BTreeMap;

use serde_json::Value;

use super::manifest::{BundleError, Files};
use super::tiers::{Tiers, level_of};
use crate::ParamError;
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

/// Decision bounds of a site, in place of the bundle's.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Overrides {
    /// The threshold of every row, whatever its level.
    pub threshold: Option<f64>,
    /// The lowest probability of risk levels by name.
    pub levels: BTreeMap<String, f64>,
}

impl Overrides {
    /// Whether the bundle's own bounds all stay.
    pub fn is_empty(&self) -> bool {
        self.threshold.is_none() && self.levels.is_empty()
    }
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

    /// Takes other bounds over the bundle's.
    pub(super) fn set(&mut self, overrides: &Overrides) -> Result<(), ParamError> {
        if let Some(threshold) = overrides.threshold {
            if !(0.0..=1.0).contains(&threshold) {
                return Err(ParamError::new("threshold", format!("must be from 0 to 1, not {threshold}")));
            }
            self.threshold.value = threshold;
            self.threshold.strata = None;
            (self.strata, self.cutoffs) = (Vec::new(), Vec::new());
        }
        for (name, from) in &overrides.levels {
            let levels = self.tiers.iter_mut().flat_map(|tiers| &mut tiers.levels);
            let level = levels.into_iter().find(|level| level.name.eq_ignore_ascii_case(name));
            let unknown = || ParamError::new(format!("risk_levels.{name}"), "is not a risk level of this bundle");
            level.ok_or_else(unknown)?.from = Value::from(*from);
        }
        self.tiers.as_ref().map_or(Ok(()), Tiers::check)?;
        self.overall = Cutoff::new(self.threshold.value, self.tiers.as_ref());
        let own = self.threshold.strata.iter().flat_map(|strata| strata.levels.values());
        self.cutoffs = own.map(|stratum| Cutoff::new(stratum.value, self.tiers.as_ref())).collect();
        Ok(())
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
