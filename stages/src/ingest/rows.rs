//! Row after row into typed columns: cell counts, cells, duplicates.
//!
//! A cell that is not of its column's type is kept beside its row, or refused: then the first twenty are told together,
//! so that a file is mended in one go. A row with too few or too many cells is always refused: nobody knows which cell
//! belongs where. Rows are kept until there are as many as a piece of a table has.

use std::collections::HashSet;
use std::fmt::Write as _;

use super::cell::ColumnReader;
use super::reader::{Job, Piece, Read};
use super::unread::UnreadCell;
use super::{Dedupe, Unreadable};
use crate::StageError;
use crate::common::key::{self, Key};
use crate::common::table::TableWriter;

/// How many unreadable cells an error tells.
const TOLD: usize = 20;

/// The state of reading.
pub(super) struct Rows<'a> {
    file: &'a str,
    header: &'a [String],
    readers: Vec<Option<ColumnReader>>,
    /// Columns that tell rows apart; `None` when duplicates stay.
    compared: Option<Vec<bool>>,
    seen: HashSet<Key>,
    /// Of the rows that were not given on yet.
    row_ids: Vec<u64>,
    read: u64,
    duplicates: u64,
    unreadable: Unreadable,
    /// Of each of those rows, when cells are kept.
    unread: Vec<Vec<UnreadCell>>,
    faults: Vec<UnreadCell>,
    fault_count: u64,
}

impl<'a> Rows<'a> {
    /// Nothing read yet.
    pub fn new(job: &Job<'a>, header: &'a [String]) -> Self {
        let Job { file, schema, params, .. } = *job;
        let reader = |name: &String| schema.columns.get(name).map(|column| ColumnReader::new(column, &params.na));
        let counts = |name: &String| {
            schema.columns.contains_key(name)
                && (params.dedupe == Dedupe::Exact || schema.id.as_deref() != Some(name.as_str()))
        };
        Self {
            file: &file.name,
            header,
            readers: header.iter().map(reader).collect(),
            compared: (params.dedupe != Dedupe::None).then(|| header.iter().map(counts).collect()),
            seen: HashSet::new(),
            row_ids: Vec::new(),
            read: 0,
            duplicates: 0,
            unreadable: params.unreadable,
            unread: Vec::new(),
            faults: Vec::new(),
            fault_count: 0,
        }
    }

    /// How many rows were taken.
    pub fn read(&self) -> u64 {
        self.read
    }

    /// Takes a row's cells, one a column; `None` is a missing one. `line` is where errors say it is.
    pub fn take(&mut self, cells: &[Option<&[u8]>], line: u64) {
        let row_id = self.read;
        self.read += 1;
        if self.is_duplicate(cells) {
            self.duplicates += 1;
            return;
        }
        self.row_ids.push(row_id);
        let mut unread = Vec::new();
        for ((cell, reader), name) in cells.iter().zip(&mut self.readers).zip(self.header) {
            let Some(reader) = reader else { continue };
            let Some(cell) = cell else {
                reader.push_missing();
                continue;
            };
            let result = if let Ok(cell) = std::str::from_utf8(cell) {
                reader.push(cell)
            } else {
                reader.push_missing();
                Err("is not UTF-8".to_owned())
            };
            if let Err(message) = result {
                let cell = String::from_utf8_lossy(cell).into_owned();
                unread.push(UnreadCell { column: name.clone(), line, cell, message });
            }
        }
        match self.unreadable {
            Unreadable::SetAside => self.unread.push(unread),
            Unreadable::Refuse => {
                self.fault_count += unread.len() as u64;
                unread.truncate(TOLD - self.faults.len());
                self.faults.extend(unread);
            }
        }
    }

    fn is_duplicate(&mut self, cells: &[Option<&[u8]>]) -> bool {
        let Some(compared) = &self.compared else { return false };
        let mut hasher = blake3::Hasher::new();
        for (cell, _) in cells.iter().zip(compared).filter(|(_, compared)| **compared) {
            // No cell is as long as the mark of a missing one.
            hasher.update(&cell.map_or(u64::MAX, |cell| cell.len() as u64).to_le_bytes());
            hasher.update(cell.unwrap_or_default());
        }
        !self.seen.insert(key::of_hash(&hasher.finalize()))
    }

    /// The rows that were kept since the last piece, when they are enough for one.
    pub fn full(&mut self) -> Option<Piece> {
        (self.row_ids.len() == TableWriter::PIECE).then(|| self.piece())
    }

    fn piece(&mut self) -> Piece {
        let columns = self.header.iter().zip(&mut self.readers);
        Piece {
            row_ids: std::mem::take(&mut self.row_ids),
            columns: columns
                .filter_map(|(name, reader)| Some((name.clone(), reader.as_mut()?.values.take())))
                .collect(),
            unread: std::mem::take(&mut self.unread),
        }
    }

    /// Gives on the last rows, or tells the faults of the cells.
    pub fn finish(mut self, sink: &mut dyn FnMut(Piece) -> Result<(), StageError>) -> Result<Read, StageError> {
        if let [UnreadCell { line, column, message, .. }, others @ ..] = self.faults.as_slice() {
            let mut text = message.clone();
            for UnreadCell { line, column, message, .. } in others {
                let _ = write!(text, "\n  row {line}, column {column}: {message}");
            }
            let untold = self.fault_count - self.faults.len() as u64;
            if untold > 0 {
                let _ = write!(text, "\n  and {untold} more");
            }
            return Err(StageError::cell(self.file, *line, column, text)
                .with_hint("mend the cells, add markers of missing values to `ingest.na`, or save the file as UTF-8"));
        }
        if self.read == 0 {
            return Err(StageError::input(self.file, "has a header but no rows")
                .with_hint("find out why nothing came in, or give the file that holds the rows"));
        }
        if !self.row_ids.is_empty() {
            sink(self.piece())?;
        }
        let named = |typed: bool| {
            let columns = self.header.iter().zip(&self.readers).filter(move |(_, reader)| reader.is_some() == typed);
            columns.map(|(name, _)| name.clone()).collect()
        };
        Ok(Read { rows: self.read, duplicates: self.duplicates, columns: named(true), dropped_columns: named(false) })
    }
}

/// A row with too few or too many cells; `line` is where it stands in its file.
pub(super) fn wrong_count(file: &str, header: &[String], found: usize, line: u64) -> StageError {
    let expected = header.len();
    // The first column that is absent or too many tells where to look.
    let column = header.get(found).map_or_else(|| format!("{}", expected + 1), Clone::clone);
    StageError::cell(file, line, column, format!("the row has {found} cells, the header {expected}"))
        .with_hint("look for a missing or an additional separator, or an unclosed quote")
}
