//! What lock files and journals name: the roots of everything that must be kept.
//!
//! Read without regard to which pipeline file a lock belongs to: also the locks of other projects below the root, and
//! those of other revisions, keep what they name. A file that cannot be understood is an error, because what it names
//! is not known.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use ignore::WalkBuilder;
use serde::Deserialize;

use super::survey::read_dir;
use super::{Cas, SCHEMA_VERSION, Store, StoreError};
use crate::key::{ContentRecord, Digest};

#[derive(Deserialize)]
struct LockFile {
    schema_version: u32,
    stages: BTreeMap<String, Stage>,
}

#[derive(Deserialize)]
struct Stage {
    outs: BTreeMap<String, ContentRecord>,
}

#[derive(Deserialize)]
struct Line {
    record: Stage,
}

/// The outputs that the text of a lock file names; `name` is what errors call it.
pub fn lock_outputs(text: &str, name: &str) -> Result<Vec<ContentRecord>, StoreError> {
    let damaged = |message: String| StoreError::Damaged { path: name.to_owned(), message };
    let file: LockFile = serde_json::from_str(text)
        .map_err(|error| damaged(format!("{error}; what it names cannot be told from what nobody needs: repair, rename or remove it; for one in the git history, choose what to keep with --workspace or --rev")))?;
    if file.schema_version != SCHEMA_VERSION {
        let version = file.schema_version;
        return Err(damaged(format!("its schema version is {version}, this clinpipe writes {SCHEMA_VERSION}")));
    }
    Ok(file.stages.into_values().flat_map(|stage| stage.outs.into_values()).collect())
}

/// Whether a path of the project is that of a lock file.
pub fn is_lock(path: &Path) -> bool {
    let parent = path.parent().and_then(Path::file_name);
    parent.is_some_and(|name| name == "lockfiles") && path.extension().is_some_and(|extension| extension == "lock")
}

impl Store {
    /// What every lock file below `root` and every journal names.
    pub fn workspace_outputs(&self, root: &Path) -> Result<Vec<ContentRecord>, StoreError> {
        let mut walk = WalkBuilder::new(root);
        walk.standard_filters(false);
        walk.filter_entry(|entry| !matches!(entry.file_name().to_str(), Some(".git" | ".clinpipe")));
        let mut records = Vec::new();
        for entry in walk.build() {
            let entry = entry.map_err(|error| StoreError::io("read", root, std::io::Error::other(error)))?;
            if is_lock(entry.path()) && entry.path().is_file() {
                let bytes = fs::read(entry.path()).map_err(|error| StoreError::io("read", entry.path(), error))?;
                records.extend(lock_outputs(&String::from_utf8_lossy(&bytes), &entry.path().display().to_string())?);
            }
        }
        for journal in read_dir(&self.dir.join("journal"))? {
            let path = journal.path();
            let bytes = fs::read(&path).map_err(|error| StoreError::io("read", &path, error))?;
            // A torn line names nothing, as when it is replayed.
            let lines = bytes.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<Line>(line).ok());
            records.extend(lines.flat_map(|line| line.record.outs.into_values()));
        }
        Ok(records)
    }
}

impl Cas {
    /// The blobs that records name: files, lists of members and the members themselves, held or not.
    pub fn named_by(&self, records: &[ContentRecord]) -> BTreeSet<Digest> {
        let mut named = BTreeSet::new();
        for record in records {
            if named.insert(record.digest) && record.count.is_some() {
                named.extend(self.list_of(record.digest).into_iter().flatten().map(|entry| entry.digest));
            }
        }
        named
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_cannot_be_read_is_not_a_lock_that_names_nothing() {
        assert!(lock_outputs("<<<<<<< ours", "l").is_err());
        assert!(lock_outputs(r#"{"schema_version": 99, "stages": {}}"#, "l").is_err());
        let digest = Digest::of(b"x");
        let text = format!(
            r#"{{"schema_version": 1, "stages": {{"a": {{"key": "", "outs": {{"../o": {{"digest": "{digest}", "size": 1}}}}}}}}}}"#
        );
        assert_eq!(lock_outputs(&text, "l").expect("readable")[0].digest, digest);
    }

    #[test]
    fn only_files_in_their_place_are_locks() {
        for (path, expected) in [("lockfiles/a.lock", true), ("s/lockfiles/p.lock", true), ("Cargo.lock", false)] {
            assert_eq!(is_lock(Path::new(path)), expected, "{path}");
        }
    }
}
