//! Every learner on data whose structure is known.

use super::*;
use crate::common::link::sigmoid;
use crate::common::rng::Stream;
use crate::common::scores;
use crate::train::preprocess::Matrix;

/// Rows of two numbers and a category code; the outcome follows the first number's square and code 2.
fn data(rows: usize, missing: bool) -> (Matrix, Vec<bool>) {
    let mut stream = Stream::new(9, "learner tests");
    let (mut values, mut y) = (Vec::new(), Vec::new());
    for _ in 0..rows {
        let (a, b, code) = (stream.normal(), stream.normal(), stream.below(4) as f64);
        y.push(stream.chance(sigmoid(-2.0 + 1.5 * a * a + 2.0 * f64::from(u8::from(code == 2.0)))));
        let gap = missing && stream.chance(0.2);
        values.extend([if gap { f64::NAN } else { f64::from(a as f32) }, f64::from(b as f32), code]);
    }
    (Matrix { rows, cols: 3, values }, y)
}

fn fit(name: LearnerName, x: &Matrix, y: &[bool], threads: usize, rounds: Option<usize>) -> Result<Fitted, LearnError> {
    let groups: Vec<usize> = (0..x.rows).collect();
    let params = TrainParams::default();
    let y: Vec<f64> = y.iter().map(|&y| f64::from(u8::from(y))).collect();
    learner(name, &params).expect("a learner").fit(&FitRequest {
        x,
        coded: &[false, false, true],
        task: Task::Binary,
        y: &y,
        weights: None,
        groups: &groups,
        monotone: &[],
        rounds,
        seed: 1,
        label: "test",
        threads,
        progress: &|_| {},
    })
}

fn auroc(model: &Model, x: &Matrix, y: &[bool]) -> f64 {
    let p: Vec<f64> = (0..x.rows).map(|row| model.predict(x.row(row), Task::Binary)).collect();
    assert!(p.iter().all(|p| (0.0..=1.0).contains(p)));
    scores::auroc(y, &p).expect("both outcomes")
}

#[test]
fn trees_find_what_a_line_cannot() {
    let ((x, y), (new_x, new_y)) = (data(1500, false), data(3000, false));
    let score = |name| auroc(&fit(name, &x, &y, 1, None).expect("it fits").model, &new_x, &new_y);
    let (logistic, forest, gbdt) = (score(LearnerName::Logistic), score(LearnerName::Forest), score(LearnerName::Gbdt));
    assert!(forest > 0.75 && gbdt > 0.75 && logistic < 0.68, "{logistic} {forest} {gbdt}");
}

#[test]
fn a_forest_is_never_certain() {
    // Half of the rows cannot have the event, and many leaves hold none.
    let values: Vec<f64> = (0..900).map(|row| f64::from(row % 100)).collect();
    let y: Vec<bool> = (0..900).map(|row| row % 100 > 90).collect();
    let x = Matrix { rows: 300, cols: 3, values };
    let y = y[..300].to_vec();
    let fitted = fit(LearnerName::Forest, &x, &y, 1, None).expect("it fits");
    for row in 0..x.rows {
        let p = fitted.model.predict(x.row(row), Task::Binary);
        assert!(0.0 < p && p < 1.0, "row {row}: {p}");
    }
}

#[test]
fn boosting_takes_gaps_and_codes_and_stops_early() {
    let (x, y) = data(1500, true);
    let fitted = fit(LearnerName::Gbdt, &x, &y, 2, None).expect("it fits");
    assert!(fitted.rounds.is_some_and(|rounds| (5..500).contains(&rounds)), "{:?}", fitted.rounds);
    assert!(auroc(&fitted.model, &x, &y) > 0.75);
    let Model::Gbdt(ensemble) = &fitted.model else { unreachable!() };
    assert_eq!(Some(ensemble.trees.len()), fitted.rounds);
    assert!(ensemble.trees.iter().all(|tree| tree.nodes()[0].cover == 1500));
    // A missing number and an unknown code are answered, not refused.
    assert!(fitted.model.predict(&[f64::NAN, f64::NAN, 77.0], Task::Binary).is_finite());
}

#[test]
fn a_model_comes_back_from_its_file_bit_for_bit() {
    let (x, y) = data(300, false);
    for name in [LearnerName::Logistic, LearnerName::Forest, LearnerName::Gbdt] {
        let model = fit(name, &x, &y, 2, Some(20)).expect("it fits").model;
        let text = serde_json::to_string(&model).expect("JSON");
        let reread: Model = serde_json::from_str(&text).expect("its own JSON");
        for row in 0..x.rows {
            assert_eq!(model.margin(x.row(row)).to_bits(), reread.margin(x.row(row)).to_bits());
        }
    }
}

#[test]
fn a_matrix_without_columns_is_an_error_for_trees() {
    let x = Matrix { rows: 4, cols: 0, values: Vec::new() };
    for name in [LearnerName::Forest, LearnerName::Gbdt] {
        assert!(matches!(fit(name, &x, &[true, false, true, false], 1, None), Err(LearnError::NoColumns)));
    }
}

#[test]
fn ridge_is_the_least_squares_line_with_a_free_intercept() {
    // scikit-learn 1.9.1: Ridge(alpha=2).fit([[1, 2], [2, 0], [3, 1], [5, 4]], [7, 9, 12, 20]).
    let x = Matrix { rows: 4, cols: 2, values: vec![1.0, 2.0, 2.0, 0.0, 3.0, 1.0, 5.0, 4.0] };
    let y = [7.0, 9.0, 12.0, 20.0];
    let params = TrainParams { ridge: crate::train::params::RidgeParams { l2: 2.0 }, ..TrainParams::default() };
    let request = FitRequest {
        x: &x,
        coded: &[false, false],
        task: Task::Continuous,
        y: &y,
        weights: None,
        groups: &[0, 1, 2, 3],
        monotone: &[],
        rounds: None,
        seed: 1,
        label: "test",
        threads: 1,
        progress: &|_| {},
    };
    let fit = |name, request: &FitRequest| learner(name, &params).expect("a learner").fit(request).expect("it fits");
    let Model::Ridge { intercept, coef } = fit(LearnerName::Ridge, &request).model else { unreachable!() };
    let expected = [4.345_454_545_454_547, 2.245_454_545_454_545, 0.845_454_545_454_545_3];
    assert!((intercept - expected[0]).abs() < 1e-12, "{intercept}");
    assert!(coef.iter().zip(&expected[1..]).all(|(a, b)| (a - b).abs() < 1e-12), "{coef:?}");
    let doubled = FitRequest { weights: Some(&[2.0; 4]), ..request };
    let Model::Ridge { coef: heavier, .. } = fit(LearnerName::Ridge, &doubled).model else { unreachable!() };
    assert!(heavier[0] > coef[0], "twice the rows are half the penalty");
    let weighted = FitRequest { weights: Some(&[0.0, 0.0, 0.0, 3.0]), ..doubled };
    assert_eq!(fit(LearnerName::Constant, &weighted).model, Model::Constant { value: 20.0 });
}
