//! A pipeline as a `dvc.yaml`, for teams that stay with DVC: DVC decides when a stage runs and keeps its outputs, clinpipe
//! does the work of one stage.
//!
//! Invariants: a stage that DVC can run by itself stays a command, behind one that makes the directories of its outputs where
//! nothing else does, since DVC makes none; every other one calls `clinpipe repro` on itself alone,
//! so the pipeline file stays the only place that says what a built-in stage does. What DVC has no word for is told, never
//! dropped in silence. Nothing is read or written here.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::config::{OutClass, Output, Pipeline, StageDef, StageName, Work};
use crate::util::{RelPath, shell};

/// The text of a `dvc.yaml`, and what its user has to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DvcProject {
    /// The file.
    pub text: String,
    /// Parameter files that its stages read.
    pub params: BTreeSet<RelPath>,
    /// Inputs that no stage writes.
    pub raw: BTreeSet<RelPath>,
    /// What differs from the pipeline.
    pub remarks: Vec<String>,
}

/// The stages of the main pipeline file as DVC knows them. `version` is that of a built-in stage; `exists` tells whether an
/// optional input is there.
pub fn dvc_project(
    pipeline: &Pipeline,
    version: impl Fn(&str) -> Option<u32>,
    exists: impl Fn(&RelPath) -> bool,
) -> DvcProject {
    let stages: Vec<&StageDef> = pipeline.order.iter().filter_map(|name| pipeline.stages.get(name)).collect();
    let stages: Vec<&StageDef> =
        stages.into_iter().filter(|stage| stage.file == pipeline.file && !stage.service).collect();
    let names = names(&stages);
    let written: Vec<&RelPath> = stages.iter().flat_map(|stage| &stage.outs).map(|out| &out.path).collect();
    let mut project = DvcProject {
        text: format!(
            "# Written by `clinpipe export dvc`: DVC decides when a stage runs, clinpipe runs it as {} says.\nstages:\n",
            pipeline.file
        ),
        params: BTreeSet::new(),
        raw: BTreeSet::new(),
        remarks: Vec::new(),
    };
    for stage in stages {
        let deps = project.inputs(stage, &exists);
        let is_raw = |path: &&&RelPath| !written.iter().any(|out| path.is_within(out) || out.is_within(path));
        project.raw.extend(deps.iter().filter(is_raw).map(|path| (*path).clone()));
        project.params.extend(stage.params.iter().map(|source| source.file.clone()));
        let name = &names[&stage.name];
        if *name != stage.name.0 {
            let remark = format!("stage {} is called {name}: DVC takes no other signs in a name", stage.name);
            project.remarks.push(remark);
        }
        let command = command(stage, &pipeline.file, &version);
        add(&mut project.text, name, &entry(stage, command, &deps));
    }
    if !pipeline.others.is_empty() {
        project.remarks.push(format!(
            "stages of other pipeline files are left out; export each with --file: {}",
            listed(&pipeline.others)
        ));
    }
    project
}

impl DvcProject {
    /// The inputs of a stage that DVC can know: it has no word for one that may be absent.
    fn inputs<'s>(&mut self, stage: &'s StageDef, exists: impl Fn(&RelPath) -> bool) -> Vec<&'s RelPath> {
        let mut found = Vec::new();
        for dep in &stage.deps {
            if dep.optional && !exists(&dep.path) {
                let (path, name) = (&dep.path, &stage.name);
                self.remarks.push(format!("{path} is not there: stage {name} will not notice when it comes"));
            } else {
                found.push(&dep.path);
            }
        }
        found
    }
}

/// What stands below a stage's name.
fn entry(stage: &StageDef, command: Value, deps: &[&RelPath]) -> Vec<(&'static str, Value)> {
    let local = |path: &RelPath| json!(path.relative_to(&stage.wdir).as_str());
    let flag = |flag: bool| if flag { json!(true) } else { Value::Null };
    let outs = |class| -> Value {
        let outs = stage.outs.iter().filter(|out| out.class == class);
        outs.map(|out| output(out, &stage.wdir)).collect()
    };
    vec![
        ("desc", stage.desc.as_ref().map_or(Value::Null, |about| json!(about))),
        ("cmd", command),
        ("wdir", if stage.wdir.is_root() { Value::Null } else { json!(stage.wdir.as_str()) }),
        ("deps", deps.iter().map(|path| local(path)).collect()),
        ("params", params(stage)),
        ("outs", outs(OutClass::Out)),
        ("metrics", outs(OutClass::Metric)),
        ("plots", outs(OutClass::Plot)),
        ("frozen", flag(stage.frozen)),
        ("always_changed", flag(stage.always_changed)),
    ]
}

fn listed(paths: &[RelPath]) -> String {
    paths.iter().map(RelPath::as_str).collect::<Vec<_>>().join(", ")
}

/// Names that DVC takes, each once: letters, digits, `_` and `-`.
fn names(stages: &[&StageDef]) -> BTreeMap<StageName, String> {
    let mut taken: BTreeSet<String> = stages.iter().map(|stage| stage.name.0.clone()).collect();
    let mut names = BTreeMap::new();
    for stage in stages {
        let plain = |letter: char| !letter.is_ascii_punctuation() || "_-".contains(letter);
        let plain: String = stage.name.0.chars().map(|letter| if plain(letter) { letter } else { '-' }).collect();
        let mut name = plain.clone();
        let mut number = 2;
        while name != stage.name.0 && !taken.insert(name.clone()) {
            name = format!("{plain}-{number}");
            number += 1;
        }
        names.insert(stage.name.clone(), name);
    }
    names
}

/// A command stays one where DVC can do the same; a built-in stage, and a command with limits or an environment of its
/// own, is run by clinpipe. The version of a built-in stage stands behind it, so that another one is a change to DVC too.
fn command(stage: &StageDef, file: &RelPath, version: &impl Fn(&str) -> Option<u32>) -> Value {
    let escaped = |text: &str| text.replace("${", "\\${");
    let restrained =
        stage.env.is_some() || stage.timeout.is_some() || stage.retries > 0 || stage.resources.memory.is_some();
    let call = |mark: &str| {
        // From where the command stands to the root.
        let root = RelPath::default().relative_to(&stage.wdir);
        let place = if stage.wdir.is_root() { String::new() } else { format!(" -C {}", shell::quote(root.as_str())) };
        let (file, name) = (shell::quote(file.as_str()), shell::quote(&stage.name.0));
        json!(escaped(&format!("clinpipe{place} -q --file {file} repro --single-item --no-commit {name}{mark}")))
    };
    match &stage.work {
        Work::Builtin(uses) => call(&format!("  # {uses}@{}", version(uses).unwrap_or_default())),
        Work::Command(_) if restrained => call(""),
        Work::Command(commands) => match (directories(stage), commands.as_slice()) {
            (None, [one]) => json!(escaped(one)),
            (first, commands) => first.iter().chain(commands).map(|command| json!(escaped(command))).collect(),
        },
    }
}

/// The command that makes the directories of a stage's outputs, unless a dependency below each shows that it is there.
fn directories(stage: &StageDef) -> Option<String> {
    let is_there = |directory: &RelPath| {
        stage.wdir.is_within(directory)
            || stage.deps.iter().any(|dep| !dep.optional && dep.path.is_within(directory) && dep.path != *directory)
    };
    let parents: BTreeSet<RelPath> = stage.outs.iter().map(|out| out.path.parent()).collect();
    let missing: Vec<String> = parents
        .iter()
        .filter(|parent| !is_there(parent))
        .map(|parent| shell::quote(parent.relative_to(&stage.wdir).as_str()))
        .collect();
    (!missing.is_empty()).then(|| format!("mkdir -p {}", missing.join(" ")))
}

/// Keys of params.yaml by name, others below their file.
fn params(stage: &StageDef) -> Value {
    let mut found = Vec::new();
    for source in &stage.params {
        let file = source.file.relative_to(&stage.wdir);
        match &source.keys {
            Some(keys) if file.as_str() == "params.yaml" => found.extend(keys.iter().map(|key| json!(key))),
            keys => found.push(json!({ file.as_str(): keys })),
        }
    }
    Value::Array(found)
}

fn output(out: &Output, wdir: &RelPath) -> Value {
    let path = out.path.relative_to(wdir);
    let mut flags = serde_json::Map::new();
    for (flag, usual, value) in [("cache", true, out.cache), ("persist", false, out.persist), ("push", true, out.push)]
    {
        if value != usual {
            flags.insert(flag.to_owned(), json!(value));
        }
    }
    if flags.is_empty() { json!(path.as_str()) } else { json!({ path.as_str(): flags }) }
}

/// Adds a stage; what is empty is left out. JSON is YAML, so each item stands on a line as JSON.
fn add(text: &mut String, name: &str, entry: &[(&str, Value)]) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "  {}:", json!(name));
    for (key, value) in entry {
        match value {
            Value::Null => {}
            Value::Array(items) => {
                if !items.is_empty() {
                    let _ = writeln!(text, "    {key}:");
                }
                for item in items {
                    let _ = writeln!(text, "    - {item}");
                }
            }
            value => {
                let _ = writeln!(text, "    {key}: {value}");
            }
        }
    }
}
