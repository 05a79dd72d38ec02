//! The floor: models of outcomes that were dealt out anew among patients, judged on rows that were held out.
//!
//! Such a model can know nothing, so its AUROC is one half but for chance. When it is more, rows of one patient stand on
//! both sides of a fold and are recognised. Only the training rows and their folds are used; no fitted model is kept.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::auroc::{null_error, stratified, tail};
use super::data::Data;
use super::family::{Examined, Probe};
use super::params::LeakageParams;
use super::report::{Check, Measure};
use crate::StageError;
use crate::common::frame::Frame;
use crate::common::rng::Stream;
use crate::common::target::Task;
use crate::train::{AloneError, LearnerName, TrainParams, fit_alone};

/// More patients than this are sampled: what memorising gives is seen in a few hundred.
const MOST_PATIENTS: usize = 2000;
/// Small trees that may close in on few rows, so that they remember patients.
const ROUNDS: usize = 30;
const LEAVES: usize = 15;
const RATE: f64 = 0.2;
const LEAST_CHILD: f64 = 0.5;

/// A quick model on the outer folds of the training rows, or of a sample of their patients.
pub(super) struct Quick<'a> {
    data: &'a Data,
    /// Places among the training rows.
    rows: Vec<usize>,
    features: Frame,
    params: TrainParams,
}

/// Held-out scores: of each row that some fold holds out, its place in the sample, the fold and the score.
type HeldOut = Vec<(usize, usize, f64)>;

impl<'a> Quick<'a> {
    /// Picks the patients.
    pub fn new(data: &'a Data, seed: u64) -> Result<Self, StageError> {
        let count = data.patient_count;
        let mut patients: Vec<usize> = (0..count).collect();
        Stream::new(seed, "leakage/patients").shuffle(&mut patients);
        let mut present = vec![false; count];
        for at in 0..data.train.len() {
            present[data.patient(at)] = true;
        }
        let mut picked = vec![false; count];
        for patient in patients.into_iter().filter(|&patient| present[patient]).take(MOST_PATIENTS) {
            picked[patient] = true;
        }
        let rows: Vec<usize> = (0..data.train.len()).filter(|&at| picked[data.patient(at)]).collect();
        let places: Vec<usize> = rows.iter().map(|&at| data.train[at]).collect();
        let mut params = TrainParams::default();
        params.gbdt.rounds = ROUNDS;
        params.gbdt.leaves = LEAVES;
        params.gbdt.learning_rate = RATE;
        params.gbdt.min_child = LEAST_CHILD;
        Ok(Self { data, features: data.features_of(&places)?, rows, params })
    }

    /// The AUROC of boosted trees on held-out rows, within folds; `None` without both classes.
    pub fn held_out_auroc(&self) -> Result<Option<f64>, StageError> {
        let y: Vec<bool> = self.rows.iter().map(|&at| self.data.y[at]).collect();
        let scores = self.held_out(LearnerName::Gbdt, &y);
        let scores =
            scores.map_err(|error| StageError::failed(format!("a quick model could not be fitted: {error}")))?;
        Ok(auroc(&scores, &y))
    }

    /// What models that have not seen a row predict for it, when the outcomes are `y` (by place in the sample).
    fn held_out(&self, learner: LearnerName, y: &[bool]) -> Result<HeldOut, AloneError> {
        let numbers: Vec<f64> = y.iter().map(|&y| f64::from(u8::from(y))).collect();
        let place = |at: usize| self.data.folds.place(self.rows[at]);
        let mut scores = Vec::new();
        for fold in 0..self.data.folds.count() {
            let fit: Vec<usize> = (0..y.len()).filter(|&at| place(at).trains(fold)).collect();
            let held: Vec<usize> = (0..y.len()).filter(|&at| place(at).held_in == Some(fold)).collect();
            let differ = |rows: &[usize]| rows.iter().any(|&at| y[at]) && rows.iter().any(|&at| !y[at]);
            if !differ(&fit) || !differ(&held) {
                continue;
            }
            let (preprocessor, model) =
                fit_alone(learner, &self.params, &self.features, &fit, Task::Binary, &numbers, 1)?;
            let x = preprocessor.transform(&self.features, Some(&held))?;
            let p = model.predict_all(&x, Task::Binary);
            scores.extend(held.iter().zip(p).map(|(&at, p)| (at, fold, p)));
        }
        Ok(scores)
    }

    /// Outcomes dealt out anew: each patient gets another's, whole. A patient has the event when any of its rows has.
    fn permuted(&self, stream: &mut Stream) -> Vec<bool> {
        let patient = |at: usize| self.data.patient(self.rows[at]);
        let count = self.data.patient_count;
        let (mut seen, mut event) = (vec![false; count], vec![false; count]);
        for (at, &row) in self.rows.iter().enumerate() {
            seen[patient(at)] = true;
            event[patient(at)] |= self.data.y[row];
        }
        let members: Vec<usize> = (0..count).filter(|&one| seen[one]).collect();
        let mut dealt: Vec<bool> = members.iter().map(|&one| event[one]).collect();
        stream.shuffle(&mut dealt);
        for (&one, y) in members.iter().zip(dealt) {
            event[one] = y;
        }
        (0..self.rows.len()).map(|at| event[patient(at)]).collect()
    }

    /// Mean AUROC over permutations and the chance of it being this high.
    fn floor(&self, learner: LearnerName, permutations: usize, seed: u64) -> Result<Option<(f64, f64)>, AloneError> {
        let one = |number: usize| -> Result<Option<(f64, f64)>, AloneError> {
            let y = self.permuted(&mut Stream::new(seed, &format!("leakage/permutation/{number}")));
            let scores = self.held_out(learner, &y)?;
            Ok(auroc(&scores, &y).map(|auroc| (auroc, self.chance_error(&scores, &y))))
        };
        let all: Vec<Option<(f64, f64)>> = (0..permutations).into_par_iter().map(one).collect::<Result<_, _>>()?;
        let defined: Vec<(f64, f64)> = all.into_iter().flatten().collect();
        let n = defined.len() as f64;
        if defined.len() < 2 {
            return Ok(None);
        }
        let mean = defined.iter().map(|(auroc, _)| auroc).sum::<f64>() / n;
        let theory = defined.iter().map(|(_, error)| error * error).sum::<f64>() / n;
        let observed = defined.iter().map(|(auroc, _)| (auroc - mean) * (auroc - mean)).sum::<f64>() / (n - 1.0);
        let error = theory.max(observed).sqrt() / n.sqrt();
        Ok(Some((mean, tail((mean - 0.5) / error))))
    }

    /// The standard error of an AUROC within folds that knows nothing. Patients count, with the weight of their rows: where
    /// some have more than others, chance is wider than so many equal patients would make it.
    fn chance_error(&self, scores: &HeldOut, y: &[bool]) -> f64 {
        let mut seen: BTreeMap<(usize, usize), (bool, f64)> = BTreeMap::new();
        for &(at, fold, _) in scores {
            seen.entry((fold, self.data.patient(self.rows[at]))).or_insert((y[at], 0.0)).1 += 1.0;
        }
        let folds: Vec<usize> = seen.keys().map(|(fold, _)| *fold).collect();
        let (events, weights): (Vec<bool>, Vec<f64>) = seen.into_values().unzip();
        null_error(&events, &folds, &weights)
    }
}

fn auroc(scores: &HeldOut, y: &[bool]) -> Option<f64> {
    let p: Vec<f64> = scores.iter().map(|(_, _, p)| *p).collect();
    let events: Vec<bool> = scores.iter().map(|(at, _, _)| y[*at]).collect();
    let folds: Vec<usize> = scores.iter().map(|(_, fold, _)| *fold).collect();
    stratified(&p, &events, &folds)
}

/// Logistic regression and boosted trees.
pub(super) fn permuted_target(quick: &Quick, params: &LeakageParams, seed: u64) -> Examined {
    let check = Check::PermutedTarget;
    if params.permutations == 0 {
        return Examined::skipped(check, 2, "`leakage.permutations` is 0");
    }
    if !quick.data.evidence(quick.rows.iter().copied()).suffices() {
        return Examined::skipped(check, 2, "too few patients with or without the event");
    }
    let (mut probes, mut reason) = (Vec::new(), None);
    for (learner, measure) in [(LearnerName::Logistic, Measure::AurocLogistic), (LearnerName::Gbdt, Measure::AurocGbdt)]
    {
        match quick.floor(learner, params.permutations, seed) {
            Ok(Some((effect, p))) => probes.push(Probe {
                effect,
                bound: params.permuted_auroc,
                p_value: Some(p),
                ..Probe::count("folds", measure, 0, "models of permuted outcomes recognise held-out rows".to_owned())
            }),
            Ok(None) => reason = Some("too few folds have both outcomes".to_owned()),
            Err(error) => reason = Some(format!("{} could not be fitted: {error}", learner.as_str())),
        }
    }
    Examined { check, subjects: 2, tested: probes.len(), probes, reason }
}
