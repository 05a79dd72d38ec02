//! Against the shap package's own tree code: `fixtures/shap_reference.py` says how its values were made.

use serde::Deserialize;

use super::trees;
use crate::common::tree::{Node, NodeKind, Test, Tree, TreeEnsemble};

#[derive(Deserialize)]
struct Case {
    base: f64,
    trees: Vec<Arrays>,
    rows: Vec<Vec<Option<f64>>>,
    expected: f64,
    contributions: Vec<Vec<f64>>,
}

#[derive(Deserialize)]
struct Arrays {
    left: Vec<i64>,
    right: Vec<i64>,
    default_left: Vec<bool>,
    feature: Vec<i64>,
    threshold: Vec<f64>,
    value: Vec<f64>,
    cover: Vec<u64>,
}

impl Arrays {
    fn tree(&self) -> Tree {
        let node = |at: usize| {
            let kind = if self.feature[at] < 0 {
                NodeKind::Leaf(self.value[at])
            } else {
                NodeKind::Branch {
                    feature: self.feature[at] as u32,
                    test: Test::Below(self.threshold[at]),
                    left: self.left[at] as u32,
                    right: self.right[at] as u32,
                    default_left: self.default_left[at],
                }
            };
            Node { cover: self.cover[at], kind }
        };
        Tree::new((0..self.feature.len()).map(node).collect()).expect("children follow parents")
    }
}

#[test]
fn contributions_are_those_of_the_shap_package() {
    let text = include_str!("../../../fixtures/shap_reference.json");
    let cases: Vec<Case> = serde_json::from_str(text).expect("the fixture");
    let mut largest = 0.0_f64;
    for case in &cases {
        let ensemble = TreeEnsemble { base: case.base, trees: case.trees.iter().map(Arrays::tree).collect() };
        let columns = case.rows[0].len();
        let values: Vec<f64> = case.rows.iter().flatten().map(|value| value.unwrap_or(f64::NAN)).collect();
        let found = trees(&ensemble, &values, columns).expect("columns fit");
        assert!((found.base - case.expected).abs() < 1e-12, "base {} is not {}", found.base, case.expected);
        for (row, expected) in case.contributions.iter().enumerate() {
            for (column, (found, expected)) in found.row(row).iter().zip(expected).enumerate() {
                largest = largest.max((found - expected).abs());
                assert!((found - expected).abs() < 1e-9, "row {row}, column {column}: {found} is not {expected}");
            }
        }
    }
    assert!(largest < 1e-12, "the largest difference is {largest:e}");
}
