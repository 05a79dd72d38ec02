//! drift.json: what somebody has to hear.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::drift::params::Escalation;

/// How bad it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nothing to report.
    #[default]
    None,
    /// A column drifted.
    Low,
    /// Many did, or the scores.
    High,
    /// A critical column drifted.
    Critical,
}

/// One alarm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alarm {
    /// `column`, `critical_column`, `dataset`, `attention`, `prediction`.
    pub rule: String,
    /// The column, or the table.
    pub subject: String,
    /// How bad it is.
    pub severity: Severity,
    /// What was found.
    pub message: String,
}

/// What somebody has to hear.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alert {
    /// Whether there is any alarm.
    pub triggered: bool,
    /// The alarms, the worst first.
    pub alerts: Vec<Alarm>,
    /// The worst of them.
    pub severity: Severity,
    /// What is to be done.
    pub action: String,
    /// By whom, and how soon; null without an alarm.
    pub escalation: Option<Escalation>,
}
