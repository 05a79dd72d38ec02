//! Rows that stand on both sides of the split, or of a fold, under two patients: copies, exact or nearly so.
//!
//! Compared are the raw columns that the features are made of, never ids or outcomes. In a table of few columns with
//! few values, equal rows of different patients are no copies; so what is found is held against what chance gives
//! (`chance`), and rows that more than three patients share are taken to be common. Nearly equal are rows whose
//! categories and coarse numbers agree and whose fine numbers (more than twenty values) differ by no more than a
//! fiftieth of a standard deviation, estimated by the quartiles.

use std::collections::{BTreeMap, BTreeSet};

use super::chance;
use super::compared::{Compared, Fine};
use super::data::{Data, EXAMPLES};
use super::family::{Examined, Probe};
use super::report::{Check, Measure};
use crate::StageError;
use crate::common::gamma::poisson_tail;

/// Rows shared by more patients than this are common.
const MOST_SHARING: usize = 3;
/// Near pairs per row beyond which rows are near each other by nature.
const CROWDED: usize = 20;
/// Pairs that are compared at most.
const MOST_COMPARED: usize = 1_000_000_000;

/// Pairs of rows of different patients, each with the lower row first.
pub(super) type Pairs = BTreeSet<(usize, usize)>;

/// Both checks.
pub(super) fn twins(data: &Data, seed: u64) -> Result<[Examined; 2], StageError> {
    let names: BTreeSet<&str> = data.spec.inputs.iter().map(String::as_str).collect();
    let columns = names.into_iter().map(|name| Ok(Compared::new(&data.raw(name)?)));
    let columns: Vec<Compared> = columns.collect::<Result<_, StageError>>()?;
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
    Ok([first, second])
}

/// Rows that agree on `key`, column by column. Most rows agree with no other; so they are put together by a hash of the
/// key, and only those that share one are compared in full.
fn alike(
    rows: &[usize],
    columns: usize,
    key: impl Fn(usize, usize) -> u32,
    mut each: impl FnMut(&mut [usize]) -> bool,
) {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |hash: u64, code: u32| (hash.rotate_left(23) ^ u64::from(code)).wrapping_mul(ODD);
    let mut order: Vec<(u64, u32)> = rows.iter().map(|&row| (0, row as u32)).collect();
    for column in 0..columns {
        for (hash, row) in &mut order {
            *hash = mix(*hash, key(column, *row as usize));
        }
    }
    order.sort_unstable();
    for shared in order.chunk_by(|a, b| a.0 == b.0).filter(|shared| shared.len() > 1) {
        let mut group: Vec<usize> = shared.iter().map(|(_, row)| *row as usize).collect();
        let compare = |a: usize, b: usize| (0..columns).map(|at| key(at, a)).cmp((0..columns).map(|at| key(at, b)));
        let first = group[0];
        if group.iter().any(|&row| compare(first, row).is_ne()) {
            group.sort_by(|&a, &b| compare(a, b).then(a.cmp(&b)));
        }
        for equal in group.chunk_by_mut(|&a, &b| compare(a, b).is_eq()) {
            if !each(equal) {
                return;
            }
        }
    }
}

/// Pairs of equal rows of two or three patients.
fn exact_pairs(data: &Data, columns: &[Compared], rows: &[usize]) -> Pairs {
    let mut pairs = Pairs::new();
    alike(
        rows,
        columns.len(),
        |column, row| columns[column].codes[row],
        |group| {
            let patients: BTreeSet<usize> = group.iter().map(|&row| data.patients[row]).collect();
            if (2..=MOST_SHARING).contains(&patients.len()) {
                for (at, &a) in group.iter().enumerate() {
                    let others = group[at + 1..].iter().filter(|&&b| data.patients[a] != data.patients[b]);
                    pairs.extend(others.map(|&b| (a, b)));
                }
            }
            true
        },
    );
    pairs
}

/// Pairs of rows of different patients that are nearly equal but not equal, without rows that are near more than two
/// other patients; `None` when too many lie close together to tell copies.
fn near_pairs(data: &Data, columns: &[Compared], rows: &[usize]) -> Option<Pairs> {
    let mut fine: Vec<(&[u32], &Fine)> =
        columns.iter().filter_map(|column| Some((column.codes.as_slice(), column.fine.as_ref()?))).collect();
    fine.sort_by_cached_key(|(_, fine)| std::cmp::Reverse(fine.resolution()));
    // What must be equal: coarse columns, and which fine numbers are missing.
    let block = |column: usize, row: usize| {
        let Compared { codes, fine } = &columns[column];
        fine.as_ref().map_or(codes[row], |fine| u32::from(fine.value(codes[row]).is_finite()))
    };
    let (mut pairs, mut work, mut crowded) = (Vec::new(), 0, false);
    alike(rows, columns.len(), block, |group| {
        // The finest number that the rows of the block have; without one, they are equal or not.
        let first = group[0];
        let Some((codes, fine)) = fine.iter().find(|(codes, fine)| fine.value(codes[first]).is_finite()) else {
            return true;
        };
        group.sort_unstable_by_key(|&row| (codes[row], row));
        for (at, &a) in group.iter().enumerate() {
            let near = |&&b: &&usize| fine.value(codes[b]) - fine.value(codes[a]) <= fine.tolerance;
            for &b in group[at + 1..].iter().take_while(near) {
                work += 1;
                let near =
                    data.patients[a] != data.patients[b] && columns.iter().all(|column| column.agree(a, b, true));
                if near && !columns.iter().all(|column| column.agree(a, b, false)) {
                    pairs.push((a.min(b), a.max(b)));
                }
            }
            crowded = pairs.len() > CROWDED * rows.len() || work > MOST_COMPARED;
            if crowded {
                return false;
            }
        }
        true
    });
    if crowded {
        return None;
    }
    let mut partners: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    for &(a, b) in &pairs {
        partners.entry(a).or_default().insert(data.patients[b]);
        partners.entry(b).or_default().insert(data.patients[a]);
    }
    let rare = |row: usize| partners.get(&row).is_none_or(|others| others.len() < MOST_SHARING);
    Some(pairs.into_iter().filter(|&(a, b)| rare(a) && rare(b)).collect())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_of_equal_keys_and_stop_when_told() {
        let keys = [[1, 2], [2, 1], [1, 2], [3, 3], [2, 1], [1, 2]];
        let groups = |most: usize| {
            let mut groups = Vec::new();
            alike(
                &[0, 1, 2, 3, 4, 5],
                2,
                |column, row| keys[row][column],
                |group| {
                    groups.push(group.to_vec());
                    groups.len() < most
                },
            );
            groups.sort();
            groups
        };
        assert_eq!(groups(9), [vec![0, 2, 5], vec![1, 4]]);
        assert_eq!(groups(1).len(), 1);
    }
}
