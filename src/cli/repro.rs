//! `clinpipe repro`: bring stages up to date, or say what that would do.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::Context;
use clinpipe_stages::common::pseudonym;
use serde::Serialize;

use super::args::{Global, ReproArgs};
use super::error::UsageError;
use super::evaluations::Earlier;
use super::exit::Exit;
use super::output::Output;
use super::project::{Opened, jobs, memory};
use super::recording::{self, Known};
use super::watch;
use crate::config::{StageName, Work};
use crate::exec::{Cancel, LocalExecutor, ParentEnv, check_strict};
use crate::graph::{Matching, Selection};
use crate::key::StaleReason;
use crate::plan::{Forecast, Plan, PlanOptions};
use crate::sched::events::Outcome;
use crate::sched::{OnFailure, RunOptions, RunReport, Runner};

/// `{"stages": {NAME: {"outcome", "seconds", "detail"?}}}`.
#[derive(Serialize)]
struct Document<'a> {
    stages: BTreeMap<&'a str, StageOutcome<'a>>,
}

#[derive(Serialize)]
struct StageOutcome<'a> {
    outcome: Outcome,
    seconds: f64,
    /// The message of a failure.
    #[serde(skip_serializing_if = "str::is_empty")]
    detail: &'a str,
}

pub(super) fn run(global: &Global, args: &ReproArgs, output: &Output) -> anyhow::Result<Exit> {
    let mut opened = Opened::load(global, &args.set)?;
    opened.strict = args.strict;
    let matching = if args.glob { Matching::Glob } else { Matching::Exact };
    let selected = opened.select_matching(&args.targets, selection(args), matching)?;
    refuse_unseen_overrides(&opened, &selected)?;
    if args.dry_run {
        return dry_run(&opened, &selected, args, output);
    }
    if args.strict {
        check_strict()?;
    }
    let earlier = Earlier::read(&opened);
    let report = execute(&opened, &selected, args, output)?;
    let recorded = recording::record_run(&opened, &report, args, !args.json && !output.is_quiet(), &earlier);
    if let Ok(Known { warning: Some(warning), .. }) = &recorded {
        output.talk(&format!("warning: {warning}"));
    }
    if args.json {
        let stages = report.stages.iter().map(|(name, stage)| {
            let outcome = StageOutcome { outcome: stage.outcome, seconds: stage.seconds, detail: &stage.detail };
            (name.0.as_str(), outcome)
        });
        output.json(&Document { stages: stages.collect() })?;
    } else if !output.is_quiet() {
        output.data(&watch::summary(&opened, &report, recorded.as_ref().unwrap_or(&Known::default())))?;
    }
    let differing = if args.locked { differing_outputs(&report) } else { Vec::new() };
    if !differing.is_empty() {
        let list = differing.join(", ");
        output.error(&format!("error: outputs differ from the committed lock: {list}\nhelp: run without --locked and commit the lock, if the change is meant"));
    }
    let exit = if differing.is_empty() { Exit::Done } else { Exit::No };
    let exit = conclude(report, exit)?;
    Ok(recording::concluded(recorded.err(), exit, "what this run did is done and in the lock", output))
}

/// A command reads its parameter files itself, so `--set` cannot reach it there: its result would be recorded for a value
/// it never saw.
fn refuse_unseen_overrides(opened: &Opened, selected: &[StageName]) -> anyhow::Result<()> {
    let (pipeline, params) = (&opened.project.pipeline, &opened.project.params);
    for stage in selected.iter().map(|name| &pipeline.stages[name]).filter(|stage| !stage.frozen) {
        if let (Work::Command(_), Some(param)) = (&stage.work, params.override_of(stage)) {
            let message = format!("--set cannot change {param} for stage {}, whose command reads the file", stage.name);
            let help = "edit the file; or hand the value over with `${…}` in `cmd` and take it out of `params`";
            return Err(UsageError::new(message, help).into());
        }
    }
    Ok(())
}

fn selection(args: &ReproArgs) -> Selection {
    match (args.single_item, args.pipeline, args.all_pipelines, args.downstream) {
        (true, ..) => Selection::Single,
        (_, true, ..) => Selection::Component,
        (_, _, true, _) => Selection::All,
        (.., true) => Selection::Downstream,
        _ => Selection::Upstream,
    }
}

fn plan_options(args: &ReproArgs) -> PlanOptions {
    PlanOptions {
        force: args.force,
        force_downstream: args.force_downstream,
        allow_missing: args.allow_missing,
        no_run_cache: args.no_run_cache,
    }
}

fn on_failure(args: &ReproArgs) -> OnFailure {
    match (args.keep_going, args.ignore_errors) {
        (true, _) => OnFailure::KeepGoing,
        (_, true) => OnFailure::Ignore,
        _ => OnFailure::Stop,
    }
}

/// The exit code of a run that otherwise ends with `exit`.
pub(super) fn conclude(report: RunReport, exit: Exit) -> anyhow::Result<Exit> {
    let (interrupted, failed) = (report.any(Outcome::Interrupted), report.any(Outcome::Failed));
    match report.error {
        Some(error) => Err(error.into()),
        None if interrupted => Ok(Exit::Interrupted),
        None if failed => Ok(Exit::StageFailed),
        None => Ok(exit),
    }
}

/// Runs the selected stages under the console that fits.
fn execute(opened: &Opened, selected: &[StageName], args: &ReproArgs, output: &Output) -> anyhow::Result<RunReport> {
    let options = RunOptions {
        jobs: jobs(args.jobs),
        memory: memory(),
        plan: plan_options(args),
        in_order: args.single_item,
        on_failure: on_failure(args),
        commit: !args.no_commit,
        locked: args.locked,
    };
    let (mut sink, files) = watch::sinks(opened, args, output)?;
    let report = run_stages(opened, selected, &options, &mut sink);
    files.finish(output);
    report
}

/// Runs stages with the local executor, stopping at SIGINT and SIGTERM.
pub(super) fn run_stages(
    opened: &Opened,
    selected: &[StageName],
    options: &RunOptions,
    sink: &mut dyn crate::sched::events::EventSink,
) -> anyhow::Result<RunReport> {
    let workspace = opened.workspace();
    let cancel = Cancel::new();
    cancel.watch_signals().context("cannot watch for signals")?;
    let executor =
        LocalExecutor::new(std::env::current_exe().context("cannot find the clinpipe binary")?, parent_env());
    let runner = Runner { workspace: &workspace, executor: &executor, options, cancel: &cancel };
    Ok(runner.run(selected, sink)?)
}

fn parent_env() -> ParentEnv {
    let [path, home, shell, log_key] = ["PATH", "HOME", "SHELL", pseudonym::VARIABLE].map(std::env::var_os);
    ParentEnv { path, home, shell, log_key }
}

/// Outputs of this run that are not those of the committed lock.
fn differing_outputs(report: &RunReport) -> Vec<String> {
    let mut differing = Vec::new();
    for name in report.stages.keys() {
        let before = report.committed.stages.get(name).map(|record| &record.outs);
        let Some(after) = report.lock.stages.get(name) else { continue };
        let changed = |path| before.and_then(|outs| outs.get(path)).map(|record| record.digest);
        differing.extend(
            after.outs.iter().filter(|(path, record)| changed(path) != Some(record.digest)).map(|(p, _)| p.to_string()),
        );
    }
    differing
}

#[derive(Serialize)]
struct ForecastDocument<'a> {
    stages: BTreeMap<&'a str, StageForecast<'a>>,
}

#[derive(Serialize)]
struct StageForecast<'a> {
    forecast: Forecast,
    reasons: &'a [StaleReason],
}

fn dry_run(opened: &Opened, selected: &[StageName], args: &ReproArgs, output: &Output) -> anyhow::Result<Exit> {
    let workspace = opened.workspace();
    let plan = Plan::new(&workspace, &workspace.current_lock()?, selected, plan_options(args))?;
    if args.json {
        let stages = plan
            .stages
            .iter()
            .map(|stage| (stage.name.0.as_str(), StageForecast { forecast: stage.forecast, reasons: &stage.reasons }));
        output.json(&ForecastDocument { stages: stages.collect() })?;
    } else {
        output.data(&forecast_text(&plan))?;
    }
    Ok(if args.check && plan.is_pending() { Exit::No } else { Exit::Done })
}

fn forecast_text(plan: &Plan) -> String {
    let width = plan.stages.iter().map(|stage| stage.name.0.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for stage in &plan.stages {
        let forecast = match stage.forecast {
            Forecast::Fresh => "fresh",
            Forecast::Frozen => "frozen",
            Forecast::Restore => "restored from cache",
            Forecast::Run => "will run",
            Forecast::MayRun => "may run",
        };
        let reasons: Vec<String> = stage.reasons.iter().map(ToString::to_string).collect();
        // Writing to a string cannot fail.
        let line = format!("{:<width$}  {forecast:<19}  {}", stage.name.0, reasons.join("; "));
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}
