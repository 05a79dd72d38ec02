//! The parameters of `validate`: how strict each rule is, and rules across columns and rows.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::cross::{Check, Monotone};
use crate::ParamError;
use crate::common::schema::{ColumnType, Schema};
use crate::common::text::suggestion;

/// `validate` in params.yaml.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ValidateParams {
    /// Share of rows that may break a rule before the run fails; such rows are set aside.
    #[serde(default = "default_max_fail")]
    pub max_fail: f64,
    /// Rows that may break a rule whatever their share. When absent: one, so that a single bad row never stops a
    /// study, or none when `max_fail` is 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_rows: Option<u64>,
    /// Instead of the defaults, by column.
    #[serde(default)]
    pub columns: BTreeMap<String, Strictness>,
    /// Rules across columns and rows.
    #[serde(default)]
    pub rules: Vec<CrossRule>,
    /// Columns by which the report compares how many rows are set aside; the outcome always is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subgroups: Vec<String>,
}

/// How strict the rules of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Strictness {
    /// What a failure means.
    #[serde(default)]
    pub level: Level,
    /// Share of rows that may fail; by default that of `validate.max_fail`.
    #[serde(default)]
    pub max_fail: Option<f64>,
    /// Rows that may fail whatever their share; by default as `validate.max_rows`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_rows: Option<u64>,
    /// Share of rows that may lack a value of a nullable column. No row is set aside for it; beyond it the run fails,
    /// or warns at the level `warning`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_missing: Option<f64>,
}

/// What a failing row means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// It is reported; the row stays.
    Warning,
    /// It is set aside; too many of them fail the run.
    #[default]
    Error,
    /// It fails the run.
    Critical,
}

impl Level {
    /// Whether a row that breaks the rule may not be used.
    pub fn refuses(self) -> bool {
        self >= Self::Error
    }
}

/// A rule across columns or rows: a name and exactly one of `check`, `order`, `unique` and `monotone`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [
    {"required": ["check"]}, {"required": ["order"]}, {"required": ["unique"]}, {"required": ["monotone"]},
]))]
pub struct CrossRule {
    /// What the report calls it.
    pub name: String,
    /// `column op column` or `column op number`; op is one of `<= < >= > == !=`. Also kept by every row that is scored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<String>,
    /// Columns whose values must not descend from one to the next within a row: numbers, or dates written 2024-03-01.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<Vec<String>>,
    /// Columns whose values together name a row: no two rows may share them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unique: Option<Vec<String>>,
    /// A column that must not descend (or not ascend) within a patient.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monotone: Option<Monotone>,
    /// What a failure means.
    #[serde(default)]
    pub level: Level,
    /// Share of rows that may fail; by default that of `validate.max_fail`.
    #[serde(default)]
    pub max_fail: Option<f64>,
    /// Rows that may fail whatever their share; by default as `validate.max_rows`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_rows: Option<u64>,
}

/// How many rows may break a rule before it counts as failed: the larger of a share and a number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Tolerance {
    /// Share of the rows on which the rule could be judged.
    pub share: f64,
    /// Rows.
    pub rows: u64,
}

impl Tolerance {
    /// Tolerates nothing.
    pub const NONE: Self = Self { share: 0.0, rows: 0 };

    /// Whether so many failures of so many rows are within it.
    pub fn allows(self, failed: usize, evaluated: usize) -> bool {
        failed as u64 <= self.rows || failed as f64 <= self.share * evaluated as f64
    }
}

fn default_max_fail() -> f64 {
    0.01
}

impl Default for ValidateParams {
    fn default() -> Self {
        Self {
            max_fail: default_max_fail(),
            max_rows: None,
            columns: BTreeMap::new(),
            rules: Vec::new(),
            subgroups: Vec::new(),
        }
    }
}

impl ValidateParams {
    /// Checks the values; the rules come parsed.
    pub(super) fn check(&self, schema: &Schema) -> Result<Vec<Check>, ParamError> {
        share("validate.max_fail", Some(self.max_fail))?;
        for (name, strictness) in &self.columns {
            let at = format!("validate.columns.{name}");
            known(name, schema).map_err(|message| ParamError::new(&at, message))?;
            tolerance_of(&at, strictness.level, strictness.max_fail, strictness.max_rows)?;
            share(&format!("{at}.max_missing"), strictness.max_missing)?;
        }
        for (index, name) in self.subgroups.iter().enumerate() {
            let at = |message| ParamError::new(format!("validate.subgroups.{index}"), message);
            known(name, schema).map_err(at)?;
            if schema.columns.get(name).is_some_and(|column| column.kind == ColumnType::Text) {
                return Err(at(format!("`{name}` is free text; subgroups are made of categories and numbers")));
            }
        }
        let mut parsed = Vec::new();
        for (index, rule) in self.rules.iter().enumerate() {
            let at = format!("validate.rules.{index}");
            tolerance_of(&at, rule.level, rule.max_fail, rule.max_rows)?;
            parsed.push(rule.parse(&at, schema)?);
        }
        Ok(parsed)
    }

    /// Level and tolerance of the rules of a column.
    pub(super) fn strictness(&self, name: &str) -> (Level, Tolerance) {
        let given = self.columns.get(name).copied().unwrap_or_default();
        (given.level, self.tolerance(given.level, given.max_fail, given.max_rows))
    }

    /// The tolerance of a rule that names its own share or number of rows, or takes the study's.
    pub(super) fn tolerance(&self, level: Level, max_fail: Option<f64>, max_rows: Option<u64>) -> Tolerance {
        if level == Level::Critical {
            return Tolerance::NONE;
        }
        let share = max_fail.unwrap_or(self.max_fail);
        let usual = u64::from(share > 0.0);
        // A number given for the whole study does not soften a rule that says 0.
        let general = if max_fail == Some(0.0) { None } else { self.max_rows };
        Tolerance { share, rows: max_rows.or(general).unwrap_or(usual) }
    }
}

impl CrossRule {
    /// The rule as it is judged.
    fn parse(&self, at: &str, schema: &Schema) -> Result<Check, ParamError> {
        let Self { check, order, unique, monotone, .. } = self;
        let given = [check.is_some(), order.is_some(), unique.is_some(), monotone.is_some()];
        if given.iter().filter(|given| **given).count() != 1 {
            let message = "needs exactly one of `check`, `order`, `unique` and `monotone`";
            return Err(ParamError::new(at, message));
        }
        if let Some(text) = check {
            return Check::compare(text, schema).map_err(|message| ParamError::new(format!("{at}.check"), message));
        }
        if let Some(columns) = order {
            return Check::order(columns, schema).map_err(|message| ParamError::new(format!("{at}.order"), message));
        }
        if let Some(columns) = unique {
            return Check::unique(columns, schema).map_err(|message| ParamError::new(format!("{at}.unique"), message));
        }
        let monotone = monotone.clone().unwrap_or_default();
        Check::monotone(monotone, schema)
            .map_err(|(key, message)| ParamError::new(format!("{at}.monotone.{key}"), message))
    }

    /// The comparisons within a row that it stands for, as rows to be scored must keep them; none for a rule across
    /// rows or of dates.
    pub(crate) fn comparisons(&self, schema: &Schema) -> Vec<String> {
        let number =
            |name: &String| schema.columns.get(name).is_some_and(crate::common::schema::ColumnSchema::is_numeric);
        match (&self.check, &self.order) {
            (Some(check), _) => vec![check.clone()],
            (None, Some(columns)) if columns.iter().all(number) => {
                columns.windows(2).map(|pair| format!("{} <= {}", pair[0], pair[1])).collect()
            }
            _ => Vec::new(),
        }
    }
}

/// Checks that a column is in the schema.
pub(super) fn known(name: &str, schema: &Schema) -> Result<(), String> {
    if schema.columns.contains_key(name) {
        return Ok(());
    }
    let near = suggestion(name, schema.columns.keys().map(String::as_str));
    Err(format!("`{name}` is not a column of the schema{near}"))
}

fn share(path: &str, share: Option<f64>) -> Result<(), ParamError> {
    match share {
        Some(share) if !(0.0..=1.0).contains(&share) => {
            Err(ParamError::new(path, format!("{share} is not a share between 0 and 1")))
        }
        _ => Ok(()),
    }
}

fn tolerance_of(at: &str, level: Level, max_fail: Option<f64>, max_rows: Option<u64>) -> Result<(), ParamError> {
    share(&format!("{at}.max_fail"), max_fail)?;
    let tolerates = max_fail.is_some_and(|share| share > 0.0) || max_rows.is_some_and(|rows| rows > 0);
    if level == Level::Critical && tolerates {
        let message = "`critical` tolerates no row; leave out `max_fail` and `max_rows`, or say `level: error`";
        return Err(ParamError::new(format!("{at}.level"), message));
    }
    Ok(())
}
