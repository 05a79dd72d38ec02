//! The current rows: a table that is scored here, or what the service logged.
//!
//! Invariants: a table is read and scored as `predict` does it, but rows that break rules of the schema stay, because they
//! are what drift looks like; earlier rows of a patient serve as history even when the window leaves them out; nothing
//! of an identifier leaves this module but into a join; there is at least one row, or an error.

use std::collections::BTreeMap;

use serde_json::json;

use super::document::CurrentKind;
use super::params::Window;
use crate::bundle::Bundle;
use crate::common::frame::Frame;
use crate::common::schema::{ColumnSchema, ColumnType, Schema};
use crate::common::table::Table;
use crate::common::target::Task;
use crate::common::texts::Texts;
use crate::ingest::{read_for_scoring, read_typed};
use crate::{StageError, StageFile};

/// What is compared with the reference.
pub(super) struct Current {
    pub kind: CurrentKind,
    /// Rows or lines read.
    pub read: u64,
    /// Rows in the window.
    pub n: u64,
    /// The raw columns of the rows; fewer rows where a log has not all inputs, nothing when it has none.
    pub inputs: Option<Frame>,
    /// The scores of the rows in the window; NaN where there is none.
    pub scores: Vec<f64>,
    /// Whether each of them was flagged.
    pub flagged: Vec<bool>,
    /// What the outcome of each is found by.
    pub keys: Vec<Option<String>>,
    /// Lines left aside, by what they are.
    pub left_aside: BTreeMap<String, u64>,
}

impl Current {
    /// Reads a table and scores it.
    pub fn of_table(file: &StageFile, bundle: &Bundle, window: Option<&Window>) -> Result<Self, StageError> {
        let others: Vec<String> = window.iter().map(|window| window.column.clone()).collect();
        let table = read(file, bundle, &others)?;
        let frame = inputs_of(&table, bundle)?;
        // The past of a row is made before rows are left out.
        let frame = bundle.with_past(frame).map_err(|error| StageError::input(&file.name, error.to_string()))?;
        let rows = rows_in(&table, window, file)?;
        if rows.is_empty() {
            return Err(nothing(file, CurrentKind::Table, table.rows() as u64, &BTreeMap::new(), window));
        }
        let (frame, keys) = (frame.take(&rows), join_keys(&table, bundle)?);
        let (scores, flagged) = score(bundle, &frame, file)?;
        Ok(Self {
            kind: CurrentKind::Table,
            read: table.rows() as u64,
            n: rows.len() as u64,
            scores,
            flagged,
            keys: rows.iter().map(|&row| keys.get(row).map(str::to_owned)).collect(),
            inputs: Some(frame),
            left_aside: BTreeMap::new(),
        })
    }
}

/// The error of a look at nothing: its report would be quiet, and say that nothing drifts.
pub(super) fn nothing(
    file: &StageFile,
    kind: CurrentKind,
    read: u64,
    left_aside: &BTreeMap<String, u64>,
    window: Option<&Window>,
) -> StageError {
    let what = match kind {
        CurrentKind::Table => "rows",
        CurrentKind::Log => "lines",
    };
    let aside: Vec<String> = left_aside.iter().map(|(what, lines)| format!("{lines} {what}")).collect();
    let aside = if aside.is_empty() { String::new() } else { format!(" ({})", aside.join(", ")) };
    let (message, hint) = match window {
        _ if read == 0 => {
            (format!("holds no {what}, so nothing can be compared"), "find out why nothing came in, and look again")
        }
        Some(window) => (
            format!("none of its {read} {what} lies in the window, {window}{aside}"),
            "set `drift.window` to what the rows hold, or bring the rows of that time",
        ),
        None => (
            format!("none of its {read} {what} is a prediction of this bundle{aside}"),
            "give the log of the service that serves this bundle, or the bundle that wrote the log",
        ),
    };
    StageError::input(&file.name, message).with_hint(hint)
}

/// The rows of a table in the raw columns that features are made of.
pub(super) fn read_reference(file: &StageFile, bundle: &Bundle) -> Result<Frame, StageError> {
    inputs_of(&read(file, bundle, &[])?, bundle)
}

/// A table with the columns that scoring reads, the id and `others`.
fn read(file: &StageFile, bundle: &Bundle, others: &[String]) -> Result<Table, StageError> {
    let schema = schema_with(bundle.schema(), others);
    let format = &bundle.intake().format;
    let mut names: Vec<&str> = bundle.inputs().iter().chain(&schema.id).chain(others).map(String::as_str).collect();
    names.sort_unstable();
    names.dedup();
    match read_typed(file, &schema, &names, format) {
        Some(table) => Ok(table),
        None => read_for_scoring(file, &schema, bundle.inputs(), others, format),
    }
}

/// The schema with further columns, read as text, so that they are not dropped.
fn schema_with(schema: &Schema, others: &[String]) -> Schema {
    let mut schema = schema.clone();
    for name in others {
        // The text form of a number is what a window compares; `labels` gives it for every type.
        let text = serde_json::from_value::<ColumnSchema>(json!({"type": "text", "nullable": true}));
        if let (false, Ok(column)) = (schema.columns.contains_key(name), text) {
            schema.columns.insert(name.clone(), column);
        }
    }
    schema
}

fn inputs_of(table: &Table, bundle: &Bundle) -> Result<Frame, StageError> {
    table.frame_of(bundle.inputs().iter().map(String::as_str).filter(|name| table.has(name)))
}

/// The rows that a window holds.
fn rows_in(table: &Table, window: Option<&Window>, file: &StageFile) -> Result<Vec<usize>, StageError> {
    let Some(window) = window else { return Ok((0..table.rows()).collect()) };
    if !table.has(&window.column) {
        let message = format!("has no column `{}`, by which rows are to be chosen", window.column);
        return Err(StageError::input(&file.name, message).with_hint("correct `drift.window.column`"));
    }
    // Every type has its text form; that of a float is the shortest that reads back.
    let values: Vec<Option<String>> = if let Ok(texts) = table.labels(&window.column) {
        texts.to_vec()
    } else {
        let numbers = table.floats(&window.column)?.into_iter();
        numbers.map(|value| value.is_finite().then(|| value.to_string())).collect()
    };
    let holds = |row: &usize| values[*row].as_ref().is_some_and(|value| window.holds(value));
    Ok((0..table.rows()).filter(holds).collect())
}

/// What the outcome of a row is found by: its patient and time where the study has a history, else its id.
pub(super) fn join_keys(table: &Table, bundle: &Bundle) -> Result<Texts, StageError> {
    let of = |name: &str| table.labels(name);
    if let Some(history) = &bundle.features().history {
        let entities = of(&history.entity)?;
        let times = table.floats(&history.time)?;
        let key = |row: usize| Some(format!("{}\u{1f}{}", entities.get(row)?, times.get(row)?));
        return Ok((0..table.rows()).map(key).collect());
    }
    match bundle.schema().id.as_deref().filter(|id| table.has(id)) {
        Some(id) => of(id),
        None => Ok(Texts::repeat(None, table.rows())),
    }
}

/// Scores with whether they are flagged.
fn score(bundle: &Bundle, frame: &Frame, file: &StageFile) -> Result<(Vec<f64>, Vec<bool>), StageError> {
    let unscored = |error: crate::bundle::BundleError| StageError::input(&file.name, error.to_string());
    match bundle.task() {
        Task::Binary => {
            let predictions = bundle.predict(frame).map_err(unscored)?;
            Ok(predictions.iter().map(|one| (one.p, one.flagged)).unzip())
        }
        Task::Continuous => {
            let numbers = bundle.predict_numbers(frame).map_err(unscored)?;
            let flagged = vec![false; numbers.len()];
            Ok((numbers, flagged))
        }
    }
}

/// Whether values of a type are kept as numbers.
pub(super) fn is_number(kind: ColumnType) -> bool {
    matches!(kind, ColumnType::Integer | ColumnType::Number)
}
