//! Turns the model's probabilities into calibrated ones, on out-of-fold predictions only.
//!
//! The final calibrator is fitted on all of them and goes into the bundle. The training rows' own calibrated values
//! are cross-fitted: each fold's come from a calibrator fitted on the other folds, so that a threshold chosen on them
//! is not chosen on fitted values. The method is decided once, on all rows.

mod calibrator;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use calibrator::Calibrator;

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
        let rows = Rows::read(&oof)?;
        let (method, reason) = rows.decide(params.method);
        let all: Vec<usize> = (0..rows.y.len()).collect();
        let calibrator = rows.fit(method, &all)?;
        context.progress(1, Some(2), "fits", "cross-fitting");
        let p = rows.cross_fit(method)?;
        let mut table = Table::with_rows(oof.rows());
        table.push_ints("row_id", oof.ints("row_id")?)?.push_texts("group", oof.texts("group")?)?;
        table.push_ints("fold", oof.ints("fold")?)?.push_ints("y", oof.ints("y")?)?;
        table.push_floats("p_raw", rows.p.clone())?.push_floats("p", p)?;
        table.write(context.output("calibrated")?)?;
        let (n, events) = (rows.y.len() as u64, rows.events() as u64);
        let file = CalibratorFile { schema_version: 1, reason, n, events, calibrator };
        context.progress(2, Some(2), "fits", "written");
        canonical_json::write(context.output("calibrator")?, &file)
    }
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
        let folds: std::collections::BTreeSet<i64> = self.fold.iter().copied().collect();
        let mut calibrated = vec![f64::NAN; self.p.len()];
        for fold in folds {
            let (others, own): (Vec<usize>, Vec<usize>) = (0..self.p.len()).partition(|&row| self.fold[row] != fold);
            let calibrator = self.fit(method, &others)?;
            for row in own {
                calibrated[row] = calibrator.apply(self.p[row]);
            }
        }
        Ok(calibrated)
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
}
