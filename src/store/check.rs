//! Checking the whole store: every blob against its name, every action record for sense.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::Serialize;

use super::gc::read_action;
use super::{Cas, Store, StoreError};
use crate::key::hash::hash_file;
use crate::key::{ContentRecord, Digest};

/// What is wrong with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Damage {
    /// The bytes are not those of the name.
    Altered,
    /// An action record that cannot be understood.
    Unreadable,
    /// It names blobs that are not held; they have to be computed or fetched again.
    Incomplete,
    /// Its name is not one that the store gives.
    Stranger,
}

/// One file with a fault.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Fault {
    /// Relative to the store.
    pub path: PathBuf,
    /// What is wrong.
    pub damage: Damage,
}

/// The state of the store.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct CheckReport {
    /// Blobs that were read.
    pub blobs: usize,
    /// Action records that were read.
    pub actions: usize,
    /// In path order.
    pub faults: Vec<Fault>,
}

impl Store {
    /// Reads everything.
    pub fn check(&self) -> Result<CheckReport, StoreError> {
        let (blobs, actions) = (self.list_blobs()?, self.list_actions()?);
        let cas = self.cas();
        let verdicts =
            blobs.held.par_iter().map(|blob| cas.judge(blob.digest, &blob.path)).collect::<Result<Vec<_>, _>>()?;
        let mut faults = Vec::new();
        let mut fault = |path: &Path, damage| {
            let path = path.strip_prefix(&self.dir).unwrap_or(path).to_owned();
            faults.push(Fault { path, damage });
        };
        let mut sound = BTreeSet::new();
        for (blob, verdict) in blobs.held.iter().zip(&verdicts) {
            if *verdict {
                sound.insert(blob.digest);
            } else {
                fault(&blob.path, Damage::Altered);
            }
        }
        let listed: BTreeSet<Digest> = blobs.held.iter().map(|blob| blob.digest).collect();
        // What is named may have been stored since the blobs were listed: a run may be at work.
        let is_new = |digest: &Digest| {
            !listed.contains(digest) && cas.judge(*digest, &cas.path(*digest)).is_ok_and(|is_sound| is_sound)
        };
        let lacks = |records: &[ContentRecord]| {
            !cas.named_by(records).iter().all(|digest| sound.contains(digest) || is_new(digest))
        };
        for blob in blobs.held.iter().filter(|blob| sound.contains(&blob.digest)) {
            // A file whose bytes happen to be a list has another digest than the directory it would list.
            let is_list = cas.list_of(blob.digest).is_some();
            let record = ContentRecord { digest: blob.digest, size: 0, count: Some(0), executable: false };
            if is_list && lacks(&[record]) {
                fault(&blob.path, Damage::Incomplete);
            }
        }
        for action in &actions.held {
            match read_action(&action.path) {
                None => fault(&action.path, Damage::Unreadable),
                Some(record) if lacks(&record.outs.values().cloned().collect::<Vec<_>>()) => {
                    fault(&action.path, Damage::Incomplete);
                }
                Some(_) => {}
            }
        }
        blobs.strangers.iter().chain(&actions.strangers).for_each(|path| fault(path, Damage::Stranger));
        faults.sort();
        Ok(CheckReport { blobs: blobs.held.len(), actions: actions.held.len(), faults })
    }

    /// Removes what has a fault, strangers excepted: they are not the store's to remove.
    pub fn repair(&self, report: &CheckReport) -> Result<usize, StoreError> {
        let mut removed = 0;
        for fault in report.faults.iter().filter(|fault| fault.damage != Damage::Stranger) {
            let path = self.dir.join(&fault.path);
            fs::remove_file(&path).map_err(|error| StoreError::io("remove", &path, error))?;
            removed += 1;
        }
        Ok(removed)
    }
}

impl Cas {
    /// Whether a blob is what its name says: a file of that digest, or the list of a directory of that digest.
    pub(super) fn judge(&self, digest: Digest, path: &Path) -> Result<bool, StoreError> {
        match hash_file(path) {
            Ok(now) => Ok(now == digest || self.list_of(digest).is_some()),
            Err(error) => Err(StoreError::io("read", path, error)),
        }
    }
}
