//! How far the shares of two counts over the same bins or levels are apart: PSI and Jensen–Shannon.
//!
//! Invariants: `None` where either side is empty, never NaN; `libm` only; the order of the bins does not matter but for
//! rounding. Bins are those of the reference: edges that moved with the current data would hide what moved.

/// A bin's least share in [`psi`], which has no value for an empty one.
pub const LEAST_SHARE: f64 = 1e-4;

fn shares(counts: &[u64]) -> Option<Vec<f64>> {
    let total: u64 = counts.iter().sum();
    (total > 0).then(|| counts.iter().map(|&count| count as f64 / total as f64).collect())
}

/// The population stability index Σ(q − p) ln(q/p) of reference shares p and current ones q. Shares below
/// [`LEAST_SHARE`] are raised to it, and all of them divided by their sum then. `None` when either side is empty or
/// the two differ in length.
pub fn psi(reference: &[u64], current: &[u64]) -> Option<f64> {
    let raised = |counts: &[u64]| {
        let raised: Vec<f64> = shares(counts)?.into_iter().map(|share| share.max(LEAST_SHARE)).collect();
        let sum: f64 = raised.iter().sum();
        Some(raised.into_iter().map(|share| share / sum).collect::<Vec<f64>>())
    };
    let (p, q) = (raised(reference)?, raised(current)?);
    (p.len() == q.len()).then(|| p.iter().zip(&q).map(|(p, q)| (q - p) * libm::log(q / p)).sum())
}

/// The Jensen–Shannon distance: the root of the divergence in bits, from 0 to 1. `None` as for [`psi`].
pub fn jensen_shannon(reference: &[u64], current: &[u64]) -> Option<f64> {
    let (p, q) = (shares(reference)?, shares(current)?);
    let towards = |share: f64, middle: f64| if share > 0.0 { share * libm::log2(share / middle) } else { 0.0 };
    let divergence = p.iter().zip(&q).map(|(&p, &q)| {
        let middle = f64::midpoint(p, q);
        0.5 * (towards(p, middle) + towards(q, middle))
    });
    (p.len() == q.len()).then(|| libm::sqrt(divergence.sum::<f64>().clamp(0.0, 1.0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::contingency;
    use serde_json::Value;

    #[test]
    fn distances_are_those_of_scipy() {
        let fixture: Value = serde_json::from_str(include_str!("../../fixtures/drift.json")).expect("a fixture");
        let cases = fixture["counts"].as_array().expect("cases");
        assert!(cases.len() >= 200);
        for case in cases {
            let [a, b]: [Vec<u64>; 2] =
                ["a", "b"].map(|side| serde_json::from_value(case[side].clone()).expect("counts"));
            for (own, key) in [
                (psi(&a, &b), "psi"),
                (jensen_shannon(&a, &b), "js"),
                (contingency::chi_square(&[a.clone(), b.clone()]), "chi_square"),
            ] {
                let reference = case[key].as_f64();
                let near = match (own, reference) {
                    (Some(own), Some(reference)) => (own - reference).abs() < 1e-9,
                    (own, reference) => own.is_none() && reference.is_none(),
                };
                assert!(near, "{key} of {a:?} {b:?}: {own:?} {reference:?}");
            }
        }
    }

    #[test]
    fn equal_shares_are_not_apart_and_an_empty_side_has_none() {
        assert_eq!((psi(&[1, 2], &[10, 20]), jensen_shannon(&[1, 2], &[10, 20])), (Some(0.0), Some(0.0)));
        assert_eq!((psi(&[0, 0], &[1, 2]), jensen_shannon(&[1], &[0])), (None, None));
        assert_eq!(psi(&[1], &[1, 2]), None);
        assert_eq!(jensen_shannon(&[1, 0], &[0, 1]), Some(1.0));
    }
}
