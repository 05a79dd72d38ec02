//! Writing down what a stage produced, whoever says so: journal first, lock when the work ends.

use std::collections::{BTreeMap, BTreeSet};

use super::run::RunError;
use super::stage_run::{LOCK_POLL, is_ancestor};
use crate::config::{StageDef, StageName};
use crate::plan::Workspace;
use crate::store::{Claim, FileLock, Held, Lock, StageRecord, file_name};
use crate::util::RelPath;

/// Makes a stage's new record durable. Its blobs are stored already.
pub(super) fn journal(workspace: &Workspace<'_>, stage: &StageDef, record: &StageRecord) -> Result<(), RunError> {
    let _writer = hold_lock(workspace, &stage.file)?;
    Ok(workspace.journal(&stage.file).append(&stage.local, record)?)
}

/// Drops journals of runs that did not end if the lock they continue has been replaced by another revision since.
pub(super) fn drop_outdated(workspace: &Workspace<'_>) -> Result<(), RunError> {
    for file in workspace.project.pipeline.files().filter(|file| workspace.journal(file).exists()) {
        let _writer = hold_lock(workspace, file)?;
        workspace.journal(file).clear_if_outdated()?;
    }
    Ok(())
}

/// Waits for the right to write the lock and the journal of a pipeline file.
pub(super) fn hold_lock(workspace: &Workspace<'_>, file: &RelPath) -> Result<Held, RunError> {
    Ok(workspace.process_lock(file, "lock").hold()?)
}

/// Puts what the journals hold into the lock files, and keeps the hints. The caller takes part in the use of `tmp/`.
pub(super) fn write_locks(workspace: &Workspace<'_>) -> Result<(), RunError> {
    for file in workspace.project.pipeline.files() {
        let _writer = hold_lock(workspace, file)?;
        let journal = workspace.journal(file);
        let (path, base) = (workspace.lock_path(file), file.parent());
        let mut lock = Lock::read(&path, &base)?;
        if journal.replay(&mut lock, &base)? {
            // Blobs before the lock that names them.
            workspace.store.sync()?;
            lock.write(&workspace.store.tmp(), &path)?;
            journal.clear()?;
        }
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
        let lock = stage_lock(workspace, workspace.stage(stage));
        let mut told = false;
        let claim = loop {
            match lock.try_claim()? {
                Ok(claim) => break claim,
                Err(holder) => {
                    // That one waits for this process, so this process must not wait for it.
                    if is_ancestor(&holder) {
                        return Err(RunError::Nested(stage.clone()));
                    }
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

/// The lock under which one process at a time works on a stage.
pub(super) fn stage_lock(workspace: &Workspace<'_>, stage: &StageDef) -> FileLock {
    workspace.process_lock(&stage.file, &format!("stage.{}", file_name(&stage.local)))
}
