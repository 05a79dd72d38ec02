//! Penalised logistic regression by Newton's method: for the learner, for Platt scaling and for calibration measures.
//!
//! It maximises Σ wᵢ [yᵢ ηᵢ − ln(1 + e^ηᵢ)] − ½ Σ λⱼ βⱼ² with ηᵢ = offsetᵢ + intercept + xᵢ·β. The intercept is never
//! penalised; `y` may lie anywhere in [0, 1], as Platt's targets do. With λ = 1/C this is scikit-learn's
//! `LogisticRegression(C)`; with λ = 0 it is the usual binomial GLM. All sums run in row order on `libm`.

use super::cholesky::{Cholesky, NotPositive, Square};
use super::link::{sigmoid, softplus};
use super::rows::{Rows, Slice, each_row};

const MAX_ITERATIONS: usize = 100;
const MAX_HALVINGS: usize = 30;
/// The fit has converged when no coefficient moves further than this, relative to the largest one.
const STEP_TOLERANCE: f64 = 1e-10;

/// A fitted model.
#[derive(Debug, Clone, PartialEq)]
pub struct GlmFit {
    /// 0 when none was asked for.
    pub intercept: f64,
    /// One per column.
    pub coef: Vec<f64>,
    /// Standard errors from the inverse of the (penalised) information: the intercept first when there is one, then
    /// one per column.
    pub se: Vec<f64>,
    /// Whether the last step was negligible. False under complete separation without a penalty.
    pub converged: bool,
    /// Newton steps taken.
    pub iterations: usize,
    /// Log likelihood at the fit, without the penalty.
    pub loglik: f64,
}

/// Why a model cannot be fitted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GlmError {
    /// Lengths that do not belong together, or no rows.
    #[error("{0}")]
    Shape(String),
    /// A value that is not finite, an outcome outside [0, 1] or a negative weight.
    #[error("row {row}: {what}")]
    Value {
        /// 0-based row.
        row: usize,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The columns are linearly dependent, or the outcome is perfectly separated, and no penalty holds them.
    #[error("the information matrix is singular at coefficient {0}: dependent columns or separated outcomes; raise l2")]
    Singular(usize),
}

impl From<NotPositive> for GlmError {
    fn from(error: NotPositive) -> Self {
        Self::Singular(error.0)
    }
}

/// Fits a logistic regression.
///
/// `x` is row-major with `cols` columns; `ridge` holds one λ ≥ 0 per column, or a single one for all; `weights` and
/// `offset` have one entry per row. Without columns and with an intercept it fits the intercept alone.
pub fn fit_logistic(
    x: &[f64],
    cols: usize,
    y: &[f64],
    weights: Option<&[f64]>,
    offset: Option<&[f64]>,
    ridge: &[f64],
    fit_intercept: bool,
) -> Result<GlmFit, GlmError> {
    if x.len() != y.len() * cols {
        let what = format!("{} values do not make {} rows of {cols} columns", x.len(), y.len());
        return Err(GlmError::Shape(what));
    }
    fit_logistic_rows(&Slice::new(x, y.len(), cols), y, weights, offset, ridge, fit_intercept)
}

/// The same for rows that need not be in memory. Every Newton step reads them once, and once more for each halving.
pub fn fit_logistic_rows(
    x: &dyn Rows,
    y: &[f64],
    weights: Option<&[f64]>,
    offset: Option<&[f64]>,
    ridge: &[f64],
    fit_intercept: bool,
) -> Result<GlmFit, GlmError> {
    let problem = Problem::new(x, y, weights, offset, ridge, fit_intercept)?;
    let mut at = problem.look(vec![0.0; problem.width()]);
    let (mut converged, mut iterations) = (false, 0);
    while !converged && iterations < MAX_ITERATIONS {
        iterations += 1;
        let step = Cholesky::new(at.information.clone())?.solve(at.gradient.clone());
        let largest = at.beta.iter().fold(1.0_f64, |max, value| max.max(value.abs()));
        converged = step.iter().all(|value| value.abs() <= STEP_TOLERANCE * largest);
        let Some(next) = problem.ascend(&at, &step) else {
            // No ascent in any halving: the maximum is reached to the last bit.
            converged = true;
            break;
        };
        at = next;
    }
    let Point { beta, objective, information, .. } = at;
    let se = Cholesky::new(information)?.inverse_diagonal().into_iter().map(libm::sqrt).collect();
    let loglik = objective + problem.penalty(&beta);
    let (intercept, coef) = if fit_intercept { (beta[0], beta[1..].to_vec()) } else { (0.0, beta) };
    Ok(GlmFit { intercept, coef, se, converged, iterations, loglik })
}

struct Problem<'a> {
    x: &'a dyn Rows,
    y: &'a [f64],
    weights: Option<&'a [f64]>,
    offset: Option<&'a [f64]>,
    /// One per parameter, the intercept's 0 included.
    ridge: Vec<f64>,
    intercept: usize,
}

/// The objective and its derivatives somewhere.
struct Point {
    beta: Vec<f64>,
    /// The penalised log likelihood.
    objective: f64,
    gradient: Vec<f64>,
    /// The negative Hessian, lower triangle.
    information: Square,
}

impl<'a> Problem<'a> {
    fn new(
        x: &'a dyn Rows,
        y: &'a [f64],
        weights: Option<&'a [f64]>,
        offset: Option<&'a [f64]>,
        ridge: &[f64],
        fit_intercept: bool,
    ) -> Result<Self, GlmError> {
        let (shape, cols) = (|what: String| Err(GlmError::Shape(what)), x.cols());
        if y.is_empty() || x.rows() != y.len() {
            return shape(format!("{} outcomes for {} rows", y.len(), x.rows()));
        }
        if [weights, offset].into_iter().flatten().any(|given| given.len() != y.len()) {
            return shape("weights and offsets must have one entry per row".to_owned());
        }
        if ridge.len() != cols && ridge.len() != 1 {
            return shape(format!("{} penalties for {cols} columns", ridge.len()));
        }
        let intercept = usize::from(fit_intercept);
        let mut penalties = vec![0.0; intercept];
        penalties.extend((0..cols).map(|column| if ridge.len() == 1 { ridge[0] } else { ridge[column] }));
        let problem = Self { x, y, weights, offset, ridge: penalties, intercept };
        problem.check_values()?;
        Ok(problem)
    }

    fn check_values(&self) -> Result<(), GlmError> {
        let mut first = None;
        each_row(self.x, |row, cells| {
            if first.is_none()
                && let Some(what) = self.fault(row, cells)
            {
                first = Some(GlmError::Value { row, what });
            }
        });
        first.map_or(Ok(()), Err)
    }

    /// What is wrong with a row.
    fn fault(&self, row: usize, cells: &[f64]) -> Option<&'static str> {
        let weight = self.weight(row);
        if !cells.iter().all(|value| value.is_finite()) {
            Some("a predictor is not a finite number")
        } else if !(0.0..=1.0).contains(&self.y[row]) {
            Some("the outcome is not between 0 and 1")
        } else if !weight.is_finite() || weight < 0.0 || !self.offset(row).is_finite() {
            Some("the weight or offset is not a usable number")
        } else {
            None
        }
    }

    fn width(&self) -> usize {
        self.x.cols() + self.intercept
    }

    fn weight(&self, row: usize) -> f64 {
        self.weights.map_or(1.0, |weights| weights[row])
    }

    fn offset(&self, row: usize) -> f64 {
        self.offset.map_or(0.0, |offset| offset[row])
    }

    fn margin(&self, beta: &[f64], row: usize, cells: &[f64]) -> f64 {
        let start = self.offset(row) + beta[..self.intercept].iter().sum::<f64>();
        cells.iter().zip(&beta[self.intercept..]).fold(start, |sum, (x, b)| sum + x * b)
    }

    fn penalty(&self, beta: &[f64]) -> f64 {
        0.5 * beta.iter().zip(&self.ridge).map(|(b, lambda)| lambda * b * b).sum::<f64>()
    }

    /// The part of the log likelihood that a row adds.
    fn term(&self, row: usize, margin: f64) -> f64 {
        self.weight(row) * (self.y[row] * margin - softplus(margin))
    }

    fn objective(&self, beta: &[f64]) -> f64 {
        let mut fit = 0.0;
        each_row(self.x, |row, cells| fit += self.term(row, self.margin(beta, row, cells)));
        fit - self.penalty(beta)
    }

    /// The objective and its derivatives, in one reading of the rows.
    fn look(&self, beta: Vec<f64>) -> Point {
        let width = self.width();
        let (mut fit, mut gradient, mut information) = (0.0, vec![0.0; width], Square::zeros(width));
        let mut design = vec![1.0; width];
        each_row(self.x, |row, cells| {
            design[self.intercept..].copy_from_slice(cells);
            let margin = self.margin(&beta, row, cells);
            fit += self.term(row, margin);
            let p = sigmoid(margin);
            let residual = self.weight(row) * (self.y[row] - p);
            let curvature = self.weight(row) * p * (1.0 - p);
            for i in 0..width {
                gradient[i] += residual * design[i];
                let scaled = curvature * design[i];
                for (cell, value) in information.row_mut(i).iter_mut().zip(&design[..=i]) {
                    *cell += scaled * value;
                }
            }
        });
        for i in 0..width {
            gradient[i] -= self.ridge[i] * beta[i];
            information.row_mut(i)[i] += self.ridge[i];
        }
        let objective = fit - self.penalty(&beta);
        Point { beta, objective, gradient, information }
    }

    /// The first of the steps 1, ½, ¼, … that does not lower the objective by more than rounding can.
    fn ascend(&self, at: &Point, step: &[f64]) -> Option<Point> {
        let floor = at.objective - 1e-12 * (1.0 + at.objective.abs());
        let moved = |scale: f64| at.beta.iter().zip(step).map(|(b, s)| b + scale * s).collect::<Vec<f64>>();
        // A full step is nearly always right, and what is read to judge it is what the next one needs.
        let whole = self.look(moved(1.0));
        if whole.objective >= floor {
            return Some(whole);
        }
        let mut scale = 0.5;
        for _ in 1..MAX_HALVINGS {
            let next = moved(scale);
            if self.objective(&next) >= floor {
                return Some(self.look(next));
            }
            scale *= 0.5;
        }
        None
    }
}

#[cfg(test)]
#[path = "glm_tests.rs"]
mod tests;
