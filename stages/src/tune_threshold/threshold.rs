//! The frozen threshold: what was chosen, by which rule, on which predictions, and what it is expected to do.

use serde::{Deserialize, Serialize};

use super::params::Policy;

/// Which kind of decision the threshold makes on the rows it was chosen on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// It flags some rows and leaves others.
    Cutoff,
    /// It flags every row: the model adds nothing to flagging everyone.
    FlagAll,
    /// It flags no row: the model adds nothing to leaving everyone alone.
    FlagNone,
}

/// What a threshold is expected to do, per the predictions it was chosen on. Shares are of all rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// Flagged rows per 1,000.
    pub flagged_per_1000: f64,
    /// Mean cost per 1,000 rows; null without a cost table.
    pub cost_per_1000: Option<f64>,
    /// The same if everyone were flagged.
    pub flag_all_cost_per_1000: Option<f64>,
    /// The same if no one were flagged.
    pub flag_none_cost_per_1000: Option<f64>,
    /// F-beta; null when nothing is flagged and nothing happened.
    pub fbeta: Option<f64>,
    /// Flagged events among events; null without events.
    pub sensitivity: Option<f64>,
    /// Events among flagged rows; null when nothing is flagged.
    pub ppv: Option<f64>,
    /// Net benefit per row at this threshold.
    pub net_benefit: Option<f64>,
}

/// threshold.json. A row is flagged when its calibrated probability is at least `value`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Threshold {
    /// Version of this format: 1.
    pub schema_version: u32,
    /// The policy as configured.
    pub policy: Policy,
    /// The threshold: 0 flags everyone, [`FLAG_NONE`] (just above 1) flags no one.
    pub value: f64,
    /// What it does on the rows it was chosen on.
    pub decision: Decision,
    /// Which predictions it was chosen on.
    pub part_used: String,
    /// Rows it was chosen on.
    pub n: u64,
    /// Events among them.
    pub events: u64,
    /// What it is expected to do.
    pub expected: Expected,
    /// The choice in one sentence, for people.
    pub note: String,
}

/// The threshold that no probability reaches: the next number above 1.
pub const FLAG_NONE: f64 = 1.0 + f64::EPSILON;

impl Threshold {
    /// Whether a calibrated probability is flagged.
    pub fn flags(&self, p: f64) -> bool {
        p >= self.value
    }
}
