//! The outputs of one stage in the workspace: clearing, restoring, publishing, collecting.
//!
//! Nothing a user wrote is lost: before an output is removed or replaced, content that the store does not hold is
//! put aside.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use super::run::RunError;
use crate::config::{OutClass, Output, StageDef};
use crate::key::{Content, ContentRecord};
use crate::plan::{PlanError, Workspace};
use crate::util::RelPath;

pub(super) struct Outputs<'a> {
    pub(super) workspace: &'a Workspace<'a>,
    pub(super) stage: &'a StageDef,
    /// What the lock says the stage wrote last.
    pub(super) recorded: BTreeMap<RelPath, ContentRecord>,
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

    /// Removes what a failed command left: it started from cleared outputs, so nothing else is lost.
    pub(super) fn discard_partial(&self) -> Result<(), RunError> {
        self.stage.outs.iter().filter(|out| !out.persist).try_for_each(|out| self.remove(&out.path))
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
            if self.content(path)?.record().is_some_and(|now| now.digest == record.digest) {
                continue;
            }
            // Whole and verified before anything is removed.
            let staged = staging.path().join(index.to_string());
            self.workspace.store.cas().restore(record, &staged)?;
            self.replace(path, &staged)?;
        }
        Ok(())
    }

    /// Moves a built-in's outputs from its attempt into the workspace. What it did not write is not there after.
    pub(super) fn publish(&self, out_dir: &Path) -> Result<(), RunError> {
        for out in &self.stage.outs {
            let written = out_dir.join(out.role.as_deref().unwrap_or_default());
            if written.exists() {
                self.replace(&out.path, &written)?;
            } else {
                self.set_aside(&out.path)?;
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
            if is_stored(out) {
                self.workspace.store.cas().put(&self.absolute(&out.path), &content)?;
            }
            records.insert(out.path.clone(), record);
        }
        Ok(Ok(records))
    }

    /// Puts content that would be lost where the user can get it back.
    fn set_aside(&self, path: &RelPath) -> Result<(), RunError> {
        let content = self.content(path)?;
        let Some(record) = content.record() else { return Ok(()) };
        let is_own = self.recorded.get(path).is_some_and(|own| own.digest == record.digest);
        if is_own || record.count == Some(0) || self.workspace.store.cas().holds_intact(record) {
            return Ok(());
        }
        let name = path.parts().last().unwrap_or("output");
        let directory = self.workspace.store.rescued();
        let target = directory.join(format!("{}-{name}", record.digest.short()));
        fs::create_dir_all(&directory).map_err(|source| file_error("create", &directory, source))?;
        if !target.exists() {
            fs::rename(self.absolute(path), &target).map_err(|source| file_error("set aside", &target, source))?;
        }
        (self.note)(&format!(
            "{path} held content that no stage wrote; it is now .clinpipe/rescued/{}-{name}, copy it back if you need it",
            record.digest.short()
        ));
        Ok(())
    }

    /// Puts `from` in the place of an output.
    fn replace(&self, path: &RelPath, from: &Path) -> Result<(), RunError> {
        let target = self.absolute(path);
        self.set_aside(path)?;
        self.make_parent(path)?;
        if target.is_dir() || from.is_dir() {
            self.remove(path)?;
        }
        fs::rename(from, &target).map_err(|source| file_error("move", &target, source))
    }

    fn remove(&self, path: &RelPath) -> Result<(), RunError> {
        let target = self.absolute(path);
        let removed = match fs::symlink_metadata(&target) {
            Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(&target),
            Ok(_) => fs::remove_file(&target),
            Err(error) => Err(error),
        };
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(file_error("remove", &target, error)),
            _ => Ok(()),
        }
    }

    fn make_parent(&self, path: &RelPath) -> Result<(), RunError> {
        let target = self.absolute(path);
        let Some(parent) = target.parent() else { return Ok(()) };
        fs::create_dir_all(parent).map_err(|source| file_error("create", parent, source))
    }

    fn content(&self, path: &RelPath) -> Result<Content, RunError> {
        Ok(self.workspace.reader.content(path).map_err(PlanError::from)?)
    }

    fn absolute(&self, path: &RelPath) -> std::path::PathBuf {
        path.under(&self.workspace.project.pipeline.root)
    }
}

/// Whether the store keeps an output's bytes. Metrics and plots are small and always kept, whatever their flag says:
/// a command that reads them from an older lock needs them.
fn is_stored(out: &Output) -> bool {
    out.cache || out.class != OutClass::Out
}

fn file_error(action: &'static str, path: &Path, source: io::Error) -> RunError {
    RunError::File { action, path: path.display().to_string(), source }
}
