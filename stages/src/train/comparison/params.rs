//! `train.comparison` in params.yaml.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ParamError;

/// How candidates are compared with each other, where the role `comparison` is bound.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ComparisonParams {
    /// Resamples of patients; 100 to 100,000.
    pub bootstrap: usize,
    /// Level of the intervals, above 0 and below 1.
    pub confidence: f64,
}

impl Default for ComparisonParams {
    fn default() -> Self {
        Self { bootstrap: 1000, confidence: 0.95 }
    }
}

impl ComparisonParams {
    /// Checks the values.
    pub(in crate::train) fn check(self) -> Result<(), ParamError> {
        let at = |key: &str, message: String| Err(ParamError::new(format!("train.comparison.{key}"), message));
        if !(100..=100_000).contains(&self.bootstrap) {
            return at("bootstrap", format!("{} resamples: give 100 to 100000", self.bootstrap));
        }
        if !(self.confidence > 0.0 && self.confidence < 1.0) {
            return at("confidence", format!("{} is not a level between 0 and 1", self.confidence));
        }
        Ok(())
    }
}
