//! Turns the model's probabilities into calibrated ones, on out-of-fold predictions only.

mod calibrator;

use serde::{Deserialize, Serialize};

pub use calibrator::Calibrator;

/// calibrator.json.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CalibratorFile {
    /// Version of this format: 1.
    pub schema_version: u32,
    /// Why this method.
    pub reason: String,
    /// Out-of-fold predictions it was fitted on.
    pub n: u64,
    /// Events among them.
    pub events: u64,
    /// The fitted function.
    pub calibrator: Calibrator,
}
