//! Logistic regression against statsmodels and scikit-learn (`fixtures/learning.py`), and its laws.

use super::*;
use crate::common::link::logit;
use proptest::prelude::*;
use serde_json::Value;

fn fixture() -> Value {
    serde_json::from_str(include_str!("../../fixtures/learning.json")).expect("the fixture is JSON")
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().expect("an array").iter().map(|item| item.as_f64().expect("a number")).collect()
}

fn close(actual: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(actual.len(), expected.len());
    for (a, e) in actual.iter().zip(expected) {
        assert!((a - e).abs() < tolerance, "{actual:?} is not {expected:?}");
    }
}

#[test]
fn weights_and_offset_agree_with_statsmodels() {
    let glm = &fixture()["glm"];
    let (x, y) = (numbers(&glm["x"]), numbers(&glm["y"]));
    let (weight, offset) = (numbers(&glm["weight"]), numbers(&glm["offset"]));
    let fit = fit_logistic(&x, 3, &y, Some(&weight), Some(&offset), &[0.0], true).expect("a regular problem");
    let mut params = vec![fit.intercept];
    params.extend(&fit.coef);
    let expected = &glm["weighted_offset"];
    assert!(fit.converged);
    close(&params, &numbers(&expected["params"]), 1e-8);
    close(&fit.se, &numbers(&expected["se"]), 1e-7);
    close(&[fit.loglik], &[expected["loglik"].as_f64().expect("a number")], 1e-8);
}

#[test]
fn the_penalty_agrees_with_scikit_learn() {
    let glm = &fixture()["glm"];
    let weight = numbers(&glm["weight"]);
    let fit = fit_logistic(&numbers(&glm["x"]), 3, &numbers(&glm["y"]), Some(&weight), None, &[2.0], true)
        .expect("a regular problem");
    let expected = &glm["ridge_2"];
    close(&[fit.intercept], &[expected["intercept"].as_f64().expect("a number")], 1e-6);
    close(&fit.coef, &numbers(&expected["coef"]), 1e-6);
}

#[test]
fn calibration_in_the_large_and_slope_of_g24() {
    let g24 = &fixture()["g24"];
    let y = numbers(&g24["y"]);
    let margin: Vec<f64> = numbers(&g24["p"]).into_iter().map(logit).collect();
    let large = fit_logistic(&[], 0, &y, None, Some(&margin), &[0.0], true).expect("both classes");
    close(&[large.intercept], &[0.404_495_238_8], 1e-9);
    close(&large.se, &[0.501_233_3], 1e-6);
    let weak = fit_logistic(&margin, 1, &y, None, None, &[0.0], true).expect("both classes");
    close(&[weak.intercept, weak.coef[0]], &[0.365_811_0, 0.952_247_9], 1e-6);
    close(&weak.se[1..], &[0.437_437_6], 1e-6);
}

#[test]
fn what_cannot_be_fitted_is_an_error_not_a_panic() {
    let twice = [1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 5.0, 5.0];
    let y = [0.0, 1.0, 0.0, 1.0];
    assert!(matches!(fit_logistic(&twice, 2, &y, None, None, &[0.0], true), Err(GlmError::Singular(_))));
    assert!(fit_logistic(&twice, 2, &y, None, None, &[0.1], true).is_ok());
    assert!(matches!(
        fit_logistic(&[f64::NAN], 1, &[1.0], None, None, &[0.0], true),
        Err(GlmError::Value { row: 0, .. })
    ));
    assert!(matches!(fit_logistic(&[1.0], 2, &[1.0], None, None, &[0.0], true), Err(GlmError::Shape(_))));
    assert!(matches!(fit_logistic(&[1.0], 1, &[2.0], None, None, &[0.0], true), Err(GlmError::Value { .. })));
}

proptest! {
    #[test]
    fn the_score_equations_hold(rows in prop::collection::vec((-3.0..3.0_f64, -3.0..3.0_f64, 0_u8..2), 8..40)) {
        let x: Vec<f64> = rows.iter().flat_map(|row| [row.0, row.1]).collect();
        let y: Vec<f64> = rows.iter().map(|row| f64::from(row.2)).collect();
        prop_assume!(y.contains(&0.0) && y.contains(&1.0));
        let fit = fit_logistic(&x, 2, &y, None, None, &[0.5], true).expect("the penalty makes it regular");
        prop_assert!(fit.converged);
        let residual = |row: usize| y[row] - sigmoid(fit.intercept + fit.coef[0] * x[2 * row] + fit.coef[1] * x[2 * row + 1]);
        let balance: f64 = (0..y.len()).map(residual).sum();
        prop_assert!(balance.abs() < 1e-7);
        for column in 0..2 {
            let gradient: f64 = (0..y.len()).map(|row| residual(row) * x[2 * row + column]).sum();
            prop_assert!((gradient - 0.5 * fit.coef[column]).abs() < 1e-7);
        }
    }
}
