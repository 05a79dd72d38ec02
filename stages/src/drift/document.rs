//! drift.json: the types of the report.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::params::{DatasetLimits, EffectLimits, Escalation, Window};
use crate::common::interval::Estimate;
use crate::common::privacy::Cell;

/// drift.json.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DriftReport {
    /// Version of this format: 1.
    pub schema_version: u32,
    /// The day of the look, as its parameter says.
    pub as_of: Option<String>,
    /// BLAKE3 of the bundle's manifest.
    pub bundle: String,
    /// What the current data are compared with.
    pub reference: Reference,
    /// What is compared.
    pub current: CurrentRows,
    /// The rules that were applied.
    pub rules: Rules,
    /// One entry for every raw column that the model reads, in name order.
    pub columns: Vec<ColumnDrift>,
    /// The scores; null with a reason in `notes` when there is nothing to compare.
    pub scores: Option<ScoreDrift>,
    /// The table as a whole.
    pub dataset: Dataset,
    /// What the model is worth on these rows, as far as outcomes are known.
    pub performance: Performance,
    /// What somebody has to hear.
    pub alert: Alert,
    /// What could not be done, and why.
    pub notes: Vec<String>,
}

/// The reference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// `bundle` for the frozen profile of the training rows, `table` for rows given beside it.
    pub columns: ReferenceKind,
    /// Its rows.
    pub n: u64,
}

/// Where the reference of the columns comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReferenceKind {
    /// The profile in reference.json.
    Bundle,
    /// The rows of the role `reference`.
    Table,
}

/// The current rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CurrentRows {
    /// `table`, or `log` of predictions.
    pub kind: CurrentKind,
    /// Which of them count.
    pub window: Option<Window>,
    /// Rows, or lines of a log, that were read.
    pub read: u64,
    /// Rows in the window that are compared.
    pub n: u64,
    /// Of those, rows with a score.
    pub scored: u64,
    /// Lines of a log that are left aside, by what they are.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub left_aside: BTreeMap<String, u64>,
}

/// What kind of data the current rows are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CurrentKind {
    /// A table of raw rows, scored here by the bundle.
    Table,
    /// The log of predictions of `clinpipe serve`.
    Log,
}

/// The rules that were applied.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// The level of adjusted p-values.
    pub alpha: f64,
    /// How p-values are adjusted: `benjamini-hochberg`.
    pub adjustment: String,
    /// How many tests were adjusted together.
    pub tests: usize,
    /// Fewest rows of a column that can raise an alarm.
    pub min_rows: u64,
    /// Effects that count as large.
    pub limits: EffectLimits,
    /// Limits of the table as a whole.
    pub dataset: DatasetLimits,
    /// Columns in which any drift is critical.
    pub critical: Vec<String>,
}

/// One side of a comparison.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Side {
    /// Rows with a value.
    pub n: u64,
    /// Mean of a number.
    pub mean: Option<f64>,
    /// Its standard deviation, n as divisor.
    pub sd: Option<f64>,
    /// Share of each bin or level of [`Bins`]; null where it would tell of few patients.
    pub shares: Vec<Option<f64>>,
}

/// What shares are of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bins {
    /// Inner edges, frozen at training; bin i holds values above edge i − 1 up to and including edge i.
    Edges(Vec<f64>),
    /// Levels; after them one share for all others together.
    Levels(Vec<String>),
}

/// A test of one column.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Test {
    /// `ks-exact`, `ks-asymptotic`, `chi-square`, `fisher`; null without a test.
    pub method: Option<String>,
    /// The two-sided p-value.
    pub p: Option<f64>,
    /// The same, adjusted for all tests of this report.
    pub adjusted: Option<f64>,
    /// Why there is none, or what was done before it could be made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// How far the values of a column moved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Distribution {
    /// The reference.
    pub reference: Side,
    /// The current rows.
    pub current: Side,
    /// What shares are of.
    pub bins: Bins,
    /// Kolmogorov–Smirnov distance of a number.
    pub ks: Option<f64>,
    /// By how much at most `ks` may fall short of the distance of all rows, because the reference is known at some
    /// places only; 0 when it is exact.
    pub ks_resolution: Option<f64>,
    /// Wasserstein distance of a number, in standard deviations of the reference.
    pub wasserstein: Option<f64>,
    /// Population stability index.
    pub psi: Option<f64>,
    /// Jensen–Shannon distance, base 2.
    pub jensen_shannon: Option<f64>,
    /// The test that the distribution is the same.
    pub test: Test,
}

/// How the share of missing values moved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Missing {
    /// Share in the reference.
    pub reference: Option<f64>,
    /// Current rows without a value.
    pub rows: Cell,
    /// Their share; null when it would tell of few.
    pub current: Option<f64>,
    /// The test that the share is the same.
    pub test: Test,
}

/// Levels that the reference does not have.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unseen {
    /// How many such levels there are.
    pub levels: u64,
    /// Current rows with them.
    pub rows: Cell,
    /// Their share; null when it would tell of few.
    pub share: Option<f64>,
    /// Share of rows with a rare level in the reference, which are not told apart there.
    pub reference: f64,
    /// Levels that are common enough to be named, with their rows.
    pub named: BTreeMap<String, u64>,
    /// The test that the share is the same.
    pub test: Test,
}

/// What is said of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Large and significant.
    Drifted,
    /// Neither.
    Stable,
    /// Significant, but below every limit: with enough rows anything is.
    Small,
    /// Beyond a limit, but within what chance does with so few rows.
    Uncertain,
    /// Fewer rows than `min_rows`.
    TooFew,
    /// There is nothing to compare.
    NotCompared,
}

/// One column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnDrift {
    /// Its name.
    pub name: String,
    /// What is said of it.
    pub verdict: Verdict,
    /// Why, in words.
    pub reasons: Vec<String>,
    /// Whether any drift in it is critical.
    pub critical: bool,
    /// Share of the model's attention that features made of it have; null without the role `importance`.
    pub importance: Option<f64>,
    /// Its values; null when there is nothing to compare.
    pub distribution: Option<Distribution>,
    /// Its gaps.
    pub missing: Option<Missing>,
    /// Its new levels, when it is a category.
    pub unseen: Option<Unseen>,
}

/// The scores.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScoreDrift {
    /// As of a column.
    pub verdict: Verdict,
    /// Why, in words.
    pub reasons: Vec<String>,
    /// The calibrated probabilities beside those of the training rows when they were left out.
    pub distribution: Distribution,
    /// Mean score minus that of the reference.
    pub mean_difference: Option<f64>,
    /// Flagged rows of 1,000, as expected when the threshold was chosen; null when the bundle has none.
    pub flagged_per_1000_reference: Option<f64>,
    /// Flagged rows of 1,000 now.
    pub flagged_per_1000: Option<f64>,
}

/// The table as a whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dataset {
    /// Columns that could be compared.
    pub compared: u64,
    /// Columns that drifted.
    pub drifted: u64,
    /// Their share; null when none could be compared.
    pub share: Option<f64>,
    /// The share of the model's attention that drifted columns have; null without the role `importance`.
    pub weighted_share: Option<f64>,
    /// Population stability index of the scores.
    pub prediction_shift: Option<f64>,
}

/// What is known of performance. Unknown is never healthy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PerformanceStatus {
    /// Measured on outcomes that have come in.
    Measured,
    /// Outcomes are missing, or too few for an interval.
    Unknown,
}

/// What the model is worth on these rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Performance {
    /// Whether it is known.
    pub status: PerformanceStatus,
    /// Why it is not.
    pub reason: Option<String>,
    /// Scored rows.
    pub predictions: u64,
    /// Of those, rows whose outcome is known.
    pub labelled: u64,
    /// Rows whose outcome is not known, or not known to be theirs.
    pub unlabelled: u64,
    /// Patients among the labelled rows.
    pub patients: u64,
    /// Events among the labelled rows.
    pub events: Option<u64>,
    /// The threshold of what follows.
    pub threshold: Option<f64>,
    /// What was measured; null without outcomes.
    pub measured: Option<Measures>,
    /// What was measured when the model was evaluated; null without the role `metrics`.
    pub reference: Option<Measures>,
    /// What calibrated probabilities say of it before outcomes are known.
    pub estimated: Option<Estimated>,
}

/// Measures of performance with their intervals.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measures {
    /// Area under the ROC curve.
    pub auroc: Estimate,
    /// Calibration in the large; 0 is perfect.
    pub calibration_intercept: Estimate,
    /// Calibration slope; 1 is perfect.
    pub calibration_slope: Estimate,
    /// Mean squared error of the probabilities.
    pub brier: Estimate,
    /// Net benefit per row at the threshold.
    pub net_benefit: Estimate,
    /// Flagged events among events.
    pub sensitivity: Estimate,
}

/// Performance expected from the probabilities alone (confidence-based estimation).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Estimated {
    /// What has to hold for these numbers to mean anything.
    pub assumption: String,
    /// Expected events.
    pub events: f64,
    /// Expected area under the ROC curve; null when everyone has the same probability.
    pub auroc: Option<f64>,
    /// Expected Brier score.
    pub brier: f64,
    /// Expected net benefit per row at the threshold.
    pub net_benefit: Option<f64>,
    /// Expected share of flagged events among events.
    pub sensitivity: Option<f64>,
}

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
