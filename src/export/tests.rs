//! The laws of the tree formats on trees of every shape, by walking what was written as its reader would.
//!
//! That the real readers do so is shown in `tests/python/`.

use clinpipe_stages::bundle::ScoringModel;
use clinpipe_stages::common::target::Task;
use clinpipe_stages::common::tree::{Node, NodeKind, Test, Tree, TreeEnsemble};
use clinpipe_stages::train::{Fingerprint, LearnerName, Model, Preprocessor};
use proptest::prelude::*;
use prost::Message;
use serde_json::Value;

use super::columns::{Columns, EncodedColumn, MemberColumns};
use super::error::ExportError;
use super::onnx::{self, ModelFile};
use super::xgboost;

/// Columns 0 and 1 hold numbers, column 2 codes.
const WIDTH: usize = 3;
/// A tree of three levels of branches.
const BRANCHES: usize = 7;

/// A preprocessor and the description of a matrix; what the columns are made of plays no part here.
struct Described {
    preprocessor: Preprocessor,
    columns: Columns,
}

impl Described {
    fn new() -> Self {
        let column = |name: &str| EncodedColumn {
            name: xgboost::feature_name(name),
            encoded: name.to_owned(),
            dtype: "float32",
            levels: (name == "c").then(|| vec!["x".to_owned(), "y".to_owned()]),
            other_levels: None,
        };
        let fitted_on = Fingerprint { n: 0, row_ids: String::new() };
        let preprocessor = Preprocessor { schema_version: 1, steps: vec![], dropped: vec![], single: true, fitted_on };
        let member = MemberColumns {
            model: "gbdt",
            margin: "log_odds",
            input: None,
            columns: ["a[1]", "b<2", "c"].map(column).to_vec(),
            preprocessor: preprocessor.clone(),
        };
        Self { preprocessor, columns: Columns::new(&"d".repeat(64), vec![member]) }
    }

    fn member<'a>(&'a self, model: &'a Model) -> ScoringModel<'a> {
        ScoringModel { task: Task::Binary, learner: LearnerName::Gbdt, preprocessor: &self.preprocessor, model }
    }

    fn xgboost(&self, model: &Model) -> Result<Value, ExportError> {
        let text = xgboost::document(&self.member(model), &self.columns)?;
        Ok(serde_json::from_str(&text).expect("JSON"))
    }

    /// The file of an average of the model with itself, `times` over.
    fn onnx(&self, model: &Model, times: usize) -> Result<ModelFile, ExportError> {
        let columns = Columns::new("", vec![self.columns.members[0].clone(); times]);
        let bytes = onnx::document(&vec![self.member(model); times], &columns, (times > 1).then_some([0.0, 1.0]))?;
        Ok(ModelFile::decode(bytes.as_slice()).expect("its own bytes"))
    }
}

prop_compose! {
    fn question()(feature in 0..WIDTH as u32, threshold in -4_i32..5, codes in prop::collection::btree_set(0_u32..80, 0..30)) -> (u32, Test) {
        let test = if feature == 2 { Test::In(codes.into_iter().collect()) } else { Test::Below(f64::from(threshold) / 4.0) };
        (feature, test)
    }
}

prop_compose! {
    fn tree()(questions in prop::collection::vec((question(), any::<bool>()), BRANCHES), leaves in prop::collection::vec(-512_i32..512, BRANCHES + 1)) -> Tree {
        let branches = questions.into_iter().enumerate().map(|(at, ((feature, test), default_left))| {
            NodeKind::Branch { feature, test, left: 2 * at as u32 + 1, right: 2 * at as u32 + 2, default_left }
        });
        let leaves = leaves.into_iter().map(|leaf| NodeKind::Leaf(f64::from(leaf) / 1024.0));
        Tree::new(branches.chain(leaves).map(|kind| Node { cover: 3, kind }).collect()).expect("children follow parents")
    }
}

fn ensemble() -> impl Strategy<Value = TreeEnsemble> {
    (-64_i32..64, prop::collection::vec(tree(), 0..4))
        .prop_map(|(base, trees)| TreeEnsemble { base: f64::from(base) / 1024.0, trees })
}

fn rows() -> impl Strategy<Value = Vec<[f64; WIDTH]>> {
    let number = || prop_oneof![4 => (-5_i32..6).prop_map(|value| f64::from(value) / 4.0), 1 => Just(f64::NAN)];
    let code = prop_oneof![6 => (0_u32..80).prop_map(f64::from), 1 => Just(f64::NAN), 1 => Just(70_000.0)];
    prop::collection::vec((number(), number(), code).prop_map(|(a, b, c)| [a, b, c]), 1..20)
}

/// A list of numbers in a tree of XGBoost's JSON.
fn list(tree: &Value, name: &str) -> Vec<f64> {
    tree[name].as_array().expect(name).iter().map(|value| value.as_f64().expect(name)).collect()
}

/// XGBoost's walk: a matching category goes right, a number below the condition left.
fn xgboost_margin(document: &Value, row: &[f64]) -> f32 {
    let trees = document["learner"]["gradient_booster"]["model"]["trees"].as_array().expect("trees");
    let leaves = trees.iter().map(|tree| {
        let [left, right, default, feature, condition] =
            ["left_children", "right_children", "default_left", "split_indices", "split_conditions"]
                .map(|name| list(tree, name));
        let [codes, nodes, segments, sizes] =
            ["categories", "categories_nodes", "categories_segments", "categories_sizes"].map(|name| list(tree, name));
        for (left, right) in left.iter().zip(&right).filter(|(left, _)| **left >= 0.0) {
            assert_eq!(*right, left + 1.0, "XGBoost takes the right child to follow the left");
        }
        let mut at = 0;
        while left[at] >= 0.0 {
            let value = row[feature[at] as usize];
            let goes_left = match nodes.iter().position(|node| *node == at as f64) {
                _ if value.is_nan() => default[at] == 1.0,
                Some(set) => {
                    let first = segments[set] as usize;
                    !codes[first..first + sizes[set] as usize].contains(&value)
                }
                None => (value as f32) < condition[at] as f32,
            };
            at = if goes_left { left[at] } else { right[at] } as usize;
        }
        condition[at] as f32
    });
    leaves.sum()
}

/// The walk of a TreeEnsembleRegressor over its attributes.
fn onnx_margin(file: &ModelFile, row: &[f64]) -> f64 {
    let node = &file.graph.as_ref().expect("a graph").node[0];
    let attribute = |name: &str| node.attribute.iter().find(|one| one.name == name).expect("an attribute");
    let ints = |name: &str| attribute(name).ints.clone();
    let doubles = |name: &str| -> Vec<f64> {
        let raw = &attribute(name).t.as_ref().expect("a tensor").raw_data;
        raw.chunks_exact(8).map(|bytes| f64::from_le_bytes(bytes.try_into().expect("8 bytes"))).collect()
    };
    let (trees, ids) = (ints("nodes_treeids"), ints("nodes_nodeids"));
    let (yes, no) = (ints("nodes_truenodeids"), ints("nodes_falsenodeids"));
    let (features, missing) = (ints("nodes_featureids"), ints("nodes_missing_value_tracks_true"));
    let (values, modes) = (doubles("nodes_values_as_tensor"), &attribute("nodes_modes").strings);
    let (leaf_trees, leaf_ids) = (ints("target_treeids"), ints("target_nodeids"));
    let leaves = doubles("target_weights_as_tensor");
    let find = |tree, id| (0..ids.len()).find(|&at| trees[at] == tree && ids[at] == id).expect("a node");
    let last = trees.last().copied().expect("a tree");
    let reached = (0..=last).map(|tree| {
        let mut at = find(tree, 0);
        while modes[at] != b"LEAF" {
            let value = row[features[at] as usize];
            let holds = if modes[at] == b"BRANCH_LT" { value < values[at] } else { value == values[at] };
            at = find(tree, if holds || (value.is_nan() && missing[at] == 1) { yes[at] } else { no[at] });
        }
        leaves[(0..leaves.len()).find(|&leaf| leaf_trees[leaf] == tree && leaf_ids[leaf] == ids[at]).expect("a leaf")]
    });
    reached.sum()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn both_formats_reach_the_leaves_that_we_reach(ensemble in ensemble(), rows in rows()) {
        let (described, model) = (Described::new(), Model::Gbdt(ensemble.clone()));
        let document = described.xgboost(&model).expect("exact");
        let file = described.onnx(&model, 1).expect("exact");
        for row in rows {
            let ours = ensemble.margin(&row);
            prop_assert_eq!(f64::from(xgboost_margin(&document, &row)), ours);
            prop_assert_eq!(onnx_margin(&file, &row), ours);
        }
    }
}

#[test]
fn names_that_xgboost_refuses_are_changed() {
    let document = Described::new().xgboost(&Model::Forest(TreeEnsemble { base: 0.25, trees: vec![] }));
    let document = document.expect("one leaf");
    let learner = &document["learner"];
    assert_eq!(learner["feature_names"], serde_json::json!(["a(1)", "blt 2", "c"]));
    assert_eq!(learner["feature_types"], serde_json::json!(["q", "q", "c"]));
    assert_eq!(learner["learner_model_param"]["base_score"], "[0E0]");
    assert_eq!(xgboost_margin(&document, &[0.0; WIDTH]), 0.25);
}

#[test]
fn what_would_be_rounded_is_refused() {
    let of = |leaf: f64, threshold: f64| {
        let branch =
            NodeKind::Branch { feature: 0, test: Test::Below(threshold), left: 1, right: 2, default_left: true };
        let kinds = [branch, NodeKind::Leaf(leaf), NodeKind::Leaf(0.5)];
        let tree = Tree::new(kinds.map(|kind| Node { cover: 1, kind }).to_vec()).expect("a tree");
        Model::Gbdt(TreeEnsemble { base: 0.0, trees: vec![tree] })
    };
    let described = Described::new();
    let refused = |model: &Model| described.xgboost(model).expect_err("refused");
    assert_eq!(refused(&of(0.1, 0.0)), ExportError::Unrepresentable { tree: 0, what: "a leaf" });
    assert_eq!(refused(&of(0.5, f64::MAX)), ExportError::Unrepresentable { tree: 0, what: "a threshold" });
    let linear = Model::Logistic { intercept: 0.0, coef: vec![1.0; WIDTH] };
    assert!(refused(&linear).to_string().contains("takes gbdt and forest"));
    assert!(described.onnx(&of(0.5, f64::MAX), 1).is_ok(), "ONNX holds doubles");
}

#[test]
fn every_value_of_a_graph_is_made_once_before_it_is_read() {
    let described = Described::new();
    let trees = TreeEnsemble { base: 0.25, trees: vec![] };
    let coef = vec![1.0; WIDTH];
    let models = [
        Model::Constant { value: 0.5 },
        Model::Logistic { intercept: 0.0, coef: coef.clone() },
        Model::Ridge { intercept: 0.0, coef },
        Model::Forest(trees.clone()),
        Model::Gbdt(trees),
    ];
    for (model, times) in models.iter().flat_map(|model| [(model, 1), (model, 3)]) {
        let graph = described.onnx(model, times).expect("exact").graph.expect("a graph");
        let given = graph.input.iter().map(|input| input.name.clone());
        let mut known: Vec<String> = given.chain(graph.initializer.iter().map(|tensor| tensor.name.clone())).collect();
        for node in &graph.node {
            assert!(node.input.iter().all(|input| known.contains(input)), "{}: {:?}", node.op_type, node.input);
            known.extend(node.output.clone());
        }
        assert!(graph.output.iter().all(|output| known.contains(&output.name)), "{known:?}");
        let count = known.len();
        known.sort();
        known.dedup();
        assert_eq!(known.len(), count);
        assert_eq!((graph.input.len(), graph.output.len()), (times, times + 1));
    }
}
