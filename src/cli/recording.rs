//! What commands write into the audit chain, and what the final table says of it.
//!
//! Only a command that did something writes: a run without work, a dry run, `status` and `verify` never get here with
//! anything to say. A record that cannot be written undoes nothing; the command says so and ends with the exit code of
//! a failing environment, unless it has a worse one already.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use serde_json::{Map, Value, json};

use super::args::ReproArgs;
use super::evaluations::{self, Earlier};
use super::exit::Exit;
use super::output::Output;
use super::project::Opened;
use crate::audit::{Action, AuditError, Chain, Entry, Evaluation, Head, LOST, Ledger, Origin};
use crate::config::{StageDef, Work};
use crate::key::Digest;
use crate::metrics::GateReport;
use crate::sched::events::Outcome;
use crate::sched::{AcceptReport, LockChange, RunReport};
use crate::store::{Lock, Store};
use crate::util::{RelPath, utc};

/// The variable that says who acts.
const ACTOR: &str = "CLINPIPE_ACTOR";

/// What the final table says of the chain.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// How often the test rows were used.
    pub test_use: Option<String>,
    /// The last record.
    pub head: Option<String>,
    /// What is wrong with the chain before it.
    pub warning: Option<String>,
}

/// The chain of a project.
pub(super) fn chain(opened: &Opened) -> Chain {
    let root = &opened.project.pipeline.root;
    Chain::new(root, &Store::new(root))
}

/// Who acts, and when.
pub(super) fn origin(opened: &Opened) -> Origin {
    let named = |name: &&str| opened.env.get(*name).map(|value| value.trim()).filter(|value| !value.is_empty());
    let actor = [ACTOR, "USER", "LOGNAME"].iter().find_map(named).map(str::to_owned);
    let actor = actor.unwrap_or_else(|| format!("user {}", rustix::process::getuid().as_raw()));
    Origin { actor, utc: utc::rfc3339(SystemTime::now()) }
}

/// Appends to the chain of a project long after it was opened.
pub(super) struct Recorder {
    chain: Chain,
    actor: String,
}

impl Recorder {
    /// For the chain of a project, by whoever runs this process.
    pub(super) fn new(opened: &Opened) -> Self {
        Self { chain: chain(opened), actor: origin(opened).actor }
    }

    /// Appends records as of now.
    pub(super) fn append(&self, entries: Vec<Entry>) -> Result<(), AuditError> {
        let origin = Origin { actor: self.actor.clone(), utc: utc::rfc3339(SystemTime::now()) };
        self.chain.append(&origin, entries).map(drop)
    }
}

/// The exit code of a command whose record could or could not be written. `done` says what holds all the same.
pub(super) fn concluded(failed: Option<AuditError>, exit: Exit, done: &str, output: &Output) -> Exit {
    let hint = "nothing is lost but the record; make the file writable and repeat the command with --force, or note by \
                hand what was done";
    concluded_with(failed, exit, done, hint, output)
}

/// The same with what to do next.
pub(super) fn concluded_with(failed: Option<AuditError>, exit: Exit, done: &str, hint: &str, output: &Output) -> Exit {
    let Some(error) = failed else { return exit };
    // That error says itself what to do.
    let hint = if matches!(error, AuditError::Changed) { String::new() } else { format!("help: {hint}") };
    output.error(format!("error: not in the audit chain: {error}\nnote: {done}\n{hint}").trim_end());
    if exit == Exit::Done { Exit::Environment } else { exit }
}

/// Records a run, unless it did nothing; tells what the chain knows of its test rows. When nobody asks, a run that did
/// nothing reads neither the chain nor what was evaluated.
pub(super) fn record_run(
    opened: &Opened,
    report: &RunReport,
    args: &ReproArgs,
    asked: bool,
    earlier: &Earlier,
) -> Result<Known, AuditError> {
    let run = run_entry(opened, report, args);
    if run.is_none() && !asked {
        return Ok(Known::default());
    }
    let chain = chain(opened);
    let evaluated = evaluations::of_run(opened, report);
    let state = match run {
        None if evaluated.is_empty() => return Ok(Known::default()),
        None => chain.state()?,
        Some(mut run) => {
            // A chain that cannot be read cannot be continued either, which appending says better.
            let before = chain.state().unwrap_or_default();
            let unrecorded = unrecorded(report, &run, &before.ledger);
            let found = evaluations::left(opened, report, earlier, &before);
            for (name, value) in [("unrecorded", Value::from(unrecorded)), (LOST, json!(found.lost))] {
                if value.as_object().is_some_and(|stages| !stages.is_empty()) {
                    run.details.insert(name.to_owned(), value);
                }
            }
            let mut entries = vec![run];
            entries.extend(gate_entries(opened, report));
            entries.extend(waiver_entries(opened, report));
            entries.extend(threshold_entries(opened, report));
            let own =
                |left: &&Evaluation| evaluated.iter().any(|own| (&own.rows, &own.bundle) == (&left.rows, &left.bundle));
            entries.extend(found.evaluations.iter().filter(|left| !own(left)).map(Evaluation::entry));
            entries.extend(evaluated.iter().map(Evaluation::entry));
            chain.append(&origin(opened), entries)?
        }
    };
    Ok(Known {
        test_use: evaluated.first().and_then(|test| state.ledger.test_use(&test.rows)).map(|used| used.sentence()),
        warning: state.fault.map(|fault| {
            let line = fault.line.map(|line| format!(" (line {line})")).unwrap_or_default();
            format!("the audit chain does not hold together{line}: {}; see `clinpipe audit verify`", fault.message)
        }),
        head: state.head.map(|head: Head| format!("record {}, {}", head.seq, head.hash)),
    })
}

/// The record of the run itself; none when it had nothing to do.
fn run_entry(opened: &Opened, report: &RunReport, args: &ReproArgs) -> Option<Entry> {
    let of = |outcome: Outcome| report.stages.iter().filter(move |(_, stage)| stage.outcome == outcome);
    let keys = |outcome: Outcome| -> Map<String, Value> {
        let key = |name| report.lock.stages.get(name).map(|record| Value::from(record.key.to_string()));
        of(outcome).map(|(name, _)| (name.0.clone(), key(name).unwrap_or(Value::Null))).collect()
    };
    let names =
        |outcome: Outcome| -> Vec<Value> { of(outcome).map(|(name, _)| Value::from(name.0.as_str())).collect() };
    let recovered = recovered(report);
    let did = [Outcome::Ran, Outcome::Restored, Outcome::Failed, Outcome::Interrupted];
    if !did.iter().any(|outcome| report.any(*outcome)) && recovered.is_empty() {
        return None;
    }
    let main = &opened.project.pipeline.file;
    let mut entry = Entry::new(Action::Run, main.as_str());
    if let Some(LockChange { before, after }) = report.locks.get(main) {
        (entry.before, entry.after) = (*before, *after);
    }
    let others: BTreeMap<&str, Value> = report
        .locks
        .iter()
        .filter(|(file, _)| *file != main)
        .map(|(file, change)| (file.as_str(), json!({"before": change.before, "after": change.after})))
        .collect();
    let parts = [
        ("ran", Value::from(keys(Outcome::Ran))),
        ("restored", Value::from(keys(Outcome::Restored))),
        ("recovered", Value::from(recovered)),
        ("failed", Value::from(names(Outcome::Failed))),
        ("interrupted", Value::from(names(Outcome::Interrupted))),
        ("locks", json!(others)),
        ("set", json!(args.set)),
    ];
    let is_empty =
        |value: &Value| value.as_object().is_some_and(Map::is_empty) || value.as_array().is_some_and(Vec::is_empty);
    for (name, value) in parts.into_iter().filter(|(_, value)| !is_empty(value)) {
        entry.details.insert(name.to_owned(), value);
    }
    for (name, given) in [("force", args.force), ("locked", args.locked), ("no_commit", args.no_commit)] {
        if given {
            entry.details.insert(name.to_owned(), Value::Bool(true));
        }
    }
    Some(entry)
}

/// Stages whose record in the lock is new although this run did not make it: from the journal of a run that was killed
/// before it could write its own record, or from one at the same time.
fn recovered(report: &RunReport) -> Map<String, Value> {
    if Arc::ptr_eq(&report.lock, &report.committed) {
        return Map::new();
    }
    let made = |outcome: Outcome| matches!(outcome, Outcome::Ran | Outcome::Restored);
    let is_own = |name| report.stages.get(name).is_some_and(|stage| made(stage.outcome));
    let stages = report.lock.stages.iter().filter(|(name, record)| {
        !is_own(name)
            && report.committed.stages.get(*name).is_none_or(|old| (old.key, &old.outs) != (record.key, &record.outs))
    });
    stages.map(|(name, record)| (name.0.clone(), Value::from(record.key.to_string()))).collect()
}

/// Stages whose result is in the lock although no record tells of it: from a run that was killed between its lock and
/// its record, from an edit, or from a lock that came with the project, whose chain stayed elsewhere.
fn unrecorded(report: &RunReport, run: &Entry, known: &Ledger) -> Map<String, Value> {
    let said = |name: &str| {
        let kinds = ["ran", "restored", "recovered"].into_iter().filter_map(|kind| run.details.get(kind)?.as_object());
        kinds.into_iter().any(|stages| stages.contains_key(name))
    };
    let keys = report.lock.stages.iter().map(|(name, record)| (name.0.clone(), record.key.to_string()));
    keys.filter(|(name, key)| !said(name) && !known.has_result(name, key))
        .map(|(name, key)| (name, Value::from(key)))
        .collect()
}

/// The stages of a built-in that are up to date after this run, with how they ended.
pub(super) fn stages_of<'a>(
    opened: &'a Opened,
    report: &'a RunReport,
    uses: &'a str,
) -> impl Iterator<Item = (&'a StageDef, Outcome)> {
    let stages = opened.project.pipeline.stages.values();
    let is_it = move |stage: &&StageDef| matches!(&stage.work, Work::Builtin(name) if name == uses);
    stages
        .filter(is_it)
        .filter_map(|stage| Some((stage, report.stages.get(&stage.name)?.outcome)))
        .filter(|(_, outcome)| matches!(outcome, Outcome::Ran | Outcome::Restored | Outcome::Fresh))
}

/// The documents that a stage writes: those of its outputs that are JSON.
pub(super) fn documents<'a>(opened: &'a Opened, stage: &'a StageDef) -> impl Iterator<Item = (&'a RelPath, Value)> {
    let root = &opened.project.pipeline.root;
    let paths = stage.outs.iter().map(|out| &out.path).filter(|path| is_json(path));
    paths.filter_map(move |path| Some((path, serde_json::from_slice(&fs::read(path.under(root)).ok()?).ok()?)))
}

pub(super) fn is_json(path: &RelPath) -> bool {
    Path::new(path.as_str()).extension().is_some_and(|extension| extension == "json")
}

/// The verdicts of gates that judged something in this run.
fn gate_entries(opened: &Opened, report: &RunReport) -> Vec<Entry> {
    let mut entries = Vec::new();
    for (stage, outcome) in stages_of(opened, report, "gate") {
        let Some((path, verdict)) = documents(opened, stage).next().filter(|_| outcome != Outcome::Fresh) else {
            continue;
        };
        let mut entry = Entry::new(Action::Gate, path.as_str());
        let record = report.lock.stages.get(&stage.name);
        entry.after = record.and_then(|record| record.outs.get(path)).map(|out| out.digest);
        let passed = verdict.get("promotable").or_else(|| verdict.get("passed"));
        entry.details.insert("passed".to_owned(), passed.cloned().unwrap_or(Value::Null));
        let rules = verdict["rules"].as_array().map(Vec::as_slice).unwrap_or_default();
        let failed = rules.iter().filter(|rule| rule["passed"] == Value::Bool(false));
        let failed: Vec<Value> = failed.map(|rule| rule["reason"].clone()).collect();
        entry.details.insert("failed".to_owned(), Value::from(failed));
        entries.push(entry);
    }
    entries
}

/// Thresholds that this run has changed: the value in the lock before, and the one now.
fn threshold_entries(opened: &Opened, report: &RunReport) -> Vec<Entry> {
    let store = Store::new(&opened.project.pipeline.root);
    let mut entries = Vec::new();
    for (stage, outcome) in stages_of(opened, report, "tune_threshold") {
        let Some((path, document)) = documents(opened, stage).next().filter(|_| outcome != Outcome::Fresh) else {
            continue;
        };
        let digest = |lock: &Lock| Some(lock.stages.get(&stage.name)?.outs.get(path)?.digest);
        let (before, after) = (digest(&report.committed), digest(&report.lock));
        let earlier = before.filter(|before| Some(*before) != after).and_then(|before| store.cas().read(before).ok());
        let earlier: Option<Value> = earlier.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let Some(from) = earlier.map(|earlier| earlier["value"].clone()).filter(|from| *from != document["value"])
        else {
            continue;
        };
        let mut entry = Entry::new(Action::ThresholdChange, path.as_str());
        (entry.before, entry.after) = (before, after);
        entry.reason = Some(format!("computed by the stage {}", stage.name));
        let details = [("by", json!("repro")), ("from", from), ("to", document["value"].clone())];
        entry.details.extend(details.map(|(key, value)| (key.to_owned(), value)));
        entries.push(entry);
    }
    entries
}

/// The waivers that the leakage stage was given, known ones among them: the chain leaves those out.
fn waiver_entries(opened: &Opened, report: &RunReport) -> Vec<Entry> {
    let stages = stages_of(opened, report, "leakage");
    let documents = stages.flat_map(|(stage, _)| documents(opened, stage)).map(|(_, document)| document);
    let list = |document: &Value, key: &str| document[key].as_array().cloned().unwrap_or_default();
    let findings = documents.flat_map(|document| [list(&document, "findings"), list(&document, "warnings")].concat());
    findings.filter_map(|finding| waiver(&finding)).collect()
}

fn waiver(finding: &Value) -> Option<Entry> {
    let waived = finding.get("waived").filter(|waived| waived.is_object())?;
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut entry = Entry::new(Action::Waiver, format!("{}: {}", text(&finding["check"]), text(&finding["subject"])));
    let content = json!({"check": finding["check"], "subject": finding["subject"], "waived": waived});
    entry.after = Some(Digest::of(content.to_string().as_bytes()));
    entry.reason = Some(text(&waived["why"])).filter(|why| !why.trim().is_empty());
    entry.reason.get_or_insert_with(|| "none was given".to_owned());
    entry.details.insert("who".to_owned(), waived["who"].clone());
    Some(entry)
}

/// Records what `metrics diff --gate` decided about two states.
pub(super) fn record_gate(
    opened: &Opened,
    rules: &Path,
    states: [&str; 2],
    verdict: &GateReport,
) -> Result<(), AuditError> {
    let mut entry = Entry::new(Action::MetricsGate, rules.display().to_string());
    entry.after = fs::read(rules).ok().map(|bytes| Digest::of(&bytes));
    let failed: Vec<&str> = verdict.rules.iter().filter(|rule| !rule.passed).map(|rule| rule.reason.as_str()).collect();
    entry.details.insert("passed".to_owned(), Value::Bool(verdict.passed));
    entry.details.insert("failed".to_owned(), json!(failed));
    entry.details.insert("states".to_owned(), json!(states));
    chain(opened).append(&origin(opened), vec![entry]).map(drop)
}

/// Records what `commit` took as it is.
pub(super) fn record_commit(
    opened: &Opened,
    report: &AcceptReport,
    lock: &Lock,
    force: bool,
) -> Result<(), AuditError> {
    if report.accepted.is_empty() {
        return Ok(());
    }
    let mut entry = Entry::new(Action::Commit, opened.project.pipeline.file.as_str());
    let accepted: Map<String, Value> =
        report.accepted.iter().map(|(name, reasons)| (name.0.clone(), json!(reasons))).collect();
    let key = |name| lock.stages.get(name).map(|record| Value::from(record.key.to_string()));
    let keys: Map<String, Value> =
        report.accepted.iter().filter_map(|(name, _)| Some((name.0.clone(), key(name)?))).collect();
    entry.details.insert("accepted".to_owned(), Value::from(accepted));
    entry.details.insert("keys".to_owned(), Value::from(keys));
    entry.details.insert("force".to_owned(), Value::Bool(force));
    chain(opened).append(&origin(opened), vec![entry]).map(drop)
}
