//! The training matrix as bytes: each column divided into at most 255 bins, and one for missing values.
//!
//! A bin is a range of numbers or a set of category codes. A tree that divides bins asks a question of the value itself
//! ([`Column::test`]), and both send every training row the same way; that is what this module is for. It knows
//! neither outcomes nor trees.

use rayon::prelude::*;

use crate::common::rows::Rows;
use crate::common::tree::Test;
use crate::train::learner::LearnError;

/// Most bins of a column, the one for missing values not counted.
const MOST: usize = 255;
/// Most cells, one byte each, that a forest takes.
const MOST_CELLS: usize = 8 << 30;

/// The binned columns.
pub(super) struct Bins {
    /// Number of rows, below 2³².
    pub rows: usize,
    /// One per column of the matrix.
    pub columns: Vec<Column>,
}

/// One binned column.
pub(super) struct Column {
    /// The bin of every row.
    pub cells: Vec<u8>,
    /// What the bins mean.
    pub scale: Scale,
}

/// What the bins of a column mean; the bin after the last is that of missing values.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Scale {
    /// Ranges of numbers: bin `i` ends below cut `i`. Cuts ascend, are finite and representable as 32-bit floats.
    Cuts(Vec<f64>),
    /// The category codes of each bin, ascending.
    Codes(Vec<Vec<u32>>),
}

/// A set of bins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct BinSet([u64; 4]);

impl BinSet {
    pub(super) fn insert(&mut self, bin: u8) {
        self.0[usize::from(bin >> 6)] |= 1 << (bin & 63);
    }

    pub(super) fn holds(self, bin: u8) -> bool {
        self.0[usize::from(bin >> 6)] >> (bin & 63) & 1 == 1
    }

    /// Its bins, ascending.
    pub(super) fn bins(self) -> impl Iterator<Item = u8> {
        self.0.into_iter().zip([0, 64, 128, 192]).flat_map(|(mut word, first)| {
            std::iter::from_fn(move || {
                let bit = word.trailing_zeros();
                word &= word.wrapping_sub(1);
                (bit < 64).then(|| first + bit as u8)
            })
        })
    }
}

impl Bins {
    /// Bins a matrix; `coded` tells which columns hold category codes. Infinite values count as the largest 32-bit
    /// floats.
    pub(super) fn new(x: &dyn Rows, coded: &[bool], threads: usize) -> Result<Self, LearnError> {
        let (rows, cols) = (x.rows(), x.cols());
        if rows >= u32::MAX as usize || rows.saturating_mul(cols) > MOST_CELLS {
            return Err(LearnError::TooLarge { rows, columns: cols });
        }
        let cells = x.whole();
        let bin = |at: usize| {
            let values = cells.iter().skip(at).step_by(cols);
            if coded.get(at).copied().unwrap_or(false) {
                Column::of_codes(values, at)
            } else {
                Ok(Column::of_numbers(values))
            }
        };
        let columns = if threads > 1 {
            (0..cols).into_par_iter().map(bin).collect::<Result<_, _>>()?
        } else {
            (0..cols).map(bin).collect::<Result<_, _>>()?
        };
        Ok(Self { rows, columns })
    }
}

impl Column {
    fn of_numbers<'a>(values: impl Iterator<Item = &'a f64> + Clone) -> Self {
        let mut present: Vec<f32> =
            values.clone().filter(|value| !value.is_nan()).map(|&value| single(value)).collect();
        present.sort_unstable_by(f32::total_cmp);
        let cuts = cuts(&present);
        let missing = cuts.len() as u8 + 1;
        let cell =
            |&value: &f64| if value.is_nan() { missing } else { cuts.partition_point(|&cut| cut <= value) as u8 };
        Self { cells: values.map(cell).collect(), scale: Scale::Cuts(cuts) }
    }

    fn of_codes<'a>(values: impl Iterator<Item = &'a f64> + Clone, at: usize) -> Result<Self, LearnError> {
        if values.clone().any(|&value| value < 0.0 || value > f64::from(u32::MAX)) {
            return Err(LearnError::BadCode { column: at });
        }
        let mut present: Vec<u32> = values.clone().filter(|value| !value.is_nan()).map(|&value| value as u32).collect();
        present.sort_unstable();
        let codes = group_codes(&present);
        let missing = codes.len() as u8;
        let mut bin_of: Vec<(u32, u8)> =
            codes.iter().zip(0..).flat_map(|(codes, bin)| codes.iter().map(move |&code| (code, bin))).collect();
        bin_of.sort_unstable();
        let find = |code: u32| bin_of.binary_search_by_key(&code, |&(code, _)| code).map_or(missing, |at| bin_of[at].1);
        let cells = values.map(|&value| if value.is_nan() { missing } else { find(value as u32) }).collect();
        Ok(Self { cells, scale: Scale::Codes(codes) })
    }

    /// The bin of missing values.
    pub(super) fn missing(&self) -> u8 {
        match &self.scale {
            Scale::Cuts(cuts) => cuts.len() as u8 + 1,
            Scale::Codes(codes) => codes.len() as u8,
        }
    }

    /// The question that values in these bins answer with yes, and all others with no. Of a column of numbers the
    /// set must be the bins up to some bin; whether missing values are in it does not matter.
    pub(super) fn test(&self, left: BinSet) -> Test {
        match &self.scale {
            Scale::Cuts(cuts) => {
                let last = left.bins().take_while(|&bin| bin < self.missing()).last();
                // Nothing is below the lowest number: only missing values can go left.
                Test::Below(
                    last.map_or(f64::from(f32::MIN), |bin| cuts.get(usize::from(bin)).copied().unwrap_or(f64::MAX)),
                )
            }
            Scale::Codes(codes) => {
                let chosen = codes.iter().zip(0..).filter(|&(_, bin)| left.holds(bin));
                let mut set: Vec<u32> = chosen.flat_map(|(codes, _)| codes.iter().copied()).collect();
                set.sort_unstable();
                Test::In(set)
            }
        }
    }
}

/// The nearest 32-bit float; zero has one sign.
fn single(value: f64) -> f32 {
    (value as f32).clamp(f32::MIN, f32::MAX) + 0.0
}

/// Cuts between sorted values: between every two distinct ones if they are few, else such that bins hold about the
/// same number of rows and a value that alone fills a bin has one of its own.
fn cuts(sorted: &[f32]) -> Vec<f64> {
    let runs: Vec<&[f32]> = sorted.chunk_by(|a, b| a == b).collect();
    let single_bins = runs.len() <= MOST;
    let (mut cuts, mut in_bin, mut left) = (Vec::new(), 0, sorted.len());
    for pair in runs.windows(2) {
        in_bin += pair[0].len();
        let open = MOST - cuts.len();
        let full = |rows: usize| rows * open >= left;
        if single_bins || (open > 1 && (full(in_bin) || full(pair[1].len()))) {
            cuts.push(between(pair[0][0], pair[1][0]));
            left -= in_bin;
            in_bin = 0;
        }
    }
    cuts
}

/// The 32-bit float halfway from `a` to a larger `b`; `b` itself when there is none between.
fn between(a: f32, b: f32) -> f64 {
    let middle = f64::midpoint(f64::from(a), f64::from(b)) as f32;
    f64::from(if middle > a { middle } else { b })
}

/// A bin per code, ascending; when codes are too many, the most frequent have their own and the others share the last.
fn group_codes(sorted: &[u32]) -> Vec<Vec<u32>> {
    let mut runs: Vec<&[u32]> = sorted.chunk_by(|a, b| a == b).collect();
    if runs.len() <= MOST {
        return runs.into_iter().map(|run| vec![run[0]]).collect();
    }
    runs.sort_by_key(|run| (std::cmp::Reverse(run.len()), run[0]));
    let (frequent, rare) = runs.split_at(MOST - 1);
    let codes = |runs: &[&[u32]]| {
        let mut codes: Vec<u32> = runs.iter().map(|run| run[0]).collect();
        codes.sort_unstable();
        codes
    };
    let mut groups: Vec<Vec<u32>> = codes(frequent).into_iter().map(|code| vec![code]).collect();
    groups.push(codes(rare));
    groups
}
