//! Patients of a clinical trial, seen at a random day of their follow-up, some of whom leave before its end.
//!
//! The columns up to `adverse_events` are known at the moment of prediction. The risk grows with the rate of adverse
//! events, missed visits, the trial's phase, the arm and youth; a normal deviate stands for what nobody measured. So no
//! model can do better than the noiseless risk, whose AUROC is about 0.71.

use schemars::JsonSchema;
use serde::Deserialize;

use super::cohort::{Cohort, check_deviation, check_rows, check_share};
use super::drift::{Count, Course, DriftParams, Now, Population, Weights};
use crate::common::rng::Stream;

/// `generate` for `kind: dropout_causal`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DropoutParams {
    /// Patients.
    pub n: usize,
    /// Instead of the study's seed.
    #[serde(default)]
    pub seed: Option<u64>,
    /// Standard deviation of the unmeasured part of the risk.
    #[serde(default = "default_noise")]
    pub noise: f64,
    /// Share of patients whose age was not recorded.
    #[serde(default)]
    pub missing_age: f64,
    /// A later population, in which something has changed; absent: none.
    #[serde(default)]
    pub drift: Option<DriftParams>,
}

fn default_noise() -> f64 {
    0.15
}

/// The columns of a dropout file; every cohort of this kind has them.
pub(super) const HEADER: &[&str] = &[
    "patient_id",
    "age",
    "gender",
    "treatment_group",
    "trial_phase",
    "days_in_trial",
    "visits_completed",
    "last_visit_day",
    "adverse_events",
    "dropout",
    "dropout_day",
    "early_dropout",
    "late_dropout",
    "dropout_30_days",
];

/// Days of a trial.
const LAST_DAY: i64 = 364;
/// A dropout after this day is a late one.
const EARLY_END: i64 = 89;

/// The cohort without drift. Moments of counts are those of 4,000,000 patients.
pub(super) const BEFORE: Population = Population {
    age: (18, 84),
    days: (30, LAST_DAY),
    gender: &[("Male", 1.0), ("Female", 1.0), ("Non-binary", 1.0)],
    arm: &[("Active", 1.0), ("Control", 1.0), ("Placebo", 1.0)],
    phase: &[("Phase I", 1.0), ("Phase II", 1.0), ("Phase III", 1.0)],
    visits: Count { mean: 4.188, sd: 2.601 },
    missed: 1.902,
    adverse: Count { mean: 1.2685, sd: 1.1362 },
    deciding: &["age", "treatment_group", "trial_phase", "visits_completed", "adverse_events"],
};

impl DropoutParams {
    pub(super) fn check(&self) -> Result<(), (String, String)> {
        check_rows(self.n)
            .and_then(|()| check_share("missing_age", self.missing_age))
            .and_then(|()| check_deviation("noise", self.noise))
            .map_err(|(key, message)| (key.to_owned(), message))?;
        self.drift.as_ref().map_or(Ok(()), |drift| drift.check(&BEFORE, self.n))
    }
}

pub(super) fn generate(params: &DropoutParams, seed: u64) -> Cohort {
    let mut stream = Stream::new(seed, "generate dropout_causal");
    // Gaps are drawn apart, so asking for some changes no patient.
    let mut gaps = Stream::new(seed, "generate dropout_causal missing");
    let course = Course::new(params.drift.as_ref(), &BEFORE, (seed, "generate dropout_causal"), params.n);
    let mut cohort = Cohort::new(&course.header(HEADER));
    for index in 0..params.n {
        let mut row = course.draw(&mut stream, index, |stream, number, now| patient(stream, number, params.noise, now));
        if gaps.chance(params.missing_age) {
            row[1].clear();
        }
        cohort.push(row);
    }
    cohort
}

fn patient(stream: &mut Stream, number: usize, noise: f64, now: &mut Now) -> Vec<String> {
    let age = now.age(stream.integer(BEFORE.age.0, BEFORE.age.1));
    let (gender, arm, phase) = (now.gender(stream), now.arm(stream), now.phase(stream));
    let days = now.days(stream.integer(BEFORE.days.0, BEFORE.days.1));
    let visits = libm::floor(days as f64 / 30.0 * beta_5_2(stream)) as i64;
    let visits = now.visits(visits, days / 30);
    let last_visit = if visits > 0 { stream.integer((days - 60).max(1), days) } else { 0 };
    let age_share = (age - 18) as f64 / 67.0;
    let adverse = now.adverse(stream.poisson(0.9 * (1.0 + 0.5 * age_share + 0.3 * days as f64 / 365.0)));

    let risk = now.weights().risk(age_share, arm, phase, days, visits, adverse) + noise * stream.normal();
    let dropped = stream.chance(1.0 / (1.0 + libm::exp(-now.log_odds(3.0 * (risk - 0.5)))));
    let early = stream.chance(risk.clamp(0.0, 0.8));
    let early_day = stream.integer(1, EARLY_END);
    let late_day = stream.integer(EARLY_END + 1, LAST_DAY);
    let day = dropped.then_some(if early { early_day } else { late_day });

    let (early, late) = (dropped && early, dropped && !early);
    Row { number, age, gender, arm, phase, days, visits, last_visit, adverse, dropped, day, early, late }.texts()
}

/// A row of a dropout file.
pub(super) struct Row {
    pub number: usize,
    pub age: i64,
    pub gender: &'static str,
    pub arm: &'static str,
    pub phase: &'static str,
    pub days: i64,
    pub visits: i64,
    pub last_visit: i64,
    pub adverse: u64,
    pub dropped: bool,
    pub day: Option<i64>,
    pub early: bool,
    pub late: bool,
}

impl Row {
    /// Its cells, in the order of [`HEADER`].
    pub fn texts(&self) -> Vec<String> {
        let flag = |value: bool| u8::from(value).to_string();
        vec![
            format!("P-{:04}", self.number),
            self.age.to_string(),
            self.gender.to_owned(),
            self.arm.to_owned(),
            self.phase.to_owned(),
            self.days.to_string(),
            self.visits.to_string(),
            self.last_visit.to_string(),
            self.adverse.to_string(),
            flag(self.dropped),
            self.day.map_or_else(String::new, |day| day.to_string()),
            flag(self.early),
            flag(self.late),
            flag(self.dropped && self.day.is_some_and(|day| day <= 30)),
        ]
    }
}

/// How much a trial's phase adds to the risk.
pub(super) fn phase_risk(phase: &str) -> f64 {
    match phase {
        "Phase I" => 0.2,
        "Phase II" => 0.5,
        _ => 0.8,
    }
}

impl Weights {
    /// Risk of leaving before noise; weights of 1 are those of the published generator.
    fn risk(&self, age_share: f64, arm: &str, phase: &str, days: i64, visits: i64, adverse: u64) -> f64 {
        let adverse_rate = adverse as f64 / (days as f64 + 1.0);
        let visit_rate = visits as f64 / (days as f64 / 30.0 + 1.0);
        let arm_risk = match arm {
            "Active" => 0.1,
            "Control" => 0.3,
            _ => 0.4,
        };
        let youth = f64::from(age_share < 0.3);
        self.adverse_events * 0.35 * 100.0 * adverse_rate
            + self.visits_completed * 0.30 * (1.0 - visit_rate)
            + self.trial_phase * 0.20 * phase_risk(phase)
            + self.treatment_group * 0.10 * arm_risk
            + self.age * 0.05 * youth
    }
}

/// Beta(5, 2): the second largest of six uniform numbers.
fn beta_5_2(stream: &mut Stream) -> f64 {
    let mut draws = [0.0; 6];
    draws.fill_with(|| stream.uniform());
    draws.sort_by(f64::total_cmp);
    draws[4]
}
