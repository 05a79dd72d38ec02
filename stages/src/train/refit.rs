//! The kept candidate fitted again, from raw features to a model, on other rows of the training part: what `stability`
//! is made of.
//!
//! It goes the way of `train`: a fit on each outer fold's rows for out-of-fold predictions and boosting rounds, then one
//! on all rows. Rows may repeat (a resample of patients); copies of a patient stay in one fold. Nothing is chosen here
//! but settings, and those only when they are searched for again.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::choose::median_rounds;
use super::params::{LearnerName, TrainParams};
use super::recipe::{Job, Recipe, Trained};
use super::study::Study;
use super::tuning::{self, Nested};
use crate::common::frame::Frame;
use crate::common::target::Task;
use crate::{StageContext, StageError, StageFile};

/// The settings that a search found, by learner, as cv.json has them.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct FoundSettings {
    #[serde(default)]
    tuning: BTreeMap<String, Chosen>,
}

#[derive(Debug, Deserialize)]
struct Chosen {
    params: BTreeMap<String, Value>,
}

/// What can be fitted again, with the rows to do it on.
pub(crate) struct Refitter {
    study: Study,
    members: Vec<Recipe>,
    seed: u64,
}

/// Everything fitted on some rows.
pub(crate) struct Refitted {
    task: Task,
    members: Vec<Trained>,
    /// Rows that a fold held out, with the prediction of the model that had not seen them; a row as often as it was in.
    pub held_out: Vec<(usize, f64)>,
}

impl Refitter {
    /// Prepares the candidate `chosen` on the training rows. `found`: the settings of its search, where there was one;
    /// nothing when the search is to be repeated in every fit.
    ///
    /// # Errors
    /// When the rows cannot be read or a setting does not fit the parameters.
    pub fn new(
        context: &StageContext,
        params: &TrainParams,
        chosen: LearnerName,
        found: Option<&FoundSettings>,
    ) -> Result<Self, StageError> {
        let study = Study::load(context)?;
        let names = match chosen {
            LearnerName::Ensemble => params.candidates(study.task)?,
            one => vec![one],
        };
        let recipe = |learner: LearnerName| {
            let settled = match found {
                None => params.clone(),
                Some(found) => {
                    let settings = found.tuning.get(learner.as_str()).map(|chosen| chosen.params.clone());
                    tuning::patched(params, &settings.unwrap_or_default())?
                }
            };
            Ok(Recipe { learner, params: settled })
        };
        let names = names.into_iter().filter(|&name| name != LearnerName::Ensemble);
        let members = names.map(recipe).collect::<Result<_, StageError>>()?;
        Ok(Self { study, members, seed: context.seed()? })
    }

    /// The settings that train's cv.json names.
    pub fn settings(file: &StageFile) -> Result<FoundSettings, StageError> {
        crate::common::canonical_json::read(&file.path, &file.name)
    }

    /// What is predicted.
    pub fn task(&self) -> Task {
        self.study.task
    }

    /// The outcome of every training row.
    pub fn outcomes(&self) -> &[f64] {
        &self.study.y
    }

    /// The patient of every training row, as a dense index.
    pub fn patients(&self) -> &[usize] {
        self.study.groups()
    }

    /// Outer folds.
    pub fn folds(&self) -> usize {
        self.study.folds.count()
    }

    /// The rows that an outer fold trains on and those it holds out.
    pub fn parts(&self, fold: usize) -> (Vec<usize>, Vec<usize>) {
        self.study.folds.parts(fold)
    }

    /// Which rows these are.
    pub fn fingerprint(&self) -> super::Fingerprint {
        self.study.fingerprint()
    }

    /// The features of training rows.
    pub fn features(&self, rows: &[usize]) -> Frame {
        self.study.features.take(rows)
    }

    /// Fits everything on `rows`. `label` names the random streams.
    ///
    /// # Errors
    /// What could not be fitted, in words: a resample may lack what a fit needs.
    pub fn fit(&self, rows: &[usize], label: &str) -> Result<Refitted, String> {
        let place = |row: &usize| self.study.folds.place(*row);
        let mut rounds = vec![Vec::new(); self.members.len()];
        let mut held_out = Vec::new();
        for fold in 0..self.folds() {
            let held: Vec<usize> = rows.iter().copied().filter(|row| place(row).held_in == Some(fold)).collect();
            let fit: Vec<usize> = rows.iter().copied().filter(|row| place(row).trains(fold)).collect();
            // A fold from which nothing was drawn, or before which nothing is known, has nothing to say.
            if held.is_empty() || fit.is_empty() {
                continue;
            }
            let scope = format!("{label}/fold-{fold}");
            let mut sums = vec![0.0; held.len()];
            for (member, rounds) in self.members.iter().zip(&mut rounds) {
                let trained = self.fit_one(member, &fit, &scope, None)?;
                let predicted = trained.predict(&self.study, &held).map_err(|error| error.to_string())?;
                sums.iter_mut().zip(predicted).for_each(|(sum, value)| *sum += value);
                rounds.extend(trained.rounds);
            }
            let count = self.members.len() as f64;
            held_out.extend(held.into_iter().zip(sums).map(|(row, sum)| (row, sum / count)));
        }
        let last = |(member, rounds): (&Recipe, Vec<usize>)| {
            self.fit_one(member, rows, &format!("{label}/final"), median_rounds(rounds))
        };
        let members = self.members.iter().zip(rounds).map(last).collect::<Result<_, _>>()?;
        Ok(Refitted { task: self.study.task, members, held_out })
    }

    /// One fit, after a search for settings where there is one.
    fn fit_one(&self, recipe: &Recipe, rows: &[usize], scope: &str, rounds: Option<usize>) -> Result<Trained, String> {
        let name = recipe.learner.as_str();
        let search = Nested {
            study: &self.study,
            name,
            recipe,
            rows,
            scope,
            title: name,
            seed: self.seed,
            progress: &|_, _| {},
        };
        let found = search.run().map_err(|error| error.to_string())?;
        let (recipe, rounds) = found.as_ref().map_or((recipe, rounds), |found| (&found.recipe, found.rounds));
        let label = format!("train/{name}/{scope}");
        let job = Job { rows, rounds, seed: self.seed, label: &label, threads: 1, progress: &|_| {} };
        recipe.fit(&self.study, &job).map_err(|error| format!("{name}: {error}"))
    }
}

impl Refitted {
    /// Predictions, before calibration, for a table of features.
    ///
    /// # Errors
    /// When a feature is missing.
    pub fn predict(&self, features: &Frame) -> Result<Vec<f64>, String> {
        let mut sums = vec![0.0; features.rows()];
        for member in &self.members {
            let x = member.preprocessor.transform(features, None).map_err(|error| error.to_string())?;
            let predicted = member.member.model.predict_all(&x, self.task);
            sums.iter_mut().zip(predicted).for_each(|(sum, value)| *sum += value);
        }
        let count = self.members.len() as f64;
        Ok(sums.into_iter().map(|sum| sum / count).collect())
    }
}
