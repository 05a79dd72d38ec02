//! The whole recipe once more: everything `train` fits, and the calibrator on its out-of-fold predictions.

use crate::calibrate::{self, CalibrateParams, Calibrator};
use crate::common::frame::Frame;
use crate::common::rng::Stream;
use crate::common::target::Task;
use crate::train::Refitter;

/// What is needed to fit everything again.
pub(super) struct Recipe {
    /// The candidate and its rows.
    pub refitter: Refitter,
    /// How it is calibrated, when it predicts an event.
    pub calibrate: CalibrateParams,
}

impl Recipe {
    /// Fits on `rows` and predicts `features`: calibrated probabilities, or numbers.
    ///
    /// # Errors
    /// What could not be fitted.
    pub fn predict(&self, rows: &[usize], label: &str, features: &Frame) -> Result<Vec<f64>, String> {
        let fitted = self.refitter.fit(rows, label)?;
        let predicted = fitted.predict(features)?;
        if self.refitter.task() == Task::Continuous {
            return Ok(predicted);
        }
        let y = self.refitter.outcomes();
        let (p, events) = fitted.held_out.iter().map(|&(row, p)| (p, y[row] > 0.5)).unzip();
        let calibrator: Calibrator =
            calibrate::fit(self.calibrate, p, events).map_err(|error| format!("calibration: {error}"))?;
        Ok(predicted.into_iter().map(|p| calibrator.apply(p)).collect())
    }

    /// The rows of as many patients as there are, drawn with replacement; a patient comes with all rows, in table order.
    pub fn resample(&self, seed: u64, index: usize) -> Vec<usize> {
        let patients = self.refitter.patients();
        let count = patients.iter().max().map_or(0, |last| last + 1);
        let mut stream = Stream::new(seed, &format!("stability/refit/{index}"));
        let mut drawn = vec![0_usize; count];
        for _ in 0..count {
            drawn[stream.below(count as u64) as usize] += 1;
        }
        let rows = patients.iter().enumerate();
        rows.flat_map(|(row, &patient)| std::iter::repeat_n(row, drawn[patient])).collect()
    }
}
