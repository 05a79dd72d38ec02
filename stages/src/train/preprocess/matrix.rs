//! A row-major matrix of encoded rows.

use std::borrow::Cow;

use crate::common::rows::{Rows, Slice};

/// A row-major matrix of encoded rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Matrix {
    /// Rows.
    pub rows: usize,
    /// Columns.
    pub cols: usize,
    /// `rows · cols` values.
    pub values: Vec<f64>,
}

impl Matrix {
    /// One row.
    pub fn row(&self, row: usize) -> &[f64] {
        &self.values[row * self.cols..(row + 1) * self.cols]
    }

    /// The rows at `index`, in that order.
    #[must_use]
    pub fn take(&self, index: &[usize]) -> Self {
        let values = index.iter().flat_map(|&row| self.row(row).iter().copied()).collect();
        Self { rows: index.len(), cols: self.cols, values }
    }

    /// The columns at `index`, in that order.
    #[must_use]
    pub fn take_columns(&self, index: &[usize]) -> Self {
        let values = (0..self.rows).flat_map(|row| index.iter().map(move |&column| self.row(row)[column])).collect();
        Self { rows: self.rows, cols: index.len(), values }
    }
}

impl Matrix {
    fn slice(&self) -> Slice<'_> {
        Slice::new(&self.values, self.rows, self.cols)
    }
}

impl Rows for Matrix {
    fn rows(&self) -> usize {
        self.rows
    }

    fn cols(&self) -> usize {
        self.cols
    }

    fn read(&self, rows: &[usize], cells: &mut [f64]) {
        self.slice().read(rows, cells);
    }

    fn each(&self, visit: &mut dyn FnMut(usize, &[f64])) {
        self.slice().each(visit);
    }

    fn whole(&self) -> Cow<'_, [f64]> {
        Cow::Borrowed(&self.values)
    }
}

/// The nearest value a 32-bit float holds; what is too large becomes the largest one.
pub fn to_single(value: f64) -> f64 {
    f64::from(bounded(value) as f32)
}

/// The value within the range of 32-bit floats: sums of such values times coefficients stay finite.
pub fn bounded(value: f64) -> f64 {
    let limit = f64::from(f32::MAX);
    value.clamp(-limit, limit)
}
