//! Files as they were at a git revision.

use std::path::Path;
use std::process::Command;

use anyhow::Context;

use super::error::UsageError;
use crate::plan::Workspace;
use crate::store::Lock;
use crate::util::RelPath;

/// The bytes of a project file at `rev`: from git, else through that revision's lock and the store. `None` when
/// neither has it.
pub(super) fn file_at(workspace: &Workspace<'_>, rev: &str, path: &RelPath) -> anyhow::Result<Option<Vec<u8>>> {
    let root = &workspace.project.pipeline.root;
    if let Some(bytes) = show(root, rev, path.as_str())? {
        return Ok(Some(bytes));
    }
    let Ok(lock_path) = workspace.lock_path().strip_prefix(root).map(|path| path.display().to_string()) else {
        return Ok(None);
    };
    let Some(bytes) = show(root, rev, &lock_path)? else { return Ok(None) };
    let lock = Lock::parse(&String::from_utf8_lossy(&bytes), &format!("{rev}:{lock_path}"))?;
    let record = lock.stages.values().find_map(|stage| stage.outs.get(path));
    Ok(record.and_then(|record| workspace.store.cas().read(record.digest).ok()))
}

/// Fails when `rev` names no commit.
pub(super) fn check(root: &Path, rev: &str) -> anyhow::Result<()> {
    let output = git(root, &["rev-parse", "--verify", "--quiet", "--end-of-options", &format!("{rev}^{{commit}}")])?;
    if output.status.success() {
        return Ok(());
    }
    let help = "name a commit, branch or tag of the repository this project lies in";
    Err(UsageError::new(format!("git knows no revision `{rev}` here"), help).into())
}

fn show(root: &Path, rev: &str, path: &str) -> anyhow::Result<Option<Vec<u8>>> {
    // `./` makes the path relative to the project, wherever in the repository it lies.
    let output = git(root, &["show", "--end-of-options", &format!("{rev}:./{path}")])?;
    Ok(output.status.success().then_some(output.stdout))
}

fn git(root: &Path, args: &[&str]) -> anyhow::Result<std::process::Output> {
    Command::new("git").arg("-C").arg(root).args(args).output().context("cannot run git")
}
