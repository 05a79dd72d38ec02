//! Penalised logistic regression by Newton's method: for the learner, for Platt scaling and for calibration measures.
//!
//! It maximises Σ wᵢ [yᵢ ηᵢ − ln(1 + e^ηᵢ)] − ½ Σ λⱼ βⱼ² with ηᵢ = offsetᵢ + intercept + xᵢ·β. The intercept is never
//! penalised; `y` may lie anywhere in [0, 1], as Platt's targets do. With λ = 1/C this is scikit-learn's
//! `LogisticRegression(C)`; with λ = 0 it is the usual binomial GLM. All sums run in row order on `libm`.

use super::cholesky::{Cholesky, NotPositive, Square};
use super::link::{sigmoid, softplus};

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
    let problem = Problem::new(x, cols, y, weights, offset, ridge, fit_intercept)?;
    let mut beta = vec![0.0; problem.width()];
    let mut objective = problem.objective(&beta);
    let (mut converged, mut iterations) = (false, 0);
    while !converged && iterations < MAX_ITERATIONS {
        iterations += 1;
        let (gradient, information) = problem.derivatives(&beta);
        let step = Cholesky::new(information)?.solve(gradient);
        let largest = beta.iter().fold(1.0_f64, |max, value| max.max(value.abs()));
        converged = step.iter().all(|value| value.abs() <= STEP_TOLERANCE * largest);
        let Some((next, value)) = problem.ascend(&beta, &step, objective) else {
            // No ascent in any halving: the maximum is reached to the last bit.
            converged = true;
            break;
        };
        (beta, objective) = (next, value);
    }
    let se = Cholesky::new(problem.derivatives(&beta).1)?.inverse_diagonal().into_iter().map(libm::sqrt).collect();
    let loglik = objective + problem.penalty(&beta);
    let (intercept, coef) = if fit_intercept { (beta[0], beta[1..].to_vec()) } else { (0.0, beta) };
    Ok(GlmFit { intercept, coef, se, converged, iterations, loglik })
}

struct Problem<'a> {
    x: &'a [f64],
    cols: usize,
    y: &'a [f64],
    weights: Option<&'a [f64]>,
    offset: Option<&'a [f64]>,
    /// One per parameter, the intercept's 0 included.
    ridge: Vec<f64>,
    intercept: usize,
}

impl<'a> Problem<'a> {
    fn new(
        x: &'a [f64],
        cols: usize,
        y: &'a [f64],
        weights: Option<&'a [f64]>,
        offset: Option<&'a [f64]>,
        ridge: &[f64],
        fit_intercept: bool,
    ) -> Result<Self, GlmError> {
        let shape = |what: String| Err(GlmError::Shape(what));
        if y.is_empty() || x.len() != y.len() * cols {
            return shape(format!("{} values do not make {} rows of {cols} columns", x.len(), y.len()));
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
        let problem = Self { x, cols, y, weights, offset, ridge: penalties, intercept };
        problem.check_values()?;
        Ok(problem)
    }

    fn check_values(&self) -> Result<(), GlmError> {
        for (row, &y) in self.y.iter().enumerate() {
            let bad = |what| Err(GlmError::Value { row, what });
            if !self.row(row).iter().all(|value| value.is_finite()) {
                return bad("a predictor is not a finite number");
            }
            if !(0.0..=1.0).contains(&y) {
                return bad("the outcome is not between 0 and 1");
            }
            let weight = self.weight(row);
            if !weight.is_finite() || weight < 0.0 || !self.offset.map_or(0.0, |offset| offset[row]).is_finite() {
                return bad("the weight or offset is not a usable number");
            }
        }
        Ok(())
    }

    fn width(&self) -> usize {
        self.cols + self.intercept
    }

    fn row(&self, row: usize) -> &[f64] {
        &self.x[row * self.cols..(row + 1) * self.cols]
    }

    fn weight(&self, row: usize) -> f64 {
        self.weights.map_or(1.0, |weights| weights[row])
    }

    fn margin(&self, beta: &[f64], row: usize) -> f64 {
        let start = self.offset.map_or(0.0, |offset| offset[row]) + beta[..self.intercept].iter().sum::<f64>();
        self.row(row).iter().zip(&beta[self.intercept..]).fold(start, |sum, (x, b)| sum + x * b)
    }

    fn penalty(&self, beta: &[f64]) -> f64 {
        0.5 * beta.iter().zip(&self.ridge).map(|(b, lambda)| lambda * b * b).sum::<f64>()
    }

    /// The penalised log likelihood.
    fn objective(&self, beta: &[f64]) -> f64 {
        let fit = (0..self.y.len()).fold(0.0, |sum, row| {
            let margin = self.margin(beta, row);
            sum + self.weight(row) * (self.y[row] * margin - softplus(margin))
        });
        fit - self.penalty(beta)
    }

    /// Gradient and information (the negative Hessian, lower triangle) of the objective.
    fn derivatives(&self, beta: &[f64]) -> (Vec<f64>, Square) {
        let width = self.width();
        let mut gradient = vec![0.0; width];
        let mut information = Square::zeros(width);
        let mut design = vec![1.0; width];
        for row in 0..self.y.len() {
            design[self.intercept..].copy_from_slice(self.row(row));
            let p = sigmoid(self.margin(beta, row));
            let residual = self.weight(row) * (self.y[row] - p);
            let curvature = self.weight(row) * p * (1.0 - p);
            for i in 0..width {
                gradient[i] += residual * design[i];
                let scaled = curvature * design[i];
                for (cell, value) in information.row_mut(i).iter_mut().zip(&design[..=i]) {
                    *cell += scaled * value;
                }
            }
        }
        for i in 0..width {
            gradient[i] -= self.ridge[i] * beta[i];
            information.row_mut(i)[i] += self.ridge[i];
        }
        (gradient, information)
    }

    /// The first of the steps 1, ½, ¼, … that does not lower the objective by more than rounding can.
    fn ascend(&self, beta: &[f64], step: &[f64], objective: f64) -> Option<(Vec<f64>, f64)> {
        let floor = objective - 1e-12 * (1.0 + objective.abs());
        let mut scale = 1.0;
        for _ in 0..MAX_HALVINGS {
            let next: Vec<f64> = beta.iter().zip(step).map(|(b, s)| b + scale * s).collect();
            let value = self.objective(&next);
            if value >= floor {
                return Some((next, value));
            }
            scale *= 0.5;
        }
        None
    }
}

#[cfg(test)]
#[path = "glm_tests.rs"]
mod tests;
