//! Tables that arrive in pieces of any length: columns of a file put together in memory, or pieces written as one file.
//!
//! However a table is cut, the file has the bytes of [`Table::write`]: row groups are cut here, not where pieces end.

use std::path::Path;

use super::{Table, TablePieces, TableWriter};
use crate::common::frame::{Column, Frame};
use crate::common::parquet_file;
use crate::common::texts::{Texts, TextsBuilder};
use crate::{StageError, StageFile};

impl Table {
    /// Reads some columns of a Parquet file that a stage wrote, piece by piece; the file must have them all.
    pub fn column_pieces(file: &StageFile, names: &[&str]) -> Result<TablePieces, StageError> {
        let known = parquet_file::names(&file.path).map_err(|error| StageError::input(&file.name, error))?;
        if let Some(absent) = names.iter().find(|name| known.iter().all(|known| known != *name)) {
            return Err(StageError::input(&file.name, format!("has no column `{absent}`"))
                .with_hint(format!("its columns are: {}", known.join(", "))));
        }
        Self::pieces(file, names)
    }

    /// Some columns of a file as a table.
    pub fn read_columns(file: &StageFile, names: &[&str]) -> Result<Self, StageError> {
        let mut whole: Option<Self> = None;
        for piece in Self::column_pieces(file, names)? {
            let piece = piece?;
            match &mut whole {
                Some(whole) => drop(whole.append(piece)?),
                none => *none = Some(piece),
            }
        }
        whole.map_or_else(|| Self::read(file), Ok)
    }

    /// One column of a file; numbers and booleans become numbers.
    pub fn read_column(file: &StageFile, name: &str) -> Result<Column, StageError> {
        let pieces = Self::column_pieces(file, &[name])?;
        let rows = pieces.left();
        let mut numbers: Option<Vec<f64>> = None;
        let mut texts: Option<TextsBuilder> = None;
        for piece in pieces {
            match piece?.frame_of([name])?.get(name) {
                Some(Column::Number(own)) => numbers.get_or_insert_with(|| Vec::with_capacity(rows)).extend(own),
                Some(Column::Text(own)) => texts.get_or_insert_with(|| TextsBuilder::with_rows(rows)).extend(own),
                None => {}
            }
        }
        Ok(texts.map_or_else(|| Column::Number(numbers.unwrap_or_default()), |texts| Column::Text(texts.finish())))
    }

    /// One column of a file as texts, as identifiers need it: integers in decimal.
    pub fn read_labels(file: &StageFile, name: &str) -> Result<Texts, StageError> {
        let pieces = Self::column_pieces(file, &[name])?;
        let mut texts = TextsBuilder::with_rows(pieces.left());
        for piece in pieces {
            texts.extend(&piece?.labels(name)?);
        }
        Ok(texts.finish())
    }

    /// One column of a file as integers, none of which may be missing.
    pub fn read_ints_full(file: &StageFile, name: &str) -> Result<Vec<i64>, StageError> {
        let pieces = Self::column_pieces(file, &[name])?;
        let mut ints = Vec::with_capacity(pieces.left());
        for piece in pieces {
            ints.extend(piece?.ints_full(name)?);
        }
        Ok(ints)
    }

    /// One column of a file as numbers; NaN = missing.
    pub fn read_floats(file: &StageFile, name: &str) -> Result<Vec<f64>, StageError> {
        let pieces = Self::column_pieces(file, &[name])?;
        let mut floats = Vec::with_capacity(pieces.left());
        for piece in pieces {
            floats.extend(piece?.floats(name)?);
        }
        Ok(floats)
    }

    /// Some rows of a file, given ascending, with some of its columns.
    pub fn read_rows(file: &StageFile, names: &[&str], rows: &[usize]) -> Result<Self, StageError> {
        let (mut from, mut rest) = (0, rows);
        let mut found: Option<Self> = None;
        for piece in Self::column_pieces(file, names)? {
            let piece = piece?;
            let end = from + piece.rows();
            let (own, later) = rest.split_at(rest.partition_point(|&row| row < end));
            let own = piece.take(&own.iter().map(|&row| row - from).collect::<Vec<_>>())?;
            match &mut found {
                Some(found) => drop(found.append(own)?),
                none => *none = Some(own),
            }
            (from, rest) = (end, later);
        }
        found.map_or_else(|| Self::read(file), Ok)
    }

    fn fits(&self, other: &Self) -> bool {
        self.frame.schema() == other.frame.schema()
    }

    /// Adds the rows of a table that has the same columns.
    pub fn append(&mut self, rows: Self) -> Result<&mut Self, StageError> {
        if !self.fits(&rows) {
            return Err(self.fault("its pieces do not have the same columns".to_owned()));
        }
        match self.frame.vstack_mut_owned(rows.frame) {
            Ok(_) => Ok(self),
            Err(error) => Err(StageError::input(&rows.name, error.to_string())),
        }
    }

    /// So many rows from one on, or those that are left.
    fn slice(&self, from: usize, rows: usize) -> Self {
        Self { frame: self.frame.slice(from as i64, rows), name: self.name.clone() }
    }
}

/// A file that takes tables of any length.
pub struct TableAppender {
    writer: TableWriter,
    /// What does not fill a row group yet.
    held: Option<Table>,
    rows: usize,
}

impl TableAppender {
    /// A file that will hold the rows.
    pub fn new(path: &Path) -> Self {
        Self { writer: TableWriter::new(path), held: None, rows: 0 }
    }

    /// How many rows were added.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Adds rows; all tables have the same columns.
    pub fn append(&mut self, rows: Table) -> Result<(), StageError> {
        self.rows += rows.rows();
        let mut held = match self.held.take() {
            None => rows,
            Some(mut held) => {
                held.append(rows)?;
                held
            }
        };
        while held.rows() >= TableWriter::PIECE {
            self.write(&held.slice(0, TableWriter::PIECE))?;
            held = held.slice(TableWriter::PIECE, held.rows());
        }
        self.held = Some(held);
        Ok(())
    }

    /// Ends the file. One without rows is no table.
    pub fn finish(mut self) -> Result<(), StageError> {
        if let Some(held) = self.held.take().filter(|held| held.rows() > 0) {
            self.write(&held)?;
        }
        self.writer.finish()
    }

    fn write(&mut self, rows: &Table) -> Result<(), StageError> {
        self.writer.write(rows, &Frame::with_rows(rows.rows()), &[])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn table(rows: std::ops::Range<usize>) -> Table {
        let mut table = Table::with_rows(rows.len());
        table
            .push_ints("n", rows.clone().map(|row| Some(row as i64)).collect())
            .and_then(|table| table.push_texts("s", rows.map(|row| (row % 7 != 0).then(|| format!("P{}", row / 3)))))
            .expect("columns");
        table
    }

    #[test]
    fn bytes_do_not_follow_the_pieces() {
        let dir = tempfile::tempdir().expect("a directory");
        let (whole, pieces) = (dir.path().join("whole"), dir.path().join("pieces"));
        table(0..300_000).write(&whole).expect("written");
        let mut appender = TableAppender::new(&pieces);
        for rows in [0..5, 5..5, 5..131_072, 131_072..290_000, 290_000..300_000] {
            appender.append(table(rows)).expect("the same columns");
        }
        assert_eq!(appender.rows(), 300_000);
        appender.finish().expect("written");
        assert!(fs::read(whole).expect("read") == fs::read(pieces).expect("read"));
    }

    #[test]
    fn pieces_of_other_columns_and_tables_without_rows_are_refused() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut appender = TableAppender::new(&dir.path().join("t"));
        appender.append(table(0..3)).expect("the first");
        let error = appender.append(table(3..4).without("s")).expect_err("a column less");
        assert!(error.to_string().contains("do not have the same columns"), "{error}");
        let mut empty = TableAppender::new(&dir.path().join("empty"));
        empty.append(table(0..0)).expect("no row");
        assert!(empty.finish().is_err());
    }
}
