//! A row-major matrix of encoded rows: what learners read.

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

    /// The mean of each column; 0 without rows.
    pub fn means(&self) -> Vec<f64> {
        let mut sums = vec![0.0; self.cols];
        for row in 0..self.rows {
            for (sum, value) in sums.iter_mut().zip(self.row(row)) {
                *sum += value;
            }
        }
        sums.iter().map(|sum| sum / self.rows.max(1) as f64).collect()
    }

    /// The columns at `index`, in that order.
    #[must_use]
    pub fn take_columns(&self, index: &[usize]) -> Self {
        let values = (0..self.rows).flat_map(|row| index.iter().map(move |&column| self.row(row)[column])).collect();
        Self { rows: self.rows, cols: index.len(), values }
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
