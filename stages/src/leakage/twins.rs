//! Rows that stand on both sides of the split, or of a fold, under two patients: copies, exact or nearly so.
//!
//! Compared are the raw columns that the features are made of, never ids or outcomes. In a table of few columns with
//! few values, equal rows of different patients are no copies; so what is found is held against what chance gives
//! (`chance`), and rows that more than three patients share are taken to be common. Nearly equal are rows whose
//! categories and coarse numbers agree and whose fine numbers (more than twenty values) differ by no more than a
//! fiftieth of a standard deviation, estimated by the quartiles.

use std::collections::{BTreeMap, BTreeSet};

use super::chance;
use super::data::{Data, EXAMPLES};
use super::family::{Examined, Probe};
use super::report::{Check, Measure};
use crate::common::frame::Column;
use crate::common::gamma::poisson_tail;
use crate::common::interval::quantile;

/// Rows shared by more patients than this are common.
const MOST_SHARING: usize = 3;
/// A number with at most so many values is compared exactly.
const COARSE: usize = 20;
/// Of a standard deviation.
const TOLERANCE: f64 = 0.02;
/// The interquartile range of a normal distribution in standard deviations.
const QUARTILES: f64 = 1.349;
/// Near pairs per row beyond which rows are near each other by nature.
const CROWDED: usize = 20;
/// Pairs that are compared at most.
const MOST_COMPARED: usize = 1_000_000_000;

/// A fine number's values, NaN where missing, and how far apart two may lie.
type Fine = (Vec<f64>, f64);

/// One raw column, ready to be compared.
pub(super) struct Compared {
    /// Equal values have equal codes; a missing value is one.
    pub codes: Vec<u32>,
    /// Given for a fine number.
    pub fine: Option<Fine>,
}

impl Compared {
    fn new(column: &Column) -> Self {
        let (codes, distinct) = match column {
            Column::Number(values) => encode(values.iter().map(|value| (*value + 0.0).to_bits())),
            Column::Text(texts) => encode(texts.iter()),
        };
        let fine = column.numbers().filter(|_| distinct > COARSE).and_then(|values| {
            let mut sorted: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
            sorted.sort_by(f64::total_cmp);
            let spread = quantile(&sorted, 0.75)? - quantile(&sorted, 0.25)?;
            (spread > 0.0).then(|| (values.to_vec(), TOLERANCE * spread / QUARTILES))
        });
        Self { codes, fine }
    }

    /// Whether two rows agree on it.
    pub fn agree(&self, a: usize, b: usize, nearly: bool) -> bool {
        let close = |(values, tolerance): &Fine| (values[a] - values[b]).abs() <= *tolerance;
        self.codes[a] == self.codes[b] || (nearly && self.fine.as_ref().is_some_and(close))
    }
}

fn encode<T: Ord>(values: impl Iterator<Item = T>) -> (Vec<u32>, usize) {
    let mut known = BTreeMap::new();
    let codes = values.map(|value| {
        let next = known.len() as u32;
        *known.entry(value).or_insert(next)
    });
    let codes = codes.collect();
    (codes, known.len())
}

/// Pairs of rows of different patients, each with the lower row first.
pub(super) type Pairs = BTreeSet<(usize, usize)>;

/// Both checks.
pub(super) fn twins(data: &Data, seed: u64) -> [Examined; 2] {
    let columns: Vec<Compared> = data.raw.columns().map(|(_, column)| Compared::new(column)).collect();
    let mut rows: Vec<usize> = data.train.iter().chain(&data.test).copied().collect();
    rows.sort_unstable();
    let exact = exact_pairs(data, &columns, &rows);
    let sides = Sides::new(data);
    let examine = |check, pairs: &Pairs, nearly| {
        let rate = chance::rate(&columns, &data.patients, &rows, pairs, nearly, seed);
        let what = if nearly { "nearly equal rows" } else { "equal rows" };
        let probes =
            [("test", sides.test(pairs), sides.test_pairs()), ("folds", sides.folds(pairs), sides.fold_pairs())];
        let probe = |(subject, found, possible): (&str, BTreeMap<usize, (usize, usize)>, f64)| {
            let expected = possible * rate;
            let text = format!(
                "patients share {what} with others on the other side; {expected:.1e} pairs are expected by chance"
            );
            let examples: BTreeSet<usize> = found.values().take(EXAMPLES / 2).flat_map(|(a, b)| [*a, *b]).collect();
            Probe {
                p_value: Some(poisson_tail(found.len(), expected)),
                expected: Some(expected),
                ..Probe::count(subject, Measure::Patients, found.len(), text)
            }
            .shown_by(examples.into_iter().map(|row| data.row_ids[row]).collect())
        };
        Examined::new(check, 2, probes.into_iter().map(probe).collect())
    };
    let first = examine(Check::Duplicates, &exact, false);
    let second = if columns.iter().all(|column| column.fine.is_none()) {
        Examined::skipped(Check::NearDuplicates, 2, "no raw column of the features is a number with many values")
    } else {
        match near_pairs(data, &columns, &rows) {
            Some(pairs) => examine(Check::NearDuplicates, &pairs, true),
            None => Examined::skipped(Check::NearDuplicates, 2, "too many rows lie close together to tell copies"),
        }
    };
    [first, second]
}

/// Pairs of equal rows of two or three patients.
fn exact_pairs(data: &Data, columns: &[Compared], rows: &[usize]) -> Pairs {
    let key = |row: usize| columns.iter().map(move |column| column.codes[row]);
    let mut order = rows.to_vec();
    order.sort_by(|&a, &b| key(a).cmp(key(b)).then(a.cmp(&b)));
    let mut pairs = Pairs::new();
    for group in order.chunk_by(|&a, &b| key(a).eq(key(b))) {
        let patients: BTreeSet<usize> = group.iter().map(|&row| data.patients[row]).collect();
        if (2..=MOST_SHARING).contains(&patients.len()) {
            for (at, &a) in group.iter().enumerate() {
                let others = group[at + 1..].iter().filter(|&&b| data.patients[a] != data.patients[b]);
                pairs.extend(others.map(|&b| (a, b)));
            }
        }
    }
    pairs
}

/// Pairs of rows of different patients that are nearly equal but not equal, without rows that are near more than two
/// other patients; `None` when too many lie close together to tell copies.
fn near_pairs(data: &Data, columns: &[Compared], rows: &[usize]) -> Option<Pairs> {
    let mut fine: Vec<&Fine> = columns.iter().filter_map(|column| column.fine.as_ref()).collect();
    fine.sort_by_cached_key(|(values, tolerance)| std::cmp::Reverse(resolution(values, *tolerance)));
    // What must be equal: coarse columns, and which fine numbers are missing.
    let block = |row: usize| {
        columns.iter().map(move |column| match &column.fine {
            None => column.codes[row],
            Some((values, _)) => u32::from(values[row].is_finite()),
        })
    };
    let mut order = rows.to_vec();
    order.sort_by(|&a, &b| block(a).cmp(block(b)).then(a.cmp(&b)));
    let (mut pairs, mut work) = (Vec::new(), 0);
    for group in order.chunk_by_mut(|&a, &b| block(a).eq(block(b))) {
        // The finest number that the rows of the block have; without one, they are equal or not.
        let first = group[0];
        let Some((values, tolerance)) = fine.iter().find(|(values, _)| values[first].is_finite()) else { continue };
        group.sort_by(|&a, &b| values[a].total_cmp(&values[b]).then(a.cmp(&b)));
        for (at, &a) in group.iter().enumerate() {
            for &b in group[at + 1..].iter().take_while(|&&b| values[b] - values[a] <= *tolerance) {
                work += 1;
                let near =
                    data.patients[a] != data.patients[b] && columns.iter().all(|column| column.agree(a, b, true));
                if near && !columns.iter().all(|column| column.agree(a, b, false)) {
                    pairs.push((a.min(b), a.max(b)));
                }
            }
            if pairs.len() > CROWDED * rows.len() || work > MOST_COMPARED {
                return None;
            }
        }
    }
    let mut partners: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    for &(a, b) in &pairs {
        partners.entry(a).or_default().insert(data.patients[b]);
        partners.entry(b).or_default().insert(data.patients[a]);
    }
    let rare = |row: usize| partners.get(&row).is_none_or(|others| others.len() < MOST_SHARING);
    Some(pairs.into_iter().filter(|&(a, b)| rare(a) && rare(b)).collect())
}

/// How many tolerances the values of a column span, as a whole number to be ordered by.
fn resolution(values: &[f64], tolerance: f64) -> u64 {
    let distinct: BTreeSet<u64> =
        values.iter().filter(|value| value.is_finite()).map(|value| libm::floor(value / tolerance).to_bits()).collect();
    distinct.len() as u64
}

/// Who is on which side.
struct Sides<'a> {
    data: &'a Data,
    /// For each row whether it is a test row, and its place among the training rows.
    test: Vec<bool>,
    train: Vec<Option<usize>>,
}

impl<'a> Sides<'a> {
    fn new(data: &'a Data) -> Self {
        let (mut test, mut train) = (vec![false; data.row_ids.len()], vec![None; data.row_ids.len()]);
        data.test.iter().for_each(|&row| test[row] = true);
        data.train.iter().enumerate().for_each(|(at, &row)| train[row] = Some(at));
        Self { data, test, train }
    }

    /// The test patients with a twin among the training rows, each with one pair.
    fn test(&self, pairs: &Pairs) -> BTreeMap<usize, (usize, usize)> {
        let crosses = |held: usize, fit: usize| self.test[held] && self.train[fit].is_some();
        self.held(pairs, crosses)
    }

    /// The training patients with a twin that the fold which holds them out trains on.
    fn folds(&self, pairs: &Pairs) -> BTreeMap<usize, (usize, usize)> {
        let place = |row: usize| self.train[row].map(|at| self.data.folds.place(at));
        let crosses = |held: usize, fit: usize| match (place(held), place(fit)) {
            (Some(held), Some(fit)) => held.held_in.is_some_and(|fold| fit.trains(fold)),
            _ => false,
        };
        self.held(pairs, crosses)
    }

    fn held(&self, pairs: &Pairs, crosses: impl Fn(usize, usize) -> bool) -> BTreeMap<usize, (usize, usize)> {
        let mut found = BTreeMap::new();
        for &(a, b) in pairs {
            // One patient of a pair counts, so that a copy within the training rows is one finding and not two.
            let held = if crosses(a, b) { Some(a) } else { crosses(b, a).then_some(b) };
            if let Some(held) = held {
                found.entry(self.data.patients[held]).or_insert((a, b));
            }
        }
        found
    }

    fn test_pairs(&self) -> f64 {
        self.data.test.len() as f64 * self.data.train.len() as f64
    }

    /// Pairs of rows of which a fold holds one out and trains on the other.
    fn fold_pairs(&self) -> f64 {
        let folds = &self.data.folds;
        let pairs = |fold| {
            let (fit, held) = folds.parts(fold);
            fit.len() as f64 * held.len() as f64
        };
        (0..folds.count()).map(pairs).sum()
    }
}
