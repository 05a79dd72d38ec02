//! `decide` in params.yaml.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::common::day::{Day, EXPECTED};
use crate::{ParamError, ParamSet};

/// The longest cool-down, of about ten years.
const LONGEST: u32 = 3650;

/// How a look at drift becomes a decision.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DecideParams {
    /// The day of the decision, as `2026-03-01`; needed for the cool-down. Without it, that of the drift report holds.
    pub as_of: Option<String>,
    /// Which rules decide.
    pub policy: PolicyName,
    /// Days after a decision to retrain in which no other one is made.
    pub cooldown_days: CooldownDays,
    /// Margins of the policy `clinical`.
    pub clinical: ClinicalLimits,
    /// Limits of the policy `seed`.
    pub seed: SeedLimits,
}

/// Which rules decide.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PolicyName {
    /// Changed inputs ask for a look, changed calibration for recalibration, lost discrimination for retraining.
    #[default]
    Clinical,
    /// Point estimates against floors, first match retrains: kept for those who come from such a rule file.
    Seed,
}

/// Whole days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct CooldownDays(pub u32);

impl Default for CooldownDays {
    fn default() -> Self {
        Self(7)
    }
}

/// Margins of the policy `clinical`: a difference within them is of no consequence, however certain.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ClinicalLimits {
    /// The whole interval of the calibration intercept lies further from 0 than this: recalibrate.
    pub intercept_margin: f64,
    /// The whole interval of the calibration slope lies further from 1 than this: recalibrate.
    pub slope_margin: f64,
    /// The upper end of the AUROC's interval lies below that at evaluation minus this: retrain.
    pub auroc_margin: f64,
}

impl Default for ClinicalLimits {
    fn default() -> Self {
        Self { intercept_margin: 0.1, slope_margin: 0.1, auroc_margin: 0.02 }
    }
}

/// Limits of the policy `seed`, compared with point estimates.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SeedLimits {
    /// A larger share of drifted columns retrains.
    pub drift_share: f64,
    /// A larger shift of the scores (population stability index) retrains.
    pub prediction_shift: f64,
    /// A lower sensitivity at the threshold retrains.
    pub recall: f64,
    /// A lower AUROC retrains.
    pub auroc: f64,
}

impl Default for SeedLimits {
    fn default() -> Self {
        Self { drift_share: 0.3, prediction_shift: 0.2, recall: 0.55, auroc: 0.58 }
    }
}

impl DecideParams {
    /// Reads and checks `decide` of the declared parameters.
    pub fn parse(params: &ParamSet) -> Result<Self, ParamError> {
        let decide: Self = params.parse_or_default("decide")?;
        let ClinicalLimits { intercept_margin, slope_margin, auroc_margin } = decide.clinical;
        let SeedLimits { drift_share, prediction_shift, recall, auroc } = decide.seed;
        for (key, value) in [
            ("clinical.intercept_margin", intercept_margin),
            ("clinical.slope_margin", slope_margin),
            ("clinical.auroc_margin", auroc_margin),
            ("seed.drift_share", drift_share),
            ("seed.prediction_shift", prediction_shift),
            ("seed.recall", recall),
            ("seed.auroc", auroc),
        ] {
            if !(value.is_finite() && value >= 0.0) {
                let message = format!("{value} is no limit; give a number of 0 or more");
                return Err(ParamError::new(format!("decide.{key}"), message));
            }
        }
        if let Some(text) = &decide.as_of
            && Day::parse(text).is_none()
        {
            return Err(ParamError::new("decide.as_of", format!("`{text}` is no day; {EXPECTED}")));
        }
        if decide.cooldown_days.0 > LONGEST {
            let message = format!("{} days are no cool-down; give at most {LONGEST}", decide.cooldown_days.0);
            return Err(ParamError::new("decide.cooldown_days", message));
        }
        Ok(decide)
    }
}
