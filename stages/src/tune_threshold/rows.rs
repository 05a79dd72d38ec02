//! The rows that a threshold is chosen on: outcomes, cross-fitted calibrated probabilities, patients and strata.

use std::collections::BTreeMap;

use crate::common::folds::number;
use crate::common::privacy::Privacy;
use crate::common::privacy::levels::distinct;
use crate::common::table::Table;
use crate::{StageContext, StageError, StageFile};

use super::params::StrataParams;

/// The rows, in table order.
pub(super) struct Rows {
    /// Outcomes.
    pub y: Vec<bool>,
    /// Probabilities.
    pub p: Vec<f64>,
    /// The patient of each row, as a dense index.
    pub patients: Vec<usize>,
    /// The level of each row in the column of the strata; empty without strata.
    pub levels: Vec<Option<String>>,
}

impl Rows {
    /// Reads the calibrated predictions, and the strata from the raw table.
    pub fn read(context: &StageContext, strata: Option<&StrataParams>) -> Result<Self, StageError> {
        let file = context.input("calibrated")?;
        let table = Table::read(file)?;
        let y: Option<Vec<bool>> = table.ints("y")?.into_iter().map(binary).collect();
        let y = y.ok_or_else(|| StageError::input(&file.name, "column `y` holds something else than 0 and 1"))?;
        let p = table.floats("p")?;
        if p.iter().any(|p| !(0.0..=1.0).contains(p)) {
            return Err(StageError::input(&file.name, "column `p` holds something else than probabilities"));
        }
        if y.is_empty() {
            return Err(StageError::input(&file.name, "has no rows to choose a threshold on"));
        }
        let levels = strata.map(|strata| levels(context, strata, &table, &file.name)).transpose()?;
        Ok(Self { patients: patients(&table)?, y, p, levels: levels.unwrap_or_default() })
    }

    /// The rows at `index`.
    pub fn take(&self, index: &[usize]) -> Self {
        let patients = index.iter().map(|&row| self.patients[row].to_string()).collect::<Vec<_>>();
        Self {
            y: index.iter().map(|&row| self.y[row]).collect(),
            p: index.iter().map(|&row| self.p[row]).collect(),
            patients: number(patients.iter().map(String::as_str)),
            levels: Vec::new(),
        }
    }

    /// The rows of each level, in table order; rows without one are in none.
    pub fn by_level(&self) -> BTreeMap<&str, Vec<usize>> {
        let mut rows: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (row, level) in self.levels.iter().enumerate() {
            if let Some(level) = level {
                rows.entry(level).or_default().push(row);
            }
        }
        rows
    }

    /// The cells of a confusion matrix that few patients are in, by the name they have in the documents.
    pub fn small_cells(&self, flagged: &[bool], privacy: Privacy) -> Vec<String> {
        let few = |flag: bool, event: bool| {
            let rows: Vec<usize> =
                (0..self.y.len()).filter(|&row| flagged[row] == flag && self.y[row] == event).collect();
            privacy.hides(distinct(&rows, &self.patients))
        };
        let cells = [("fn", false, true), ("fp", true, false), ("tn", false, false), ("tp", true, true)];
        cells.into_iter().filter(|&(_, flag, event)| few(flag, event)).map(|(name, ..)| name.to_owned()).collect()
    }

    /// How many patients there are.
    pub fn patient_count(&self) -> usize {
        self.patients.iter().max().map_or(0, |last| last + 1)
    }
}

fn binary(value: Option<i64>) -> Option<bool> {
    match value {
        Some(0) => Some(false),
        Some(1) => Some(true),
        _ => None,
    }
}

/// The patients; without a column of them every row is its own.
fn patients(table: &Table) -> Result<Vec<usize>, StageError> {
    if !table.has("group") {
        return Ok((0..table.rows()).collect());
    }
    let names = table.texts("group")?;
    let own =
        |(row, name): (usize, Option<&str>)| name.map_or_else(|| format!("row {row}"), |name| format!("id {name}"));
    let names: Vec<String> = names.iter().enumerate().map(own).collect();
    Ok(number(names.iter().map(String::as_str)))
}

/// The level of each calibrated row, found in the raw table by its `row_id`.
fn levels(
    context: &StageContext,
    strata: &StrataParams,
    calibrated: &Table,
    name: &str,
) -> Result<Vec<Option<String>>, StageError> {
    let file = raw(context, strata)?;
    let raw = Table::read(file)?;
    if !raw.has(&strata.column) {
        let text = format!("has no column `{}`, whose levels `tune_threshold.strata` names", strata.column);
        return Err(StageError::input(&file.name, text).with_hint("bind the validated table to the role `table`"));
    }
    let labels = raw.labels(&strata.column)?;
    let known: BTreeMap<i64, usize> = raw.ints_full("row_id")?.into_iter().zip(0..).collect();
    let level = |id: i64| {
        let row = known.get(&id).copied();
        row.map(|row| labels.get(row).map(str::to_owned))
            .ok_or_else(|| StageError::input(name, format!("row {id} is not in {}", file.name)))
    };
    calibrated.ints_full("row_id")?.into_iter().map(level).collect()
}

fn raw<'a>(context: &'a StageContext, strata: &StrataParams) -> Result<&'a StageFile, StageError> {
    context.input_opt("table").ok_or_else(|| {
        StageError::failed(format!(
            "`tune_threshold.strata` takes its levels from the column `{}`, and no table is bound",
            strata.column
        ))
        .with_hint("bind the validated table to the role `table` under the deps of this stage")
    })
}
