//! The journal: one line per stage that succeeded since the lock file was last written. A line survives
//! the death of its process at once, and a power cut once the store has been synced.
//!
//! A run that ends writes the lock and clears the journal; after a crash the next run finds the lines and loses
//! nothing. A torn last line is what a crash leaves and is dropped.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::lock::Entry;
use super::{Lock, StageRecord, StoreError};
use crate::config::StageName;
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

/// The journal of one lock file. Callers hold the lock file's writer lock.
#[derive(Debug, Clone)]
pub struct Journal {
    path: PathBuf,
}

impl Journal {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
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
        // After a torn line, a fresh line keeps the new entry readable.
        if ends_torn(&mut file).map_err(fail)? {
            file.write_all(b"\n").map_err(fail)?;
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
        let mut found = false;
        for line in bytes.split(|byte| *byte == b'\n') {
            if let Ok(JournalLine { stage, record }) = serde_json::from_slice(line)
                && let Ok(record) = record.record(base)
            {
                lock.stages.insert(stage, record);
                found = true;
            }
        }
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at as u64 + 1);
        Ok((found, offset + whole))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
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
    use crate::key::Manifest;
    use std::collections::{BTreeMap, BTreeSet};

    fn record(name: &str) -> StageRecord {
        let manifest = Manifest {
            base: RelPath::default(),
            cmd: vec![name.to_owned()],
            wdir: RelPath::default(),
            env: None,
            deps: BTreeMap::new(),
            params: BTreeMap::new(),
            outs: BTreeSet::new(),
        };
        StageRecord::new(manifest, BTreeMap::new())
    }

    #[test]
    fn a_torn_line_loses_only_itself() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let journal = Journal::new(dir.path().join("journal/pipeline.jsonl"));
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
}
