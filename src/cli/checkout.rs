//! `clinpipe checkout`: make outputs in the workspace equal to the lock, from the store.

use clap::Args;

use super::args::Global;
use super::exit::Exit;
use super::output::Output;
use super::project::Opened;
use crate::config::StageName;
use crate::plan::Workspace;
use crate::sched::{CheckoutOptions, CheckoutReport, Wanted, checkout};
use crate::util::RelPath;

/// `checkout`.
#[derive(Debug, Args)]
pub struct CheckoutArgs {
    /// Stages, the outputs they write, or paths within those; everything when none is given.
    pub targets: Vec<String>,
    /// Leave out what the store does not hold.
    #[arg(long)]
    pub allow_missing: bool,
    /// Replace also what is right, so that every file becomes a link or a copy as configured.
    #[arg(long)]
    pub relink: bool,
    /// Replace edited outputs without saving them first.
    #[arg(short, long)]
    pub force: bool,
}

pub(super) fn run(global: &Global, args: &CheckoutArgs, output: &Output) -> anyhow::Result<Exit> {
    let opened = Opened::load(global, &[])?;
    let workspace = opened.workspace();
    let wanted = wanted(&opened, &args.targets)?;
    let options = CheckoutOptions { allow_missing: args.allow_missing, relink: args.relink, force: args.force };
    bring(&workspace, &wanted, options, output)
}

/// Checks out and tells what was done.
pub(super) fn bring(
    workspace: &Workspace<'_>,
    wanted: &[Wanted],
    options: CheckoutOptions,
    output: &Output,
) -> anyhow::Result<Exit> {
    let note = |text: &str| output.talk(&format!("note: {text}"));
    let report = checkout(workspace, wanted, options, &note)?;
    for name in &report.unrecorded {
        output.talk(&format!("note: stage {name} is not in the lock yet; `clinpipe repro {name}` runs it"));
    }
    for path in &report.uncached {
        output.talk(&format!("note: {path} is not kept in the store (`cache: false`); only its stage can write it"));
    }
    if !report.missing.is_empty() && !options.allow_missing {
        output.error(&missing_text(&report.missing));
        return Ok(Exit::Environment);
    }
    if !output.is_quiet() {
        output.data(&text(&report))?;
    }
    Ok(Exit::Done)
}

/// What targets mean: a stage or group with all its outputs, or a single path.
pub(super) fn wanted(opened: &Opened, targets: &[String]) -> anyhow::Result<Vec<Wanted>> {
    let stages = &opened.project.pipeline.stages;
    let is_run = |name: &StageName| !stages[name].service;
    if targets.is_empty() {
        let names = opened.graph.order().iter().filter(|name| is_run(name));
        return Ok(names.map(|name| Wanted { stage: name.clone(), path: None }).collect());
    }
    let mut wanted: Vec<Wanted> = Vec::new();
    for target in targets {
        let names = opened.graph.resolve(target)?;
        let path = output_path(opened, &names, target);
        let new = names.into_iter().filter(is_run).map(|stage| Wanted { stage, path: path.clone() });
        for one in new.collect::<Vec<_>>() {
            if !wanted.contains(&one) {
                wanted.push(one);
            }
        }
    }
    Ok(wanted)
}

/// The path that a target spells, when it names a stage through one of its outputs.
pub(super) fn output_path(opened: &Opened, names: &[StageName], target: &str) -> Option<RelPath> {
    let pipeline = &opened.project.pipeline;
    let [one] = names else { return None };
    let path = RelPath::resolve(&pipeline.file.parent(), target).filter(|_| !is_stage(one, target))?;
    pipeline.stages[one].outs.iter().any(|out| path.is_within(&out.path)).then_some(path)
}

/// Whether the target spells the stage itself or its group, and not one of its paths.
fn is_stage(name: &StageName, target: &str) -> bool {
    let plain = target.strip_prefix(':').unwrap_or(target);
    name.0 == plain || name.0.split_once('@').is_some_and(|(group, _)| group == plain)
}

fn missing_text(missing: &[RelPath]) -> String {
    let list: Vec<String> = missing.iter().map(|path| format!("  {path}")).collect();
    format!(
        "error: the store does not hold what the lock says of\n{}\nnothing was changed\nhelp: `clinpipe pull` fetches it from a remote, `clinpipe repro` computes it again, --allow-missing brings the rest",
        list.join("\n")
    )
}

fn text(report: &CheckoutReport) -> String {
    let mut lines: Vec<String> = report.restored.iter().map(|path| format!("restored {path}\n")).collect();
    lines.extend(report.missing.iter().map(|path| format!("missing  {path}\n")));
    let (restored, unchanged) = (report.restored.len(), report.unchanged.len());
    lines.push(if restored == 0 && report.missing.is_empty() {
        match unchanged {
            1 => "Nothing to do: 1 output is as the lock has it.\n".to_owned(),
            _ => format!("Nothing to do: {unchanged} outputs are as the lock has them.\n"),
        }
    } else {
        format!("{restored} restored, {unchanged} right already, {} missing.\n", report.missing.len())
    });
    lines.concat()
}
