//! The project as it was at a git revision: its pipeline, parameters and locks in a temporary directory.
//!
//! Only small text files are taken out of git; data never are. The user's work tree and index are not touched.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Context;
use tempfile::TempDir;

use super::project::Opened;
use super::revision;
use crate::config;
use crate::util::RelPath;

/// Larger files are no configuration.
const MAX_BYTES: u64 = 16 << 20;

/// A revision of a project.
pub(super) struct Snapshot {
    /// What `rev` names.
    commit: String,
    /// The project, if the revision has a pipeline that can be read.
    pub(super) opened: Option<Opened>,
    /// Why it could not be read.
    pub(super) note: Option<String>,
    /// Removed when dropped.
    _dir: TempDir,
}

impl Snapshot {
    /// Takes the configuration of `rev` out of git. A revision that git does not know is a mistake of the call.
    pub(super) fn take(present: &Opened, rev: &str) -> anyhow::Result<Self> {
        let root = &present.project.pipeline.root;
        let commit = revision::resolve(root, rev)?;
        let dir = tempfile::Builder::new().prefix("clinpipe-rev-").tempdir().context("cannot make a directory")?;
        revision::extract(root, &commit, is_configuration, MAX_BYTES, dir.path())?;
        let (opened, note) = match open(present, dir.path()) {
            Ok(opened) => (Some(opened), None),
            Err(error) => {
                let message = super::error::render(&error);
                let first = message.lines().next().unwrap_or_default().to_owned();
                (
                    None,
                    Some(format!("the pipeline of {rev} cannot be read ({first}); the present list of files is used")),
                )
            }
        };
        Ok(Self { commit, opened, note, _dir: dir })
    }

    /// The bytes of a file: from git, else through the revision's lock and the store; none when neither has it.
    pub(super) fn file(&self, present: &Opened, path: &RelPath) -> anyhow::Result<Option<Vec<u8>>> {
        let root = &present.project.pipeline.root;
        if let Some(bytes) = revision::show(root, &self.commit, path)? {
            return Ok(Some(bytes));
        }
        let Some(opened) = &self.opened else { return Ok(None) };
        let lock = opened.workspace().current_lock()?;
        let cas = present.workspace().store.cas();
        let outs = lock.stages.values().flat_map(|stage| &stage.outs);
        let Some((out, record)) = outs.into_iter().find(|(out, _)| path.is_within(out)) else { return Ok(None) };
        if out == path {
            return Ok(cas.read(record.digest).ok());
        }
        let entries = cas.entries(record.digest).unwrap_or_default();
        let member = entries.iter().find(|entry| RelPath::resolve(out, &entry.path).as_ref() == Some(path));
        Ok(member.and_then(|member| cas.read(member.digest).ok()))
    }

    /// The files below a directory: those in git and those that the revision's lock knows.
    pub(super) fn files_below(&self, present: &Opened, dir: &RelPath) -> anyhow::Result<BTreeSet<RelPath>> {
        let mut files = revision::list(&present.project.pipeline.root, &self.commit, dir)?;
        let Some(opened) = &self.opened else { return Ok(files) };
        let lock = opened.workspace().current_lock()?;
        let cas = present.workspace().store.cas();
        for (out, record) in lock.stages.values().flat_map(|stage| &stage.outs) {
            if record.count.is_none() {
                files.extend(out.is_within(dir).then(|| out.clone()));
                continue;
            }
            let entries = cas.entries(record.digest).unwrap_or_default();
            let members = entries.iter().filter_map(|entry| RelPath::resolve(out, &entry.path));
            files.extend(members.filter(|member| member.is_within(dir)));
        }
        Ok(files)
    }
}

fn open(present: &Opened, dir: &Path) -> anyhow::Result<Opened> {
    let file = &present.project.pipeline.file;
    let file = if file.under(dir).is_file() { file.clone() } else { config::discover(dir)? };
    Opened::load_at(dir, &file, &[])
}

/// What loading a project may read.
fn is_configuration(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending).to_ascii_lowercase();
    matches!(ending.as_str(), "yaml" | "yml" | "json" | "toml" | "py" | "lock" | "dvcignore" | "clinpipeignore")
        || path.starts_with(".dvc/config")
}
