//! `clinpipe cache`: measure, clean and check the store.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::args::Global;
use super::error::UsageError;
use super::exit::Exit;
use super::output::Output;
use super::project::Opened;
use super::revision;
use crate::config::{self, StageName};
use crate::plan::Workspace;
use crate::store::{CheckReport, Damage, Survey, Sweep};
use crate::util::RelPath;
use crate::util::human::bytes;

/// `cache`.
#[derive(Debug, Subcommand)]
pub enum CacheCommand {
    /// Tell how large the store is, and what for.
    Du(DuArgs),
    /// Remove what no lock names any more.
    Gc(GcArgs),
    /// Read everything and compare it with its digest.
    Verify(CheckArgs),
}

/// `cache du`.
#[derive(Debug, Args)]
pub struct DuArgs {
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
}

/// `cache gc`. Without an option, what any commit's lock names stays too.
#[derive(Debug, Args)]
pub struct GcArgs {
    /// Keep only what the locks in the workspace name.
    #[arg(short, long, conflicts_with_all = ["rev", "all_branches", "all_tags", "all_commits"])]
    pub workspace: bool,
    /// Keep also what the locks of these git revisions name.
    #[arg(long, value_name = "REV", num_args = 1..)]
    pub rev: Vec<String>,
    /// Keep also what the locks at the tips of all branches name.
    #[arg(short = 'a', long)]
    pub all_branches: bool,
    /// Keep also what the locks of all tags name.
    #[arg(short = 'T', long)]
    pub all_tags: bool,
    /// Keep also what the lock of any commit names; so it is without an option.
    #[arg(short = 'A', long)]
    pub all_commits: bool,
    /// Show what would go; change nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
}

/// `cache verify`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Remove what is damaged.
    #[arg(long)]
    pub repair: bool,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
}

pub(super) fn run(global: &Global, command: &CacheCommand, output: &Output) -> anyhow::Result<Exit> {
    let opened = Opened::load(global, &[])?;
    let workspace = opened.workspace();
    match command {
        CacheCommand::Du(args) => du(&workspace, args, output),
        CacheCommand::Gc(args) => gc(&workspace, args, output),
        CacheCommand::Verify(args) => check(&workspace, args, output),
    }
}

fn du(workspace: &Workspace<'_>, args: &DuArgs, output: &Output) -> anyhow::Result<Exit> {
    let lock = workspace.current_lock()?;
    let is_stored = |stage: &StageName, path: &RelPath| {
        let declared = workspace.project.pipeline.stages.get(stage).map(|stage| &stage.outs);
        declared.and_then(|outs| outs.iter().find(|out| out.path == *path)).is_none_or(config::Output::is_stored)
    };
    let mut owners: BTreeMap<String, _> = BTreeMap::new();
    for (name, record) in lock.stages {
        let outs = record.outs.into_iter().filter(|(path, _)| is_stored(&name, path));
        owners.insert(name.0.clone(), outs.map(|(_, record)| record).collect());
    }
    let survey = workspace.store.survey(&owners)?;
    if args.json {
        output.json(&survey)?;
    } else {
        output.data(&du_text(&survey))?;
    }
    Ok(Exit::Done)
}

fn du_text(survey: &Survey) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    for (kind, size) in &survey.kinds {
        let _ = writeln!(text, "{:>10}  {:>7} files  {kind}", bytes(size.bytes), size.files);
    }
    if !survey.owners.is_empty() {
        let _ = writeln!(text, "\n      held       alone  missing  stage");
    }
    for (stage, share) in &survey.owners {
        let (held, alone) = (bytes(share.held.bytes), bytes(share.alone.bytes));
        let _ = writeln!(text, "{held:>10}  {alone:>10}  {:>7}  {stage}", share.missing);
    }
    let unnamed = survey.unnamed;
    let _ = writeln!(
        text,
        "\nA blob that several stages wrote is stored once: `alone` is what only that stage names.\n\
         {} in {} blobs are named by no stage of the lock: earlier results, which `clinpipe cache gc` removes.",
        bytes(unnamed.bytes),
        unnamed.files
    );
    text
}

#[derive(Serialize)]
struct SweepDocument<'a> {
    dry_run: bool,
    #[serde(flatten)]
    sweep: &'a Sweep,
}

fn gc(workspace: &Workspace<'_>, args: &GcArgs, output: &Output) -> anyhow::Result<Exit> {
    let store = &workspace.store;
    let alone = if args.dry_run { None } else { Some(store.hold_alone()?) };
    if let Some(None) = alone {
        output.error("error: the store is in use by another clinpipe\nhelp: try again when it has ended; --dry-run works meanwhile");
        return Ok(Exit::Environment);
    }
    let root = &workspace.project.pipeline.root;
    let mut keep = store.workspace_outputs(root)?;
    keep.extend(revision_outputs(workspace, args)?);
    let sweep = store.plan_sweep(&keep)?;
    if !args.dry_run {
        store.sweep(&sweep)?;
    }
    if args.json {
        output.json(&SweepDocument { dry_run: args.dry_run, sweep: &sweep })?;
    } else if !output.is_quiet() {
        let verb = if args.dry_run { "would be removed" } else { "removed" };
        let (blobs, kept) = (sweep.blobs, sweep.kept);
        output.data(&format!(
            "{} blobs ({}) and {} action records {verb}; {} blobs ({}) kept\n",
            blobs.files,
            bytes(blobs.bytes),
            sweep.actions.files,
            kept.files,
            bytes(kept.bytes)
        ))?;
    }
    Ok(Exit::Done)
}

/// What the locks of the revisions name that the options ask for.
fn revision_outputs(workspace: &Workspace<'_>, args: &GcArgs) -> anyhow::Result<Vec<crate::key::ContentRecord>> {
    let root = &workspace.project.pipeline.root;
    if args.workspace {
        return Ok(Vec::new());
    }
    let is_narrowed = !args.rev.is_empty() || args.all_branches || args.all_tags;
    let is_repository = revision::is_repository(root);
    if !is_repository {
        if is_narrowed || args.all_commits {
            let help = "without git only the locks in the workspace count: leave the option out";
            return Err(UsageError::new("this project does not lie in a git repository", help).into());
        }
        return Ok(Vec::new());
    }
    for rev in &args.rev {
        revision::resolve(root, rev)?;
    }
    let mut selectors: Vec<&str> = args.rev.iter().map(String::as_str).collect();
    selectors.extend(args.all_branches.then_some(["--branches", "--remotes"]).into_iter().flatten());
    selectors.extend(args.all_tags.then_some("--tags"));
    let walk_history = args.all_commits || !is_narrowed;
    if walk_history {
        selectors = vec!["--all", "HEAD"];
    }
    let mut records = Vec::new();
    for (name, text) in revision::locks(root, &selectors, walk_history)? {
        records.extend(crate::store::lock_outputs(&text, &name)?);
    }
    Ok(records)
}

fn check(workspace: &Workspace<'_>, args: &CheckArgs, output: &Output) -> anyhow::Result<Exit> {
    let store = &workspace.store;
    let _tmp = store.use_tmp()?;
    let report = store.check()?;
    let removed = if args.repair { store.repair(&report)? } else { 0 };
    if args.json {
        output.json(&report)?;
    } else {
        if !report.faults.is_empty() {
            output.error(&faults_text(&report, args.repair));
        }
        if !output.is_quiet() {
            let (blobs, actions, faults) = (report.blobs, report.actions, report.faults.len());
            output.data(&format!(
                "{blobs} blobs and {actions} action records read; {faults} faults, {removed} removed\n"
            ))?;
        }
    }
    Ok(if removed == report.faults.len() { Exit::Done } else { Exit::No })
}

fn faults_text(report: &CheckReport, repaired: bool) -> String {
    let mut text = String::new();
    for fault in &report.faults {
        let what = match fault.damage {
            Damage::Altered => "its bytes are not those of its name",
            Damage::Unreadable => "it cannot be understood",
            Damage::Incomplete => "it names blobs that are damaged or not held",
            Damage::Stranger => "its name is not one that the store gives; clinpipe leaves it alone",
        };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}: {what}", fault.path.display());
    }
    text.push_str(if repaired {
        "what was damaged is removed; `clinpipe commit` stores again what the workspace still has, `clinpipe pull` or `clinpipe repro` brings the rest"
    } else {
        "help: --repair removes what is damaged; then `clinpipe commit` stores again what the workspace still has, `clinpipe pull` or `clinpipe repro` brings the rest"
    });
    text
}
