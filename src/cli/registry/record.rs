//! What registrations, promotions, rollbacks and refusals leave in the audit chain, and whether the registry still is
//! what the chain tells.
//!
//! A state of the registry is put in place, then recorded, then `current` is led to it: what holds is on record. A process
//! that is killed in between leaves a state that is recorded and does not hold yet; whoever next holds the registry's lock
//! lets it. Only a rollback, which must work in the hour of need, holds even when it cannot be recorded; the next command
//! records it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::candidate::Loaded;
use crate::audit::{Action, AuditError, Entry, Evaluation, Record, TestRows};
use crate::cli::evaluations::model_of_bundle;
use crate::cli::project::Opened;
use crate::cli::recording::{chain, origin};
use crate::key::Digest;
use crate::registry::{Act, CHAMPION, Comparison, Held, Registry, RegistryError, Ruling, State, Version};

/// The key of the digest of version.json in the record of a registration.
const VERSION: &str = "version";

/// The record of a state.
fn entry(registry: &Registry, state: &State) -> Result<Entry, AuditError> {
    let (action, role, version) = match state.act {
        Act::Promotion => (Action::Promotion, CHAMPION, state.champion),
        Act::Challenge => (Action::Promotion, "challenger", state.challenger),
        Act::Rollback => (Action::Rollback, CHAMPION, state.champion),
    };
    let mut entry = Entry::new(action, registry.alias(role));
    entry.before = state.compared_with.filter(|_| state.act != Act::Challenge);
    entry.after = version;
    entry.reason = Some(state.reason.clone());
    let told = [
        ("state", json!(state.digest()?.to_string())),
        ("seq", json!(state.seq)),
        ("author", json!(state.author)),
        ("approver", json!(state.approver)),
        ("compared_with", json!(state.compared_with)),
        ("policy", state.details["policy"].clone()),
        ("plan", state.details["plan"].clone()),
        ("difference", differences(&state.details["comparison"])),
    ];
    entry
        .details
        .extend(told.into_iter().filter(|(_, value)| !value.is_null()).map(|(key, value)| (key.to_owned(), value)));
    Ok(entry)
}

/// The differences of a comparison, without their methods.
fn differences(comparison: &Value) -> Value {
    let Some(measures) = comparison["measures"].as_object() else { return Value::Null };
    let short = |measure: &Value| {
        let of = |key: &str| measure["difference"][key].clone();
        json!([of("value"), of("low"), of("high")])
    };
    measures.iter().map(|(name, measure)| (name.clone(), short(measure))).collect()
}

/// Records a state that has just been put in place.
pub(super) fn moved(opened: &Opened, registry: &Registry, state: &State) -> Result<(), AuditError> {
    let entries = vec![entry(registry, state)?];
    chain(opened).append(&origin(opened), entries).map(drop)
}

/// A registry that is what the audit chain tells.
pub(super) struct History {
    /// The states, the first first; the last one holds.
    pub states: Vec<State>,
    /// The state that is recorded and in place, and does not hold yet.
    due: Option<State>,
    /// Rollbacks at the end that hold and are not recorded.
    unrecorded: Vec<State>,
}

impl History {
    /// The state that holds.
    pub(super) fn now(&self) -> Option<&State> {
        self.states.last()
    }

    /// What whoever looks at the registry should know besides.
    pub(super) fn warning(&self) -> Option<String> {
        let due = self.due.as_ref()?;
        Some(format!(
            "warning: state {} is on record and does not hold: a process was killed, or `current` was moved by hand; the \
             next promotion or rollback lets it",
            due.seq
        ))
    }
}

/// The states of a registry, found to be those that the audit chain tells of.
///
/// # Errors
/// When a state was added, changed or removed by hand, or the chain cannot be read.
pub(super) fn history(opened: &Opened, registry: &Registry) -> anyhow::Result<History> {
    // What is recorded before it holds is read in between: then nothing that another process does meanwhile looks like
    // a change by hand.
    let before = registry.history()?;
    let told = told(opened, registry)?;
    let states = registry.history()?;
    let damaged = |seq: u64, what: &str| RegistryError::Damaged {
        path: registry.alias("states").into(),
        message: format!(
            "state {seq} {what}; restore registry and chain from a copy, or begin another registry with --model"
        ),
    };
    let mut found = History { states, due: None, unrecorded: Vec::new() };
    for state in &before {
        match told.get(&state.seq) {
            Some(digest) if *digest == state.digest()? => {}
            Some(_) => return Err(damaged(state.seq, "is not the one that the audit chain tells of").into()),
            None if told.range(state.seq..).next().is_none() && is_rollback(&before, state) => {
                found.unrecorded.push(state.clone());
            }
            None => return Err(damaged(state.seq, "is unknown to the audit chain").into()),
        }
    }
    for (&seq, digest) in &told {
        let state = match found.states.get(seq.saturating_sub(1) as usize) {
            Some(state) => state.clone(),
            None if seq == found.states.len() as u64 + 1 => {
                let state = registry.numbered(seq).map_err(|_| damaged(seq, "is gone, the audit chain tells of it"))?;
                found.due.insert(state).clone()
            }
            None => return Err(damaged(seq, "is gone, the audit chain tells of it").into()),
        };
        if state.digest()? != *digest {
            return Err(damaged(seq, "is not the one that the audit chain tells of").into());
        }
    }
    Ok(found)
}

/// Whether a state returns to a champion that was one before.
fn is_rollback(states: &[State], state: &State) -> bool {
    let before = states.iter().find(|before| before.seq + 1 == state.seq);
    let earlier = before.map(|before| before.earlier.as_slice()).unwrap_or_default();
    state.act == Act::Rollback && state.champion.is_some_and(|champion| earlier.contains(&champion))
}

/// The digests of the states that the chain tells of, by their numbers.
fn told(opened: &Opened, registry: &Registry) -> Result<BTreeMap<u64, Digest>, AuditError> {
    let records = chain(opened).records()?;
    let own = records.iter().filter(|record| moved_model(record) == Some(registry.model()));
    let state = |record: &Record| {
        let seq = record.details.get("seq")?.as_u64()?;
        Some((seq, record.details.get("state")?.as_str()?.parse().ok()?))
    };
    Ok(own.filter_map(state).collect())
}

/// The model whose roles a record moved.
fn moved_model(record: &Record) -> Option<&str> {
    let is_move = matches!(record.action, Action::Promotion | Action::Rollback);
    is_move.then(|| Registry::model_of(&record.object)).flatten()
}

/// The models whose registries the chain tells of.
pub(super) fn models(opened: &Opened) -> Result<BTreeSet<String>, AuditError> {
    Ok(chain(opened).records()?.iter().filter_map(moved_model).map(str::to_owned).collect())
}

/// The states of a registry, after what a killed process or a chain that could not be written left undone is done.
///
/// # Errors
/// As [`history`]; and [`AuditError`] when a rollback can still not be recorded.
pub(super) fn settle(opened: &Opened, registry: &Registry, held: &Held) -> anyhow::Result<Vec<State>> {
    let History { mut states, due, unrecorded } = history(opened, registry)?;
    for state in unrecorded {
        let mut entry = entry(registry, &state)?;
        entry.details.insert("recovered".to_owned(), json!({"actor": state.actor, "utc": state.utc}));
        chain(opened).append(&origin(opened), vec![entry])?;
    }
    if let Some(due) = due {
        held.point(&due)?;
        states.push(due);
    }
    Ok(states)
}

/// Records that a version with these papers is in the registry, unless that was the last that the chain tells of it. The
/// caller holds the registry's lock.
pub(super) fn registered(opened: &Opened, registry: &Registry, version: &Version) -> Result<(), AuditError> {
    let digest = version.digest()?;
    if papers(opened, registry, version.bundle)? == Some(digest) {
        return Ok(());
    }
    let mut entry = Entry::new(Action::Registration, version_path(registry, version.bundle));
    entry.after = Some(version.bundle);
    entry.details.insert(VERSION.to_owned(), json!(digest.to_string()));
    chain(opened).append(&origin(opened), vec![entry]).map(drop)
}

/// The digest of version.json, as the chain tells it last.
pub(super) fn papers(opened: &Opened, registry: &Registry, bundle: Digest) -> Result<Option<Digest>, AuditError> {
    let object = version_path(registry, bundle);
    let records = chain(opened).records()?;
    let last = records.iter().rev().find(|record| record.action == Action::Registration && record.object == object);
    Ok(last.and_then(|record| record.details.get(VERSION)?.as_str()?.parse().ok()))
}

fn version_path(registry: &Registry, bundle: Digest) -> String {
    registry.alias(&format!("versions/{bundle}"))
}

/// Records that something was asked for and refused.
pub(super) fn refused(
    opened: &Opened,
    object: String,
    (command, reason): (&str, &str),
    candidate: Option<Digest>,
    rules: &[Ruling],
) -> Result<(), AuditError> {
    let mut entry = Entry::new(Action::Refusal, object);
    entry.after = candidate;
    entry.reason = Some(reason.to_owned());
    let failed: Vec<String> =
        rules.iter().filter(|rule| !rule.passed).map(|rule| format!("{}: {}", rule.rule, rule.reason)).collect();
    entry.details.insert("command".to_owned(), json!(command));
    entry.details.insert("failed".to_owned(), json!(failed));
    chain(opened).append(&origin(opened), vec![entry]).map(drop)
}

/// Records that champion and candidate met test rows; what the chain knows already it leaves out.
pub(super) fn looked(opened: &Opened, comparison: &Comparison, sides: &[&Loaded]) -> Result<(), AuditError> {
    let Some(candidate) = sides.first() else { return Ok(()) };
    let test = &candidate.version.test;
    // A part of the test rows is a look at the test rows.
    let is_part = comparison.rows.used < comparison.rows.test;
    let look = |side: &&Loaded| {
        let rows = TestRows { ids: test.evaluated.rows.row_ids.clone(), content: test.evaluated.content.clone() };
        let file = test.table_path.clone();
        let manifest = serde_json::to_value(side.bundle.manifest()).unwrap_or_default();
        let bundle = side.digest.to_string();
        let mut entry = Evaluation { file, rows, bundle, model: model_of_bundle(&manifest), recovered: None }.entry();
        if is_part {
            entry.details.insert("part".to_owned(), json!(comparison.rows.used));
        }
        entry
    };
    chain(opened).append(&origin(opened), sides.iter().map(look).collect()).map(drop)
}
