//! How often two rows of different patients agree on every column by chance.
//!
//! The rate is a product along the columns, from those on which most pairs agree to those on which fewest do. A factor
//! is the chance of agreeing on a column for pairs that agree on those before it. It is measured on random pairs while
//! enough of them agree so far; it is never less than the chance over all pairs, nor than the greatest chance given
//! agreement on any one column before it, so that columns which depend on each other do not make agreement look rarer
//! than it is. Pairs that are the suspects themselves do not count.

use super::compared::Compared;
use super::twins::Pairs;
use crate::common::rng::Stream;

/// Random pairs, and the work on them (pairs × columns²) that is not exceeded.
const MOST_PAIRS: usize = 200_000;
const FEWEST_PAIRS: usize = 20_000;
const WORK: usize = 50_000_000;
/// Pairs below which a share is not measured.
const ENOUGH: usize = 50;
/// By how much the product is raised, for dependence beyond what is measured.
const CAUTION: f64 = 2.0;

/// The chance that a pair of rows of different patients agrees on every column.
pub(super) fn rate(
    columns: &[Compared],
    patients: &[usize],
    rows: &[usize],
    suspects: &Pairs,
    nearly: bool,
    seed: u64,
) -> f64 {
    let label = if nearly { "leakage/near pairs" } else { "leakage/pairs" };
    let mut stream = Stream::new(seed, label);
    let wanted = (WORK / (columns.len() * columns.len()).max(1)).clamp(FEWEST_PAIRS, MOST_PAIRS);
    let mut agreement = Agreement::new(columns.len());
    for _ in 0..wanted {
        let mut pick = || rows.get(stream.below(rows.len() as u64) as usize).copied();
        let (Some(a), Some(b)) = (pick(), pick()) else { break };
        if patients[a] != patients[b] && !suspects.contains(&(a.min(b), a.max(b))) {
            agreement
                .add(columns.iter().enumerate().filter(|(_, column)| column.agree(a, b, nearly)).map(|(at, _)| at));
        }
    }
    agreement.rate()
}

/// How many pairs agree on which columns.
struct Agreement {
    columns: usize,
    /// The columns on which each pair agrees.
    pairs: Vec<Vec<u32>>,
}

impl Agreement {
    fn new(columns: usize) -> Self {
        Self { columns, pairs: Vec::new() }
    }

    fn add(&mut self, agreeing: impl Iterator<Item = usize>) {
        self.pairs.push(agreeing.map(|column| column as u32).collect());
    }

    fn rate(&self) -> f64 {
        let n = self.columns;
        let mut both = vec![0_usize; n * n];
        for pair in &self.pairs {
            for &a in pair {
                for &b in pair {
                    both[a as usize * n + b as usize] += 1;
                }
            }
        }
        let alone = |column: usize| both[column * n + column];
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by_key(|&column| (std::cmp::Reverse(alone(column)), column));
        let survivors = self.survivors(&order);
        let mut rate = CAUTION;
        for (at, &column) in order.iter().enumerate() {
            let overall = (alone(column) + 1) as f64 / (self.pairs.len() + 1) as f64;
            let so_far = (survivors[at] >= ENOUGH).then(|| survivors[at + 1] as f64 / survivors[at] as f64);
            let given = |&before: &usize| {
                let count = alone(before);
                (count >= ENOUGH).then(|| both[before * n + column] as f64 / count as f64)
            };
            let factors = order[..at].iter().filter_map(given).chain(so_far);
            rate *= factors.fold(overall, f64::max);
        }
        rate.min(1.0)
    }

    /// How many pairs agree on the first 0, 1, … columns of an order.
    fn survivors(&self, order: &[usize]) -> Vec<usize> {
        let mut rank = vec![0; self.columns];
        for (at, &column) in order.iter().enumerate() {
            rank[column] = at;
        }
        let mut survivors = vec![0; order.len() + 1];
        let mut agrees = vec![false; order.len()];
        for pair in &self.pairs {
            agrees.fill(false);
            for &column in pair {
                agrees[rank[column as usize]] = true;
            }
            let length = agrees.iter().take_while(|agrees| **agrees).count();
            survivors[..=length].iter_mut().for_each(|count| *count += 1);
        }
        survivors
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn independent_columns_multiply_and_dependent_ones_do_not() {
        let mut stream = Stream::new(11, "columns");
        let n = 2000;
        let code =
            |stream: &mut Stream, levels: u64| -> Vec<u32> { (0..n).map(|_| stream.below(levels) as u32).collect() };
        let column = |codes: Vec<u32>| Compared { codes, fine: None };
        let (a, b) = (code(&mut stream, 10), code(&mut stream, 20));
        let rows: Vec<usize> = (0..n).collect();
        let rate = |columns: &[Compared]| super::rate(columns, &rows, &rows, &Pairs::new(), false, 1) / CAUTION;
        let independent = rate(&[column(a.clone()), column(b)]);
        assert!((independent * 200.0 - 1.0).abs() < 0.2, "{independent}");
        let dependent = rate(&[column(a.clone()), column(a.iter().map(|code| code / 2).collect())]);
        assert!((dependent * 10.0 - 1.0).abs() < 0.1, "{dependent}");
    }
}
