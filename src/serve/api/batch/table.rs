//! Rows of a table as records, and the past that rows of a panel lend each other.

use std::collections::{BTreeMap, HashSet};

use clinpipe_stages::featurize::HISTORY_FIELD;
use serde_json::{Map, Value};

use crate::serve::errors::FieldProblem;
use crate::serve::model::TableForm;

/// The columns of a table that become fields of its records, by their places.
pub(super) struct Header(Vec<Option<String>>);

impl Header {
    /// Judges the names of the columns: each once, each one of the study's. Columns that records do not have, such as the
    /// outcome, are left aside.
    pub fn new<'a>(table: &TableForm, names: impl Iterator<Item = &'a str>) -> Result<Self, Vec<FieldProblem>> {
        let (mut seen, mut problems, mut columns) = (HashSet::new(), Vec::new(), Vec::new());
        for name in names {
            if !seen.insert(name) {
                problems.push(problem(name, "is a column of the table twice", "repeated"));
            } else if !table.fields.contains(name) && !table.reader.knows(name) {
                problems.push(problem(name, "is not a column of this study", "unknown_field"));
            }
            columns.push(table.fields.contains(name).then(|| name.to_owned()));
        }
        if problems.is_empty() { Ok(Self(columns)) } else { Err(problems) }
    }

    /// The record of a row; a missing cell is left out.
    pub fn record(&self, cells: impl Iterator<Item = Value>) -> Map<String, Value> {
        let named = self.0.iter().zip(cells).filter_map(|(name, cell)| Some((name.clone()?, cell)));
        named.filter(|(_, cell)| !cell.is_null()).collect()
    }

    /// The field at a place, unless the column there is left aside.
    pub fn name(&self, at: usize) -> Option<&str> {
        self.0.get(at)?.as_deref()
    }
}

/// Gives every record the earlier rows of its patient, where the study looks at the past.
pub(super) fn with_past(table: &TableForm, records: Vec<Map<String, Value>>) -> Vec<Map<String, Value>> {
    let Some((entity, time)) = &table.panel else { return records };
    let mut rows: BTreeMap<String, Vec<(f64, usize)>> = BTreeMap::new();
    let moment = |record: &Map<String, Value>| record.get(time).and_then(Value::as_f64);
    for (at, record) in records.iter().enumerate() {
        if let (Some(patient), Some(when)) = (record.get(entity), moment(record)) {
            rows.entry(patient.to_string()).or_default().push((when, at));
        }
    }
    let past = |at: usize, record: &Map<String, Value>| -> Option<Vec<Value>> {
        let (when, all) = (moment(record)?, rows.get(&record.get(entity)?.to_string())?);
        // Another row of the same moment goes along: whoever reads the record will refuse it.
        let earlier = all.iter().filter(|&&(then, other)| other != at && then <= when);
        Some(earlier.map(|&(_, other)| Value::Object(records[other].clone())).collect())
    };
    let pasts: Vec<Option<Vec<Value>>> = records.iter().enumerate().map(|(at, record)| past(at, record)).collect();
    let mut records = records;
    for (record, past) in records.iter_mut().zip(pasts) {
        if let Some(past) = past.filter(|past| !past.is_empty()) {
            record.insert(HISTORY_FIELD.to_owned(), Value::Array(past));
        }
    }
    records
}

/// A problem of a table as a whole.
pub(super) fn problem(field: &str, message: impl Into<String>, kind: &'static str) -> FieldProblem {
    FieldProblem { field: field.to_owned(), message: message.into(), kind }
}
