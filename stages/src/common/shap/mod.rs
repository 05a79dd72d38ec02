//! Shapley values of a model's margin: exact, path-dependent for trees, in closed form for linear models.
//!
//! The game is that of TreeSHAP (Lundberg et al. 2020, Nature Machine Intelligence 2: 56–67): a feature outside the
//! coalition sends a row down both sides of a split, weighted by the training rows that went there. Invariants: base
//! plus a row's contributions equal its margin (to rounding, about 1e-15 of the largest leaf sum); a row's bits depend
//! on the model and that row only, never on the other rows or the threads; nothing here is random.
//!
//! This room knows encoded columns only. Names, features and probabilities belong to the bundle.

mod linear;
mod outline;
mod quadrature;
#[cfg(test)]
mod reference_tests;
#[cfg(test)]
mod tests;
mod walk;

use rayon::prelude::*;

pub use self::linear::linear;
use self::outline::Outline;
use super::tree::TreeEnsemble;

/// Fewest and most rows of a task: each task prepares every tree once, which costs as much as about ten rows.
const TASK_ROWS: (usize, usize) = (64, 2048);

/// What each column contributes to each row's margin, in the unit of the margin.
#[derive(Debug, Clone, PartialEq)]
pub struct Contributions {
    /// The expected margin over the training rows: margin = `base` + the row's contributions.
    pub base: f64,
    columns: usize,
    values: Vec<f64>,
}

impl Contributions {
    /// One value a column for the row at this place.
    pub fn row(&self, row: usize) -> &[f64] {
        &self.values[row * self.columns..(row + 1) * self.columns]
    }
}

/// A model that cannot be explained on the given rows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShapError {
    /// A tree asks for a column that the rows lack.
    #[error("a tree reads column {column}, but the encoded rows have {columns}")]
    Column {
        /// The column asked for, from 0.
        column: usize,
        /// How many there are.
        columns: usize,
    },
    /// A linear model without one coefficient and one mean for each column.
    #[error("the model has {coef} coefficients and {means} means for {columns} encoded columns")]
    Lengths {
        /// Coefficients.
        coef: usize,
        /// Means of training columns.
        means: usize,
        /// Columns of the rows.
        columns: usize,
    },
}

/// The contributions to the margins of row-major encoded `values` with `columns` columns, on rayon's current threads.
pub fn trees(ensemble: &TreeEnsemble, values: &[f64], columns: usize) -> Result<Contributions, ShapError> {
    let outlines: Vec<Outline> = ensemble.trees.iter().map(Outline::new).collect();
    if let Some(column) = outlines.iter().filter_map(Outline::last_column).max().filter(|&column| column >= columns) {
        return Err(ShapError::Column { column, columns });
    }
    let base = outlines.iter().fold(ensemble.base, |sum, outline| sum + outline.expected);
    let mut all = vec![0.0; values.len()];
    if let Some(rows) = values.len().checked_div(columns) {
        let rows = (rows / (4 * rayon::current_num_threads())).clamp(TASK_ROWS.0, TASK_ROWS.1);
        all.par_chunks_mut(rows * columns)
            .zip(values.par_chunks(rows * columns))
            .for_each(|(sums, rows)| outlines.iter().for_each(|outline| outline.add(rows, columns, sums)));
    }
    Ok(Contributions { base, columns, values: all })
}
