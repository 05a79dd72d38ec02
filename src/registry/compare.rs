//! Two versions on the same rows, which neither has learned from.
//!
//! The rows are the candidate's test part without those that either model knows. Both are scored by their own bundles:
//! there is no other scoring path.

use std::collections::{BTreeMap, BTreeSet};

use clinpipe_stages::StageFile;
use clinpipe_stages::bundle::Bundle;
use clinpipe_stages::common::schema::Schema;
use clinpipe_stages::common::table::Table;
use clinpipe_stages::common::target::Task;
use clinpipe_stages::train::Fingerprint;
use serde::{Deserialize, Serialize};

use super::measures::{Answers, Measure, Sample};
use super::seen::{RowKey, RowMarks, SeenRows};

/// A version to be compared.
pub struct Side<'a> {
    /// Its bundle.
    pub bundle: &'a Bundle,
    /// What it was trained on.
    pub seen: &'a SeenRows,
}

/// Where and how to compare.
pub struct Setup<'a> {
    /// The secret of the marks.
    pub key: &'a RowKey,
    /// The candidate's table.
    pub table: StageFile,
    /// The candidate's split.
    pub split: StageFile,
    /// Of the intervals.
    pub confidence: f64,
    /// How many.
    pub resamples: usize,
}

/// Why two versions cannot be compared.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Incomparable(String);

impl<E: std::error::Error> From<(&str, E)> for Incomparable {
    fn from((what, error): (&str, E)) -> Self {
        Self(format!("{what}: {error}"))
    }
}

/// The rows of a comparison.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestRows {
    /// Rows of the candidate's test part.
    pub test: usize,
    /// Of these, rows that the candidate was trained on; left out.
    pub seen_by_candidate: usize,
    /// Rows that the champion was trained on; left out.
    pub seen_by_champion: usize,
    /// Rows that were compared on.
    pub used: usize,
    /// Their patients.
    pub patients: usize,
    /// Patients with the event among them; null for numbers.
    pub with_event: Option<usize>,
    /// Patients with a row without the event; null for numbers.
    pub without_event: Option<usize>,
    /// The fingerprint of the rows that were compared on.
    pub rows: Fingerprint,
}

/// How two versions do on the same rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Comparison {
    /// BLAKE3 of the candidate's bundle.json.
    pub candidate: String,
    /// Of the champion's; null when there is none.
    pub champion: Option<String>,
    /// What they were compared on.
    pub rows: TestRows,
    /// The threshold whose odds the net benefit of both is weighed with: the champion's, else the candidate's.
    pub threshold: Option<f64>,
    /// Of the intervals.
    pub confidence: f64,
    /// How many patients' resamples the intervals are made of.
    pub resamples: usize,
    /// By name.
    pub measures: BTreeMap<String, Measure>,
}

/// Compares a candidate with the champion, or measures it alone.
///
/// # Errors
/// When the rows cannot be read or scored by both, or none is left.
pub fn compare(
    setup: &Setup<'_>,
    candidate: &Side<'_>,
    champion: Option<&Side<'_>>,
) -> Result<Comparison, Incomparable> {
    let schema = candidate.bundle.schema();
    same_question(candidate.bundle, champion.map(|side| side.bundle))?;
    for (who, side) in std::iter::once(("candidate", candidate)).chain(champion.map(|side| ("champion", side))) {
        if !side.seen.is_under(setup.key) {
            return Err(Incomparable(format!(
                "the training rows of the {who} were marked under another secret, so nobody can tell which test rows it \
                 knows: register its bundle again"
            )));
        }
    }
    let data = &candidate.bundle.manifest().data.blake3;
    let marks = RowMarks::read(setup.key, &setup.table, &setup.split, schema, data)
        .map_err(|error| ("the test rows cannot be read", error))?;
    let (mut seen_by_candidate, mut seen_by_champion, mut used) = (0, 0, Vec::new());
    for &row in &marks.test {
        let by_candidate = marks.is_seen(row, candidate.seen);
        let by_champion = champion.is_some_and(|side| marks.is_seen(row, side.seen));
        seen_by_candidate += usize::from(by_candidate);
        seen_by_champion += usize::from(by_champion);
        if !by_candidate && !by_champion {
            used.push(row);
        }
    }
    if used.is_empty() {
        return Err(Incomparable(format!(
            "no test row is left: of {}, the candidate was trained on {seen_by_candidate} and the champion on \
             {seen_by_champion}",
            marks.test.len()
        )));
    }
    let (own, answers) = score(candidate.bundle, &setup.table, &used)?;
    let other = champion.map(|side| score(side.bundle, &setup.table, &used)).transpose()?.map(|(_, answers)| answers);
    let (patients, y) = subjects(&own, schema, &setup.table.name)?;
    let threshold = champion.map_or(candidate, |side| side).bundle.threshold().map(|threshold| threshold.value);
    let sample = Sample { y: &y, patients: &patients, candidate: &answers, champion: other.as_ref(), threshold };
    let is_event = schema.target.kind == Task::Binary;
    let having = |event: bool| {
        let with = y.iter().zip(&patients).filter(|(y, _)| (**y > 0.5) == event).map(|(_, patient)| patient);
        is_event.then(|| with.collect::<BTreeSet<_>>().len())
    };
    Ok(Comparison {
        candidate: candidate.bundle.digest().to_owned(),
        champion: champion.map(|side| side.bundle.digest().to_owned()),
        rows: TestRows {
            test: marks.test.len(),
            seen_by_candidate,
            seen_by_champion,
            used: used.len(),
            patients: patients.iter().collect::<BTreeSet<_>>().len(),
            with_event: having(true),
            without_event: having(false),
            rows: Fingerprint::new(used.iter().map(|&row| marks.row_ids[row])),
        },
        threshold,
        confidence: setup.confidence,
        resamples: if champion.is_some() { setup.resamples } else { 0 },
        measures: sample.measures(setup.confidence, setup.resamples),
    })
}

/// Two models of different outcomes cannot take each other's place.
fn same_question(candidate: &Bundle, champion: Option<&Bundle>) -> Result<(), Incomparable> {
    let Some(champion) = champion else { return Ok(()) };
    let (new, old) = (&candidate.schema().target, &champion.schema().target);
    if (&new.column, new.kind) == (&old.column, old.kind) {
        return Ok(());
    }
    Err(Incomparable(format!(
        "the candidate predicts `{}`, the champion `{}`: give the candidate a registry of its own with --model",
        new.column, old.column
    )))
}

/// What a bundle says of rows of a table, with the table's columns as they are.
fn score(bundle: &Bundle, table: &StageFile, rows: &[usize]) -> Result<(Table, Answers), Incomparable> {
    let name = bundle.digest().get(..12).unwrap_or_default();
    let unread = format!("the bundle {name} cannot read the test rows");
    let unscored = format!("the bundle {name} cannot score the test rows");
    let (own, raw) = bundle.read_rows(table, rows).map_err(|error| (unread.as_str(), error))?;
    let answers = match bundle.task() {
        Task::Binary => {
            let predictions = bundle.predict(&raw).map_err(|error| (unscored.as_str(), error))?;
            Answers::Events {
                p: predictions.iter().map(|prediction| prediction.p).collect(),
                flagged: predictions.iter().map(|prediction| prediction.flagged).collect(),
            }
        }
        Task::Continuous => Answers::Numbers(bundle.predict_numbers(&raw).map_err(|error| (unscored.as_str(), error))?),
    };
    Ok((own, answers))
}

/// The patient and the outcome of each row; a row without a patient is its own.
fn subjects(own: &Table, schema: &Schema, name: &str) -> Result<(Vec<String>, Vec<f64>), Incomparable> {
    let unread = |error| Incomparable::from(("the test rows cannot be read", error));
    let ids = own.ints_full("row_id").map_err(unread)?;
    let labels = schema.group.as_ref().map(|column| own.labels(column)).transpose().map_err(unread)?;
    let patient = |(row, id): (usize, &i64)| match labels.as_ref().and_then(|labels| labels.get(row)) {
        Some(label) => format!("id {label}"),
        None => format!("row {id}"),
    };
    let column = &schema.target.column;
    let y: Vec<f64> = match schema.target.kind {
        Task::Continuous => own.floats(column).map_err(unread)?,
        Task::Binary => {
            let of = |value: Option<i64>| {
                value.filter(|value| (0..=1).contains(value)).map_or(f64::NAN, |value| value as f64)
            };
            own.ints(column).map_err(unread)?.into_iter().map(of).collect()
        }
    };
    if y.iter().any(|y| !y.is_finite()) {
        return Err(Incomparable(format!("{name}: a test row has no outcome in `{column}`")));
    }
    Ok((ids.iter().enumerate().map(patient).collect(), y))
}
