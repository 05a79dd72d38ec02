//! Solves positive definite systems by Cholesky's factorisation; sums run in a fixed order.

/// The pivot at which a matrix turns out not to be positive definite: its column depends on those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotPositive(pub usize);

/// A square matrix, row-major.
#[derive(Clone)]
pub(crate) struct Square {
    size: usize,
    cells: Vec<f64>,
}

impl Square {
    /// The zero matrix.
    pub(crate) fn zeros(size: usize) -> Self {
        Self { size, cells: vec![0.0; size * size] }
    }

    /// A row to write.
    pub(crate) fn row_mut(&mut self, row: usize) -> &mut [f64] {
        &mut self.cells[row * self.size..(row + 1) * self.size]
    }

    fn row(&self, row: usize) -> &[f64] {
        &self.cells[row * self.size..(row + 1) * self.size]
    }
}

/// The factor L of a positive definite matrix L·Lᵀ, in the lower triangle.
pub(crate) struct Cholesky(Square);

impl Cholesky {
    /// Factors a matrix given by its lower triangle; a pivot that loses all its digits counts as zero.
    pub(crate) fn new(mut matrix: Square) -> Result<Self, NotPositive> {
        for i in 0..matrix.size {
            for j in 0..=i {
                let dot: f64 = (0..j).map(|k| matrix.row(i)[k] * matrix.row(j)[k]).sum();
                let value = matrix.row(i)[j] - dot;
                if i == j {
                    if value.is_nan() || value <= 1e-13 * matrix.row(i)[i] {
                        return Err(NotPositive(i));
                    }
                    matrix.row_mut(i)[j] = libm::sqrt(value);
                } else {
                    matrix.row_mut(i)[j] = value / matrix.row(j)[j];
                }
            }
        }
        Ok(Self(matrix))
    }

    /// The solution of matrix · x = right.
    pub(crate) fn solve(&self, mut right: Vec<f64>) -> Vec<f64> {
        let (size, factor) = (self.0.size, &self.0);
        for i in 0..size {
            let dot: f64 = (0..i).map(|k| factor.row(i)[k] * right[k]).sum();
            right[i] = (right[i] - dot) / factor.row(i)[i];
        }
        for i in (0..size).rev() {
            let dot: f64 = (i + 1..size).map(|k| factor.row(k)[i] * right[k]).sum();
            right[i] = (right[i] - dot) / factor.row(i)[i];
        }
        right
    }

    /// The diagonal of the inverse.
    pub(crate) fn inverse_diagonal(&self) -> Vec<f64> {
        let unit = |i: usize| (0..self.0.size).map(|k| f64::from(u8::from(k == i))).collect();
        (0..self.0.size).map(|i| self.solve(unit(i))[i]).collect()
    }
}
