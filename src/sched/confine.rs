//! Strict mode for one stage: what its command may touch, and what to say when it was refused something.
//!
//! Invariants: only declared inputs, parameter files and outputs are permitted, see `exec`'s sandbox for how; whatever
//! is put into the workspace for the sake of a permission and left untouched is taken away again.

use std::collections::BTreeSet;
use std::fs::{self, File, FileTimes};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::run::RunError;
use crate::config::{Output, StageDef};
use crate::exec::Confinement;
use crate::plan::Workspace;
use crate::util::RelPath;

/// How many declared paths a message lists.
const LISTED: usize = 30;

/// The confinement of one attempt, in place.
pub(super) struct Confined {
    pub(super) confinement: Confinement,
    declared: BTreeSet<RelPath>,
    cwd: PathBuf,
    placeholders: Vec<PathBuf>,
}

impl Confined {
    /// Confines a stage whose outputs have been cleared.
    pub(super) fn prepare(workspace: &Workspace<'_>, stage: &StageDef) -> Result<Self, RunError> {
        let root = &workspace.project.pipeline.root;
        let read: BTreeSet<RelPath> =
            stage.deps.iter().map(|dep| dep.path.clone()).chain(stage.params.iter().map(|p| p.file.clone())).collect();
        let written = stage.outs.iter().map(|out| out.path.clone());
        let mut confined = Self {
            confinement: Confinement {
                root: root.clone(),
                inputs: read.iter().map(|path| path.under(root)).collect(),
                ..Confinement::default()
            },
            declared: read.iter().cloned().chain(written).collect(),
            cwd: stage.wdir.under(root),
            placeholders: Vec::new(),
        };
        for out in &stage.outs {
            confined.permit(workspace, stage, out)?;
        }
        Ok(confined)
    }

    fn permit(&mut self, workspace: &Workspace<'_>, stage: &StageDef, out: &Output) -> Result<(), RunError> {
        let root = &workspace.project.pipeline.root;
        let path = out.path.under(root);
        let error = |source| RunError::File { action: "prepare", path: out.path.to_string(), source };
        let Some(parent) = path.parent().map(Path::to_owned) else { return Ok(()) };
        if out.directory {
            fs::create_dir_all(&path).map_err(error)?;
        } else if is_private(workspace, stage, &parent) {
            self.confinement.outputs.push(parent);
            return Ok(());
        } else if !path.exists() && path.extension().is_some() {
            // A file that is there can be permitted by itself, so that it can also be read back: archives and
            // databases are opened for both. A name without an extension may become a directory.
            let file = File::create_new(&path).map_err(error)?;
            file.set_times(FileTimes::new().set_modified(SystemTime::UNIX_EPOCH)).map_err(error)?;
            self.placeholders.push(path.clone());
        }
        if path.exists() {
            self.confinement.outputs.push(path);
        }
        self.confinement.drop_boxes.push(parent);
        Ok(())
    }

    /// Takes away the placeholders that the command did not write, so that their outputs count as missing.
    pub(super) fn remove_untouched(&self) {
        for path in &self.placeholders {
            let is_untouched = fs::symlink_metadata(path).is_ok_and(|metadata| {
                metadata.len() == 0 && metadata.modified().is_ok_and(|time| time == SystemTime::UNIX_EPOCH)
            });
            if is_untouched {
                // If it stays, it is recorded as the empty file it is.
                drop(fs::remove_file(path));
            }
        }
    }

    /// What to add to the message of a failed attempt, given the end of its log.
    pub(super) fn explain(&self, log_tail: &[String]) -> String {
        let mut listed: Vec<String> = self.declared.iter().take(LISTED).map(ToString::to_string).collect();
        if self.declared.len() > LISTED {
            listed.push(format!("{} more", self.declared.len() - LISTED));
        }
        let declared = if listed.is_empty() { "nothing".to_owned() } else { listed.join(", ") };
        let refused = self.refused(log_tail);
        let guess = if refused.is_empty() {
            "if it was refused a file".to_owned()
        } else {
            format!("it was probably refused {}", refused.into_iter().collect::<Vec<_>>().join(", "))
        };
        format!(
            "\nstrict mode: of the workspace the stage declares {declared}\nhelp: {guess}; declare what it reads under `deps`, what it writes under `outs`"
        )
    }

    /// Workspace paths that a log says were refused and the stage does not declare.
    fn refused(&self, log: &[String]) -> BTreeSet<String> {
        let denials = log.iter().filter(|line| line.contains("ermission denied"));
        denials.flat_map(|line| candidates(line)).filter_map(|text| self.undeclared(text)).collect()
    }

    fn undeclared(&self, text: &str) -> Option<String> {
        let path = self.cwd.join(text);
        let root = &self.confinement.root;
        let relative = path.strip_prefix(root).ok()?.to_str().and_then(RelPath::parse)?;
        let looks_like_a_path = text.contains('/') || Path::new(text).extension().is_some();
        let is_there = path.symlink_metadata().is_ok();
        let could_be_made = looks_like_a_path && path.parent().is_some_and(Path::is_dir);
        let is_declared = self.declared.iter().any(|declared| path.starts_with(declared.under(root)));
        ((is_there || could_be_made) && !relative.is_root() && !is_declared).then(|| relative.to_string())
    }
}

/// What may be a path in a message: what is quoted, and every word without the punctuation around it.
fn candidates(line: &str) -> impl Iterator<Item = &str> {
    let quotes = ['\'', '"', '`', '‘', '’'];
    let words =
        line.split_whitespace().map(move |word| word.trim_matches(|c| ":,;()".contains(c) || quotes.contains(&c)));
    line.split(quotes).skip(1).step_by(2).chain(words).filter(|text| !text.is_empty())
}

/// Whether a directory below the project's holds nothing but outputs of this stage: then it may be read as well.
fn is_private(workspace: &Workspace<'_>, stage: &StageDef, dir: &Path) -> bool {
    let root = &workspace.project.pipeline.root;
    let own: Vec<PathBuf> = stage.outs.iter().map(|out| out.path.under(root)).collect();
    let mut others = workspace.project.pipeline.stages.values().filter(|other| other.name != stage.name);
    let is_shared = others.any(|other| other.outs.iter().any(|out| out.path.under(root).starts_with(dir)));
    let holds_only_own = || {
        let mut entries = dir.read_dir().into_iter().flatten().flatten();
        entries.all(|entry| own.iter().any(|out| *out == entry.path()))
    };
    dir != root && !is_shared && holds_only_own()
}
