//! Raw columns as numbers that can be compared quickly: four bytes a row, and every distinct value once.

use crate::common::frame::Column;
use crate::common::interval::quantile;

/// A number with at most so many values is compared exactly.
const COARSE: usize = 20;
/// Of a standard deviation.
const TOLERANCE: f64 = 0.02;
/// The interquartile range of a normal distribution in standard deviations.
const QUARTILES: f64 = 1.349;

/// One raw column, ready to be compared: a number for each row, and what the numbers stand for.
pub(super) struct Compared {
    /// Equal values have equal codes, greater numbers greater ones; a missing value is the last.
    pub codes: Vec<u32>,
    /// Given for a number with many values.
    pub fine: Option<Fine>,
}

/// What the codes of a fine number stand for.
pub(super) struct Fine {
    /// The value of each code, ascending; NaN, the last, where missing.
    values: Vec<f64>,
    /// How far apart two may lie.
    pub tolerance: f64,
}

impl Compared {
    pub fn new(column: &Column) -> Self {
        match column {
            Column::Number(values) => Self::of_numbers(values),
            Column::Text(texts) => {
                let missing = texts.levels().len();
                let codes = texts.codes().map(|code| code.unwrap_or(missing) as u32).collect();
                Self { codes, fine: None }
            }
        }
    }

    fn of_numbers(values: &[f64]) -> Self {
        // Adding 0.0 gives -0.0 and 0.0 one code.
        let known = values.iter().enumerate().filter(|(_, value)| !value.is_nan());
        let mut order: Vec<(f64, u32)> = known.map(|(row, value)| (value + 0.0, row as u32)).collect();
        order.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let mut distinct: Vec<f64> = Vec::new();
        let mut codes = vec![u32::MAX; values.len()];
        for (value, row) in &order {
            if distinct.last() != Some(value) {
                distinct.push(*value);
            }
            codes[*row as usize] = distinct.len() as u32 - 1;
        }
        if order.len() < values.len() {
            let missing = distinct.len() as u32;
            codes.iter_mut().filter(|code| **code == u32::MAX).for_each(|code| *code = missing);
            distinct.push(f64::NAN);
        }
        let fine = (distinct.len() > COARSE).then(|| {
            let sorted: Vec<f64> =
                order.into_iter().map(|(value, _)| value).filter(|value| value.is_finite()).collect();
            let spread = quantile(&sorted, 0.75)? - quantile(&sorted, 0.25)?;
            (spread > 0.0).then(|| Fine { values: distinct, tolerance: TOLERANCE * spread / QUARTILES })
        });
        Self { codes, fine: fine.flatten() }
    }

    /// Whether two rows agree on it.
    pub fn agree(&self, a: usize, b: usize, nearly: bool) -> bool {
        let (a, b) = (self.codes[a], self.codes[b]);
        a == b || (nearly && self.fine.as_ref().is_some_and(|fine| fine.are_close(a, b)))
    }
}

impl Fine {
    /// The value of a code.
    pub fn value(&self, code: u32) -> f64 {
        self.values[code as usize]
    }

    fn are_close(&self, a: u32, b: u32) -> bool {
        (self.value(a) - self.value(b)).abs() <= self.tolerance
    }

    /// How many tolerances the values span, as a whole number to be ordered by.
    pub fn resolution(&self) -> usize {
        let known = self.values.iter().filter(|value| value.is_finite());
        // The values ascend, so that equal quotients stand together.
        let mut steps: Vec<u64> = known.map(|value| libm::floor(value / self.tolerance).to_bits()).collect();
        steps.dedup();
        steps.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_stand_for_values_in_their_order() {
        let values: Vec<f64> =
            (0..50).map(|at| if at % 7 == 3 { f64::NAN } else { f64::from(at * 37 % 30) - 0.0 }).collect();
        let found = Compared::of_numbers(&values);
        let fine = found.fine.as_ref().expect("many values");
        for (a, &x) in values.iter().enumerate() {
            let code = fine.value(found.codes[a]);
            assert!(code == x || (code.is_nan() && x.is_nan()));
            for (b, &y) in values.iter().enumerate() {
                assert_eq!(found.agree(a, b, false), x == y || (x.is_nan() && y.is_nan()), "{x} {y}");
                assert!(x.is_nan() || y.is_nan() || found.codes[a].cmp(&found.codes[b]) == x.total_cmp(&y));
            }
        }
        let zeros = Compared::of_numbers(&[-0.0, 0.0, 1.0]);
        assert_eq!((zeros.codes, zeros.fine.is_none()), (vec![0, 0, 1], true));
    }
}
