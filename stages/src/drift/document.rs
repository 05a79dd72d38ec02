//! drift.json: the types of the report.
//!
//! Invariant: what is null for being small has a `reason` beside or above it; every other null is a question that was
//! not asked (a role that is not bound, a measure that the kind of a column has not).

mod alert;
mod performance;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use alert::{Alarm, Alert, Severity};
pub use performance::{Estimated, Measures, Performance, PerformanceStatus};

use super::params::{DatasetLimits, EffectLimits, Window};
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Side {
    /// Rows with a value; null when these or those without one are few.
    pub n: Cell,
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
    /// Population stability index; bins or levels whose shares are null count as one in it.
    pub psi: Option<f64>,
    /// Jensen–Shannon distance, base 2; as `psi`.
    pub jensen_shannon: Option<f64>,
    /// The test that the distribution is the same.
    pub test: Test,
    /// Why something here is null or told coarsely, when it is for being small.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
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
    /// Why something here is null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Levels that the reference does not have.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unseen {
    /// How many such levels there are; null with `rows`.
    pub levels: Cell,
    /// Current rows with them.
    pub rows: Cell,
    /// Their share; null when it would tell of few.
    pub share: Option<f64>,
    /// Share of rows with a rare level in the reference, which are not told apart there; null when they are few.
    pub reference: Option<f64>,
    /// Levels that are common enough to be named, with their rows; without the least of them where the rows of the
    /// others would follow.
    pub named: BTreeMap<String, u64>,
    /// The test that the share is the same.
    pub test: Test,
    /// Why something here is null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
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
    /// Mean score minus that of the reference; null of few rows.
    pub mean_difference: Option<f64>,
    /// Flagged rows of 1,000, as expected when the threshold was chosen; null when the bundle has none.
    pub flagged_per_1000_reference: Option<f64>,
    /// Flagged rows of 1,000 now; null of few rows.
    pub flagged_per_1000: Option<f64>,
    /// Why something here is null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
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
    /// Population stability index of the scores, as `scores` tells it.
    pub prediction_shift: Option<f64>,
}
