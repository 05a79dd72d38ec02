//! Patients of a trial whose risk comes from age, phase and arm alone: the columns, marginals and defects of the public
//! 1,000-row dropout reference file.
//!
//! Kept on purpose: `dropout_day` lies *within* the follow-up that `days_in_trial` counts, and is that follow-up's end
//! for patients who stayed. So the columns of follow-up describe time after the outcome, and a model that uses them
//! answers no question about the future; the study that uses this cohort says so. The noiseless risk ranks with an
//! AUROC of about 0.64 (0.61 in the 1,000 rows of the file), and no model can do better.

use schemars::JsonSchema;
use serde::Deserialize;

use super::cohort::{Cohort, check_rows, choose};
use super::dropout::{HEADER, Row, phase_risk};
use crate::common::rng::Stream;

/// `generate` for `kind: dropout_trial`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DropoutTrialParams {
    /// Patients.
    pub n: usize,
    /// Instead of the study's seed.
    #[serde(default)]
    pub seed: Option<u64>,
}

/// A dropout after this day is a late one.
const EARLY_END: i64 = 90;

impl DropoutTrialParams {
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        check_rows(self.n)
    }
}

pub(super) fn generate(params: &DropoutTrialParams, seed: u64) -> Cohort {
    let mut stream = Stream::new(seed, "generate dropout_trial");
    let mut cohort = Cohort::new(HEADER);
    for number in 1..=params.n {
        cohort.push(patient(&mut stream, number));
    }
    cohort
}

fn patient(stream: &mut Stream, number: usize) -> Vec<String> {
    let age = stream.integer(25, 84);
    let gender = choose(stream, &[("Male", 1.0), ("Female", 1.0)]);
    let phase = choose(stream, &[("Phase I", 0.25), ("Phase II", 0.35), ("Phase III", 0.40)]);
    let arm = choose(stream, &[("Active", 0.4), ("Control", 0.3), ("Placebo", 0.3)]);
    let days = stream.integer(30, 199);
    let risk = risk(age, phase, arm, stream.uniform());
    let months = libm::floor(days as f64 / 30.0);
    let visits = libm::floor(months * (1.0 - risk) * (0.7 + 0.6 * stream.uniform())) as i64;
    let away = days as f64 * risk * (0.3 + 0.5 * stream.uniform());
    let last_visit = if visits > 0 { days - libm::floor(away) as i64 } else { 0 };
    let adverse = stream.poisson(5.0 * risk + 0.5);
    let chance = (risk + 0.1 * stream.normal()).clamp(0.0, 1.0);
    let dropped = stream.chance(chance);
    let left = stream.integer(days / 3, days);
    let day = if dropped { left } else { days };

    let (early, late) = (dropped && day <= EARLY_END, dropped && day > EARLY_END);
    let day = Some(day);
    Row { number, age, gender, arm, phase, days, visits, last_visit, adverse, dropped, day, early, late }.texts()
}

/// Chance of leaving before noise; `other` in [0, 1) is what nobody measured.
fn risk(age: i64, phase: &str, arm: &str, other: f64) -> f64 {
    let arm = match arm {
        "Active" => 0.1,
        "Control" => 0.3,
        _ => 0.5,
    };
    (0.30 * (age - 25) as f64 / 60.0 + 0.35 * phase_risk(phase) + 0.25 * arm + 0.10 * other).clamp(0.05, 0.90)
}
