//! Which rows a model has learned from, so that another day's test rows can be told from them.
//!
//! A bundle names its training rows by one digest, which tells whether two sets are equal and nothing else. The registry
//! therefore keeps a mark for each training row: of its patient where the schema has one, else of the row's number in
//! its raw file and of what the row says. A mark is eight bytes of BLAKE3 under a secret of the registry: without the
//! secret, which stays in the registry (mode 0600), nobody can look a patient up in it. Two different rows share a mark
//! once in 2⁶⁴; then a test row too many is left out.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use clinpipe_stages::common::frame::Column;
use clinpipe_stages::common::schema::Schema;
use clinpipe_stages::common::table::Table;
use clinpipe_stages::common::texts::Texts;
use clinpipe_stages::{StageError, StageFile};

use crate::util::atomic_write;

/// What a file of marks begins with.
const MAGIC: &[u8] = b"clinpipe training rows 1\n";

/// The secret under which rows are marked.
#[derive(Clone)]
pub struct RowKey([u8; 32]);

impl RowKey {
    /// Reads the secret, or makes one where there is none.
    ///
    /// # Errors
    /// When it cannot be read or written, or others can read it.
    pub fn open(path: &Path) -> io::Result<Self> {
        match fs::read(path) {
            Ok(bytes) => {
                let mode = fs::metadata(path)?.permissions().mode();
                if mode & 0o077 != 0 {
                    let message =
                        format!("others may read it (mode {:o}); allow its owner only: chmod 600", mode & 0o777);
                    return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
                }
                let bytes = bytes.try_into().map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "is no key"))?;
                Ok(Self(bytes))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::make(path),
            Err(error) => Err(error),
        }
    }

    /// Makes one; the first of two processes that do wins.
    fn make(path: &Path) -> io::Result<Self> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(io::Error::from)?;
        let parent = path.parent().unwrap_or(Path::new("."));
        let staged = parent.join(format!(".rows.key-{}", std::process::id()));
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&staged)?;
        file.write_all(&key).and_then(|()| file.sync_all())?;
        let linked = fs::hard_link(&staged, path);
        fs::remove_file(&staged)?;
        match linked {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Self::open(path),
            linked => linked?,
        }
        atomic_write::sync_dir(parent)?;
        Ok(Self(key))
    }

    /// Tells this secret from others and nothing else.
    pub(super) fn id(&self) -> u64 {
        self.mark(b'k', b"")
    }

    /// Eight bytes that stand for a text of a kind.
    fn mark(&self, kind: u8, content: &[u8]) -> u64 {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        hasher.update(&[kind]).update(content);
        u64::from_le_bytes(hasher.finalize().as_bytes().first_chunk().copied().unwrap_or_default())
    }
}

/// By what a row is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    /// By its patient.
    Patient(u64),
    /// By its place in its file, and by what it says.
    Row { place: u64, content: u64 },
}

/// Every row of a table with its part of the split and its mark.
pub struct RowMarks {
    /// The ids of the rows.
    pub row_ids: Vec<i64>,
    /// The positions of the training rows.
    pub train: Vec<usize>,
    /// The positions of the test rows.
    pub test: Vec<usize>,
    marks: Vec<Mark>,
    data: String,
    key: u64,
}

impl RowMarks {
    /// Marks the rows of a table whose raw data have the digest `data`.
    ///
    /// # Errors
    /// When a file cannot be read, or the two do not belong together.
    pub fn read(
        key: &RowKey,
        table: &StageFile,
        split: &StageFile,
        schema: &Schema,
        data: &str,
    ) -> Result<Self, StageError> {
        let parts = Table::read_columns(split, &["row_id", "part"])?;
        let (row_ids, parts) = (parts.ints_full("row_id")?, parts.texts("part")?);
        if Table::read_ints_full(table, "row_id")? != row_ids {
            return Err(StageError::input(&split.name, format!("its rows are not those of {}", table.name)));
        }
        let of = |wanted: &str| (0..parts.len()).filter(|&row| parts.get(row) == Some(wanted)).collect();
        let patients = match &schema.group {
            Some(column) => Table::read_labels(table, column)?,
            None => Texts::repeat(None, row_ids.len()),
        };
        let lone = (0..row_ids.len()).any(|row| patients.get(row).is_none());
        let contents = if lone { contents(key, table, schema)? } else { vec![0; row_ids.len()] };
        let alone = |row: usize| {
            let place = [data.as_bytes(), &row_ids[row].to_le_bytes()].concat();
            Mark::Row { place: key.mark(b'r', &place), content: contents[row] }
        };
        let of_patient = |patient: &str| Mark::Patient(key.mark(b'p', patient.as_bytes()));
        let mark = |row: usize| patients.get(row).map_or_else(|| alone(row), of_patient);
        let (train, test) = (of("train"), of("test"));
        let marks = (0..row_ids.len()).map(mark).collect();
        Ok(Self { row_ids, train, test, marks, data: data.to_owned(), key: key.id() })
    }

    /// What is to be remembered of the training rows.
    pub fn training(&self) -> SeenRows {
        let both = |&row: &usize| match self.marks[row] {
            Mark::Patient(patient) => [Some(patient), None],
            Mark::Row { place, content } => [Some(place), Some(content)],
        };
        let mut marks: Vec<u64> = self.train.iter().flat_map(both).flatten().collect();
        marks.sort_unstable();
        marks.dedup();
        SeenRows { marks, data: self.data.clone(), key: self.key }
    }

    /// Whether a model that was trained on `seen` knows a row. Rows of one raw file are told apart by their number, so
    /// that a row which happens to say the same as another is not left out; rows of different files by what they say.
    pub fn is_seen(&self, row: usize, seen: &SeenRows) -> bool {
        match self.marks[row] {
            Mark::Patient(patient) => seen.has(patient),
            Mark::Row { place, content } => seen.has(place) || (seen.data != self.data && seen.has(content)),
        }
    }
}

/// A mark of what each row says: every column of the schema but the patient's.
fn contents(key: &RowKey, table: &StageFile, schema: &Schema) -> Result<Vec<u64>, StageError> {
    let names: Vec<&str> =
        schema.columns.keys().map(String::as_str).filter(|name| Some(*name) != schema.group.as_deref()).collect();
    let frame = Table::read_columns(table, &names)?.frame_of(names.iter().copied())?;
    let columns: Vec<(&str, &Column)> = frame.columns().collect();
    let mut text = Vec::new();
    let mark = |row: usize| {
        text.clear();
        for (name, column) in &columns {
            text.extend_from_slice(name.as_bytes());
            match column {
                Column::Number(values) if values[row].is_nan() => text.extend_from_slice(b"\0-"),
                Column::Number(values) => {
                    text.extend_from_slice(b"\0n");
                    text.extend_from_slice(&(values[row] + 0.0).to_bits().to_le_bytes());
                }
                Column::Text(values) => {
                    let value = values.get(row);
                    text.extend_from_slice(if value.is_some() { b"\0t" } else { b"\0-" });
                    let value = value.unwrap_or_default();
                    text.extend_from_slice(&(value.len() as u64).to_le_bytes());
                    text.extend_from_slice(value.as_bytes());
                }
            }
        }
        key.mark(b'c', &text)
    };
    Ok((0..frame.rows()).map(mark).collect())
}

/// The marks of the rows that a model was trained on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SeenRows {
    /// Ascending.
    marks: Vec<u64>,
    /// The digest of the raw data.
    data: String,
    /// The id of the secret.
    key: u64,
}

impl SeenRows {
    /// Whether its rows were marked under this secret.
    pub(super) fn is_under(&self, key: &RowKey) -> bool {
        self.key == key.id()
    }

    fn has(&self, mark: u64) -> bool {
        self.marks.binary_search(&mark).is_ok()
    }

    /// How many marks there are: one a patient, or two a row.
    pub fn len(&self) -> usize {
        self.marks.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    /// The content of their file: a line that names the format, a line with the digest of the raw data and, in hex, the
    /// id of the secret, then the marks in ascending order, eight little-endian bytes each.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = [MAGIC, format!("{} {:016x}\n", self.data, self.key).as_bytes()].concat();
        bytes.extend(self.marks.iter().flat_map(|mark| mark.to_le_bytes()));
        bytes
    }

    /// Reads such a file.
    ///
    /// # Errors
    /// When it cannot be read or is no such file.
    pub fn read(path: &Path) -> io::Result<Self> {
        let mut bytes = Vec::new();
        fs::File::open(path)?.read_to_end(&mut bytes)?;
        let damaged = || io::Error::new(io::ErrorKind::InvalidData, "is no list of training rows");
        let rest = bytes.strip_prefix(MAGIC).ok_or_else(damaged)?;
        let end = rest.iter().position(|byte| *byte == b'\n').ok_or_else(damaged)?;
        let line = std::str::from_utf8(&rest[..end]).map_err(|_| damaged())?;
        let (data, key) = line.split_once(' ').ok_or_else(damaged)?;
        let key = u64::from_str_radix(key, 16).map_err(|_| damaged())?;
        let (marks, left) = rest[end + 1..].as_chunks::<8>();
        let marks: Vec<u64> = marks.iter().map(|mark| u64::from_le_bytes(*mark)).collect();
        if !left.is_empty() || !marks.is_sorted() {
            return Err(damaged());
        }
        Ok(Self { marks, data: data.to_owned(), key })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(marks: Vec<Mark>, data: &str) -> RowMarks {
        let rows = marks.len();
        RowMarks {
            row_ids: (0..rows as i64).collect(),
            train: (0..rows).collect(),
            test: vec![],
            marks,
            data: data.to_owned(),
            key: 0,
        }
    }

    #[test]
    fn a_patient_is_known_in_any_file_and_a_row_by_what_it_says_in_another_only() {
        let seen = marks(vec![Mark::Patient(7), Mark::Row { place: 1, content: 2 }], "a").training();
        assert_eq!(seen.len(), 3);
        let rows = vec![
            Mark::Patient(7),
            Mark::Patient(8),
            Mark::Row { place: 1, content: 9 },
            Mark::Row { place: 3, content: 2 },
        ];
        let known = |data: &str| {
            let rows = marks(rows.clone(), data);
            (0..4).map(|row| rows.is_seen(row, &seen)).collect::<Vec<_>>()
        };
        assert_eq!(known("a"), [true, false, true, false]);
        assert_eq!(known("b"), [true, false, true, true]);
    }

    #[test]
    fn marks_survive_their_file_and_damage_is_found() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("rows");
        let seen = marks(vec![Mark::Patient(u64::MAX), Mark::Patient(0)], "ab").training();
        fs::write(&path, seen.to_bytes()).expect("written");
        assert_eq!(SeenRows::read(&path).expect("readable"), seen);
        for damaged in [&seen.to_bytes()[1..], &seen.to_bytes()[..40], b""] {
            fs::write(&path, damaged).expect("written");
            assert!(SeenRows::read(&path).is_err());
        }
    }

    #[test]
    fn the_secret_is_made_once_and_refused_when_others_can_read_it() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("rows.key");
        let first = RowKey::open(&path).expect("made");
        let again = RowKey::open(&path).expect("read");
        assert_eq!(first.id(), again.id());
        assert_ne!(first.id(), RowKey::open(&dir.path().join("other.key")).expect("made").id());
        fs::remove_file(dir.path().join("other.key")).expect("removed");
        assert_eq!(first.mark(b'p', b"x"), again.mark(b'p', b"x"));
        assert_ne!(first.mark(b'p', b"x"), first.mark(b'r', b"x"));
        assert_eq!(fs::read_dir(dir.path()).expect("listed").count(), 1);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("changed");
        assert!(RowKey::open(&path).is_err());
    }
}
