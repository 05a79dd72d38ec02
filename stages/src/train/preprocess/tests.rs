//! The preprocessor: what it learns, from which rows, and what it does with what it has never seen.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::common::frame::{Column, Frame};
use crate::train::params::PreprocessParams;

fn frame(numbers: Vec<f64>, texts: &[Option<&str>]) -> Frame {
    let mut frame = Frame::with_rows(numbers.len());
    frame.insert("n", Column::Number(numbers));
    frame.insert("c", Column::Text(texts.iter().map(|text| text.map(str::to_owned)).collect()));
    frame
}

fn fit(frame: &Frame, rows: &[usize], params: &PreprocessParams, dialect: Dialect) -> Preprocessor {
    fit_both(frame, rows, params, dialect).expect("both are there").0
}

/// Every row is its own patient; every third is an event.
fn fit_both(
    frame: &Frame,
    rows: &[usize],
    params: &PreprocessParams,
    dialect: Dialect,
) -> Result<(Preprocessor, Matrix), PreprocessError> {
    let ids: Vec<i64> = (0..frame.rows() as i64).collect();
    let y: Vec<f64> = (0..frame.rows()).map(|row| f64::from(u8::from(row % 3 == 0))).collect();
    let groups: Vec<usize> = (0..frame.rows()).collect();
    let names = ["n".to_owned(), "c".to_owned()];
    let rows = FitRows {
        features: frame,
        names: &names,
        index: rows,
        row_ids: &ids,
        y: &y,
        groups: &groups,
        seed: 1,
        label: "test",
    };
    Preprocessor::fit_transform(&rows, params, dialect)
}

fn params(value: Value) -> PreprocessParams {
    let params: PreprocessParams = serde_json::from_value(value).expect("the right types");
    params.check().expect("sound");
    params
}

#[test]
fn linear_rows_are_filled_scaled_flagged_and_one_hot() {
    let frame = frame(vec![1.0, f64::NAN, 5.0, 900.0], &[Some("b"), Some("a"), None, Some("z")]);
    let fitted = fit(&frame, &[0, 1, 2], &PreprocessParams::default(), Dialect::Linear);
    assert_eq!(fitted.columns(), ["n", "n:missing", "c=a", "c=b", "c:missing"]);
    let x = fitted.transform(&frame, None).expect("the same columns");
    // Median 3 fills the gap: mean 3, standard deviation √(8/3).
    let sd = libm::sqrt(8.0 / 3.0);
    assert_eq!(x.row(0), [-2.0 / sd, 0.0, 0.0, 1.0, 0.0]);
    assert_eq!(x.row(1), [0.0, 1.0, 1.0, 0.0, 0.0]);
    assert_eq!(x.row(2), [2.0 / sd, 0.0, 0.0, 0.0, 1.0]);
    // A level and a range never seen in fitting.
    assert_eq!(x.row(3)[1..], [0.0, 0.0, 0.0, 0.0]);
}

#[test]
fn native_rows_keep_gaps_and_code_levels() {
    let frame = frame(vec![1.0, f64::NAN, 0.1], &[Some("b"), Some("a"), Some("new")]);
    let fitted = fit(&frame, &[0, 1], &PreprocessParams::default(), Dialect::Native);
    assert_eq!((fitted.columns(), fitted.coded()), (vec!["n".to_owned(), "c".to_owned()], vec![false, true]));
    let x = fitted.transform(&frame, None).expect("the same columns");
    assert_eq!(x.row(0), [1.0, 1.0]);
    assert!(x.row(1)[0].is_nan() && x.row(2)[1].is_nan());
    assert_eq!(x.row(2)[0], f64::from(0.1_f32));
}

#[test]
fn a_feature_without_values_or_above_the_limit_is_dropped_and_recorded() {
    let empty = frame(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY], &[Some("a"), None, Some("b")]);
    for dialect in [Dialect::Linear, Dialect::Dense, Dialect::Native, Dialect::NativeOnehot] {
        let fitted = fit(&empty, &[0, 1, 2], &PreprocessParams::default(), dialect);
        let dropped = Dropped { feature: "n".to_owned(), reason: DropReason::Missing, value: 1.0 };
        assert_eq!(fitted.dropped, [dropped]);
        assert!(fitted.columns().iter().all(|column| column.starts_with('c')));
    }
    let third = |limit: f64| {
        let fitted = fit(&empty, &[0, 1, 2], &params(json!({"drop_missing_share": limit})), Dialect::Linear);
        fitted.dropped.len()
    };
    assert_eq!((third(0.3), third(0.34)), (2, 1));
    let none = fit(&empty, &[], &PreprocessParams::default(), Dialect::Linear);
    assert_eq!((none.width(), none.dropped.len()), (0, 2));
}

#[test]
fn one_feature_can_be_treated_unlike_the_others() {
    let frame = frame(vec![1.0, f64::NAN, 5.0, 6.0], &[Some("b"), Some("a"), None, Some("b")]);
    let own = params(json!({"scale": "none", "columns": {
        "n": {"impute": "mean", "missing_flag": false},
        "c": {"impute": "constant", "constant": "z", "encode": "label"},
    }}));
    let fitted = fit(&frame, &[0, 1, 2, 3], &own, Dialect::Linear);
    assert_eq!(fitted.columns(), ["n", "c", "c:missing"]);
    let x = fitted.transform(&frame, None).expect("the same columns");
    assert_eq!((x.row(1), x.row(2)), (&[4.0, 0.0, 0.0][..], &[5.0, 2.0, 1.0][..]));
    let fault = |value| fit_both(&frame, &[0, 1], &params(value), Dialect::Linear).expect_err("it fits no feature");
    for (own, path) in [
        (json!({"m": {"scale": "none"}}), "columns.m"),
        (json!({"n": {"impute": "none"}}), "columns.n.impute"),
        (json!({"n": {"encode": "label"}}), "columns.n.encode"),
        (json!({"n": {"impute": "constant", "constant": "x"}}), "columns.n.constant"),
        (json!({"c": {"impute": "median"}}), "columns.c.impute"),
    ] {
        let error = fault(json!({"columns": own})).to_string();
        assert!(error.contains(&format!("`train.preprocess.{path}`")), "{error}");
    }
}

#[test]
fn trees_are_filled_only_when_asked() {
    let frame = frame(vec![1.0, f64::NAN, 5.0], &[Some("b"), None, Some("b")]);
    let filled = params(json!({"impute": {"trees": true, "categorical": "mode"}}));
    let fitted = fit(&frame, &[0, 1, 2], &filled, Dialect::Native);
    assert_eq!(fitted.columns(), ["n", "n:missing", "c", "c:missing"]);
    let x = fitted.transform(&frame, None).expect("the same columns");
    assert_eq!(x.row(1), [3.0, 1.0, 0.0, 1.0]);
}

#[test]
fn ten_thousand_levels_stay_within_the_limit_of_columns() {
    let names: Vec<String> = (0..10_000).map(|level| format!("level {level:05}")).collect();
    let texts: Vec<Option<&str>> = names.iter().map(|name| Some(name.as_str())).collect();
    let frame = frame(vec![1.0; 10_000], &texts);
    let rows: Vec<usize> = (0..10_000).collect();
    for (dialect, width) in [(Dialect::Linear, 101), (Dialect::Native, 2), (Dialect::NativeOnehot, 101)] {
        let fitted = fit(&frame, &rows, &PreprocessParams::default(), dialect);
        assert_eq!(fitted.width(), width);
        let x = fitted.transform(&frame, Some(&[0, 9_999])).expect("the same columns");
        let last = fitted.columns().len() - 1;
        match dialect {
            Dialect::Native => assert_eq!((x.row(0)[1], x.row(1)[1]), (0.0, 99.0)),
            _ => assert_eq!((x.row(0)[1], x.row(0)[last], x.row(1)[last]), (1.0, 0.0, 1.0)),
        }
    }
    for encode in ["label", "target"] {
        let fitted = fit(&frame, &rows, &params(json!({"encode": encode})), Dialect::Linear);
        assert_eq!(fitted.width(), 2);
    }
}

#[test]
fn fitting_rows_are_encoded_by_other_patients_and_new_rows_by_all() {
    let frame = frame(vec![0.0; 9], &[Some("a"); 9]);
    let rows: Vec<usize> = (0..9).collect();
    let own = params(json!({"encode": "target", "scale": "none", "target": {"folds": 9, "smoothing": 3.0}}));
    let (fitted, training) = fit_both(&frame, &rows, &own, Dialect::Linear).expect("both are there");
    let new = fitted.transform(&frame, None).expect("the same columns");
    for row in 0..9 {
        // Three of nine are events. Without the row itself: of eight rows, three or two.
        let others = if row % 3 == 0 { 2.0 / 8.0 } else { 3.0 / 8.0 };
        assert!((training.row(row)[1] - others).abs() < 1e-15);
        assert!((new.row(row)[1] - 1.0 / 3.0).abs() < 1e-15);
    }
    assert_eq!(fitted.blocks().iter().map(|block| block.nominal).collect::<Vec<_>>(), [false, true]);
}

#[test]
fn huge_values_stay_finite() {
    let frame = frame(vec![f64::MAX, f64::MIN, f64::MAX, 1.0], &[Some("a"); 4]);
    for scale in ["none", "standard", "robust", "minmax"] {
        for numeric in ["median", "mean", "mode"] {
            let own = params(json!({"scale": scale, "impute": {"numeric": numeric}}));
            for dialect in [Dialect::Linear, Dialect::Dense] {
                let (_, x) = fit_both(&frame, &[0, 1, 2, 3], &own, dialect).expect("both are there");
                assert!(x.values.iter().all(|value| value.is_finite()), "{scale}, {numeric}");
            }
        }
    }
}

#[test]
fn changed_kinds_and_absent_features_are_errors() {
    let good = frame(vec![1.0, 2.0], &[Some("a"), Some("b")]);
    let fitted = fit(&good, &[0, 1], &PreprocessParams::default(), Dialect::Linear);
    let mut bad = Frame::with_rows(1);
    bad.insert("n", Column::Text(vec![None::<&str>].into()));
    bad.insert("c", Column::Text(vec![None::<&str>].into()));
    assert!(matches!(fitted.transform(&bad, None), Err(PreprocessError::Kind { .. })));
    assert_eq!(fitted.transform(&Frame::with_rows(1), None), Err(PreprocessError::Missing("n".to_owned())));
}

proptest! {
    #[test]
    fn one_row_alone_is_encoded_as_in_its_table(
        rows in prop::collection::vec((prop::option::of(-1e3..1e3_f64), 0_usize..4), 2..20),
        dialect in prop::sample::select(vec![Dialect::Linear, Dialect::Dense, Dialect::Native, Dialect::NativeOnehot]),
        encode in prop::sample::select(vec!["onehot", "label", "target"]),
        categorical in prop::sample::select(vec!["none", "mode", "constant"]),
        most in 2_usize..4,
    ) {
        let texts = [Some("a"), Some("b"), Some("c"), None];
        let levels: Vec<Option<&str>> = rows.iter().map(|row| texts[row.1]).collect();
        let frame = frame(rows.iter().map(|row| row.0.unwrap_or(f64::NAN)).collect(), &levels);
        let half: Vec<usize> = (0..rows.len().div_ceil(2)).collect();
        let own = json!({"encode": encode, "impute": {"categorical": categorical}, "levels": {"max": most}});
        let (fitted, training) = fit_both(&frame, &half, &params(own), dialect).expect("both are there");
        let all = fitted.transform(&frame, None).expect("the same columns");
        let text = serde_json::to_string(&fitted).expect("JSON");
        let reread: Preprocessor = serde_json::from_str(&text).expect("its own JSON");
        for row in 0..rows.len() {
            let alone = reread.transform(&frame.take(&[row]), None).expect("the same columns");
            let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
            prop_assert_eq!(bits(alone.row(0)), bits(all.row(row)));
            prop_assert_eq!(fitted.columns().len(), all.cols);
            if matches!(dialect, Dialect::Linear | Dialect::Dense) {
                prop_assert!(all.row(row).iter().all(|value| value.is_finite()));
            }
            if row < half.len() && encode != "target" {
                prop_assert_eq!(bits(training.row(row)), bits(all.row(row)));
            }
        }
    }
}
