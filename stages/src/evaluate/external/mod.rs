//! External validation: an existing bundle on data it has nothing to do with.
//!
//! The bundle is not fitted, chosen or changed. Beside it stand three ways of mending it, each judged on rows that had
//! no part in the mending, so that a reader can tell whether a new intercept would do or the model must be made anew.

mod case_mix;
mod document;
mod ladder;
mod number;
mod rows;
#[cfg(test)]
mod tests;

use std::path::Path;

pub use document::{CaseMix, Coefficients, ExternalReport, FeatureShift, NewData, Rung, Spread, Unseen, Update};
pub use number::{NumberExternal, NumberRung};
pub(super) use number::{Scored as NumberScored, write as write_number};
pub(super) use rows::NewRows;

use self::ladder::{FOLDS, How, Measured, Predictions, blank, updated};
use super::bootstrap::{Clusters, resample};
use super::document::{ByLevel, Intervals};
use super::enough;
use super::rows::TestRows;
use super::{EvaluateParams, unscored};
use crate::bundle::Bundle;
use crate::common::canonical_json;
use crate::common::folds::{Folds, number};
use crate::common::privacy::Privacy;
use crate::common::target::Task;
use crate::train::{RefitRecipe, RefitRows};
use crate::tune_threshold::Threshold;
use crate::{StageContext, StageError};

const NOTE: &str = "The first rung is the model as it stands, scored once. The others are cross-fitted: whole patients \
    are divided into folds, and each fold is predicted by an update fitted on the other folds, so no row is judged by \
    parameters that it helped to fit. `coefficients` are those of all rows: they are what an updated model would use, \
    and its performance is estimated by the rung, not by scoring these rows again. Intervals hold the cross-fitted \
    predictions fixed.";

/// The new rows with what the bundle says of them.
pub(super) struct Scored<'a> {
    pub bundle: &'a Bundle,
    pub rows: &'a TestRows,
    pub new: &'a NewRows,
    pub y: &'a [bool],
    pub p: &'a [f64],
    /// The threshold that applies to each row.
    pub thresholds: &'a [f64],
    pub threshold: &'a Threshold,
}

/// Climbs the ladder and writes external.json.
pub(super) fn write(
    context: &StageContext,
    path: &Path,
    params: &EvaluateParams,
    scored: &Scored,
) -> Result<(), StageError> {
    let Scored { bundle, rows, new, y, p, thresholds, threshold } = scored;
    let clusters = Clusters::new(&rows.patients);
    let rungs = rungs(context, scored)?;
    let predictions: Vec<Option<Predictions>> =
        rungs.iter().map(|(_, p)| p.clone().map(|p| Predictions::new(y, p, thresholds, threshold.value))).collect();
    let how = How {
        confidence: params.confidence,
        rarer: (!clusters.single_rows()).then(|| enough::rarer(&clusters, y)),
        too_few: enough::too_few(&clusters, Some(y)),
    };
    let resamples = resample(context, &clusters, context.seed()?, params.bootstrap, |weights| {
        predictions.iter().map(|rung| rung.as_ref().map(|rung| rung.measure(weights))).collect::<Vec<_>>()
    })?;
    let rung = |(at, (rung, _)): (usize, Step)| match &predictions[at] {
        None => rung,
        Some(predicted) => {
            let draws: Vec<Measured> = resamples.iter().filter_map(|draws| draws[at]).collect();
            predicted.rung(rung, &draws, &how)
        }
    };
    let features = bundle.features_of(&rows.raw).map_err(unscored)?;
    let development = match &new.development {
        None => None,
        Some(raw) => {
            let predicted = bundle.predict(raw).map_err(unscored)?;
            Some(case_mix::log_odds(&predicted.iter().map(|prediction| prediction.p).collect::<Vec<_>>()))
        }
    };
    let events = y.iter().filter(|&&y| y).count() as u64;
    let report = ExternalReport {
        schema_version: 1,
        bundle: bundle.digest().to_owned(),
        model: bundle.manifest().model.clone(),
        data: new.data.clone(),
        n: y.len() as u64,
        events,
        patients: clusters.count() as u64,
        prevalence: events as f64 / y.len() as f64,
        training_prevalence: bundle.baseline_constant(),
        unseen: new.unseen.clone(),
        intervals: Intervals {
            confidence: params.confidence,
            resamples: resamples.len(),
            one_row_per_patient: clusters.single_rows(),
        },
        threshold: threshold.value,
        by_level: ByLevel::of(threshold),
        folds: FOLDS,
        ladder: rungs.into_iter().enumerate().map(rung).collect(),
        case_mix: case_mix::case_mix(
            bundle,
            case_mix::log_odds(p),
            &features,
            development,
            Privacy::parse(context.params())?,
        ),
        note: NOTE.to_owned(),
    };
    canonical_json::write(path, &report)
}

/// A rung without its numbers, and its predictions where it has any.
type Step = (Rung, Option<Vec<f64>>);

/// The rungs of the ladder.
fn rungs(context: &StageContext, scored: &Scored) -> Result<Vec<Step>, StageError> {
    let Scored { bundle, rows, y, p, .. } = scored;
    let recipe = RefitRecipe::new(context.params(), &bundle.manifest().model, Task::Binary)?;
    let as_is = blank(Update::AsIs, "the model as it is", None);
    let mut rungs = vec![(as_is, Some(p.to_vec()))];
    let patient = number(rows.patients.iter().map(String::as_str));
    let abouts = ["a new intercept on the log odds", "a new intercept and slope on the log odds"];
    let refitted = format!("refitted on these rows: {}", recipe.name);
    let folds = match ladder::divide(y, &patient, context.seed()?) {
        Ok(folds) => folds,
        Err(reason) => {
            let names = [Update::Intercept, Update::InterceptAndSlope, Update::Refitted];
            let abouts = abouts.into_iter().chain([refitted.as_str()]);
            rungs.extend(
                names.into_iter().zip(abouts).map(|(name, about)| (blank(name, about, Some(reason.clone())), None)),
            );
            return Ok(rungs);
        }
    };
    for (name, about) in [Update::Intercept, Update::InterceptAndSlope].into_iter().zip(abouts) {
        rungs.push(match updated(y, p, &folds, name == Update::InterceptAndSlope) {
            Ok((predicted, coefficients)) => {
                (Rung { coefficients: Some(coefficients), ..blank(name, about, None) }, Some(predicted))
            }
            Err(reason) => (blank(name, about, Some(reason)), None),
        });
    }
    let predicted = refit(context, bundle, rows, &recipe, &folds, patient)?;
    rungs.push((blank(Update::Refitted, &refitted, None), Some(predicted)));
    Ok(rungs)
}

/// Cross-fitted predictions of the recipe made anew.
fn refit(
    context: &StageContext,
    bundle: &Bundle,
    rows: &TestRows,
    recipe: &RefitRecipe,
    folds: &Folds,
    patient: Vec<usize>,
) -> Result<Vec<f64>, StageError> {
    let features = bundle.features_of(&rows.raw).map_err(unscored)?;
    let names = bundle.features().features.iter().map(|feature| feature.name.clone()).collect();
    let known = RefitRows::new(features, names, rows.row_ids.clone(), bundle.task(), rows.y.clone(), patient);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(context.threads()).build();
    let pool = pool.map_err(|error| StageError::failed(format!("cannot start threads: {error}")))?;
    let mut predicted = vec![f64::NAN; rows.y.len()];
    for fold in 0..folds.count() {
        context.progress(fold as u64, Some(folds.count() as u64), "folds", "refitting");
        let (fit, held) = folds.parts(fold);
        let label = format!("evaluate/external/fold-{fold}");
        let seed = context.seed()?;
        let values = pool.install(|| known.predict(recipe, &fit, &held, seed, &label, context.threads()))?;
        held.into_iter().zip(values).for_each(|(row, value)| predicted[row] = value);
    }
    Ok(predicted)
}
