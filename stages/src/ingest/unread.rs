//! Cells that are not of their column's type: kept beside the row they stand in, so that one of them costs a row and
//! not the study.
//!
//! In the table such a cell is missing. Its text travels in the column [`COLUMN`], which `validate` reads, judges and
//! takes away; no later stage sees it.

use serde::{Deserialize, Serialize};

use crate::StageError;
use crate::common::table::Table;

/// The column that holds the unread cells of each row as JSON; only there when the file has any.
pub const COLUMN: &str = "_unread";

/// A cell that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnreadCell {
    /// Its column.
    pub column: String,
    /// Where it stands: in CSV the 1-based line (header = 1), in Parquet the 1-based row.
    pub line: u64,
    /// Its text.
    pub cell: String,
    /// What was expected.
    pub message: String,
}

/// The unread cells of each row of an ingested table.
///
/// # Errors
/// When the column is there but is not what `ingest` writes.
pub fn unread_cells(table: &Table) -> Result<Vec<Vec<UnreadCell>>, StageError> {
    if !table.has(COLUMN) {
        return Ok(vec![Vec::new(); table.rows()]);
    }
    let read = |text: Option<String>| match text {
        None => Ok(Vec::new()),
        Some(text) => serde_json::from_str(&text)
            .map_err(|error| StageError::failed(format!("column `{COLUMN}` is not what ingest writes: {error}"))),
    };
    table.texts(COLUMN)?.to_vec().into_iter().map(read).collect()
}
