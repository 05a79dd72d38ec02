//! `stability`: how much the model depends on the patients that happened to be in the study.
//!
//! Everything that `train` and `calibrate` fit is fitted again on resamples of the training patients, and the same rows
//! are predicted each time (Riley and Collins 2023); then on growing shares of the patients. Not in the shipped
//! pipelines: it costs hundreds of trainings.
//!
//! Invariants: the outcomes of the test part are not read; a refit sees the patients of its resample only; each has its
//! own random streams, so bytes do not depend on threads. The model itself is what the bundle says, nothing else.

mod curve;
mod document;
mod instability;
mod params;
mod recipe;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;

pub use document::{Counted, CurvePoint, Decile, Distribution, Flips, Instability, Repeated, Stability};
pub use params::{CurveParams, Part, StabilityParams};

use self::instability::Predicted;
use self::recipe::Recipe;
use crate::bundle::{Bundle, BundleError};
use crate::calibrate::CalibrateParams;
use crate::common::canonical_json;
use crate::common::frame::Frame;
use crate::common::table::Table;
use crate::common::target::Task;
use crate::train::{LearnerName, Refitter, TrainParams};
use crate::{ParamError, ParamSet, Role, Stage, StageContext, StageError};

/// Refits that Riley and Collins advise at least.
const ADVISED: usize = 200;

/// The stage `stability`.
pub struct Stabilise;

impl Stage for Stabilise {
    fn name(&self) -> &'static str {
        "stability"
    }

    fn version(&self) -> u32 {
        1
    }

    fn about(&self) -> &'static str {
        "refits the whole recipe on resamples of patients and on shares of them"
    }

    fn inputs(&self) -> &'static [Role] {
        const {
            &[
                Role::required("bundle", "the model whose stability is in question"),
                Role::required("table", "the feature table it was trained on"),
                Role::required("spec", "how the features are computed"),
                Role::required("split", "parts and folds"),
                Role::required("raw", "the validated table, for the rows that are predicted"),
                Role::optional("cv", "train's cv.json, for settings that were searched for"),
            ]
        }
    }

    fn outputs(&self) -> &'static [Role] {
        const {
            &[
                Role::required("report", "instability, who changes sides, and the learning curve"),
                Role::optional("points", "the points of the instability plot"),
            ]
        }
    }

    fn params(&self) -> &'static [Role] {
        const {
            &[
                Role::required("seed", "the study's seed"),
                Role::required("train", "the learners' settings, as for `train`"),
                Role::optional("calibrate", "how probabilities are calibrated, as for `calibrate`"),
                Role::optional("stability", "refits, learning curve"),
            ]
        }
    }

    fn check(&self, params: &ParamSet) -> Result<(), ParamError> {
        params.parse::<u64>("seed")?;
        params.parse::<TrainParams>("train")?.check()?;
        params.parse_or_default::<CalibrateParams>("calibrate")?;
        StabilityParams::parse(params).map(|_| ())
    }

    fn run(&self, context: &StageContext) -> Result<(), StageError> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(context.threads()).build();
        let pool = pool.map_err(|error| StageError::failed(format!("cannot start threads: {error}")))?;
        pool.install(|| run(context))
    }
}

fn run(context: &StageContext) -> Result<(), StageError> {
    let params = StabilityParams::parse(context.params())?;
    let file = context.input("bundle")?;
    let bundle = Bundle::load(&file.path).map_err(|error| StageError::input(&file.name, error.to_string()))?;
    let recipe = recipe(context, &params, &bundle)?;
    let raw = rows(context, &bundle, params.part)?;
    let unscored = |error: BundleError| StageError::failed(error.to_string());
    let (model, thresholds) = match bundle.task() {
        Task::Binary => {
            let predictions = bundle.predict(&raw).map_err(unscored)?;
            let thresholds = predictions.iter().map(|prediction| prediction.threshold).collect();
            (predictions.iter().map(|prediction| prediction.p).collect(), Some(thresholds))
        }
        Task::Continuous => (bundle.predict_numbers(&raw).map_err(unscored)?, None),
    };
    let features = bundle.features_of(&raw).map_err(unscored)?;

    let seed = context.seed()?;
    let curve_fits = params.learning_curve.as_ref().map_or(0, |curve| curve.fractions.len() * curve.repeats);
    let (count, total) = (AtomicU64::new(0), (params.refits + curve_fits) as u64);
    let done = || {
        let finished = count.fetch_add(1, Ordering::Relaxed) + 1;
        context.progress(finished, Some(total), "refits", "fitting the recipe again");
    };
    let refit = |index: usize| {
        let fitted = recipe.predict(&recipe.resample(seed, index), &format!("stability/{index}"), &features);
        done();
        fitted.map(|predicted| bounded(predicted, &bundle))
    };
    let results: Vec<Result<Vec<f64>, String>> = (0..params.refits).into_par_iter().map(refit).collect();
    let failure = results.iter().find_map(|result| result.as_ref().err().cloned());
    let refits: Vec<Vec<f64>> = results.into_iter().filter_map(Result::ok).collect();
    if refits.is_empty() {
        let text =
            format!("none of {} refits succeeded; the first failed: {}", params.refits, failure.unwrap_or_default());
        return Err(StageError::failed(text).with_hint("more training rows or events, or fewer folds, may help"));
    }
    let (made, learning_curve) = (refits.len(), params.learning_curve.as_ref());
    let learning_curve = learning_curve.map(|curve| curve::curve(&recipe, curve, seed, &done));
    let predicted = Predicted { model, thresholds, refits };
    let report = Stability {
        schema_version: 1,
        model: bundle.manifest().model.clone(),
        training: counted(&recipe.refitter),
        refits: made,
        failed: params.refits - made,
        failure,
        retuned: params.retune,
        enough_refits: made >= ADVISED,
        instability: predicted.report(params.part, context.output_opt("points"))?,
        learning_curve,
    };
    canonical_json::write(context.output("report")?, &report)
}

/// The bundle's candidate with its rows, which must be those that the bundle was trained on.
fn recipe(context: &StageContext, params: &StabilityParams, bundle: &Bundle) -> Result<Recipe, StageError> {
    let train: TrainParams = context.param("train")?;
    train.check()?;
    let name = bundle.manifest().model.as_str();
    let chosen: LearnerName = serde_json::from_value(name.into())
        .map_err(|_| StageError::failed(format!("the bundle's model `{name}` is no learner of this clinpipe")))?;
    let found = match (params.retune, context.input_opt("cv")) {
        (true, _) => None,
        (false, Some(cv)) => Some(Refitter::settings(cv)?),
        (false, None) if train.tune.is_on() => {
            let text = "the settings that `train.tune` found are in train's cv.json, and none is bound";
            return Err(StageError::failed(text).with_hint(
                "bind cv.json to the role `cv` under the deps of this stage, or set `stability.retune: true`",
            ));
        }
        (false, None) => Some(crate::train::FoundSettings::default()),
    };
    let refitter = Refitter::new(context, &train, chosen, found.as_ref())?;
    if refitter.fingerprint() != bundle.manifest().training.rows {
        let text = "the bundle was not trained on the training part of this split";
        return Err(StageError::failed(text).with_hint("train and bundle again on the present split"));
    }
    Ok(Recipe { refitter, calibrate: context.params().parse_or_default("calibrate")? })
}

/// The raw columns of the rows that are predicted.
fn rows(context: &StageContext, bundle: &Bundle, part: Part) -> Result<Frame, StageError> {
    let (split, raw) = (context.input("split")?, context.input("raw")?);
    let parts = Table::read_columns(split, &["row_id", "part"])?;
    if parts.ints_full("row_id")? != Table::read_ints_full(raw, "row_id")? {
        let text = format!("its rows are not those of {}", raw.name);
        return Err(StageError::input(&split.name, text).with_hint("run the stage `split` again"));
    }
    let wanted = match part {
        Part::Test => "test",
        Part::Train => "train",
    };
    let parts = parts.texts("part")?;
    let rows: Vec<usize> = (0..parts.len()).filter(|&row| parts.get(row) == Some(wanted)).collect();
    if rows.is_empty() {
        return Err(StageError::input(&split.name, format!("has no {wanted} rows")));
    }
    bundle.read_inputs(raw, &rows)
}

/// Numbers within the bounds that the schema gives, as the bundle's own are.
fn bounded(mut predicted: Vec<f64>, bundle: &Bundle) -> Vec<f64> {
    if let Some([low, high]) = bundle.schema().target.range.filter(|_| bundle.task() == Task::Continuous) {
        for value in &mut predicted {
            *value = value.clamp(low, high);
        }
    }
    predicted
}

fn counted(refitter: &Refitter) -> Counted {
    let y = refitter.outcomes();
    let events = y.iter().filter(|&&y| y > 0.5).count() as u64;
    Counted {
        n: y.len() as u64,
        events: (refitter.task() == Task::Binary).then_some(events),
        patients: refitter.patients().iter().max().map_or(0, |last| *last as u64 + 1),
    }
}
