//! Seeded synthetic cohorts: raw tables that look like a study's own, for demonstration, tests and development.
//!
//! The only stage that knows a study's column names. Its numbers come from named random streams and `libm`, so the
//! same seed gives the same bytes everywhere. It must never write over a user's file: its output is `*.synthetic.csv`
//! by convention, and ingest prefers the real table.

mod cohort;
mod drift;
mod dropout;
mod dropout_trial;
mod dropout_visits;
mod patient_year;
mod stroke;
mod stroke_register;
#[cfg(test)]
mod tests;
mod treatment;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use crate::common::tagged;
use crate::{ParamError, ParamSet, Role, Stage, StageContext, StageError};

/// `generate` in params.yaml.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(remote = "Self", rename_all = "snake_case")]
#[schemars(rename = "GenerateParams", tag = "kind")]
pub enum GenerateParams {
    /// Patients of a clinical trial, some of whom drop out.
    DropoutCausal(dropout::DropoutParams),
    /// Patients of a trial whose risk comes from age, phase and arm, as in the public 1,000-row dropout file.
    DropoutTrial(dropout_trial::DropoutTrialParams),
    /// Patients of a trial with their visits and adverse events day by day; writes a second file, of events.
    DropoutVisits(dropout_visits::DropoutVisitsParams),
    /// Patients seen once a year, some of whom fall ill. The name of the output decides its form: `.csv`, `.parquet`, or
    /// with a final `/` a directory with a Parquet file for every year.
    PatientYear(patient_year::PatientYearParams),
    /// People at risk of stroke, with the columns and quirks of the public 5,110-row file.
    Stroke(stroke::StrokeParams),
    /// A register of people with socio-economic status and diabetes, with the columns of the 10,000-row stroke file.
    StrokeRegister(stroke_register::StrokeRegisterParams),
    /// Patients under drug treatment with an improvement score, with the columns of the public 1,000-row file.
    TreatmentOutcome(treatment::TreatmentParams),
}

impl<'de> Deserialize<'de> for GenerateParams {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        tagged::read(deserializer, "kind", |plain| Self::deserialize(plain))
    }
}

/// The stage `generate`.
pub struct Generate;

impl Stage for Generate {
    fn name(&self) -> &'static str {
        "generate"
    }

    fn version(&self) -> u32 {
        1
    }

    fn about(&self) -> &'static str {
        "writes a seeded synthetic cohort"
    }

    fn inputs(&self) -> &'static [Role] {
        &[]
    }

    fn outputs(&self) -> &'static [Role] {
        const {
            &[
                Role::required("table", "the cohort as CSV; of patient years also as Parquet"),
                Role::optional("summary", "rows and events by year, of patient years"),
                Role::optional("events", "dated events as CSV, of the kinds of cohort that have them"),
            ]
        }
    }

    fn params(&self) -> &'static [Role] {
        const { &[Role::required("seed", "the study's seed"), Role::required("generate", "the kind of cohort and its size")] }
    }

    fn check(&self, params: &ParamSet) -> Result<(), ParamError> {
        params.parse::<u64>("seed")?;
        parse(params).map(|_| ())
    }

    fn run(&self, context: &StageContext) -> Result<(), StageError> {
        let seed = context.seed()?;
        let (cohort, events) = match parse(context.params())? {
            GenerateParams::DropoutCausal(params) => (dropout::generate(&params, params.seed.unwrap_or(seed)), None),
            GenerateParams::DropoutTrial(params) => {
                (dropout_trial::generate(&params, params.seed.unwrap_or(seed)), None)
            }
            GenerateParams::DropoutVisits(params) => {
                let (patients, events) = dropout_visits::generate(&params, params.seed.unwrap_or(seed));
                (patients, Some(events))
            }
            GenerateParams::PatientYear(params) => {
                return patient_year::generate(&params, params.seed.unwrap_or(seed), context);
            }
            GenerateParams::Stroke(params) => (stroke::generate(&params, params.seed.unwrap_or(seed)), None),
            GenerateParams::StrokeRegister(params) => {
                (stroke_register::generate(&params, params.seed.unwrap_or(seed)), None)
            }
            GenerateParams::TreatmentOutcome(params) => {
                (treatment::generate(&params, params.seed.unwrap_or(seed)), None)
            }
        };
        context.progress(cohort.rows() as u64, Some(cohort.rows() as u64), "rows", "cohort drawn");
        cohort.write(context.output("table")?)?;
        match (events, context.output_opt("events")) {
            (Some(events), Some(path)) => events.write(path),
            (None, None) => Ok(()),
            (Some(_), None) => {
                Err(StageError::failed("this kind of cohort has events, and no file is declared for them")
                    .with_hint("add `events: data/synthetic_events.csv` to the stage's outs"))
            }
            (None, Some(_)) => Err(StageError::failed("this kind of cohort has no events to write")
                .with_hint("remove `events` from the stage's outs, or choose `kind: dropout_visits`")),
        }
    }
}

fn parse(params: &ParamSet) -> Result<GenerateParams, ParamError> {
    let parsed = params.parse::<GenerateParams>("generate")?;
    match &parsed {
        GenerateParams::DropoutCausal(params) => params.check().map_err(fault)?,
        GenerateParams::DropoutTrial(params) => params.check().map_err(fault)?,
        GenerateParams::DropoutVisits(params) => params.check().map_err(fault)?,
        GenerateParams::PatientYear(params) => params.check().map_err(fault)?,
        GenerateParams::Stroke(params) => params.check().map_err(fault)?,
        GenerateParams::StrokeRegister(params) => params.check().map_err(fault)?,
        GenerateParams::TreatmentOutcome(params) => params.check().map_err(fault)?,
    }
    Ok(parsed)
}

/// A fault below `generate`, with its whole path.
fn fault<K: std::fmt::Display>((key, message): (K, String)) -> ParamError {
    ParamError::new(format!("generate.{key}"), message)
}
