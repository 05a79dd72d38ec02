//! `leakage` in params.yaml: levels, bounds and waivers, and what can be said against them without data.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::report::Check;
use crate::common::schema::Schema;
use crate::common::text::list;
use crate::{ParamError, ParamSet};

/// `leakage` in params.yaml.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LeakageParams {
    /// The chance that a study without a leak is found to have one: the family-wise level of all tests together.
    pub level: f64,
    /// The least AUROC of a single feature (or 1 minus it) that is a finding.
    pub feature_auroc: f64,
    /// The least AUROC of whether a value is missing that is a finding.
    pub missingness_auroc: f64,
    /// The least AUROC of the place in the file, or in the order of the ids, that is a finding.
    pub order_auroc: f64,
    /// The least mean AUROC on permuted outcomes, held-out rows only, that is a finding.
    pub permuted_auroc: f64,
    /// How often the outcomes are permuted; 0 leaves that check out.
    pub permutations: usize,
    /// Findings that somebody answers for.
    pub waivers: Vec<Waiver>,
}

/// A finding that somebody answers for. It stays in every report, with the name and the reason.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Waiver {
    /// The check that found it.
    pub check: Check,
    /// The column that it concerns; absent: every finding of the check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// Who answers for it.
    pub who: String,
    /// Why it is no leak, or why it is accepted.
    pub why: String,
}

impl Default for LeakageParams {
    fn default() -> Self {
        Self {
            level: 0.001,
            feature_auroc: 0.95,
            missingness_auroc: 0.8,
            order_auroc: 0.65,
            permuted_auroc: 0.54,
            permutations: 10,
            waivers: Vec::new(),
        }
    }
}

/// More permutations would take longer than training.
const MOST_PERMUTATIONS: usize = 1000;

impl LeakageParams {
    fn check(&self, schema: &Schema) -> Result<(), ParamError> {
        let at = |key: &str, message: String| Err(ParamError::new(format!("leakage.{key}"), message));
        if !(self.level > 0.0 && self.level <= 0.5) {
            return at("level", format!("{} is no level; it must be above 0 and at most 0.5", self.level));
        }
        for (key, value) in [
            ("feature_auroc", self.feature_auroc),
            ("missingness_auroc", self.missingness_auroc),
            ("order_auroc", self.order_auroc),
            ("permuted_auroc", self.permuted_auroc),
        ] {
            if !(value > 0.5 && value <= 1.0) {
                return at(key, format!("{value} is no bound; it must be above 0.5 and at most 1"));
            }
        }
        if self.permutations > MOST_PERMUTATIONS {
            return at("permutations", format!("{} is more than {MOST_PERMUTATIONS}", self.permutations));
        }
        self.waivers.iter().enumerate().try_for_each(|(index, waiver)| waiver.check(index, schema))
    }
}

impl Waiver {
    fn check(&self, index: usize, schema: &Schema) -> Result<(), ParamError> {
        for (key, text, what) in [("who", &self.who, "who answers for it"), ("why", &self.why, "the reason")] {
            if text.trim().is_empty() {
                return Err(ParamError::new(format!("leakage.waivers.{index}.{key}"), format!("must say {what}")));
            }
        }
        // Derived features are unknown here; the stage finds out whether a waiver matches.
        match &self.column {
            Some(column) if column.trim().is_empty() => {
                let message = format!("must name a column, such as {}", columns(schema));
                Err(ParamError::new(format!("leakage.waivers.{index}.column"), message))
            }
            _ => Ok(()),
        }
    }

    /// What it waives, in words.
    pub(super) fn describe(&self) -> String {
        match &self.column {
            Some(column) => format!("`{}` of `{column}`", self.check.as_str()),
            None => format!("`{}`", self.check.as_str()),
        }
    }
}

fn columns(schema: &Schema) -> String {
    list(schema.columns.keys().map(String::as_str), 3)
}

/// The schema and the stage's own parameters.
pub(super) fn parse(params: &ParamSet) -> Result<(Schema, LeakageParams), ParamError> {
    let schema: Schema = params.parse("schema")?;
    schema.check()?;
    let leakage: LeakageParams = params.parse_or_default("leakage")?;
    leakage.check(&schema)?;
    Ok((schema, leakage))
}
