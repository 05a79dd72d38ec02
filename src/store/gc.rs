//! Removing what nothing names any more.
//!
//! First the action records that could no longer be restored, then the blobs: whatever moment it is stopped at, every
//! record that remains finds its blobs. Nothing may run meanwhile: a run stores blobs before anything names them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::survey::Size;
use super::{ActionRecord, Held, SCHEMA_VERSION, Store, StoreError};
use crate::key::{ContentRecord, Digest};

/// What would be removed.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sweep {
    /// Blobs to be removed.
    pub blobs: Size,
    /// Action records to be removed.
    pub actions: Size,
    /// Blobs that stay.
    pub kept: Size,
    /// Files to remove, action records first.
    #[serde(skip)]
    paths: Vec<PathBuf>,
}

impl Store {
    /// Keeps everybody else out of the store; nothing when a run, or another command that writes, is in progress.
    pub fn hold_alone(&self) -> Result<Option<Held>, StoreError> {
        self.file_lock("tmp").try_hold()
    }

    /// Finds what these records do not need.
    pub fn plan_sweep(&self, keep: &[ContentRecord]) -> Result<Sweep, StoreError> {
        let cas = self.cas();
        let keep = cas.named_by(keep);
        let (blobs, actions) = (self.list_blobs()?, self.list_actions()?);
        let mut sweep = Sweep::default();
        let held: BTreeSet<Digest> =
            blobs.held.iter().map(|blob| blob.digest).filter(|digest| keep.contains(digest)).collect();
        for action in &actions.held {
            let is_whole = |record: &ActionRecord| {
                let outs: Vec<ContentRecord> = record.outs.values().cloned().collect();
                // A list that is not kept hides its members; it is itself not held then.
                cas.named_by(&outs).is_subset(&held)
            };
            if !read_action(&action.path).is_some_and(|record| is_whole(&record)) {
                sweep.actions = sweep.actions.and(action.size);
                sweep.paths.push(action.path.clone());
            }
        }
        for blob in blobs.held {
            if keep.contains(&blob.digest) {
                sweep.kept = sweep.kept.and(blob.size);
            } else {
                sweep.blobs = sweep.blobs.and(blob.size);
                sweep.paths.push(blob.path);
            }
        }
        sweep.paths.extend(actions.litter.into_iter().chain(blobs.litter));
        Ok(sweep)
    }

    /// Removes what was found. The caller has kept everybody else out since before the plan was made.
    pub fn sweep(&self, sweep: &Sweep) -> Result<(), StoreError> {
        for path in &sweep.paths {
            fs::remove_file(path).map_err(|error| StoreError::io("remove", path, error))?;
            // A directory that still holds something stays.
            drop(path.parent().map(fs::remove_dir));
        }
        Ok(())
    }
}

/// An action record, unless it cannot be understood.
pub(super) fn read_action(path: &Path) -> Option<ActionRecord> {
    let record: ActionRecord = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    (record.schema_version == SCHEMA_VERSION).then_some(record)
}
