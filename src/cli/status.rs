//! `clinpipe status`: which stages are stale, and why, direct and upstream.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Serialize;

use super::args::{Global, StatusArgs};
use super::exit::Exit;
use super::output::Output;
use super::project::Opened;
use crate::graph::Selection;
use crate::key::StaleReason;
use crate::plan::{Forecast, Plan, PlanOptions, PlannedStage};

/// `{"stages": {NAME: {"state", "reasons"}}}`.
#[derive(Serialize)]
struct Document<'a> {
    stages: BTreeMap<&'a str, StageState<'a>>,
}

#[derive(Serialize)]
struct StageState<'a> {
    state: &'static str,
    reasons: &'a [StaleReason],
}

pub(super) fn run(global: &Global, args: &StatusArgs, output: &Output) -> anyhow::Result<Exit> {
    let opened = Opened::load(global, &[])?;
    let reach = if args.all_pipelines { Selection::All } else { Selection::Upstream };
    let selected = opened.select(&args.targets, reach)?;
    let workspace = opened.workspace();
    let plan = Plan::new(&workspace, &workspace.current_lock()?, &selected, PlanOptions::default())?;
    // Like `git diff --quiet`: the exit code is the answer.
    let check = args.check || output.is_quiet();
    if args.json {
        let stages = plan.stages.iter().map(|stage| (stage.name.0.as_str(), state(stage))).collect();
        output.json(&Document { stages })?;
    } else if !output.is_quiet() {
        output.data(&text(&plan, output.is_verbose()))?;
    }
    Ok(if check && plan.is_pending() { Exit::No } else { Exit::Done })
}

fn state(stage: &PlannedStage) -> StageState<'_> {
    let state = match (is_settled(stage), stage.is_stale()) {
        // What is amiss with a frozen stage is told, but no run will change it.
        (true, _) => "fresh",
        (false, true) => "stale",
        (false, false) => "upstream",
    };
    StageState { state, reasons: &stage.reasons }
}

/// Whether a run would leave a stage as it is.
fn is_settled(stage: &PlannedStage) -> bool {
    stage.reasons.is_empty() || stage.forecast == Forecast::Frozen
}

fn text(plan: &Plan, verbose: bool) -> String {
    let mut text = String::new();
    for stage in &plan.stages {
        if stage.reasons.is_empty() && !verbose {
            continue;
        }
        // Writing to a string cannot fail.
        let word = if stage.forecast == Forecast::Frozen { "frozen" } else { state(stage).state };
        let _ = writeln!(text, "{word:<9} {}", stage.name);
        for reason in &stage.reasons {
            let _ = writeln!(text, "            {reason}");
        }
    }
    let stale = plan.stages.iter().filter(|stage| !is_settled(stage)).count();
    let total = plan.stages.len();
    let _ = if stale == 0 {
        let stages = if total == 1 { "The stage is".to_owned() } else { format!("All {total} stages are") };
        writeln!(text, "{stages} up to date.")
    } else {
        let (verb, object) = if stale == 1 { ("is", "it") } else { ("are", "them") };
        writeln!(text, "{stale} of {total} stages {verb} not up to date; `clinpipe repro` brings {object} up to date.")
    };
    text
}
