use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn design(groups: &[usize], strata: &[usize], times: Option<(&[f64], f64, bool)>) -> Design {
    let line = |(times, gap, returning): (&[f64], f64, bool)| Timeline { times: times.to_vec(), gap, returning };
    Design { groups: groups.to_vec(), strata: strata.to_vec(), time: times.map(line) }
}

fn stream() -> Stream {
    Stream::new(7, "folds")
}

/// scikit-learn 1.9: `TimeSeriesSplit(n_splits, gap=gap).split(range(n))`, as (last row trained on, first and last row
/// held out) of every fold.
#[test]
fn one_row_a_time_is_scikit_learns_time_series_split() {
    for (n, count, gap, expected) in [
        (12, 3, 0, vec![(2, 3, 5), (5, 6, 8), (8, 9, 11)]),
        (14, 3, 2, vec![(2, 5, 7), (5, 8, 10), (8, 11, 13)]),
        (23, 4, 1, vec![(5, 7, 10), (9, 11, 14), (13, 15, 18), (17, 19, 22)]),
    ] {
        let times: Vec<f64> = (0..n).map(|row| row as f64).collect();
        let rows: Vec<usize> = (0..n).collect();
        let design = design(&rows, &vec![0; n], Some((&times, gap as f64, false)));
        let folds = design.folds(&rows, count, &mut stream()).expect("enough times");
        for (fold, &(last, first, end)) in expected.iter().enumerate() {
            assert_eq!(folds.parts(fold), ((0..=last).collect(), (first..=end).collect()), "n {n}, fold {fold}");
        }
    }
}

#[test]
fn a_gap_moves_the_first_period_instead_of_emptying_its_training() {
    let times: Vec<f64> = (0..70).map(|row| f64::from(2015 + row / 10)).collect();
    let rows: Vec<usize> = (0..70).collect();
    let folds = |count, gap| design(&rows, &[0; 70], Some((&times, gap, false))).folds(&rows, count, &mut stream());
    // Seven years: 2015 trains the period of 2017.
    let five = folds(5, 1.0).expect("2017 to 2021");
    assert_eq!(five.parts(0), ((0..10).collect(), (20..30).collect()));
    assert_eq!(five.parts(4), ((0..50).collect(), (60..70).collect()));
    assert_eq!(folds(6, 1.0), Err(FoldError::Times { folds: 6, gap: 1.0, late: 5, distinct: 7 }));
    assert!(folds(2, 100.0).is_err_and(|error| error.to_string().contains("there are 0 (of 7 in all)")));
}

#[test]
fn folds_that_cannot_be_scored_are_told_apart() {
    let folds = Folds::partition(2, vec![0, 0, 1, 1]);
    assert_eq!(folds.check_outcomes(&[0.0, 1.0, 0.0, 1.0]), Ok(()));
    let one = FoldError::OneOutcome { fold: 0, held: false, rows: 2 };
    assert_eq!(folds.check_outcomes(&[0.0, 1.0, 1.0, 1.0]), Err(one));
    assert_eq!(Folds::partition(2, vec![0, 0]).check(), Err(FoldError::Empty { fold: 0, held: false }));
    assert_eq!(folds.parts_of(1, &[10, 20, 30, 40]), (vec![10, 20], vec![30, 40]));
}

#[test]
fn quantile_strata_are_even_and_keep_ties_together() {
    assert_eq!(quantile_strata(&[3.0, 1.0, 2.0, 4.0], 2), [1, 0, 0, 1]);
    assert_eq!(quantile_strata(&[1.0, 1.0, 1.0, 5.0], 2), [0, 0, 0, 1]);
    assert!(quantile_strata(&[], 3).is_empty());
}

#[test]
fn places_are_kept_as_they_were_given() {
    let places =
        [Place { held_in: None, from: usize::MAX, apart: None }, Place { held_in: Some(0), from: 2, apart: Some(99) }];
    let folds = Folds::new(3, places);
    assert_eq!([folds.place(0), folds.place(1)], places);
}

#[test]
fn names_are_numbered_as_they_appear() {
    assert_eq!(number(["b", "a", "b", "c"]), [0, 1, 0, 2]);
    assert_eq!(number_codes([7, 0, 7, 2]), [0, 1, 0, 2]);
}

/// Rows of up to 25 patients with an outcome and a time of 12.
fn panel() -> impl Strategy<Value = Vec<(usize, bool, u8)>> {
    prop::collection::vec((0..25_usize, any::<bool>(), 0..12_u8), 40..160)
}

proptest! {
    /// The laws of scikit-learn's `StratifiedGroupKFold`: every row is held out once, groups are whole, sizes even.
    #[test]
    fn a_partition_holds_every_row_once_and_patients_are_whole(panel in panel(), count in 2..5_usize, seed in any::<u64>()) {
        let groups: Vec<usize> = panel.iter().map(|row| row.0).collect();
        let strata: Vec<usize> = panel.iter().map(|row| usize::from(row.1)).collect();
        let rows: Vec<usize> = (0..panel.len()).collect();
        let Ok(folds) = design(&groups, &strata, None).folds(&rows, count, &mut Stream::new(seed, "folds")) else {
            return Ok(());
        };
        let mut times_held = vec![0; rows.len()];
        for fold in 0..count {
            let (fit, held) = folds.parts(fold);
            prop_assert_eq!(fit.len() + held.len(), rows.len());
            let patients = |rows: &[usize]| rows.iter().map(|&row| groups[row]).collect::<BTreeSet<_>>();
            prop_assert!(patients(&fit).is_disjoint(&patients(&held)));
            for row in held {
                times_held[row] += 1;
            }
        }
        prop_assert!(times_held.iter().all(|&times| times == 1));
        // Greedy placement leaves folds of a stratum apart by at most its largest patient; there are two strata.
        let size = |fold: usize| folds.parts(fold).1.len();
        let largest = groups.iter().map(|group| groups.iter().filter(|other| *other == group).count()).max().unwrap_or(0);
        let sizes: Vec<usize> = (0..count).map(size).collect();
        prop_assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 2 * largest);
    }

    #[test]
    fn a_rolling_origin_never_trains_on_the_future_or_on_its_own_patients(
        panel in panel(), count in 2..5_usize, gap in 0..4_u8, returning in any::<bool>(), seed in any::<u64>(),
    ) {
        let groups: Vec<usize> = panel.iter().map(|row| row.0).collect();
        let strata: Vec<usize> = panel.iter().map(|row| usize::from(row.1)).collect();
        let times: Vec<f64> = panel.iter().map(|row| f64::from(row.2)).collect();
        let rows: Vec<usize> = (0..panel.len()).filter(|row| row % 5 != 0).collect();
        let design = design(&groups, &strata, Some((&times, f64::from(gap), returning)));
        let Ok(folds) = design.folds(&rows, count, &mut Stream::new(seed, "folds")) else { return Ok(()) };
        let mut seen = BTreeSet::new();
        let mut last_end = f64::NEG_INFINITY;
        for fold in 0..count {
            let (fit, held) = folds.parts_of(fold, &rows);
            prop_assert!(!fit.is_empty() && !held.is_empty());
            let latest = fit.iter().map(|&row| times[row]).fold(f64::NEG_INFINITY, f64::max);
            let earliest = held.iter().map(|&row| times[row]).fold(f64::INFINITY, f64::min);
            prop_assert!(latest + f64::from(gap) < earliest);
            prop_assert!(earliest > last_end);
            last_end = held.iter().map(|&row| times[row]).fold(f64::NEG_INFINITY, f64::max);
            let patients = |rows: &[usize]| rows.iter().map(|&row| groups[row]).collect::<BTreeSet<_>>();
            prop_assert!(!returning || patients(&fit).is_disjoint(&patients(&held)));
            prop_assert!(held.iter().all(|&row| seen.insert(row)));
        }
    }
}
