//! `quarantine.csv`: the rows that were set aside, as they were read, with the reasons.

use std::fs::File;
use std::path::{Path, PathBuf};

use crate::StageError;
use crate::common::table::Table;
use crate::common::texts::Texts;
use crate::ingest::{UNREAD_COLUMN, UnreadCell};

/// The file, growing piece by piece.
pub(super) struct Quarantine {
    path: PathBuf,
    writer: csv::Writer<File>,
    names: Vec<String>,
    rows: usize,
}

/// A row that is set aside: its place in the piece and in the table, and the rules it breaks.
pub(super) struct Aside {
    pub place: usize,
    pub row: usize,
    pub rules: String,
}

impl Quarantine {
    /// A file for rows of a table with these columns.
    pub fn new(path: &Path, names: &[&str]) -> Result<Self, StageError> {
        let own = ["row_id", UNREAD_COLUMN];
        let names: Vec<String> =
            names.iter().filter(|name| !own.contains(name)).map(|name| (*name).to_owned()).collect();
        let create = || -> Result<csv::Writer<File>, csv::Error> {
            let mut writer = csv::Writer::from_path(path)?;
            writer.write_record(names.iter().map(String::as_str).chain(["_rules", "_row_id", "_outcome"]))?;
            Ok(writer)
        };
        let writer = create().map_err(|error| StageError::output(path, error.into()))?;
        Ok(Self { path: path.to_owned(), writer, names, rows: 0 })
    }

    /// Writes rows of a piece: their columns as read (a cell that is not of its type with its own text), the rules they
    /// break, their `row_id` and outcome.
    pub fn write(
        &mut self,
        piece: &Table,
        unread: &[Vec<UnreadCell>],
        rows: &[Aside],
        outcomes: &Texts,
    ) -> Result<(), StageError> {
        let piece = piece.take(&rows.iter().map(|aside| aside.place).collect::<Vec<_>>())?;
        let columns = self.names.iter().map(|name| piece.labels(name)).collect::<Result<Vec<_>, _>>()?;
        let row_ids = piece.ints_full("row_id")?;
        for (at, aside) in rows.iter().enumerate() {
            let cells = self.names.iter().zip(&columns).map(|(name, column)| {
                let unread =
                    unread[aside.place].iter().find(|cell| cell.column == *name).map(|cell| cell.cell.as_str());
                unread.or(column.get(at)).unwrap_or("")
            });
            let row_id = row_ids[at].to_string();
            let outcome = outcomes.get(aside.row).unwrap_or("missing");
            let record = cells.chain([aside.rules.as_str(), row_id.as_str(), outcome]);
            self.writer.write_record(record).map_err(|error| StageError::output(&self.path, error.into()))?;
        }
        self.rows += rows.len();
        Ok(())
    }

    /// Ends the file and tells how many rows it has.
    pub fn finish(mut self) -> Result<usize, StageError> {
        self.writer.flush().map_err(|error| StageError::output(&self.path, error))?;
        Ok(self.rows)
    }
}
