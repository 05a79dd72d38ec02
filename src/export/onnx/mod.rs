//! ONNX: the model as a graph in double precision.
//!
//! Trees are an `ai.onnx.ml` 3 TreeEnsembleRegressor with double thresholds and leaves, so a row one step from a
//! threshold goes the same way here and there. Its output is a 32-bit float, which holds our margins exactly; what
//! follows is done in double again. Input `x` [rows, columns], outputs `margin` and `p_raw` (of a number `prediction`)
//! [rows, 1], all double. An average of several models has the inputs `x_0`, `x_1`, …, one matrix each, their margins
//! `margin_0`, …, and adds up in the order of the members. Sigmoid is the runtime's own, so `p_raw` may differ from ours in
//! its last bits.

mod part;
mod proto;
mod tree_nodes;

use clinpipe_stages::bundle::ScoringModel;
use clinpipe_stages::common::target::Task;
use prost::Message;

use super::columns::Columns;
use super::error::ExportError;
use part::Part;
pub use proto::ModelFile;
use proto::{Graph, NodeProto, Opset, StringEntry, Tensor, ValueInfo};

/// The oldest file format with what is used here.
const IR_VERSION: i64 = 8;
const OPSET: i64 = 17;
const OPSET_ML: i64 = 3;

/// The bytes of the model file; `columns` describes the members in their order, a number is kept within `bounds`.
///
/// # Errors
/// When the trees hold numbers that the operator would round.
pub fn document(
    members: &[ScoringModel<'_>],
    columns: &Columns,
    bounds: Option<[f64; 2]>,
) -> Result<Vec<u8>, ExportError> {
    let output = output_name(members.first().map_or(Task::Binary, |member| member.task));
    let free = if bounds.is_some() { "unbounded" } else { output };
    let mut graph = Graph { name: "clinpipe".to_owned(), ..Graph::default() };
    let mut predictions = Vec::new();
    for (index, (member, described)) in members.iter().zip(&columns.members).enumerate() {
        let part = Part::of(index, members.len());
        let width = i64::try_from(described.columns.len()).map_err(|_| ExportError::TooLarge("columns"))?;
        let (nodes, tensors) = part.model(member.model, member.task, free)?;
        graph.node.extend(nodes);
        graph.initializer.extend(tensors);
        graph.input.push(ValueInfo::rows(&part.name("x"), width));
        graph.output.push(ValueInfo::rows(&part.name("margin"), 1));
        predictions.push(part.name(free));
    }
    if members.len() > 1 {
        let (nodes, count) = mean(&predictions, free);
        graph.node.extend(nodes);
        graph.initializer.push(count);
    }
    if let Some([low, high]) = bounds {
        graph.node.push(NodeProto::new("Clip", &[free, "low", "high"], output));
        graph.initializer.extend([Tensor::doubles("low", &[], &[low]), Tensor::doubles("high", &[], &[high])]);
    }
    graph.output.push(ValueInfo::rows(output, 1));
    let file = ModelFile {
        ir_version: IR_VERSION,
        opset_import: vec![Opset::new("", OPSET), Opset::new("ai.onnx.ml", OPSET_ML)],
        producer_name: "clinpipe".to_owned(),
        producer_version: env!("CARGO_PKG_VERSION").to_owned(),
        doc_string: "over the encoded matrix that clinpipe.columns describes".to_owned(),
        graph: Some(graph),
        metadata_props: vec![
            StringEntry::new("clinpipe.bundle", columns.bundle.clone()),
            StringEntry::new("clinpipe.columns", columns.json()?),
        ],
    };
    Ok(file.encode_to_vec())
}

/// What the prediction is called: `p_raw`, a probability before calibration, or `prediction`, a number.
pub fn output_name(task: Task) -> &'static str {
    match task {
        Task::Binary => "p_raw",
        Task::Continuous => "prediction",
    }
}

/// The input that holds a member's matrix.
pub fn input_name(member: usize, members: usize) -> String {
    Part::of(member, members).name("x")
}

/// The mean of at least two predictions, added up in their order as clinpipe does.
fn mean(predictions: &[String], output: &str) -> (Vec<NodeProto>, Tensor) {
    let mut sum = predictions[0].clone();
    let mut nodes = Vec::new();
    for (index, prediction) in predictions.iter().enumerate().skip(1) {
        let next = format!("sum_{index}");
        nodes.push(NodeProto::new("Add", &[&sum, prediction], &next));
        sum = next;
    }
    nodes.push(NodeProto::new("Div", &[&sum, "count"], output));
    (nodes, Tensor::doubles("count", &[], &[predictions.len() as f64]))
}
