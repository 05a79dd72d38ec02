//! Patients seen once a year, some of whom fall ill: the panel of a screening programme.
//!
//! Invariants: an outcome is decided by complete values, before any is left out; every patient has random streams of its
//! own, so a patient's rows do not depend on how many others there are, on chunks or on threads; the share with the event
//! is met exactly over all rows, by a cut of the risk in a first pass that keeps 8 bytes a row. No more rows than a row
//! group per file being written are in memory.

mod draw;
mod sink;
#[cfg(test)]
mod tests;

use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::draw::{Patient, Row};
use self::sink::Sink;
use super::cohort::check_share;
use crate::common::canonical_json;
use crate::{StageContext, StageError};

/// `generate` for `kind: patient_year`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PatientYearParams {
    /// Patients. Each has a row for every year in which it is 18 to 90 years old and was seen.
    pub n: usize,
    /// Instead of the study's seed.
    #[serde(default)]
    pub seed: Option<u64>,
    /// Years of observation.
    #[serde(default = "default_years")]
    pub years: u16,
    /// The first of them.
    #[serde(default = "default_start")]
    pub start_year: i32,
    /// Share of all rows with the event, met exactly up to rounding: the rows at highest risk.
    #[serde(default = "default_prevalence")]
    pub prevalence: f64,
    /// Added to the risk with every year: what makes later years differ from earlier ones.
    #[serde(default = "default_yearly_risk")]
    pub yearly_risk: f64,
    /// How often values are missing.
    #[serde(default)]
    pub missing: Missingness,
    /// Columns that have nothing to do with anything.
    #[serde(default = "default_noise")]
    pub noise_features: u16,
    /// Share of a patient's years without a row.
    #[serde(default)]
    pub unseen: f64,
    /// Share of events that are recorded a year early or late. The column `target_in_time` then holds what would have been
    /// recorded without that.
    #[serde(default)]
    pub uncertain_diagnosis: f64,
}

/// How often values are missing, independently of everything else; both blood pressures together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Missingness {
    /// Never.
    None,
    /// BMI 2 %, cholesterol 1 %, glucose 0.5 %, blood pressure 1 %.
    HighQuality,
    /// BMI 10 %, cholesterol 5 %, glucose 3 %, blood pressure 2 %.
    #[default]
    StandardPractice,
    /// BMI 15 %, cholesterol 25 %, glucose 20 %, blood pressure 8 %.
    ResourceLimited,
}

impl Missingness {
    /// The shares of missing BMI, cholesterol, glucose and blood pressure.
    fn rates(self) -> [f64; 4] {
        match self {
            Self::None => [0.0; 4],
            Self::HighQuality => [0.02, 0.01, 0.005, 0.01],
            Self::StandardPractice => [0.10, 0.05, 0.03, 0.02],
            Self::ResourceLimited => [0.15, 0.25, 0.20, 0.08],
        }
    }
}

fn default_years() -> u16 {
    8
}

fn default_start() -> i32 {
    2015
}

fn default_prevalence() -> f64 {
    0.07
}

fn default_yearly_risk() -> f64 {
    0.1
}

fn default_noise() -> u16 {
    10
}

/// Patients whose rows are drawn by one thread in one go.
const BLOCK: usize = 2048;
/// Blocks whose rows are in memory together.
const BLOCKS: usize = 16;

impl PatientYearParams {
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        const MOST: usize = 50_000_000;
        if !(1..=MOST).contains(&self.n) {
            return Err(("n", format!("{} is not between 1 and {MOST}", self.n)));
        }
        if !(1..=60).contains(&self.years) {
            return Err(("years", format!("{} is not between 1 and 60", self.years)));
        }
        if !(1960..=2060).contains(&self.start_year) {
            return Err(("start_year", format!("{} is not between 1960 and 2060", self.start_year)));
        }
        if self.noise_features > 200 {
            return Err(("noise_features", format!("{} is more than 200", self.noise_features)));
        }
        if !(self.yearly_risk.is_finite() && self.yearly_risk.abs() <= 10.0) {
            return Err(("yearly_risk", format!("{} is not between -10 and 10", self.yearly_risk)));
        }
        check_share("prevalence", self.prevalence)?;
        check_share("unseen", self.unseen)?;
        check_share("uncertain_diagnosis", self.uncertain_diagnosis)
    }

    fn patients(&self) -> impl Iterator<Item = std::ops::Range<usize>> {
        let n = self.n;
        (0..n).step_by(BLOCK * BLOCKS).map(move |first| first..(first + BLOCK * BLOCKS).min(n))
    }
}

/// What was written, for people.
#[derive(Debug, Serialize)]
struct Summary {
    schema_version: u32,
    patients: u64,
    rows: u64,
    events: u64,
    missing: Missingness,
    years: Vec<YearSummary>,
}

#[derive(Debug, Clone, Default, Serialize)]
struct YearSummary {
    year: i32,
    rows: u64,
    events: u64,
}

/// Draws the panel and writes it into the output roles.
pub(super) fn generate(params: &PatientYearParams, seed: u64, context: &StageContext) -> Result<(), StageError> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(context.threads()).build();
    let pool = pool.map_err(|error| StageError::failed(format!("cannot start threads: {error}")))?;
    pool.install(|| {
        let events = events(params, seed, context)?;
        let summary = write(params, seed, &events, context)?;
        context.output_opt("summary").map_or(Ok(()), |path| canonical_json::write(path, &summary))
    })
}

/// Which rows have the event: the share at highest risk, of equal risks the first.
fn events(params: &PatientYearParams, seed: u64, context: &StageContext) -> Result<Vec<bool>, StageError> {
    let mut risks: Vec<f64> = Vec::new();
    for range in params.patients() {
        let blocks: Vec<Vec<f64>> = blocks(&range)
            .into_par_iter()
            .map(|block| block.flat_map(|number| Patient::draw(params, seed, number).risks()).collect())
            .collect();
        risks.extend(blocks.into_iter().flatten());
        context.progress(range.end as u64, Some(params.n as u64), "patients", "risks drawn");
    }
    if risks.is_empty() {
        return Err(StageError::failed("no patient was ever seen at an age of 18 to 90")
            .with_hint("ask for more patients, other years, or a smaller share of unseen years"));
    }
    Ok(highest(&risks, (params.prevalence * risks.len() as f64).round() as usize))
}

/// Marks the `count` highest values, of equal ones the first.
fn highest(values: &[f64], count: usize) -> Vec<bool> {
    if count == 0 {
        return vec![false; values.len()];
    }
    let mut sorted = values.to_vec();
    let place = values.len() - count.min(values.len());
    let (_, cut, _) = sorted.select_nth_unstable_by(place, f64::total_cmp);
    let cut = *cut;
    let mut ties = count - values.iter().filter(|&&value| value > cut).count();
    let chosen = values.iter().map(|&value| {
        let tie = value == cut && ties > 0;
        ties -= usize::from(tie);
        value > cut || tie
    });
    chosen.collect()
}

fn write(
    params: &PatientYearParams,
    seed: u64,
    events: &[bool],
    context: &StageContext,
) -> Result<Summary, StageError> {
    let mut sink = Sink::open(context.output("table")?, params)?;
    let mut years = vec![YearSummary::default(); usize::from(params.years)];
    let (mut written, mut patients) = (0, 0);
    for range in params.patients() {
        let blocks: Vec<Vec<Vec<Row>>> = blocks(&range)
            .into_par_iter()
            .map(|block| block.map(|number| Patient::draw(params, seed, number).rows(params)).collect())
            .collect();
        for (number, mut rows) in range.clone().zip(blocks.into_iter().flatten()) {
            patients += u64::from(!rows.is_empty());
            let marked = events.get(written..written + rows.len()).unwrap_or_default();
            written += rows.len();
            draw::record(&mut rows, marked, params, seed, number);
            for row in &rows {
                let of_year = &mut years[row.index];
                (of_year.year, of_year.rows) = (row.year, of_year.rows + 1);
                of_year.events += u64::from(row.event);
                sink.push(number, row)?;
            }
        }
        context.progress(range.end as u64, Some(params.n as u64), "patients", "rows written");
    }
    sink.finish()?;
    years.retain(|year| year.rows > 0);
    Ok(Summary {
        schema_version: 1,
        patients,
        rows: written as u64,
        events: years.iter().map(|year| year.events).sum(),
        missing: params.missing,
        years,
    })
}

/// Consecutive blocks of patients.
fn blocks(range: &std::ops::Range<usize>) -> Vec<std::ops::Range<usize>> {
    let end = range.end;
    range.clone().step_by(BLOCK).map(|first| first..(first + BLOCK).min(end)).collect()
}
