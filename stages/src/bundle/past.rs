//! The earlier rows of a patient that a request brings along as `history`, and the columns made of them.
//!
//! A past row passes exactly when it would stand in a table: its values are judged like a record's, but it needs only the
//! columns that the past is made of. It must lie before the record. The columns are computed by the code that computed
//! them in training; without `history` the record is its patient's first row.

use serde_json::{Map, Value};

use super::record::{FieldError, RecordSchema, kind_of};
use crate::common::frame::{Column, Frame};
use crate::featurize::{HISTORY_FIELD, HistorySpec};
use crate::validate::Level;

/// What is made of earlier rows.
#[derive(Debug)]
pub(super) struct Past {
    spec: HistorySpec,
    /// The fields of a past row that matter: time, the columns whose past is used, and those that say their units.
    needed: Vec<String>,
}

impl RecordSchema {
    /// Lets records bring their patients' earlier rows.
    #[must_use]
    pub fn with_past(mut self, history: Option<HistorySpec>) -> Self {
        if let (None, Some(spec)) = (&self.id, &history) {
            self.id = Some(spec.entity.clone());
        }
        self.past = history.map(|spec| {
            let mut needed: Vec<String> = spec.sources().into_iter().map(str::to_owned).collect();
            needed.push(spec.time.clone());
            needed.extend(self.units.unit_columns(&needed));
            needed.sort();
            needed.dedup();
            Past { spec, needed }
        });
        self
    }

    /// The fields that a past row must have, in name order; nothing when the study has no history.
    pub fn required_of_past(&self) -> Option<Vec<String>> {
        let needed = &self.past.as_ref()?.needed;
        let required = |name: &&String| self.fields.get(*name).is_some_and(super::record::Field::required);
        Some(needed.iter().filter(required).cloned().collect())
    }

    /// The columns made of the past for a record whose fields are `values`; what is wrong is added to `errors`.
    pub(super) fn read_past(
        &self,
        record: &Map<String, Value>,
        values: &Frame,
        errors: &mut Vec<FieldError>,
    ) -> Vec<(String, Column)> {
        let Some(Past { spec, .. }) = &self.past else { return Vec::new() };
        let known = errors.len();
        let items = match record.get(HISTORY_FIELD) {
            None | Some(Value::Null) => &[][..],
            Some(Value::Array(items)) => items.as_slice(),
            Some(other) => {
                let message = format!("must be a list of earlier rows, not {}", kind_of(other));
                errors.push(FieldError { field: HISTORY_FIELD.to_owned(), message, kind: "type" });
                return Vec::new();
            }
        };
        let mut rows = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let (faults, row) = self.past_row(item, values, spec);
            errors.extend(faults.into_iter().map(|fault| at(index, fault)));
            rows.push(row);
        }
        if errors.len() > known || number(values, &spec.time).is_none() {
            return Vec::new();
        }
        rows.push(values.clone());
        match spec.of_patient(&stacked(spec, &rows), rows.len() - 1) {
            Ok(columns) => columns,
            Err(error) => {
                let message = error.to_string();
                errors.push(FieldError { field: HISTORY_FIELD.to_owned(), message, kind: "history" });
                Vec::new()
            }
        }
    }

    /// One past row and what is wrong with it.
    fn past_row(&self, item: &Value, values: &Frame, spec: &HistorySpec) -> (Vec<FieldError>, Frame) {
        let Value::Object(item) = item else {
            let message = format!("must be an object, not {}", kind_of(item));
            let fault = FieldError { field: String::new(), message, kind: "type" };
            return (vec![fault], Frame::with_rows(1));
        };
        let needed = |name: &str| self.past.as_ref().is_some_and(|past| past.needed.iter().any(|one| one == name));
        let (mut faults, row) = self.read(item, &needed);
        faults.extend(item.keys().filter(|name| !self.fields.contains_key(*name)).map(|name| self.unknown(name)));
        let mut fault = |field: &str, message: &str| {
            faults.push(FieldError { field: field.to_owned(), message: message.to_owned(), kind: "history" });
        };
        if let (Some(then), Some(now)) = (number(&row, &spec.time), number(values, &spec.time))
            && then >= now
        {
            fault(&spec.time, &format!("must lie before {now}, the record's own"));
        }
        if row.get(&spec.entity).is_some_and(|entity| Some(entity) != values.get(&spec.entity)) {
            fault(&spec.entity, "is another patient than the record's");
        }
        let broken = self.rules.broken(&row, Level::Error).into_iter().map(|(error, _)| error);
        // What training saw together concerns the row that is scored.
        faults.extend(broken.filter(|error| error.kind == "rule"));
        (faults, row)
    }
}

fn at(index: usize, fault: FieldError) -> FieldError {
    let field = format!("{HISTORY_FIELD}.{index}.{}", fault.field);
    FieldError { field: field.trim_end_matches('.').to_owned(), ..fault }
}

/// The number in a row of one, unless it is missing.
fn number(row: &Frame, name: &str) -> Option<f64> {
    row.get(name)?.numbers()?.first().copied().filter(|value| !value.is_nan())
}

/// Rows of one patient as one table with the columns that the past is made of.
fn stacked(spec: &HistorySpec, rows: &[Frame]) -> Frame {
    let mut frame = Frame::with_rows(rows.len());
    for name in spec.sources().into_iter().chain([spec.time.as_str()]) {
        frame.insert(name, Column::Number(rows.iter().map(|row| number(row, name).unwrap_or(f64::NAN)).collect()));
    }
    frame
}
