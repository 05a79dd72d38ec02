//! `evaluate`: scores the test part once, through the bundle's own scoring path, and reports what the model is worth.
//!
//! Without a split every row of the table is new data, and the model is validated externally.
//!
//! Invariants: the rows scored were not trained on (proved before anything is scored, as far as it can be, which the
//! report of an external validation says); nothing of the model is fitted or chosen here; every number carries an interval or a reason for having none; the bytes do not depend on the thread count.

#[cfg(test)]
mod agreement_tests;
mod alone;
mod assemble;
mod bootstrap;
mod content;
mod curves;
mod detail;
mod document;
mod enough;
mod external;
mod measures;
mod numbers;
mod over_time;
mod params;
mod profiles;
mod ranked;
#[cfg(test)]
mod reference_tests;
mod rows;
mod slices;
#[cfg(test)]
mod tests;
mod verdict;

use std::path::Path;

pub use alone::Predicted;
pub use detail::{
    Appendix, AtThresholdDetail, CalibrationDetail, CalibrationGroup, Comparison, Costs, CurvePoint, DecisionCurve,
    DecisionPoint, Deployment, Evaluation, NumberComparison, NumberEvaluation, NumberGroup, PrevalenceRow, Prevalences,
    Quantile, Residuals, RiskOfClass, Straight, Strategy, ThresholdRow,
};
pub use document::{
    AtThreshold, Baseline, Baselines, ByLevel, Calibration, Difference, Evaluated, ExpectedCost, FrozenThreshold,
    Intervals, Metrics, Verdict, ZTest,
};
pub use external::{
    CaseMix, Coefficients, ExternalReport, FeatureShift, NewData, NumberExternal, NumberRung, Rung, Spread, Unseen,
    Update,
};
pub use numbers::{NumberBaselines, NumberMetrics, Outcome};
pub use over_time::{TimeReport, Trend};
pub use params::EvaluateParams;
pub use profiles::{ColumnProfile, Differences, Group, GroupProfile, LevelShare, MostDifferent, Profiles};
pub use slices::{
    Calendar, DecisionCells, Gap, Measure, OverTime, Slice, SliceBins, SliceBy, SliceReport, SliceRules, SlicedColumn,
    Status, TestFamily, TimeBins,
};

use self::assemble::Evidence;
use self::bootstrap::Clusters;
use self::external::NewRows;
use self::measures::{Buffers, Rival, Sample};
use self::rows::TestRows;
use self::slices::{Answers, Judged};
use crate::bundle::{Bundle, BundleError, Prediction};
use crate::common::canonical_json;
use crate::common::privacy::{self, Privacy};
use crate::common::schema::Schema;
use crate::common::scores::Ranking;
use crate::common::table::Table;
use crate::train::Fingerprint;
use crate::tune_threshold::{Policy, Threshold};
use crate::{ParamError, ParamSet, Role, Stage, StageContext, StageError};

/// The parameter that decisions on events are reported by.
const POLICY: &str = "tune_threshold";

/// The stage `evaluate`.
pub struct Evaluate;

impl Stage for Evaluate {
    fn name(&self) -> &'static str {
        "evaluate"
    }

    fn version(&self) -> u32 {
        8
    }

    fn about(&self) -> &'static str {
        "scores the test part once and reports it with intervals beside naive baselines"
    }

    fn inputs(&self) -> &'static [Role] {
        const {
            &[
                Role::required("bundle", "the bundle to evaluate"),
                Role::required("table", "the validated table"),
                Role::optional("split", "which rows are test rows; without it all rows of `table` are new data"),
                Role::optional("ingest", "without `split`: the ingest report of the new data"),
                Role::optional("training", "without `split`: the development table, to find rows that are not new"),
                Role::optional("training_split", "its split, for the case mix of its test part"),
            ]
        }
    }

    fn outputs(&self) -> &'static [Role] {
        const {
            &[
                Role::required("metrics", "every measure with its interval, baselines and verdict"),
                Role::required("predictions", "row_id, y, p_raw, p, flagged (or prediction) of the test rows"),
                Role::optional("evaluation", "tables behind the metrics: thresholds, costs, prevalences, calibration"),
                Role::optional("curves", "points of the ROC, PR, calibration and decision curves"),
                Role::optional("slices", "levels of declared columns, profiles of decisions, periods of time"),
                Role::optional("external", "without `split`: the model as it is, updated and refitted, side by side"),
            ]
        }
    }

    fn params(&self) -> &'static [Role] {
        const {
            &[
                Role::required("seed", "the study's seed"),
                Role::required("evaluate", "resamples, confidence level, slices, time"),
                Role::optional(POLICY, "cost table and beta of the reported decisions, for events"),
                Role::optional(privacy::KEY, "the smallest count that is published"),
                Role::optional("schema", "the columns of the raw table, to check slices early, and new data always"),
                Role::optional("train", "the recipe that external validation refits"),
            ]
        }
    }

    fn check(&self, params: &ParamSet) -> Result<(), ParamError> {
        params.parse::<u64>("seed")?;
        if params.get(POLICY).is_some() {
            Policy::parse(params)?;
        }
        Privacy::parse(params)?;
        let evaluate = EvaluateParams::parse(params)?;
        if params.get("schema").is_none() {
            return Ok(());
        }
        let schema: Schema = params.parse("schema")?;
        schema.check()?;
        slices::check_columns(&evaluate.slices, evaluate.over_time.as_ref(), &schema)
    }

    fn run(&self, context: &StageContext) -> Result<(), StageError> {
        let params = EvaluateParams::parse(context.params())?;
        let file = context.input("bundle")?;
        let bundle = Bundle::load(&file.path).map_err(|error| StageError::input(&file.name, error.to_string()))?;
        slices::check_columns(&params.slices, params.over_time.as_ref(), bundle.schema())?;
        if (!params.slices.is_empty() || params.over_time.is_some()) && context.output_opt("slices").is_none() {
            return Err(
                StageError::failed(unbound(&params)).with_hint("bind the role `slices` under the outs of this stage")
            );
        }
        if context.output_opt("external").is_some() && context.input_opt("split").is_some() {
            let message = "the output `external` is for new data, evaluated without `split`";
            return Err(StageError::failed(message).with_hint("leave `external` out of the outs of this stage"));
        }
        context.progress(0, None, "rows", "scoring the rows");
        match bundle.threshold() {
            Some(threshold) => events(context, &params, &bundle, threshold),
            None => numbers::run(context, &params, &bundle),
        }
    }
}

/// Scores and reports the test rows of a bundle that predicts an event.
fn events(
    context: &StageContext,
    params: &EvaluateParams,
    bundle: &Bundle,
    threshold: &Threshold,
) -> Result<(), StageError> {
    let policy = Policy::parse(context.params())?;
    let Subjects { rows, new } = Subjects::load(context, bundle)?;
    let source = source(bundle, new.as_ref());
    let y: Vec<bool> = rows.y.iter().map(|&y| y > 0.5).collect();
    let predictions = bundle.predict(&rows.raw).map_err(unscored)?;
    if let Some(path) = context.output_opt("slices") {
        let p = predictions.iter().map(|prediction| prediction.p).collect();
        let flagged = predictions.iter().map(|prediction| prediction.flagged).collect();
        let answers = Answers::Events { y: y.clone(), p, flagged };
        let judged = Judged { bundle, source: &source, raw: &rows.raw, patients: &rows.patients, answers };
        slices::write(context, path, params, &judged)?;
    }
    write_predictions(context.output("predictions")?, &rows.row_ids, &y, &predictions)?;

    let p: Vec<f64> = predictions.iter().map(|prediction| prediction.p).collect();
    let thresholds: Vec<f64> = predictions.iter().map(|prediction| prediction.threshold).collect();
    if let (Some(path), Some(new)) = (context.output_opt("external"), &new) {
        let scored = external::Scored { bundle, rows: &rows, new, y: &y, p: &p, thresholds: &thresholds, threshold };
        external::write(context, path, params, &scored)?;
    }
    // In ascending order of their predictions rows are measured fastest.
    let order = Ranking::new(&p).order().to_vec();
    let y = pick(&y, &order);
    let linear = pick(&bundle.baseline_linear(&rows.raw).map_err(unscored)?, &order);
    let thresholds = pick(&thresholds, &order);
    let rivals = rivals(&y, bundle.baseline_constant(), linear, &thresholds);
    let sample = Sample::new(y, pick(&p, &order), rivals, threshold.value, policy.reported_beta(), policy.cost)
        .decided(&thresholds);
    let clusters = Clusters::new(&pick(&rows.patients, &order));
    let resamples = bootstrap::resample_with(
        context,
        &clusters,
        context.seed()?,
        params.bootstrap,
        Buffers::default,
        |buffers, weights| sample.measure(buffers, weights),
    )?;
    let evidence = Evidence {
        data: source,
        model: bundle.manifest().model.clone(),
        evaluated: evaluated(bundle, &rows),
        frozen: FrozenThreshold::new(threshold),
        sample: &sample,
        clusters: &clusters,
        point: &sample.plain(),
        resamples: &resamples,
        too_few: enough::too_few(&clusters, Some(&sample.y)),
        confidence: params.confidence,
        privacy: Privacy::parse(context.params())?,
    };
    canonical_json::write(context.output("metrics")?, &evidence.metrics())?;
    if let Some(path) = context.output_opt("evaluation") {
        canonical_json::write(path, &detail::detail(&evidence, params))?;
    }
    context.output_opt("curves").map_or(Ok(()), |path| curves::write(path, &evidence))
}

/// What was asked for and has no output.
fn unbound(params: &EvaluateParams) -> String {
    let asked = [("evaluate.slices", !params.slices.is_empty()), ("evaluate.over_time", params.over_time.is_some())];
    let asked: Vec<&str> = asked.into_iter().filter(|(_, given)| *given).map(|(key, _)| key).collect();
    let (are, them) = if asked.len() == 1 { ("is", "it") } else { ("are", "them") };
    format!("{} {are} given, but there is no output for {them}", asked.join(" and "))
}

/// The rows to evaluate, and what makes them new when they are no test part.
struct Subjects {
    rows: TestRows,
    new: Option<NewRows>,
}

impl Subjects {
    fn load(context: &StageContext, bundle: &Bundle) -> Result<Self, StageError> {
        if let Some(split) = context.input_opt("split") {
            return Ok(Self { rows: TestRows::load(context.input("table")?, split, bundle)?, new: None });
        }
        let (rows, new) = NewRows::load(context, bundle)?;
        Ok(Self { rows, new: Some(new) })
    }
}

/// Whether the rows are `real` or `synthetic`.
fn source(bundle: &Bundle, new: Option<&NewRows>) -> String {
    new.map_or(&bundle.manifest().data.source, |new| &new.data.source).clone()
}

/// Which model met which rows.
fn evaluated(bundle: &Bundle, rows: &TestRows) -> Evaluated {
    Evaluated {
        bundle: bundle.digest().to_owned(),
        rows: Fingerprint::new(rows.row_ids.iter().copied()),
        content: content::digest(&rows.patients, &rows.y, &rows.raw),
    }
}

fn pick<T: Clone>(values: &[T], order: &[usize]) -> Vec<T> {
    order.iter().map(|&row| values[row].clone()).collect()
}

/// A bundle that cannot score the test rows.
fn unscored(error: BundleError) -> StageError {
    StageError::failed(error.to_string())
}
/// The naive alternatives, in the order that the report expects.
fn rivals(y: &[bool], prevalence: f64, linear: Vec<f64>, thresholds: &[f64]) -> Vec<Rival> {
    vec![
        Rival::constant(true, y),
        Rival::constant(false, y),
        Rival::scored(vec![prevalence; y.len()], y, thresholds),
        Rival::scored(linear, y, thresholds),
    ]
}

fn write_predictions(path: &Path, row_ids: &[i64], y: &[bool], predictions: &[Prediction]) -> Result<(), StageError> {
    let mut table = Table::with_rows(y.len());
    table
        .push_ints("row_id", row_ids.iter().map(|&id| Some(id)).collect())?
        .push_ints("y", y.iter().map(|&y| Some(i64::from(y))).collect())?
        .push_floats("p_raw", predictions.iter().map(|prediction| prediction.p_raw).collect())?
        .push_floats("p", predictions.iter().map(|prediction| prediction.p).collect())?;
    let ends: Option<Vec<[f64; 2]>> = predictions.iter().map(|prediction| prediction.interval).collect();
    if let Some(ends) = ends {
        table.push_floats("p_low", ends.iter().map(|ends| ends[0]).collect())?;
        table.push_floats("p_high", ends.iter().map(|ends| ends[1]).collect())?;
    }
    if predictions.iter().any(|prediction| prediction.stratum.is_some()) {
        table.push_floats("threshold", predictions.iter().map(|prediction| prediction.threshold).collect())?;
    }
    table.push_bools("flagged", predictions.iter().map(|prediction| Some(prediction.flagged)).collect())?;
    table.write(path)
}
