//! Our trees as the attributes of one TreeEnsembleRegressor.
//!
//! The operator has no category sets: a set becomes a chain of equality tests, one a code, that share the child of the
//! match. A missing value takes its side at the first test of a chain, or falls through all of them.

use clinpipe_stages::common::tree::TreeEnsemble;

use super::super::error::ExportError;
use super::super::trees::{Branching, Kind, with_base_in_leaves};
use super::part::Part;
use super::proto::{Attribute, NodeProto};

/// The operator's attributes, one entry a node or a leaf.
#[derive(Default)]
struct Lists {
    tree: Vec<i64>,
    node: Vec<i64>,
    feature: Vec<i64>,
    mode: Vec<&'static str>,
    value: Vec<f64>,
    yes: Vec<i64>,
    no: Vec<i64>,
    missing_is_yes: Vec<i64>,
    leaf_tree: Vec<i64>,
    leaf_node: Vec<i64>,
    leaf_value: Vec<f64>,
}

/// The node that adds up the leaves that a row of `x` reaches.
pub fn leaf_sum(part: &Part, ensemble: &TreeEnsemble) -> Result<NodeProto, ExportError> {
    let mut lists = Lists::default();
    for (id, nodes) in with_base_in_leaves(ensemble)?.iter().enumerate() {
        lists.push_tree(id as i64, nodes);
    }
    Ok(NodeProto {
        domain: "ai.onnx.ml".to_owned(),
        attribute: lists.attributes(),
        ..part.node("TreeEnsembleRegressor", &["x"], "leaf_sum")
    })
}

impl Lists {
    fn push_tree(&mut self, tree: i64, nodes: &[Branching]) {
        // A set takes as many nodes as it has codes, so nodes get new numbers.
        let mut next = 0;
        let starts = nodes.iter().map(|node| {
            let start = next;
            next += if let Kind::In { codes, .. } = &node.kind { codes.len() as i64 } else { 1 };
            start
        });
        let starts: Vec<i64> = starts.collect();
        for (node, &start) in nodes.iter().zip(&starts) {
            let at = |child: u32| starts[child as usize];
            match &node.kind {
                Kind::Leaf(value) => {
                    self.push((tree, start), "LEAF", (0, 0.0), (0, 0), false);
                    self.leaf_tree.push(tree);
                    self.leaf_node.push(start);
                    self.leaf_value.push(*value);
                }
                Kind::Below { feature, threshold, yes, no, missing_is_yes } => {
                    let question = (*feature, *threshold);
                    self.push((tree, start), "BRANCH_LT", question, (at(*yes), at(*no)), *missing_is_yes);
                }
                Kind::In { feature, codes, yes, no, missing_is_yes } => {
                    for (step, code) in codes.iter().enumerate() {
                        let place = start + step as i64;
                        let otherwise = if step + 1 == codes.len() { at(*no) } else { place + 1 };
                        let question = (*feature, f64::from(*code));
                        self.push((tree, place), "BRANCH_EQ", question, (at(*yes), otherwise), *missing_is_yes);
                    }
                }
            }
        }
    }

    fn push(
        &mut self,
        (tree, node): (i64, i64),
        mode: &'static str,
        (feature, value): (u32, f64),
        (yes, no): (i64, i64),
        missing_is_yes: bool,
    ) {
        self.tree.push(tree);
        self.node.push(node);
        self.feature.push(i64::from(feature));
        self.mode.push(mode);
        self.value.push(value);
        self.yes.push(yes);
        self.no.push(no);
        self.missing_is_yes.push(i64::from(missing_is_yes));
    }

    fn attributes(self) -> Vec<Attribute> {
        let targets = vec![0; self.leaf_tree.len()];
        vec![
            Attribute::text("aggregate_function", "SUM"),
            Attribute::int("n_targets", 1),
            Attribute::ints("nodes_falsenodeids", self.no),
            Attribute::ints("nodes_featureids", self.feature),
            Attribute::ints("nodes_missing_value_tracks_true", self.missing_is_yes),
            Attribute::texts("nodes_modes", &self.mode),
            Attribute::ints("nodes_nodeids", self.node),
            Attribute::ints("nodes_treeids", self.tree),
            Attribute::ints("nodes_truenodeids", self.yes),
            Attribute::doubles("nodes_values_as_tensor", &self.value),
            Attribute::text("post_transform", "NONE"),
            Attribute::ints("target_ids", targets),
            Attribute::ints("target_nodeids", self.leaf_node),
            Attribute::ints("target_treeids", self.leaf_tree),
            Attribute::doubles("target_weights_as_tensor", &self.leaf_value),
        ]
    }
}
