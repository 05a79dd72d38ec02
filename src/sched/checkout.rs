//! Making the workspace equal to the lock, from the store alone.
//!
//! Everything is fetched and verified before anything in the workspace changes; an output that the store cannot bring
//! stops the whole checkout. Content that would be lost is put aside first. The lock is never written.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::outputs::{Outputs, file_error};
use super::record;
use super::run::RunError;
use crate::config::StageName;
use crate::key::{Content, ContentRecord, Entry};
use crate::plan::Workspace;
use crate::store::{Claim, Lock, StoreError};
use crate::util::RelPath;

/// What to bring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Outputs of this stage …
    pub stage: StageName,
    /// … all of them, or what lies at this path: an output, or a file or directory within one.
    pub path: Option<RelPath>,
}

/// How to behave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CheckoutOptions {
    /// Leave out what the store does not hold.
    pub allow_missing: bool,
    /// Replace also what is right already, so that it comes as the configured kind of file.
    pub relink: bool,
    /// Do not put edited content aside.
    pub force: bool,
}

/// What was done.
#[derive(Debug, Default)]
pub struct CheckoutReport {
    /// Paths that were brought.
    pub restored: Vec<RelPath>,
    /// Paths that were right already.
    pub unchanged: Vec<RelPath>,
    /// Paths whose content the store does not hold. Unless missing ones are allowed, nothing was done then.
    pub missing: Vec<RelPath>,
    /// Outputs with `cache: false` that are not as the lock has them: only running their stage brings them.
    pub uncached: Vec<RelPath>,
    /// Stages that the lock does not have.
    pub unrecorded: Vec<StageName>,
}

/// One thing to bring.
struct Item<'a> {
    outputs: Outputs<'a>,
    path: RelPath,
    record: ContentRecord,
    /// Members, when only a part of a stored directory is wanted and that part is a directory.
    members: Option<Vec<Entry>>,
}

/// Brings what is wanted. `note` is told what was put aside and who is waited for.
pub fn checkout<'a>(
    workspace: &'a Workspace<'a>,
    wanted: &[Wanted],
    options: CheckoutOptions,
    note: &'a dyn Fn(&str),
) -> Result<CheckoutReport, RunError> {
    let claims = record::claim_stages(workspace, wanted.iter().map(|wanted| &wanted.stage), note)?;
    let _tmp = workspace.store.use_tmp()?;
    let lock = workspace.current_lock()?;
    let mut report = CheckoutReport::default();
    let mut items = Vec::new();
    let search = Search { workspace, lock: &lock, claims: &claims, note };
    for wanted in wanted {
        search.collect(wanted, &mut items, &mut report)?;
    }
    let tmp = workspace.store.tmp();
    fs::create_dir_all(&tmp).map_err(|source| file_error("create", &tmp, source))?;
    let staging = tempfile::Builder::new()
        .prefix("checkout-")
        .tempdir_in(&tmp)
        .map_err(|source| file_error("create", &tmp, source))?;
    let staged = stage_all(items, options, staging.path(), &mut report)?;
    if report.missing.is_empty() || options.allow_missing {
        for (item, place) in staged {
            item.replace(&place, options.force)?;
            report.restored.push(item.path);
        }
        record::save_hints(workspace)?;
    }
    Ok(report)
}

/// Where items are looked for.
struct Search<'a> {
    workspace: &'a Workspace<'a>,
    lock: &'a Lock,
    claims: &'a BTreeMap<StageName, Claim>,
    note: &'a dyn Fn(&str),
}

impl<'a> Search<'a> {
    /// The items that are wanted of one stage.
    fn collect(&self, wanted: &Wanted, items: &mut Vec<Item<'a>>, report: &mut CheckoutReport) -> Result<(), RunError> {
        let (Some(record), Some(claim)) = (self.lock.stages.get(&wanted.stage), self.claims.get(&wanted.stage)) else {
            report.unrecorded.push(wanted.stage.clone());
            return Ok(());
        };
        let stage = self.workspace.stage(&wanted.stage);
        for out in &stage.outs {
            let Some(recorded) = record.outs.get(&out.path) else { continue };
            let path = match &wanted.path {
                Some(path) if path.is_within(&out.path) => path,
                Some(_) => continue,
                None => &out.path,
            };
            let note = self.note;
            let workspace = self.workspace;
            let outputs =
                Outputs { workspace, stage, claim, recorded: record.outs.clone(), commit: true, note: Box::new(note) };
            if !out.is_stored() {
                if outputs.content(&out.path)?.record().is_none_or(|now| now.digest != recorded.digest) {
                    report.uncached.push(out.path.clone());
                }
            } else if *path == out.path {
                items.push(Item { outputs, path: path.clone(), record: recorded.clone(), members: None });
            } else {
                let inner = path.as_str().get(out.path.as_str().len() + 1..).unwrap_or_default();
                let cas = outputs.workspace.store.cas();
                match recorded.count.and_then(|_| cas.part(recorded.digest, inner)) {
                    Some((record, members)) => items.push(Item { outputs, path: path.clone(), record, members }),
                    None => report.missing.push(path.clone()),
                }
            }
        }
        Ok(())
    }
}

/// Brings everything that differs to the staging directory, whole and verified.
fn stage_all<'a>(
    items: Vec<Item<'a>>,
    options: CheckoutOptions,
    staging: &Path,
    report: &mut CheckoutReport,
) -> Result<Vec<(Item<'a>, PathBuf)>, RunError> {
    let mut staged = Vec::new();
    for (index, item) in items.into_iter().enumerate() {
        if !options.relink && item.is_right()? {
            report.unchanged.push(item.path);
            continue;
        }
        let place = staging.join(index.to_string());
        match item.fetch(&place) {
            Ok(()) => staged.push((item, place)),
            Err(StoreError::Missing(_) | StoreError::Damaged { .. }) => report.missing.push(item.path),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(staged)
}

impl Item<'_> {
    /// Whether the workspace has it as the lock has it.
    fn is_right(&self) -> Result<bool, RunError> {
        Ok(match self.outputs.content(&self.path)? {
            Content::Missing => false,
            Content::File(now) => now.digest == self.record.digest && now.executable == self.record.executable,
            Content::Directory(now, _) => now.digest == self.record.digest,
        })
    }

    fn fetch(&self, place: &Path) -> Result<(), StoreError> {
        let cas = self.outputs.cas_of(&self.path);
        match &self.members {
            Some(members) => cas.restore_members(members, place),
            None => cas.restore(&self.record, place),
        }
    }

    fn replace(&self, place: &Path, force: bool) -> Result<(), RunError> {
        if force {
            self.outputs.remove(&self.path)?;
        }
        self.outputs.replace(&self.path, place)?;
        // What is known about the new file spares the next command its hash.
        self.outputs.content(&self.path).map(drop)
    }
}
