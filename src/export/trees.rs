//! What every tree format needs to know of our trees.

use clinpipe_stages::common::tree::{NodeKind, Test, Tree, TreeEnsemble};

use super::error::ExportError;

/// The trees of a model with its base in the leaves of the first, so that the margin is the sum of the leaves alone.
/// Base and leaves lie on one binary grid, so nothing is rounded. A model without trees becomes one leaf.
pub fn with_base_in_leaves(ensemble: &TreeEnsemble) -> Result<Vec<Vec<Branching>>, ExportError> {
    let mut trees: Vec<Vec<Branching>> = ensemble.trees.iter().map(branchings).collect();
    if trees.is_empty() {
        trees.push(vec![Branching { cover: 0, kind: Kind::Leaf(0.0) }]);
    }
    for node in &mut trees[0] {
        if let Kind::Leaf(value) = &mut node.kind {
            *value += ensemble.base;
        }
    }
    let unfit =
        |nodes: &Vec<Branching>| nodes.iter().any(|node| matches!(node.kind, Kind::Leaf(v) if single(v).is_none()));
    match trees.iter().position(unfit) {
        Some(tree) => Err(ExportError::Unrepresentable { tree, what: "a leaf" }),
        None => Ok(trees),
    }
}

/// One node of a tree in a form that other libraries have.
#[derive(Debug, Clone, PartialEq)]
pub struct Branching {
    /// Training rows that reach it.
    pub cover: u64,
    /// Leaf or branch.
    pub kind: Kind,
}

/// What a node does. Children are indices that follow the node's own.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// Ends with this value.
    Leaf(f64),
    /// `yes` when the value is below the threshold.
    Below { feature: u32, threshold: f64, yes: u32, no: u32, missing_is_yes: bool },
    /// `yes` when the value is one of the codes, of which there is at least one.
    In { feature: u32, codes: Vec<u32>, yes: u32, no: u32, missing_is_yes: bool },
}

fn branchings(tree: &Tree) -> Vec<Branching> {
    let nodes = tree.nodes().iter().map(|node| {
        let kind = match &node.kind {
            NodeKind::Leaf(value) => Kind::Leaf(*value),
            NodeKind::Branch { feature, test, left, right, default_left } => {
                let (feature, yes, no, missing_is_yes) = (*feature, *left, *right, *default_left);
                match test {
                    Test::Below(threshold) => Kind::Below { feature, threshold: *threshold, yes, no, missing_is_yes },
                    // Codes are never negative, so that nothing is below 0 says the same as an empty set.
                    Test::In(codes) if codes.is_empty() => {
                        Kind::Below { feature, threshold: 0.0, yes, no, missing_is_yes }
                    }
                    Test::In(codes) => Kind::In { feature, codes: codes.clone(), yes, no, missing_is_yes },
                }
            }
        };
        Branching { cover: node.cover, kind }
    });
    nodes.collect()
}

/// The value as a 32-bit float, when it is one.
pub fn single(value: f64) -> Option<f32> {
    let narrow = value as f32;
    (narrow.is_finite() && f64::from(narrow) == value).then_some(narrow)
}

/// The smallest 32-bit float that is not below the value: as a threshold it splits 32-bit floats as the value does.
pub fn single_at_least(value: f64) -> Option<f32> {
    let near = value as f32;
    let fit = if f64::from(near) < value { near.next_up() } else { near };
    fit.is_finite().then_some(fit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rounded_threshold_splits_single_floats_as_before() {
        for threshold in [0.1, -0.1, 1.0 / 3.0, 16_777_217.0, f64::from(f32::MIN_POSITIVE) / 3.0, 2.5] {
            let single = single_at_least(threshold).expect("in range");
            for value in [single.next_down(), single, single.next_up()] {
                assert_eq!(value < single, f64::from(value) < threshold, "{threshold}");
            }
        }
        assert_eq!(single_at_least(f64::MAX), None);
        assert_eq!(single_at_least(f64::INFINITY), None);
        assert_eq!(single(0.1), None);
        assert_eq!(single(-0.75), Some(-0.75));
    }
}
