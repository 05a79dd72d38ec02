//! Appending to the chain, and reading it from its beginning.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::ledger::Ledger;
use super::prefix::Looked;
use super::record::{Entry, Record};
use super::signature::begins;
use super::tail::{self, Tail, TailError};
use super::verify::Fault;
use crate::key::Digest;
use crate::store::Store;
use crate::util::atomic_write;

/// Where the chain of a project is, below its root.
const PATH: &str = "lockfiles/audit.jsonl";
/// What the ledger is kept under in the store.
const KEPT: &str = "audit-ledger-3";
/// From so many bytes on, a chain takes long enough to read to keep what was read.
const KEPT_FROM: u64 = 1 << 16;

/// The chain of a project.
#[derive(Debug, Clone)]
pub struct Chain {
    path: PathBuf,
    store: Store,
}

/// Who acts, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Who.
    pub actor: String,
    /// When: RFC 3339 in UTC.
    pub utc: String,
}

/// The last record, in short. Kept elsewhere, it proves that the chain was once this long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Its number.
    pub seq: u64,
    /// Its hash.
    pub hash: Digest,
}

/// What a chain tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    /// The last record.
    pub head: Option<Head>,
    /// What its records tell in sum.
    pub ledger: Ledger,
    /// The first thing that is wrong before the records that were appended. Only looked for when something is appended.
    pub fault: Option<Fault>,
    /// Whether the chain ended in bytes that are no record, before anything was appended: what a write left that was cut
    /// short, or somebody who cut.
    pub torn: bool,
}

/// Why the chain cannot be read or continued.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The file cannot be read or written.
    #[error("cannot {action} {PATH}: {source}")]
    Io {
        /// `read`, `write` …
        action: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The last record is not what was written.
    #[error(
        "the last record of {PATH} was changed after it was written (or a newer clinpipe wrote it), and a chain is not continued over that\nhelp: `clinpipe audit verify` says more; move the file away as evidence, and the next run begins a new chain"
    )]
    Changed,
    /// A record cannot be expressed.
    #[error("cannot write a record of {PATH}: {0}")]
    Record(#[from] serde_json::Error),
    /// A signature that was made where there was no chain, and now there is one.
    #[error("{PATH} was begun while the signature was made, which therefore is not bound to it\nhelp: sign again")]
    Begun,
    /// What is to be recorded needs a reason and has none.
    #[error("a record of `{0}` needs a reason")]
    NoReason(&'static str),
}

impl AuditError {
    fn io(action: &'static str) -> impl Fn(io::Error) -> Self {
        move |source| Self::Io { action, source }
    }
}

impl From<(TailError, &'static str)> for AuditError {
    fn from((error, action): (TailError, &'static str)) -> Self {
        match error {
            TailError::Io(source) => Self::Io { action, source },
            TailError::Changed => Self::Changed,
        }
    }
}

impl Chain {
    /// The chain of the project at `root`, whose store keeps what can be computed from it.
    pub fn new(root: &Path, store: &Store) -> Self {
        Self { path: root.join(PATH), store: store.clone() }
    }

    /// Its file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends records of these entries, in their order, and waits until they are on the disk. An entry that says
    /// what the chain knows already (a test evaluation of the same pair, an unchanged waiver) is left out. Returns the
    /// last record and what the chain now knows.
    ///
    /// # Errors
    /// When the file cannot be written, its end was tampered with, or a signature is not of this chain. Then nothing that was
    /// written before is lost.
    pub fn append(&self, origin: &Origin, entries: Vec<Entry>) -> Result<State, AuditError> {
        if let Some(entry) = entries.iter().find(|entry| entry.action.needs_reason() && is_blank(entry.reason.as_ref()))
        {
            return Err(AuditError::NoReason(entry.action.name()));
        }
        if entries.is_empty() {
            return self.state();
        }
        let mut file = self.open()?;
        let tail = tail::read(&file).map_err(|error| AuditError::from((error, "read")))?;
        // What was torn gets a record of its own first.
        let is_new = tail.last.is_none() && tail.damage.is_none();
        if entries.iter().enumerate().any(|(at, entry)| begins(entry) && !(is_new && at == 0)) {
            return Err(AuditError::Begun);
        }
        let mut ledger = self.ledger_at(&file, &tail)?;
        let records = chained(&tail, origin, entries, &mut ledger)?;
        let torn = tail.damage.is_some();
        let Some(head) = records.last().map(|record| Head { seq: record.seq, hash: record.hash }) else {
            return Ok(State { head: tail.last.as_ref().map(head_of), ledger, fault: None, torn });
        };
        let last = tail.last.as_ref().map(|last| last.hash);
        let looked = Looked::through(&self.store, &file, tail.sound, last).map_err(AuditError::io("read"))?;
        let fault = looked.fault.clone();
        let mut text = if tail.is_open { "\n".to_owned() } else { String::new() };
        for record in &records {
            text.push_str(&record.line()?);
            text.push('\n');
        }
        file.write_all(text.as_bytes()).and_then(|()| file.sync_data()).map_err(AuditError::io("write"))?;
        if tail.sound == 0
            && let Some(parent) = self.path.parent()
        {
            // A new file's name has to reach the disk as well.
            atomic_write::sync_dir(parent).map_err(AuditError::io("write"))?;
        }
        if tail.sound + text.len() as u64 >= KEPT_FROM {
            self.store.keep_derived(KEPT, head.hash, &ledger);
        }
        looked.keep(&self.store, text.as_bytes(), head.hash);
        Ok(State { head: Some(head), ledger, fault, torn })
    }

    /// Opens the file for appending and holds its lock, which ends with the file's handle. Whoever holds the lock of a
    /// file that was moved away meanwhile starts over with the one that is there now.
    fn open(&self) -> Result<File, AuditError> {
        if let Some(parent) = self.path.parent() {
            fs::create_dir_all(parent).map_err(AuditError::io("write"))?;
        }
        loop {
            let file = OpenOptions::new().read(true).append(true).create(true).open(&self.path);
            let file = file.map_err(AuditError::io("write"))?;
            while let Err(error) = flock(&file, FlockOperation::LockExclusive) {
                if error != Errno::INTR {
                    return Err(AuditError::Io { action: "lock", source: error.into() });
                }
            }
            let held = file.metadata().map_err(AuditError::io("read"))?;
            if fs::metadata(&self.path).is_ok_and(|now| (now.dev(), now.ino()) == (held.dev(), held.ino())) {
                return Ok(file);
            }
        }
    }

    /// The last record and what the chain knows; nothing when there is no chain yet.
    ///
    /// # Errors
    /// When the file cannot be read, or its end was tampered with.
    pub fn state(&self) -> Result<State, AuditError> {
        let Some(file) = self.read()? else { return Ok(State::default()) };
        let tail = tail::read(&file).map_err(|error| AuditError::from((error, "read")))?;
        let ledger = self.ledger_at(&file, &tail)?;
        Ok(State { head: tail.last.as_ref().map(head_of), ledger, fault: None, torn: tail.damage.is_some() })
    }

    /// The file for reading; nothing when there is none.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn read(&self) -> Result<Option<File>, AuditError> {
        match File::open(&self.path) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(AuditError::Io { action: "read", source: error }),
        }
    }

    /// Every line that is a record, in order, whether or not the chain holds together.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn records(&self) -> Result<Vec<Record>, AuditError> {
        let Some(file) = self.read()? else { return Ok(Vec::new()) };
        read_records(&file, u64::MAX).map_err(AuditError::io("read"))
    }

    /// What the records up to the last sound one tell: kept from the last time, else read again.
    fn ledger_at(&self, file: &File, tail: &Tail) -> Result<Ledger, AuditError> {
        let Some(last) = &tail.last else { return Ok(Ledger::default()) };
        if let Some(ledger) = self.store.derived(KEPT, last.hash) {
            return Ok(ledger);
        }
        let records = read_records(file, tail.sound).map_err(AuditError::io("read"))?;
        Ok(Ledger::of(&records))
    }
}

fn is_blank(reason: Option<&String>) -> bool {
    reason.is_none_or(|reason| reason.trim().is_empty())
}

fn head_of(record: &Record) -> Head {
    Head { seq: record.seq, hash: record.hash }
}

/// The records that continue the chain: first the one that vouches for what was torn, if there is any.
fn chained(tail: &Tail, origin: &Origin, entries: Vec<Entry>, ledger: &mut Ledger) -> Result<Vec<Record>, AuditError> {
    let (mut seq, mut prev) = match &tail.last {
        Some(last) => (last.seq + 1, last.hash),
        None => (0, Digest::from_bytes([0; 32])),
    };
    let mut records: Vec<Record> = Vec::new();
    let mut known = ledger.clone();
    let entries: Vec<Entry> = entries
        .into_iter()
        .filter(|entry| {
            let is_new = !known.knows(entry);
            known.learn_entry(entry);
            is_new
        })
        .collect();
    if entries.is_empty() {
        return Ok(records);
    }
    for entry in tail.damage.map(|damage| damage.entry(PATH)).into_iter().chain(entries) {
        let record = Record::new(entry, seq, prev, &origin.utc, &origin.actor)?;
        (seq, prev) = (seq + 1, record.hash);
        records.push(record);
    }
    *ledger = known;
    Ok(records)
}

/// The lines within the first bytes that are records.
fn read_records(mut file: &File, limit: u64) -> io::Result<Vec<Record>> {
    file.seek(SeekFrom::Start(0))?;
    let lines = BufReader::new(file.take(limit)).split(b'\n');
    let mut records = Vec::new();
    for line in lines {
        if let Ok(record) = Record::parse(&line?) {
            records.push(record);
        }
    }
    Ok(records)
}
