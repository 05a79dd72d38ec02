//! `clinpipe why STAGE`: the full manifest, entry by entry, and what has changed in it.

use std::fmt::Write;

use serde::Serialize;

use super::args::{Global, WhyArgs};
use super::exit::Exit;
use super::output::Output;
use super::project::Opened;
use crate::graph::Selection;
use crate::key::{ReasonKind, StaleReason};
use crate::plan::{Plan, PlanOptions, PlannedStage};
use crate::store::StageRecord;

#[derive(Serialize)]
struct Document {
    stage: String,
    key: String,
    reasons: Vec<StaleReason>,
    manifest: Vec<Entry>,
}

#[derive(Serialize)]
struct Entry {
    kind: ReasonKind,
    subject: String,
    value: String,
    changed: bool,
}

pub(super) fn run(global: &Global, args: &WhyArgs, output: &Output) -> anyhow::Result<Exit> {
    let opened = Opened::load(global, &[])?;
    let name = opened.stage(&args.stage)?;
    let selected = opened.select(std::slice::from_ref(&name.0), Selection::Upstream)?;
    let workspace = opened.workspace();
    let lock = workspace.current_lock()?;
    let plan = Plan::new(&workspace, &lock, &selected, PlanOptions::default())?;
    let Some(stage) = plan.stages.iter().find(|stage| stage.name == name) else {
        output.talk(&format!("{name} is a service; `repro` never runs it."));
        return Ok(Exit::Done);
    };
    let document = document(stage, lock.stages.get(&name));
    if args.json {
        output.json(&document)?;
    } else {
        output.data(&text(&document))?;
    }
    Ok(Exit::Done)
}

fn document(stage: &PlannedStage, locked: Option<&StageRecord>) -> Document {
    let manifest = &stage.assessment.manifest;
    let before = locked.map(|record| record.manifest.entries()).unwrap_or_default();
    let entries = manifest.entries().into_iter().map(|(id, value)| {
        let changed = locked.is_some() && before.get(&id) != Some(&value);
        Entry { kind: id.0, subject: id.1, value, changed }
    });
    Document {
        stage: stage.name.0.clone(),
        key: manifest.key().to_string(),
        reasons: stage.reasons.clone(),
        manifest: entries.collect(),
    }
}

fn text(document: &Document) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = if document.reasons.is_empty() {
        writeln!(text, "{} is fresh.", document.stage)
    } else {
        writeln!(text, "{} is stale:", document.stage)
    };
    for reason in &document.reasons {
        let _ = writeln!(text, "  {reason}");
    }
    let _ = writeln!(text, "\nIts work is identified by (* = changed):");
    for entry in document.manifest.iter().filter(|entry| !entry.value.is_empty() || entry.changed) {
        let mark = if entry.changed { '*' } else { ' ' };
        let subject = if entry.subject.is_empty() { String::new() } else { format!(" {}", entry.subject) };
        let value = entry.value.replace('\n', "\\n");
        let _ = writeln!(text, "{mark} {:<8}{subject} = {value}", entry.kind.name());
    }
    let _ = writeln!(text, "key {}", document.key);
    text
}
