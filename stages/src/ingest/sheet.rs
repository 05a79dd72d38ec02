//! The table that the stage writes, growing piece by piece.
//!
//! Only a table with unreadable cells has the column that tells them. When the first comes late, what was written is
//! read again and gets the column, empty.

use std::path::{Path, PathBuf};

use tempfile::TempPath;

use super::unread::COLUMN;
use crate::common::table::{Table, TableAppender};
use crate::{StageError, StageFile};

/// The unreadable cells of each row, as they are stored.
pub(super) type Unread = Vec<Option<String>>;

/// A file that takes rows.
pub(super) struct Sheet {
    path: PathBuf,
    rows: TableAppender,
    /// Whether it has the column of unreadable cells.
    wide: bool,
}

impl Sheet {
    /// A file that will hold the rows.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), rows: TableAppender::new(path), wide: false }
    }

    /// Adds rows, and the unreadable cells of each if there are any.
    pub fn add(&mut self, mut rows: Table, unread: Option<Unread>) -> Result<(), StageError> {
        if unread.is_some() && !self.wide {
            self.widen()?;
        }
        if self.wide {
            let unread = unread.unwrap_or_else(|| vec![None; rows.rows()]);
            rows.push_texts(COLUMN, unread)?;
        }
        self.rows.append(rows)
    }

    /// Ends the file.
    pub fn finish(self) -> Result<(), StageError> {
        self.rows.finish()
    }

    fn widen(&mut self) -> Result<(), StageError> {
        self.wide = true;
        if self.rows.rows() == 0 {
            return Ok(());
        }
        let narrow = beside(&self.path)?;
        std::mem::replace(&mut self.rows, TableAppender::new(&self.path)).finish()?;
        std::fs::rename(&self.path, &narrow).map_err(|error| StageError::output(&self.path, error))?;
        for piece in Table::all_pieces(&file(&narrow))? {
            self.add(piece?, None)?;
        }
        Ok(())
    }
}

/// A file in the same directory that is removed when it is dropped.
pub(super) fn beside(path: &Path) -> Result<TempPath, StageError> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let file = tempfile::NamedTempFile::new_in(directory).map_err(|error| StageError::output(path, error))?;
    Ok(file.into_temp_path())
}

/// The file of a path as tables are read from.
pub(super) fn file(path: &Path) -> StageFile {
    StageFile { path: path.to_owned(), name: "the ingested table".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(rows: std::ops::Range<i64>) -> Table {
        let mut table = Table::with_rows(rows.end as usize - rows.start as usize);
        table.push_ints("row_id", rows.map(Some).collect()).expect("a column");
        table
    }

    #[test]
    fn a_late_unreadable_cell_gives_every_row_its_column() {
        let dir = tempfile::tempdir().expect("a directory");
        let (path, whole) = (dir.path().join("pieces"), dir.path().join("whole"));
        let cell = |row: i64| (row == 139_999).then(|| "[1]".to_owned());
        let mut sheet = Sheet::new(&path);
        sheet.add(rows(0..131_072), None).expect("rows");
        sheet.add(rows(131_072..131_080), None).expect("rows");
        sheet.add(rows(131_080..140_000), Some((131_080..140_000).map(cell).collect())).expect("rows");
        sheet.finish().expect("written");
        let mut table = rows(0..140_000);
        table.push_texts(COLUMN, (0..140_000).map(cell)).and_then(|table| table.write(&whole)).expect("written");
        assert!(std::fs::read(&path).expect("read") == std::fs::read(&whole).expect("read"));
        assert_eq!(std::fs::read_dir(dir.path()).expect("a directory").count(), 2, "nothing else stays");
    }
}
