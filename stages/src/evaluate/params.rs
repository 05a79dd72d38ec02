//! `evaluate` in params.yaml.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::slices::{self, OverTime, SliceBy};
use crate::{ParamError, ParamSet};

/// How intervals are made, and by what rows are told apart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EvaluateParams {
    /// Resamples of the patient bootstrap; at least 100.
    pub bootstrap: usize,
    /// Level of all intervals, above 0 and below 1.
    pub confidence: f64,
    /// Columns of the raw table by whose levels the model is reported, whether or not it uses them.
    pub slices: Vec<SliceBy>,
    /// The time column by whose periods the model is reported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub over_time: Option<OverTime>,
}

impl Default for EvaluateParams {
    fn default() -> Self {
        Self { bootstrap: 2000, confidence: 0.95, slices: Vec::new(), over_time: None }
    }
}

impl EvaluateParams {
    /// Reads and checks `evaluate` of the declared parameters.
    pub fn parse(params: &ParamSet) -> Result<Self, ParamError> {
        let evaluate: Self = params.parse_or_default("evaluate")?;
        if !(100..=1_000_000).contains(&evaluate.bootstrap) {
            let message = format!("{} resamples: give 100 to 1000000", evaluate.bootstrap);
            return Err(ParamError::new("evaluate.bootstrap", message));
        }
        if !(evaluate.confidence > 0.0 && evaluate.confidence < 1.0) {
            let message = format!("{} is not a level between 0 and 1", evaluate.confidence);
            return Err(ParamError::new("evaluate.confidence", message));
        }
        slices::check(&evaluate.slices, evaluate.over_time.as_ref())?;
        Ok(evaluate)
    }
}
