//! Patients of a trial whose risk comes from age, phase and arm alone: the columns, marginals and defects of the public
//! 1,000-row dropout reference file.
//!
//! Kept on purpose: `dropout_day` lies *within* the follow-up that `days_in_trial` counts, and is that follow-up's end
//! for patients who stayed. So the columns of follow-up describe time after the outcome, and a model that uses them
//! answers no question about the future; the study that uses this cohort says so. The noiseless risk ranks with an
//! AUROC of about 0.64 (0.61 in the 1,000 rows of the file), and no model can do better.

use schemars::JsonSchema;
use serde::Deserialize;

use super::cohort::{Cohort, check_rows};
use super::drift::{Count, Course, DriftParams, Now, Population, Weights};
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
    /// A later population, in which something has changed; absent: none.
    #[serde(default)]
    pub drift: Option<DriftParams>,
}

/// A dropout after this day is a late one.
const EARLY_END: i64 = 90;

/// The cohort without drift. Moments of counts are those of 4,000,000 patients.
pub(super) const BEFORE: Population = Population {
    age: (25, 84),
    days: (30, 199),
    gender: &[("Male", 1.0), ("Female", 1.0)],
    arm: &[("Active", 0.4), ("Control", 0.3), ("Placebo", 0.3)],
    phase: &[("Phase I", 0.25), ("Phase II", 0.35), ("Phase III", 0.40)],
    visits: Count { mean: 1.3086, sd: 1.1178 },
    missed: 2.0437,
    adverse: Count { mean: 2.7916, sd: 1.7945 },
    deciding: &["age", "treatment_group", "trial_phase"],
};

impl DropoutTrialParams {
    pub(super) fn check(&self) -> Result<(), (String, String)> {
        check_rows(self.n).map_err(|(key, message)| (key.to_owned(), message))?;
        self.drift.as_ref().map_or(Ok(()), |drift| drift.check(&BEFORE, self.n))
    }
}

pub(super) fn generate(params: &DropoutTrialParams, seed: u64) -> Cohort {
    let mut stream = Stream::new(seed, "generate dropout_trial");
    let course = Course::new(params.drift.as_ref(), &BEFORE, (seed, "generate dropout_trial"), params.n);
    let mut cohort = Cohort::new(&course.header(HEADER));
    for index in 0..params.n {
        cohort.push(course.draw(&mut stream, index, patient));
    }
    cohort
}

fn patient(stream: &mut Stream, number: usize, now: &mut Now) -> Vec<String> {
    let age = now.age(stream.integer(BEFORE.age.0, BEFORE.age.1));
    let (gender, phase, arm) = (now.gender(stream), now.phase(stream), now.arm(stream));
    let days = now.days(stream.integer(BEFORE.days.0, BEFORE.days.1));
    let other = stream.uniform();
    // What comes of the risk besides leaving does not change with the relation.
    let risk = Weights::default().trial_risk(age, phase, arm, other);
    let months = libm::floor(days as f64 / 30.0);
    let visits = libm::floor(months * (1.0 - risk) * (0.7 + 0.6 * stream.uniform())) as i64;
    let visits = now.visits(visits, days / 30);
    let away = days as f64 * risk * (0.3 + 0.5 * stream.uniform());
    let last_visit = if visits > 0 { days - libm::floor(away) as i64 } else { 0 };
    let adverse = now.adverse(stream.poisson(5.0 * risk + 0.5));
    let leaving = now.weights().trial_risk(age, phase, arm, other);
    let chance = now.chance((leaving + 0.1 * stream.normal()).clamp(0.0, 1.0));
    let dropped = stream.chance(chance);
    let left = stream.integer(days / 3, days);
    let day = if dropped { left } else { days };

    let (early, late) = (dropped && day <= EARLY_END, dropped && day > EARLY_END);
    let day = Some(day);
    Row { number, age, gender, arm, phase, days, visits, last_visit, adverse, dropped, day, early, late }.texts()
}

impl Weights {
    /// Chance of leaving before noise; `other` in [0, 1) is what nobody measured. Weights of 1 are those of the file.
    fn trial_risk(&self, age: i64, phase: &str, arm: &str, other: f64) -> f64 {
        let arm = match arm {
            "Active" => 0.1,
            "Control" => 0.3,
            _ => 0.5,
        };
        let known = self.age * 0.30 * (age - 25) as f64 / 60.0
            + self.trial_phase * 0.35 * phase_risk(phase)
            + self.treatment_group * 0.25 * arm;
        (known + 0.10 * other).clamp(0.05, 0.90)
    }
}
