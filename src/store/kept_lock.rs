//! A large lock in a form that can be kept between runs: JSON of several megabytes takes longer to read than to compare.
//!
//! What is kept belongs to the bytes of one lock file, and only a lock is kept in which every key is that of its manifest.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Lock, StageRecord, Store, StoreError, lock_name};
use crate::config::StageName;
use crate::key::{ActionKey, ContentRecord, Digest, Manifest};
use crate::util::RelPath;

/// From so many bytes on, a lock file takes long enough to read to keep what was read.
const KEPT_FROM: usize = 1 << 16;

#[derive(Serialize, Deserialize)]
struct KeptRecord {
    key: [u8; 32],
    cmd: Vec<String>,
    wdir: RelPath,
    env: Option<BTreeMap<String, Option<String>>>,
    deps: Vec<(RelPath, Option<KeptContent>)>,
    /// JSON, because a value of any type cannot be read from a form that names no types; empty when there are none.
    params: String,
    outs: Vec<(RelPath, KeptContent)>,
}

/// Digest, size, count, whether executable.
type KeptContent = ([u8; 32], u64, Option<u64>, bool);

impl Store {
    /// Reads the lock file at `path` of a pipeline file; a missing one is empty.
    pub fn lock(&self, path: &Path, file: &RelPath) -> Result<Lock, StoreError> {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Lock::default()),
            Err(error) => return Err(StoreError::io("read", path, error)),
        };
        let base = file.parent();
        let parse = || Lock::parse(&String::from_utf8_lossy(&bytes), &base, &path.display().to_string());
        if bytes.len() < KEPT_FROM {
            return parse();
        }
        let (name, source) = (format!("lock-{}", lock_name(file)), Digest::of(&bytes));
        if let Some(kept) = self.derived::<Vec<(StageName, KeptRecord)>>(&name, source) {
            let records = kept.into_iter().map(|(name, record)| Some((name, record.record(&base)?)));
            if let Some(stages) = records.collect() {
                return Ok(Lock { stages });
            }
        }
        let lock = parse()?;
        if !lock.stages.values().any(StageRecord::is_edited) {
            let kept: Vec<(&StageName, KeptRecord)> =
                lock.stages.iter().map(|(name, record)| (name, KeptRecord::of(record))).collect();
            self.keep_derived(&name, source, &kept);
        }
        Ok(lock)
    }
}

impl KeptRecord {
    fn of(record: &StageRecord) -> Self {
        let Manifest { base: _, cmd, wdir, env, deps, params, outs: _ } = &record.manifest;
        let params = if params.is_empty() { String::new() } else { serde_json::json!(params).to_string() };
        Self {
            key: *record.key.0.as_bytes(),
            cmd: cmd.clone(),
            wdir: wdir.clone(),
            env: env.clone(),
            deps: deps.iter().map(|(path, record)| (path.clone(), record.as_ref().map(keep))).collect(),
            params,
            outs: record.outs.iter().map(|(path, record)| (path.clone(), keep(record))).collect(),
        }
    }

    fn record(self, base: &RelPath) -> Option<StageRecord> {
        let Self { key, cmd, wdir, env, deps, params, outs } = self;
        let params: BTreeMap<RelPath, BTreeMap<String, Value>> =
            if params.is_empty() { BTreeMap::new() } else { serde_json::from_str(&params).ok()? };
        let deps = deps.into_iter().map(|(path, kept)| (path, kept.map(content))).collect();
        let outs: BTreeMap<RelPath, ContentRecord> =
            outs.into_iter().map(|(path, kept)| (path, content(kept))).collect();
        let paths = outs.keys().cloned().collect();
        let manifest = Manifest { base: base.clone(), cmd, wdir, env, deps, params, outs: paths };
        Some(StageRecord::sound(ActionKey(Digest::from_bytes(key)), manifest, outs))
    }
}

fn keep(record: &ContentRecord) -> KeptContent {
    let ContentRecord { digest, size, count, executable } = record;
    (*digest.as_bytes(), *size, *count, *executable)
}

fn content((digest, size, count, executable): KeptContent) -> ContentRecord {
    ContentRecord { digest: Digest::from_bytes(digest), size, count, executable }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn lock() -> Lock {
        let path = |text: &str| RelPath::parse(text).expect("inside");
        let record = |at: usize| {
            let content = ContentRecord {
                digest: Digest::of(&[at as u8]),
                size: 7,
                count: Some(2),
                executable: at.is_multiple_of(2),
            };
            let params = BTreeMap::from([("a".to_owned(), serde_json::json!({"b": [1, 1.0, null, "x"]}))]);
            let manifest = Manifest {
                base: path("sub"),
                cmd: vec![format!("run {at}")],
                wdir: path("sub/dir"),
                env: Some(BTreeMap::from([("A".to_owned(), None)])),
                deps: BTreeMap::from([(path("raw"), None), (path("sub/x"), Some(content.clone()))]),
                params: BTreeMap::from([(path("params.yaml"), params)]),
                outs: BTreeSet::from([path("sub/out")]),
            };
            StageRecord::new(manifest, BTreeMap::from([(path("sub/out"), content)]))
        };
        Lock { stages: (0..200).map(|at| (StageName(format!("s{at}")), record(at))).collect() }
    }

    #[test]
    fn a_kept_lock_is_the_lock_and_an_edited_one_is_seen() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let store = Store::new(dir.path());
        fs::create_dir(dir.path().join(".clinpipe")).expect("created");
        let (path, file) = (dir.path().join("dvc.lock"), RelPath::parse("sub/dvc.yaml").expect("inside"));
        let text = lock().to_text().expect("JSON");
        assert!(text.len() > KEPT_FROM);
        fs::write(&path, &text).expect("written");
        let kept = dir.path().join(".clinpipe/derived").join(format!("lock-{}", lock_name(&file)));
        for round in 0..3 {
            assert_eq!(store.lock(&path, &file).expect("readable"), lock(), "round {round}");
            assert!(kept.exists());
        }
        fs::write(&kept, "garbage").expect("written");
        assert_eq!(store.lock(&path, &file).expect("readable"), lock());
        // An edit gives other bytes, so what is kept is not asked, nor kept in its turn.
        fs::write(&path, text.replacen("run 7\"", "run 8\"", 1)).expect("written");
        for _ in 0..2 {
            let edited = store.lock(&path, &file).expect("readable");
            assert_eq!(edited.stages.values().filter(|record| record.is_edited()).count(), 1);
        }
        fs::write(&path, &text[1..]).expect("written");
        store.lock(&path, &file).expect_err("no JSON");
    }
}
