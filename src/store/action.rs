//! The action cache: `ac/<2 hex>/<62 hex>`, what a key's work produced the first time.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::lock::{resolve, seen_from};
use super::{SCHEMA_VERSION, Store, StoreError};
use crate::key::{ActionKey, ContentRecord};
use crate::util::{LocalPath, RelPath, atomic_write, json};

/// The recorded result of an action. Paths are as seen from the directory of the pipeline file, as in the key: equal
/// work in two directories has one result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActionRecord {
    /// Format version.
    pub schema_version: u32,
    /// Outputs by path.
    pub outs: BTreeMap<LocalPath, ContentRecord>,
}

impl ActionRecord {
    /// A record of the outputs of a stage whose pipeline file lies in `base`.
    pub fn new(base: &RelPath, outs: &BTreeMap<RelPath, ContentRecord>) -> Self {
        Self { schema_version: SCHEMA_VERSION, outs: seen_from(base, outs) }
    }

    /// The outputs for a pipeline file in `base`; none when one of them leads out of the project.
    pub fn outs_from(self, base: &RelPath) -> Option<BTreeMap<RelPath, ContentRecord>> {
        resolve(self.outs, base).ok()
    }
}

/// What recording a result found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordVerdict {
    /// The key was new, or had the same result.
    Consistent,
    /// The key already had this other result, which is kept: the stage is not deterministic.
    Differs(ActionRecord),
}

impl Store {
    /// The recorded result of a key. A record that cannot be read counts as none.
    pub fn action(&self, key: ActionKey) -> Option<ActionRecord> {
        let bytes = fs::read(self.action_path(key)).ok()?;
        let record: ActionRecord = serde_json::from_slice(&bytes).ok()?;
        (record.schema_version == SCHEMA_VERSION).then_some(record)
    }

    /// Records the result of a key, whose blobs must be stored already. The first result is kept, unless it is one of
    /// other outputs, which this key cannot have written.
    pub fn record_action(&self, key: ActionKey, record: &ActionRecord) -> Result<RecordVerdict, StoreError> {
        if let Some(first) = self.action(key).filter(|first| first.outs.keys().eq(record.outs.keys())) {
            let same = first.outs == record.outs;
            return Ok(if same { RecordVerdict::Consistent } else { RecordVerdict::Differs(first) });
        }
        let path = self.action_path(key);
        let text = json::canonical(record).map_err(|error| StoreError::io("write", &path, io::Error::other(error)))?;
        atomic_write::write_soon(&self.tmp(), &path, text.as_bytes())
            .map_err(|error| StoreError::io("write", &path, error))?;
        Ok(RecordVerdict::Consistent)
    }

    /// The keys with a recorded result.
    pub fn action_keys(&self) -> Result<Vec<ActionKey>, StoreError> {
        Ok(self.list_actions()?.held.into_iter().map(|object| ActionKey(object.digest)).collect())
    }

    pub(super) fn action_path(&self, key: ActionKey) -> PathBuf {
        let hex = key.to_string();
        self.dir.join("ac").join(&hex[..2]).join(&hex[2..])
    }
}
