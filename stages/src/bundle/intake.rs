//! intake.json: how raw rows are read and judged before they are scored, as training read and judged its own.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::record::FieldError;
use crate::ParamError;
use crate::common::frame::Frame;
use crate::common::schema::{AvailableAt, Schema};
use crate::ingest::RawFormat;
use crate::train::SeenCombinations;
use crate::validate::{Comparison, CrossRule, Level};

/// The version of this format.
pub const SCHEMA_VERSION: u32 = 1;

/// intake.json.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Intake {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// How raw files are written.
    pub format: RawFormat,
    /// The study's rules across columns.
    pub rules: Vec<IntakeRule>,
}

/// A rule across columns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IntakeRule {
    /// Its name.
    pub name: String,
    /// The rule, in the grammar of `validate`.
    pub check: String,
    /// Whether a row that breaks it is refused or remarked on.
    pub level: Level,
}

impl Intake {
    /// What the parameters of `ingest` and `validate` mean for rows to be scored. Tolerances concern tables only: one
    /// row keeps a rule or breaks it.
    pub fn new(format: RawFormat, rules: &[CrossRule], schema: &Schema) -> Self {
        // A row alone breaks no rule of many rows, and one that is refused is refused, whatever the run would do.
        let level = |rule: &CrossRule| if rule.level.refuses() { Level::Error } else { Level::Warning };
        let rules = rules.iter().flat_map(|rule| {
            let checks = rule.comparisons(schema).into_iter();
            checks.map(move |check| IntakeRule { name: rule.name.clone(), check, level: level(rule) })
        });
        Self { schema_version: SCHEMA_VERSION, format, rules: rules.collect() }
    }
}

/// The rules that can be judged before the outcome is known, ready to be used.
#[derive(Debug, Clone, Default)]
pub(super) struct Rules {
    declared: Vec<(IntakeRule, Comparison)>,
    learned: Vec<SeenCombinations>,
}

impl Rules {
    /// Reads the rules; those that look at the outcome, or at what is known only after it, are left aside.
    pub fn new(schema: &Schema, rules: &[IntakeRule]) -> Result<Self, ParamError> {
        let known = |name: &str| {
            name != schema.target.column
                && schema.columns.get(name).is_some_and(|column| column.available_at != AvailableAt::Post)
        };
        let mut parsed = Vec::new();
        for rule in rules {
            let comparison = Comparison::parse(&rule.check, schema);
            let comparison = comparison.map_err(|text| ParamError::new(format!("rules.{}", rule.name), text))?;
            if comparison.columns().all(known) {
                parsed.push((rule.clone(), comparison));
            }
        }
        Ok(Self { declared: parsed, learned: Vec::new() })
    }

    /// Adds the rules that training learned.
    pub fn learn(&mut self, combinations: Vec<SeenCombinations>) {
        self.learned.extend(combinations);
    }

    /// The rules that training learned.
    pub fn learned(&self) -> &[SeenCombinations] {
        &self.learned
    }

    /// The declared rules themselves.
    pub fn list(&self) -> impl Iterator<Item = &IntakeRule> {
        self.declared.iter().map(|(rule, _)| rule)
    }

    /// The columns that they compare.
    pub fn columns(&self) -> BTreeSet<String> {
        let declared = self.declared.iter().flat_map(|(_, comparison)| comparison.columns().map(str::to_owned));
        declared.chain(self.learned.iter().flat_map(|seen| seen.columns.iter().cloned())).collect()
    }

    /// The rules of a level that are broken, each with the rows (ascending) that break it.
    pub fn broken(&self, table: &Frame, level: Level) -> Vec<(FieldError, Vec<usize>)> {
        let mut broken = Vec::new();
        for (rule, comparison) in self.declared.iter().filter(|(rule, _)| rule.level.refuses() == level.refuses()) {
            let verdicts = comparison.verdicts(table);
            let rows: Vec<usize> = (0..verdicts.len()).filter(|&row| verdicts[row] == Some(false)).collect();
            if !rows.is_empty() {
                let message = format!("breaks the rule `{}`: {}", rule.name, rule.check);
                broken.push((FieldError { field: comparison.left().to_owned(), message, kind: "rule" }, rows));
            }
        }
        for seen in self.learned.iter().filter(|seen| seen.level.refuses() == level.refuses()) {
            let (rows, field) = (seen.unseen(table), seen.columns.first().cloned().unwrap_or_default());
            if !rows.is_empty() {
                broken.push((FieldError { field, message: seen.message(), kind: "combination" }, rows));
            }
        }
        broken
    }
}
