//! The outputs of one stage in the workspace: clearing, restoring, publishing, collecting.
//!
//! Nothing a user wrote is lost: before an output is removed or replaced, content that the store does not hold is
//! put aside, unless the stage's claim says that a killed run was writing it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::time::SystemTime;

use super::run::RunError;
use crate::config::{Link, Output, StageDef};
use crate::key::{Content, ContentRecord};
use crate::plan::{PlanError, Workspace};
use crate::store::{Cas, Claim, Mark, StoreError};
use crate::util::relocate::{self, relocate};
use crate::util::{RelPath, shell};

pub(super) struct Outputs<'a> {
    pub(super) workspace: &'a Workspace<'a>,
    pub(super) stage: &'a StageDef,
    pub(super) claim: &'a Claim,
    /// What the lock says the stage wrote last.
    pub(super) recorded: BTreeMap<RelPath, ContentRecord>,
    /// Whether the store takes what the stage writes.
    pub(super) commit: bool,
    pub(super) note: Box<dyn Fn(&str) + 'a>,
}

impl Outputs<'_> {
    /// Removes what a command is going to write, and makes its directories. `persist` outputs stay.
    pub(super) fn clear(&self) -> Result<(), RunError> {
        for out in &self.stage.outs {
            if !out.persist {
                self.set_aside(&out.path)?;
                self.remove(&out.path)?;
            }
            self.make_parent(&out.path)?;
        }
        Ok(())
    }

    /// Marks the outputs as being written by this process since a moment at which they were cleared or saved.
    pub(super) fn mark(&self, since: SystemTime) -> Result<Mark, StoreError> {
        let written = self.stage.outs.iter().filter(|out| !out.persist);
        self.claim.mark(written.map(|out| out.path.clone()).collect(), since)
    }

    /// Removes what a failed command left: it started from cleared outputs, so nothing else is lost.
    pub(super) fn discard_partial(&self) -> Result<(), RunError> {
        self.stage.outs.iter().filter(|out| !out.persist).try_for_each(|out| self.remove(&out.path))?;
        Ok(self.claim.unmark()?)
    }

    /// Replaces outputs by stored content; those that are already right are left alone.
    pub(super) fn restore(&self, records: &BTreeMap<RelPath, ContentRecord>) -> Result<(), RunError> {
        let tmp = self.workspace.store.tmp();
        fs::create_dir_all(&tmp).map_err(|source| file_error("create", &tmp, source))?;
        let staging = tempfile::Builder::new()
            .prefix("restore-")
            .tempdir_in(&tmp)
            .map_err(|source| file_error("create", &tmp, source))?;
        for (index, (path, record)) in records.iter().enumerate() {
            let is_right = |content: Content| content.record().is_some_and(|now| now.digest == record.digest);
            if self.content(path).is_ok_and(is_right) {
                continue;
            }
            // Whole and verified before anything is removed.
            let staged = staging.path().join(index.to_string());
            self.cas_of(path).restore(record, &staged)?;
            self.replace(path, &staged)?;
        }
        Ok(())
    }

    /// Moves a built-in's outputs from its attempt, which began at `since`, into the workspace. What it did not write
    /// is not there after.
    pub(super) fn publish(&self, out_dir: &Path, since: SystemTime) -> Result<(), RunError> {
        self.stage.outs.iter().try_for_each(|out| self.set_aside(&out.path))?;
        self.mark(since)?;
        for out in &self.stage.outs {
            let written = out_dir.join(out.role.as_deref().unwrap_or_default());
            if written.exists() {
                self.put(&out.path, &written)?;
            } else {
                self.remove(&out.path)?;
            }
        }
        Ok(())
    }

    /// Digests and stores every output. `Err(path)` inside `Ok` names one that is not there.
    pub(super) fn collect(&self) -> Result<Result<BTreeMap<RelPath, ContentRecord>, RelPath>, RunError> {
        let mut records = BTreeMap::new();
        for out in &self.stage.outs {
            let content = self.content(&out.path)?;
            let Some(record) = content.record().cloned() else { return Ok(Err(out.path.clone())) };
            if self.commit && out.is_stored() {
                self.store(out, &content)?;
            }
            records.insert(out.path.clone(), record);
        }
        Ok(Ok(records))
    }

    /// Puts an output into the store; where links are wanted, the stored file takes the place of the one just written.
    fn store(&self, out: &Output, content: &Content) -> Result<(), RunError> {
        let cas = self.cas_of(&out.path);
        let path = self.absolute(&out.path);
        cas.put(&path, content)?;
        if cas.link_in_place(&path, content)? {
            // The files are other ones now, so what was known about them is not.
            self.content(&out.path)?;
        }
        Ok(())
    }

    /// The store as an output uses it: what a command writes into again must never be a link, nor what git keeps.
    pub(super) fn cas_of(&self, path: &RelPath) -> Cas {
        let cas = self.workspace.store.cas();
        let is_written = |out: &Output| out.persist || !out.cache;
        if self.stage.outs.iter().any(|out| is_written(out) && path.is_within(&out.path)) {
            cas.with_link(Link::Reflink)
        } else {
            cas
        }
    }

    /// Puts content that would be lost where the user can get it back.
    pub(super) fn set_aside(&self, path: &RelPath) -> Result<(), RunError> {
        let absolute = self.absolute(path);
        if fs::symlink_metadata(&absolute).is_err() || self.is_expendable(path) {
            return Ok(());
        }
        let directory = self.workspace.store.rescued();
        fs::create_dir_all(&directory).map_err(|source| file_error("create", &directory, source))?;
        // A directory of its own, so that nothing that was saved before can be in the way, whatever its name.
        let place = tempfile::Builder::new().prefix("").rand_bytes(8).tempdir_in(&directory);
        let place = place.map_err(|source| file_error("create", &directory, source))?.keep();
        let target = place.join(path.parts().last().unwrap_or("output"));
        relocate(&absolute, &target).map_err(|source| file_error("set aside", &absolute, source))?;
        let root = &self.workspace.project.pipeline.root;
        let (saved, out) = (shell::quote(target.strip_prefix(root).unwrap_or(&target)), shell::quote(path.as_str()));
        (self.note)(&format!(
            "{path} held content that no stage wrote; it is saved as {saved}\nhelp: to have it back, in the project's directory: rm -rf {out} && mv {saved} {out}"
        ));
        Ok(())
    }

    /// Whether what stands at an output can be had again: it is what the lock says, the store holds it, or it is the
    /// half-done work of a killed run. What cannot be read is not.
    fn is_expendable(&self, path: &RelPath) -> bool {
        let Ok(content) = self.content(path) else { return self.is_unfinished(path) };
        let Some(record) = content.record() else { return self.is_unfinished(path) };
        let is_own = self.recorded.get(path).is_some_and(|own| own.digest == record.digest);
        let is_empty = record.count == Some(0);
        is_own || is_empty || self.is_unfinished(path) || self.workspace.store.cas().holds_bytes(&content)
    }

    fn is_unfinished(&self, path: &RelPath) -> bool {
        let root = &self.workspace.project.pipeline.root;
        self.claim.unfinished().is_some_and(|mark| mark.wrote(path, root))
    }

    /// Puts `from` in the place of an output or of a part of one.
    pub(super) fn replace(&self, path: &RelPath, from: &Path) -> Result<(), RunError> {
        self.set_aside(path)?;
        self.put(path, from)
    }

    fn put(&self, path: &RelPath, from: &Path) -> Result<(), RunError> {
        let target = self.absolute(path);
        self.make_parent(path)?;
        if target.is_dir() || from.is_dir() {
            self.remove(path)?;
        }
        relocate(from, &target).map_err(|source| file_error("move", &target, source))
    }

    pub(super) fn remove(&self, path: &RelPath) -> Result<(), RunError> {
        let target = self.absolute(path);
        relocate::remove(&target).map_err(|source| file_error("remove", &target, source))
    }

    fn make_parent(&self, path: &RelPath) -> Result<(), RunError> {
        let target = self.absolute(path);
        let Some(parent) = target.parent() else { return Ok(()) };
        fs::create_dir_all(parent).map_err(|source| file_error("create", parent, source))
    }

    pub(super) fn content(&self, path: &RelPath) -> Result<Content, RunError> {
        Ok(self.workspace.reader.content(path).map_err(PlanError::from)?)
    }

    fn absolute(&self, path: &RelPath) -> std::path::PathBuf {
        path.under(&self.workspace.project.pipeline.root)
    }
}

pub(super) fn file_error(action: &'static str, path: &Path, source: io::Error) -> RunError {
    RunError::File { action, path: path.display().to_string(), source }
}
