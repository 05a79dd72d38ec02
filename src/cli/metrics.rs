//! `clinpipe metrics`: show, compare two states, gate.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use super::args::{Global, MetricsCommand, MetricsDiffArgs, MetricsShowArgs};
use super::compare::{Side, side};
use super::error::UsageError;
use super::exit::Exit;
use super::output::Output;
use super::project::Opened;
use super::recording;
use crate::config::OutClass;
use crate::metrics::{Changes, Compare, GateReport, MetricsSet, Table, data_notes, diff, gate, leaves, load_rules};
use crate::util::RelPath;

pub(super) fn run(global: &Global, command: &MetricsCommand, output: &Output) -> anyhow::Result<Exit> {
    let opened = Opened::load(global, &[])?;
    match command {
        MetricsCommand::Show(args) => show(&opened, args, output),
        MetricsCommand::Diff(args) => compare(&opened, args, output),
    }
}

/// `{FILE: {…}}`.
fn show(opened: &Opened, args: &MetricsShowArgs, output: &Output) -> anyhow::Result<Exit> {
    let set = side(opened, None)?.documents(&files(opened))?;
    report_unreadable(&set, output);
    let readable: BTreeMap<&String, &Value> =
        set.iter().filter_map(|(file, value)| Some((file, value.as_ref().ok()?))).collect();
    if args.json {
        output.json(&readable)?;
        return Ok(Exit::Done);
    }
    if set.is_empty() {
        output.talk("note: no stage declares metrics, and neither does the pipeline file");
    }
    let mut table = Table::new(&["Path", "Metric", "Value"]);
    for (file, document) in readable {
        for (metric, value) in leaves(document) {
            table.push([file.clone(), metric, Table::cell(&value)]);
        }
    }
    if !table.is_empty() {
        output.data(&if args.md { table.to_markdown() } else { table.to_text_within(Output::width()) })?;
    }
    Ok(Exit::Done)
}

/// The JSON document of `metrics diff --gate`; without rules it is the changes alone.
#[derive(Serialize)]
struct Document<'a> {
    diff: &'a Changes,
    gate: &'a GateReport,
}

fn compare(opened: &Opened, args: &MetricsDiffArgs, output: &Output) -> anyhow::Result<Exit> {
    let rules = args.gate.as_deref().map(read_rules).transpose()?;
    let (sides, mut notes) = args.compare.sides(opened)?;
    let listed = args.compare.target_files()?;
    let files =
        if listed.is_empty() { sides.iter().filter_map(Side::project).flat_map(files).collect() } else { listed };
    let (old, new) = (sides[0].documents(&files)?, sides[1].documents(&files)?);
    let changes = diff(&old, &new, Compare::metrics(args.compare.all));
    notes.extend(changes.notes.iter().cloned().chain(data_notes(&old, &new)));
    for note in notes {
        output.talk(&format!("note: {note}"));
    }
    let verdict = rules.as_ref().map(|rules| gate(rules, &new, Some(&old)));
    match (&verdict, args.compare.json) {
        (Some(gate), true) => output.json(&Document { diff: &changes, gate })?,
        (None, true) => output.json(&changes)?,
        (_, false) => {
            output.data(&args.compare.text(&changes, "Metric", rules.as_deref().unwrap_or_default()))?;
            if let Some(verdict) = &verdict {
                output.data(&format!("\n{}", args.compare.layout(&verdict.table())))?;
            }
        }
    }
    let (Some(verdict), Some(rules_file)) = (verdict, &args.gate) else { return Ok(Exit::Done) };
    for rule in verdict.rules.iter().filter(|rule| !rule.passed) {
        output.error(&format!("error: gate failed: {}", rule.reason));
    }
    let exit = if verdict.passed { Exit::Done } else { Exit::No };
    let states = [args.compare.rev.as_str(), args.compare.later()];
    let recorded = recording::record_gate(opened, rules_file, states, &verdict);
    Ok(recording::concluded(recorded.err(), exit, "the verdict above holds", output))
}

fn read_rules(path: &Path) -> anyhow::Result<Vec<clinpipe_stages::common::gate_rules::GateRule>> {
    let name = path.display().to_string();
    let text = fs::read_to_string(path).map_err(|error| {
        UsageError::new(format!("cannot read {name}: {error}"), "write the rules of the gate there")
    })?;
    load_rules(&name, &text).map_err(|error| {
        UsageError::new(error.to_string(), "a rule is {metric: a.b, min | max | must_beat | max_drop | max_rise: …}")
            .into()
    })
}

/// The metric files of a pipeline.
fn files(opened: &Opened) -> BTreeSet<RelPath> {
    let pipeline = &opened.project.pipeline;
    let outs = pipeline.stages.values().flat_map(|stage| &stage.outs);
    let metrics = outs.filter(|out| out.class == OutClass::Metric).map(|out| out.path.clone());
    metrics.chain(pipeline.metrics.iter().cloned()).collect()
}

fn report_unreadable(set: &MetricsSet, output: &Output) {
    for error in set.values().filter_map(|value| value.as_ref().err()) {
        output.talk(&format!("note: {error}"));
    }
}
