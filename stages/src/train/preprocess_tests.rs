//! The preprocessor: what it learns, from which rows, and what it does with what it has never seen.

use super::*;
use proptest::prelude::*;

fn frame(numbers: Vec<f64>, texts: &[Option<&str>]) -> Frame {
    let mut frame = Frame::with_rows(numbers.len());
    frame.insert("n", Column::Number(numbers));
    frame.insert("c", Column::Text(texts.iter().map(|text| text.map(str::to_owned)).collect()));
    frame
}

fn fit(frame: &Frame, rows: &[usize], params: &PreprocessParams, dialect: Dialect) -> Preprocessor {
    let ids: Vec<i64> = (0..frame.rows() as i64).collect();
    Preprocessor::fit(frame, &["n".to_owned(), "c".to_owned()], rows, &ids, params, dialect).expect("both are there")
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
fn scales_are_those_of_scikit_learn() {
    let sorted = [1.0, 2.0, 4.0, 8.0, 10.0];
    assert_eq!(fit_scale(&sorted, Scale::Standard), (5.0, libm::sqrt(12.0)));
    assert_eq!(fit_scale(&sorted, Scale::Robust), (4.0, 6.0));
    assert_eq!(fit_scale(&sorted, Scale::Minmax), (1.0, 9.0));
    assert_eq!(fit_scale(&[7.0; 3], Scale::Standard), (7.0, 1.0));
    assert_eq!(quantile(&sorted, 0.9), 9.2);
}

#[test]
fn changed_kinds_and_absent_features_are_errors() {
    let good = frame(vec![1.0, 2.0], &[Some("a"), Some("b")]);
    let fitted = fit(&good, &[0, 1], &PreprocessParams::default(), Dialect::Linear);
    let mut bad = Frame::with_rows(1);
    bad.insert("n", Column::Text(vec![None]));
    assert!(matches!(fitted.transform(&bad, None), Err(PreprocessError::Kind { .. })));
    assert_eq!(fitted.transform(&Frame::with_rows(1), None), Err(PreprocessError::Missing("n".to_owned())));
}

proptest! {
    #[test]
    fn one_row_alone_is_encoded_as_in_its_table(
        rows in prop::collection::vec((prop::option::of(-1e3..1e3_f64), 0_usize..4), 2..20),
        dialect in prop::sample::select(vec![Dialect::Linear, Dialect::Dense, Dialect::Native, Dialect::NativeOnehot]),
    ) {
        let texts = [Some("a"), Some("b"), Some("c"), None];
        let levels: Vec<Option<&str>> = rows.iter().map(|row| texts[row.1]).collect();
        let frame = frame(rows.iter().map(|row| row.0.unwrap_or(f64::NAN)).collect(), &levels);
        let half: Vec<usize> = (0..rows.len().div_ceil(2)).collect();
        let fitted = fit(&frame, &half, &PreprocessParams::default(), dialect);
        let all = fitted.transform(&frame, None).expect("the same columns");
        let text = serde_json::to_string(&fitted).expect("JSON");
        let reread: Preprocessor = serde_json::from_str(&text).expect("its own JSON");
        for row in 0..rows.len() {
            let alone = reread.transform(&frame.take(&[row]), None).expect("the same columns");
            let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
            prop_assert_eq!(bits(alone.row(0)), bits(all.row(row)));
            if matches!(dialect, Dialect::Linear | Dialect::Dense) {
                prop_assert!(all.row(row).iter().all(|value| value.is_finite()));
            }
        }
    }
}
