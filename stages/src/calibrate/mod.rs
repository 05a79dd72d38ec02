//! Turns the model's probabilities into calibrated ones, on out-of-fold predictions only.
//!
//! The final calibrator is fitted on all of them and goes into the bundle. The training rows' own calibrated values
//! are cross-fitted: each fold's come from a calibrator fitted on the other folds, so that a threshold chosen on them
//! is not chosen on fitted values. The method is decided once, on all rows. Venn–Abers intervals, when asked for, are
//! fitted beside it on the same rows and cross-fitted in the same way.

mod calibrator;
mod venn_abers;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use calibrator::Calibrator;
pub use venn_abers::VennAbers;

use crate::common::canonical_json;
use crate::common::table::Table;
use crate::{ParamError, ParamSet, Role, Stage, StageContext, StageError};

/// Fewer rows than this, and isotonic regression overfits.
const ISOTONIC_ROWS: usize = 1000;
/// Fewer events than this, and isotonic regression overfits.
const ISOTONIC_EVENTS: usize = 100;

/// `calibrate` in params.yaml.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CalibrateParams {
    /// How.
    pub method: Method,
    /// Whether every prediction also gets a Venn–Abers interval (`p_low`, `p_high`): the event rates that isotonic
    /// regression finds for its score when the new row is counted without and with the event. Wide where few training
    /// rows have such scores.
    pub venn_abers: bool,
}

/// How probabilities are calibrated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// Platt below 1,000 rows or 100 events, isotonic otherwise.
    #[default]
    Auto,
    /// A sigmoid of the log odds.
    Platt,
    /// A non-decreasing step-like function.
    Isotonic,
    /// Not at all.
    None,
}

/// calibrator.json.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CalibratorFile {
    /// Version of this format: 1.
    pub schema_version: u32,
    /// Why this method.
    pub reason: String,
    /// Out-of-fold predictions it was fitted on.
    pub n: u64,
    /// Events among them.
    pub events: u64,
    /// The fitted function.
    pub calibrator: Calibrator,
    /// The intervals, when asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub venn_abers: Option<VennAbers>,
}

/// The stage `calibrate`.
pub struct Calibrate;

impl Stage for Calibrate {
    fn name(&self) -> &'static str {
        "calibrate"
    }

    fn version(&self) -> u32 {
        2
    }

    fn about(&self) -> &'static str {
        "fits the map from raw to calibrated probabilities on out-of-fold predictions"
    }

    fn inputs(&self) -> &'static [Role] {
        const { &[Role::required("oof", "out-of-fold predictions")] }
    }

    fn outputs(&self) -> &'static [Role] {
        const {
            &[
                Role::required("calibrator", "the fitted calibrator"),
                Role::required("calibrated", "the training rows with cross-fitted calibrated probabilities"),
            ]
        }
    }

    fn params(&self) -> &'static [Role] {
        const { &[Role::required("calibrate", "the method")] }
    }

    fn check(&self, params: &ParamSet) -> Result<(), ParamError> {
        params.parse::<CalibrateParams>("calibrate").map(|_| ())
    }

    fn run(&self, context: &StageContext) -> Result<(), StageError> {
        let params: CalibrateParams = context.param("calibrate")?;
        let oof = Table::read(context.input("oof")?)?;
        if oof.has("prediction") {
            return Err(StageError::failed("the predictions are numbers, and only probabilities are calibrated")
                .with_hint("leave calibrate and tune_threshold out of the pipeline of a study of a number"));
        }
        check_balance(&oof, params.method)?;
        let rows = Rows::read(&oof)?;
        let (method, reason) = rows.decide(params.method);
        let all: Vec<usize> = (0..rows.y.len()).collect();
        let calibrator = rows.fit(method, &all)?;
        context.progress(1, Some(2), "fits", "cross-fitting");
        let p = rows.cross_fit(method)?;
        let ends = params.venn_abers.then(|| rows.cross_fit_intervals());
        let mut table = Table::with_rows(oof.rows());
        table.push_ints("row_id", oof.ints("row_id")?)?.push_texts("group", &oof.texts("group")?)?;
        table.push_ints("fold", oof.ints("fold")?)?.push_ints("y", oof.ints("y")?)?;
        table.push_floats("p_raw", rows.p.clone())?.push_floats("p", p)?;
        if let Some(ends) = ends {
            table.push_floats("p_low", ends.iter().map(|ends| ends[0]).collect())?;
            table.push_floats("p_high", ends.iter().map(|ends| ends[1]).collect())?;
        }
        table.write(context.output("calibrated")?)?;
        let (n, events) = (rows.y.len() as u64, rows.events() as u64);
        let venn_abers = params.venn_abers.then(|| VennAbers::fit(&rows.p, &rows.y));
        let file = CalibratorFile { schema_version: 1, reason, n, events, calibrator, venn_abers };
        context.progress(2, Some(2), "fits", "written");
        canonical_json::write(context.output("calibrator")?, &file)
    }
}

/// A calibrator for out-of-fold predictions, by the method that `params` ask for or that suits them.
///
/// # Errors
/// When there are none, when one is no probability, or when Platt scaling has no finite solution.
pub(crate) fn fit(params: CalibrateParams, p: Vec<f64>, y: Vec<bool>) -> Result<Calibrator, StageError> {
    let rows = Rows { fold: vec![0; p.len()], p, y };
    if rows.p.iter().any(|p| !(0.0..=1.0).contains(p)) {
        return Err(StageError::failed("a prediction is no probability"));
    }
    let all: Vec<usize> = (0..rows.y.len()).collect();
    rows.fit(rows.decide(params.method).0, &all)
}

/// A model that learned from balanced rows must be calibrated: its probabilities are no event rates.
fn check_balance(oof: &Table, method: Method) -> Result<(), StageError> {
    if method != Method::None || !oof.has("imbalance") {
        return Ok(());
    }
    let how = oof.texts("imbalance")?;
    let how = how.iter().flatten().next().unwrap_or_default();
    let text = format!("the predictions come from rows balanced by `train.imbalance: {how}`; they are no event rates");
    Err(StageError::failed(text).with_hint("set calibrate.method to auto, platt or isotonic, or balance nothing"))
}

/// Out-of-fold predictions.
struct Rows {
    p: Vec<f64>,
    y: Vec<bool>,
    fold: Vec<i64>,
}

impl Rows {
    fn read(oof: &Table) -> Result<Self, StageError> {
        let p = oof.floats("p_raw")?;
        if let Some(row) = p.iter().position(|p| !(0.0..=1.0).contains(p)) {
            return Err(StageError::failed(format!("row {row} of the predictions has no probability")));
        }
        let y = oof.ints_full("y")?.into_iter().map(|y| y != 0).collect();
        Ok(Self { p, y, fold: oof.ints_full("fold")? })
    }

    fn events(&self) -> usize {
        self.y.iter().filter(|&&y| y).count()
    }

    /// The method to use, and why.
    fn decide(&self, asked: Method) -> (Method, String) {
        let (n, events) = (self.y.len(), self.events());
        let counts = format!("{n} out-of-fold predictions with {events} events");
        match asked {
            Method::Auto if n < ISOTONIC_ROWS || events < ISOTONIC_EVENTS => (
                Method::Platt,
                format!("{counts} are fewer than the {ISOTONIC_ROWS} and {ISOTONIC_EVENTS} isotonic needs"),
            ),
            Method::Auto => {
                (Method::Isotonic, format!("{counts} reach the {ISOTONIC_ROWS} and {ISOTONIC_EVENTS} isotonic needs"))
            }
            fixed => (fixed, "set in params.yaml".to_owned()),
        }
    }

    fn fit(&self, method: Method, rows: &[usize]) -> Result<Calibrator, StageError> {
        let p: Vec<f64> = rows.iter().map(|&row| self.p[row]).collect();
        let y: Vec<bool> = rows.iter().map(|&row| self.y[row]).collect();
        if y.is_empty() {
            return Err(StageError::failed("there is no out-of-fold prediction to calibrate on"));
        }
        match method {
            Method::None => Ok(Calibrator::None),
            Method::Isotonic => Ok(Calibrator::isotonic(&p, &y)),
            Method::Platt | Method::Auto => {
                Calibrator::platt(&p, &y).map_err(|error| StageError::failed(format!("Platt scaling: {error}")))
            }
        }
    }

    /// Each row's probability under the calibrator of the other folds.
    fn cross_fit(&self, method: Method) -> Result<Vec<f64>, StageError> {
        let mut calibrated = vec![f64::NAN; self.p.len()];
        for (others, own) in self.folds() {
            let calibrator = self.fit(method, &others)?;
            for row in own {
                calibrated[row] = calibrator.apply(self.p[row]);
            }
        }
        Ok(calibrated)
    }

    /// Each row's interval by the rows of the other folds.
    fn cross_fit_intervals(&self) -> Vec<[f64; 2]> {
        let mut intervals = vec![[0.0, 1.0]; self.p.len()];
        for (others, own) in self.folds() {
            let p: Vec<f64> = others.iter().map(|&row| self.p[row]).collect();
            let y: Vec<bool> = others.iter().map(|&row| self.y[row]).collect();
            let fitted = VennAbers::fit(&p, &y);
            for row in own {
                intervals[row] = fitted.interval(self.p[row]);
            }
        }
        intervals
    }

    /// The rows outside and inside every fold.
    fn folds(&self) -> impl Iterator<Item = (Vec<usize>, Vec<usize>)> {
        let folds: std::collections::BTreeSet<i64> = self.fold.iter().copied().collect();
        folds.into_iter().map(|fold| (0..self.p.len()).partition(|&row| self.fold[row] != fold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(n: usize, every: usize) -> Rows {
        let y: Vec<bool> = (0..n).map(|row| row % every == 0).collect();
        let p = (0..n).map(|row| (row * 7 % 10) as f64 / 10.0).collect();
        Rows { p, y, fold: (0..n).map(|row| (row % 5) as i64).collect() }
    }

    #[test]
    fn auto_needs_rows_and_events_for_isotonic() {
        assert_eq!(rows(1000, 10).decide(Method::Auto).0, Method::Isotonic);
        assert_eq!(rows(999, 3).decide(Method::Auto).0, Method::Platt);
        assert_eq!(rows(1000, 11).decide(Method::Auto).0, Method::Platt);
        assert_eq!(rows(9, 3).decide(Method::Isotonic).0, Method::Isotonic);
    }

    #[test]
    fn a_rows_own_outcome_does_not_move_its_calibrated_value() {
        for method in [Method::Platt, Method::Isotonic] {
            let mut rows = rows(60, 3);
            let before = rows.cross_fit(method).expect("regular data");
            rows.y[7] = !rows.y[7];
            let after = rows.cross_fit(method).expect("regular data");
            for row in 0..60 {
                let moved = before[row] != after[row];
                assert!(!(moved && rows.fold[row] == rows.fold[7]), "row {row} moved");
            }
            assert_ne!(before, after);
        }
    }

    #[test]
    fn numbers_are_not_calibrated() {
        let mut oof = Table::with_rows(1);
        oof.push_floats("prediction", vec![3.5]).expect("a column");
        let lab = crate::testing::Lab::new();
        oof.write(&lab.path("oof.parquet")).expect("written");
        let outputs = [("calibrator", "calibrator.json"), ("calibrated", "calibrated.parquet")];
        let error = lab.run(&Calibrate, &[("oof", "oof.parquet")], &outputs, &serde_json::json!({"calibrate": {}}));
        let error = error.expect_err("no probabilities");
        assert!(error.hint().is_some_and(|hint| hint.contains("leave calibrate")), "{error}");
    }

    #[test]
    fn intervals_are_cross_fitted_and_go_into_the_file_only_when_asked_for() {
        let study = rows(60, 3);
        let mut oof = Table::with_rows(60);
        oof.push_ints("row_id", (0..60).map(Some).collect())
            .and_then(|t| t.push_texts("group", (0..60).map(|row| Some(row.to_string()))))
            .and_then(|t| t.push_ints("fold", study.fold.iter().copied().map(Some).collect()))
            .and_then(|t| t.push_ints("y", study.y.iter().map(|&y| Some(i64::from(y))).collect()))
            .and_then(|t| t.push_floats("p_raw", study.p.clone()))
            .expect("columns");
        let lab = crate::testing::Lab::new();
        oof.write(&lab.path("oof.parquet")).expect("written");
        let run = |venn_abers: bool| {
            let outputs = [("calibrator", "calibrator.json"), ("calibrated", "calibrated.parquet")];
            let params = serde_json::json!({"calibrate": {"venn_abers": venn_abers}});
            lab.run(&Calibrate, &[("oof", "oof.parquet")], &outputs, &params).expect("calibrates");
            canonical_json::read::<CalibratorFile>(&lab.path("calibrator.json"), "calibrator.json").expect("a file")
        };
        assert!(run(false).venn_abers.is_none() && !lab.table("calibrated.parquet").has("p_low"));
        let fitted = run(true).venn_abers.expect("asked for");
        assert_eq!(fitted, VennAbers::fit(&study.p, &study.y));
        let table = lab.table("calibrated.parquet");
        let (low, high) = (table.floats("p_low").expect("numbers"), table.floats("p_high").expect("numbers"));
        let others: Vec<usize> = (0..60).filter(|&row| study.fold[row] != study.fold[4]).collect();
        let of = |rows: &[usize]| rows.iter().map(|&row| (study.p[row], study.y[row])).unzip::<_, _, Vec<_>, Vec<_>>();
        let (p, y) = of(&others);
        assert_eq!([low[4], high[4]], VennAbers::fit(&p, &y).interval(study.p[4]));
    }
}
