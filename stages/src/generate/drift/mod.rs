//! Drift: a later population of a dropout cohort, to try monitoring on.
//!
//! Two kinds, apart or together. The *inputs* move: means, shares of levels, missing values; the outcome follows by the
//! old relation. The *relation* moves: intercept, slope, what a column contributes; inputs stay.
//!
//! Invariants: without `drift` no byte differs from a cohort that never had it; the cohort's own stream goes on as if
//! nothing had changed, and all further chance is of a stream of the patient's own, so a patient who does not drift has
//! the row of the cohort without drift, and one who does is the same person under other circumstances. Nothing here
//! writes a file or knows a seed's meaning.

mod params;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use params::DriftParams;
pub(super) use params::Weights;

use super::cohort::choose;
use crate::common::rng::Stream;

/// Furthest shift of a uniform column, in standard deviations; 1.73 would put everyone on its end.
const FURTHEST: f64 = 1.5;

/// Mean and standard deviation of a count without drift.
#[derive(Debug, Clone, Copy)]
pub(super) struct Count {
    pub mean: f64,
    pub sd: f64,
}

/// A cohort before any drift: what shifts are measured by.
#[derive(Debug)]
pub(super) struct Population {
    /// Lowest and highest age; uniform between.
    pub age: (i64, i64),
    /// Fewest and most days; uniform between.
    pub days: (i64, i64),
    pub gender: &'static [(&'static str, f64)],
    pub arm: &'static [(&'static str, f64)],
    pub phase: &'static [(&'static str, f64)],
    /// Completed visits.
    pub visits: Count,
    /// Mean number of months without a visit.
    pub missed: f64,
    pub adverse: Count,
    /// The columns on which leaving depends.
    pub deciding: &'static [&'static str],
}

/// A cohort's patients in the order in which they come.
pub(super) struct Course<'a> {
    drift: Option<&'a DriftParams>,
    population: &'static Population,
    seed: u64,
    /// Names the cohort's streams.
    label: &'static str,
    n: usize,
}

impl<'a> Course<'a> {
    pub fn new(
        drift: Option<&'a DriftParams>,
        population: &'static Population,
        (seed, label): (u64, &'static str),
        n: usize,
    ) -> Self {
        Self { drift, population, seed, label, n }
    }

    /// The columns of the file, given those without a month.
    pub fn header(&self, columns: &[&'static str]) -> Vec<&'static str> {
        let month = self.drift.and_then(|drift| drift.months).map(|_| "month");
        columns.iter().copied().chain(month).collect()
    }

    /// The cells of patient `index`, from 0; `patient` draws one with a given number.
    pub fn draw(
        &self,
        stream: &mut Stream,
        index: usize,
        patient: impl Fn(&mut Stream, usize, &mut Now) -> Vec<String>,
    ) -> Vec<String> {
        let population = self.population;
        let mut still = Now { population, met: None };
        let Some(drift) = self.drift else { return patient(stream, index + 1, &mut still) };
        let number = drift.first_patient + index;
        let month = drift.months.map(|months| 1 + index * usize::from(months) / self.n);
        let strength = strength(drift, month);
        let mut as_before = stream.clone();
        let mut cells = patient(stream, number, &mut still);
        if strength > 0.0 {
            let own = |what: &str| Stream::new(self.seed, &format!("{} drift {number}{what}", self.label));
            let mut now = Now { population, met: Some(Met { drift, strength, stream: own("") }) };
            cells = patient(&mut as_before, number, &mut now);
            let mut gaps = own(" missing");
            for (cell, share) in cells[1..].iter_mut().zip(drift.missing.shares()) {
                if gaps.chance(strength * share) {
                    cell.clear();
                }
            }
        }
        cells.extend(month.map(|month| month.to_string()));
        cells
    }
}

/// How much of the drift there is in a month, from 0 to 1.
fn strength(drift: &DriftParams, month: Option<usize>) -> f64 {
    let since = |month: usize| (month + 1).saturating_sub(usize::from(drift.from));
    month.map_or(1.0, |month| (since(month) as f64 / f64::from(drift.over)).min(1.0))
}

/// What one patient meets. Without drift every method gives back what it was given.
pub(super) struct Now<'a> {
    population: &'static Population,
    met: Option<Met<'a>>,
}

struct Met<'a> {
    drift: &'a DriftParams,
    strength: f64,
    /// The patient's own chance.
    stream: Stream,
}

impl Now<'_> {
    /// Age, given that without drift.
    pub fn age(&mut self, age: i64) -> i64 {
        let range = self.population.age;
        self.met.as_mut().map_or(age, |met| uniform(&mut met.stream, age, range, met.strength * met.drift.shift.age))
    }

    /// Days in the trial, given those without drift.
    pub fn days(&mut self, days: i64) -> i64 {
        let range = self.population.days;
        let Some(met) = &mut self.met else { return days };
        uniform(&mut met.stream, days, range, met.strength * met.drift.shift.days_in_trial)
    }

    pub fn gender(&self, stream: &mut Stream) -> &'static str {
        self.level(stream, self.population.gender, |drift| &drift.levels.gender)
    }

    pub fn arm(&self, stream: &mut Stream) -> &'static str {
        self.level(stream, self.population.arm, |drift| &drift.levels.treatment_group)
    }

    pub fn phase(&self, stream: &mut Stream) -> &'static str {
        self.level(stream, self.population.phase, |drift| &drift.levels.trial_phase)
    }

    fn level(
        &self,
        stream: &mut Stream,
        before: &[(&'static str, f64)],
        asked: fn(&DriftParams) -> &BTreeMap<String, f64>,
    ) -> &'static str {
        match &self.met {
            None => choose(stream, before),
            Some(met) => choose(stream, &mixed(before, asked(met.drift), met.strength)),
        }
    }

    /// Completed visits of `months`, given those without drift: some are missed, or some missed ones are kept.
    pub fn visits(&mut self, visits: i64, months: i64) -> i64 {
        let (count, missed) = (self.population.visits, self.population.missed);
        let Some(met) = &mut self.met else { return visits };
        let moved = met.strength * met.drift.shift.visits_completed * count.sd;
        if moved < 0.0 {
            visits - some(&mut met.stream, visits, -moved / count.mean)
        } else {
            visits + some(&mut met.stream, months - visits, moved / missed)
        }
    }

    /// Adverse events, given those without drift: some do not happen, or others do.
    pub fn adverse(&mut self, adverse: u64) -> u64 {
        let count = self.population.adverse;
        let Some(met) = &mut self.met else { return adverse };
        let moved = met.strength * met.drift.shift.adverse_events * count.sd;
        if moved < 0.0 {
            adverse - some(&mut met.stream, adverse as i64, -moved / count.mean) as u64
        } else {
            adverse + met.stream.poisson(moved)
        }
    }

    /// What the columns contribute to the risk, as multiples of what they did.
    pub fn weights(&self) -> Weights {
        let Some(met) = &self.met else { return Weights::default() };
        let asked = met.drift.outcome.weights;
        let part = |weight: f64| 1.0 + met.strength * (weight - 1.0);
        Weights {
            age: part(asked.age),
            treatment_group: part(asked.treatment_group),
            trial_phase: part(asked.trial_phase),
            visits_completed: part(asked.visits_completed),
            adverse_events: part(asked.adverse_events),
        }
    }

    /// Log odds of leaving, given those of the old intercept and slope.
    pub fn log_odds(&self, log_odds: f64) -> f64 {
        let Some(met) = &self.met else { return log_odds };
        let asked = &met.drift.outcome;
        met.strength * asked.intercept + (1.0 + met.strength * (asked.slope - 1.0)) * log_odds
    }

    /// Chance of leaving, given that of the old intercept and slope.
    pub fn chance(&self, chance: f64) -> f64 {
        let outcome = self.met.as_ref().map(|met| &met.drift.outcome);
        if outcome.is_none_or(|asked| asked.intercept == 0.0 && asked.slope == 1.0) {
            return chance;
        }
        // Certainty has no log odds; it is taken for what lies within one patient of a million.
        let chance = chance.clamp(1e-6, 1.0 - 1e-6);
        1.0 / (1.0 + libm::exp(-self.log_odds(libm::log(chance / (1.0 - chance)))))
    }
}

/// A whole number uniform within a range, moved by so many standard deviations on average: u in (0, 1) becomes the power
/// of u whose mean is higher by them (1/√12 each), or the mirror image of that. The range stays.
fn uniform(stream: &mut Stream, value: i64, (low, high): (i64, i64), deviations: f64) -> i64 {
    if deviations == 0.0 {
        return value;
    }
    let width = (high - low + 1) as f64;
    let within = ((value - low) as f64 + stream.uniform()) / width;
    let power = 1.0 / (0.5 + deviations.abs() / libm::sqrt(12.0)) - 1.0;
    let moved = if deviations > 0.0 { libm::pow(within, power) } else { 1.0 - libm::pow(1.0 - within, power) };
    (low + libm::floor(moved * width) as i64).clamp(low, high)
}

/// How many of `count` things happen, each with this chance.
fn some(stream: &mut Stream, count: i64, chance: f64) -> i64 {
    (0..count).filter(|_| stream.chance(chance)).count() as i64
}

/// Shares of levels between those before and those asked for; what is not asked for shares the rest as before.
fn mixed(before: &[(&'static str, f64)], asked: &BTreeMap<String, f64>, strength: f64) -> Vec<(&'static str, f64)> {
    let total: f64 = before.iter().map(|(_, weight)| weight).sum();
    let named: f64 = asked.values().sum();
    let others: f64 = before.iter().filter(|(level, _)| !asked.contains_key(*level)).map(|(_, weight)| weight).sum();
    let share = |&(level, weight): &(&'static str, f64)| {
        let rest = if others > 0.0 { (1.0 - named).max(0.0) * weight / others } else { 0.0 };
        let wanted = asked.get(level).copied().unwrap_or(rest);
        (level, (1.0 - strength) * weight / total + strength * wanted)
    };
    if asked.is_empty() { before.to_vec() } else { before.iter().map(share).collect() }
}
