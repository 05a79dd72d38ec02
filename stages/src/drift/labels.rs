//! Outcomes that have come in, brought to the predictions they belong to.
//!
//! Invariants: an outcome is 0, 1 or missing, and anything else an error; one that two rows of the labels tell differently belongs to nobody; a prediction without an outcome
//! stays unknown; if no identifier of the labels is found in a log, the key is another one and that is an error, so the
//! key decides between one result and none, never between two results.

use std::collections::BTreeMap;

use serde_json::Value;

use super::current::{Current, join_keys};
use super::document::CurrentKind;
use crate::bundle::Bundle;
use crate::common::pseudonym::{PseudonymKey, SHORTEST, VARIABLE};
use crate::common::schema::ColumnType;
use crate::common::table::Table;
use crate::common::target::Task;
use crate::common::texts::Texts;
use crate::ingest::read_for_scoring;
use crate::{StageError, StageFile};

/// What the labels tell.
#[derive(Debug)]
pub(super) struct Labels {
    /// The outcome of each prediction; `None` where it is not known.
    pub outcomes: Vec<Option<bool>>,
    /// Whether two rows tell the outcome of one of them differently.
    pub contradictory: bool,
}

impl Labels {
    /// What whoever reads the numbers should know of them.
    pub fn note(&self) -> Option<String> {
        let told = "the labels tell the outcome of a prediction twice and differently: it counts as unknown";
        self.contradictory.then(|| told.to_owned())
    }
}

/// The outcome of each prediction; `None` where it is not known. `key` is asked for only where pseudonyms are joined.
pub(super) fn join(
    file: &StageFile,
    bundle: &Bundle,
    current: &Current,
    key: impl FnOnce() -> Result<PseudonymKey, StageError>,
) -> Result<Labels, StageError> {
    let schema = bundle.schema();
    let needs = |what: &str| {
        StageError::input(&file.name, format!("cannot be joined: the schema names no {what} column"))
            .with_hint("name it in `schema.id`, or leave the role `labels` out")
    };
    let target = schema.target.column.clone();
    let mut wanted = vec![target.clone()];
    match (&bundle.features().history, current.kind) {
        (Some(history), CurrentKind::Table) => wanted.extend([history.entity.clone(), history.time.clone()]),
        (_, CurrentKind::Table) => wanted.push(schema.id.clone().ok_or_else(|| needs("id"))?),
        (_, CurrentKind::Log) => wanted.push(subject(bundle).ok_or_else(|| needs("patient"))?),
    }
    let table = read_for_scoring(file, schema, &wanted, &[], &bundle.intake().format).map_err(|error| {
        error.with_hint(format!(
            "outcomes need the columns {}; `{target}` is 1 where the event happened, 0 where it did not, and empty while \
             that is not known",
            wanted.join(", ")
        ))
    })?;
    let outcomes = outcomes(&table, &target, bundle.task(), file)?;
    let keys = match current.kind {
        CurrentKind::Table => join_keys(&table, bundle)?,
        CurrentKind::Log => pseudonyms(&table, bundle, &key()?)?,
    };
    let mut known: BTreeMap<&str, Option<bool>> = BTreeMap::new();
    for (key, outcome) in keys.iter().zip(&outcomes) {
        if let Some((key, event)) = key.zip(*outcome) {
            known.entry(key).and_modify(|other| *other = other.filter(|other| *other == event)).or_insert(Some(event));
        }
    }
    let found: Vec<Option<bool>> =
        current.keys.iter().map(|key| known.get(key.as_deref()?).copied().flatten()).collect();
    let is_other_key = current.kind == CurrentKind::Log && !known.is_empty() && found.iter().all(Option::is_none);
    if is_other_key && current.keys.iter().any(Option::is_some) {
        let message = format!("none of its {} patients is in the log of predictions", known.len());
        return Err(StageError::input(&file.name, message).with_hint(format!(
            "set {VARIABLE} to the key that the service had when it wrote the log, and write identifiers as requests do"
        )));
    }
    let contradictory = current.keys.iter().any(|key| key.as_deref().is_some_and(|key| known.get(key) == Some(&None)));
    Ok(Labels { outcomes: found, contradictory })
}

/// Whether each row had the event; `None` where nothing stands. An outcome that is a number is no event: that it is there
/// is all that is read of it.
fn outcomes(table: &Table, target: &str, task: Task, file: &StageFile) -> Result<Vec<Option<bool>>, StageError> {
    if task == Task::Continuous {
        return Ok(table.floats(target)?.into_iter().map(|y| y.is_finite().then_some(false)).collect());
    }
    let event = |(row, value): (usize, Option<i64>)| match value {
        None => Ok(None),
        Some(0) => Ok(Some(false)),
        Some(1) => Ok(Some(true)),
        Some(other) => {
            let message = format!("`{other}` is no outcome: 1 says that the event happened, 0 that it did not");
            let hint = "leave the cell empty while the outcome is not known";
            Err(StageError::cell(&file.name, row as u64 + 2, target, message).with_hint(hint))
        }
    };
    table.ints(target)?.into_iter().enumerate().map(event).collect()
}

/// The column whose pseudonym the log has.
fn subject(bundle: &Bundle) -> Option<String> {
    let entity = bundle.features().history.as_ref().map(|history| history.entity.clone());
    entity.or_else(|| bundle.schema().id.clone())
}

/// The key of the log, from the environment: the one thing that a stage reads there, so that no secret becomes a
/// parameter, an input or part of a key.
pub(super) fn key() -> Result<PseudonymKey, StageError> {
    let help = format!("set {VARIABLE} to the key of the log: at least {SHORTEST} bytes");
    let absent = || StageError::failed("outcomes are joined to a log by keyed digests, and there is no key");
    let secret = std::env::var_os(VARIABLE).ok_or_else(|| absent().with_hint(help.clone()))?;
    PseudonymKey::new(secret.as_encoded_bytes())
        .ok_or_else(|| StageError::failed(format!("{VARIABLE} holds no usable key")).with_hint(help))
}

/// The identifiers of the labels as the log has them.
fn pseudonyms(table: &Table, bundle: &Bundle, key: &PseudonymKey) -> Result<Texts, StageError> {
    let name = subject(bundle).unwrap_or_default();
    let is_number = bundle.schema().columns.get(&name).is_some_and(|column| column.kind == ColumnType::Integer);
    let of = |id: &str| {
        let number = id.parse::<i64>().ok().filter(|_| is_number);
        key.pseudonym(&number.map_or_else(|| Value::from(id), Value::from))
    };
    Ok(table.labels(&name)?.iter().map(|id| id.map(of)).collect())
}
