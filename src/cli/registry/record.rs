//! What registrations, promotions, rollbacks and refusals leave in the audit chain, and whether the registry still is
//! what the chain tells.
//!
//! A version or a state of the registry is put in place first and recorded then. A process that is killed in between
//! leaves it without a record; whoever next holds the registry's lock writes it.

use serde_json::{Value, json};

use super::candidate::Loaded;
use crate::audit::{Action, AuditError, Entry, Evaluation, Record, TestRows};
use crate::cli::evaluations::model_of_bundle;
use crate::cli::project::Opened;
use crate::cli::recording::{chain, origin};
use crate::key::Digest;
use crate::registry::{Act, CHAMPION, Comparison, Registry, RegistryError, Ruling, State, Version};

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

/// The states of a registry, the first first, found to be those that the audit chain tells of.
///
/// A chain that cannot be read vouches for nothing here: a promotion fails by its own condition `audit_chain`, and a
/// rollback, which must work in the hour of need, says so when it cannot be recorded.
///
/// # Errors
/// When a state was changed or is gone.
pub(super) fn history(opened: &Opened, registry: &Registry) -> Result<Vec<State>, RegistryError> {
    // The chain first: a state is put in place before it is recorded, so nothing recorded by now may be missing.
    let records = chain(opened).records().unwrap_or_default();
    let states = registry.history()?;
    for record in records.iter().filter(|record| is_move(record) && is_of(record, registry)) {
        let Some(seq) = record.details.get("seq").and_then(Value::as_u64) else { continue };
        let damaged = |what: &str| RegistryError::Damaged {
            path: registry.alias("states").into(),
            message: format!(
                "the audit chain tells of state {seq} (record {}), which {what}; restore the registry from a copy, or \
                 begin another one with --model",
                record.seq
            ),
        };
        let state = states.get(seq.saturating_sub(1) as usize).ok_or_else(|| damaged("is gone"))?;
        if record.details.get("state") != Some(&Value::from(state.digest()?.to_string())) {
            return Err(damaged("is another one by now"));
        }
    }
    Ok(states)
}

fn is_move(record: &Record) -> bool {
    matches!(record.action, Action::Promotion | Action::Rollback)
}

fn is_of(record: &Record, registry: &Registry) -> bool {
    record.object.strip_prefix(&registry.alias("")).is_some_and(|role| !role.contains('/'))
}

/// Records the present state if a killed process has left it without a record. The caller holds the registry's lock.
pub(super) fn recover(opened: &Opened, registry: &Registry, state: Option<&State>) -> Result<bool, AuditError> {
    let Some(state) = state else { return Ok(false) };
    let digest = Value::from(state.digest()?.to_string());
    let chain = chain(opened);
    let told = chain.records()?.iter().any(|record| is_move(record) && record.details.get("state") == Some(&digest));
    if told {
        return Ok(false);
    }
    let mut entry = entry(registry, state)?;
    entry.details.insert("recovered".to_owned(), json!({"actor": state.actor, "utc": state.utc}));
    chain.append(&origin(opened), vec![entry])?;
    Ok(true)
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
