//! The evaluation of a continuous outcome: RMSE, MAE, R² and bias of the test rows with intervals by the patient
//! bootstrap, beside the mean of the training rows and a plain ridge regression.
//!
//! Differences to the baselines are paired: taken on the same resamples. Inside this module NaN marks a measure that is
//! undefined (R² where all outcomes are equal); it becomes null with a reason in the report.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::bootstrap::{Clusters, resample};
use super::detail::{Shaped, number_detail};
use super::document::{Evaluated, Intervals};
use super::enough::{self, limited, varied};
use super::external;
use super::slices::{self, Answers, Judged};
use super::verdict;
use super::{EvaluateParams, Subjects, evaluated, unscored};
use crate::bundle::Bundle;
use crate::common::canonical_json;
use crate::common::csv_file;
use crate::common::interval::{Estimate, finite, percentile};
use crate::common::table::Table;
use crate::{StageContext, StageError};

/// Groups of the calibration plot.
const GROUPS: usize = 10;

/// metrics.json of a continuous outcome. Numbers are in the outcome's unit and of the test part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NumberMetrics {
    /// Version of this format: 2.
    pub schema_version: u32,
    /// `real` or `synthetic`.
    pub data: String,
    /// The chosen candidate.
    pub model: String,
    /// Which model was evaluated on which rows.
    pub evaluated: Evaluated,
    /// Test rows.
    pub n: u64,
    /// Patients they belong to.
    pub patients: u64,
    /// How the intervals were made.
    pub intervals: Intervals,
    /// The outcomes.
    pub outcome: Outcome,
    /// Root mean squared error.
    pub rmse: Estimate,
    /// Mean absolute error.
    pub mae: Estimate,
    /// 1 − Σ(y − ŷ)² / Σ(y − ȳ)².
    pub r2: Estimate,
    /// Mean of prediction − outcome; 0 is calibrated in the large.
    pub bias: Estimate,
    /// The naive alternatives.
    pub baselines: NumberBaselines,
    /// Whether the model is worth more than they are.
    pub verdict: NumberVerdict,
}

/// The outcomes of the test rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation (divisor n).
    pub sd: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

/// The naive alternatives, on the same rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NumberBaselines {
    /// Give everyone the mean of the training rows.
    pub mean: NumberBaseline,
    /// A plain ridge regression on the same features.
    pub ridge: NumberBaseline,
}

/// One naive alternative.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NumberBaseline {
    /// Rows.
    pub n: u64,
    /// Root mean squared error.
    pub rmse: f64,
    /// Mean absolute error.
    pub mae: f64,
    /// R²; null where all outcomes are equal.
    pub r2: Option<f64>,
    /// The model minus this; negative speaks for the model.
    pub difference: NumberDifference,
}

/// The model minus a baseline, paired.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NumberDifference {
    /// In RMSE.
    pub rmse: Estimate,
    /// In MAE.
    pub mae: Estimate,
}

/// Whether the model is worth more than the naive alternatives, by RMSE.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NumberVerdict {
    /// `rmse`.
    pub criterion: String,
    /// It is better than the mean of the training rows; null when undefined.
    pub beats_mean: Option<bool>,
    /// It is better than a plain ridge regression.
    pub beats_ridge: Option<bool>,
    /// In one or two sentences.
    pub text: String,
    /// Why no verdict is pronounced; then nothing is said to be beaten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Predictions beside the outcomes.
struct Sample {
    y: Vec<f64>,
    /// The model's, the mean's, the ridge regression's.
    predicted: [Vec<f64>; 3],
}

/// What was evaluated.
struct Subject<'a> {
    evaluated: Evaluated,
    data: &'a str,
    model: &'a str,
}

/// One predictor's measures; NaN where undefined.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Fit {
    rmse: f64,
    mae: f64,
    r2: f64,
    bias: f64,
}

/// Scores and reports the test rows of a bundle that predicts a number.
pub(super) fn run(context: &StageContext, params: &EvaluateParams, bundle: &Bundle) -> Result<(), StageError> {
    let Subjects { rows, new } = Subjects::load(context, bundle)?;
    let source = super::source(bundle, new.as_ref());
    let evaluated = evaluated(bundle, &rows);
    let sample = Sample {
        predicted: [
            bundle.predict_numbers(&rows.raw).map_err(unscored)?,
            vec![bundle.baseline_constant(); rows.y.len()],
            bundle.baseline_linear(&rows.raw).map_err(unscored)?,
        ],
        y: rows.y.clone(),
    };
    let mut table = Table::with_rows(sample.y.len());
    table
        .push_ints("row_id", rows.row_ids.iter().copied().map(Some).collect())?
        .push_floats("y", sample.y.clone())?
        .push_floats("prediction", sample.predicted[0].clone())?;
    table.write(context.output("predictions")?)?;
    if let (Some(path), Some(new)) = (context.output_opt("external"), &new) {
        let (predicted, outcome) = (&sample.predicted[0], sample.outcome());
        let scored = external::NumberScored { bundle, rows: &rows, new, predicted, outcome };
        external::write_number(context, path, params, scored)?;
    }
    if let Some(path) = context.output_opt("slices") {
        let answers = Answers::Numbers { y: sample.y.clone(), predicted: sample.predicted[0].clone() };
        let judged = Judged { bundle, source: &source, raw: &rows.raw, patients: &rows.patients, answers };
        slices::write(context, path, params, &judged)?;
    }

    let clusters = Clusters::new(&rows.patients);
    let shaped = Shaped::new(&sample.y, &sample.predicted[0]);
    let drawn = resample(context, &clusters, context.seed()?, params.bootstrap, |weights| {
        (sample.measure(weights), shaped.measure(weights))
    })?;
    let (resamples, shapes): (Vec<_>, Vec<_>) = drawn.into_iter().unzip();
    let intervals = Intervals {
        confidence: params.confidence,
        resamples: resamples.len(),
        one_row_per_patient: clusters.single_rows(),
    };
    let manifest = bundle.manifest();
    let subject = Subject { evaluated, data: &source, model: &manifest.model };
    let report = sample.report(&resamples, intervals, &clusters, subject);
    canonical_json::write(context.output("metrics")?, &report)?;
    if let Some(path) = context.output_opt("evaluation") {
        canonical_json::write(
            path,
            &number_detail(&report, &shaped, &shapes, enough::too_few(&clusters, None).as_ref()),
        )?;
    }
    context.output_opt("curves").map_or(Ok(()), |path| sample.write_groups(path))
}

impl Sample {
    /// All predictors on one weighting of the rows.
    fn measure(&self, weights: &[u32]) -> [Fit; 3] {
        let weighted = |value: &dyn Fn(usize) -> f64| -> f64 {
            weights.iter().enumerate().map(|(row, &weight)| f64::from(weight) * value(row)).sum()
        };
        let n = weights.iter().map(|&weight| f64::from(weight)).sum::<f64>();
        let centre = weighted(&|row| self.y[row]) / n;
        let spread = weighted(&|row| (self.y[row] - centre) * (self.y[row] - centre));
        [0, 1, 2].map(|which| {
            let error = |row: usize| self.predicted[which][row] - self.y[row];
            let squares = weighted(&|row| error(row) * error(row));
            Fit {
                rmse: libm::sqrt(squares / n),
                mae: weighted(&|row| error(row).abs()) / n,
                r2: if spread > 0.0 { 1.0 - squares / spread } else { f64::NAN },
                bias: weighted(&error) / n,
            }
        })
    }

    fn report(
        &self,
        resamples: &[[Fit; 3]],
        intervals: Intervals,
        clusters: &Clusters,
        Subject { evaluated, data, model }: Subject,
    ) -> NumberMetrics {
        let point = self.measure(&vec![1; self.y.len()]);
        let too_few = enough::too_few(clusters, None);
        let interval = |undefined: &str, of: &dyn Fn(&[Fit; 3]) -> f64| {
            let estimate = percentile(finite(of(&point)), resamples.iter().map(of), intervals.confidence, undefined);
            varied(limited(estimate, too_few.as_ref()))
        };
        let n = self.y.len() as u64;
        let baseline = |which: usize| NumberBaseline {
            n,
            rmse: point[which].rmse,
            mae: point[which].mae,
            r2: finite(point[which].r2),
            difference: NumberDifference {
                rmse: interval("there are no rows", &|fits| fits[0].rmse - fits[which].rmse),
                mae: interval("there are no rows", &|fits| fits[0].mae - fits[which].mae),
            },
        };
        let baselines = NumberBaselines { mean: baseline(1), ridge: baseline(2) };
        NumberMetrics {
            schema_version: 2,
            data: data.to_owned(),
            model: model.to_owned(),
            evaluated,
            n,
            patients: clusters.count() as u64,
            outcome: self.outcome(),
            rmse: interval("there are no rows", &|fits| fits[0].rmse),
            mae: interval("there are no rows", &|fits| fits[0].mae),
            r2: interval("all outcomes are equal", &|fits| fits[0].r2),
            bias: interval("there are no rows", &|fits| fits[0].bias),
            verdict: verdict::judge_numbers(&baselines, model, enough::withheld(too_few.as_ref(), &self.predicted[0])),
            baselines,
            intervals,
        }
    }

    fn outcome(&self) -> Outcome {
        let n = self.y.len() as f64;
        let mean = self.y.iter().sum::<f64>() / n;
        let spread: f64 = self.y.iter().map(|y| (y - mean) * (y - mean)).sum();
        Outcome {
            mean,
            sd: libm::sqrt(spread / n),
            min: self.y.iter().copied().fold(f64::INFINITY, f64::min),
            max: self.y.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        }
    }

    /// The calibration plot: tenths of the rows by prediction, mean prediction against mean outcome.
    fn write_groups(&self, path: &Path) -> Result<(), StageError> {
        let mut order: Vec<usize> = (0..self.y.len()).collect();
        order.sort_by(|&a, &b| self.predicted[0][a].total_cmp(&self.predicted[0][b]).then(a.cmp(&b)));
        let groups = (0..GROUPS).map(|group| {
            let part = &order[group * order.len() / GROUPS..(group + 1) * order.len() / GROUPS];
            let mean = |values: &[f64]| part.iter().map(|&row| values[row]).sum::<f64>() / part.len() as f64;
            (part.len(), mean(&self.predicted[0]), mean(&self.y))
        });
        let rows = groups.filter(|(n, ..)| *n > 0).map(|(n, predicted, observed)| {
            let number = |value| csv_file::number(Some(value));
            let curve = "calibration_groups".to_owned();
            vec![curve, number(predicted), number(observed), String::new(), String::new(), n.to_string()]
        });
        csv_file::write(path, &["curve", "x", "y", "low", "high", "n"], rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(y: &[f64], model: &[f64], mean: f64) -> Sample {
        Sample { y: y.to_vec(), predicted: [model.to_vec(), vec![mean; y.len()], vec![mean + 0.5; y.len()]] }
    }

    fn report(sample: &Sample, model: &str) -> NumberMetrics {
        let resamples: Vec<[Fit; 3]> = (0..sample.y.len())
            .map(|row| {
                let mut weights = vec![1; sample.y.len()];
                weights[row] = 0;
                weights[(row + 1) % sample.y.len()] = 2;
                sample.measure(&weights)
            })
            .collect();
        let intervals = Intervals { confidence: 0.9, resamples: resamples.len(), one_row_per_patient: true };
        let evaluated =
            Evaluated { bundle: String::new(), rows: crate::train::Fingerprint::new([]), content: String::new() };
        let subject = Subject { evaluated, data: "synthetic", model };
        let patients: Vec<String> = (0..sample.y.len()).map(|row| row.to_string()).collect();
        sample.report(&resamples, intervals, &Clusters::new(&patients), subject)
    }

    /// scikit-learn 1.9.1: mean_squared_error, mean_absolute_error, r2_score with sample_weight.
    #[test]
    fn weighted_measures_are_those_of_scikit_learn() {
        let sample = sample(&[1.0, 2.0, 4.0, 8.0], &[1.5, 2.0, 3.0, 7.0], 3.0);
        let [model, mean, _] = sample.measure(&[2, 0, 1, 3]);
        let near = |value: f64, expected: f64| assert!((value - expected).abs() < 1e-12, "{value} is not {expected}");
        near(model.rmse, 0.866_025_403_784_438_6);
        near(model.mae, 0.833_333_333_333_333_4);
        near(model.r2, 0.925);
        near(model.bias, -0.5);
        near(mean.r2, -0.4);
    }

    #[test]
    fn a_model_no_better_than_the_mean_is_told_so() {
        let y = [1.0, 2.0, 4.0, 8.0, 3.0].repeat(4);
        let useless = report(&sample(&y, &[3.7, 3.5, 3.6, 3.6, 3.6].repeat(4), 3.6), "gbdt");
        assert_eq!((useless.verdict.beats_mean, useless.verdict.beats_ridge), (Some(false), Some(true)));
        assert!(useless.verdict.text.starts_with("No better than the mean. "), "{}", useless.verdict.text);
        let useful = report(&sample(&y, &[1.1, 2.1, 4.1, 7.9, 3.1].repeat(4), 3.6), "gbdt").verdict;
        assert_eq!((useful.beats_mean, useful.beats_ridge), (Some(true), Some(true)));
        assert!(useful.text.starts_with("The model beats the mean of the training rows"), "{}", useful.text);
        let few = report(&sample(&y[..19], &y[..19], 3.6), "gbdt");
        assert_eq!((few.verdict.beats_mean, few.verdict.text.as_str()), (None, "No verdict: fewer than 20 patients."));
        assert_eq!((few.rmse.value, few.mae.low), (Some(0.0), None));
    }

    #[test]
    fn equal_outcomes_leave_no_r2_and_no_nan() {
        let metrics = report(&sample(&[2.0; 20], &[2.0, 2.5, 1.5, 2.0].repeat(5), 2.0), "ridge");
        assert_eq!((metrics.r2.value, metrics.r2.reason.as_deref()), (None, Some("all outcomes are equal")));
        let text = canonical_json::to_string(&metrics).expect("JSON");
        assert!(!text.contains("NaN") && metrics.verdict.text.contains("is itself a ridge regression"), "{text}");
    }
}
