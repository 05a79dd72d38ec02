//! A recipe refitted on rows that no bundle was trained on: what external validation sets beside the updated model.
//!
//! It fits as the final refit of `train` does, preprocessing and choice of features included, on the rows it is given
//! and nothing else. It searches for no settings: it takes those that are declared.

use std::collections::BTreeSet;

use super::params::{LearnerName, TrainParams};
use super::recipe::{FitError, Job, Recipe};
use super::study::Study;
use crate::common::folds::{Design, Folds};
use crate::common::frame::Frame;
use crate::common::target::Task;
use crate::{ParamError, ParamSet, StageError};

/// Learners with their settings; predictions of several are averaged.
#[derive(Debug, Clone)]
pub struct RefitRecipe {
    learners: Vec<LearnerName>,
    params: TrainParams,
    /// What it is, in words.
    pub name: String,
}

impl RefitRecipe {
    /// The kept candidate `model` as `train` of the declared parameters sets it up; without that key the plain linear
    /// model with default settings.
    pub fn new(params: &ParamSet, model: &str, task: Task) -> Result<Self, ParamError> {
        if params.get("train").is_none() {
            let linear = LearnerName::linear(task);
            let name = format!("plain {} regression with default settings", linear.as_str());
            return Ok(Self { learners: vec![linear], params: TrainParams::default(), name });
        }
        let train: TrainParams = params.parse("train")?;
        train.check()?;
        let candidates = train.candidates(task)?;
        let kept = candidates.iter().copied().find(|candidate| candidate.as_str() == model).ok_or_else(|| {
            let message = format!("does not have `{model}`, the bundle's model, among its candidates");
            ParamError::new("train.models", message)
        })?;
        let members = |learner: &LearnerName| *learner != LearnerName::Ensemble;
        let learners =
            if kept == LearnerName::Ensemble { candidates.into_iter().filter(members).collect() } else { vec![kept] };
        let searched = if train.tune.is_on() { "; its settings are not searched for anew" } else { "" };
        let name = format!("{model}, as declared under `train`{searched}");
        Ok(Self { learners, params: train, name })
    }
}

/// Rows to refit on.
pub struct RefitRows(Study);

impl RefitRows {
    /// Features by name, the ids and outcomes of the rows (0 or 1 when they are events), and their patients' numbers.
    pub fn new(
        features: Frame,
        names: Vec<String>,
        row_ids: Vec<i64>,
        task: Task,
        y: Vec<f64>,
        groups: Vec<usize>,
    ) -> Self {
        let rows = y.len();
        Self(Study {
            names,
            raw: BTreeSet::new(),
            features: features.into(),
            row_ids,
            task,
            y,
            group_names: groups.iter().map(|group| Some(group.to_string())).collect(),
            design: Design { groups, strata: vec![0; rows], time: None },
            folds: Folds::partition(1, vec![0; rows]),
        })
    }

    /// Fits on the rows at `fit` and predicts those at `held`; `label` names the random streams.
    pub fn predict(
        &self,
        recipe: &RefitRecipe,
        fit: &[usize],
        held: &[usize],
        seed: u64,
        label: &str,
        threads: usize,
    ) -> Result<Vec<f64>, StageError> {
        let failed = |error: FitError| StageError::failed(format!("refitting {}: {error}", recipe.name));
        let mut sums = vec![0.0; held.len()];
        for &learner in &recipe.learners {
            let job = Job { rows: fit, rounds: None, seed, label, threads, progress: &|_| {} };
            let trained = Recipe { learner, params: recipe.params.clone() }.fit(&self.0, &job).map_err(failed)?;
            let predicted = trained.predict(&self.0, held).map_err(failed)?;
            sums.iter_mut().zip(predicted).for_each(|(sum, value)| *sum += value);
        }
        let count = recipe.learners.len() as f64;
        Ok(sums.into_iter().map(|sum| sum / count).collect())
    }
}
