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
use self::walk::Walk;
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

/// Trees of which every row's explanation starts, prepared once for as many calls as come.
#[derive(Debug)]
pub struct TreeExplainer {
    base: f64,
    trees: Vec<(Outline, Box<dyn Walk>)>,
}

impl TreeExplainer {
    /// Prepares an ensemble, which takes about a kilobyte a node.
    pub fn new(ensemble: &TreeEnsemble) -> Self {
        let (base, outlines) = outlines(ensemble);
        let prepared = |outline: Outline| {
            let walk = outline.prepare();
            (outline, walk)
        };
        Self { base, trees: outlines.into_iter().map(prepared).collect() }
    }

    /// What [`trees`] gives, to the bit.
    pub fn contributions(&self, values: &[f64], columns: usize) -> Result<Contributions, ShapError> {
        fits(self.trees.iter().map(|(outline, _)| outline), columns)?;
        Ok(shared(self.base, values, columns, |rows, sums| {
            for (outline, walk) in &self.trees {
                walk.add(outline, rows, columns, sums);
            }
        }))
    }
}

/// The contributions to the margins of row-major encoded `values` with `columns` columns, on rayon's current threads.
/// A tree is prepared, used for many rows and let go, so that forests of any size fit.
pub fn trees(ensemble: &TreeEnsemble, values: &[f64], columns: usize) -> Result<Contributions, ShapError> {
    let (base, outlines) = outlines(ensemble);
    fits(outlines.iter(), columns)?;
    Ok(shared(base, values, columns, |rows, sums| {
        for outline in &outlines {
            outline.prepare().add(outline, rows, columns, sums);
        }
    }))
}

/// The mean margin over the training rows, and the trees without it.
fn outlines(ensemble: &TreeEnsemble) -> (f64, Vec<Outline>) {
    let outlines: Vec<Outline> = ensemble.trees.iter().map(Outline::new).collect();
    (outlines.iter().fold(ensemble.base, |sum, outline| sum + outline.expected), outlines)
}

fn fits<'a>(outlines: impl Iterator<Item = &'a Outline>, columns: usize) -> Result<(), ShapError> {
    match outlines.filter_map(Outline::last_column).max().filter(|&column| column >= columns) {
        Some(column) => Err(ShapError::Column { column, columns }),
        None => Ok(()),
    }
}

/// Shares the rows among the threads; `add` adds to the sums of a task's rows.
fn shared(base: f64, values: &[f64], columns: usize, add: impl Fn(&[f64], &mut [f64]) + Sync) -> Contributions {
    let mut all = vec![0.0; values.len()];
    match values.len().checked_div(columns) {
        // A request must not wait for another thread.
        Some(rows) if rows <= TASK_ROWS.0 => add(values, &mut all),
        Some(rows) => {
            let rows = (rows / (4 * rayon::current_num_threads())).clamp(TASK_ROWS.0, TASK_ROWS.1);
            let tasks = all.par_chunks_mut(rows * columns).zip(values.par_chunks(rows * columns));
            tasks.for_each(|(sums, rows)| add(rows, sums));
        }
        None => {}
    }
    Contributions { base, columns, values: all }
}
