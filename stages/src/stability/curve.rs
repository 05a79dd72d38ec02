//! The learning curve: everything fitted on growing shares of the patients, judged on an outer fold they are not from.
//!
//! Invariant: no test row is read. In one repeat a larger share holds all patients of the smaller.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use crate::common::calibration::CalibrationData;
use crate::common::regression;
use crate::common::rng::Stream;
use crate::common::scores;
use crate::common::target::Task;

use super::document::{CurvePoint, Repeated};
use super::params::CurveParams;
use super::recipe::Recipe;

/// One fit and what it scored.
struct Fit {
    n: usize,
    events: usize,
    scores: Vec<(&'static str, Option<f64>)>,
}

/// The points of the curve, in the order of the shares. `done` is called after each fit.
pub(super) fn curve(recipe: &Recipe, params: &CurveParams, seed: u64, done: &(dyn Fn() + Sync)) -> Vec<CurvePoint> {
    let places: Vec<(f64, usize)> =
        params.fractions.iter().flat_map(|&share| (0..params.repeats).map(move |repeat| (share, repeat))).collect();
    let one = |&(share, repeat): &(f64, usize)| {
        let fit = fit(recipe, share, repeat, seed);
        done();
        fit
    };
    let fits: Vec<Result<Fit, String>> = places.par_iter().map(one).collect();
    let chunks = fits.chunks(params.repeats);
    params.fractions.iter().zip(chunks).map(|(&fraction, fits)| point(recipe, fraction, fits)).collect()
}

fn fit(recipe: &Recipe, share: f64, repeat: usize, seed: u64) -> Result<Fit, String> {
    let refitter = &recipe.refitter;
    // In time the last folds have the most to train on, so they come first.
    let fold = refitter.folds() - 1 - repeat % refitter.folds();
    let (known, judged) = refitter.parts(fold);
    let patients = refitter.patients();
    let mut drawn: Vec<usize> = known.iter().map(|&row| patients[row]).collect::<BTreeSet<_>>().into_iter().collect();
    Stream::new(seed, &format!("stability/curve/{repeat}")).shuffle(&mut drawn);
    drawn.truncate((share * drawn.len() as f64).ceil() as usize);
    let drawn: BTreeSet<usize> = drawn.into_iter().collect();
    let rows: Vec<usize> = known.into_iter().filter(|&row| drawn.contains(&patients[row])).collect();
    let predicted = recipe.predict(&rows, &format!("stability/curve/{repeat}"), &refitter.features(&judged))?;
    let y = refitter.outcomes();
    let outcome: Vec<f64> = judged.iter().map(|&row| y[row]).collect();
    let events = rows.iter().filter(|&&row| y[row] > 0.5).count();
    Ok(Fit { n: rows.len(), events, scores: score(refitter.task(), &outcome, &predicted) })
}

fn score(task: Task, y: &[f64], predicted: &[f64]) -> Vec<(&'static str, Option<f64>)> {
    if task == Task::Continuous {
        return vec![("rmse", regression::rmse(y, predicted)), ("r2", regression::r2(y, predicted))];
    }
    let events: Vec<bool> = y.iter().map(|&y| y > 0.5).collect();
    let slope = CalibrationData::new(&events, predicted).slope(&vec![1; y.len()]);
    vec![("auroc", scores::auroc(&events, predicted)), ("brier", scores::brier(&events, predicted)), ("slope", slope)]
}

fn point(recipe: &Recipe, fraction: f64, fits: &[Result<Fit, String>]) -> CurvePoint {
    let good: Vec<&Fit> = fits.iter().filter_map(|fit| fit.as_ref().ok()).collect();
    let failure = fits.iter().find_map(|fit| fit.as_ref().err().cloned());
    let average = |of: fn(&Fit) -> usize| {
        let sum: usize = good.iter().map(|fit| of(fit)).sum();
        (!good.is_empty()).then(|| sum as f64 / good.len() as f64)
    };
    let mut values: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for (name, value) in good.iter().flat_map(|fit| &fit.scores) {
        let of = values.entry((*name).to_owned()).or_default();
        of.extend(value.filter(|value| value.is_finite()));
    }
    let binary = recipe.refitter.task() == Task::Binary;
    CurvePoint {
        fraction,
        repeats: good.len(),
        failed: fits.len() - good.len(),
        failure,
        n: average(|fit| fit.n),
        events: average(|fit| fit.events).filter(|_| binary),
        scores: values.into_iter().map(|(name, values)| (name, repeated(&values))).collect(),
    }
}

fn repeated(values: &[f64]) -> Repeated {
    let n = values.len();
    let mean = (n > 0).then(|| values.iter().sum::<f64>() / n as f64);
    let sd = mean.filter(|_| n > 1).map(|mean| {
        let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
        (squares / (n - 1) as f64).sqrt()
    });
    Repeated { mean, sd, n }
}
