//! Writing down what a stage produced, whoever says so: journal first, lock when the work ends.

use std::collections::{BTreeMap, BTreeSet};

use super::run::RunError;
use super::stage_run::LOCK_POLL;
use crate::config::StageName;
use crate::plan::Workspace;
use crate::store::{Claim, JournalEntry, Lock, StageRecord};

/// Makes a stage's new record durable. Its blobs are stored already.
pub(super) fn journal(workspace: &Workspace<'_>, stage: &StageName, record: &StageRecord) -> Result<(), RunError> {
    let stem = workspace.lock_stem();
    let _writer = workspace.store.file_lock(&format!("{stem}.lock")).hold()?;
    let entry = JournalEntry { stage: stage.clone(), record: record.clone() };
    Ok(workspace.store.journal(&stem).append(&entry)?)
}

/// Puts what the journal holds into the lock file, and keeps the hints. The caller takes part in the use of `tmp/`.
pub(super) fn write_lock(workspace: &Workspace<'_>) -> Result<(), RunError> {
    let stem = workspace.lock_stem();
    let _writer = workspace.store.file_lock(&format!("{stem}.lock")).hold()?;
    let journal = workspace.store.journal(&stem);
    let mut lock = Lock::read(&workspace.lock_path())?;
    if journal.replay(&mut lock)? {
        // Blobs before the lock that names them.
        workspace.store.sync()?;
        lock.write(&workspace.store.tmp(), &workspace.lock_path())?;
        journal.clear()?;
    }
    save_hints(workspace)
}

/// Keeps what was hashed, so that the next command need not.
pub(super) fn save_hints(workspace: &Workspace<'_>) -> Result<(), RunError> {
    workspace.reader.settle();
    Ok(workspace.store.save_hints(workspace.reader.hints())?)
}

/// Claims stages, in one order for all processes, so that nobody else changes their outputs. `waiting` is told who has
/// one that is not free; then it waits.
pub(super) fn claim_stages<'n>(
    workspace: &Workspace<'_>,
    stages: impl IntoIterator<Item = &'n StageName>,
    waiting: &dyn Fn(&str),
) -> Result<BTreeMap<StageName, Claim>, RunError> {
    let stages: BTreeSet<_> = stages.into_iter().collect();
    let mut claims = BTreeMap::new();
    for stage in stages {
        let lock = workspace.store.file_lock(&stage_lock(workspace, stage));
        let mut told = false;
        let claim = loop {
            match lock.try_claim()? {
                Ok(claim) => break claim,
                Err(holder) => {
                    if !std::mem::replace(&mut told, true) {
                        waiting(&format!("waiting for {holder}, which runs {stage}"));
                    }
                    std::thread::sleep(LOCK_POLL);
                }
            }
        };
        claims.insert(stage.clone(), claim);
    }
    Ok(claims)
}

/// What names the lock of a stage.
pub(super) fn stage_lock(workspace: &Workspace<'_>, stage: &StageName) -> String {
    format!("{}.stage.{}", workspace.lock_stem(), crate::store::file_name(&stage.0))
}
