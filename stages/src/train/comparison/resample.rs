//! Scores of several predictions on the same resamples of patients.
//!
//! Invariant: every resample has its own random stream and gives the same weights to all predictions, so differences
//! are paired and no byte depends on threads.

use rayon::prelude::*;

use crate::common::rng::Stream;
use crate::common::scores::{self, Ranking};

/// The rows that are compared.
pub(super) struct Rows {
    /// Outcomes; 0 and 1 when they are events.
    pub y: Vec<f64>,
    /// The patient of each row, as a dense index.
    pub patients: Vec<usize>,
    /// How many patients there are.
    pub patient_count: usize,
}

/// A score that can be resampled for some predictions.
pub(super) enum Score {
    /// A function of the mean of these per-row losses, per contestant.
    Mean(Vec<Vec<f64>>, fn(f64) -> f64),
    /// The area under the ROC curve of these predictions.
    Auroc(Vec<Ranking>),
}

impl Rows {
    pub fn events(&self) -> Vec<bool> {
        self.y.iter().map(|&y| y > 0.5).collect()
    }

    /// Scores over all rows; NaN where undefined.
    pub fn plain(&self, score: &Score) -> Vec<f64> {
        self.weighted(score, &vec![1; self.y.len()])
    }

    /// One row per resample, one entry a contestant; NaN where undefined.
    pub fn resample(&self, score: &Score, seed: u64, resamples: usize) -> Vec<Vec<f64>> {
        let one = |index: usize| self.weighted(score, &self.draw(seed, index));
        (0..resamples).into_par_iter().map(one).collect()
    }

    fn draw(&self, seed: u64, index: usize) -> Vec<u32> {
        let mut stream = Stream::new(seed, &format!("train/comparison/{index}"));
        let mut drawn = vec![0_u32; self.patient_count];
        for _ in 0..self.patient_count {
            drawn[stream.below(self.patient_count as u64) as usize] += 1;
        }
        self.patients.iter().map(|&patient| drawn[patient]).collect()
    }

    fn weighted(&self, score: &Score, weights: &[u32]) -> Vec<f64> {
        match score {
            Score::Mean(losses, of) => {
                losses.iter().map(|losses| scores::weighted_mean(losses, weights).map_or(f64::NAN, of)).collect()
            }
            Score::Auroc(rankings) => {
                let y = self.events();
                let auroc = |ranking| scores::weighted_auroc(ranking, &y, weights).unwrap_or(f64::NAN);
                rankings.iter().map(auroc).collect()
            }
        }
    }
}
