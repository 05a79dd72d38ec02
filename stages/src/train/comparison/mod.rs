//! Compares the candidates and the baselines with each other on the same out-of-fold rows.
//!
//! It fits nothing and chooses nothing: the choice is made by the mean over folds, before and elsewhere.

mod document;
mod params;
mod resample;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use document::{CandidateComparison, Contestant, Difference, Pair};
pub use params::ComparisonParams;

use self::resample::{Rows, Score};
use crate::common::delong;
use crate::common::folds::number;
use crate::common::interval::{Estimate, normal_tails, percentile};
use crate::common::multiplicity::holm;
use crate::common::scores::{Ranking, log_losses, squared_errors};
use crate::common::target::Task;

/// What is compared: names with predictions in row order.
pub(super) struct Entrants<'a> {
    /// The kind of the outcome.
    pub task: Task,
    /// Outcomes.
    pub y: Vec<f64>,
    /// The patient of each row.
    pub patients: Vec<&'a str>,
    /// Names and predictions, candidates first.
    pub predictions: Vec<(String, Vec<f64>)>,
    /// The kept candidate.
    pub chosen: &'a str,
}

/// A score with its name and, where rows are independent, the exact way to compare it.
struct Ruler {
    name: &'static str,
    score: Score,
}

impl Entrants<'_> {
    /// Compares every pair.
    pub fn compare(&self, params: &ComparisonParams, seed: u64) -> CandidateComparison {
        let patients = number(self.patients.iter().copied());
        let patient_count = patients.iter().max().map_or(0, |last| last + 1);
        let rows = Rows { y: self.y.clone(), patients, patient_count };
        let single = patient_count == rows.y.len();
        let names: Vec<&String> = self.predictions.iter().map(|(name, _)| name).collect();
        let mut scores = vec![BTreeMap::new(); names.len()];
        let places: Vec<(usize, usize)> =
            (0..names.len()).flat_map(|a| (a + 1..names.len()).map(move |b| (a, b))).collect();
        let mut pairs: Vec<Pair> = places
            .iter()
            .map(|&(a, b)| Pair { a: names[a].clone(), b: names[b].clone(), differences: BTreeMap::new() })
            .collect();
        for ruler in self.rulers(&rows) {
            let plain = rows.plain(&ruler.score);
            for (scores, value) in scores.iter_mut().zip(&plain) {
                scores.insert(ruler.name.to_owned(), Some(*value).filter(|value| value.is_finite()));
            }
            let differences = match &ruler.score {
                Score::Auroc(rankings) if single => {
                    let y = rows.events();
                    let test = |&(a, b): &(usize, usize)| by_delong(&rankings[a], &rankings[b], &y, params.confidence);
                    places.iter().map(test).collect()
                }
                score => {
                    by_resamples(&plain, &rows.resample(score, seed, params.bootstrap), &places, params.confidence)
                }
            };
            for (pair, difference) in pairs.iter_mut().zip(adjusted(differences)) {
                pair.differences.insert(ruler.name.to_owned(), difference);
            }
        }
        let contestant = |(name, scores): (&&String, _)| Contestant { name: (*name).clone(), scores };
        CandidateComparison {
            schema_version: 1,
            part_used: "out-of-fold predictions of the training rows".to_owned(),
            n: rows.y.len() as u64,
            events: (self.task == Task::Binary).then(|| rows.events().iter().filter(|&&y| y).count() as u64),
            patients: patient_count as u64,
            one_row_per_patient: single,
            resamples: params.bootstrap,
            confidence: params.confidence,
            chosen: self.chosen.to_owned(),
            contestants: names.iter().zip(scores).map(contestant).collect(),
            pairs,
        }
    }

    fn rulers(&self, rows: &Rows) -> Vec<Ruler> {
        let each = |losses: &dyn Fn(&[f64]) -> Vec<f64>| self.predictions.iter().map(|(_, p)| losses(p)).collect();
        match self.task {
            Task::Binary => {
                let y = rows.events();
                let ranking = |(_, p): &(String, Vec<f64>)| Ranking::new(p);
                let mean = |value: f64| value;
                vec![
                    Ruler { name: "auroc", score: Score::Auroc(self.predictions.iter().map(ranking).collect()) },
                    Ruler { name: "brier", score: Score::Mean(each(&|p| squared_errors(&y, p)), mean) },
                    Ruler { name: "log_loss", score: Score::Mean(each(&|p| log_losses(&y, p)), mean) },
                ]
            }
            Task::Continuous => {
                let squares = |p: &[f64]| rows.y.iter().zip(p).map(|(y, p)| (p - y) * (p - y)).collect();
                vec![Ruler { name: "rmse", score: Score::Mean(each(&squares), f64::sqrt) }]
            }
        }
    }
}

fn by_delong(a: &Ranking, b: &Ranking, y: &[bool], confidence: f64) -> Difference {
    match delong::paired(a, b, y) {
        Some(test) => Difference::of(test.estimate(confidence), test.se),
        None => Difference::untested(Estimate::undefined(delong::TOO_FEW), delong::TOO_FEW),
    }
}

fn by_resamples(plain: &[f64], resamples: &[Vec<f64>], places: &[(usize, usize)], confidence: f64) -> Vec<Difference> {
    let undefined = "the rows do not define it";
    let one = |&(a, b): &(usize, usize)| {
        let value = Some(plain[a] - plain[b]).filter(|value| value.is_finite());
        let drawn = || resamples.iter().map(|scores| scores[a] - scores[b]);
        let estimate = percentile(value, drawn(), confidence, undefined);
        let defined: Vec<f64> = drawn().filter(|value| value.is_finite()).collect();
        if estimate.low.is_none() || defined.len() < 2 {
            let reason = estimate.reason.clone().unwrap_or_else(|| undefined.to_owned());
            return Difference::untested(estimate, reason);
        }
        let n = defined.len() as f64;
        let mean = defined.iter().sum::<f64>() / n;
        let squares: f64 = defined.iter().map(|value| (value - mean) * (value - mean)).sum();
        Difference::of(estimate, (squares / (n - 1.0)).sqrt())
    };
    places.iter().map(one).collect()
}

impl Difference {
    fn of(estimate: Estimate, se: f64) -> Self {
        let z = estimate.value.filter(|_| se > 0.0).map(|value| value / se);
        let reason = z.is_none().then(|| "both predict alike: the standard error is 0".to_owned());
        Self { estimate, se: Some(se), z, p_value: z.map(normal_tails), p_holm: None, reason }
    }

    fn untested(estimate: Estimate, reason: impl Into<String>) -> Self {
        Self { estimate, se: None, z: None, p_value: None, p_holm: None, reason: Some(reason.into()) }
    }
}

/// With Holm's adjustment over those that have a test.
fn adjusted(mut differences: Vec<Difference>) -> Vec<Difference> {
    let p: Vec<f64> = differences.iter().filter_map(|difference| difference.p_value).collect();
    let tested = differences.iter_mut().filter(|difference| difference.p_value.is_some());
    for (difference, p) in tested.zip(holm(&p)) {
        difference.p_holm = Some(p);
    }
    differences
}
