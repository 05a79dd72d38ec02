//! A tree as a file has it: columns of numbers, which are short to store and quick to read.
//!
//! Reading checks everything that [`Tree::new`] demands, so no file makes a walk that does not end.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Node, NodeKind, Test, Tree, TreeError};

/// The file form of a tree: one list per property, −1 for the children of a leaf.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TreeColumns {
    feature: Vec<i64>,
    threshold: Vec<f64>,
    left: Vec<i64>,
    right: Vec<i64>,
    default_left: Vec<bool>,
    value: Vec<f64>,
    cover: Vec<u64>,
    /// The category sets of the nodes that have one, as pairs of node and codes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    categories: Vec<(usize, Vec<u32>)>,
}

impl From<Tree> for TreeColumns {
    fn from(tree: Tree) -> Self {
        let mut columns = Self::default();
        for (index, node) in tree.nodes.into_iter().enumerate() {
            let (feature, threshold, left, right, default_left, value) = match node.kind {
                NodeKind::Leaf(value) => (-1, 0.0, -1, -1, false, value),
                NodeKind::Branch { feature, test, left, right, default_left } => {
                    let threshold = match test {
                        Test::Below(threshold) => threshold,
                        Test::In(codes) => {
                            columns.categories.push((index, codes));
                            0.0
                        }
                    };
                    (i64::from(feature), threshold, i64::from(left), i64::from(right), default_left, 0.0)
                }
            };
            columns.feature.push(feature);
            columns.threshold.push(threshold);
            columns.left.push(left);
            columns.right.push(right);
            columns.default_left.push(default_left);
            columns.value.push(value);
            columns.cover.push(node.cover);
        }
        columns
    }
}

impl TryFrom<TreeColumns> for Tree {
    type Error = TreeError;

    fn try_from(columns: TreeColumns) -> Result<Self, TreeError> {
        let count = columns.feature.len();
        let lengths = [columns.threshold.len(), columns.left.len(), columns.right.len(), columns.default_left.len()];
        if lengths.iter().chain([&columns.value.len(), &columns.cover.len()]).any(|&length| length != count) {
            return Err(TreeError { node: count, what: "is not described by every list" });
        }
        let index = |value: i64, node| u32::try_from(value).map_err(|_| TreeError { node, what: "has a bad index" });
        let mut categories: BTreeMap<usize, Vec<u32>> = columns.categories.into_iter().collect();
        let nodes = (0..count).map(|node| {
            let kind = if columns.feature[node] == -1 {
                NodeKind::Leaf(columns.value[node])
            } else {
                let codes = categories.remove(&node);
                NodeKind::Branch {
                    feature: index(columns.feature[node], node)?,
                    test: codes.map_or(Test::Below(columns.threshold[node]), Test::In),
                    left: index(columns.left[node], node)?,
                    right: index(columns.right[node], node)?,
                    default_left: columns.default_left[node],
                }
            };
            Ok(Node { cover: columns.cover[node], kind })
        });
        let nodes = nodes.collect::<Result<_, _>>()?;
        match categories.keys().next() {
            Some(&node) => Err(TreeError { node, what: "has codes but no branch to use them" }),
            None => Self::new(nodes),
        }
    }
}
