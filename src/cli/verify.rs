//! `clinpipe verify`: copy the project without what stages wrote, execute everything again with an empty store, and
//! compare every byte with the lock.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use ignore::WalkBuilder;
use serde::Serialize;

use super::args::{Global, VerifyArgs};
use super::error::UsageError;
use super::exit::Exit;
use super::output::Output;
use super::project::{Opened, jobs, memory};
use super::repro::{conclude, run_stages};
use super::watch;
use crate::config::{Pipeline, StageName};
use crate::graph::Selection;
use crate::plan::PlanOptions;
use crate::sched::events::Outcome;
use crate::sched::{RunOptions, RunReport};
use crate::store::{Lock, lock_path};
use crate::util::RelPath;

/// `{"stages": {NAME: {"identical", "outputs"}}}`.
#[derive(Serialize)]
struct Document {
    identical: bool,
    stages: BTreeMap<String, StageComparison>,
}

#[derive(Serialize)]
struct StageComparison {
    outcome: Outcome,
    outputs: Vec<OutputComparison>,
}

#[derive(Serialize)]
struct OutputComparison {
    path: String,
    locked: Option<String>,
    now: Option<String>,
    identical: bool,
}

pub(super) fn run(global: &Global, args: &VerifyArgs, output: &Output) -> anyhow::Result<Exit> {
    let opened = Opened::load(global, &[])?;
    let lock = opened.workspace().current_lock()?;
    let selected = opened.select(&args.targets, Selection::Upstream)?;
    if let Some(name) = selected.iter().find(|name| !lock.stages.contains_key(*name)) {
        let help = "`clinpipe repro` runs it and records what it wrote";
        return Err(
            UsageError::new(format!("stage {name} is not in the lock, so there is nothing to compare"), help).into()
        );
    }
    let place =
        tempfile::Builder::new().prefix("clinpipe-verify-").tempdir().context("cannot make a temporary directory")?;
    copy_project(&opened.project.pipeline, place.path())?;
    let report = execute_copy(&opened, &selected, args, place.path(), output)?;
    let document = compare(&selected, &lock, &report);
    if args.json {
        output.json(&document)?;
    } else if !output.is_quiet() {
        output.data(&text(&document))?;
    }
    conclude(report, if document.identical { Exit::Done } else { Exit::No })
}

fn execute_copy(
    opened: &Opened,
    selected: &[StageName],
    args: &VerifyArgs,
    place: &Path,
    output: &Output,
) -> anyhow::Result<RunReport> {
    let copy = Opened::load_at(place, &opened.project.pipeline.file, &[])?;
    let plan = PlanOptions { no_run_cache: true, ..PlanOptions::default() };
    let options = RunOptions { jobs: jobs(args.jobs), memory: memory(), plan, ..RunOptions::default() };
    let mut sink = watch::console(output);
    run_stages(&copy, selected, &options, sink.as_mut())
}

/// Copies what a stage may read: everything git would keep, and every declared input that is there, but no output, no
/// lock, no `.git` and no store.
fn copy_project(pipeline: &Pipeline, target: &Path) -> anyhow::Result<()> {
    // Without outputs and lock the copy starts as if nothing had ever run.
    let locks: Vec<PathBuf> = pipeline.files().map(|file| lock_path(&file.under(&pipeline.root))).collect();
    let is_left_out = |path: &RelPath| {
        let mut outs = pipeline.stages.values().flat_map(|stage| &stage.outs);
        locks.contains(&path.under(&pipeline.root)) || outs.any(|out| path.is_within(&out.path))
    };
    let mut walk = WalkBuilder::new(&pipeline.root);
    walk.hidden(false).ignore(false).parents(false).git_global(false).git_exclude(false).require_git(false);
    walk.filter_entry(|entry| !matches!(entry.file_name().to_str(), Some(".git" | ".clinpipe")));
    let inputs = pipeline.stages.values().flat_map(|stage| &stage.deps).map(|dep| dep.path.clone());
    let params = pipeline.stages.values().flat_map(|stage| &stage.params).map(|source| source.file.clone());
    for path in inputs.chain(params).chain(pipeline.files().cloned()) {
        copy_tree(&pipeline.root, &path, target, &is_left_out)?;
    }
    for entry in walk.build() {
        let entry = entry.context("cannot read the project")?;
        // Undeclared links count when they lead to a file; pipes, sockets and broken links are nobody's input.
        if !entry.path().is_file() {
            continue;
        }
        let relative = entry.path().strip_prefix(&pipeline.root)?.to_str().and_then(RelPath::parse);
        if let Some(relative) = relative.filter(|relative| !is_left_out(relative)) {
            copy_file(&pipeline.root, &relative, target)?;
        }
    }
    Ok(())
}

fn copy_tree(root: &Path, path: &RelPath, target: &Path, skip: &dyn Fn(&RelPath) -> bool) -> anyhow::Result<()> {
    let from = path.under(root);
    if skip(path) || !from.exists() {
        return Ok(());
    }
    for entry in WalkBuilder::new(&from).standard_filters(false).follow_links(true).build() {
        let entry = entry.with_context(|| format!("cannot read {path}"))?;
        let relative = entry.path().strip_prefix(root)?.to_str().and_then(RelPath::parse);
        if let Some(relative) = relative.filter(|relative| entry.path().is_file() && !skip(relative)) {
            copy_file(root, &relative, target)?;
        }
    }
    Ok(())
}

fn copy_file(root: &Path, path: &RelPath, target: &Path) -> anyhow::Result<()> {
    let to = path.under(target);
    if to.exists() {
        return Ok(());
    }
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent).with_context(|| format!("cannot copy {path}"))?;
    }
    fs::copy(path.under(root), to).with_context(|| format!("cannot copy {path}"))?;
    Ok(())
}

fn compare(selected: &[StageName], lock: &Lock, report: &RunReport) -> Document {
    let stages: BTreeMap<String, StageComparison> = selected
        .iter()
        .filter_map(|name| {
            let outcome = report.stages.get(name)?.outcome;
            let locked = &lock.stages.get(name)?.outs;
            let now = report.lock.stages.get(name).filter(|_| outcome == Outcome::Ran).map(|record| &record.outs);
            let outputs = locked.iter().map(|(path, record)| {
                let new = now.and_then(|outs| outs.get(path));
                OutputComparison {
                    path: path.to_string(),
                    locked: Some(record.digest.to_string()),
                    now: new.map(|record| record.digest.to_string()),
                    identical: new.is_some_and(|new| new.digest == record.digest),
                }
            });
            Some((name.0.clone(), StageComparison { outcome, outputs: outputs.collect() }))
        })
        .collect();
    let identical = stages.values().flat_map(|stage| &stage.outputs).all(|output| output.identical);
    Document { identical, stages }
}

fn text(document: &Document) -> String {
    let outputs: Vec<_> = document.stages.values().flat_map(|stage| &stage.outputs).collect();
    let total = outputs.len();
    if document.identical {
        let stages = match document.stages.len() {
            1 => "1 stage was".to_owned(),
            several => format!("{several} stages were"),
        };
        let outputs = if total == 1 { "its output has".to_owned() } else { format!("all {total} outputs have") };
        return format!("Verified: {stages} executed again; {outputs} the bytes of the lock.\n");
    }
    let mut text = String::new();
    for output in outputs.iter().filter(|output| !output.identical) {
        let brief =
            |digest: &Option<String>| digest.as_ref().map_or("nothing".to_owned(), |text| text[..12].to_owned());
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}: locked {}, now {}", output.path, brief(&output.locked), brief(&output.now));
    }
    let differing = outputs.iter().filter(|output| !output.identical).count();
    let _ = writeln!(
        text,
        "{differing} of {total} outputs differ. `clinpipe status` tells whether inputs have changed since the lock was written."
    );
    text
}
