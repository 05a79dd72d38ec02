//! A raw file to typed columns: its format, its encoding, its header.
//!
//! Every fault is named by file, row and column: in CSV the 1-based line (header = 1), in Parquet the 1-based row. A table
//! of many files is one: its rows are counted through.

use std::collections::HashSet;

use super::cell::Values;
use super::parts::{Opened, Part};
use super::rows::{Rows, wrong_count};
use super::sheet::Unread;
use super::unread::UnreadCell;
use super::{ExtraColumns, IngestParams};
use crate::common::schema::Schema;
use crate::common::table::Table;
use crate::common::text::{list, suggestion};
use crate::{StageError, StageFile};

/// How many columns an error tells.
const TOLD: usize = 20;
/// How many rows lie between two messages of progress.
const STEP: u64 = 50_000;

/// Kept rows that were read one after the other, typed.
pub(super) struct Piece {
    pub row_ids: Vec<u64>,
    /// In the file's order.
    pub columns: Vec<(String, Values)>,
    /// The unreadable cells of each row; empty when they are refused.
    pub unread: Vec<Vec<UnreadCell>>,
}

/// What was read in all.
pub(super) struct Read {
    /// Rows in the file.
    pub rows: u64,
    pub duplicates: u64,
    /// Columns of the table, in the file's order.
    pub columns: Vec<String>,
    /// Columns of the file that the schema does not know.
    pub dropped_columns: Vec<String>,
}

impl Piece {
    /// The rows as a table, and the unread cells of each, if there are any.
    pub fn into_table(self) -> Result<(Table, Option<Unread>), StageError> {
        let mut table = Table::with_rows(self.row_ids.len());
        table.push_ints("row_id", self.row_ids.iter().map(|&id| Some(id as i64)).collect())?;
        for (name, values) in self.columns {
            match values {
                Values::Integers(values) => table.push_ints(&name, values)?,
                Values::Numbers(values) => table.push_floats(&name, values)?,
                Values::Texts(values) => table.push_texts(&name, values)?,
            };
        }
        let text = |cells: &Vec<UnreadCell>| match cells.as_slice() {
            [] => Ok(None),
            cells => serde_json::to_string(cells).map(Some),
        };
        let any = self.unread.iter().any(|cells| !cells.is_empty());
        let unread = any.then(|| self.unread.iter().map(text).collect::<Result<_, _>>()).transpose();
        Ok((table, unread.map_err(|error| StageError::failed(error.to_string()))?))
    }
}

/// What is read and how.
pub(super) struct Job<'a> {
    pub file: &'a StageFile,
    pub schema: &'a Schema,
    pub params: &'a IngestParams,
    /// Whether the file may lack a column of the schema.
    pub may_lack: &'a dyn Fn(&str) -> bool,
}

impl Job<'_> {
    /// Reads the table's file, or its files, and gives the rows to `sink` in pieces. `progress` hears how many are done.
    pub fn read(
        &self,
        progress: &dyn Fn(u64),
        sink: &mut dyn FnMut(Piece) -> Result<(), StageError>,
    ) -> Result<Read, StageError> {
        let parts = Part::of(self.file)?;
        let mut first = parts.first().map(|part| part.open(self.params.delimiter)).transpose()?;
        let header = match (parts.first(), &first) {
            (Some(part), Some(opened)) => full_header(part, opened),
            _ => Vec::new(),
        };
        self.check_header(&header)?;
        let mut rows = Rows::new(self, &header);
        for part in &parts {
            let opened = first.take().map_or_else(|| part.open(self.params.delimiter), Ok)?;
            let own = opened.header();
            let places = places(&header, part, &own, &parts[0].file.name)?;
            let known = |name: &str| self.schema.columns.contains_key(name);
            let before = rows.read();
            opened.for_each_row(known, |cells, line| {
                let line = line.unwrap_or(rows.read() - before + 1);
                if cells.len() != own.len() {
                    return Err(wrong_count(&part.file.name, &own, cells.len(), line));
                }
                // A cell is told by its line; in a table of many files by its row in all of them.
                let line = if parts.len() == 1 { line } else { rows.read() + 1 };
                match &places {
                    None => rows.take(cells, line),
                    Some(places) => rows.take(&arranged(cells, places, part), line),
                }
                tell(rows.read(), progress);
                rows.full().map_or(Ok(()), &mut *sink)
            })?;
        }
        rows.finish(sink)
    }

    fn fault(&self, message: impl Into<String>) -> StageError {
        StageError::input(&self.file.name, message)
    }

    /// The names of the columns: nothing missing, nothing twice, nothing unknown unless allowed.
    fn check_header(&self, header: &[String]) -> Result<(), StageError> {
        let mut seen = HashSet::new();
        if let Some(name) = header.iter().find(|name| !seen.insert(name.as_str())) {
            return Err(self.fault(format!("its header names the column `{name}` twice")));
        }
        let columns = &self.schema.columns;
        let unknown: Vec<&str> = names(header).filter(|name| !columns.contains_key(*name)).collect();
        let lacks = columns.keys().filter(|name| !seen.contains(name.as_str()) && !(self.may_lack)(name));
        let told: Vec<String> =
            lacks.map(|name| format!("`{name}`{}", suggestion(name, unknown.iter().copied()))).collect();
        if !told.is_empty() {
            let all = list(told.iter().map(String::as_str), TOLD);
            return Err(self
                .fault(format!("its header lacks {all}"))
                .with_hint(format!("the file has: {}", list(names(header), 40))));
        }
        if !unknown.is_empty() && self.params.extra_columns == ExtraColumns::Refuse {
            let all = list(unknown.iter().copied(), TOLD);
            return Err(self
                .fault(format!("has columns that the schema does not know: {all}"))
                .with_hint("declare them under schema.columns, or set `ingest.extra_columns: drop`"));
        }
        Ok(())
    }
}

/// Where a column's cells come from: a place in the row, or what a folder says.
enum Place {
    Cell(usize),
    Key(usize),
}

/// The columns of a part: those that its folders name, then its own.
fn full_header(part: &Part, opened: &Opened) -> Vec<String> {
    part.keys.iter().map(|(column, _)| column.clone()).chain(opened.header()).collect()
}

/// Where the table's columns stand in a part; nothing when it has them all in the same order.
fn places(header: &[String], part: &Part, own: &[String], first: &str) -> Result<Option<Vec<Place>>, StageError> {
    if header == own && part.keys.is_empty() {
        return Ok(None);
    }
    let place = |name: &String| {
        let key = part.keys.iter().position(|(column, _)| column == name).map(Place::Key);
        key.or_else(|| own.iter().position(|column| column == name).map(Place::Cell))
    };
    let lacks =
        header.iter().find(|name| place(name).is_none()).map(|name| format!("lacks the column `{name}` of {first}"));
    let more = || {
        let more = part.keys.iter().map(|(column, _)| column).chain(own).find(|name| !header.contains(name))?;
        Some(format!("has a column `{more}` that {first} has not"))
    };
    let twice = || (part.keys.len() + own.len() != header.len()).then(|| "names a column twice".to_owned());
    match lacks.or_else(more).or_else(twice) {
        Some(fault) => {
            Err(StageError::input(&part.file.name, fault).with_hint("all files of a table have its columns"))
        }
        None => Ok(Some(header.iter().filter_map(place).collect())),
    }
}

fn arranged<'a>(cells: &[Option<&'a [u8]>], places: &[Place], part: &'a Part) -> Vec<Option<&'a [u8]>> {
    let cell = |place: &Place| match *place {
        Place::Cell(at) => cells[at],
        Place::Key(at) => part.keys[at].1.as_deref().map(str::as_bytes),
    };
    places.iter().map(cell).collect()
}

fn tell(read: u64, progress: &dyn Fn(u64)) {
    if read.is_multiple_of(STEP) {
        progress(read);
    }
}

fn names(header: &[String]) -> impl Iterator<Item = &str> {
    header.iter().map(String::as_str)
}
