//! P-values of several tests, adjusted so that they can be read as if each were the only one.
//!
//! An adjusted value is compared with the level itself. Ties keep the order in which they were given, so equal inputs
//! give equal outputs.

/// Holm (1979): the chance of one or more false findings among all tests stays below the level, whatever their
/// dependence. `p` are numbers from 0 to 1, adjusted in place order.
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut adjusted = vec![0.0; p.len()];
    let mut floor = 0.0_f64;
    for (rank, &test) in ascending(p).iter().enumerate() {
        floor = floor.max((p.len() - rank) as f64 * p[test]).min(1.0);
        adjusted[test] = floor;
    }
    adjusted
}

/// Benjamini and Hochberg (1995): the expected share of false findings among the findings stays below the level, for
/// independent or positively dependent tests. `p` as for [`holm`].
pub fn benjamini_hochberg(p: &[f64]) -> Vec<f64> {
    let mut adjusted = vec![0.0; p.len()];
    let mut ceiling = 1.0_f64;
    for (rank, &test) in ascending(p).iter().enumerate().rev() {
        ceiling = ceiling.min(p[test] * (p.len() as f64 / (rank + 1) as f64));
        adjusted[test] = ceiling;
    }
    adjusted
}

fn ascending(p: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]).then(a.cmp(&b)));
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(serde::Deserialize)]
    struct Case {
        p: Vec<f64>,
        holm: Vec<f64>,
        fdr_bh: Vec<f64>,
    }

    #[test]
    fn values_are_those_of_statsmodels() {
        let text = include_str!("../../fixtures/multiplicity.json");
        let fixture: serde_json::Value = serde_json::from_str(text).expect("a fixture");
        let cases: Vec<Case> = serde_json::from_value(fixture["cases"].clone()).expect("cases");
        assert!(cases.len() >= 20);
        for case in cases {
            for (own, reference) in [(holm(&case.p), &case.holm), (benjamini_hochberg(&case.p), &case.fdr_bh)] {
                let near = own.iter().zip(reference).all(|(a, b)| (a - b).abs() < 1e-12);
                assert!(near && own.len() == reference.len(), "{:?}: {own:?} {reference:?}", case.p);
            }
        }
    }

    proptest! {
        #[test]
        fn adjusting_keeps_the_order_and_never_lowers(p in prop::collection::vec(0.0..=1.0_f64, 0..30)) {
            for adjusted in [holm(&p), benjamini_hochberg(&p)] {
                for a in 0..p.len() {
                    prop_assert!(adjusted[a] >= p[a] && adjusted[a] <= 1.0);
                    for b in 0..p.len() {
                        prop_assert!(p[a] > p[b] || adjusted[a] <= adjusted[b]);
                    }
                }
            }
        }
    }
}
