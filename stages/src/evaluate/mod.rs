//! `evaluate`: scores the test part once, through the bundle's own scoring path, and reports what the model is worth.
//!
//! Invariants: the rows scored were not trained on (proved before anything is scored); nothing is fitted or chosen
//! here; every number carries an interval or a reason for having none; the bytes do not depend on the thread count.

mod assemble;
mod bootstrap;
mod curves;
mod delong;
mod document;
mod measures;
mod params;
#[cfg(test)]
mod reference_tests;
mod rows;
#[cfg(test)]
mod tests;
mod verdict;

use std::path::Path;

pub use document::{Baselines, Metrics};
pub use params::EvaluateParams;

use self::assemble::Evidence;
use self::bootstrap::Clusters;
use self::measures::{Rival, Sample};
use self::rows::TestRows;
use crate::bundle::Bundle;
use crate::common::canonical_json;
use crate::common::table::Table;
use crate::tune_threshold::Policy;
use crate::{ParamError, ParamSet, Role, Stage, StageContext, StageError};

/// The stage `evaluate`.
pub struct Evaluate;

impl Stage for Evaluate {
    fn name(&self) -> &'static str {
        "evaluate"
    }

    fn version(&self) -> u32 {
        2
    }

    fn about(&self) -> &'static str {
        "scores the test part once and reports it with intervals beside naive baselines"
    }

    fn inputs(&self) -> &'static [Role] {
        const {
            &[
                Role::required("bundle", "the bundle to evaluate"),
                Role::required("table", "the validated table"),
                Role::required("split", "which rows are test rows"),
            ]
        }
    }

    fn outputs(&self) -> &'static [Role] {
        const {
            &[
                Role::required("metrics", "every measure with its interval, baselines and verdict"),
                Role::required("predictions", "row_id, y, p_raw, p, flagged of the test rows"),
                Role::optional("curves", "points of the ROC, PR, calibration and decision curves"),
            ]
        }
    }

    fn params(&self) -> &'static [Role] {
        const {
            &[
                Role::required("seed", "the study's seed"),
                Role::required("evaluate", "resamples and confidence level"),
                Role::required("tune_threshold", "cost table and beta of the reported decisions"),
            ]
        }
    }

    fn check(&self, params: &ParamSet) -> Result<(), ParamError> {
        params.parse::<u64>("seed")?;
        Policy::parse(params)?;
        EvaluateParams::parse(params).map(|_| ())
    }

    fn run(&self, context: &StageContext) -> Result<(), StageError> {
        let params = EvaluateParams::parse(context.params())?;
        let policy = Policy::parse(context.params())?;
        let file = context.input("bundle")?;
        let bundle = Bundle::load(&file.path).map_err(|error| StageError::input(&file.name, error.to_string()))?;
        context.progress(0, None, "rows", "scoring the test rows");
        let rows = TestRows::load(context.input("table")?, context.input("split")?, &bundle)?;
        write_predictions(context.output("predictions")?, &rows)?;

        let clusters = Clusters::new(&rows.patients);
        let sample = sample(rows, &bundle, &policy);
        let resamples = bootstrap::resample(context, &clusters, context.seed()?, params.bootstrap, |weights| {
            sample.measure(weights)
        })?;
        let evidence = Evidence {
            data: bundle.manifest().data.source.clone(),
            model: bundle.manifest().model.clone(),
            threshold: bundle.threshold(),
            sample: &sample,
            clusters: &clusters,
            point: &sample.plain(),
            resamples: &resamples,
            confidence: params.confidence,
        };
        canonical_json::write(context.output("metrics")?, &evidence.metrics())?;
        if let Some(path) = context.output_opt("curves") {
            curves::write(path, &evidence)?;
        }
        Ok(())
    }
}

/// The rows beside the naive alternatives, in the order that the report expects.
fn sample(rows: TestRows, bundle: &Bundle, policy: &Policy) -> Sample {
    let TestRows { y, predictions, logistic, .. } = rows;
    let threshold = bundle.threshold().value;
    let prevalence = vec![bundle.baseline_constant(); y.len()];
    let rivals = vec![
        Rival::constant(true, &y),
        Rival::constant(false, &y),
        Rival::scored(prevalence, &y, threshold),
        Rival::scored(logistic, &y, threshold),
    ];
    let p = predictions.iter().map(|prediction| prediction.p).collect();
    Sample::new(y, p, rivals, threshold, policy.reported_beta(), policy.cost)
}

fn write_predictions(path: &Path, rows: &TestRows) -> Result<(), StageError> {
    let mut table = Table::with_rows(rows.y.len());
    table
        .push_ints("row_id", rows.row_ids.iter().map(|&id| Some(id)).collect())?
        .push_ints("y", rows.y.iter().map(|&y| Some(i64::from(y))).collect())?
        .push_floats("p_raw", rows.predictions.iter().map(|prediction| prediction.p_raw).collect())?
        .push_floats("p", rows.predictions.iter().map(|prediction| prediction.p).collect())?;
    let ends: Option<Vec<[f64; 2]>> = rows.predictions.iter().map(|prediction| prediction.interval).collect();
    if let Some(ends) = ends {
        table.push_floats("p_low", ends.iter().map(|ends| ends[0]).collect())?;
        table.push_floats("p_high", ends.iter().map(|ends| ends[1]).collect())?;
    }
    table.push_bools("flagged", rows.predictions.iter().map(|prediction| Some(prediction.flagged)).collect())?;
    table.write(path)
}
