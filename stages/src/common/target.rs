//! What kind of outcome a study predicts.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The kind of the outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Task {
    /// An event that happens (1) or not (0); models answer with its probability.
    #[default]
    Binary,
    /// A number; models answer with its expected value.
    Continuous,
}

impl fmt::Display for Task {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str(match self {
            Self::Binary => "an event",
            Self::Continuous => "a number",
        })
    }
}
