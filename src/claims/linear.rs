//! Whether linear inequalities between unknown shares can hold at once, with a proof when they cannot.
//!
//! All unknowns lie between 0 and 1. Inequalities that cannot hold together have a combination with weights ≥ 0 that
//! says 0 ≥ something positive (Farkas' lemma). The simplex method looks for such weights; whatever rounding does to the
//! search, only weights that prove the clash when they are multiplied out again count. So a possible system is never
//! called impossible, while one that misses by less than the tolerance may pass.

/// What a proof must show beyond rounding errors, with the rows scaled to 1 and weights that sum to 1.
const PROOF: f64 = 1e-9;
/// Slack for the choice of pivots.
const PIVOT: f64 = 1e-11;
/// The search gives up after so many steps; the system then counts as possible.
const MOST_STEPS: usize = 2_000;

/// Σ weight · unknown ≥ bound.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    pub(super) terms: Vec<(usize, f64)>,
    pub(super) bound: f64,
}

/// Some rows that cannot hold together, by index; none when all can, or when no proof was found.
pub(super) fn clash(unknowns: usize, rows: &[Row]) -> Option<Vec<usize>> {
    if unknowns == 0 {
        return None;
    }
    let columns = columns(unknowns, rows);
    // x ≥ 0 for all unknowns and x ≤ 1 for the first: one half of each of the first two is a combination to start from.
    let mut basis: Vec<usize> = (0..=unknowns).collect();
    for _ in 0..MOST_STEPS {
        let weights = solve(unknowns + 1, |i, j| columns[basis[j]].at[i], |i| f64::from(u8::from(i == unknowns)))?;
        if is_proof(unknowns, &columns, &basis, &weights) {
            let used = basis.iter().zip(&weights).filter(|(_, weight)| **weight > PROOF);
            let mut found: Vec<usize> = used.filter_map(|(column, _)| column.checked_sub(2 * unknowns)).collect();
            found.sort_unstable();
            return Some(found);
        }
        let prices = solve(unknowns + 1, |i, j| columns[basis[i]].at[j], |i| columns[basis[i]].bound)?;
        let gain = |column: &Column| column.bound - dot(&column.at, &prices);
        // The first that helps, not the best: so the search cannot go round in circles (Bland's rule).
        let enters = columns.iter().position(|column| gain(column) > PIVOT)?;
        let step = solve(unknowns + 1, |i, j| columns[basis[j]].at[i], |i| columns[enters].at[i])?;
        let leaves = (0..=unknowns).filter(|at| step[*at] > PIVOT).min_by(|a, b| {
            let ratio = |at: usize| weights[at].max(0.0) / step[at];
            ratio(*a).total_cmp(&ratio(*b)).then(basis[*a].cmp(&basis[*b]))
        })?;
        basis[leaves] = enters;
    }
    None
}

/// An inequality, scaled; behind its coefficients stands the 1 of the sum of weights.
struct Column {
    at: Vec<f64>,
    bound: f64,
}

/// x ≥ 0, then x ≤ 1 for every unknown, then the rows. The first x ≤ 1 stands right behind the last x ≥ 0.
fn columns(unknowns: usize, rows: &[Row]) -> Vec<Column> {
    let one = |terms: &[(usize, f64)], bound: f64| {
        let mut at = vec![0.0; unknowns + 1];
        for (unknown, weight) in terms {
            at[*unknown] += weight;
        }
        let size = at.iter().fold(bound.abs(), |size, weight| size.max(weight.abs()));
        let scale = if size > 0.0 && size.is_finite() { size } else { 1.0 };
        for weight in &mut at {
            *weight /= scale;
        }
        at[unknowns] = 1.0;
        Column { at, bound: bound / scale }
    };
    let least = (0..unknowns).map(|unknown| one(&[(unknown, 1.0)], 0.0));
    let most = (0..unknowns).map(|unknown| one(&[(unknown, -1.0)], -1.0));
    least.chain(most).chain(rows.iter().map(|row| one(&row.terms, row.bound))).collect()
}

/// Whether the combination is false wherever the unknowns lie between 0 and 1.
fn is_proof(unknowns: usize, columns: &[Column], basis: &[usize], weights: &[f64]) -> bool {
    let used = || basis.iter().zip(weights).map(|(column, weight)| (&columns[*column], weight.max(0.0)));
    let bound: f64 = used().map(|(column, weight)| column.bound * weight).sum();
    let most = |unknown: usize| used().map(|(column, weight)| column.at[unknown] * weight).sum::<f64>().max(0.0);
    bound - (0..unknowns).map(most).sum::<f64>() > PROOF
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Gaussian elimination with the largest pivot; nothing for a singular matrix.
fn solve(size: usize, matrix: impl Fn(usize, usize) -> f64, right: impl Fn(usize) -> f64) -> Option<Vec<f64>> {
    let row = |i: usize| (0..size).map(|j| matrix(i, j)).chain([right(i)]).collect::<Vec<f64>>();
    let mut rows: Vec<Vec<f64>> = (0..size).map(row).collect();
    for at in 0..size {
        let pivot = (at..size).max_by(|a, b| rows[*a][at].abs().total_cmp(&rows[*b][at].abs()))?;
        rows.swap(at, pivot);
        let (above, below) = rows.split_at_mut(at + 1);
        let top = &above[at];
        if top[at].abs() < 1e-14 {
            return None;
        }
        for row in below {
            let factor = row[at] / top[at];
            if factor != 0.0 {
                row.iter_mut().zip(top).skip(at).for_each(|(value, top)| *value -= factor * top);
            }
        }
    }
    let mut result = vec![0.0; size];
    for at in (0..size).rev() {
        let known = dot(&rows[at][at + 1..size], &result[at + 1..]);
        result[at] = (rows[at][size] - known) / rows[at][at];
    }
    result.iter().all(|value| value.is_finite()).then_some(result)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn row(terms: &[f64], bound: f64) -> Row {
        Row { terms: terms.iter().copied().enumerate().collect(), bound }
    }

    #[test]
    fn a_clash_is_named_by_the_rows_that_make_it() {
        // x + y ≥ 1.5, x ≤ .6, y ≤ .8, and one that has no part in it.
        let rows = [row(&[0.5, 0.1], 0.01), row(&[1.0, 1.0], 1.5), row(&[-1.0, 0.0], -0.6), row(&[0.0, -1.0], -0.8)];
        assert_eq!(clash(2, &rows), Some(vec![1, 2, 3]));
        assert_eq!(clash(2, &rows[..3]), None);
        assert_eq!(clash(2, &[row(&[1.0, 1.0], 2.1)]), Some(vec![0]), "both are at most 1");
        assert_eq!(clash(2, &[row(&[1.0, 1.0], 2.0)]), None, "the bound itself is possible");
        assert_eq!(clash(1, &[row(&[0.0], 0.5)]), Some(vec![0]));
        assert_eq!((clash(0, &[]), clash(3, &[])), (None, None));
    }

    proptest! {
        /// Rows that a point fulfils are never called impossible, and once one of them is turned against the others
        /// they always are.
        #[test]
        fn a_point_is_possible_and_a_gap_is_not(
            point in prop::collection::vec(0.0..1.0_f64, 4),
            terms in prop::collection::vec(prop::collection::vec(-2.0..2.0_f64, 4), 1..40),
            slack in prop_oneof![Just(0.0), 0.0..0.3_f64],
        ) {
            let mut rows: Vec<Row> = terms.iter().map(|terms| row(terms, dot(terms, &point) - slack)).collect();
            prop_assert_eq!(clash(4, &rows), None);
            let against: Vec<f64> = terms[0].iter().map(|term| -term).collect();
            rows.push(row(&against, 0.01 - rows[0].bound));
            prop_assert!(clash(4, &rows).is_some());
        }
    }
}
