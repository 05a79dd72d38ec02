//! A table of any length, read and written a piece at a time, so that no more than a piece is in memory.

use std::path::{Path, PathBuf};

use super::Table;
use crate::StageError;
use crate::common::frame::{Column, Frame};
use crate::common::parquet_file;

/// The rows of a file in pieces of 131,072, the last one of what is left.
pub struct TablePieces {
    pub(super) pieces: parquet_file::Pieces,
    pub(super) name: String,
}

impl TablePieces {
    /// How many rows are still to come.
    pub fn left(&self) -> usize {
        self.pieces.left()
    }
}

impl Iterator for TablePieces {
    type Item = Result<Table, StageError>;

    fn next(&mut self) -> Option<Self::Item> {
        let piece = self.pieces.next()?;
        let table = |frame| Table { frame, name: self.name.clone() };
        Some(piece.map(table).map_err(|error| StageError::input(&self.name, error)))
    }
}

/// A Parquet file that is written piece by piece. Pieces cut as [`TablePieces`] gives them make the bytes of
/// [`Table::write`].
pub struct TableWriter {
    path: PathBuf,
    writer: Option<parquet_file::Writer>,
}

impl TableWriter {
    /// Rows of every piece but the last.
    pub const PIECE: usize = parquet_file::ROW_GROUP;

    /// A file that will hold the pieces.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), writer: None }
    }

    /// Adds a piece: the columns of `table`, then the named columns of `frame`. All pieces have the same columns, and all
    /// but the last have 131,072 rows.
    pub fn write(&mut self, table: &Table, frame: &Frame, names: &[&str]) -> Result<(), StageError> {
        let column =
            |name: &&str| frame.get(name).ok_or_else(|| StageError::failed(format!("`{name}` was not computed")));
        let more = names.iter().map(column).collect::<Result<Vec<_>, _>>()?;
        let fault = |error| StageError::output(&self.path, error);
        let writer = match &mut self.writer {
            Some(writer) => writer,
            none => none.insert(create(&self.path, table, names, &more).map_err(fault)?),
        };
        writer.write(&table.frame, &more).map_err(fault)
    }

    /// Ends the file. One without a piece is no table.
    pub fn finish(self) -> Result<(), StageError> {
        let writer = self.writer.ok_or_else(|| StageError::failed("a table without rows is not written"))?;
        writer.finish().map_err(|error| StageError::output(&self.path, error))
    }
}

fn create(path: &Path, table: &Table, names: &[&str], more: &[&Column]) -> std::io::Result<parquet_file::Writer> {
    let own = table.frame.columns().iter().map(parquet_file::field).collect::<Result<Vec<_>, _>>();
    let mut fields = own.map_err(std::io::Error::other)?;
    fields.extend(names.iter().zip(more).map(|(name, column)| parquet_file::new_field(name, column)));
    parquet_file::Writer::create(path, fields)
}
