//! Scores of encoded columns: how much they vary, and how much a fitted model leans on them.
//!
//! All are finite, at least 0, and sums run in a fixed order.

use crate::common::tree::{NodeKind, Tree, TreeEnsemble};
use crate::train::preprocess::Matrix;

/// The variance of every column after it is moved to the range from 0 to 1, so that units do not matter; a 0/1 column
/// with a share p of ones has p(1 − p), a constant one 0.
pub(super) fn variances(x: &Matrix) -> Vec<f64> {
    let n = x.rows.max(1) as f64;
    let variance = |column: usize| {
        let cells = || (0..x.rows).map(|row| x.row(row)[column]);
        let (low, high) = cells().fold((f64::MAX, f64::MIN), |(low, high), cell| (low.min(cell), high.max(cell)));
        let range = high - low;
        if range.is_nan() || range <= 0.0 {
            return 0.0;
        }
        let moved = || cells().map(|cell| (cell - low) / range);
        let mean = moved().sum::<f64>() / n;
        moved().map(|cell| (cell - mean) * (cell - mean)).sum::<f64>() / n
    };
    (0..x.cols).map(variance).collect()
}

/// |coefficient| · standard deviation of every column.
pub(super) fn standardised(coef: &[f64], x: &Matrix) -> Vec<f64> {
    let n = x.rows.max(1) as f64;
    let spread = |column: usize| {
        let mean = (0..x.rows).map(|row| x.row(row)[column]).sum::<f64>() / n;
        let squares = (0..x.rows).map(|row| x.row(row)[column] - mean).map(|d| d * d).sum::<f64>();
        libm::sqrt(squares / n)
    };
    coef.iter().enumerate().map(|(column, value)| value.abs() * spread(column)).collect()
}

/// The squared error that the splits on each column remove, over all trees: Σ cover · (value − parent's value)² of
/// the two children, a node's value being the mean of its leaves by cover. Covers must have been counted.
pub(super) fn of_trees(trees: &TreeEnsemble, columns: usize) -> Vec<f64> {
    let mut gains = vec![0.0; columns];
    for tree in &trees.trees {
        add_gains(tree, &mut gains);
    }
    gains
}

fn add_gains(tree: &Tree, gains: &mut [f64]) {
    let nodes = tree.nodes();
    let mut value = vec![0.0; nodes.len()];
    // Children follow their parents, so they are settled first.
    for (index, node) in nodes.iter().enumerate().rev() {
        match &node.kind {
            NodeKind::Leaf(leaf) => value[index] = *leaf,
            NodeKind::Branch { feature, left, right, .. } => {
                let sides = [*left as usize, *right as usize].map(|child| (nodes[child].cover as f64, value[child]));
                let cover = sides[0].0 + sides[1].0;
                if cover == 0.0 {
                    continue;
                }
                value[index] = sides.iter().map(|(cover, value)| cover * value).sum::<f64>() / cover;
                let gain = |(cover, side): &(f64, f64)| cover * (side - value[index]) * (side - value[index]);
                if let Some(sum) = gains.get_mut(*feature as usize) {
                    *sum += sides.iter().map(gain).sum::<f64>();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::tree::{Node, Test};

    #[test]
    fn variances_are_free_of_units() {
        let x = Matrix { rows: 4, cols: 3, values: vec![0.0, 1.0, 7.0, 0.0, 1.0, 7.0, 5e9, 0.0, 7.0, 0.0, 1.0, 7.0] };
        assert_eq!(variances(&x), [0.1875, 0.1875, 0.0]);
        assert_eq!(standardised(&[-2.0, 0.0, 5.0], &x)[1..], [0.0, 0.0]);
        let empty = Matrix { rows: 0, cols: 1, values: vec![] };
        assert_eq!((variances(&empty), standardised(&[1.0], &empty)), (vec![0.0], vec![0.0]));
    }

    #[test]
    fn gains_are_the_error_that_splits_remove() {
        let branch = |feature, left, right, cover| {
            let kind = NodeKind::Branch { feature, test: Test::Below(0.0), left, right, default_left: true };
            Node { cover, kind }
        };
        let leaf = |value, cover| Node { cover, kind: NodeKind::Leaf(value) };
        let nodes = vec![branch(1, 1, 2, 10), leaf(0.0, 6), branch(0, 3, 4, 4), leaf(1.0, 1), leaf(0.5, 3)];
        let trees = TreeEnsemble { base: 0.0, trees: vec![Tree::new(nodes).expect("children follow parents")] };
        // The right child has the value 0.625, the root 0.25.
        let gains = of_trees(&trees, 3);
        let expected = [0.375 * 0.375 + 3.0 * 0.125 * 0.125, 6.0 * 0.0625 + 4.0 * 0.375 * 0.375, 0.0];
        for (gain, expected) in gains.iter().zip(expected) {
            assert!((gain - expected).abs() < 1e-15);
        }
    }
}
