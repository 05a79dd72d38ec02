//! Patients of a one-year trial and everything that happened to them, day by day: visits, missed visits, adverse
//! events with a grade, until they leave or the trial ends.
//!
//! Whoever leaves early has fewer visits, so totals over the follow-up give the outcome away; only what had happened by
//! a landmark day may be used. The daily hazard of leaving grows with adverse events of the last 60 days, with missed
//! visits, by phase and arm, and with a frailty that nobody measures but that also makes visits be missed.

use schemars::JsonSchema;
use serde::Deserialize;

use super::cohort::{Cohort, check_rows, choose};
use super::dropout::phase_risk;
use crate::common::rng::Stream;

/// `generate` for `kind: dropout_visits`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DropoutVisitsParams {
    /// Patients.
    pub n: usize,
    /// Instead of the study's seed.
    #[serde(default)]
    pub seed: Option<u64>,
}

const PATIENTS: &[&str] =
    &["patient_id", "age", "gender", "treatment_group", "trial_phase", "last_day", "dropout_day", "visits_completed"];
const EVENTS: &[&str] = &["patient_id", "day", "event", "grade"];

/// Days of the trial.
const LAST_DAY: i64 = 364;
/// Days from one planned visit to the next.
const VISIT_EVERY: i64 = 28;

impl DropoutVisitsParams {
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        check_rows(self.n)
    }
}

/// Patients, and their events in order of patient and day.
pub(super) fn generate(params: &DropoutVisitsParams, seed: u64) -> (Cohort, Cohort) {
    let mut stream = Stream::new(seed, "generate dropout_visits");
    let (mut patients, mut events) = (Cohort::new(PATIENTS), Cohort::new(EVENTS));
    for number in 1..=params.n {
        let id = format!("P-{number:04}");
        let course = Course::draw(&mut stream);
        for (day, event, grade) in &course.events {
            let grade = grade.map_or_else(String::new, |grade| grade.to_string());
            events.push(vec![id.clone(), day.to_string(), (*event).to_owned(), grade]);
        }
        patients.push(course.texts(id));
    }
    (patients, events)
}

/// One patient's way through the trial.
struct Course {
    age: i64,
    gender: &'static str,
    arm: &'static str,
    phase: &'static str,
    /// The day of leaving, unless the trial's end came first.
    left: Option<i64>,
    /// Day, what happened, grade of an adverse event.
    events: Vec<(i64, &'static str, Option<i64>)>,
}

impl Course {
    fn draw(stream: &mut Stream) -> Self {
        let age = stream.integer(18, 84);
        let gender = choose(stream, &[("Male", 1.0), ("Female", 1.0), ("Non-binary", 0.1)]);
        let arm = choose(stream, &[("Active", 1.0), ("Control", 1.0), ("Placebo", 1.0)]);
        let phase = choose(stream, &[("Phase I", 1.0), ("Phase II", 1.0), ("Phase III", 1.0)]);
        let frailty = stream.normal();
        let mut course = Self { age, gender, arm, phase, left: None, events: Vec::new() };
        for day in 1..=LAST_DAY {
            course.live(stream, day, frailty);
            if stream.chance(libm::exp(course.log_hazard(day, frailty))) {
                course.left = Some(day);
                break;
            }
        }
        course
    }

    /// What happens on one day.
    fn live(&mut self, stream: &mut Stream, day: i64, frailty: f64) {
        let older = (self.age - 18) as f64 / 67.0;
        if stream.chance(0.004 * (1.0 + 0.5 * older) * libm::exp(0.3 * frailty)) {
            let grade = choose(stream, &[("1", 0.5), ("2", 0.3), ("3", 0.15), ("4", 0.05)]);
            self.events.push((day, "adverse_event", grade.parse().ok()));
        }
        if day % VISIT_EVERY == 0 {
            let log_odds = 2.0 - 0.7 * frailty - 0.2 * self.count("missed_visit", 0);
            let came = stream.chance(1.0 / (1.0 + libm::exp(-log_odds)));
            self.events.push((day, if came { "visit" } else { "missed_visit" }, None));
        }
    }

    /// Log of the chance of leaving on a day, given all before.
    fn log_hazard(&self, day: i64, frailty: f64) -> f64 {
        let arm = match self.arm {
            "Active" => 0.1,
            "Control" => 0.3,
            _ => 0.4,
        };
        let young = if self.age < 38 { 0.3 } else { 0.0 };
        let burden = 0.5 * self.count("adverse_event", day - 60) + 0.35 * self.count("missed_visit", 0);
        (-8.3 + burden + 1.2 * phase_risk(self.phase) + 1.5 * arm + young + 0.4 * frailty).min(-1.0)
    }

    /// Events of a kind after a day.
    fn count(&self, kind: &str, after: i64) -> f64 {
        self.events.iter().filter(|(day, event, _)| *event == kind && *day > after).count() as f64
    }

    fn texts(&self, id: String) -> Vec<String> {
        let visits = self.events.iter().filter(|(_, event, _)| *event == "visit").count();
        vec![
            id,
            self.age.to_string(),
            self.gender.to_owned(),
            self.arm.to_owned(),
            self.phase.to_owned(),
            self.left.unwrap_or(LAST_DAY).to_string(),
            self.left.map_or_else(String::new, |day| day.to_string()),
            visits.to_string(),
        ]
    }
}
