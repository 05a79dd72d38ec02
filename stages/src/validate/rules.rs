//! Every rule of the schema and the parameters, evaluated on every row.
//!
//! A missing value is judged by `nullable` alone; all other rules count the rows on which they could be evaluated.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use regex::Regex;

use super::params::{Level, ValidateParams};
use crate::common::frame::{Column, Frame};
use crate::common::schema::{ColumnSchema, Schema};
use crate::{ParamError, StageError};

/// One rule and the rows that break it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Outcome {
    /// `nullable`, `range`, `levels`, `pattern`, `unique`, or the name of a cross-field rule.
    pub rule: String,
    /// The column, or the text of a cross-field rule.
    pub subject: String,
    pub level: Level,
    pub max_fail: f64,
    pub evaluated: usize,
    /// Ascending.
    pub failed: Vec<usize>,
}

/// Whether a row keeps a rule; `None` when it cannot be evaluated there.
type Verdicts = Vec<Option<bool>>;

/// Evaluates all rules: those of the columns in name order, then those across columns in declared order.
pub(super) fn evaluate(
    frame: &Frame,
    schema: &Schema,
    params: &ValidateParams,
    progress: &dyn Fn(usize),
) -> Result<Vec<Outcome>, StageError> {
    let mut outcomes = Vec::new();
    for (name, declared) in &schema.columns {
        let column = frame.get(name).ok_or_else(|| StageError::failed(format!("the table has no column `{name}`")))?;
        let (level, max_fail) = params.strictness(name, schema);
        for (rule, verdicts) in column_rules(declared, column)? {
            outcomes.push(outcome(rule.to_owned(), name.clone(), level, max_fail, &verdicts));
        }
        progress(outcomes.len());
    }
    for (rule, comparison) in params.rules.iter().zip(params.check(schema)?) {
        let verdicts = comparison.verdicts(frame);
        let max_fail = rule.max_fail.unwrap_or(params.max_fail);
        outcomes.push(outcome(rule.name.clone(), rule.check.clone(), rule.level, max_fail, &verdicts));
        progress(outcomes.len());
    }
    Ok(outcomes)
}

fn outcome(rule: String, subject: String, level: Level, max_fail: f64, verdicts: &Verdicts) -> Outcome {
    let failed = (0..verdicts.len()).filter(|&row| verdicts[row] == Some(false)).collect();
    Outcome { rule, subject, level, max_fail, evaluated: verdicts.iter().flatten().count(), failed }
}

fn column_rules(declared: &ColumnSchema, column: &Column) -> Result<Vec<(&'static str, Verdicts)>, StageError> {
    let mut rules = Vec::new();
    if !declared.nullable {
        let present = match column {
            Column::Number(values) => values.iter().map(|value| Some(!value.is_nan())).collect(),
            Column::Text(values) => values.iter().map(|value| Some(value.is_some())).collect(),
        };
        rules.push(("nullable", present));
    }
    if let (Some([low, high]), Column::Number(values)) = (declared.range, column) {
        rules.push(("range", numbers(values, |value| low <= value && value <= high)));
    }
    if !declared.levels.is_empty() {
        rules.push(("levels", levels(declared, column)));
    }
    if let (Some(pattern), Column::Text(values)) = (&declared.pattern, column) {
        let whole = Regex::new(&format!("^(?:{pattern})$"));
        let whole = whole.map_err(|error| ParamError::new("schema.columns", error.to_string()))?;
        rules.push(("pattern", texts(values, |text| whole.is_match(text))));
    }
    if declared.unique {
        rules.push(("unique", unique(column)));
    }
    Ok(rules)
}

fn numbers(values: &[f64], keep: impl Fn(f64) -> bool) -> Verdicts {
    values.iter().map(|&value| (!value.is_nan()).then(|| keep(value))).collect()
}

fn texts(values: &[Option<String>], mut keep: impl FnMut(&str) -> bool) -> Verdicts {
    values.iter().map(|value| value.as_deref().map(&mut keep)).collect()
}

fn levels(declared: &ColumnSchema, column: &Column) -> Verdicts {
    match column {
        Column::Number(values) => {
            let allowed: Vec<f64> = declared.levels.iter().filter_map(serde_json::Value::as_f64).collect();
            numbers(values, |value| allowed.contains(&value))
        }
        Column::Text(values) => {
            let allowed: BTreeSet<String> = declared.text_levels().into_iter().collect();
            texts(values, |text| allowed.contains(text))
        }
    }
}

/// The first row with a value keeps the rule, every later one breaks it.
fn unique(column: &Column) -> Verdicts {
    match column {
        Column::Number(values) => {
            let mut seen = HashSet::new();
            values.iter().map(|value| (!value.is_nan()).then(|| seen.insert(value.to_bits()))).collect()
        }
        Column::Text(values) => {
            let mut seen = HashSet::new();
            values.iter().map(|value| value.as_ref().map(|value| seen.insert(value))).collect()
        }
    }
}

/// The rows that an error-level rule sets aside, each with the rules it breaks.
pub(super) fn broken(outcomes: &[Outcome]) -> BTreeMap<usize, Vec<String>> {
    let mut rows: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for outcome in outcomes.iter().filter(|outcome| outcome.level == Level::Error) {
        for &row in &outcome.failed {
            rows.entry(row).or_default().push(format!("{}({})", outcome.rule, outcome.subject));
        }
    }
    rows
}
