//! Batches as CSV: a header, then a record a line; answered with a line for each in the same order.

use serde_json::{Map, Value};

use super::outcome::{Cells, columns};
use super::table::{Header, Row, items, problem};
use super::{Answered, TableForm};
use crate::serve::errors::{ApiError, FieldProblem};
use crate::serve::record_json::Item;

/// Reads at most one record more than `most`. A line with another number of cells than the header is its own problem.
pub(super) fn read(table: &TableForm, body: &[u8], most: usize) -> Result<Vec<Item>, Vec<FieldProblem>> {
    let unread = |error: csv::Error| vec![problem("", format!("the body is no CSV: {error}"), "csv")];
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let mut lines = csv::ReaderBuilder::new().flexible(true).delimiter(table.delimiter).from_reader(body);
    let header = Header::new(table, lines.headers().map_err(unread)?.iter())?;
    let width = lines.headers().map_err(unread)?.len();
    let mut reader = table.reader.clone();
    let mut rows = Vec::new();
    for line in lines.records().take(most.saturating_add(1)) {
        let line = line.map_err(unread)?;
        let fault = (line.len() != width).then(|| {
            let message = format!("the line has {} cells, the header has {width}", line.len());
            vec![problem("", message, "csv")]
        });
        let cell = |(at, cell): (usize, &str)| header.name(at).map_or(Value::Null, |name| reader.value(name, cell));
        let record = if fault.is_some() { Map::new() } else { header.record(line.iter().enumerate().map(cell)) };
        rows.push(Row { record, fault });
    }
    items(table, rows)
}

pub(super) fn write(answered: &Answered) -> Result<Vec<u8>, ApiError> {
    let columns = columns(answered);
    let failed = |error: csv::Error| ApiError::internal(error.to_string());
    let mut lines = csv::Writer::from_writer(Vec::new());
    lines.write_record(columns.iter().map(|column| column.name.as_str())).map_err(failed)?;
    for row in 0..answered.results.len() {
        lines.write_record(columns.iter().map(|column| column.cells.text(row))).map_err(failed)?;
    }
    lines.into_inner().map_err(|error| ApiError::internal(error.to_string()))
}

impl Cells {
    /// A cell as CSV holds it: numbers with all their digits, nothing for a missing one.
    fn text(&self, row: usize) -> String {
        match self {
            Self::Numbers(values) => values[row].map(|value| (value + 0.0).to_string()).unwrap_or_default(),
            Self::Integers(values) => values[row].map(|value| value.to_string()).unwrap_or_default(),
            Self::Texts(values) => values[row].clone().unwrap_or_default(),
        }
    }
}
