//! Tables that arrive in pieces of any length: put together in memory, or written as one file.
//!
//! However a table is cut, the file has the bytes of [`Table::write`]: row groups are cut here, not where pieces end.

use std::path::Path;

use super::{Table, TableWriter};
use crate::StageError;
use crate::common::frame::Frame;

impl Table {
    /// Whether another table has the same columns.
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

    use crate::StageFile;

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
    fn some_rows_and_columns_are_those_of_the_whole() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = StageFile { path: dir.path().join("t"), name: "t".to_owned() };
        let whole = table(0..300_000);
        whole.write(&file.path).expect("written");
        let rows = [0, 131_071, 131_072, 299_999];
        let some = Table::read_rows(&file, &["s", "n"], &rows).expect("readable");
        assert_eq!(some.names(), ["n", "s"]);
        assert_eq!(some.ints_full("n").expect("integers"), rows.map(|row| row as i64));
        assert_eq!(some.texts("s").expect("texts"), whole.texts("s").expect("texts").take(&rows));
        assert_eq!(Table::read_rows(&file, &["n"], &[]).expect("readable").rows(), 0);
        assert_eq!(Table::read_columns(&file, &["n"]).expect("readable").names(), ["n"]);
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
