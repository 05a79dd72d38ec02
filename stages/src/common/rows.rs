//! Rows of numbers in a fixed order, whether all are in memory or made when they are asked for.
//!
//! Whoever reads them gets the same bits either way. Sums that must not depend on memory run over [`Rows::each`].

use std::borrow::Cow;

/// Rows of numbers, all of one length.
pub trait Rows: Sync {
    /// How many rows.
    fn rows(&self) -> usize;
    /// How many numbers a row has.
    fn cols(&self) -> usize;
    /// Writes the rows at `rows`, in that order, into as many times `cols` cells.
    fn read(&self, rows: &[usize], cells: &mut [f64]);
    /// Gives all rows in order, some at a time: the number of the first, and their cells one row after the other.
    fn each(&self, visit: &mut dyn FnMut(usize, &[f64]));
    /// All cells, one row after the other.
    fn whole(&self) -> Cow<'_, [f64]>;
}

/// Rows that are in memory, one after the other.
#[derive(Debug, Clone, Copy)]
pub struct Slice<'a> {
    cells: &'a [f64],
    rows: usize,
    cols: usize,
}

impl<'a> Slice<'a> {
    /// `rows · cols` cells, row by row.
    ///
    /// # Panics
    /// When there are more or fewer: a defect of the caller, never of data.
    pub fn new(cells: &'a [f64], rows: usize, cols: usize) -> Self {
        assert_eq!(cells.len(), rows * cols, "rows of equal length");
        Self { cells, rows, cols }
    }
}

impl Rows for Slice<'_> {
    fn rows(&self) -> usize {
        self.rows
    }

    fn cols(&self) -> usize {
        self.cols
    }

    fn read(&self, rows: &[usize], cells: &mut [f64]) {
        let cols = self.cols;
        for (&row, cells) in rows.iter().zip(cells.chunks_exact_mut(cols.max(1))) {
            cells.copy_from_slice(&self.cells[row * cols..(row + 1) * cols]);
        }
    }

    fn each(&self, visit: &mut dyn FnMut(usize, &[f64])) {
        visit(0, self.cells);
    }

    fn whole(&self) -> Cow<'_, [f64]> {
        Cow::Borrowed(self.cells)
    }
}

/// The mean of each column; 0 without rows. Sums run in row order.
pub fn means(x: &dyn Rows) -> Vec<f64> {
    let mut sums = vec![0.0; x.cols()];
    each_row(x, |_, row| sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += value));
    sums.iter().map(|sum| sum / x.rows().max(1) as f64).collect()
}

/// Visits every row in order, also of rows without columns.
pub fn each_row(x: &dyn Rows, mut visit: impl FnMut(usize, &[f64])) {
    let cols = x.cols();
    if cols == 0 {
        return (0..x.rows()).for_each(|row| visit(row, &[]));
    }
    x.each(&mut |from, cells| {
        for (at, row) in cells.chunks_exact(cols).enumerate() {
            visit(from + at, row);
        }
    });
}
