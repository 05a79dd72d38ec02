//! A raw table in one file, or in the files of a directory whose folders say the value of a column (`year=2015/`).
//!
//! Files are read in the order of their paths, bytewise, whatever order the file system lists them in. Names that begin
//! with `.` or `_` are passed over, as other tools do with their own marks. Columns are matched by name.

use std::cell::Cell;
use std::fs::{self, File};
use std::io::{Read, Seek};
use std::path::Path;
use std::rc::Rc;

use super::parquet_cells::{self, ParquetCells};
use crate::{StageError, StageFile};

/// A folder's value that stands for a missing one.
const MISSING: &str = "__HIVE_DEFAULT_PARTITION__";

/// One file of a table.
pub(super) struct Part {
    pub file: StageFile,
    /// What its folders say: column and value.
    pub keys: Vec<(String, Option<String>)>,
    /// Its path below the directory; empty for a table of one file.
    inner: String,
}

impl Part {
    /// The files of a table.
    pub fn of(file: &StageFile) -> Result<Vec<Self>, StageError> {
        if !file.path.is_dir() {
            return Ok(vec![Self { file: file.clone(), keys: Vec::new(), inner: String::new() }]);
        }
        let mut found = Vec::new();
        list(&file.path, String::new(), &mut found)
            .map_err(|error| StageError::input(&file.name, error.to_string()))?;
        found.sort();
        let part = |inner: String| {
            let name = format!("{}/{inner}", file.name.trim_end_matches('/'));
            if !(has_extension(&inner, "parquet") || has_extension(&inner, "csv")) {
                return Err(StageError::input(name, "is neither a .parquet nor a .csv file")
                    .with_hint("a directory that is a table holds nothing but its rows"));
            }
            let keys = inner.split('/').filter_map(|folder| folder.split_once('='));
            let keys =
                keys.map(|(column, value)| (decoded(column), (value != MISSING).then(|| decoded(value)))).collect();
            Ok(Self { file: StageFile { path: file.path.join(&inner), name }, keys, inner })
        };
        let parts = found.into_iter().map(part).collect::<Result<Vec<_>, _>>()?;
        if parts.is_empty() {
            return Err(StageError::input(&file.name, "is a directory without .parquet or .csv files"));
        }
        Ok(parts)
    }

    /// Opens the file: Parquet when its name ends so, else CSV.
    pub fn open(&self, delimiter: char) -> Result<Opened<'_>, StageError> {
        if has_extension(&self.file.name, "parquet") {
            return parquet_cells::open(&self.file).map(Opened::Parquet);
        }
        let fault = |message: String| StageError::input(&self.file.name, message);
        let file = without_mark(&self.file.path).map_err(|error| fault(error.to_string()))?;
        let (file, row) = Watched::new(file);
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(delimiter as u8)
            .has_headers(false)
            .flexible(true)
            .buffer_capacity(1 << 16)
            .from_reader(file);
        let mut record = csv::ByteRecord::new();
        if !reader.read_byte_record(&mut record).map_err(|error| row.fault(&self.file.name, 1, &error))? {
            return Err(fault("is empty".to_owned()).with_hint("the first line must name the columns"));
        }
        let cells = record.iter().map(|cell| std::str::from_utf8(cell).map(|text| text.trim().to_owned()));
        let header = cells.collect::<Result<_, _>>();
        let header =
            header.map_err(|_| fault("its header is not UTF-8".to_owned()).with_hint("save the file as UTF-8"))?;
        Ok(Opened::Csv { name: &self.file.name, header, reader, row })
    }
}

/// An open file.
pub(super) enum Opened<'a> {
    Csv { name: &'a str, header: Vec<String>, reader: csv::Reader<Watched>, row: RowSize },
    Parquet(ParquetCells<'a>),
}

impl Opened<'_> {
    /// The names of its columns.
    pub fn header(&self) -> Vec<String> {
        match self {
            Self::Csv { header, .. } => header.clone(),
            Self::Parquet(file) => file.header(),
        }
    }

    /// Gives each row's cells and, of CSV, its line. Cells of Parquet columns that are not `known` are missing.
    pub fn for_each_row(
        self,
        known: impl Fn(&str) -> bool,
        mut take: impl FnMut(&[Option<&[u8]>], Option<u64>) -> Result<(), StageError>,
    ) -> Result<(), StageError> {
        match self {
            Self::Parquet(file) => file.for_each_row(known, |cells| take(cells, None)),
            Self::Csv { name, mut reader, row, .. } => {
                let mut record = csv::ByteRecord::new();
                loop {
                    row.begin();
                    let line = reader.position().line();
                    let more = reader.read_byte_record(&mut record);
                    if !more.map_err(|error| row.fault(name, line, &error))? {
                        return Ok(());
                    }
                    let line = record.position().map(csv::Position::line);
                    take(&record.iter().map(Some).collect::<Vec<_>>(), line)?;
                }
            }
        }
    }
}

/// A row with more bytes than this is the rest of a file behind a quote that nothing closes.
const LONGEST_ROW: u64 = 64 << 20;

/// How many bytes of a file were read for one row.
#[derive(Clone, Default)]
pub(super) struct RowSize(Rc<Cell<u64>>);

impl RowSize {
    fn begin(&self) {
        self.0.set(0);
    }

    /// Why the row that begins at `line` could not be read.
    fn fault(&self, file: &str, line: u64, error: &csv::Error) -> StageError {
        if self.0.get() <= LONGEST_ROW {
            return StageError::input(file, format!("is not readable as CSV: {error}"));
        }
        StageError::Input {
            file: file.to_owned(),
            row: Some(line),
            column: None,
            message: format!("the row has more than {} MiB", LONGEST_ROW >> 20),
            hint: "look for an unclosed quote in this line".to_owned(),
        }
    }
}

/// A file that ends in an error when one row has too many bytes, so that no row fills the memory.
pub(super) struct Watched {
    file: File,
    row: RowSize,
}

impl Watched {
    fn new(file: File) -> (Self, RowSize) {
        let row = RowSize::default();
        (Self { file, row: row.clone() }, row)
    }
}

impl Read for Watched {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.file.read(buffer)?;
        let size = self.row.0.get() + count as u64;
        self.row.0.set(size);
        if size > LONGEST_ROW { Err(std::io::Error::other("the row is too long")) } else { Ok(count) }
    }
}

/// A file behind its byte order mark, if it has one.
fn without_mark(path: &Path) -> std::io::Result<File> {
    let mut file = File::open(path)?;
    let mut start = Vec::new();
    Read::by_ref(&mut file).take(3).read_to_end(&mut start)?;
    if start != b"\xef\xbb\xbf" {
        file.rewind()?;
    }
    Ok(file)
}

/// BLAKE3 of a file; of a directory that of its parts, as the store digests directories.
pub(super) fn digest(file: &StageFile) -> Result<String, StageError> {
    let of = |file: &StageFile| {
        let fault = |error: std::io::Error| StageError::input(&file.name, error.to_string());
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(File::open(&file.path).map_err(fault)?).map_err(fault)?;
        Ok::<_, StageError>(hasher.finalize().to_hex().to_string())
    };
    if !file.path.is_dir() {
        return of(file);
    }
    let mut hasher = blake3::Hasher::new_derive_key("clinpipe directory v1");
    for part in Part::of(file)? {
        hasher.update(&(part.inner.len() as u64).to_le_bytes());
        hasher.update(part.inner.as_bytes());
        // No part of a table is a program.
        hasher.update(&[0]);
        hasher.update(of(&part.file)?.as_bytes());
    }
    Ok(hasher.finalize().to_hex().to_string())
}

/// Adds the paths of all files below a directory, relative and with slashes.
fn list(directory: &Path, prefix: String, found: &mut Vec<String>) -> std::io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with(['.', '_']) {
            continue;
        }
        let inner = format!("{prefix}{name}");
        if entry.path().is_dir() {
            list(&entry.path(), format!("{inner}/"), found)?;
        } else {
            found.push(inner);
        }
    }
    Ok(())
}

fn has_extension(name: &str, wanted: &str) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension.eq_ignore_ascii_case(wanted))
}

/// A folder's text without its percent signs: `a%2Fb` is `a/b`. What is no such code stays as it is.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let code = (first == b'%').then(|| tail.get(..2)).flatten().and_then(|code| std::str::from_utf8(code).ok());
        if let Some(byte) = code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            bytes.push(byte);
            rest = &tail[2..];
        } else {
            bytes.push(first);
            rest = tail;
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}
