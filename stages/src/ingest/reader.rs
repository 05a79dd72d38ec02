//! The raw CSV file to typed columns: encoding, header, field counts, cells, duplicates.
//!
//! Every fault is named by file, row (1-based line, header = 1) and column. Cell faults are collected, the first
//! twenty are told together, so that a file is mended in one go.

use std::collections::HashSet;
use std::fmt::Write as _;

use super::cell::{ColumnReader, Values};
use super::{Dedupe, ExtraColumns, IngestParams};
use crate::StageError;
use crate::common::schema::Schema;
use crate::common::table::Table;
use crate::common::text::{list, suggestion};

/// How many unreadable cells an error tells.
const TOLD: usize = 20;
/// How many rows lie between two messages of progress.
const STEP: u64 = 50_000;

/// The rows that were kept, typed.
pub(super) struct Raw {
    pub row_ids: Vec<u64>,
    /// In the file's order.
    pub columns: Vec<(String, Values)>,
    /// Rows in the file.
    pub read: u64,
    pub duplicates: u64,
    /// Columns of the file that the schema does not know.
    pub dropped_columns: Vec<String>,
}

impl Raw {
    /// The table that the stage writes.
    pub fn into_table(self) -> Result<Table, StageError> {
        let mut table = Table::with_rows(self.row_ids.len());
        table.push_ints("row_id", self.row_ids.iter().map(|&id| Some(id as i64)).collect())?;
        for (name, values) in self.columns {
            match values {
                Values::Integers(values) => table.push_ints(&name, values)?,
                Values::Numbers(values) => table.push_floats(&name, values)?,
                Values::Texts(values) => table.push_texts(&name, values)?,
            };
        }
        Ok(table)
    }
}

/// What is read and how.
pub(super) struct Job<'a> {
    /// What errors call the file.
    pub file: &'a str,
    pub schema: &'a Schema,
    pub params: &'a IngestParams,
    /// Whether the file may lack a column of the schema.
    pub may_lack: &'a dyn Fn(&str) -> bool,
}

impl Job<'_> {
    /// Reads the bytes of the file.
    pub fn read(&self, bytes: &[u8], progress: &dyn Fn(u64)) -> Result<Raw, StageError> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(self.params.delimiter as u8)
            .has_headers(false)
            .flexible(true)
            .from_reader(bytes);
        let mut record = csv::ByteRecord::new();
        let fault = |error: csv::Error| StageError::input(self.file, format!("is not readable as CSV: {error}"));
        if !reader.read_byte_record(&mut record).map_err(fault)? {
            return Err(StageError::input(self.file, "is empty").with_hint("the first line must name the columns"));
        }
        let header = self.header(&record)?;
        let mut rows = Rows::new(self, &header);
        while reader.read_byte_record(&mut record).map_err(fault)? {
            rows.take(&record)?;
            if rows.read.is_multiple_of(STEP) {
                progress(rows.read);
            }
        }
        rows.finish()
    }

    /// The names of the columns: nothing missing, nothing twice, nothing unknown unless allowed.
    fn header(&self, record: &csv::ByteRecord) -> Result<Vec<String>, StageError> {
        let cells = record.iter().map(|cell| std::str::from_utf8(cell).map(|text| text.trim().to_owned()));
        let header: Vec<String> = cells
            .collect::<Result<_, _>>()
            .map_err(|_| StageError::input(self.file, "its header is not UTF-8").with_hint("save the file as UTF-8"))?;
        let mut seen = HashSet::new();
        if let Some(name) = header.iter().find(|name| !seen.insert(name.as_str())) {
            return Err(StageError::input(self.file, format!("its header names the column `{name}` twice")));
        }
        let columns = &self.schema.columns;
        let unknown: Vec<&str> = names(&header).filter(|name| !columns.contains_key(*name)).collect();
        let lacks = columns.keys().filter(|name| !seen.contains(name.as_str()) && !(self.may_lack)(name));
        let told: Vec<String> =
            lacks.map(|name| format!("`{name}`{}", suggestion(name, unknown.iter().copied()))).collect();
        if !told.is_empty() {
            let all = list(told.iter().map(String::as_str), TOLD);
            return Err(StageError::input(self.file, format!("its header lacks {all}"))
                .with_hint(format!("the file has: {}", list(names(&header), 40))));
        }
        if !unknown.is_empty() && self.params.extra_columns == ExtraColumns::Refuse {
            let all = list(unknown.iter().copied(), TOLD);
            return Err(StageError::input(self.file, format!("has columns that the schema does not know: {all}"))
                .with_hint("declare them under schema.columns, or set `ingest.extra_columns: drop`"));
        }
        Ok(header)
    }
}

fn names(header: &[String]) -> impl Iterator<Item = &str> {
    header.iter().map(String::as_str)
}

/// The state of reading.
struct Rows<'a> {
    file: &'a str,
    header: &'a [String],
    readers: Vec<Option<ColumnReader>>,
    /// Columns that tell rows apart; `None` when duplicates stay.
    compared: Option<Vec<bool>>,
    seen: HashSet<blake3::Hash>,
    row_ids: Vec<u64>,
    read: u64,
    duplicates: u64,
    faults: Vec<(u64, String, String)>,
    fault_count: u64,
}

impl<'a> Rows<'a> {
    fn new(job: &Job<'a>, header: &'a [String]) -> Self {
        let Job { file, schema, params, .. } = *job;
        let reader = |name: &String| schema.columns.get(name).map(|column| ColumnReader::new(column, &params.na));
        let counts = |name: &String| {
            schema.columns.contains_key(name)
                && (params.dedupe == Dedupe::Exact || schema.id.as_deref() != Some(name.as_str()))
        };
        Self {
            file,
            header,
            readers: header.iter().map(reader).collect(),
            compared: (params.dedupe != Dedupe::None).then(|| header.iter().map(counts).collect()),
            seen: HashSet::new(),
            row_ids: Vec::new(),
            read: 0,
            duplicates: 0,
            faults: Vec::new(),
            fault_count: 0,
        }
    }

    fn take(&mut self, record: &csv::ByteRecord) -> Result<(), StageError> {
        let line = record.position().map_or(self.read + 2, csv::Position::line);
        if record.len() != self.header.len() {
            return Err(self.wrong_count(record, line));
        }
        let row_id = self.read;
        self.read += 1;
        if self.is_duplicate(record) {
            self.duplicates += 1;
            return Ok(());
        }
        self.row_ids.push(row_id);
        for ((cell, reader), name) in record.iter().zip(&mut self.readers).zip(self.header) {
            let Some(reader) = reader else { continue };
            let Ok(cell) = std::str::from_utf8(cell) else {
                return Err(StageError::cell(self.file, line, name, "is not UTF-8").with_hint("save the file as UTF-8"));
            };
            if let Err(message) = reader.push(cell) {
                self.fault_count += 1;
                if self.faults.len() < TOLD {
                    self.faults.push((line, name.clone(), message));
                }
            }
        }
        Ok(())
    }

    fn wrong_count(&self, record: &csv::ByteRecord, line: u64) -> StageError {
        let (found, expected) = (record.len(), self.header.len());
        // The first column that is absent or too many tells where to look.
        let column = self.header.get(found).map_or_else(|| format!("{}", expected + 1), Clone::clone);
        StageError::cell(self.file, line, column, format!("the row has {found} cells, the header {expected}"))
            .with_hint("look for a missing or an additional separator, or an unclosed quote")
    }

    fn is_duplicate(&mut self, record: &csv::ByteRecord) -> bool {
        let Some(compared) = &self.compared else { return false };
        let mut hasher = blake3::Hasher::new();
        for (cell, _) in record.iter().zip(compared).filter(|(_, compared)| **compared) {
            hasher.update(&(cell.len() as u64).to_le_bytes());
            hasher.update(cell);
        }
        !self.seen.insert(hasher.finalize())
    }

    fn finish(self) -> Result<Raw, StageError> {
        if let [(line, column, message), others @ ..] = self.faults.as_slice() {
            let mut text = message.clone();
            for (line, column, message) in others {
                let _ = write!(text, "\n  row {line}, column {column}: {message}");
            }
            let untold = self.fault_count - self.faults.len() as u64;
            if untold > 0 {
                let _ = write!(text, "\n  and {untold} more");
            }
            return Err(StageError::cell(self.file, *line, column, text)
                .with_hint("mend the cells, or add markers of missing values to `ingest.na`"));
        }
        if self.row_ids.is_empty() {
            return Err(StageError::input(self.file, "has a header but no rows"));
        }
        let untyped = self.header.iter().zip(&self.readers).filter(|(_, reader)| reader.is_none());
        let dropped_columns = untyped.map(|(name, _)| name.clone()).collect();
        let columns = self.header.iter().zip(self.readers);
        Ok(Raw {
            row_ids: self.row_ids,
            columns: columns.filter_map(|(name, reader)| Some((name.clone(), reader?.values))).collect(),
            read: self.read,
            duplicates: self.duplicates,
            dropped_columns,
        })
    }
}
