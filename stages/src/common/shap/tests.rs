//! The laws: Shapley's definition on small trees, additivity and independence of threads on large ones.

use proptest::prelude::*;

use super::{ShapError, linear, trees};
use crate::common::rng::Stream;
use crate::common::tree::{Node, NodeKind, Test, Tree, TreeEnsemble};

/// A random tree of about `branches` branches over `columns` columns: thresholds and category sets, features asked for
/// again on the same path, covers that may be 0 on one or both sides.
fn random_tree(stream: &mut Stream, branches: usize, columns: usize) -> Tree {
    let mut nodes = vec![Node { cover: 0, kind: NodeKind::Leaf(stream.normal()) }];
    for _ in 0..branches {
        let leaves: Vec<usize> = (0..nodes.len()).filter(|&at| matches!(nodes[at].kind, NodeKind::Leaf(_))).collect();
        let at = leaves[stream.below(leaves.len() as u64) as usize];
        let test = if stream.chance(0.3) {
            Test::In((0..5).filter(|_| stream.chance(0.5)).collect())
        } else {
            Test::Below(stream.below(8) as f64 / 2.0)
        };
        let left = nodes.len() as u32;
        let feature = stream.below(columns as u64) as u32;
        let default_left = stream.chance(0.5);
        nodes[at].kind = NodeKind::Branch { feature, test, left, right: left + 1, default_left };
        for _ in 0..2 {
            let cover = if stream.chance(0.15) { 0 } else { 1 + stream.below(50) };
            nodes.push(Node { cover, kind: NodeKind::Leaf(stream.normal()) });
        }
    }
    Tree::new(nodes).expect("children follow parents")
}

fn random_rows(stream: &mut Stream, rows: usize, columns: usize) -> Vec<f64> {
    let value = |stream: &mut Stream| if stream.chance(0.15) { f64::NAN } else { stream.below(9) as f64 / 2.0 };
    (0..rows * columns).map(|_| value(stream)).collect()
}

/// The mean over the training rows of a tree's value when only the columns in the bit set are known.
fn expected(tree: &Tree, at: usize, row: &[f64], known: usize) -> f64 {
    match &tree.nodes()[at].kind {
        NodeKind::Leaf(value) => *value,
        NodeKind::Branch { feature, test, left, right, default_left } => {
            let value = row[*feature as usize];
            if known >> feature & 1 == 1 {
                let next = if test.sends_left(value, *default_left) { left } else { right };
                return expected(tree, *next as usize, row, known);
            }
            let [a, b] = [*left, *right].map(|child| tree.nodes()[child as usize].cover as f64);
            let share = if a + b > 0.0 { a / (a + b) } else { 0.5 };
            share * expected(tree, *left as usize, row, known)
                + (1.0 - share) * expected(tree, *right as usize, row, known)
        }
    }
}

/// Shapley's definition over all subsets of the columns.
fn by_definition(tree: &Tree, row: &[f64]) -> Vec<f64> {
    let columns = row.len();
    let values: Vec<f64> = (0..1 << columns).map(|known| expected(tree, 0, row, known)).collect();
    let factorial = |n: usize| (1..=n).map(|k| k as f64).product::<f64>();
    let value = |column: usize| {
        let without = (0..1_usize << columns).filter(|known| known >> column & 1 == 0);
        let term = |known: usize| {
            let size = known.count_ones() as usize;
            let weight = factorial(size) * factorial(columns - size - 1) / factorial(columns);
            weight * (values[known | 1 << column] - values[known])
        };
        without.map(term).sum()
    };
    (0..columns).map(value).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn values_are_those_of_shapleys_definition(seed: u64, branches in 0..20_usize, columns in 1..7_usize) {
        let mut stream = Stream::new(seed, "tree");
        let tree = random_tree(&mut stream, branches, columns);
        let rows = random_rows(&mut stream, 6, columns);
        let ensemble = TreeEnsemble { base: 0.5, trees: vec![tree] };
        let found = trees(&ensemble, &rows, columns).expect("columns fit");
        prop_assert!((found.base - 0.5 - expected(&ensemble.trees[0], 0, &rows, 0)).abs() < 1e-13);
        for (row, values) in rows.chunks_exact(columns).enumerate() {
            for (found, defined) in found.row(row).iter().zip(by_definition(&ensemble.trees[0], values)) {
                prop_assert!((found - defined).abs() < 1e-12, "{found} is not {defined}");
            }
        }
    }

    #[test]
    fn base_and_contributions_make_the_margin(seed: u64, branches in 0..300_usize, columns in 1..60_usize) {
        let mut stream = Stream::new(seed, "ensemble");
        let grown = (0..5).map(|_| random_tree(&mut stream, branches, columns)).collect();
        let ensemble = TreeEnsemble { base: stream.normal(), trees: grown };
        let rows = random_rows(&mut stream, 20, columns);
        let found = trees(&ensemble, &rows, columns).expect("columns fit");
        for (row, values) in rows.chunks_exact(columns).enumerate() {
            let sum = found.base + found.row(row).iter().sum::<f64>();
            prop_assert!((sum - ensemble.margin(values)).abs() < 1e-11, "{sum} is not {}", ensemble.margin(values));
        }
    }
}

/// A path of `depth` branches, each on a column of its own, so that every rule of the quadrature is used.
fn chain(depth: usize) -> Tree {
    let branch = |at: usize| NodeKind::Branch {
        feature: at as u32,
        test: Test::Below(1.0),
        left: 2 * at as u32 + 1,
        right: 2 * at as u32 + 2,
        default_left: true,
    };
    let mut nodes = vec![Node { cover: depth as u64 + 1, kind: NodeKind::Leaf(0.0) }];
    for at in 0..depth {
        nodes[2 * at].kind = branch(at);
        nodes.push(Node { cover: 1, kind: NodeKind::Leaf(at as f64) });
        nodes.push(Node { cover: (depth - at) as u64, kind: NodeKind::Leaf(-1.0) });
    }
    Tree::new(nodes).expect("children follow parents")
}

#[test]
fn long_paths_of_distinct_features_stay_additive() {
    for depth in [1, 3, 5, 9, 15, 16, 17, 24, 31, 40, 128, 129, 500, 700] {
        let ensemble = TreeEnsemble { base: 0.0, trees: vec![chain(depth)] };
        for value in [0.0, 2.0, f64::NAN] {
            let mut row = vec![2.0; depth];
            row[depth / 2] = value;
            let found = trees(&ensemble, &row, depth).expect("columns fit");
            let sum = found.base + found.row(0).iter().sum::<f64>();
            let margin = ensemble.margin(&row);
            assert!((sum - margin).abs() < 1e-9, "{depth} features: {sum} is not {margin}");
        }
    }
}

#[test]
fn bits_depend_neither_on_threads_nor_on_other_rows() {
    let mut stream = Stream::new(5, "threads");
    let grown = (0..8).map(|_| random_tree(&mut stream, 40, 7)).collect();
    let ensemble = TreeEnsemble { base: 0.0, trees: grown };
    let rows = random_rows(&mut stream, 700, 7);
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
        pool.install(|| trees(&ensemble, &rows, 7).expect("columns fit"))
    };
    let one = run(1);
    assert_eq!(one, run(3));
    for row in [0, 333, 699] {
        let alone = trees(&ensemble, &rows[row * 7..(row + 1) * 7], 7).expect("columns fit");
        assert_eq!(alone.row(0), one.row(row));
    }
}

#[test]
fn the_bits_are_frozen() {
    let mut stream = Stream::new(6, "bits");
    let grown = (0..6).map(|_| random_tree(&mut stream, 30, 9)).collect();
    let ensemble = TreeEnsemble { base: 0.25, trees: grown };
    let rows = random_rows(&mut stream, 40, 9);
    let found = trees(&ensemble, &rows, 9).expect("columns fit");
    let bits: Vec<u8> = (0..40).flat_map(|row| found.row(row).to_vec()).flat_map(f64::to_le_bytes).collect();
    let digest = blake3::hash(&[&found.base.to_le_bytes()[..], &bits].concat()).to_hex();
    assert_eq!(&digest[..16], "f7e646858ba71201", "contributions moved: raise the version of `explain`");
}

#[test]
fn a_model_that_reads_more_columns_than_there_are_is_refused() {
    let ensemble = TreeEnsemble { base: 0.0, trees: vec![chain(3)] };
    assert_eq!(trees(&ensemble, &[0.0, 0.0], 2), Err(ShapError::Column { column: 2, columns: 2 }));
    assert!(linear(0.0, &[1.0], &[0.0, 0.0], &[1.0, 1.0], 2).is_err());
    let constant = TreeEnsemble { base: 2.0, trees: vec![chain(0)] };
    assert_eq!(trees(&constant, &[], 0).expect("a constant").base, 2.0);
}

#[test]
fn a_linear_margin_is_divided_at_the_means() {
    let found = linear(1.0, &[2.0, -1.0], &[0.5, 3.0], &[1.5, 3.0, 0.5, 1.0], 2).expect("lengths fit");
    assert_eq!(found.base, -1.0);
    assert_eq!(found.row(0), [2.0, 0.0]);
    assert_eq!(found.row(1), [0.0, 2.0]);
}
