//! Rows of a table with what is made of their patients' earlier rows.
//!
//! Tables may be too large to hold: only the rows asked for and those of the same patients are read. The past is computed
//! by the code that computed it in training.

use std::collections::BTreeSet;

use super::score::Bundle;
use crate::common::frame::Frame;
use crate::common::table::Table;
use crate::featurize::FeatureError;
use crate::{StageError, StageFile};

impl Bundle {
    /// Some rows of a table that holds the schema's columns, ready to be scored: with what their features need of the
    /// table's other rows, so that they may be taken apart from them.
    pub fn rows_of(&self, table: &Table, rows: &[usize]) -> Result<Frame, StageError> {
        self.add_past(table, rows, table.take(rows)?.to_frame(self.schema())?)
    }

    /// The same rows (ascending) of a file, which are also given as they are there.
    pub fn read_rows(&self, file: &StageFile, rows: &[usize]) -> Result<(Table, Frame), StageError> {
        let (panel, places) = self.panel(file, rows, self.schema().columns.keys())?;
        Ok((panel.take(&places)?, self.rows_of(&panel, &places)?))
    }

    /// Rows (ascending) of a file with no more than the columns that scoring reads.
    pub fn read_inputs(&self, file: &StageFile, rows: &[usize]) -> Result<Frame, StageError> {
        let (panel, places) = self.panel(file, rows, self.inputs())?;
        let inputs = panel.take(&places)?.frame_of(self.inputs().iter().map(String::as_str))?;
        self.add_past(&panel, &places, inputs)
    }

    /// Rows of a file, with all rows of their patients where the features have a past, and the places of `rows` among
    /// them.
    fn panel<'a>(
        &self,
        file: &StageFile,
        rows: &[usize],
        columns: impl IntoIterator<Item = &'a String>,
    ) -> Result<(Table, Vec<usize>), StageError> {
        let mut names: BTreeSet<String> = columns.into_iter().cloned().chain(self.features().reads()).collect();
        names.insert("row_id".to_owned());
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let Some(history) = &self.features().history else {
            return Ok((Table::read_rows(file, &names, rows)?, (0..rows.len()).collect()));
        };
        let entities = Table::read_labels(file, &history.entity)?;
        let mut wanted = vec![false; entities.levels().len()];
        rows.iter().filter_map(|&row| entities.code(row)).for_each(|code| wanted[code] = true);
        let (mut needed, mut places, mut left) = (Vec::new(), Vec::with_capacity(rows.len()), rows);
        for (row, code) in entities.codes().enumerate() {
            let asked = left.first() == Some(&row);
            if asked {
                places.push(needed.len());
                left = &left[1..];
            }
            if asked || code.is_some_and(|code| wanted[code]) {
                needed.push(row);
            }
        }
        Ok((Table::read_rows(file, &names, &needed)?, places))
    }

    fn add_past(&self, table: &Table, rows: &[usize], mut raw: Frame) -> Result<Frame, StageError> {
        if self.features().history.is_some() {
            let panel = table.frame_of(self.features().reads().iter().map(String::as_str))?;
            let past = self.features().history_of(&panel, rows).map_err(|error| untimely(&error, table))?;
            for (name, column) in past {
                raw.insert(name, column);
            }
        }
        Ok(raw)
    }
}

/// Why rows have no past, told of the table's rows by their ids.
fn untimely(error: &FeatureError, table: &Table) -> StageError {
    match (error, table.ints("row_id")) {
        (FeatureError::History(fault), Ok(ids)) => {
            let name = |row: usize| match ids.get(row) {
                Some(Some(id)) => format!("row_id {id}"),
                _ => format!("row {}", row + 1),
            };
            StageError::failed(fault.tell(name))
        }
        _ => StageError::failed(error.to_string()),
    }
}
