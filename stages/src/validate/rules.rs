//! Every rule of the schema and the parameters, evaluated on every row.
//!
//! A missing value is judged by `nullable` alone, an unreadable one by `type`; all other rules count the rows on which
//! they could be evaluated.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use regex::Regex;

use super::params::{Level, Tolerance, ValidateParams};
use super::units;
use crate::common::frame::{Column, Frame};
use crate::common::schema::{ColumnSchema, Schema};
use crate::common::target::Task;
use crate::common::texts::Texts;
use crate::ingest::UnreadCell;
use crate::{ParamError, StageError};

/// One rule and the rows that break it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Outcome {
    /// `type`, `nullable`, `outcome`, `range`, `levels`, `pattern`, `unique`, `max_missing`, `unit`, or the name
    /// of a rule across columns or rows.
    pub rule: String,
    /// The column, or what the rule across columns says.
    pub subject: String,
    /// The column whose values break it, when it is one.
    pub column: Option<String>,
    pub level: Level,
    pub tolerance: Tolerance,
    /// Whether it is judged row by row; otherwise it concerns the column as a whole and sets nothing aside.
    pub by_row: bool,
    pub evaluated: usize,
    /// Ascending.
    pub failed: Vec<usize>,
    /// Something to know about it.
    pub note: Option<String>,
}

/// Whether a row keeps a rule; `None` when it cannot be evaluated there.
pub(super) type Verdicts = Vec<Option<bool>>;

/// The rows that are judged.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rows<'a> {
    pub frame: &'a Frame,
    /// The cells of each row that could not be read.
    pub unread: &'a [Vec<UnreadCell>],
}

/// Evaluates all rules: those of the columns in name order, then those across columns in declared order.
pub(super) fn evaluate(
    rows: Rows,
    schema: &Schema,
    params: &ValidateParams,
    progress: &dyn Fn(usize),
) -> Result<Vec<Outcome>, StageError> {
    let mut outcomes = Vec::new();
    for (name, declared) in &schema.columns {
        let column =
            rows.frame.get(name).ok_or_else(|| StageError::failed(format!("the table has no column `{name}`")))?;
        let (level, tolerance) = params.strictness(name);
        let target = (*name == schema.target.column).then_some(schema.target.kind);
        let unread: Vec<bool> = rows.unread.iter().map(|cells| cells.iter().any(|cell| cell.column == *name)).collect();
        for (rule, verdicts) in column_rules(declared, column, &unread, target)? {
            // Without its outcome a row has nothing to teach, whatever the column's level.
            let level = if rule == "outcome" { level.max(Level::Error) } else { level };
            outcomes.push(Outcome { column: Some(name.clone()), ..outcome(rule, name, level, tolerance, &verdicts) });
        }
        if let Some(suspects) = units::suspects(name, declared, column) {
            outcomes.push(suspects);
        }
        if let Some(share) = params.columns.get(name).and_then(|given| given.max_missing) {
            outcomes.push(missing(name, level, share, &present(column, &unread)));
        }
        progress(outcomes.len());
    }
    for (rule, check) in params.rules.iter().zip(params.check(schema)?) {
        let tolerance = params.tolerance(rule.level, rule.max_fail, rule.max_rows);
        outcomes.push(outcome(&rule.name, &check.subject(), rule.level, tolerance, &check.verdicts(rows.frame)));
        progress(outcomes.len());
    }
    Ok(outcomes)
}

pub(super) fn outcome(rule: &str, subject: &str, level: Level, tolerance: Tolerance, verdicts: &Verdicts) -> Outcome {
    let failed = (0..verdicts.len()).filter(|&row| verdicts[row] == Some(false)).collect();
    Outcome {
        rule: rule.to_owned(),
        subject: subject.to_owned(),
        column: None,
        level,
        tolerance,
        by_row: true,
        evaluated: verdicts.iter().flatten().count(),
        failed,
        note: None,
    }
}

/// Whether too many rows lack a value of a column: a matter of the column, so no row is set aside for it.
fn missing(name: &str, level: Level, share: f64, present: &Verdicts) -> Outcome {
    let gaps = present.iter().map(|present| Some(present.unwrap_or(false))).collect();
    let tolerance = Tolerance { share, rows: 0 };
    Outcome { column: None, by_row: false, ..outcome("max_missing", name, level, tolerance, &gaps) }
}

/// Whether there is a value; `None` where it could not be read.
fn present(column: &Column, unread: &[bool]) -> Verdicts {
    let present = |row: usize| match column {
        Column::Number(values) => !values[row].is_nan(),
        Column::Text(values) => values.get(row).is_some(),
    };
    (0..column.len()).map(|row| (!unread[row]).then(|| present(row))).collect()
}

fn column_rules(
    declared: &ColumnSchema,
    column: &Column,
    unread: &[bool],
    target: Option<Task>,
) -> Result<Vec<(&'static str, Verdicts)>, StageError> {
    let mut rules = Vec::new();
    let present = present(column, unread);
    let read = |row: usize| match present[row] {
        Some(true) => Some(true),
        Some(false) => None,
        None => Some(false),
    };
    rules.push(("type", (0..column.len()).map(read).collect()));
    match (target, column) {
        (Some(Task::Binary), Column::Number(values)) => {
            let known = |row: usize| present[row].map(|present| present && [0.0, 1.0].contains(&values[row]));
            rules.push(("outcome", (0..column.len()).map(known).collect()));
        }
        (Some(_), _) => rules.push(("outcome", present)),
        (None, _) if !declared.nullable => rules.push(("nullable", present)),
        (None, _) => {}
    }
    if let (Some([low, high]), Column::Number(values)) = (declared.range, column) {
        rules.push(("range", numbers(values, |value| low <= value && value <= high)));
    }
    if !declared.levels.is_empty() && target != Some(Task::Binary) {
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

fn texts(values: &Texts, mut keep: impl FnMut(&str) -> bool) -> Verdicts {
    values.iter().map(|value| value.map(&mut keep)).collect()
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
            values.iter().map(|value| value.map(|value| seen.insert(value))).collect()
        }
    }
}

/// The rows that may not be used, each with the rules it breaks.
pub(super) fn broken(outcomes: &[Outcome]) -> BTreeMap<usize, Vec<String>> {
    let mut rows: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for outcome in outcomes.iter().filter(|outcome| outcome.by_row && outcome.level.refuses()) {
        for &row in &outcome.failed {
            rows.entry(row).or_default().push(format!("{}({})", outcome.rule, outcome.subject));
        }
    }
    rows
}
