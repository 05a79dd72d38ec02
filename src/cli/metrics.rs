//! `clinpipe metrics`: show, compare with a git revision, gate.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::Context;
use serde::Serialize;
use serde_json::Value;

use super::args::{Global, MetricsCommand, MetricsDiffArgs, MetricsShowArgs};
use super::error::UsageError;
use super::exit::Exit;
use super::output::Output;
use super::project::Opened;
use super::revision;
use crate::config::OutClass;
use crate::metrics::{GateReport, MetricsDiff, MetricsError, MetricsSet, Table, diff, gate, leaves, load_rules, parse};
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
    let set = current(opened)?;
    report_unreadable(&set, output);
    let readable: BTreeMap<&String, &Value> =
        set.iter().filter_map(|(file, value)| Some((file, value.as_ref().ok()?))).collect();
    if args.json {
        output.json(&readable)?;
        return Ok(Exit::Done);
    }
    let mut table = Table::new(&["file", "metric", "value"]);
    for (file, document) in readable {
        for (metric, value) in leaves(document) {
            table.push([file.clone(), metric, Table::cell(&value)]);
        }
    }
    output.data(&text(&table, args.md))?;
    Ok(Exit::Done)
}

/// The JSON document of `metrics diff`.
#[derive(Serialize)]
struct Document<'a> {
    diff: &'a MetricsDiff,
    gate: Option<&'a GateReport>,
}

fn compare(opened: &Opened, args: &MetricsDiffArgs, output: &Output) -> anyhow::Result<Exit> {
    let rules = args.gate.as_deref().map(read_rules).transpose()?;
    let root = &opened.project.pipeline.root;
    revision::check(root, &args.rev)?;
    let (old, new) = (at_revision(opened, &args.rev)?, current(opened)?);
    let changes = diff(&old, &new, args.all);
    for note in &changes.notes {
        output.talk(&format!("note: {note}"));
    }
    let verdict = rules.map(|rules| gate(&rules, &new, Some(&old)));
    if args.json {
        output.json(&Document { diff: &changes, gate: verdict.as_ref() })?;
    } else {
        let table = changes.table();
        let unchanged = format!("No metric differs from {}.\n", args.rev);
        output.data(&if table.is_empty() { unchanged } else { text(&table, args.md) })?;
        if let Some(verdict) = &verdict {
            output.data(&format!("\n{}", text(&verdict.table(), args.md)))?;
        }
    }
    match verdict {
        Some(verdict) if !verdict.passed => {
            for rule in verdict.rules.iter().filter(|rule| !rule.passed) {
                output.error(&format!("error: gate failed: {}", rule.reason));
            }
            Ok(Exit::No)
        }
        _ => Ok(Exit::Done),
    }
}

fn text(table: &Table, markdown: bool) -> String {
    if markdown { table.to_markdown() } else { table.to_text() }
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

/// The metric files of the pipeline.
fn files(opened: &Opened) -> Vec<RelPath> {
    let pipeline = &opened.project.pipeline;
    let outs = pipeline.stages.values().flat_map(|stage| &stage.outs);
    let metrics = outs.filter(|out| out.class == OutClass::Metric).map(|out| out.path.clone());
    let mut files: Vec<RelPath> = metrics.chain(pipeline.metrics.iter().cloned()).collect();
    files.sort();
    files.dedup();
    files
}

/// The metrics in the workspace; files that do not exist yet are left out.
fn current(opened: &Opened) -> anyhow::Result<MetricsSet> {
    let mut set = MetricsSet::new();
    for file in files(opened) {
        match fs::read(file.under(&opened.project.pipeline.root)) {
            Ok(bytes) => drop(set.insert(file.to_string(), read(&file, bytes))),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(|| format!("cannot read {file}")),
        }
    }
    Ok(set)
}

fn at_revision(opened: &Opened, rev: &str) -> anyhow::Result<MetricsSet> {
    let workspace = opened.workspace();
    let mut set = MetricsSet::new();
    for file in files(opened) {
        if let Some(bytes) = revision::file_at(&workspace, rev, &file)? {
            set.insert(file.to_string(), read(&file, bytes));
        }
    }
    Ok(set)
}

fn read(file: &RelPath, bytes: Vec<u8>) -> Result<Value, MetricsError> {
    let text = String::from_utf8(bytes).map_err(|_| MetricsError::new(file.as_str(), "is not text"))?;
    parse(file.as_str(), &text)
}

fn report_unreadable(set: &MetricsSet, output: &Output) {
    for error in set.values().filter_map(|value| value.as_ref().err()) {
        output.talk(&format!("note: {error}"));
    }
}
