//! The two raw files: patients, and dated events. Every fault names file, row and column.

use std::collections::BTreeMap;

use csv::StringRecord;

use super::params::LandmarkParams;
use crate::{StageError, StageFile};

/// The patients' file.
pub(super) struct Patients {
    /// Its header.
    pub header: Vec<String>,
    /// Its rows, in order, as texts.
    pub rows: Vec<Patient>,
    /// Row of each patient.
    index: BTreeMap<String, usize>,
}

/// A patient.
pub(super) struct Patient {
    /// The row's cells.
    pub cells: StringRecord,
    /// Last day of observation.
    pub end: i64,
    /// Day of the outcome, if it came.
    pub outcome: Option<i64>,
}

/// The events of every patient, in the order of the patients' rows.
pub(super) struct Events {
    /// Events per patient, in the file's order.
    pub of: Vec<Vec<Event>>,
    /// Records read.
    pub records: u64,
}

/// A dated event.
pub(super) struct Event {
    /// Days since the patient's start.
    pub day: i64,
    /// What happened.
    pub kind: String,
    /// Its value, if the study names a column for it and the cell is not empty.
    pub value: Option<f64>,
}

impl Patients {
    pub(super) fn read(file: &StageFile, params: &LandmarkParams) -> Result<Self, StageError> {
        let mut raw = Raw::open(file)?;
        let entity = raw.column(&params.entity)?;
        let end = raw.column(&params.patients.end)?;
        let outcome = raw.column(&params.patients.outcome_day)?;
        for name in &params.patients.drop {
            raw.column(name)?;
        }
        let built = params.features.iter().map(|feature| &feature.name).chain([&params.outcome]);
        for name in built {
            if raw.header.contains(name) {
                let message = "is the name of a column that `landmark` builds; rename one of them";
                return Err(StageError::Input {
                    file: file.name.clone(),
                    row: None,
                    column: Some(name.clone()),
                    message: message.to_owned(),
                    hint: String::new(),
                });
            }
        }
        let (mut rows, mut index) = (Vec::new(), BTreeMap::new());
        while let Some(record) = raw.next()? {
            let name = raw.text(&record, entity)?;
            if index.insert(name.to_owned(), rows.len()).is_some() {
                return Err(raw.cell(&record, entity, format!("`{name}` has a row already: one row a patient")));
            }
            let patient = Patient {
                end: raw.day(&record, end)?.ok_or_else(|| raw.cell(&record, end, "is empty".to_owned()))?,
                outcome: raw.day(&record, outcome)?,
                cells: record,
            };
            if let Some(day) = patient.outcome.filter(|day| *day > patient.end) {
                let message = format!("day {day} lies after the last day of observation, {}", patient.end);
                return Err(raw.cell(&patient.cells, outcome, message));
            }
            rows.push(patient);
        }
        if rows.is_empty() {
            return Err(StageError::input(&file.name, "has no rows"));
        }
        Ok(Self { header: raw.header, rows, index })
    }
}

impl Events {
    pub(super) fn read(file: &StageFile, params: &LandmarkParams, patients: &Patients) -> Result<Self, StageError> {
        let mut raw = Raw::open(file)?;
        let entity = raw.column(&params.entity)?;
        let day = raw.column(&params.events.day)?;
        let kind = raw.column(&params.events.kind)?;
        let value = params.events.value.as_ref().map(|name| raw.column(name)).transpose()?;
        let mut of: Vec<Vec<Event>> = patients.rows.iter().map(|_| Vec::new()).collect();
        let mut records = 0;
        while let Some(record) = raw.next()? {
            let name = raw.text(&record, entity)?;
            let Some(&row) = patients.index.get(name) else {
                return Err(raw.cell(&record, entity, format!("`{name}` is not in the file of patients")));
            };
            let event = Event {
                day: raw.day(&record, day)?.ok_or_else(|| raw.cell(&record, day, "is empty".to_owned()))?,
                kind: raw.text(&record, kind)?.to_owned(),
                value: value.map(|column| raw.number(&record, column)).transpose()?.flatten(),
            };
            of[row].push(event);
            records += 1;
        }
        Ok(Self { of, records })
    }
}

/// A CSV file that is being read, with what its errors need.
struct Raw<'a> {
    file: &'a StageFile,
    header: Vec<String>,
    reader: csv::Reader<std::fs::File>,
}

impl<'a> Raw<'a> {
    fn open(file: &'a StageFile) -> Result<Self, StageError> {
        let opened =
            std::fs::File::open(&file.path).map_err(|error| StageError::input(&file.name, error.to_string()))?;
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(opened);
        let unreadable = |error: csv::Error| StageError::input(&file.name, format!("is not readable as CSV: {error}"));
        let mut header: Vec<String> = reader.headers().map_err(unreadable)?.iter().map(str::to_owned).collect();
        if let Some(first) = header.first_mut() {
            *first = first.trim_start_matches('\u{feff}').to_owned();
        }
        Ok(Self { file, header, reader })
    }

    fn column(&self, name: &str) -> Result<usize, StageError> {
        self.header.iter().position(|column| column == name).ok_or_else(|| {
            let there = self.header.join(", ");
            StageError::input(&self.file.name, format!("has no column `{name}`")).with_hint(format!("it has: {there}"))
        })
    }

    fn next(&mut self) -> Result<Option<StringRecord>, StageError> {
        let mut record = StringRecord::new();
        match self.reader.read_record(&mut record) {
            Ok(true) => Ok(Some(record)),
            Ok(false) => Ok(None),
            Err(error) => Err(StageError::input(&self.file.name, format!("is not readable as CSV: {error}"))),
        }
    }

    fn cell(&self, record: &StringRecord, column: usize, message: String) -> StageError {
        let line = record.position().map_or(0, csv::Position::line);
        StageError::cell(&self.file.name, line, &self.header[column], message)
    }

    /// A cell that must not be empty.
    fn text<'r>(&self, record: &'r StringRecord, column: usize) -> Result<&'r str, StageError> {
        match record.get(column) {
            Some(text) if !text.is_empty() => Ok(text),
            _ => Err(self.cell(record, column, "is empty".to_owned())),
        }
    }

    fn day(&self, record: &StringRecord, column: usize) -> Result<Option<i64>, StageError> {
        let text = record.get(column).unwrap_or_default();
        if text.is_empty() {
            return Ok(None);
        }
        match text.parse::<i32>() {
            Ok(day) => Ok(Some(i64::from(day))),
            Err(_) => Err(self.cell(record, column, format!("`{text}` is not a whole number of days"))),
        }
    }

    fn number(&self, record: &StringRecord, column: usize) -> Result<Option<f64>, StageError> {
        let text = record.get(column).unwrap_or_default();
        if text.is_empty() {
            return Ok(None);
        }
        match text.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(Some(value)),
            _ => Err(self.cell(record, column, format!("`{text}` is not a number"))),
        }
    }
}
