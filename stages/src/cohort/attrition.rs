//! Who was left after each step, counted from the tables and reports that the steps wrote.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::document::Step;
use crate::common::schema::Schema;
use crate::common::table::Table;
use crate::common::target::Task;
use crate::validate::ValidationReport;
use crate::{StageContext, StageError, StageFile};

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

/// The rows of a table by what a study asks of them. Only the columns for that are read, one at a time.
pub(super) struct People {
    pub row_ids: Vec<i64>,
    /// A number for the patient of each row; a row without a patient is one of its own.
    patients: Vec<u32>,
    patient_count: usize,
    /// The outcome; NaN = missing.
    pub y: Vec<f64>,
    task: Task,
}

impl People {
    pub fn read(file: &StageFile, schema: &Schema) -> Result<Self, StageError> {
        let row_ids = Table::read_ints_full(file, "row_id")?;
        let named = schema.group.as_ref().map(|group| Table::read_labels(file, group)).transpose()?;
        let mut patient_count = named.as_ref().map_or(0, |named| named.levels().len());
        let mut number = |named: Option<usize>| {
            let number = named.unwrap_or(patient_count);
            patient_count += usize::from(named.is_none());
            number as u32
        };
        let patients = match &named {
            Some(named) => named.codes().map(&mut number).collect(),
            None => row_ids.iter().map(|_| number(None)).collect(),
        };
        let y = Table::read_floats(file, &schema.target.column)?;
        Ok(Self { row_ids, patients, patient_count, y, task: schema.target.kind })
    }

    /// Rows, patients and events among some rows.
    pub fn step(&self, name: &str, rows: &[usize]) -> Step {
        let events = || rows.iter().filter(|&&row| self.y[row] == 1.0).count() as u64;
        let mut seen = vec![false; self.patient_count];
        for &row in rows {
            seen[self.patients[row] as usize] = true;
        }
        Step {
            step: name.to_owned(),
            rows: rows.len() as u64,
            patients: Some(seen.into_iter().filter(|seen| *seen).count() as u64),
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
            let all = People::read(file, schema)?;
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
    let part = Table::read_labels(file, "part")?;
    let mut order: Vec<(i64, usize)> =
        Table::read_ints_full(file, "row_id")?.into_iter().enumerate().map(|(at, id)| (id, at)).collect();
    order.sort_unstable();
    let mut parts: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (row, id) in people.row_ids.iter().enumerate() {
        let place = order.binary_search_by_key(id, |(id, _)| *id).map_err(|_| {
            StageError::input(&file.name, format!("does not assign row_id {id} of the table"))
                .with_hint("run split again on this table")
        })?;
        let part = part.get(order[place].1).unwrap_or_default();
        match parts.get_mut(part) {
            Some(rows) => rows.push(row),
            None => drop(parts.insert(part.to_owned(), vec![row])),
        }
    }
    Ok(Some(parts))
}
