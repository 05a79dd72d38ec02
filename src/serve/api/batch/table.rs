//! Rows of a table as records, and the past that rows of a panel lend each other.

use std::collections::{BTreeMap, HashSet};

use clinpipe_stages::common::pseudonym::spelled;
use clinpipe_stages::featurize::HISTORY_FIELD;
use serde_json::{Map, Value};

use crate::serve::errors::{FieldProblem, cap};
use crate::serve::model::TableForm;
use crate::serve::record_json::Item;

/// The most earlier rows that the rows of one table may lend each other. Their number grows with the square of the rows
/// of one patient, and each is checked as often as it is lent.
const MOST_LENT: usize = 20_000;

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
        cap(&mut problems);
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

/// The rows of a table as records, those with a fault as that. Where the study looks at the past, every record gets the
/// earlier rows of its patient; a row that cannot be told to belong to a patient and a moment then spoils the table, since
/// the others would be scored as if it did not exist.
pub(super) fn items(table: &TableForm, rows: Vec<Row>) -> Result<Vec<Item>, Vec<FieldProblem>> {
    let Some((entity, time)) = &table.panel else {
        return Ok(rows.into_iter().map(|row| row.fault.map_or(Ok(row.record), Err)).collect());
    };
    let mut patients: BTreeMap<String, Vec<(f64, usize)>> = BTreeMap::new();
    for (at, row) in rows.iter().enumerate() {
        let (patient, when) = (row.record.get(entity), row.record.get(time).and_then(Value::as_f64));
        let (Some(patient), Some(when)) = (patient, when) else {
            let message = format!(
                "row {} has no {entity} or {time}, so it is not known whose past it is part of{}",
                at + 1,
                row.fault
                    .as_ref()
                    .and_then(|fault| fault.first())
                    .map_or(String::new(), |one| format!(": {}", one.message)),
            );
            return Err(vec![problem("", message, "history")]);
        };
        patients.entry(spelled(patient)).or_default().push((when, at));
    }
    // Another row of the same moment goes along: whoever reads the record will refuse it.
    let mut pasts: Vec<Vec<usize>> = vec![Vec::new(); rows.len()];
    let mut lent = 0;
    for all in patients.values_mut() {
        all.sort_by_key(|&(_, at)| at);
        for &(when, at) in all.iter() {
            let earlier = all.iter().filter(|&&(then, other)| other != at && then <= when);
            pasts[at] = earlier.map(|&(_, other)| other).collect();
            lent += pasts[at].len();
            if lent > MOST_LENT {
                let message = format!(
                    "the rows lend each other more than {MOST_LENT} earlier rows; send fewer rows of a patient at once"
                );
                return Err(vec![problem("", message, "history")]);
            }
        }
    }
    let records: Vec<Map<String, Value>> = rows.iter().map(|row| row.record.clone()).collect();
    let with_past = rows.into_iter().zip(pasts).map(|(Row { mut record, fault }, past)| {
        if let Some(fault) = fault {
            return Err(fault);
        }
        if !past.is_empty() {
            let past = past.into_iter().map(|at| Value::Object(records[at].clone())).collect();
            record.insert(HISTORY_FIELD.to_owned(), past);
        }
        Ok(record)
    });
    Ok(with_past.collect())
}

/// A row of a table: what could be read of it, and why it gets no score.
pub(super) struct Row {
    pub record: Map<String, Value>,
    pub fault: Option<Vec<FieldProblem>>,
}

/// A problem of a table as a whole.
pub(super) fn problem(field: &str, message: impl Into<String>, kind: &'static str) -> FieldProblem {
    FieldProblem { field: field.to_owned(), message: message.into(), kind }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::serve::test_app::table_form;

    fn panel() -> TableForm {
        TableForm { panel: Some(("risk".to_owned(), "mode".to_owned())), ..table_form() }
    }

    fn row(patient: Value, year: Value) -> Row {
        let record = [("risk", patient), ("mode", year)].map(|(name, value)| (name.to_owned(), value));
        Row { record: record.into_iter().filter(|(_, value)| !value.is_null()).collect(), fault: None }
    }

    #[test]
    fn rows_of_one_patient_lend_each_other_their_past_however_its_number_is_spelled() {
        let rows = vec![row(json!(7), json!(2)), row(json!(7.0), json!(1)), row(json!(8), json!(1))];
        let items = items(&panel(), rows).expect("a table");
        let pasts: Vec<_> = items
            .iter()
            .map(|item| item.as_ref().expect("a record").get(HISTORY_FIELD).and_then(Value::as_array).map(Vec::len))
            .collect();
        assert_eq!(pasts, [Some(1), None, None]);
    }

    #[test]
    fn a_row_that_belongs_to_nobody_spoils_a_table_of_histories() {
        for lost in [row(Value::Null, json!(1)), row(json!(7), Value::Null)] {
            let problems = items(&panel(), vec![row(json!(7), json!(2)), lost]).expect_err("refused");
            assert!(problems[0].message.contains("row 2 has no"), "{problems:?}");
        }
        assert!(items(&table_form(), vec![row(Value::Null, json!(1))]).is_ok(), "elsewhere it is its own problem");
    }

    #[test]
    fn a_long_history_in_one_table_is_refused_before_it_is_copied() {
        let rows = (0..1000).map(|year| row(json!(7), json!(year))).collect();
        assert!(items(&panel(), rows).expect_err("too long")[0].message.contains("fewer rows"));
    }
}
