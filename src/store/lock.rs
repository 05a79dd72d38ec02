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
use crate::util::{LocalPath, RelPath, atomic_write, json};

/// One stage as it last succeeded.
#[derive(Debug, Clone)]
pub struct StageRecord {
    /// The digest of `manifest`.
    pub key: ActionKey,
    /// What it consumed.
    pub manifest: Manifest,
    /// What it produced.
    pub outs: BTreeMap<RelPath, ContentRecord>,
    /// Whether `key` is known to be that of `manifest`.
    is_sound: bool,
}

impl PartialEq for StageRecord {
    fn eq(&self, other: &Self) -> bool {
        (self.key, &self.manifest, &self.outs) == (other.key, &other.manifest, &other.outs)
    }
}

impl StageRecord {
    /// A record whose key is known to be that of its manifest.
    pub(super) fn sound(key: ActionKey, manifest: Manifest, outs: BTreeMap<RelPath, ContentRecord>) -> Self {
        Self { key, manifest, outs, is_sound: true }
    }

    /// A record of a success.
    pub fn new(manifest: Manifest, outs: BTreeMap<RelPath, ContentRecord>) -> Self {
        Self { key: manifest.key(), manifest, outs, is_sound: true }
    }

    /// Whether `key` is not that of `manifest`: somebody has edited the lock.
    pub fn is_edited(&self) -> bool {
        !self.is_sound && self.key != self.manifest.key()
    }
}

/// A [`StageRecord`] as files spell it: flat, with the output paths named once, and every path as seen from the
/// directory of the pipeline file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    key: ActionKey,
    cmd: Vec<String>,
    #[serde(default, skip_serializing_if = "LocalPath::is_here")]
    wdir: LocalPath,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    env: Option<BTreeMap<String, Option<String>>>,
    deps: BTreeMap<LocalPath, Option<ContentRecord>>,
    params: BTreeMap<LocalPath, BTreeMap<String, Value>>,
    outs: BTreeMap<LocalPath, ContentRecord>,
}

impl Entry {
    /// The record of a pipeline file in `base`; the error is a path that leads out of the project.
    pub(super) fn record(self, base: &RelPath) -> Result<StageRecord, LocalPath> {
        let Self { key, cmd, wdir, env, deps, params, outs } = self;
        let wdir = wdir.resolve(base).ok_or(wdir)?;
        let (deps, params, outs) = (resolve(deps, base)?, resolve(params, base)?, resolve(outs, base)?);
        let paths = outs.keys().cloned().collect();
        Ok(StageRecord {
            key,
            manifest: Manifest { base: base.clone(), cmd, wdir, env, deps, params, outs: paths },
            outs,
            is_sound: false,
        })
    }

    pub(super) fn of(record: &StageRecord) -> Self {
        let StageRecord { key, manifest, outs, is_sound: _ } = record;
        let base = &manifest.base;
        Self {
            key: *key,
            cmd: manifest.cmd.clone(),
            wdir: manifest.wdir.relative_to(base),
            env: manifest.env.clone(),
            deps: seen_from(base, &manifest.deps),
            params: seen_from(base, &manifest.params),
            outs: seen_from(base, outs),
        }
    }
}

/// Paths as seen from `base` to paths of the project.
pub(super) fn resolve<T>(map: BTreeMap<LocalPath, T>, base: &RelPath) -> Result<BTreeMap<RelPath, T>, LocalPath> {
    map.into_iter().map(|(path, value)| Ok((path.resolve(base).ok_or(path)?, value))).collect()
}

/// Paths of the project as seen from `base`.
pub(super) fn seen_from<T: Clone>(base: &RelPath, map: &BTreeMap<RelPath, T>) -> BTreeMap<LocalPath, T> {
    map.iter().map(|(path, value)| (path.relative_to(base), value.clone())).collect()
}

/// The content of a lock file, or of all lock files of a project together.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Lock {
    /// Stages by their name in the pipeline file; by their address when several files are put together.
    pub stages: BTreeMap<StageName, StageRecord>,
}

#[derive(Deserialize)]
#[cfg_attr(test, derive(Serialize))]
#[serde(deny_unknown_fields)]
struct LockFile {
    schema_version: u32,
    stages: BTreeMap<StageName, Entry>,
}

impl Lock {
    /// Reads the lock file of a pipeline file in `base`; a missing one is empty.
    pub fn read(path: &Path, base: &RelPath) -> Result<Self, StoreError> {
        match fs::read(path) {
            // Bytes that are no text are no JSON either; the replacement character keeps them so.
            Ok(bytes) => Self::parse(&String::from_utf8_lossy(&bytes), base, &path.display().to_string()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(StoreError::io("read", path, error)),
        }
    }

    /// Parses the text of a lock file of a pipeline file in `base`; `name` is what errors call it.
    pub fn parse(text: &str, base: &RelPath, name: &str) -> Result<Self, StoreError> {
        let damaged = |message: String| StoreError::Damaged { path: name.to_owned(), message };
        let file: LockFile = serde_json::from_str(text).map_err(|error| {
            damaged(format!("{error}; resolve the conflict, or restore it with `git checkout`, or remove it"))
        })?;
        if file.schema_version != SCHEMA_VERSION {
            let version = file.schema_version;
            return Err(damaged(format!("its schema version is {version}, this clinpipe writes {SCHEMA_VERSION}")));
        }
        let records = file.stages.into_iter().map(|(name, entry)| Ok((name, entry.record(base)?)));
        let stages = records.collect::<Result<_, LocalPath>>().map_err(|path| {
            damaged(format!("`{}` leads out of the project; start clinpipe with `-C` at its root", path.as_str()))
        })?;
        Ok(Self { stages })
    }

    /// The bytes of the lock file: canonical JSON, made stage by stage, because the whole as one tree of values would
    /// take many times its size.
    pub fn to_text(&self) -> serde_json::Result<String> {
        let mut text = format!("{{\n  \"schema_version\": {SCHEMA_VERSION},\n  \"stages\": {{");
        for (at, (name, record)) in self.stages.iter().enumerate() {
            let entry = json::canonical(&Entry::of(record))?;
            text.push_str(if at == 0 { "\n    " } else { ",\n    " });
            text.push_str(&serde_json::to_string(&name.0)?);
            text.push_str(": ");
            // A line feed inside a text is escaped, so each of these begins a line.
            text.push_str(&entry.trim_end().replace('\n', "\n    "));
        }
        text.push_str(if self.stages.is_empty() { "}\n}\n" } else { "\n  }\n}\n" });
        Ok(text)
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
pub(super) mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// The record of a command without inputs and outputs.
    pub(in crate::store) fn record(name: &str) -> StageRecord {
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
    fn text_and_lock_are_the_same_thing() {
        let out = RelPath::parse("out").expect("inside");
        let manifest = Manifest {
            base: RelPath::default(),
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
        assert_eq!(Lock::parse(&text, &RelPath::default(), "lock").expect("parses"), lock);
        for lock in [&lock, &Lock::default()] {
            let stages = lock.stages.iter().map(|(name, record)| (name.clone(), Entry::of(record))).collect();
            let whole = json::canonical(&LockFile { schema_version: SCHEMA_VERSION, stages }).expect("JSON");
            assert_eq!(lock.to_text().expect("JSON"), whole);
        }
        let stage = &lock.stages[&StageName("train".to_owned())];
        assert_eq!(stage.manifest.key(), stage.key);
    }

    #[test]
    fn the_lock_of_a_file_below_spells_paths_from_there() {
        let path = |text| RelPath::parse(text).expect("inside");
        let manifest = Manifest {
            base: path("sub"),
            cmd: vec!["cp ../raw.csv out".to_owned()],
            wdir: path("sub"),
            env: None,
            deps: BTreeMap::from([(path("raw.csv"), None)]),
            params: BTreeMap::new(),
            outs: BTreeSet::new(),
        };
        let record = StageRecord::new(manifest, BTreeMap::new());
        let lock = Lock { stages: BTreeMap::from([(StageName("copy".to_owned()), record)]) };
        let text = lock.to_text().expect("JSON");
        assert!(text.contains("\"../raw.csv\": null") && !text.contains("wdir"), "{text}");
        assert_eq!(Lock::parse(&text, &path("sub"), "lock").expect("parses"), lock);
        let moved = Lock::parse(&text, &path("other/sub"), "lock").expect("parses");
        assert_eq!(
            moved.stages.values().next().map(|record| record.key),
            lock.stages.values().next().map(|r| r.manifest.key())
        );
        let error = Lock::parse(&text, &RelPath::default(), "lock").expect_err("leads out");
        assert!(error.to_string().contains("`../raw.csv` leads out of the project"), "{error}");
    }

    #[test]
    fn a_conflict_marker_is_named_not_ignored() {
        let error =
            Lock::parse("<<<<<<< ours\n{}", &RelPath::default(), "lockfiles/pipeline.lock").expect_err("no JSON");
        assert!(error.to_string().starts_with("lockfiles/pipeline.lock is damaged"), "{error}");
    }
}
