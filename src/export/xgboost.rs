//! XGBoost's JSON, as its version 3.2 writes it.
//!
//! The base margin goes into the leaves of the first tree and `base_score` is where the objective's link gives exactly
//! 0, so XGBoost adds up the same 32-bit numbers as we do and its margin has the same bits. What differs in spelling:
//! there a matching category goes right, so the children of a category node change places; gains are not known here
//! and are 0; `sum_hessian` counts training rows.

use clinpipe_stages::bundle::ScoringModel;
use clinpipe_stages::common::target::Task;
use clinpipe_stages::common::tree::TreeEnsemble;
use clinpipe_stages::train::Model;
use serde::Serialize;

use super::columns::{Columns, EncodedColumn};
use super::error::ExportError;
use super::trees::{Branching, Kind, single_at_least, with_base_in_leaves};

/// The release whose schema is followed.
const VERSION: [u32; 3] = [3, 2, 0];
/// The parent of a root.
const NO_PARENT: i32 = i32::MAX;
/// Codes from here on are no categories to XGBoost.
const CODES: u32 = 1 << 24;

#[derive(Serialize)]
struct Document<'a> {
    learner: Learner<'a>,
    version: [u32; 3],
}

#[derive(Serialize)]
#[expect(clippy::struct_field_names, reason = "the names are those of XGBoost's format")]
struct Learner<'a> {
    attributes: Attributes<'a>,
    feature_names: Vec<&'a str>,
    feature_types: Vec<&'static str>,
    gradient_booster: Booster,
    learner_model_param: LearnerParam,
    objective: Objective,
}

#[derive(Serialize)]
struct Attributes<'a> {
    clinpipe_bundle: &'a str,
    clinpipe_columns: String,
}

#[derive(Serialize)]
struct Booster {
    model: Trees,
    name: &'static str,
}

#[derive(Serialize)]
#[expect(clippy::struct_field_names, reason = "the names are those of XGBoost's format")]
struct Trees {
    cats: Categories,
    gbtree_model_param: TreesParam,
    iteration_indptr: Vec<i32>,
    tree_info: Vec<i32>,
    trees: Vec<XgbTree>,
}

/// Names of categories; we hand over codes, so there are none.
#[derive(Serialize)]
struct Categories {
    enc: [u8; 0],
    feature_segments: [u8; 0],
    sorted_idx: [u8; 0],
}

#[derive(Serialize)]
struct TreesParam {
    num_parallel_tree: &'static str,
    num_trees: String,
}

#[derive(Serialize)]
struct LearnerParam {
    base_score: &'static str,
    boost_from_average: &'static str,
    num_class: &'static str,
    num_feature: String,
    num_target: &'static str,
}

#[derive(Serialize)]
struct Objective {
    name: &'static str,
    reg_loss_param: LossParam,
}

#[derive(Serialize)]
struct LossParam {
    scale_pos_weight: &'static str,
}

#[derive(Default, Serialize)]
struct XgbTree {
    base_weights: Vec<f32>,
    categories: Vec<u32>,
    categories_nodes: Vec<usize>,
    categories_segments: Vec<usize>,
    categories_sizes: Vec<usize>,
    default_left: Vec<u8>,
    id: usize,
    left_children: Vec<i32>,
    loss_changes: Vec<f32>,
    parents: Vec<i32>,
    right_children: Vec<i32>,
    split_conditions: Vec<f32>,
    split_indices: Vec<u32>,
    split_type: Vec<u8>,
    sum_hessian: Vec<f32>,
    tree_param: TreeParam,
}

#[derive(Default, Serialize)]
struct TreeParam {
    num_deleted: &'static str,
    num_feature: String,
    num_nodes: String,
    size_leaf_vector: &'static str,
}

/// A name that XGBoost takes: it refuses `[`, `]` and `<`.
pub fn feature_name(name: &str) -> String {
    name.replace('[', "(").replace(']', ")").replace('<', "lt ")
}

/// The text of the model file; `columns` describes the one member.
///
/// # Errors
/// When the model is not one of trees, or holds numbers that XGBoost would round.
pub fn document(member: &ScoringModel<'_>, columns: &Columns) -> Result<String, ExportError> {
    let (ensemble, objective, base_score) = match (member.model, member.task) {
        // The link of the logistic objective takes 0.5 to exactly 0.
        (Model::Gbdt(ensemble), Task::Binary) => (ensemble, "binary:logistic", "[5E-1]"),
        (Model::Gbdt(ensemble) | Model::Forest(ensemble), _) => (ensemble, "reg:squarederror", "[0E0]"),
        (Model::Constant { .. } | Model::Logistic { .. } | Model::Ridge { .. }, _) => {
            let learner = member.learner.as_str();
            return Err(ExportError::Learner { format: "XGBoost", learner, takes: "gbdt and forest" });
        }
    };
    let encoded: Vec<&EncodedColumn> = columns.members.iter().flat_map(|member| &member.columns).collect();
    let num_feature = encoded.len().to_string();
    let document = Document {
        learner: Learner {
            attributes: Attributes { clinpipe_bundle: &columns.bundle, clinpipe_columns: columns.json()? },
            feature_names: encoded.iter().map(|column| column.name.as_str()).collect(),
            feature_types: encoded.iter().map(|column| if column.levels.is_some() { "c" } else { "q" }).collect(),
            gradient_booster: Booster { model: trees(ensemble, &num_feature)?, name: "gbtree" },
            learner_model_param: LearnerParam {
                base_score,
                boost_from_average: "0",
                num_class: "0",
                num_feature,
                num_target: "1",
            },
            objective: Objective { name: objective, reg_loss_param: LossParam { scale_pos_weight: "1" } },
        },
        version: VERSION,
    };
    Ok(serde_json::to_string(&document)?)
}

fn trees(ensemble: &TreeEnsemble, num_feature: &str) -> Result<Trees, ExportError> {
    let trees = with_base_in_leaves(ensemble)?;
    let count = i32::try_from(trees.len()).map_err(|_| ExportError::TooLarge("trees"))?;
    let trees = trees.iter().enumerate().map(|(id, nodes)| tree(id, nodes, num_feature));
    Ok(Trees {
        cats: Categories { enc: [], feature_segments: [], sorted_idx: [] },
        gbtree_model_param: TreesParam { num_parallel_tree: "1", num_trees: count.to_string() },
        iteration_indptr: (0..=count).collect(),
        tree_info: vec![0; count as usize],
        trees: trees.collect::<Result<_, _>>()?,
    })
}

fn tree(id: usize, nodes: &[Branching], num_feature: &str) -> Result<XgbTree, ExportError> {
    let Order { nodes: order, left } = Order::of(nodes);
    let count = i32::try_from(order.len()).map_err(|_| ExportError::TooLarge("nodes"))?;
    let means = means(nodes);
    let mut tree = XgbTree {
        base_weights: order.iter().map(|&node| means[node] as f32).collect(),
        id,
        loss_changes: vec![0.0; order.len()],
        parents: vec![NO_PARENT; order.len()],
        sum_hessian: order.iter().map(|&node| nodes[node].cover as f32).collect(),
        tree_param: TreeParam {
            num_deleted: "0",
            num_feature: num_feature.to_owned(),
            num_nodes: count.to_string(),
            size_leaf_vector: "1",
        },
        ..XgbTree::default()
    };
    for (at, &node) in order.iter().enumerate() {
        match &nodes[node].kind {
            Kind::Leaf(value) => tree.push(None, false, 0, *value as f32, false),
            Kind::Below { feature, threshold, missing_is_yes, .. } => {
                let threshold = single_at_least(*threshold)
                    .ok_or(ExportError::Unrepresentable { tree: id, what: "a threshold" })?;
                tree.push(left[at], *missing_is_yes, *feature, threshold, false);
            }
            Kind::In { feature, codes, missing_is_yes, .. } => {
                if codes.iter().any(|code| *code >= CODES) {
                    return Err(ExportError::TooLarge("categories"));
                }
                tree.categories_nodes.push(at);
                tree.categories_segments.push(tree.categories.len());
                tree.categories_sizes.push(codes.len());
                tree.categories.extend(codes);
                tree.push(left[at], !missing_is_yes, *feature, 0.0, true);
            }
        }
        if let Some(left) = left[at] {
            tree.parents[left..=left + 1].fill(at as i32);
        }
    }
    Ok(tree)
}

/// The nodes as XGBoost numbers them: level by level, the right child straight after the left. It relies on that.
struct Order {
    /// Our node at each place.
    nodes: Vec<usize>,
    /// The place of its left child.
    left: Vec<Option<usize>>,
}

impl Order {
    fn of(nodes: &[Branching]) -> Self {
        let mut order = Self { nodes: vec![0], left: Vec::with_capacity(nodes.len()) };
        while let Some(&node) = order.nodes.get(order.left.len()) {
            let children = match &nodes[node].kind {
                Kind::Leaf(_) => None,
                Kind::Below { yes, no, .. } => Some([*yes as usize, *no as usize]),
                Kind::In { yes, no, .. } => Some([*no as usize, *yes as usize]),
            };
            order.left.push(children.map(|_| order.nodes.len()));
            order.nodes.extend(children.into_iter().flatten());
        }
        order
    }
}

impl XgbTree {
    fn push(&mut self, left: Option<usize>, default_left: bool, feature: u32, condition: f32, is_category: bool) {
        let place = |child: usize| left.map_or(-1, |left| (left + child) as i32);
        self.left_children.push(place(0));
        self.right_children.push(place(1));
        self.default_left.push(u8::from(default_left));
        self.split_indices.push(feature);
        self.split_conditions.push(condition);
        self.split_type.push(u8::from(is_category));
    }
}

/// The mean leaf below each node, weighted by training rows: what XGBoost shows for inner nodes.
fn means(nodes: &[Branching]) -> Vec<f64> {
    let mut means = vec![0.0_f64; nodes.len()];
    for (index, node) in nodes.iter().enumerate().rev() {
        means[index] = match &node.kind {
            Kind::Leaf(value) => *value,
            Kind::Below { yes, no, .. } | Kind::In { yes, no, .. } => {
                let (yes, no) = (*yes as usize, *no as usize);
                let (a, b) = (nodes[yes].cover as f64, nodes[no].cover as f64);
                let rows = a + b;
                if rows > 0.0 { (means[yes] * a + means[no] * b) / rows } else { f64::midpoint(means[yes], means[no]) }
            }
        };
    }
    means
}
