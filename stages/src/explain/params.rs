//! `explain` in params.yaml.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ParamError, ParamSet};

/// Which rows are explained and how much is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ExplainParams {
    /// How many rows of the part are explained, drawn at random by the study's seed; all when it has fewer.
    pub rows: usize,
    /// How many features the report and the pictures show; importance.csv lists all.
    pub top: usize,
    /// The part of the split that the rows come from.
    pub part: ExplainedPart,
}

/// A part of the split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ExplainedPart {
    /// Rows that the model has not seen.
    #[default]
    Test,
    /// Rows that it was trained on.
    Train,
}

impl ExplainedPart {
    /// The name in split.parquet.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Test => "test",
            Self::Train => "train",
        }
    }
}

impl Default for ExplainParams {
    fn default() -> Self {
        Self { rows: 1000, top: 20, part: ExplainedPart::Test }
    }
}

impl ExplainParams {
    /// Reads and checks `explain` of the declared parameters.
    pub fn parse(params: &ParamSet) -> Result<Self, ParamError> {
        let explain: Self = params.parse_or_default("explain")?;
        if !(1..=1_000_000).contains(&explain.rows) {
            return Err(ParamError::new("explain.rows", format!("{} rows: give 1 to 1000000", explain.rows)));
        }
        if !(1..=100).contains(&explain.top) {
            return Err(ParamError::new("explain.top", format!("{} features: give 1 to 100", explain.top)));
        }
        Ok(explain)
    }
}
