//! `generate.drift`: what of a later population differs, how much, and from when on.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::Population;

/// A fault: the key below `generate`, and what is wrong.
type Fault = (String, String);

/// `generate.drift`: a later population of the same trial, in which patients, the relation to the outcome, or both have
/// changed. Of what is not named nothing changes.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DriftParams {
    /// Months over which the patients come, as many in each; the file then has a last column `month`, from 1, and is in its
    /// order. When absent, all patients come at once and have changed.
    pub months: Option<u16>,
    /// The first month with a change.
    pub from: u16,
    /// Months until the change is complete, in equal steps; 1: at once.
    pub over: u16,
    /// Number of the first patient, so that no id is one of the earlier population.
    pub first_patient: usize,
    /// How far the mean of a column moves, in standard deviations that it has without drift. Values stay within the
    /// column's range.
    pub shift: Shift,
    /// Shares of levels: `{trial_phase: {Phase III: 0.6}}`. Levels that are not named keep their proportions in the rest.
    pub levels: Levels,
    /// Shares of patients whose value was not recorded.
    pub missing: Missing,
    /// How leaving depends on what is known of a patient.
    pub outcome: Relation,
}

impl Default for DriftParams {
    fn default() -> Self {
        Self {
            months: None,
            from: 1,
            over: 1,
            first_patient: 1,
            shift: Shift::default(),
            levels: Levels::default(),
            missing: Missing::default(),
            outcome: Relation::default(),
        }
    }
}

/// `generate.drift.shift`, in standard deviations. The outcome follows where it depends on the column.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Shift {
    /// Older (above 0) or younger patients.
    pub age: f64,
    /// Patients seen later or earlier in the trial; visits and adverse events follow.
    pub days_in_trial: f64,
    /// Patients who come more or less often.
    pub visits_completed: f64,
    /// More or fewer adverse events.
    pub adverse_events: f64,
}

/// `generate.drift.levels`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Levels {
    /// Shares of genders.
    pub gender: BTreeMap<String, f64>,
    /// Shares of arms.
    pub treatment_group: BTreeMap<String, f64>,
    /// Shares of phases.
    pub trial_phase: BTreeMap<String, f64>,
}

/// `generate.drift.missing`, in the order of the file's columns.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Missing {
    /// Of `age`.
    pub age: f64,
    /// Of `gender`.
    pub gender: f64,
    /// Of `treatment_group`.
    pub treatment_group: f64,
    /// Of `trial_phase`.
    pub trial_phase: f64,
    /// Of `days_in_trial`.
    pub days_in_trial: f64,
    /// Of `visits_completed`.
    pub visits_completed: f64,
    /// Of `last_visit_day`.
    pub last_visit_day: f64,
    /// Of `adverse_events`.
    pub adverse_events: f64,
}

/// `generate.drift.outcome`: the relation between a patient and leaving. Inputs do not move with it.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Relation {
    /// Added to everyone's log odds of leaving.
    pub intercept: f64,
    /// Multiplies the log odds: below 1, risks lie closer together than a model learned.
    pub slope: f64,
    /// Multiplies what a column contributes to the risk; 0: it no longer matters.
    pub weights: Weights,
}

impl Default for Relation {
    fn default() -> Self {
        Self { intercept: 0.0, slope: 1.0, weights: Weights::default() }
    }
}

/// `generate.drift.outcome.weights`; 1: as before.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Weights {
    /// Of age.
    pub age: f64,
    /// Of the arm.
    pub treatment_group: f64,
    /// Of the phase.
    pub trial_phase: f64,
    /// Of missed visits; only of `dropout_causal`.
    pub visits_completed: f64,
    /// Of the rate of adverse events; only of `dropout_causal`.
    pub adverse_events: f64,
}

impl Default for Weights {
    fn default() -> Self {
        Self { age: 1.0, treatment_group: 1.0, trial_phase: 1.0, visits_completed: 1.0, adverse_events: 1.0 }
    }
}

impl Missing {
    /// The shares, in the order of the file's columns from `age` on.
    pub(super) fn shares(&self) -> [f64; 8] {
        [
            self.age,
            self.gender,
            self.treatment_group,
            self.trial_phase,
            self.days_in_trial,
            self.visits_completed,
            self.last_visit_day,
            self.adverse_events,
        ]
    }
}

impl DriftParams {
    /// Checks it for `n` patients of a population.
    pub(in crate::generate) fn check(&self, population: &Population, n: usize) -> Result<(), Fault> {
        self.check_months(n)?;
        self.check_shift(population)?;
        let levels = &self.levels;
        for (column, asked, known) in [
            ("gender", &levels.gender, population.gender),
            ("treatment_group", &levels.treatment_group, population.arm),
            ("trial_phase", &levels.trial_phase, population.phase),
        ] {
            check_levels(column, asked, known)?;
        }
        let names = &super::super::dropout::HEADER[1..9];
        for (name, share) in names.iter().zip(self.missing.shares()) {
            within(&format!("missing.{name}"), share, 0.0, 1.0)?;
        }
        self.check_outcome(population)
    }

    fn check_months(&self, n: usize) -> Result<(), Fault> {
        const LAST_ID: usize = 1_000_000_000;
        whole("first_patient", self.first_patient, 1, LAST_ID)?;
        let Some(months) = self.months else {
            let key = if self.from == 1 { "over" } else { "from" };
            let given = self.from != 1 || self.over != 1;
            return if given { Err(at(key, "needs `months`, over which the patients come")) } else { Ok(()) };
        };
        whole("months", usize::from(months), 1, 1200)?;
        if usize::from(months) > n {
            return Err(at("months", &format!("{months} months for {n} patients leave some without any; raise `n`")));
        }
        whole("from", usize::from(self.from), 1, usize::from(months))?;
        whole("over", usize::from(self.over), 1, 1200)
    }

    fn check_shift(&self, population: &Population) -> Result<(), Fault> {
        let (visits, adverse) = (population.visits, population.adverse);
        let fewest = |count: super::Count| -count.mean / count.sd;
        for (column, value, least, most) in [
            ("age", self.shift.age, -super::FURTHEST, super::FURTHEST),
            ("days_in_trial", self.shift.days_in_trial, -super::FURTHEST, super::FURTHEST),
            ("visits_completed", self.shift.visits_completed, fewest(visits), population.missed / visits.sd),
            ("adverse_events", self.shift.adverse_events, fewest(adverse), 10.0),
        ] {
            // What the column allows, cut to what can be read.
            let (least, most) = (libm::ceil(least * 100.0) / 100.0, libm::floor(most * 100.0) / 100.0);
            within(&format!("shift.{column}"), value, least, most)?;
        }
        Ok(())
    }

    fn check_outcome(&self, population: &Population) -> Result<(), Fault> {
        let Relation { intercept, slope, weights } = &self.outcome;
        within("outcome.intercept", *intercept, -20.0, 20.0)?;
        within("outcome.slope", *slope, -20.0, 20.0)?;
        for (column, weight) in [
            ("age", weights.age),
            ("treatment_group", weights.treatment_group),
            ("trial_phase", weights.trial_phase),
            ("visits_completed", weights.visits_completed),
            ("adverse_events", weights.adverse_events),
        ] {
            let key = format!("outcome.weights.{column}");
            within(&key, weight, -20.0, 20.0)?;
            if weight != 1.0 && !population.deciding.contains(&column) {
                let deciding = population.deciding.join(", ");
                return Err(at(&key, &format!("has no say in who leaves this kind of cohort; these have: {deciding}")));
            }
        }
        Ok(())
    }
}

fn at(key: &str, message: &str) -> Fault {
    (format!("drift.{key}"), message.to_owned())
}

fn within(key: &str, value: f64, least: f64, most: f64) -> Result<(), Fault> {
    let holds = (least..=most).contains(&value);
    if holds { Ok(()) } else { Err(at(key, &format!("{value} is not between {least} and {most}"))) }
}

fn whole(key: &str, value: usize, least: usize, most: usize) -> Result<(), Fault> {
    let holds = (least..=most).contains(&value);
    if holds { Ok(()) } else { Err(at(key, &format!("{value} is not between {least} and {most}"))) }
}

fn check_levels(column: &str, asked: &BTreeMap<String, f64>, known: &[(&str, f64)]) -> Result<(), Fault> {
    let key = format!("levels.{column}");
    for (level, &share) in asked {
        if !known.iter().any(|(name, _)| name == level) {
            let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
            return Err(at(&format!("{key}.{level}"), &format!("is no level of it; these are: {}", names.join(", "))));
        }
        within(&format!("{key}.{level}"), share, 0.0, 1.0)?;
    }
    let total: f64 = asked.values().sum();
    let (over, all) = (total > 1.0 + 1e-9, asked.len() == known.len());
    if over || (all && total < 1.0 - 1e-9) {
        return Err(at(
            &key,
            &format!("the shares add up to {total} instead of {}1", if all { "" } else { "at most " }),
        ));
    }
    Ok(())
}
