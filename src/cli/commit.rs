//! `clinpipe commit`: record outputs and inputs as they are, without running.

use std::fmt::Write as _;

use clap::Args;

use super::args::Global;
use super::exit::Exit;
use super::output::Output;
use super::project::Opened;
use super::recording;
use crate::graph::Selection;
use crate::sched::{AcceptReport, Objection, accept};

/// `commit`.
#[derive(Debug, Args)]
pub struct CommitArgs {
    /// Stages, or the outputs they write; everything when none is given.
    pub targets: Vec<String>,
    /// Accept also what was not made from the command, inputs and parameters that the lock knows.
    #[arg(short, long)]
    pub force: bool,
}

pub(super) fn run(global: &Global, args: &CommitArgs, output: &Output) -> anyhow::Result<Exit> {
    let opened = Opened::load(global, &[])?;
    let workspace = opened.workspace();
    let stages =
        opened.select(&args.targets, if args.targets.is_empty() { Selection::All } else { Selection::Single })?;
    let note = |text: &str| output.talk(&format!("note: {text}"));
    let report = accept(&workspace, &stages, args.force, &note)?;
    if !report.objections.is_empty() {
        output.error(&objections_text(&report.objections));
        return Ok(Exit::No);
    }
    if !output.is_quiet() {
        output.data(&text(&report))?;
    }
    let recorded = recording::record_commit(&opened, &report, &workspace.current_lock()?, args.force);
    Ok(recording::concluded(recorded.err(), Exit::Done, "the lock has what was committed", output))
}

fn objections_text(objections: &[Objection]) -> String {
    let mut text = String::from("error: not recorded, because outputs may not be what the stages would write");
    for Objection { stage, reason, .. } in objections {
        // Writing to a string cannot fail.
        let _ = write!(text, "\n  {stage}: {reason}");
    }
    let help = if objections.iter().all(|objection| objection.can_be_forced) {
        "`clinpipe repro` runs them; --force accepts them as they are, on your word"
    } else {
        "create what is missing, or run `clinpipe repro`; --force cannot replace a file"
    };
    let _ = write!(text, "\nhelp: {help}");
    text
}

fn text(report: &AcceptReport) -> String {
    let mut text = String::new();
    for (stage, reasons) in &report.accepted {
        let why = if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join("; ")) };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "committed {stage}: accepted as it is, not run{why}");
    }
    let (accepted, unchanged) = (report.accepted.len(), report.unchanged.len());
    let _ = writeln!(text, "{accepted} committed, {unchanged} recorded already.");
    text
}
