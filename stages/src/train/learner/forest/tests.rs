//! The forest against scikit-learn's trees, on rows whose structure is known, and on rows that have none.

use proptest::prelude::*;
use serde::Deserialize;

use super::bins::{BinSet, Scale};
use super::grow::grow_from;
use super::*;
use crate::common::link::sigmoid;
use crate::common::tree::NodeKind;
use crate::train::preprocess::Matrix;

/// What one forest is grown on.
struct Case {
    x: Matrix,
    y: Vec<f64>,
    coded: Vec<bool>,
    weights: Option<Vec<f64>>,
    task: Task,
    params: ForestParams,
}

impl Case {
    fn new(cols: usize, values: Vec<f64>, y: Vec<f64>) -> Self {
        let x = Matrix { rows: y.len(), cols, values };
        let params = ForestParams { trees: 20, depth: 6, min_leaf: 3, ..ForestParams::default() };
        Self { x, y, coded: vec![false; cols], weights: None, task: Task::Binary, params }
    }

    /// Two numbers with gaps and a category of four codes; the event follows the first number's square, whether the
    /// second is missing, and code 2.
    fn sample(rows: usize) -> Self {
        let mut stream = Stream::new(3, "forest tests");
        let (mut values, mut y) = (Vec::new(), Vec::new());
        for _ in 0..rows {
            let (a, b, code) = (stream.normal(), stream.normal(), stream.below(4) as f64);
            let (known, gap) = (!stream.chance(0.1), stream.chance(0.2));
            let margin = -2.5 + 1.5 * a * a + 2.0 * f64::from(u8::from(gap)) + 2.0 * f64::from(u8::from(code == 2.0));
            y.push(f64::from(u8::from(stream.chance(sigmoid(margin)))));
            values.extend([if known { f64::from(a as f32) } else { f64::NAN }, f64::from(b as f32), code]);
            if gap {
                values[3 * y.len() - 2] = f64::NAN;
            }
        }
        let mut case = Self::new(3, values, y);
        case.coded[2] = true;
        case
    }

    /// The sample with a number as outcome, to which the event does not matter.
    fn numbers(rows: usize) -> Self {
        let mut case = Self::sample(rows);
        let mut stream = Stream::new(4, "forest tests");
        for (row, y) in case.y.iter_mut().enumerate() {
            let [a, b, code] = case.x.values[3 * row..3 * row + 3] else { panic!("three columns") };
            let a = if a.is_nan() { 0.0 } else { a };
            *y = 120.0 + 5.0 * a * a + 8.0 * f64::from(u8::from(b.is_nan())) + 3.0 * code + stream.normal();
        }
        case.task = Task::Continuous;
        case
    }

    fn fit(&self, threads: usize) -> TreeEnsemble {
        let groups: Vec<usize> = (0..self.x.rows).collect();
        let request = FitRequest {
            x: &self.x,
            coded: &self.coded,
            task: self.task,
            y: &self.y,
            weights: self.weights.as_deref(),
            groups: &groups,
            monotone: &[],
            rounds: None,
            seed: 5,
            label: "test",
            threads,
            progress: &|_| {},
        };
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        let fitted = pool.install(|| Forest(self.params.clone()).fit(&request)).expect("it grows");
        let Model::Forest(ensemble) = fitted.model else { panic!("no forest") };
        ensemble
    }

    /// Fits and predicts its own rows.
    fn answers(&self) -> Vec<f64> {
        let model = Model::Forest(self.fit(1));
        (0..self.x.rows).map(|row| model.predict(self.x.row(row), self.task)).collect()
    }

    fn digest(&self, threads: usize) -> String {
        let text = serde_json::to_string(&self.fit(threads)).expect("JSON");
        blake3::hash(text.as_bytes()).to_hex()[..16].to_owned()
    }
}

fn r2(y: &[f64], p: &[f64]) -> f64 {
    let mean = y.iter().sum::<f64>() / y.len() as f64;
    let squares = |of: &dyn Fn(usize) -> f64| (0..y.len()).map(|row| of(row) * of(row)).sum::<f64>();
    1.0 - squares(&|row| y[row] - p[row]) / squares(&|row| y[row] - mean)
}

#[derive(Deserialize)]
struct Reference {
    x: Vec<Option<f64>>,
    event: Vec<u8>,
    number: Vec<f64>,
    weight: Vec<f64>,
    share: Vec<f64>,
    mean: Vec<f64>,
}

/// A tree on every row once, all columns tried.
fn plain_tree<T: Target>(bins: &Bins, target: &T, limits: Limits) -> Tree {
    let draws = (0..bins.rows).map(|row| target.draw(row, 1)).collect();
    grow_from(bins, target, limits, Stream::new(1, "tree"), draws, bins.rows).expect("a tree")
}

#[test]
fn a_tree_without_chance_is_that_of_scikit_learn() {
    let reference: Reference =
        serde_json::from_str(include_str!("../../../../fixtures/forest.json")).expect("the fixture is JSON");
    let values = reference.x.iter().map(|value| value.unwrap_or(f64::NAN)).collect();
    let x = Matrix { rows: 200, cols: 4, values };
    let bins = Bins::new(&x, &[], 1).expect("bins");
    let limits = Limits { depth: 5, min_leaf: 5, features: 4 };
    let share = plain_tree(&bins, &Counted(reference.event.iter().map(|&event| event == 1).collect()), limits);
    let mean = plain_tree(&bins, &Summed::numbers(&reference.number, Some(&reference.weight)), limits);
    for row in 0..x.rows {
        assert!((share.value(x.row(row)) - reference.share[row]).abs() < 1e-12, "row {row}");
        assert!((mean.value(x.row(row)) - reference.mean[row]).abs() < 1e-9, "row {row}");
    }
}

#[test]
fn bytes_are_frozen_and_the_same_for_any_number_of_threads() {
    let mut weighted = Case::sample(400);
    weighted.weights = Some((0..400).map(|row| 1.0 + f64::from(row % 3)).collect());
    let cases = [
        (Case::sample(400), "51a7bbd0a75cee6c"),
        (weighted, "af16b12cdf537d4e"),
        (Case::numbers(400), "1a7502a27012015b"),
    ];
    for (case, golden) in cases {
        for threads in [1, 2, 4] {
            assert_eq!(case.digest(threads), golden, "{threads} threads");
        }
    }
}

#[test]
fn gaps_codes_and_curves_are_learned() {
    let (case, new) = (Case::sample(4000), Case::sample(4000));
    let model = Model::Forest(case.fit(1));
    let p: Vec<f64> = (0..new.x.rows).map(|row| model.predict(new.x.row(row), Task::Binary)).collect();
    let events: Vec<bool> = new.y.iter().map(|&y| y == 1.0).collect();
    assert!(crate::common::scores::auroc(&events, &p).is_some_and(|auroc| auroc > 0.85));
    let numbers = Case::numbers(2000);
    assert!(r2(&numbers.y, &numbers.answers()) > 0.8);
}

#[test]
fn covers_are_the_training_rows_that_arrive() {
    for case in [Case::sample(500), Case::numbers(500)] {
        let grown = case.fit(1);
        let mut counted = grown.clone();
        counted.count_cover(&case.x);
        assert_eq!(grown, counted);
        assert!(grown.trees.iter().all(|tree| tree.nodes()[0].cover == 500 && tree.nodes().len() > 1));
    }
}

#[test]
fn equal_weights_change_nothing_and_rows_without_weight_say_nothing() {
    let mut case = Case::sample(300);
    let plain = case.fit(1);
    case.weights = Some(vec![2.5; 300]);
    let weighted = case.fit(1);
    let shape = |trees: &TreeEnsemble| {
        let kinds = trees.trees.iter().flat_map(Tree::nodes).map(|node| match &node.kind {
            NodeKind::Leaf(_) => None,
            NodeKind::Branch { feature, test, .. } => Some((*feature, test.clone())),
        });
        kinds.collect::<Vec<_>>()
    };
    assert_eq!(shape(&plain), shape(&weighted));
    case.weights = Some((0..300).map(|row| f64::from(u8::from(row % 4 != 0))).collect());
    let before = case.fit(1);
    (0..300).step_by(4).for_each(|row| case.y[row] = 1.0 - case.y[row]);
    assert_eq!(before, case.fit(1));
    case.weights = Some(vec![0.0; 300]);
    assert!(case.answers().iter().all(|p| p.is_finite()));
}

#[test]
fn rows_without_structure_have_an_answer() {
    let nan = f64::NAN;
    let cases = [
        ("one row", Case::new(1, vec![1.0], vec![1.0]), vec![1.0]),
        ("a constant", Case::new(1, vec![2.0; 40], [0.0, 1.0].repeat(20)), vec![0.5; 40]),
        ("only gaps", Case::new(2, vec![nan; 80], [0.0, 1.0].repeat(20)), vec![0.5; 40]),
        ("no events", Case::new(1, (0..40).map(f64::from).collect(), vec![0.0; 40]), vec![0.0; 40]),
        ("only events", Case::new(1, (0..40).map(f64::from).collect(), vec![1.0; 40]), vec![1.0; 40]),
    ];
    for (name, case, expected) in cases {
        for (p, expected) in case.answers().iter().zip(expected) {
            assert!((p - expected).abs() < 0.25, "{name}: {p} for {expected}");
        }
    }
}

#[test]
fn the_ends_of_the_numbers_leave_no_trace_that_json_cannot_hold() {
    let ends = [f64::INFINITY, f64::NEG_INFINITY, f64::MAX, f64::MIN, -0.0, 0.0, f64::NAN, 1e-310];
    let case = Case::new(1, ends.repeat(5), [0.0, 1.0].repeat(20));
    assert!(case.answers().iter().all(|p| (0.0..=1.0).contains(p)));
    assert!(!serde_json::to_string(&case.fit(1)).expect("JSON").contains("null"));
}

#[test]
fn separable_rows_are_separated_whichever_copy_of_a_column_is_asked() {
    let values = (0..200).flat_map(|row| [f64::from(row / 100), f64::from(row / 100), f64::from(row % 7)]).collect();
    let case = Case::new(3, values, (0..200).map(|row| f64::from(row / 100)).collect());
    for (row, p) in case.answers().into_iter().enumerate() {
        assert!(0.0 < p && p < 1.0 && (p > 0.5) == (row >= 100), "row {row}: {p}");
    }
}

#[test]
fn outcomes_of_any_size_stay_numbers() {
    for (offset, unit) in [(0.0, 0.0), (7.25, 0.0), (1e9, 1.0), (0.0, 1e-30), (0.0, 1e30)] {
        let mut case = Case::numbers(200);
        case.y = (0..200).map(|row| offset + unit * f64::from(row / 100)).collect();
        case.x.values = (0..600).map(|cell| f64::from(cell / 300)).collect();
        case.coded[2] = false;
        // The grid of the leaves is 2⁻²⁴ of the largest margin, and as many trees may round.
        let slack = (offset + unit) * 2e-6;
        for (p, y) in case.answers().iter().zip(&case.y) {
            assert!((p - y).abs() <= slack, "{p} for {y}");
        }
    }
    let mut case = Case::numbers(100);
    case.y = [f64::MAX, f64::MIN].repeat(50);
    assert!(case.answers().iter().all(|p| p.is_finite()));
}

#[test]
fn thousands_of_categories_are_binned_by_frequency() {
    let values: Vec<f64> = (0..30_000_u32).map(|row| f64::from(row % 10_000)).collect();
    let y = values.iter().map(|code| f64::from(u8::from(*code < 100.0))).collect();
    let mut case = Case::new(1, values, y);
    case.coded = vec![true];
    let bins = Bins::new(&case.x, &case.coded, 1).expect("bins");
    let Scale::Codes(codes) = &bins.columns[0].scale else { panic!("numbers") };
    assert_eq!((codes.len(), codes.iter().map(Vec::len).sum::<usize>()), (255, 10_000));
    assert!(case.answers().iter().zip(&case.y).all(|(p, y)| (p > &0.5) == (*y == 1.0)));
    case.x.values[7] = -3.0;
    assert!(matches!(Bins::new(&case.x, &case.coded, 1), Err(LearnError::BadCode { column: 0 })));
}

#[test]
fn more_cells_than_fit_are_refused_before_they_are_made() {
    let x = Matrix { rows: 2_000_000, cols: 10_000, values: Vec::new() };
    assert!(matches!(Bins::new(&x, &[], 1), Err(LearnError::TooLarge { rows: 2_000_000, columns: 10_000 })));
}

/// Values with gaps, ends and near neighbours.
fn cell() -> impl Strategy<Value = f64> {
    prop_oneof![
        2 => Just(f64::NAN),
        1 => Just(f64::from(f32::MAX)),
        1 => Just(f64::from(f32::MIN)),
        4 => (-4_i8..4).prop_map(f64::from),
        8 => any::<f32>().prop_map(f64::from),
        2 => (0_u32..6).prop_map(|step| f64::from(f32::from_bits(1.0_f32.to_bits() + step))),
        2 => (0_u64..6).prop_map(|step| f64::from_bits(1.0_f64.to_bits() + step)),
    ]
}

proptest! {
    #[test]
    fn every_row_goes_where_its_bin_says(values in prop::collection::vec(cell(), 1..700)) {
        let x = Matrix { rows: values.len(), cols: 1, values: values.clone() };
        let bins = Bins::new(&x, &[], 1).expect("bins");
        let column = &bins.columns[0];
        for last in 0..column.missing().saturating_sub(1) {
            let mut left = BinSet::default();
            (0..=last).for_each(|bin| left.insert(bin));
            let crate::common::tree::Test::Below(cut) = column.test(left) else { panic!("a set") };
            prop_assert!(cut.is_finite() && f64::from(cut as f32) == cut);
            for (value, &bin) in values.iter().zip(&column.cells) {
                prop_assert_eq!(*value < cut, left.holds(bin));
            }
        }
        for (value, &bin) in values.iter().zip(&column.cells) {
            prop_assert_eq!(value.is_nan(), bin == column.missing());
        }
    }

    #[test]
    fn a_forest_of_any_rows_answers_with_probabilities(
        rows in prop::collection::vec((cell(), 0_u8..5, any::<bool>()), 1..60),
        features in 1_usize..3,
        min_leaf in 1_usize..4,
    ) {
        let values = rows.iter().flat_map(|&(a, b, _)| [a, f64::from(b)]).collect();
        let mut case = Case::new(2, values, rows.iter().map(|&(_, _, y)| f64::from(u8::from(y))).collect());
        case.coded[1] = true;
        case.params = ForestParams { trees: 3, depth: 5, min_leaf, features: Some(features), ..case.params };
        let grown = case.fit(1);
        let mut counted = grown.clone();
        counted.count_cover(&case.x);
        prop_assert_eq!(&grown, &counted);
        for node in grown.trees.iter().flat_map(Tree::nodes) {
            prop_assert!(node.cover as usize >= min_leaf.min(case.x.rows));
        }
        prop_assert!(case.answers().iter().all(|p| (0.0..=1.0).contains(p)));
    }
}
