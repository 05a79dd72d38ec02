//! Fits the candidates and baselines on the training rows, compares them on the outer folds and keeps one.
//!
//! Every fit sees training rows only; what is fitted before a learner (imputation, scaling, levels) is fitted on the
//! same rows as the learner. The kept candidate's out-of-fold predictions are what calibration and the threshold are
//! built on. Candidates have fixed settings, so comparing them on the outer folds is the only selection; test rows
//! play no part in it.

mod cv;
mod files;
mod learner;
mod model;
mod params;
mod preprocess;
mod select;
mod study;
#[cfg(test)]
pub(crate) mod test_study;

use std::collections::BTreeMap;

pub use files::{BaselineLogistic, BaselinePrevalence, Card};
pub use model::{Model, ModelFile};
pub use params::{LearnerName, LogisticParams, PreprocessParams, TrainParams};
pub use preprocess::{Encoding, Fingerprint, Matrix, Preprocessor, Step, quantile};

use crate::common::scores;
use crate::common::table::Table;
use crate::{ParamError, ParamSet, Role, Stage, StageContext, StageError};
use cv::{Candidate, Counter, CvResult, FoldScores};
use select::{CvReport, Summary};
use study::Study;

/// The stage `train`.
pub struct Train;

impl Stage for Train {
    fn name(&self) -> &'static str {
        "train"
    }

    fn version(&self) -> u32 {
        3
    }

    fn about(&self) -> &'static str {
        "fits candidates and baselines by cross-validation and keeps one"
    }

    fn inputs(&self) -> &'static [Role] {
        const {
            &[
                Role::required("table", "the feature table"),
                Role::required("spec", "how the features are computed"),
                Role::required("split", "parts and folds"),
            ]
        }
    }

    fn outputs(&self) -> &'static [Role] {
        const {
            &[
                Role::required("models", "directory of the kept model, the baselines and the model's card"),
                Role::required("oof", "out-of-fold predictions of the kept model"),
                Role::required("cv", "every fold's scores and the choice"),
            ]
        }
    }

    fn params(&self) -> &'static [Role] {
        const { &[Role::required("seed", "the study's seed"), Role::required("train", "learners and selection")] }
    }

    fn check(&self, params: &ParamSet) -> Result<(), ParamError> {
        params.parse::<u64>("seed")?;
        parse(params).map(|_| ())
    }

    fn run(&self, context: &StageContext) -> Result<(), StageError> {
        let params = parse(context.params())?;
        let study = Study::load(context)?;
        let pool = rayon::ThreadPoolBuilder::new().num_threads(context.threads()).build();
        let pool = pool.map_err(|error| StageError::failed(format!("cannot start threads: {error}")))?;
        pool.install(|| train(context, &params, &study))
    }
}

fn parse(params: &ParamSet) -> Result<TrainParams, ParamError> {
    let parsed: TrainParams = params.parse("train")?;
    parsed.check()?;
    Ok(parsed)
}

fn train(context: &StageContext, params: &TrainParams, study: &Study) -> Result<(), StageError> {
    let seed = context.seed()?;
    // The baseline comes first and keeps its place; the candidates follow in the order of the parameters.
    let mut contestants = vec![baseline()];
    contestants.extend(params.models.iter().map(|&name| Candidate {
        name: name.as_str().to_owned(),
        learner: learner::learner(name, params),
        preprocess: params.preprocess.clone(),
    }));
    let counter = Counter::new(context, contestants.len() * study.folds + 2);
    let results = cv::cross_validate(study, &contestants, seed, &counter)?;
    let summaries: Vec<(LearnerName, Summary)> =
        params.models.iter().copied().zip(results[1..].iter().map(Summary::new)).collect();
    let (chosen, reason) = select::choose(&summaries, params.metric, params.one_standard_error)
        .ok_or_else(|| StageError::failed("no candidate was trained"))?;
    let rounds = summaries[chosen].1.rounds;
    let threads = context.threads();
    let kept = cv::fit_all(study, &contestants[chosen + 1], rounds, seed, threads, &counter)?;
    let logistic = cv::fit_all(study, &contestants[0], None, seed, threads, &counter)?;
    let report = CvReport {
        schema_version: 1,
        metric: params.metric,
        one_standard_error: params.one_standard_error,
        folds: study.folds,
        n: study.rows(),
        events: study.events(),
        baselines: BTreeMap::from([
            ("logistic".to_owned(), Summary::new(&results[0])),
            ("prevalence".to_owned(), Summary::new(&prevalence(study)?)),
        ]),
        chosen: params.models[chosen],
        reason: reason.clone(),
        candidates: summaries.into_iter().map(|(name, summary)| (name.as_str().to_owned(), summary)).collect(),
    };
    let card = Card {
        schema_version: 1,
        model: params.models[chosen],
        reason,
        training_rows: study.fingerprint(),
        events: study.events() as u64,
        columns: kept.file.columns.len(),
        rounds,
    };
    files::write_models(context.output("models")?, study, &kept, &logistic, &card)?;
    oof(study, params.models[chosen].as_str(), &results[chosen + 1])?.write(context.output("oof")?)?;
    crate::common::canonical_json::write(context.output("cv")?, &report)
}

/// The plain logistic regression: default preprocessing and penalty, whatever the candidates are set to.
fn baseline() -> Candidate {
    Candidate {
        name: "baseline logistic".to_owned(),
        learner: Box::new(learner::Logistic(LogisticParams::default())),
        preprocess: PreprocessParams::default(),
    }
}

/// The event rate outside each fold as everyone's probability in it.
fn prevalence(study: &Study) -> Result<CvResult, StageError> {
    let mut p = vec![0.0; study.rows()];
    let mut folds = Vec::new();
    for fold in 0..study.folds {
        let (fit, held) = study.parts(fold);
        let rate = fit.iter().filter(|&&row| study.y[row]).count() as f64 / fit.len() as f64;
        let y: Vec<bool> = held.iter().map(|&row| study.y[row]).collect();
        let same = vec![rate; y.len()];
        let undefined = || StageError::failed(format!("fold {fold} has only one outcome"));
        for &row in &held {
            p[row] = rate;
        }
        folds.push(FoldScores {
            fold,
            n: y.len(),
            events: y.iter().filter(|&&y| y).count(),
            auroc: scores::auroc(&y, &same).ok_or_else(undefined)?,
            log_loss: scores::log_loss(&y, &same).ok_or_else(undefined)?,
            brier: scores::brier(&y, &same).ok_or_else(undefined)?,
            rounds: None,
        });
    }
    Ok(CvResult { folds, p })
}

fn oof(study: &Study, model: &str, result: &CvResult) -> Result<Table, StageError> {
    let mut table = Table::with_rows(study.rows());
    table
        .push_ints("row_id", study.row_ids.iter().map(|&id| Some(id)).collect())?
        .push_texts("group", study.group_names.iter().cloned().map(Some).collect())?
        .push_ints("fold", study.fold.iter().map(|&fold| Some(fold as i64)).collect())?
        .push_texts("model", vec![Some(model.to_owned()); study.rows()])?
        .push_ints("y", study.y.iter().map(|&y| Some(i64::from(y))).collect())?
        .push_floats("p_raw", result.p.clone())?;
    Ok(table)
}

#[cfg(test)]
mod tests;
