//! Boosting against its library, and on data that would break it.

use hessboost::model::Iterations;

use super::*;
use crate::common::link::sigmoid;
use crate::train::preprocess::Matrix;

/// A number with gaps and a code of six levels; the outcome follows both.
fn data(rows: usize) -> (Matrix, Vec<f64>) {
    let mut stream = Stream::new(3, "gbdt tests");
    let (mut values, mut y) = (Vec::new(), Vec::new());
    for _ in 0..rows {
        let (a, code) = (f64::from((4.0 * stream.normal()).round() as f32 / 4.0), stream.below(6) as f64);
        let gap = stream.chance(0.2);
        values.extend([if gap { f64::NAN } else { a }, if stream.chance(0.1) { f64::NAN } else { code }]);
        y.push(f64::from(u8::from(stream.chance(sigmoid(a + if code > 2.0 { 1.0 } else { -1.0 })))));
    }
    (Matrix { rows, cols: 2, values }, y)
}

fn request<'a>(x: &'a Matrix, coded: &'a [bool], y: &'a [f64], groups: &'a [usize]) -> FitRequest<'a> {
    FitRequest {
        x,
        coded,
        task: Task::Binary,
        y,
        weights: None,
        groups,
        monotone: &[],
        rounds: None,
        seed: 1,
        label: "test",
        threads: 1,
        progress: &|_| {},
    }
}

/// Every row and column in every tree, so that equal sums give equal trees.
fn whole(rounds: usize) -> Gbdt {
    Gbdt(GbdtParams { rounds, subsample: 1.0, colsample: 1.0, min_child: 1.0, ..GbdtParams::default() })
}

fn fit(learner: &Gbdt, request: &FitRequest) -> Model {
    learner.fit(request).expect("it fits").model
}

#[test]
fn flat_trees_give_the_margins_of_the_library() {
    let (x, y) = data(800);
    let groups: Vec<usize> = (0..x.rows).collect();
    let request = request(&x, &[false, true], &y, &groups);
    let learner = Gbdt(GbdtParams { rounds: 40, ..GbdtParams::default() });
    let start = loss::start(&request, &groups);
    let grown = learner.boost(&request, &groups, &[], 40).expect("it boosts");
    let flat = flatten(&grown, 40, start, Task::Binary).expect("its trees can be read");
    assert!(flat.trees.iter().any(|tree| {
        tree.nodes().iter().any(|node| matches!(node.kind, NodeKind::Branch { test: Test::In(_), .. }))
    }));
    let matrix = matrix(&request, &groups, start).expect("a matrix");
    let margins = grown.predict(&matrix, Iterations::Best).expect("margins");
    for (row, &margin) in margins.as_slice().iter().enumerate() {
        assert!((flat.margin(x.row(row)) - f64::from(margin)).abs() < 1e-5, "row {row}");
    }
}

#[test]
fn a_weight_of_three_is_as_good_as_three_rows() {
    let (x, y) = data(600);
    let coded = [false, true];
    let weights: Vec<f64> = y.iter().map(|&y| if y > 0.5 { 3.0 } else { 1.0 }).collect();
    let thrice: Vec<usize> = (0..x.rows).flat_map(|row| vec![row; weights[row] as usize]).collect();
    let (more_x, more_y): (Matrix, Vec<f64>) = (x.take(&thrice), thrice.iter().map(|&row| y[row]).collect());
    let groups: Vec<usize> = (0..more_x.rows).collect();
    let rounds = Some(30);
    let weighted = fit(&whole(30), &FitRequest { weights: Some(&weights), rounds, ..request(&x, &coded, &y, &groups) });
    let repeated = fit(&whole(30), &FitRequest { rounds, ..request(&more_x, &coded, &more_y, &groups) });
    let plain = fit(&whole(30), &FitRequest { rounds, ..request(&x, &coded, &y, &groups) });
    let far = |other: &Model| {
        (0..x.rows).map(|row| (weighted.margin(x.row(row)) - other.margin(x.row(row))).abs()).fold(0.0, f64::max)
    };
    assert!(far(&repeated) < 1e-3 && far(&plain) > 0.5, "{} {}", far(&repeated), far(&plain));
    // Rows that count nothing are as good as absent.
    let half: Vec<f64> = (0..x.rows).map(|row| f64::from(u8::from(row < 400))).collect();
    let some = fit(&whole(30), &FitRequest { weights: Some(&half), rounds, ..request(&x, &coded, &y, &groups) });
    let first: Vec<usize> = (0..400).collect();
    let fewer = x.take(&first);
    let only = fit(&whole(30), &FitRequest { rounds, ..request(&fewer, &coded, &y[..400], &groups[..400]) });
    assert_eq!(some.predict_all(&x, Task::Binary), only.predict_all(&x, Task::Binary));
}

#[test]
fn predictions_follow_the_direction_even_against_the_data() {
    let (x, y) = data(1500);
    let groups: Vec<usize> = (0..x.rows).collect();
    for sign in [1_i8, -1] {
        let monotone = [sign, 0];
        let request = FitRequest { monotone: &monotone, ..request(&x, &[false, true], &y, &groups) };
        let model = fit(&Gbdt(GbdtParams { rounds: 60, min_child: 1.0, ..GbdtParams::default() }), &request);
        let mut moved = 0;
        for code in 0..6 {
            let margins: Vec<f64> =
                (-40..40).map(|step| model.margin(&[f64::from(step) / 10.0, f64::from(code)])).collect();
            for pair in margins.windows(2) {
                assert!(f64::from(sign) * (pair[1] - pair[0]) >= 0.0, "{pair:?}");
                moved += usize::from(pair[0] != pair[1]);
            }
        }
        // The data rise with the column: only that direction leaves anything to learn from it.
        assert!(if sign == 1 { moved > 50 } else { moved < 50 }, "{sign}: {moved}");
    }
}

#[test]
fn numbers_are_learned_however_far_from_zero() {
    let (x, _) = data(1500);
    let truth = |row: usize| 3.0 * if x.row(row)[0].is_nan() { 0.0 } else { x.row(row)[0] } + 1000.0;
    let y: Vec<f64> = (0..x.rows).map(truth).collect();
    let groups: Vec<usize> = (0..x.rows).collect();
    let request = FitRequest { task: Task::Continuous, ..request(&x, &[false, true], &y, &groups) };
    let fitted = Gbdt(GbdtParams::default()).fit(&request).expect("it fits");
    assert!(fitted.rounds.is_some_and(|rounds| rounds > 20), "{:?}", fitted.rounds);
    let predicted = fitted.model.predict_all(&x, Task::Continuous);
    let error: f64 = predicted.iter().zip(&y).map(|(p, y)| (p - y) * (p - y)).sum::<f64>() / x.rows as f64;
    assert!(error < 0.1, "{error}");
}

#[test]
fn bad_data_give_finite_answers_or_say_why_not() {
    let rows = 120;
    let line = |f: &dyn Fn(usize) -> f64| (0..rows).map(f).collect::<Vec<_>>();
    let alternating = line(&|row| (row % 2) as f64);
    let cases: [(&str, Vec<f64>, bool, Vec<f64>); 8] = [
        ("one row", vec![1.5], false, vec![1.0]),
        ("a constant", vec![4.0; rows], false, alternating.clone()),
        ("one class", line(&|row| row as f64), false, vec![0.0; rows]),
        ("nothing but gaps", vec![f64::NAN; rows], false, alternating.clone()),
        (
            "infinities",
            line(&|row| [f64::INFINITY, f64::NEG_INFINITY, 1e300, 0.0][row % 4]),
            false,
            alternating.clone(),
        ),
        ("perfect separation", line(&|row| row as f64), false, line(&|row| f64::from(u8::from(row > 60)))),
        ("a code with gaps only", vec![f64::NAN; rows], true, alternating),
        (
            "10,000 codes",
            (0..20_000).map(|row| f64::from(row / 2)).collect(),
            true,
            (0..20_000).map(|row| f64::from(row % 2)).collect(),
        ),
    ];
    for (what, column, coded, y) in cases {
        let coded = [coded; 2];
        // The column twice: neither copy may spoil the other.
        let x = Matrix { rows: y.len(), cols: 2, values: column.iter().flat_map(|&value| [value; 2]).collect() };
        let groups: Vec<usize> = (0..x.rows).collect();
        for (task, params) in [
            (Task::Binary, GbdtParams { rounds: 50, ..GbdtParams::default() }),
            (
                Task::Binary,
                GbdtParams { rounds: 50, l2: 0.0, min_child: 0.0, learning_rate: 1.0, ..GbdtParams::default() },
            ),
            (Task::Continuous, GbdtParams { rounds: 20, l2: 0.0, min_child: 0.0, ..GbdtParams::default() }),
        ] {
            let request = FitRequest { task, ..request(&x, &coded, &y, &groups) };
            let model = fit(&Gbdt(params), &request);
            let predicted = model.predict_all(&x, task);
            assert!(predicted.iter().all(|p| p.is_finite()), "{what}");
            assert!(task == Task::Continuous || predicted.iter().all(|p| (0.0..=1.0).contains(p)), "{what}");
            assert!(model.margin(&[f64::NAN, 1e9]).is_finite(), "{what}");
        }
    }
}

#[test]
fn what_cannot_be_learned_from_is_refused() {
    let (x, y) = data(20);
    let groups: Vec<usize> = (0..x.rows).collect();
    let none = vec![0.0; x.rows];
    let weightless = FitRequest { weights: Some(&none), ..request(&x, &[false, true], &y, &groups) };
    assert!(matches!(whole(5).fit(&weightless), Err(LearnError::NoRows)));
    let huge = vec![1e20; x.rows];
    let request = FitRequest { task: Task::Continuous, ..request(&x, &[false, true], &huge, &groups) };
    assert!(matches!(whole(5).fit(&request), Err(LearnError::LargeOutcome(_))));
}

#[test]
fn rounds_are_found_on_patients_that_grow_no_tree() {
    let (x, y) = data(400);
    let groups: Vec<usize> = (0..x.rows).map(|row| row / 4).collect();
    let counting: Vec<usize> = (0..x.rows).filter(|row| row % 4 != 3).collect();
    let (grow, watch) = hold_out(&request(&x, &[false, true], &y, &groups), &counting, 0.25);
    assert_eq!(grow.len() + watch.len(), counting.len());
    assert!(watch.iter().all(|&row| grow.iter().all(|&other| groups[other] != groups[row])));
    assert!((50..100).contains(&watch.len()), "{}", watch.len());
}
