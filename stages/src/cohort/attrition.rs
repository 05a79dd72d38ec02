//! Who was left after each step, counted from the tables and reports that the steps wrote.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::document::Step;
use crate::common::schema::Schema;
use crate::common::table::Table;
use crate::common::target::Task;
use crate::validate::ValidationReport;
use crate::{StageContext, StageError};

/// What is needed of `ingest.json`; the rest of it is for people.
#[derive(Debug, Deserialize)]
pub(super) struct IngestReport {
    pub source: String,
    rows_read: u64,
    rows_kept: u64,
    duplicates_dropped: u64,
    #[serde(default)]
    sample: Option<serde_json::Value>,
}

/// The rows of a table by what a study asks of them.
pub(super) struct People {
    pub row_ids: Vec<i64>,
    /// The patient of each row; without a patient column, the row.
    patients: Vec<String>,
    /// The outcome; NaN = missing.
    pub y: Vec<f64>,
    task: Task,
}

impl People {
    pub fn read(table: &Table, schema: &Schema) -> Result<Self, StageError> {
        let row_ids = table.ints_full("row_id")?;
        let alone = |row: usize| format!("row {}", row_ids[row]);
        let patients = match &schema.group {
            None => (0..row_ids.len()).map(alone).collect(),
            Some(group) => {
                let named = table.labels(group)?.to_vec().into_iter().enumerate();
                named.map(|(row, name)| name.map_or_else(|| alone(row), |name| format!("patient {name}"))).collect()
            }
        };
        let y = table.floats(&schema.target.column)?;
        Ok(Self { row_ids, patients, y, task: schema.target.kind })
    }

    /// Rows, patients and events among some rows.
    pub fn step(&self, name: &str, rows: &[usize]) -> Step {
        let events = || rows.iter().filter(|&&row| self.y[row] == 1.0).count() as u64;
        Step {
            step: name.to_owned(),
            rows: rows.len() as u64,
            patients: Some(rows.iter().map(|&row| &self.patients[row]).collect::<BTreeSet<_>>().len() as u64),
            events: (self.task == Task::Binary).then(events),
            reason: None,
        }
    }

    pub fn all(&self) -> Vec<usize> {
        (0..self.row_ids.len()).collect()
    }
}

/// The steps up to the table that was learned from.
pub(super) fn steps(
    context: &StageContext,
    schema: &Schema,
    people: &People,
    ingest: Option<&IngestReport>,
    validation: Option<&ValidationReport>,
) -> Result<Vec<Step>, StageError> {
    let mut steps = Vec::new();
    let ingested = match context.input_opt("ingested") {
        Some(file) => {
            let all = People::read(&Table::read(file)?, schema)?;
            Some(all.step("", &all.all()))
        }
        None => None,
    };
    let bare = |step: &str, rows: u64| {
        let reason = "patients and outcomes are told of the ingested table only".to_owned();
        Step { step: step.to_owned(), rows, patients: None, events: None, reason: Some(reason) }
    };
    if let Some(report) = ingest {
        let unique = report.rows_read - report.duplicates_dropped.min(report.rows_read);
        steps.push(bare("read", report.rows_read));
        steps.push(bare("deduplicated", unique));
        if report.sample.is_some() {
            steps.push(bare("sampled", report.rows_kept));
        }
        // The ingested table is what the last of these left, and the first too when nothing went.
        for step in &mut steps {
            if let Some(told) = ingested.as_ref().filter(|told| told.rows == step.rows) {
                *step = Step { step: step.step.clone(), ..told.clone() };
            }
        }
    } else if let Some(told) = ingested {
        steps.push(Step { step: "read".to_owned(), ..told });
    }
    let validated = people.step("validated", &people.all());
    if let Some(report) = validation.filter(|report| report.passed as u64 != validated.rows) {
        let (passed, rows) = (report.passed, validated.rows);
        let text = format!("{passed} rows passed by the validation report, {rows} are in the table");
        return Err(StageError::failed(text).with_hint("bind both to what one `validate` stage wrote"));
    }
    steps.push(validated);
    Ok(steps)
}

/// The rows of each part of the split, in the order of the table.
pub(super) fn parts(
    context: &StageContext,
    people: &People,
) -> Result<Option<BTreeMap<String, Vec<usize>>>, StageError> {
    let Some(file) = context.input_opt("split") else { return Ok(None) };
    let table = Table::read(file)?;
    let of: BTreeMap<i64, String> = table
        .ints_full("row_id")?
        .into_iter()
        .zip(table.texts("part")?.to_vec().into_iter().map(Option::unwrap_or_default))
        .collect();
    let mut parts: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (row, id) in people.row_ids.iter().enumerate() {
        let part = of.get(id).ok_or_else(|| {
            StageError::input(&file.name, format!("does not assign row_id {id} of the table"))
                .with_hint("run split again on this table")
        })?;
        parts.entry(part.clone()).or_default().push(row);
    }
    Ok(Some(parts))
}
