//! The journal: one line per stage that succeeded since the lock file was last written. A line survives
//! the death of its process at once, and a power cut once the store has been synced.
//!
//! A run that ends writes the lock and clears the journal; after a crash the next run finds the lines and loses
//! nothing. A torn last line is what a crash leaves and is dropped.
//!
//! A journal continues the lock file as it was when the journal was begun, and says so in its first line. When somebody
//! else than clinpipe has changed that file since (a checkout of another revision, say), the lock is what counts: what
//! is left of the journal is about another state of the project. Its results stay in the action cache.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::lock::Entry;
use super::{Lock, StageRecord, StoreError};
use crate::config::StageName;
use crate::key::Digest;
use crate::util::RelPath;

/// One success.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct JournalLine {
    /// The stage's name in its pipeline file.
    stage: StageName,
    /// Its new lock entry.
    record: Entry,
}

/// The first line.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Beginning {
    /// The digest of the lock file's bytes; `None` when there was none.
    lock: Option<Digest>,
}

/// The journal of one lock file. Callers hold the lock file's writer lock.
#[derive(Debug, Clone)]
pub struct Journal {
    path: PathBuf,
    /// The lock file that it continues.
    lock_path: PathBuf,
}

impl Journal {
    pub(super) fn new(path: PathBuf, lock_path: PathBuf) -> Self {
        Self { path, lock_path }
    }

    /// The digest of the lock file as it is.
    fn lock_digest(&self) -> Result<Option<Digest>, StoreError> {
        match fs::read(&self.lock_path) {
            Ok(bytes) => Ok(Some(Digest::of(&bytes))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::io("read", &self.lock_path, error)),
        }
    }

    /// Whether there are entries that a lock may not hold yet.
    pub fn exists(&self) -> bool {
        self.path.exists()
    }

    /// Appends the new record of the stage that its pipeline file calls `stage`.
    pub fn append(&self, stage: &str, record: &StageRecord) -> Result<(), StoreError> {
        let fail = |error| StoreError::io("write", &self.path, error);
        let line = JournalLine { stage: StageName(stage.to_owned()), record: Entry::of(record) };
        let mut line = serde_json::to_vec(&line).map_err(|error| fail(io::Error::other(error)))?;
        line.push(b'\n');
        if let Some(parent) = self.path.parent() {
            fs::create_dir_all(parent).map_err(fail)?;
        }
        let mut file = OpenOptions::new().create(true).read(true).append(true).open(&self.path).map_err(fail)?;
        if file.metadata().map_err(fail)?.len() == 0 {
            let first = serde_json::to_vec(&Beginning { lock: self.lock_digest()? });
            let mut first = first.map_err(|error| fail(io::Error::other(error)))?;
            first.push(b'\n');
            line.splice(..0, first);
        } else if ends_torn(&mut file).map_err(fail)? {
            // After a torn line, a fresh line keeps the new entry readable.
            line.insert(0, b'\n');
        }
        file.write_all(&line).map_err(fail)?;
        Ok(())
    }

    /// Puts the journal's entries into the lock of a pipeline file in `base`. Returns whether there were any.
    pub fn replay(&self, lock: &mut Lock, base: &RelPath) -> Result<bool, StoreError> {
        Ok(self.replay_from(0, lock, base)?.0)
    }

    /// The same for the entries after so many bytes. Also returns the bytes up to the end of the last whole line.
    pub(super) fn replay_from(&self, offset: u64, lock: &mut Lock, base: &RelPath) -> Result<(bool, u64), StoreError> {
        let read = || -> io::Result<Vec<u8>> {
            let mut file = File::open(&self.path)?;
            file.seek(SeekFrom::Start(offset))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        let bytes = match read() {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((false, 0)),
            Err(error) => return Err(StoreError::io("read", &self.path, error)),
        };
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at as u64 + 1);
        let mut found = false;
        for line in bytes.split(|byte| *byte == b'\n') {
            if let Ok(Beginning { lock }) = serde_json::from_slice(line) {
                if lock != self.lock_digest()? {
                    return Ok((false, offset + whole));
                }
                continue;
            }
            if let Ok(JournalLine { stage, record }) = serde_json::from_slice(line)
                && let Ok(record) = record.record(base)
            {
                lock.stages.insert(stage, record);
                found = true;
            }
        }
        Ok((found, offset + whole))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// How it begins, which tells it from another one under the same name; empty when there is none.
    pub(super) fn first_line(&self) -> Result<Vec<u8>, StoreError> {
        let fail = |error| StoreError::io("read", &self.path, error);
        let mut first = Vec::new();
        match File::open(&self.path) {
            Ok(file) => drop(BufReader::with_capacity(256, file).read_until(b'\n', &mut first).map_err(fail)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(fail(error)),
        }
        Ok(first)
    }

    /// Removes the journal if it continues another lock file than the one that is there. Whoever is going to append calls
    /// this first.
    pub fn clear_if_outdated(&self) -> Result<(), StoreError> {
        match serde_json::from_slice(&self.first_line()?) {
            Ok(Beginning { lock }) if lock != self.lock_digest()? => self.clear(),
            _ => Ok(()),
        }
    }

    /// Removes the journal once the lock holds its entries.
    pub fn clear(&self) -> Result<(), StoreError> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(StoreError::io("remove", &self.path, error)),
            _ => Ok(()),
        }
    }
}

/// Whether the last line has no end.
fn ends_torn(file: &mut File) -> io::Result<bool> {
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok(false);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::lock::tests::record;

    #[test]
    fn a_torn_line_loses_only_itself() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let journal = Journal::new(dir.path().join("journal/pipeline.jsonl"), dir.path().join("pipeline.lock"));
        journal.append("a", &record("a")).expect("written");
        let torn = &fs::read(&journal.path).expect("written")[..20];
        OpenOptions::new().append(true).open(&journal.path).and_then(|mut f| f.write_all(torn)).expect("written");
        journal.append("c", &record("c")).expect("written");
        let mut lock = Lock::default();
        assert!(journal.replay(&mut lock, &RelPath::default()).expect("readable"));
        let names: Vec<_> = lock.stages.keys().map(|name| name.0.as_str()).collect();
        assert_eq!(names, ["a", "c"]);
        journal.clear().expect("removed");
        assert!(!journal.replay(&mut Lock::default(), &RelPath::default()).expect("nothing to read"));
    }

    #[test]
    fn a_lock_that_somebody_else_has_changed_counts_alone() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let lock_path = dir.path().join("pipeline.lock");
        let journal = Journal::new(dir.path().join("journal/pipeline.jsonl"), lock_path.clone());
        let replayed = || {
            let mut lock = Lock::default();
            journal.replay(&mut lock, &RelPath::default()).expect("readable");
            lock.stages.len()
        };
        fs::write(&lock_path, "one").expect("written");
        journal.append("a", &record("a")).expect("written");
        assert_eq!(replayed(), 1);
        fs::write(&lock_path, "two").expect("written");
        journal.append("b", &record("b")).expect("written");
        assert_eq!(replayed(), 0);
        fs::write(&lock_path, "one").expect("written");
        assert_eq!(replayed(), 2);
        journal.clear_if_outdated().expect("readable");
        assert_eq!(replayed(), 2);
        fs::remove_file(&lock_path).expect("removed");
        assert_eq!(replayed(), 0);
        journal.clear_if_outdated().expect("removed");
        journal.append("c", &record("c")).expect("written");
        assert_eq!(replayed(), 1);
    }
}
