//! Parts of a file: its pieces, some columns, some rows.
//!
//! Whatever is read, one piece is in memory twice at most. A column that is asked for must be in the file.

use super::{Table, TablePieces};
use crate::common::frame::Column;
use crate::common::parquet_file;
use crate::common::texts::{Texts, TextsBuilder};
use crate::{StageError, StageFile};

impl Table {
    /// Reads all columns of a Parquet file that a stage wrote, piece by piece.
    pub fn all_pieces(file: &StageFile) -> Result<TablePieces, StageError> {
        let pieces = parquet_file::Pieces::open(&file.path, |_| true);
        let pieces = pieces.map_err(|error| StageError::input(&file.name, error))?;
        Ok(TablePieces { pieces, name: file.name.clone() })
    }

    /// Reads some columns of a Parquet file that a stage wrote, piece by piece, so that a table need not fit into memory.
    /// Columns come in the file's order, whatever that of `names`; those that are absent are left out.
    pub fn pieces(file: &StageFile, names: &[&str]) -> Result<TablePieces, StageError> {
        let pieces = parquet_file::Pieces::open(&file.path, |name| names.contains(&name));
        let pieces = pieces.map_err(|error| StageError::input(&file.name, error))?;
        Ok(TablePieces { pieces, name: file.name.clone() })
    }

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
}
