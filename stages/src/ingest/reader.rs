//! A raw file to typed columns: its format, its encoding, its header.
//!
//! Every fault is named by file, row and column: in CSV the 1-based line (header = 1), in Parquet the 1-based row.

use std::collections::HashSet;

use super::cell::Values;
use super::rows::Rows;
use super::unread::{self, UnreadCell};
use super::{ExtraColumns, IngestParams, parquet_cells};
use crate::common::schema::Schema;
use crate::common::table::Table;
use crate::common::text::{list, suggestion};
use crate::{StageError, StageFile};

/// How many columns an error tells.
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
    /// The unreadable cells of each kept row; empty when they are refused.
    pub unread: Vec<Vec<UnreadCell>>,
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
        if self.unread.iter().any(|cells| !cells.is_empty()) {
            let text = |cells: Vec<UnreadCell>| match cells.as_slice() {
                [] => Ok(None),
                cells => serde_json::to_string(cells).map(Some),
            };
            let texts: Result<Vec<_>, _> = self.unread.into_iter().map(text).collect();
            table.push_texts(unread::COLUMN, texts.map_err(|error| StageError::failed(error.to_string()))?)?;
        }
        Ok(table)
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
    /// Reads the file: Parquet when its name ends so, else CSV. `progress` hears how many rows are done.
    pub fn read(&self, progress: &dyn Fn(u64)) -> Result<Raw, StageError> {
        let name = std::path::Path::new(&self.file.name);
        if name.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("parquet")) {
            return self.read_parquet(progress);
        }
        let bytes = std::fs::read(&self.file.path).map_err(|error| self.fault(error.to_string()))?;
        self.read_csv(&bytes, progress)
    }

    fn read_csv(&self, bytes: &[u8], progress: &dyn Fn(u64)) -> Result<Raw, StageError> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(self.params.delimiter as u8)
            .has_headers(false)
            .flexible(true)
            .from_reader(bytes);
        let mut record = csv::ByteRecord::new();
        let fault = |error: csv::Error| self.fault(format!("is not readable as CSV: {error}"));
        if !reader.read_byte_record(&mut record).map_err(fault)? {
            return Err(self.fault("is empty").with_hint("the first line must name the columns"));
        }
        let cells = record.iter().map(|cell| std::str::from_utf8(cell).map(|text| text.trim().to_owned()));
        let header: Vec<String> = cells
            .collect::<Result<_, _>>()
            .map_err(|_| self.fault("its header is not UTF-8").with_hint("save the file as UTF-8"))?;
        self.check_header(&header)?;
        let mut rows = Rows::new(self, &header);
        while reader.read_byte_record(&mut record).map_err(fault)? {
            let line = record.position().map_or(rows.read() + 2, csv::Position::line);
            rows.take(&record.iter().map(Some).collect::<Vec<_>>(), line)?;
            tell(rows.read(), progress);
        }
        rows.finish()
    }

    fn read_parquet(&self, progress: &dyn Fn(u64)) -> Result<Raw, StageError> {
        let file = parquet_cells::open(self.file)?;
        let header = file.header();
        self.check_header(&header)?;
        let mut rows = Rows::new(self, &header);
        let known = |name: &str| self.schema.columns.contains_key(name);
        file.for_each_row(known, |cells| {
            rows.take(cells, rows.read() + 1)?;
            tell(rows.read(), progress);
            Ok(())
        })?;
        rows.finish()
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

fn tell(read: u64, progress: &dyn Fn(u64)) {
    if read.is_multiple_of(STEP) {
        progress(read);
    }
}

fn names(header: &[String]) -> impl Iterator<Item = &str> {
    header.iter().map(String::as_str)
}
