//! The lock file: what every stage last consumed and produced. Canonical JSON, deterministic bytes, merges by line.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{SCHEMA_VERSION, StoreError};
use crate::config::StageName;
use crate::key::{ActionKey, ContentRecord, Manifest};
use crate::util::{RelPath, atomic_write, json};

/// One stage as it last succeeded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "Entry", into = "Entry")]
pub struct StageRecord {
    /// The digest of `manifest`.
    pub key: ActionKey,
    /// What it consumed.
    pub manifest: Manifest,
    /// What it produced.
    pub outs: BTreeMap<RelPath, ContentRecord>,
}

impl StageRecord {
    /// A record of a success.
    pub fn new(manifest: Manifest, outs: BTreeMap<RelPath, ContentRecord>) -> Self {
        Self { key: manifest.key(), manifest, outs }
    }
}

/// A [`StageRecord`] as the file spells it: flat, with the output paths named once.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    key: ActionKey,
    cmd: Vec<String>,
    #[serde(default, skip_serializing_if = "RelPath::is_root")]
    wdir: RelPath,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    env: Option<BTreeMap<String, Option<String>>>,
    deps: BTreeMap<RelPath, Option<ContentRecord>>,
    params: BTreeMap<RelPath, BTreeMap<String, Value>>,
    outs: BTreeMap<RelPath, ContentRecord>,
}

impl From<Entry> for StageRecord {
    fn from(entry: Entry) -> Self {
        let Entry { key, cmd, wdir, env, deps, params, outs } = entry;
        Self { key, manifest: Manifest { cmd, wdir, env, deps, params, outs: outs.keys().cloned().collect() }, outs }
    }
}

impl From<StageRecord> for Entry {
    fn from(StageRecord { key, manifest, outs }: StageRecord) -> Self {
        let Manifest { cmd, wdir, env, deps, params, outs: _ } = manifest;
        Self { key, cmd, wdir, env, deps, params, outs }
    }
}

/// The content of a lock file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Lock {
    /// Stages by name.
    pub stages: BTreeMap<StageName, StageRecord>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LockFile {
    schema_version: u32,
    stages: BTreeMap<StageName, StageRecord>,
}

impl Lock {
    /// Reads a lock file; a missing one is empty.
    pub fn read(path: &Path) -> Result<Self, StoreError> {
        match fs::read(path) {
            // Bytes that are no text are no JSON either; the replacement character keeps them so.
            Ok(bytes) => Self::parse(&String::from_utf8_lossy(&bytes), &path.display().to_string()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(StoreError::io("read", path, error)),
        }
    }

    /// Parses the text of a lock file; `name` is what errors call it.
    pub fn parse(text: &str, name: &str) -> Result<Self, StoreError> {
        let damaged = |message: String| StoreError::Damaged { path: name.to_owned(), message };
        let file: LockFile = serde_json::from_str(text).map_err(|error| {
            damaged(format!("{error}; resolve the conflict, or restore it with `git checkout`, or remove it"))
        })?;
        if file.schema_version != SCHEMA_VERSION {
            let version = file.schema_version;
            return Err(damaged(format!("its schema version is {version}, this clinpipe writes {SCHEMA_VERSION}")));
        }
        Ok(Self { stages: file.stages })
    }

    /// The bytes of the lock file.
    pub fn to_text(&self) -> serde_json::Result<String> {
        json::canonical(&LockFile { schema_version: SCHEMA_VERSION, stages: self.stages.clone() })
    }

    /// Writes the lock file unless its bytes are already these. Returns whether it wrote. The lock stands where the
    /// user commits it, so the temporary file stands in `staging`.
    pub fn write(&self, staging: &Path, path: &Path) -> Result<bool, StoreError> {
        let fail = |error| StoreError::io("write", path, error);
        let text = self.to_text().map_err(|error| fail(io::Error::other(error)))?;
        if fs::read(path).is_ok_and(|bytes| bytes == text.as_bytes()) {
            return Ok(false);
        }
        atomic_write::write_through(staging, path, text.as_bytes()).map_err(fail)?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn text_and_lock_are_the_same_thing() {
        let out = RelPath::parse("out").expect("inside");
        let manifest = Manifest {
            cmd: vec!["train@1".to_owned()],
            wdir: RelPath::default(),
            env: None,
            deps: BTreeMap::new(),
            params: BTreeMap::new(),
            outs: BTreeSet::from([out.clone()]),
        };
        let record = ContentRecord { digest: crate::key::Digest::of(b"x"), size: 1, count: None, executable: false };
        let record = StageRecord::new(manifest, BTreeMap::from([(out, record)]));
        let lock = Lock { stages: BTreeMap::from([(StageName("train".to_owned()), record)]) };
        let text = lock.to_text().expect("JSON");
        assert_eq!(Lock::parse(&text, "lock").expect("parses"), lock);
        let stage = &lock.stages[&StageName("train".to_owned())];
        assert_eq!(stage.manifest.key(), stage.key);
    }

    #[test]
    fn a_conflict_marker_is_named_not_ignored() {
        let error = Lock::parse("<<<<<<< ours\n{}", "lockfiles/pipeline.lock").expect_err("no JSON");
        assert!(error.to_string().starts_with("lockfiles/pipeline.lock is damaged"), "{error}");
    }
}
