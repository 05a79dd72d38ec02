//! What trees are boosted on: log loss for events, squared error for numbers, written here on `libm`.
//!
//! The library's own logistic objective depends on the processor's instructions; of the library only the growing of
//! trees is used. Every row is on its own here, so bytes do not depend on how rows are divided among threads.

use hessboost::metric::CustomMetric;
use hessboost::objective::{CustomLoss, GradPair};
use rayon::prelude::*;

use crate::common::link::{logit, sigmoid, softplus};
use crate::common::target::Task;
use crate::train::learner::FitRequest;

/// Rows per task when gradients are computed in parallel.
const CHUNK: usize = 8192;
/// Least second derivative of a row, so that a leaf of certain rows still has a value.
const FLAT: f64 = 1e-16;

/// The margin before any tree, from the rows to grow on: the log odds of the weighted event rate, or the weighted mean.
/// Half a row on each side keeps the log odds finite when a class is absent.
pub(super) fn start(request: &FitRequest, rows: &[usize]) -> f64 {
    let total: f64 = rows.iter().map(|&row| request.weight(row)).sum();
    let sum: f64 = rows.iter().map(|&row| request.weight(row) * request.y[row]).sum();
    match request.task {
        Task::Binary => logit((sum + 0.5) / (total + 1.0)),
        Task::Continuous => sum / total,
    }
}

/// The loss with its gradients. For numbers the labels and margins are distances from the start, so that 32-bit floats
/// hold what is left to explain.
pub(super) fn loss(task: Task, start: f64) -> CustomLoss {
    match task {
        Task::Binary => CustomLoss::new("log loss", 1, |margins, labels, weights, out| {
            fill(out, margins, labels, weights, |margin, label| {
                let p = sigmoid(margin);
                (p - label, (p * (1.0 - p)).max(FLAT))
            });
        })
        .with_base_margin(start as f32),
        Task::Continuous => CustomLoss::new("squared error", 1, |margins, labels, weights, out| {
            fill(out, margins, labels, weights, |margin, label| (margin - label, 1.0));
        }),
    }
}

/// The mean loss on watched rows, which decides when to stop.
pub(super) fn metric(task: Task) -> CustomMetric {
    CustomMetric::new("loss", false, move |margins, labels, weights| {
        let (mut sum, mut total) = (0.0, 0.0);
        for (row, (&margin, &label)) in margins.iter().zip(labels).enumerate() {
            let (margin, label) = (f64::from(margin), f64::from(label));
            let weight = weights.map_or(1.0, |weights| f64::from(weights[row]));
            total += weight;
            sum += weight
                * match task {
                    Task::Binary => softplus(margin) - label * margin,
                    Task::Continuous => (margin - label) * (margin - label),
                };
        }
        sum / total
    })
}

fn fill(
    out: &mut [GradPair],
    margins: &[f32],
    labels: &[f32],
    weights: Option<&[f32]>,
    derivatives: impl Fn(f64, f64) -> (f64, f64) + Sync,
) {
    out.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, pairs)| {
        let from = chunk * CHUNK;
        let (margins, labels) = (&margins[from..], &labels[from..]);
        for (row, pair) in pairs.iter_mut().enumerate() {
            let (gradient, curvature) = derivatives(f64::from(margins[row]), f64::from(labels[row]));
            let weight = weights.map_or(1.0, |weights| f64::from(weights[from + row]));
            *pair = GradPair::new((weight * gradient) as f32, (weight * curvature) as f32);
        }
    });
}
