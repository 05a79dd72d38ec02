//! Patients and their events in, one row per patient at risk on the landmark day out: what was known by then, and
//! whether the outcome came within the horizon.
//!
//! Predictors are built from events up to and including the landmark day only, and the columns that tell how the
//! follow-up went (its end, the day of the outcome) do not leave this stage. So a follow-up column cannot give the
//! outcome away, whatever the study does afterwards. Patients who had the outcome or left observation by the landmark
//! day are not at risk; those not watched to the horizon have an unknown outcome. Both are left out and counted.
//! Method: landmarking, van Houwelingen (2007), Scand J Stat 34:70–85.

mod build;
mod features;
mod files;
mod params;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use params::{Build, EventColumns, FeatureParams, LandmarkParams, PatientColumns};

use crate::common::canonical_json;
use crate::common::source::Source;
use crate::{ParamError, ParamSet, Role, Stage, StageContext, StageError, StageFile};

/// landmark.json: who came in, and why who was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LandmarkReport {
    /// Version of this format.
    pub schema_version: u32,
    /// Whether both files are the study's own; a synthetic one makes the whole synthetic.
    pub source: Source,
    /// The landmark, in days since each patient's start.
    pub day: u32,
    /// Days after the landmark within which the outcome counts.
    pub horizon: u32,
    /// Patients in the file.
    pub patients: u64,
    /// Of them: had the outcome on or before the landmark day.
    pub outcome_by_landmark: u64,
    /// Of them: observation had ended before the landmark day without the outcome.
    pub ended_by_landmark: u64,
    /// At risk at the landmark, but neither had the outcome within the horizon nor were observed to its end.
    pub censored: u64,
    /// Rows written.
    pub kept: u64,
    /// Of them: had the outcome within the horizon.
    pub events: u64,
    /// Records in the file of events.
    pub records: u64,
    /// Of them: later than the landmark day, so unknown on it.
    pub records_after_landmark: u64,
}

/// The stage `landmark`.
pub struct Landmark;

impl Stage for Landmark {
    fn name(&self) -> &'static str {
        "landmark"
    }

    fn version(&self) -> u32 {
        1
    }

    fn about(&self) -> &'static str {
        "makes one row per patient at a landmark day from dated events"
    }

    fn inputs(&self) -> &'static [Role] {
        const {
            &[
                Role::optional("patients", "the study's own .csv of patients; it wins"),
                Role::optional("events", "the study's own .csv of dated events; it wins"),
                Role::optional("synthetic", "a seeded cohort's patients, used when there are no others"),
                Role::optional("synthetic_events", "that cohort's events"),
            ]
        }
    }

    fn outputs(&self) -> &'static [Role] {
        const {
            &[
                Role::required("table", "CSV for ingest: patients at risk, what was known, the outcome"),
                Role::required("report", "who was left out, and why"),
            ]
        }
    }

    fn params(&self) -> &'static [Role] {
        const { &[Role::required("landmark", "the day, the horizon, and what to build from the events")] }
    }

    fn check(&self, params: &ParamSet) -> Result<(), ParamError> {
        params.parse::<LandmarkParams>("landmark")?.check()
    }

    fn run(&self, context: &StageContext) -> Result<(), StageError> {
        let params: LandmarkParams = context.param("landmark")?;
        let (patients, events, source) = sources(context)?;
        let patients = files::Patients::read(patients, &params)?;
        context.progress(patients.rows.len() as u64, None, "rows", "patients read");
        let events = files::Events::read(events, &params, &patients)?;
        let built = build::build(&params, &patients, &events, source);
        context.progress(built.report.kept, Some(built.report.kept), "rows", "patients at risk");
        built.write(context.output("table")?)?;
        canonical_json::write(context.output("report")?, &built.report)
    }
}

/// Both files come from one place: rows of the one would mean nothing beside the other's.
fn sources<'a>(context: &'a StageContext) -> Result<(&'a StageFile, &'a StageFile, Source), StageError> {
    match (context.input_opt("patients"), context.input_opt("events")) {
        (Some(patients), Some(events)) => Ok((patients, events, Source::Real)),
        (None, None) => match (context.input_opt("synthetic"), context.input_opt("synthetic_events")) {
            (Some(patients), Some(events)) => Ok((patients, events, Source::Synthetic)),
            _ => Err(StageError::failed(
                "there are no patients and events to read: the declared input files do not exist",
            )
            .with_hint(
                "put the study's files where `patients` and `events` point, or bind the synthetic roles to a cohort",
            )),
        },
        (Some(found), None) | (None, Some(found)) => Err(StageError::failed(format!(
            "{} is there, but not the other of the two files `patients` and `events`",
            found.name
        ))
        .with_hint("put both in place, or neither")),
    }
}
