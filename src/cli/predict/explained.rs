//! The columns that `predict --explain` adds: why each row was scored as it was.
//!
//! margin = shap_base + the sum of the `shap:` columns. Several averaged models have a set of columns each, named after
//! their learner.

use clinpipe_stages::bundle::{Bundle, BundleError, Explanation};
use clinpipe_stages::common::frame::Frame;

use super::answer::{Answer, Values};

/// Adds the explanation of every row of a table and tells how to read it. With `top`, features beyond the that many
/// which move the margin most on average are summed up in one column, and the others come in that order.
pub(super) fn explain(
    bundle: &Bundle,
    table: &Frame,
    top: Option<usize>,
    answer: &mut Answer,
) -> Result<String, BundleError> {
    let members = bundle.explain(table)?.members;
    for one in &members {
        let of = if members.len() > 1 { format!(":{}", one.learner.as_str()) } else { String::new() };
        answer.push(format!("margin{of}"), Values::Numbers(one.margins.clone()));
        answer.push(format!("shap_base{of}"), Values::Numbers(vec![one.base; one.margins.len()]));
        let (shown, rest) = choose(one, top);
        for feature in shown {
            let values = Values::Numbers(one.column(feature).collect());
            answer.push(format!("shap{of}:{}", one.features[feature]), values);
        }
        if !rest.is_empty() {
            let sum = |row| rest.iter().fold(0.0, |sum, &feature| sum + one.row(row)[feature]);
            answer.push(format!("shap_other{of}"), Values::Numbers((0..one.margins.len()).map(sum).collect()));
        }
    }
    let scale = |one: &Explanation| format!("{} ({})", one.learner.as_str(), one.scale.as_str());
    let units: Vec<String> = members.iter().map(scale).collect();
    Ok(format!("margin = shap_base + the sum of the shap columns; unit: {}", units.join(", ")))
}

/// The features to show and those to sum up. Ties go by the order of the features.
fn choose(one: &Explanation, top: Option<usize>) -> (Vec<usize>, Vec<usize>) {
    let mut features: Vec<usize> = (0..one.features.len()).collect();
    let Some(top) = top else { return (features, Vec::new()) };
    let moved: Vec<f64> = features.iter().map(|&feature| one.column(feature).map(f64::abs).sum()).collect();
    features.sort_by(|&a, &b| moved[b].total_cmp(&moved[a]).then(a.cmp(&b)));
    let rest = features.split_off(top.min(features.len()));
    (features, rest)
}
