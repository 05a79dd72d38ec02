//! How certain a threshold is: the patient bootstrap of the choice and of what it achieves.
//!
//! Every resample has its own random stream; sums over resamples are made in fixed chunks, which are added in order. So
//! the bytes do not depend on threads.

use rayon::prelude::*;

use crate::common::interval::{Estimate, percentile};
use crate::common::rng::Stream;

use super::choice::Choice;
use super::sweep::{Candidate, choose};
use super::threshold::{Flat, Uncertainty};

/// Resamples that are summed together.
const CHUNK: usize = 50;
/// How much worse a threshold may be and count as equally good.
const NEAR: f64 = 0.01;

/// Where resamples come from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source<'a> {
    /// The study's seed; none when the stage is not given it.
    pub seed: Option<u64>,
    /// Names the streams.
    pub label: &'a str,
    /// How many.
    pub resamples: usize,
    /// Level of the intervals.
    pub confidence: f64,
}

/// What one resample says; NaN where it says nothing.
struct Resample {
    threshold: f64,
    achieved: f64,
    optimism: f64,
}

/// Some resamples, and for every candidate the sum and the sum of squares of its loss beyond that of the choice.
struct Part {
    resamples: Vec<Resample>,
    beyond: Vec<[f64; 2]>,
}

/// How certain the choice is.
pub(super) fn uncertainty(choice: &Choice, source: Source) -> Uncertainty {
    let counts = choice.chosen().counts;
    let achieved = choice.policy.achieved(&counts);
    let plain = Uncertainty {
        patients: choice.rows.patient_count() as u64,
        resamples: 0,
        confidence: source.confidence,
        threshold: Estimate::default(),
        goal: choice.policy.goal(),
        achieved: Estimate::default(),
        optimism: None,
        flat: flat(choice, None),
        reason: None,
    };
    let limit = plain.flat.is_none().then_some("flat: a limit that is kept has no optimum");
    let undefined = "the rows the threshold was chosen on do not define it";
    let Some(seed) = source.seed.filter(|_| source.resamples > 0) else {
        let reason = match source.seed {
            None => "no resamples: `seed` is not among the params of this stage",
            Some(_) => "no resamples: `tune_threshold.bootstrap` is 0",
        };
        let threshold = Estimate::without_interval(choice.chosen().threshold, reason);
        let achieved =
            achieved.map_or_else(|| Estimate::undefined(undefined), |value| Estimate::without_interval(value, reason));
        let reasons: Vec<String> =
            limit.map(str::to_owned).into_iter().chain([format!("optimism: {reason}")]).collect();
        return Uncertainty { threshold, achieved, reason: Some(reasons.join("; ")), ..plain };
    };
    let parts = resample(choice, seed, source);
    let all = || parts.iter().flat_map(|part| &part.resamples);
    let interval =
        |value: Option<f64>, of: fn(&Resample) -> f64| percentile(value, all().map(of), source.confidence, undefined);
    let optimism: Vec<f64> = all().map(|resample| resample.optimism).filter(|value| value.is_finite()).collect();
    let without = optimism.is_empty().then_some("optimism: no resample defines it");
    let reasons: Vec<&str> = [limit, without].into_iter().flatten().collect();
    Uncertainty {
        reason: (!reasons.is_empty()).then(|| reasons.join("; ")),
        resamples: source.resamples,
        threshold: interval(Some(choice.chosen().threshold), |resample| resample.threshold),
        achieved: interval(achieved, |resample| resample.achieved),
        optimism: (!optimism.is_empty()).then(|| optimism.iter().sum::<f64>() / optimism.len() as f64),
        flat: flat(choice, Some(&standard_errors(&parts, source.resamples))),
        ..plain
    }
}

fn resample(choice: &Choice, seed: u64, source: Source) -> Vec<Part> {
    let starts: Vec<usize> = (0..source.resamples).step_by(CHUNK).collect();
    let part = |&start: &usize| {
        let end = (start + CHUNK).min(source.resamples);
        let mut beyond = vec![[0.0; 2]; choice.candidates.len()];
        let one = |index: usize| one(choice, &weights(choice, seed, source.label, index), &mut beyond);
        let resamples = (start..end).map(one).collect();
        Part { resamples, beyond }
    };
    starts.par_iter().map(part).collect()
}

/// How often each row is in a resample of the patients.
fn weights(choice: &Choice, seed: u64, label: &str, index: usize) -> Vec<u32> {
    let count = choice.rows.patient_count();
    let mut stream = Stream::new(seed, &format!("tune_threshold/{label}/{index}"));
    let mut drawn = vec![0_u32; count];
    for _ in 0..count {
        drawn[stream.below(count as u64) as usize] += 1;
    }
    choice.rows.patients.iter().map(|&patient| drawn[patient]).collect()
}

fn one(choice: &Choice, weights: &[u32], beyond: &mut [[f64; 2]]) -> Resample {
    let policy = choice.policy;
    let candidates = choice.ladder.candidates(&choice.rows.y, weights, policy);
    let here = &candidates[choice.index];
    let loss = policy.loss(&here.counts);
    for (sums, candidate) in beyond.iter_mut().zip(&candidates) {
        let difference = policy.loss(&candidate.counts) - loss;
        sums[0] += difference;
        sums[1] += difference * difference;
    }
    let or_nan = |value: Option<f64>| value.unwrap_or(f64::NAN);
    let own = choose(&candidates, policy);
    let gain = |own: usize| {
        let there = policy.achieved(&choice.candidates[own].counts);
        Some(policy.achieved(&candidates[own].counts)? - there?)
    };
    Resample {
        threshold: own.map_or(f64::NAN, |own| candidates[own].threshold),
        achieved: or_nan(policy.achieved(&here.counts)),
        optimism: or_nan(own.and_then(gain)),
    }
}

/// The standard error, over resamples, of each candidate's loss beyond that of the choice.
fn standard_errors(parts: &[Part], resamples: usize) -> Vec<f64> {
    let n = resamples as f64;
    let mut sums = vec![[0.0; 2]; parts.first().map_or(0, |part| part.beyond.len())];
    for part in parts {
        for (sum, of) in sums.iter_mut().zip(&part.beyond) {
            sum[0] += of[0];
            sum[1] += of[1];
        }
    }
    sums.into_iter().map(|[sum, squares]| ((squares - sum * sum / n) / (n - 1.0)).max(0.0).sqrt()).collect()
}

/// The ranges around an optimum that are about as good.
fn flat(choice: &Choice, errors: Option<&[f64]>) -> Option<Flat> {
    if !choice.policy.optimises() {
        return None;
    }
    let best = choice.policy.loss(&choice.chosen().counts);
    let beyond = |at: usize| choice.policy.loss(&choice.candidates[at].counts) - best;
    Some(Flat {
        within_1_percent: around(&choice.candidates, choice.index, |at| beyond(at) <= NEAR * best.abs()),
        within_1_se: errors.map(|se| around(&choice.candidates, choice.index, |at| beyond(at) <= se[at])),
    })
}

/// The unbroken range of allowed candidates around one of them that are near, from the lowest to the highest.
fn around(candidates: &[Candidate], index: usize, near: impl Fn(usize) -> bool) -> [f64; 2] {
    let good = |at: &usize| candidates[*at].allowed && near(*at);
    let low = (index + 1..candidates.len()).take_while(good).last().unwrap_or(index);
    let high = (0..index).rev().take_while(good).last().unwrap_or(index);
    [candidates[low].threshold, candidates[high].threshold]
}
