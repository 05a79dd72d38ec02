//! The ladder of a model that predicts a number: as it is, shifted by a constant, put on a straight line, and refitted.
//!
//! Calibration in the large is the mean of prediction − outcome, which a shift mends; the slope is that of the outcome on
//! the prediction, which a line mends. Cross-fitting and intervals are those of the ladder for events, and predictions
//! keep within the bounds of the schema, as the bundle's own do.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::document::{CaseMix, Coefficients, NewData, Unseen, Update};
use super::ladder::{FOLDS, divide_by};
use super::{NOTE, NewRows, case_mix, refit};
use crate::bundle::Bundle;
use crate::common::canonical_json;
use crate::common::folds::{Folds, number};
use crate::common::interval::{Estimate, finite, percentile};
use crate::common::privacy::Privacy;
use crate::common::target::Task;
use crate::evaluate::assemble::EQUAL;
use crate::evaluate::bootstrap::{Clusters, resample};
use crate::evaluate::document::Intervals;
use crate::evaluate::enough::{limited, too_few, varied};
use crate::evaluate::numbers::Outcome;
use crate::evaluate::rows::TestRows;
use crate::evaluate::{EvaluateParams, unscored};
use crate::train::RefitRecipe;
use crate::{StageContext, StageError};

/// external.json of a continuous outcome. Numbers are in the outcome's unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NumberExternal {
    /// Version of this format: 1.
    pub schema_version: u32,
    /// `number`.
    pub kind: String,
    /// BLAKE3, in hex, of the bundle's bundle.json.
    pub bundle: String,
    /// The kept candidate.
    pub model: String,
    /// The new data.
    pub data: NewData,
    /// Rows.
    pub n: u64,
    /// Patients they belong to.
    pub patients: u64,
    /// The outcomes.
    pub outcome: Outcome,
    /// The mean of the rows the model was trained on.
    pub training_mean: f64,
    /// What was done to make sure that no row was trained on.
    pub unseen: Unseen,
    /// How the intervals were made. They hold the cross-fitted predictions fixed.
    pub intervals: Intervals,
    /// Folds of the cross-fitting.
    pub folds: usize,
    /// The model as it is, then updated more and more.
    pub ladder: Vec<NumberRung>,
    /// How the patients differ from those the model knows.
    pub case_mix: CaseMix,
    /// How to read the ladder.
    pub note: String,
}

/// One rung of the ladder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NumberRung {
    /// Which.
    pub update: Update,
    /// What was done, in words.
    pub about: String,
    /// What the update would be when made from all rows: intercept + slope · prediction. Null for a refitted model.
    pub coefficients: Option<Coefficients>,
    /// Root mean squared error.
    pub rmse: Estimate,
    /// Mean absolute error.
    pub mae: Estimate,
    /// 1 − Σ(y − ŷ)² / Σ(y − ȳ)².
    pub r2: Estimate,
    /// Calibration in the large: mean of prediction − outcome; 0 is perfect.
    pub bias: Estimate,
    /// Calibration slope: outcome on prediction by least squares; 1 is perfect.
    pub slope: Estimate,
    /// Why something is null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// RMSE, MAE, R², bias and slope; NaN where undefined.
type Measured = [f64; 5];

/// The new rows with what the bundle says of them.
pub(in crate::evaluate) struct Scored<'a> {
    pub bundle: &'a Bundle,
    pub rows: &'a TestRows,
    pub new: &'a NewRows,
    pub predicted: &'a [f64],
    pub outcome: Outcome,
}

/// Climbs the ladder and writes external.json.
pub(in crate::evaluate) fn write(
    context: &StageContext,
    path: &Path,
    params: &EvaluateParams,
    scored: Scored,
) -> Result<(), StageError> {
    let Scored { bundle, rows, new, predicted, outcome } = scored;
    let clusters = Clusters::new(&rows.patients);
    let steps = steps(context, bundle, rows, predicted)?;
    let resamples = resample(context, &clusters, context.seed()?, params.bootstrap, |weights| {
        let measured = |(_, step): &Step| step.as_ref().map(|values| measure(&rows.y, values, weights));
        steps.iter().map(measured).collect::<Vec<_>>()
    })?;
    let few = too_few(&clusters, None);
    let finished = |(at, (rung, values)): (usize, &Step)| match values {
        None => rung.clone(),
        Some(values) => {
            let draws: Vec<Measured> = resamples.iter().filter_map(|draws| draws[at]).collect();
            finish(rung, measure(&rows.y, values, &vec![1; values.len()]), &draws, params.confidence, few.as_ref())
        }
    };
    let ladder = steps.iter().enumerate().map(finished).collect();
    let features = bundle.features_of(&rows.raw).map_err(unscored)?;
    let development = new.development.as_ref().map(|raw| bundle.predict_numbers(raw)).transpose().map_err(unscored)?;
    let (own, privacy) = (case_mix::spread(predicted.to_vec()), Privacy::parse(context.params())?);
    let report = NumberExternal {
        schema_version: 1,
        kind: "number".to_owned(),
        bundle: bundle.digest().to_owned(),
        model: bundle.manifest().model.clone(),
        data: new.data.clone(),
        n: rows.y.len() as u64,
        patients: clusters.count() as u64,
        outcome,
        training_mean: bundle.baseline_constant(),
        unseen: new.unseen.clone(),
        intervals: Intervals {
            confidence: params.confidence,
            resamples: resamples.len(),
            one_row_per_patient: clusters.single_rows(),
        },
        folds: FOLDS,
        ladder,
        case_mix: case_mix::case_mix(bundle, own, &features, development.map(case_mix::spread), privacy),
        note: NOTE.to_owned(),
    };
    canonical_json::write(path, &report)
}

/// A rung without its numbers, and its predictions where it has any.
type Step = (NumberRung, Option<Vec<f64>>);

fn steps(context: &StageContext, bundle: &Bundle, rows: &TestRows, predicted: &[f64]) -> Result<Vec<Step>, StageError> {
    let recipe = RefitRecipe::new(context.params(), &bundle.manifest().model, Task::Continuous)?;
    let mut steps = vec![(blank(Update::AsIs, "the model as it is", None), Some(predicted.to_vec()))];
    let refitted = format!("refitted on these rows: {}", recipe.name);
    let updates = [
        (Update::Intercept, "shifted by a constant"),
        (Update::InterceptAndSlope, "put on a straight line, with a new intercept and slope"),
    ];
    let patient = number(rows.patients.iter().map(String::as_str));
    let folds = match divide_by(&rows.y, vec![0; rows.y.len()], &patient, context.seed()?) {
        Ok(folds) => folds,
        Err(reason) => {
            let all = updates.into_iter().chain([(Update::Refitted, refitted.as_str())]);
            steps.extend(all.map(|(update, about)| (blank(update, about, Some(reason.clone())), None)));
            return Ok(steps);
        }
    };
    let [low, high] = bundle.schema().target.range.unwrap_or([f64::NEG_INFINITY, f64::INFINITY]);
    let bounded = |values: Vec<f64>| values.into_iter().map(|value| value.clamp(low, high)).collect::<Vec<_>>();
    for (update, about) in updates {
        steps.push(match updated(&rows.y, predicted, &folds, update == Update::InterceptAndSlope) {
            Ok((values, line)) => {
                (NumberRung { coefficients: Some(line), ..blank(update, about, None) }, Some(bounded(values)))
            }
            Err(reason) => (blank(update, about, Some(reason)), None),
        });
    }
    let values = refit(context, bundle, rows, &recipe, &folds, patient)?;
    steps.push((blank(Update::Refitted, &refitted, None), Some(bounded(values))));
    Ok(steps)
}

/// The outcome on the prediction at `rows`: a shift, or with `slope` a line by least squares.
pub(super) fn update(y: &[f64], predicted: &[f64], rows: &[usize], slope: bool) -> Result<Coefficients, String> {
    let n = rows.len() as f64;
    let mean = |values: &[f64]| rows.iter().map(|&row| values[row]).sum::<f64>() / n;
    let (x0, y0) = (mean(predicted), mean(y));
    if !slope {
        return Ok(Coefficients { intercept: y0 - x0, slope: 1.0 });
    }
    let cross: f64 = rows.iter().map(|&row| (predicted[row] - x0) * (y[row] - y0)).sum();
    let spread: f64 = rows.iter().map(|&row| (predicted[row] - x0) * (predicted[row] - x0)).sum();
    if spread <= 0.0 {
        return Err(EQUAL.to_owned());
    }
    Ok(Coefficients { intercept: y0 - cross / spread * x0, slope: cross / spread })
}

/// Cross-fitted predictions of an update, and its coefficients on all rows.
fn updated(y: &[f64], predicted: &[f64], folds: &Folds, slope: bool) -> Result<(Vec<f64>, Coefficients), String> {
    let mut values = vec![f64::NAN; y.len()];
    for fold in 0..folds.count() {
        let (fit, held) = folds.parts(fold);
        let line = update(y, predicted, &fit, slope)?;
        for row in held {
            values[row] = line.intercept + line.slope * predicted[row];
        }
    }
    Ok((values, update(y, predicted, &(0..y.len()).collect::<Vec<_>>(), slope)?))
}

/// The measures of rows taken `weights[row]` times.
pub(super) fn measure(y: &[f64], predicted: &[f64], weights: &[u32]) -> Measured {
    let n: f64 = weights.iter().map(|&weight| f64::from(weight)).sum();
    let mean = |value: &dyn Fn(usize) -> f64| -> f64 {
        weights.iter().enumerate().map(|(row, &weight)| f64::from(weight) * value(row)).sum::<f64>() / n
    };
    let error = |row: usize| predicted[row] - y[row];
    let (x0, y0) = (mean(&|row| predicted[row]), mean(&|row| y[row]));
    let squares = mean(&|row| error(row) * error(row));
    let outcome = mean(&|row| (y[row] - y0) * (y[row] - y0));
    let spread = mean(&|row| (predicted[row] - x0) * (predicted[row] - x0));
    let cross = mean(&|row| (predicted[row] - x0) * (y[row] - y0));
    [
        libm::sqrt(squares),
        mean(&|row| error(row).abs()),
        if outcome > 0.0 { 1.0 - squares / outcome } else { f64::NAN },
        mean(&error),
        if spread > 0.0 { cross / spread } else { f64::NAN },
    ]
}

fn finish(rung: &NumberRung, point: Measured, draws: &[Measured], confidence: f64, few: Option<&String>) -> NumberRung {
    let of = |at: usize, why: &str| {
        let draws = draws.iter().map(|measured| measured[at]);
        varied(limited(percentile(finite(point[at]), draws, confidence, why), few))
    };
    NumberRung {
        rmse: of(0, "there are no rows"),
        mae: of(1, "there are no rows"),
        r2: of(2, "all outcomes are equal"),
        bias: of(3, "there are no rows"),
        slope: of(4, EQUAL),
        ..rung.clone()
    }
}

/// A rung without numbers.
fn blank(update: Update, about: &str, reason: Option<String>) -> NumberRung {
    let none = || Estimate::undefined(reason.clone().unwrap_or_default());
    NumberRung {
        update,
        about: about.to_owned(),
        coefficients: None,
        rmse: none(),
        mae: none(),
        r2: none(),
        bias: none(),
        slope: none(),
        reason,
    }
}
