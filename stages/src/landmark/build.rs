//! Who is at risk at the landmark, with which predictors and which outcome.

use std::path::Path;

use super::LandmarkReport;
use super::features;
use super::files::{Events, Patient, Patients};
use super::params::LandmarkParams;
use crate::StageError;
use crate::common::csv_file;
use crate::common::source::Source;

/// The table to write, and its report.
pub(super) struct Built {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
    /// Counts.
    pub report: LandmarkReport,
}

/// What becomes of a patient.
enum Fate {
    OutcomeBefore,
    EndedBefore,
    Censored,
    Kept { event: bool },
}

fn fate(patient: &Patient, day: i64, horizon: i64) -> Fate {
    match patient.outcome {
        Some(outcome) if outcome <= day => Fate::OutcomeBefore,
        // An outcome after the horizon shows that the patient was still observed at its end.
        Some(outcome) => Fate::Kept { event: outcome <= day + horizon },
        None if patient.end < day => Fate::EndedBefore,
        None if patient.end < day + horizon => Fate::Censored,
        None => Fate::Kept { event: false },
    }
}

pub(super) fn build(params: &LandmarkParams, patients: &Patients, events: &Events, source: Source) -> Built {
    let (day, horizon) = (i64::from(params.day), i64::from(params.horizon));
    let behind = |name: &String| {
        *name == params.patients.end || *name == params.patients.outcome_day || params.patients.drop.contains(name)
    };
    let stay: Vec<usize> = (0..patients.header.len()).filter(|&column| !behind(&patients.header[column])).collect();
    let header = stay.iter().map(|&column| patients.header[column].clone());
    let header = header.chain(params.features.iter().map(|feature| feature.name.clone()));
    let header = header.chain([params.outcome.clone()]).collect();
    let mut report = counted(params, patients, events, source);
    let mut rows = Vec::new();
    for (patient, events) in patients.rows.iter().zip(&events.of) {
        match fate(patient, day, horizon) {
            Fate::OutcomeBefore => report.outcome_by_landmark += 1,
            Fate::EndedBefore => report.ended_by_landmark += 1,
            Fate::Censored => report.censored += 1,
            Fate::Kept { event } => {
                report.kept += 1;
                report.events += u64::from(event);
                let cells = stay.iter().map(|&column| patient.cells.get(column).unwrap_or_default().to_owned());
                let built = params.features.iter().map(|feature| features::cell(feature, events, day));
                rows.push(cells.chain(built).chain([u8::from(event).to_string()]).collect());
            }
        }
    }
    Built { header, rows, report }
}

/// The report before any patient is looked at.
fn counted(params: &LandmarkParams, patients: &Patients, events: &Events, source: Source) -> LandmarkReport {
    let later = events.of.iter().flatten().filter(|event| event.day > i64::from(params.day)).count();
    LandmarkReport {
        schema_version: 1,
        source,
        day: params.day,
        horizon: params.horizon,
        patients: patients.rows.len() as u64,
        outcome_by_landmark: 0,
        ended_by_landmark: 0,
        censored: 0,
        kept: 0,
        events: 0,
        records: events.records,
        records_after_landmark: later as u64,
    }
}

impl Built {
    /// Writes the rows as CSV; a table without any is an error, since nothing can be learned from it.
    pub(super) fn write(&self, path: &Path) -> Result<(), StageError> {
        if self.rows.is_empty() {
            let message = format!(
                "no patient is at risk on day {} and followed for {} days",
                self.report.day, self.report.horizon
            );
            return Err(StageError::failed(message).with_hint("move `landmark.day`, or shorten `landmark.horizon`"));
        }
        csv_file::write(path, &self.header, self.rows.iter())
    }
}
