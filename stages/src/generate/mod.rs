//! Seeded synthetic cohorts: raw tables that look like a study's own, for demonstration, tests and development.
//!
//! The only stage that knows a study's column names. Its numbers come from named random streams and `libm`, so the
//! same seed gives the same bytes everywhere. It must never write over a user's file: its output is `*.synthetic.csv`
//! by convention, and ingest prefers the real table.

mod cohort;
mod dropout;
mod patient_year;
mod stroke;
#[cfg(test)]
mod tests;

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
    /// People at risk of stroke, with the columns and quirks of the public 5,110-row file.
    Stroke(stroke::StrokeParams),
    /// Patients seen once a year, some of whom fall ill. The name of the output decides its form: `.csv`, `.parquet`, or
    /// with a final `/` a directory with a Parquet file for every year.
    PatientYear(patient_year::PatientYearParams),
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
        let cohort = match parse(context.params())? {
            GenerateParams::DropoutCausal(params) => dropout::generate(&params, params.seed.unwrap_or(seed)),
            GenerateParams::Stroke(params) => stroke::generate(&params, params.seed.unwrap_or(seed)),
            GenerateParams::PatientYear(params) => {
                return patient_year::generate(&params, params.seed.unwrap_or(seed), context);
            }
        };
        context.progress(cohort.rows() as u64, Some(cohort.rows() as u64), "rows", "cohort drawn");
        cohort.write(context.output("table")?)
    }
}

fn parse(params: &ParamSet) -> Result<GenerateParams, ParamError> {
    let parsed = params.parse::<GenerateParams>("generate")?;
    let fault = |(key, message): (&str, String)| ParamError::new(format!("generate.{key}"), message);
    match &parsed {
        GenerateParams::DropoutCausal(params) => params.check().map_err(fault)?,
        GenerateParams::Stroke(params) => params.check().map_err(fault)?,
        GenerateParams::PatientYear(params) => params.check().map_err(fault)?,
    }
    Ok(parsed)
}
