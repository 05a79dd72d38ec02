//! `clinpipe push`, `fetch` and `pull`: exchange what the lock names with a remote.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Args;

use super::args::Global;
use super::checkout::{bring, wanted};
use super::error::UsageError;
use super::exit::Exit;
use super::output::Output;
use super::project::{Opened, jobs};
use crate::config::DvcConfig;
use crate::key::ActionKey;
use crate::plan::Workspace;
use crate::sched::{CheckoutOptions, Wanted};
use crate::store::remote::{self, DirectoryRemote, ObjectKind, ObjectName, Remote, Transfer, Want};
use crate::util::{human, nearest};

/// What all three take.
#[derive(Debug, Args)]
pub struct Common {
    /// Stages, or the outputs they write; everything when none is given.
    pub targets: Vec<String>,
    /// The remote: a name from the configuration, or a directory.
    #[arg(short, long, value_name = "NAME|DIR")]
    pub remote: Option<String>,
    /// How many files may be on their way at once; the number of cores when absent.
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: Option<u16>,
    /// Also every result in the action cache, not only those that the lock names.
    #[arg(long)]
    pub run_cache: bool,
}

/// `push`.
#[derive(Debug, Args)]
pub struct PushArgs {
    /// What to send where.
    #[command(flatten)]
    pub common: Common,
}

/// `fetch`.
#[derive(Debug, Args)]
pub struct FetchArgs {
    /// What to get from where.
    #[command(flatten)]
    pub common: Common,
}

/// `pull`.
#[derive(Debug, Args)]
pub struct PullArgs {
    /// What to get from where.
    #[command(flatten)]
    pub common: Common,
    /// Check out what there is, leaving out the rest.
    #[arg(long)]
    pub allow_missing: bool,
    /// Replace edited outputs without saving them first.
    #[arg(short, long)]
    pub force: bool,
}

pub(super) fn push(global: &Global, args: &PushArgs, output: &Output) -> anyhow::Result<Exit> {
    let opened = Opened::load(global, &[])?;
    let remote = DirectoryRemote::create(&directory(&opened, args.common.remote.as_deref())?)?;
    let workspace = opened.workspace();
    let wanted = wanted(&opened, &args.common.targets)?;
    let (mut wants, mut actions) = named(&workspace, &wanted, output)?;
    if args.common.run_cache {
        for object in workspace.store.action_keys()? {
            let outs = workspace.store.action(object).into_iter().flat_map(|record| record.outs);
            wants.extend(outs.map(|(path, record)| Want { label: path.as_str().to_owned(), record }));
            actions.insert(object);
        }
    }
    let _tmp = workspace.store.use_tmp()?;
    let transfer = remote::push(&workspace.store, &remote, &wants, &actions, jobs(args.common.jobs))?;
    let help = "\nhelp: `clinpipe commit` stores again what the workspace still has; `clinpipe repro` makes the rest";
    conclude(&transfer, "sent", "the store here does not hold", help, &remote, output)
}

pub(super) fn fetch(global: &Global, args: &FetchArgs, output: &Output) -> anyhow::Result<Exit> {
    let opened = Opened::load(global, &[])?;
    let wanted = wanted(&opened, &args.common.targets)?;
    get(&opened, &opened.workspace(), &args.common, &wanted, output)
}

pub(super) fn pull(global: &Global, args: &PullArgs, output: &Output) -> anyhow::Result<Exit> {
    let opened = Opened::load(global, &[])?;
    let workspace = opened.workspace();
    let wanted = wanted(&opened, &args.common.targets)?;
    let fetched = get(&opened, &workspace, &args.common, &wanted, output)?;
    if fetched != Exit::Done && !args.allow_missing {
        output.error("nothing was checked out\nhelp: --allow-missing checks out what there is");
        return Ok(fetched);
    }
    let options = CheckoutOptions { allow_missing: args.allow_missing, relink: false, force: args.force };
    bring(&workspace, &wanted, options, output)
}

fn get(
    opened: &Opened,
    workspace: &Workspace<'_>,
    args: &Common,
    wanted: &[Wanted],
    output: &Output,
) -> anyhow::Result<Exit> {
    let remote = DirectoryRemote::open(&directory(opened, args.remote.as_deref())?)?;
    let (mut wants, mut actions) = named(workspace, wanted, output)?;
    let _tmp = workspace.store.use_tmp()?;
    if args.run_cache {
        let known = remote.list(ObjectKind::Actions)?;
        actions.extend(known.into_iter().filter_map(|name| match name {
            ObjectName::Action(key) => Some(key),
            ObjectName::Blob(_) => None,
        }));
        wants.extend(remote::action_outputs(&workspace.store, &remote, &actions)?);
    }
    let transfer = remote::fetch(&workspace.store, &remote, &wants, &actions, jobs(args.jobs))?;
    conclude(&transfer, "fetched", "the remote does not hold", "", &remote, output)
}

/// What the lock names of the wanted stages: outputs that the store keeps, and the keys of their actions.
fn named(
    workspace: &Workspace<'_>,
    wanted: &[Wanted],
    output: &Output,
) -> anyhow::Result<(Vec<Want>, BTreeSet<ActionKey>)> {
    let lock = workspace.current_lock()?;
    let (mut wants, mut actions) = (Vec::new(), BTreeSet::new());
    for Wanted { stage, path } in wanted {
        let Some(record) = lock.stages.get(stage) else {
            output.talk(&format!("note: stage {stage} is not in the lock yet; `clinpipe repro {stage}` runs it"));
            continue;
        };
        for out in workspace.stage(stage).outs.iter().filter(|out| out.is_stored() && out.push) {
            let is_meant = path.as_ref().is_none_or(|path| path.is_within(&out.path));
            if let Some(record) = record.outs.get(&out.path).filter(|_| is_meant) {
                wants.push(Want { label: out.path.to_string(), record: record.clone() });
            }
        }
        actions.insert(record.key);
    }
    Ok((wants, actions))
}

fn conclude(
    transfer: &Transfer,
    verb: &str,
    lacking: &str,
    help: &str,
    remote: &DirectoryRemote,
    output: &Output,
) -> anyhow::Result<Exit> {
    for alarm in &transfer.alarms {
        output.error(&format!(
            "warning: not deterministic: the same work wrote {} as {} first and as {} elsewhere; the first stays",
            alarm.path, alarm.first, alarm.other
        ));
    }
    transfer.failed.iter().for_each(|text| output.error(&format!("warning: {text}")));
    transfer.missing.iter().for_each(|label| output.error(&format!("warning: {lacking} {label}")));
    if !output.is_quiet() {
        let (moved, present) = (transfer.moved, transfer.present);
        let bytes = human::bytes(moved.bytes);
        output.data(&format!("{} {verb} ({bytes}), {present} there already; remote {remote}\n", moved.files))?;
    }
    if transfer.is_complete() {
        return Ok(Exit::Done);
    }
    let count = transfer.failed.len() + transfer.missing.len();
    output.error(&format!("error: {count} of what the lock names could not be {verb}{help}"));
    Ok(Exit::Environment)
}

/// The directory of the remote that is meant: by name or directory, else the configured one.
fn directory(opened: &Opened, given: Option<&str>) -> anyhow::Result<PathBuf> {
    let pipeline = &opened.project.pipeline;
    let settings = &pipeline.store;
    let dvc = DvcConfig::read(&pipeline.root)?;
    let file = pipeline.file.under(&pipeline.root);
    let base = file.parent().unwrap_or(&pipeline.root);
    let Some(name) = given.map(str::to_owned).or_else(|| settings.remote.clone()).or(dvc.default_remote) else {
        let help = "name one with `--remote DIR`, or write `store: {remote: main, remotes: {main: DIR}}` into the pipeline file";
        return Err(UsageError::new("no remote is configured", help).into());
    };
    if let Some(directory) = settings.remotes.get(&name) {
        return Ok(base.join(directory));
    }
    if let Some(remote) = dvc.remotes.get(&name) {
        return remote.directory.clone().ok_or_else(|| {
            let message = format!("the remote `{name}` is `{}`, but only directories can be used", public(&remote.url));
            UsageError::new(message, "mount it and give the directory with `--remote DIR`").into()
        });
    }
    if name.contains(['/', '.']) || Path::new(&name).is_dir() {
        return Ok(PathBuf::from(name));
    }
    let names = settings.remotes.keys().chain(dvc.remotes.keys());
    let help = nearest(&name, names.map(String::as_str)).map_or_else(
        || format!("write `./{name}` for a directory, or add it to `remotes` in `store` of the pipeline file"),
        |near| format!("did you mean `{near}`?"),
    );
    Err(UsageError::new(format!("no remote is called `{name}`"), help).into())
}

/// An address without the user and password that it may hold.
fn public(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let host = rest.find('/').unwrap_or(rest.len());
    match rest[..host].rsplit_once('@') {
        Some((_, place)) => format!("{scheme}://{place}{}", &rest[host..]),
        None => url.to_owned(),
    }
}
