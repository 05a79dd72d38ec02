//! `validation.json`: what every rule found, who was set aside, and what a reader should look at first.
//!
//! Counts of broken cells are about data, and are told in full. Counts that cross being set aside with something of a
//! patient, and values out of rows, are told as far as `privacy.min_cell` allows.

use serde::{Deserialize, Serialize};

use super::params::Level;
use crate::common::privacy::Cell;
use crate::common::units::Converted;

/// The version of the format of `validation.json`.
pub const SCHEMA_VERSION: u32 = 2;

/// `validation.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValidationReport {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// Rows of the ingested table.
    pub read: usize,
    /// Rows that went on.
    pub passed: usize,
    /// Rows that were set aside; with `passed` they make `read`.
    pub quarantined: usize,
    /// Rows with the event among those that went on; null when a number is predicted.
    pub events: Option<usize>,
    /// What to look at, in sentences; empty when there is nothing.
    pub warnings: Vec<String>,
    /// Counts below this are left out below.
    pub min_cell: u64,
    /// Whether rows of one outcome were set aside more often than those of another.
    pub by_outcome: Selection,
    /// The same for the columns of `validate.subgroups`.
    pub by_subgroup: Vec<Selection>,
    /// Values that were converted to the schema's units.
    pub converted: Vec<Converted>,
    /// One record per rule and column.
    pub rules: Vec<RuleRecord>,
}

/// How being set aside goes with one column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Selection {
    /// The column.
    pub column: String,
    /// Its levels in name order; last `missing or unusable`: rows without a value, or set aside for it.
    pub levels: Vec<LevelCount>,
    /// Highest less lowest share set aside, among levels of `min_cell` rows or more; null when there are fewer than two,
    /// or a share among them is not told.
    pub gap: Option<f64>,
    /// The chance of such a difference if being set aside had nothing to do with the column; null without a test, and
    /// where a share is not told.
    pub p_value: Option<f64>,
    /// `chi-square`; `fisher` where it expects fewer than 5 in a cell; `fisher-bonferroni` when there are more than two
    /// levels then, each tested against the rest; null without a test.
    pub method: Option<String>,
    /// Why something is null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whether p is below 0.01 and the gap wider than 2 points.
    pub selective: bool,
}

/// The rows of one level; null stands for counts that are too small to be told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LevelCount {
    /// A value of the column, a quarter of the rows of a number, or `missing or unusable`.
    pub level: String,
    /// Rows.
    pub read: Cell,
    /// Rows that were set aside.
    pub quarantined: Cell,
    /// Their share.
    pub rate: Option<f64>,
    /// Why something is null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What a rule found in a column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleRecord {
    /// `type`, `nullable`, `outcome`, `range`, `levels`, `pattern`, `unique`, `max_missing`, `unit`, or the name of a
    /// rule across columns or rows.
    pub rule: String,
    /// The column, or what the rule across columns says.
    pub subject: String,
    /// What a failure means.
    pub level: Level,
    /// Rows on which it could be judged.
    pub n_evaluated: usize,
    /// Rows that break it.
    pub n_failed: usize,
    /// Their share; null when it could be judged on no row.
    pub fraction: Option<f64>,
    /// Share that is tolerated.
    pub max_fail: f64,
    /// Rows that are tolerated whatever their share.
    pub max_rows: u64,
    /// The first rows that break it, at most 5.
    pub example_row_ids: Vec<i64>,
    /// The most frequent values that break it, at most 5, each of `min_cell` rows or more.
    pub example_values: Vec<ValueCount>,
    /// Something to know about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// How it came out.
    pub status: Status,
}

/// A value and how many rows have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValueCount {
    /// As text.
    pub value: String,
    /// Rows.
    pub rows: u64,
}

/// How a rule came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// No row breaks it.
    Passed,
    /// Some do, within the tolerance.
    Tolerated,
    /// Too many do, but it is only a warning.
    Warning,
    /// Too many do.
    Failed,
}
