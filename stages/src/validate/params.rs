//! The parameters of `validate`: how strict each rule is, and rules across columns.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::compare::Comparison;
use crate::ParamError;
use crate::common::schema::Schema;
use crate::common::text::suggestion;

/// `validate` in params.yaml.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ValidateParams {
    /// Share of rows that may break a rule of a measurement before the run fails. Rules of the id, the patient and the
    /// outcome tolerate nothing unless `columns` says so.
    #[serde(default = "default_max_fail")]
    pub max_fail: f64,
    /// Instead of the defaults, by column.
    #[serde(default)]
    pub columns: BTreeMap<String, Strictness>,
    /// Rules across columns.
    #[serde(default)]
    pub rules: Vec<CrossRule>,
}

/// How strict the rules of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Strictness {
    /// What a failure means.
    #[serde(default)]
    pub level: Level,
    /// Share of rows that may fail.
    #[serde(default)]
    pub max_fail: Option<f64>,
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
}

/// A rule across columns: `check: last_visit_day <= days_in_trial`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CrossRule {
    /// What the report calls it.
    pub name: String,
    /// `column op column` or `column op number`; op is one of `<= < >= > == !=`.
    pub check: String,
    /// What a failure means.
    #[serde(default)]
    pub level: Level,
    /// Share of rows that may fail; by default that of `validate.max_fail`.
    #[serde(default)]
    pub max_fail: Option<f64>,
}

fn default_max_fail() -> f64 {
    0.01
}

impl Default for ValidateParams {
    fn default() -> Self {
        Self { max_fail: default_max_fail(), columns: BTreeMap::new(), rules: Vec::new() }
    }
}

impl ValidateParams {
    /// Checks the values; the comparisons come parsed.
    pub(super) fn check(&self, schema: &Schema) -> Result<Vec<Comparison>, ParamError> {
        let share = |path: String, share: Option<f64>| match share {
            Some(share) if !(0.0..=1.0).contains(&share) => {
                Err(ParamError::new(path, format!("{share} is not a share between 0 and 1")))
            }
            _ => Ok(()),
        };
        share("validate.max_fail".to_owned(), Some(self.max_fail))?;
        for (name, strictness) in &self.columns {
            if !schema.columns.contains_key(name) {
                let near = suggestion(name, schema.columns.keys().map(String::as_str));
                let message = format!("`{name}` is not a column of the schema{near}");
                return Err(ParamError::new(format!("validate.columns.{name}"), message));
            }
            share(format!("validate.columns.{name}.max_fail"), strictness.max_fail)?;
        }
        let mut parsed = Vec::new();
        for (index, rule) in self.rules.iter().enumerate() {
            share(format!("validate.rules.{index}.max_fail"), rule.max_fail)?;
            let comparison = Comparison::parse(&rule.check, schema);
            parsed.push(comparison.map_err(|text| ParamError::new(format!("validate.rules.{index}.check"), text))?);
        }
        Ok(parsed)
    }

    /// Level and tolerance of the rules of a column.
    pub(super) fn strictness(&self, name: &str, schema: &Schema) -> (Level, f64) {
        let given = self.columns.get(name).copied().unwrap_or_default();
        let identity = [schema.id.as_deref(), schema.group.as_deref(), Some(schema.target.column.as_str())];
        let usual = if identity.contains(&Some(name)) { 0.0 } else { self.max_fail };
        (given.level, given.max_fail.unwrap_or(usual))
    }
}
