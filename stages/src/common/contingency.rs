//! Whether two divisions of the same rows have to do with each other: chi-square and Fisher's exact test.
//!
//! Invariants: the same bits everywhere (`libm` only); p lies in 0..=1; a table that cannot show a difference has no p.

use super::gamma;

/// The p-value of Pearson's chi-square test of independence without continuity correction. `rows` are equally long
/// rows of counts; `None` when fewer than two rows or two columns hold anything.
pub fn chi_square(rows: &[Vec<u64>]) -> Option<f64> {
    let (across, down, all) = margins(rows)?;
    let mut statistic = 0.0;
    for (row, &row_total) in rows.iter().zip(&across) {
        for (&count, &column_total) in row.iter().zip(&down) {
            let expected = row_total as f64 * column_total as f64 / all as f64;
            if expected > 0.0 {
                let apart = count as f64 - expected;
                statistic += apart * apart / expected;
            }
        }
    }
    let filled = |totals: &[u64]| totals.iter().filter(|&&total| total > 0).count();
    let freedom = (filled(&across) - 1) * (filled(&down) - 1);
    Some(gamma::upper(freedom as f64 / 2.0, statistic / 2.0))
}

/// The smallest count that independence would lead one to expect in a cell of the rows and columns that hold anything;
/// below 5 chi-square is not to be relied on (Cochran 1954). `None` as for [`chi_square`].
pub fn smallest_expected(rows: &[Vec<u64>]) -> Option<f64> {
    let (across, down, all) = margins(rows)?;
    let least = |totals: &[u64]| totals.iter().copied().filter(|&total| total > 0).min();
    Some(least(&across)? as f64 * least(&down)? as f64 / all as f64)
}

/// Row totals, column totals and the total of all, when two of each hold anything.
fn margins(rows: &[Vec<u64>]) -> Option<(Vec<u64>, Vec<u64>, u64)> {
    let across: Vec<u64> = rows.iter().map(|row| row.iter().sum()).collect();
    let width = rows.iter().map(Vec::len).min()?;
    let down: Vec<u64> = (0..width).map(|column| rows.iter().map(|row| row[column]).sum()).collect();
    let several = |totals: &[u64]| totals.iter().filter(|&&total| total > 0).count() > 1;
    (several(&across) && several(&down)).then(|| (across.clone(), down, across.iter().sum()))
}

/// The two-sided p-value of Fisher's exact test of `[[a, b], [c, d]]`: the chance, margins given, of a table that is no
/// more likely than this one. `None` when a margin is empty.
pub fn fisher(table: [[u64; 2]; 2]) -> Option<f64> {
    /// Tables as likely as the given one but for rounding count as equally likely.
    const ROUNDING: f64 = 1e-7;
    let [[a, b], [c, d]] = table;
    let (first, second, column) = (a + b, c + d, a + c);
    let all = first + second;
    if first == 0 || second == 0 || column == 0 || column == all {
        return None;
    }
    let (low, high) = (column.saturating_sub(second), first.min(column));
    // Likelihoods relative to a middle table, each from its neighbour: no factorials, so no digits are lost to them.
    let start = ((first as f64 * column as f64 / all as f64) as u64).clamp(low, high);
    let up = |k: u64| (first - k) as f64 * (column - k) as f64 / ((k + 1) as f64 * (second + k + 1 - column) as f64);
    let mut likelihood = vec![1.0; (high - low + 1) as usize];
    for k in start..high {
        likelihood[(k + 1 - low) as usize] = likelihood[(k - low) as usize] * up(k);
    }
    for k in (low..start).rev() {
        likelihood[(k - low) as usize] = likelihood[(k + 1 - low) as usize] / up(k);
    }
    let limit = likelihood[(a - low) as usize] * (1.0 + ROUNDING);
    let tail: f64 = likelihood.iter().filter(|other| **other <= limit).sum();
    Some((tail / likelihood.iter().sum::<f64>()).clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn near(own: f64, reference: f64) -> bool {
        (own - reference).abs() <= 1e-9 * reference.abs().max(1e-9)
    }

    #[test]
    fn p_values_are_those_of_scipy() {
        let fixture: Value = serde_json::from_str(include_str!("../../fixtures/contingency.json")).expect("a fixture");
        let cases = fixture["cases"].as_array().expect("cases");
        assert!(cases.len() >= 100);
        for case in cases {
            let rows: Vec<Vec<u64>> = serde_json::from_value(case["rows"].clone()).expect("counts");
            let own = chi_square(&rows).expect("a full table");
            assert!(near(own, case["chi_square"].as_f64().expect("p")), "{rows:?}: {own}");
            let own = smallest_expected(&rows).expect("a full table");
            assert!(near(own, case["smallest_expected"].as_f64().expect("a count")), "{rows:?}: {own}");
            if let (Some(reference), [first, second]) = (case["fisher"].as_f64(), rows.as_slice()) {
                let own = fisher([[first[0], first[1]], [second[0], second[1]]]).expect("a full table");
                assert!(near(own, reference), "{rows:?}: {own} {reference}");
            }
        }
    }

    #[test]
    fn a_table_without_a_second_side_has_no_p_value() {
        assert_eq!(chi_square(&[vec![3, 4], vec![0, 0]]), None);
        assert_eq!(chi_square(&[vec![3, 0], vec![4, 0]]), None);
        assert_eq!(chi_square(&[]), None);
        assert_eq!(fisher([[0, 5], [0, 7]]), None);
        // An empty row more changes nothing.
        assert_eq!(chi_square(&[vec![3, 4], vec![9, 1]]), chi_square(&[vec![3, 4], vec![0, 0], vec![9, 1]]));
    }
}
