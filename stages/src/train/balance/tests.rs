//! Weights and synthetic events: their counts, the laws they keep, and what is refused.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::common::frame::{Column, Frame};
use crate::train::params::PreprocessParams;
use crate::train::preprocess::{Dialect, FitRows};

/// Encoded rows with two numbers, one of them with gaps, and a category; every `every`th row is an event.
fn sample(rows: usize, every: usize, dialect: Dialect, filled: bool) -> (Sample<Matrix>, Preprocessor) {
    let mut stream = Stream::new(9, "balance data");
    let mut features = Frame::with_rows(rows);
    let lab = (0..rows).map(|_| if stream.chance(0.2) { f64::NAN } else { 50.0 + 20.0 * stream.normal() });
    features.insert("lab", Column::Number(lab.collect()));
    features.insert("age", Column::Number((0..rows).map(|_| stream.integer(18, 90) as f64).collect()));
    let site = (0..rows).map(|_| Some(["n", "s", "w"][stream.below(3) as usize].to_owned()));
    features.insert("site", Column::Text(site.collect()));
    let y: Vec<f64> = (0..rows).map(|row| f64::from(u8::from(row % every == 0))).collect();
    let (index, ids): (Vec<usize>, Vec<i64>) = (0..rows).map(|row| (row, row as i64)).unzip();
    let names = ["lab", "age", "site"].map(str::to_owned);
    let fit = FitRows {
        features: &features,
        names: &names,
        index: &index,
        row_ids: &ids,
        y: &y,
        groups: &index,
        seed: 1,
        label: "test",
    };
    let mut params = PreprocessParams::default();
    params.impute.trees = filled;
    let (fitted, x) = Preprocessor::fit_transform(&fit, &params, dialect).expect("the features are there");
    (Sample { x, y, groups: index, weights: None }, fitted)
}

fn run(data: &(Sample<Matrix>, Preprocessor), params: Value) -> Result<Sample<Matrix>, BalanceError> {
    let params: ImbalanceParams = serde_json::from_value(params).expect("the right types");
    params.check().expect("sound");
    balanced(data, &params, Task::Binary)
}

fn balanced(
    data: &(Sample<Matrix>, Preprocessor),
    params: &ImbalanceParams,
    task: Task,
) -> Result<Sample<Matrix>, BalanceError> {
    let Sample { x, y, groups, weights } = data.0.clone();
    let given = Sample { x: Box::new(x) as Box<dyn Rows>, y, groups, weights };
    let Sample { x, y, groups, weights } = balance(given, &data.1, params, task, 42, "test")?;
    let x = Matrix { rows: x.rows(), cols: x.cols(), values: x.whole().into_owned() };
    Ok(Sample { x, y, groups, weights })
}

#[test]
fn weights_are_those_of_scikit_learn() {
    let data = sample(40, 8, Dialect::Linear, false);
    // compute_class_weight("balanced", y) for 5 events of 40: 4 and 4/7.
    let balanced = run(&data, json!({"method": "weights"})).expect("events").weights.expect("weights");
    assert_eq!((balanced[0], balanced[1]), (4.0, 40.0 / 70.0));
    assert!((balanced.iter().sum::<f64>() - 40.0).abs() < 1e-12);
    let explicit = run(&data, json!({"method": "weights", "event_weight": 3})).expect("events").weights;
    assert_eq!(explicit.map(|weights| (weights[0], weights[1])), Some((3.0, 1.0)));
    let mut one_class = data.clone();
    one_class.0.y = vec![0.0; 40];
    assert_eq!(run(&one_class, json!({"method": "weights"})).expect("nothing to do").weights, None);
    assert_eq!(run(&data, json!({})).expect("nothing to do"), data.0);
}

#[test]
fn what_would_be_guessed_is_refused() {
    let data = sample(60, 4, Dialect::Linear, false);
    let refused = |params| run(&data, params).expect_err("refused").to_string();
    // 15 events and 45 others.
    assert!(refused(json!({"method": "smote", "ratio": 0.3})).contains("less than these rows have (15 to 45: 0.3333)"));
    assert!(refused(json!({"method": "smote", "k": 15})).contains("15 neighbours need 16 events"));
    assert_eq!(run(&data, json!({"method": "smote", "k": 14})).expect("just enough").y.len(), 90);
    assert_eq!(run(&data, json!({"method": "smote", "ratio": 1.0 / 3.0})).expect("as it is"), data.0);
    let gaps = sample(60, 4, Dialect::Native, false);
    assert_eq!(run(&gaps, json!({"method": "smote"})), Err(BalanceError::Gaps("lab".to_owned())));
    let filled = sample(60, 4, Dialect::Native, true);
    assert!(run(&filled, json!({"method": "smote"})).is_ok());
    let params = ImbalanceParams { method: Imbalance::Weights, ..ImbalanceParams::default() };
    let numbers = balanced(&data, &params, Task::Continuous);
    assert_eq!(numbers, Err(BalanceError::NotEvents));
}

#[test]
fn partners_are_near_and_units_do_not_matter() {
    let data = sample(200, 10, Dialect::Dense, false);
    let mut scaled = data.clone();
    // Powers of two move no digit.
    let cols = scaled.0.x.cols;
    scaled.0.x.values.iter_mut().step_by(cols).for_each(|cell| *cell *= 1024.0);
    let (one, other) = (run(&data, json!({"method": "smote"})), run(&scaled, json!({"method": "smote"})));
    let (one, mut other) = (one.expect("grown"), other.expect("grown"));
    other.x.values.iter_mut().step_by(cols).for_each(|cell| *cell /= 1024.0);
    for row in 200..one.x.rows {
        assert_eq!(one.x.row(row)[1..], other.x.row(row)[1..]);
        // Both were rounded to 32-bit floats once.
        assert!((one.x.row(row)[0] - other.x.row(row)[0]).abs() < 1e-4);
    }
}

proptest! {
    #[test]
    fn synthetic_rows_lie_on_a_segment_between_two_events(
        rows in 40_usize..120,
        every in 3_usize..6,
        k in 1_usize..6,
        dialect in prop::sample::select(vec![Dialect::Linear, Dialect::Dense, Dialect::Native, Dialect::NativeOnehot]),
    ) {
        let data = sample(rows, every, dialect, true);
        let grown = run(&data, json!({"method": "smote", "ratio": 0.9, "k": k})).expect("filled rows and events enough");
        let events = data.0.y.iter().filter(|&&y| y > 0.5).count();
        let wanted = libm::round(0.9 * (rows - events) as f64) as usize;
        prop_assert_eq!(grown.x.rows, rows - events + wanted);
        prop_assert_eq!((grown.y.len(), grown.groups.len()), (grown.x.rows, grown.x.rows));
        prop_assert_eq!(&grown.x.values[..data.0.x.values.len()], &data.0.x.values[..]);
        prop_assert!(grown.y[rows..].iter().all(|&y| y == 1.0));
        let blocks = data.1.blocks();
        let parents: Vec<usize> = (0..rows).filter(|&row| data.0.y[row] > 0.5).collect();
        for row in rows..grown.x.rows {
            let base = grown.groups[row];
            prop_assert!(parents.contains(&base));
            let fits = parents.iter().any(|&partner| {
                partner != base && on_segment(grown.x.row(row), data.0.x.row(base), data.0.x.row(partner), &blocks)
            });
            prop_assert!(fits, "row {} lies between no two events", row);
        }
    }
}

/// Whether numbers divide the way from `a` to `b` alike, and levels and flags are all those of one of the two.
fn on_segment(row: &[f64], a: &[f64], b: &[f64], blocks: &[crate::train::preprocess::Block]) -> bool {
    let columns =
        |nominal: bool| blocks.iter().filter(move |block| block.nominal == nominal).flat_map(|b| b.start..b.end);
    let same = |other: &[f64]| columns(true).all(|column| row[column].to_bits() == other[column].to_bits());
    let widest = columns(false).max_by(|&c, &d| (b[c] - a[c]).abs().total_cmp(&(b[d] - a[d]).abs()));
    let share = widest.filter(|&c| a[c] != b[c]).map_or(0.0, |c| (row[c] - a[c]) / (b[c] - a[c]));
    let fits = |c: usize| (row[c] - (a[c] + share * (b[c] - a[c]))).abs() <= 1e-4;
    (0.0..=1.0).contains(&share) && columns(false).all(fits) && (same(a) || same(b))
}
