//! The table that `predict` and `export matrix` read: as training read its own, and judged by the same rules.

use std::fmt::Write as _;
use std::path::Path;

use clinpipe_stages::StageFile;
use clinpipe_stages::bundle::record::CellError;
use clinpipe_stages::bundle::{Bundle, FieldError};
use clinpipe_stages::common::frame::Frame;
use clinpipe_stages::common::table::Table;
use clinpipe_stages::common::texts::Texts;
use clinpipe_stages::featurize::FeatureError;
use clinpipe_stages::ingest::read_for_scoring;

use super::Format;
use crate::cli::error::UsageError;

/// How many faulty cells one message shows.
const SHOWN: usize = 20;

/// A table that may be scored.
pub(in crate::cli) struct Input {
    table: Table,
    /// The columns that the model and the rules read.
    pub(in crate::cli) frame: Frame,
    /// Rules of the level `warning` that rows break.
    pub(super) warnings: Vec<String>,
}

impl Input {
    /// Reads a table and refuses it when a row is not fit to be scored.
    pub(in crate::cli) fn read(bundle: &Bundle, input: &Path) -> anyhow::Result<Self> {
        let name = input.display().to_string();
        let table = read(bundle, input)?;
        let compared = bundle.records().compared();
        let wanted = bundle.inputs().iter().chain(&compared).map(String::as_str);
        let frame = table.frame_of(wanted.filter(|column| table.has(column)))?;
        // A CSV file's first row is its second line.
        let first = if Format::of(input)? == Format::Csv { 2 } else { 1 };
        let faults = bundle.records().check_table(&frame, SHOWN + 1);
        if !faults.is_empty() {
            return Err(UsageError::new(
                list(&name, &faults, first),
                "nothing was scored; correct the cells or drop the rows",
            )
            .into());
        }
        let warnings = bundle.records().table_warnings(&frame).into_iter();
        let warnings = warnings.map(|(error, rows)| remark(&name, &error, &rows, first)).collect();
        let frame = bundle.with_past(frame).map_err(|error| match error {
            FeatureError::History(fault) => {
                let message = format!("{name}: {}", fault.tell(|row| format!("row {}", row + first)));
                UsageError::new(message, "nothing was scored; leave one row for each patient and time").into()
            }
            other => anyhow::Error::from(other),
        })?;
        Ok(Self { table, frame, warnings })
    }

    /// The rows' ids, when the table has the study's id column.
    pub(super) fn ids(&self, bundle: &Bundle) -> anyhow::Result<Option<Texts>> {
        let id = bundle.schema().id.as_deref().filter(|id| self.table.has(id));
        Ok(id.map(|id| self.table.labels(id)).transpose()?)
    }
}

fn read(bundle: &Bundle, input: &Path) -> anyhow::Result<Table> {
    let file = StageFile { path: input.to_owned(), name: input.display().to_string() };
    Format::of(input)?;
    let (compared, format) = (bundle.records().compared(), &bundle.intake().format);
    let table = read_for_scoring(&file, bundle.schema(), bundle.inputs(), &compared, format);
    // An unreadable or malformed table is the caller's to correct.
    table.map_err(|error| {
        let hint =
            error.hint().unwrap_or("the columns and their types are those of the bundle's schema.json").to_owned();
        UsageError::new(error.to_string(), hint).into()
    })
}

/// A broken rule of the level `warning`; the table's first row is called `first`.
fn remark(name: &str, error: &FieldError, rows: &[usize], first: usize) -> String {
    let (count, first) = (rows.len(), rows.first().map_or(0, |row| row + first));
    let noun = if count == 1 { "row" } else { "rows" };
    format!("warning: {name}: {count} {noun} (the first is row {first}), column {}: {}", error.field, error.message)
}

/// The faulty cells, one a line; the table's first row is called `first`.
fn list(name: &str, faults: &[CellError], first: usize) -> String {
    let mut text = String::from("the table does not fit the bundle's schema");
    for CellError { row, error } in faults.iter().take(SHOWN) {
        // Writing to a String cannot fail.
        let _ = write!(text, "\n  {name}: row {}, column {}: {}", row + first, error.field, error.message);
    }
    if faults.len() > SHOWN {
        text.push_str("\n  … and more");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_listed_up_to_a_limit() {
        let error = FieldError { field: "age".to_owned(), message: "is odd".to_owned(), kind: "range" };
        let faults: Vec<_> = (0..30).map(|row| CellError { row, error: error.clone() }).collect();
        let text = list("in.csv", &faults, 2);
        assert!(text.contains("in.csv: row 2, column age: is odd"), "{text}");
        assert_eq!(text.lines().count(), SHOWN + 2);
    }
}
