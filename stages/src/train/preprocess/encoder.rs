//! Encoded rows on demand: what a learner reads when the whole matrix would be too large to hold.
//!
//! A column of few distinct values is encoded once for each of them; its rows are then copied. The cells are those that
//! encoding every row alone would give, to the bit. It refuses columns that do not fit when it is made, and nothing later.

use std::borrow::Cow;
use std::ops::Range;

use rayon::prelude::*;

use super::matrix::bounded;
use super::{Matrix, PreprocessError, Preprocessor, Step, to_single};
use crate::common::columns::{Coded, Columns, Numbers, Values};
use crate::common::rows::Rows;
use crate::common::texts::Texts;

/// Rows encoded together: their cells stay in cache while one feature after the other is written.
const BLOCK: usize = 256;

/// Rows of a table as a fitted preprocessor encodes them.
pub struct Encoder<'a> {
    columns: Vec<Encoded<'a>>,
    index: Option<&'a [usize]>,
    rows: usize,
    cols: usize,
    single: bool,
}

/// One feature.
struct Encoded<'a> {
    step: &'a Step,
    width: usize,
    source: Source<'a>,
    /// Other first cells than the column gives, one per row, after scaling.
    instead: Option<Vec<f64>>,
}

enum Source<'a> {
    Numbers(Numbers<'a>),
    Texts(&'a Texts),
    /// The cells of every distinct value, and what numbers the values.
    Known(Codes<'a>, Vec<f64>),
}

#[derive(Clone, Copy)]
enum Codes<'a> {
    Numbers(&'a Coded),
    /// A missing text has the code after the last.
    Texts(&'a Texts),
}

impl<'a> Encoder<'a> {
    /// The rows at `index`, or all rows. The steps that have an entry in `instead` take their first cells from there.
    pub(super) fn new(
        preprocessor: &'a Preprocessor,
        features: &'a dyn Columns,
        index: Option<&'a [usize]>,
        instead: Vec<Option<Vec<f64>>>,
    ) -> Result<Self, PreprocessError> {
        let rows = index.map_or(features.rows(), <[usize]>::len);
        let single = preprocessor.single;
        let mut instead = instead.into_iter();
        let column = |step: &'a Step| {
            let values =
                features.column(&step.feature).ok_or_else(|| PreprocessError::Missing(step.feature.clone()))?;
            let source = Source::new(step, values, rows, single)?;
            Ok(Encoded { step, width: step.width(), source, instead: instead.next().flatten() })
        };
        let columns = preprocessor.steps.iter().map(column).collect::<Result<Vec<_>, PreprocessError>>()?;
        let cols = columns.iter().map(|column| column.width).sum();
        Ok(Self { columns, index, rows, cols, single })
    }

    /// All rows.
    pub fn matrix(&self) -> Matrix {
        self.part(0..self.rows)
    }

    /// The rows of a range.
    pub fn part(&self, part: Range<usize>) -> Matrix {
        let (rows, cols) = (part.len(), self.cols);
        let mut values = vec![0.0; rows * cols];
        let block = |(number, cells): (usize, &mut [f64])| {
            let from = part.start + number * BLOCK;
            self.fill(from..part.end.min(from + BLOCK), cells);
        };
        // A request of one row must not wait for another thread.
        if rows <= BLOCK {
            block((0, &mut values));
        } else if cols > 0 {
            values.par_chunks_mut(BLOCK * cols).enumerate().for_each(block);
        }
        Matrix { rows, cols, values }
    }

    fn fill(&self, rows: impl Iterator<Item = usize> + Clone, cells: &mut [f64]) {
        let mut at = 0;
        for column in &self.columns {
            let places = cells.chunks_exact_mut(self.cols.max(1)).map(|row| &mut row[at..at + column.width]);
            for (row, place) in rows.clone().zip(places) {
                column.write(row, self.index.map_or(row, |index| index[row]), self.single, place);
            }
            at += column.width;
        }
    }
}

impl Rows for Encoder<'_> {
    fn rows(&self) -> usize {
        self.rows
    }

    fn cols(&self) -> usize {
        self.cols
    }

    fn read(&self, rows: &[usize], cells: &mut [f64]) {
        self.fill(rows.iter().copied(), cells);
    }

    fn each(&self, visit: &mut dyn FnMut(usize, &[f64])) {
        let mut cells = vec![0.0; BLOCK.min(self.rows) * self.cols];
        for from in (0..self.rows).step_by(BLOCK) {
            let rows = from..self.rows.min(from + BLOCK);
            let cells = &mut cells[..rows.len() * self.cols];
            self.fill(rows, cells);
            visit(from, cells);
        }
    }

    fn whole(&self) -> Cow<'_, [f64]> {
        Cow::Owned(self.matrix().values)
    }
}

impl Encoded<'_> {
    /// Writes the cells of a row, which is `source` in the table.
    fn write(&self, row: usize, source: usize, single: bool, cells: &mut [f64]) {
        match &self.source {
            Source::Numbers(values) => self.step.encode_number(values.get(source), single, cells),
            Source::Texts(values) => self.step.encode_text(values.get(source), single, cells),
            Source::Known(codes, known) => {
                let known = &known[codes.of(source) * self.width..];
                // Copying one or two cells as a block would be a call each.
                match &mut *cells {
                    [cell] => *cell = known[0],
                    [cell, flag] => (*cell, *flag) = (known[0], known[1]),
                    cells => cells.copy_from_slice(&known[..self.width]),
                }
            }
        }
        if let Some(instead) = &self.instead {
            cells[0] = rounded(instead[row], single);
        }
    }
}

impl<'a> Source<'a> {
    /// Encodes every distinct value beforehand when there are more rows than those.
    fn new(step: &Step, values: Values<'a>, rows: usize, single: bool) -> Result<Self, PreprocessError> {
        let width = step.width();
        match (values, step.is_number()) {
            (Values::Numbers(Numbers::Coded(coded)), true) if coded.values().len() < rows => {
                let mut cells = vec![0.0; coded.values().len() * width];
                for (&value, cells) in coded.values().iter().zip(cells.chunks_exact_mut(width)) {
                    step.encode_number(value, single, cells);
                }
                Ok(Self::Known(Codes::Numbers(coded), cells))
            }
            (Values::Numbers(values), true) => Ok(Self::Numbers(values)),
            (Values::Texts(texts), false) if texts.levels().len() < rows && width > 0 => {
                let mut cells = vec![0.0; (texts.levels().len() + 1) * width];
                let levels = texts.levels().iter().map(|level| Some(level.as_ref())).chain([None]);
                for (level, cells) in levels.zip(cells.chunks_exact_mut(width)) {
                    step.encode_text(level, single, cells);
                }
                Ok(Self::Known(Codes::Texts(texts), cells))
            }
            (Values::Texts(texts), false) => Ok(Self::Texts(texts)),
            (_, number) => {
                let expected = if number { "numbers" } else { "categories" };
                Err(PreprocessError::Kind { feature: step.feature.clone(), expected })
            }
        }
    }
}

impl Codes<'_> {
    fn of(self, row: usize) -> usize {
        match self {
            Self::Numbers(coded) => coded.code(row),
            Self::Texts(texts) => texts.code(row).unwrap_or(texts.levels().len()),
        }
    }
}

/// A cell as it is stored: within the range of 32-bit floats, and one of them where learners demand it.
pub(super) fn rounded(cell: f64, single: bool) -> f64 {
    if single { to_single(cell) } else { bounded(cell) }
}
