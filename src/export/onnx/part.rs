//! One model as nodes of the graph, from its matrix to its prediction.

use clinpipe_stages::common::target::Task;
use clinpipe_stages::train::Model;

use super::super::error::ExportError;
use super::proto::{Attribute, DOUBLE, NodeProto, Tensor};
use super::tree_nodes;

/// Nodes, and the constants they read.
type Nodes = (Vec<NodeProto>, Vec<Tensor>);

/// Names the values of one member: plain when it is the only one, else with its number.
#[derive(Debug)]
pub struct Part(String);

impl Part {
    /// The part of a member.
    pub fn of(member: usize, members: usize) -> Self {
        Self(if members > 1 { format!("_{member}") } else { String::new() })
    }

    /// The name of a value in this part.
    pub fn name(&self, name: &str) -> String {
        format!("{name}{}", self.0)
    }

    /// A node of which every value is in this part.
    pub fn node(&self, op_type: &str, inputs: &[&str], output: &str) -> NodeProto {
        let inputs: Vec<String> = inputs.iter().map(|input| self.name(input)).collect();
        NodeProto::new(op_type, &inputs.iter().map(String::as_str).collect::<Vec<_>>(), &self.name(output))
    }

    fn doubles(&self, name: &str, dims: &[i64], values: &[f64]) -> Tensor {
        Tensor::doubles(&self.name(name), dims, values)
    }

    /// From `x` over `margin` to the prediction, which is called `output`.
    pub fn model(&self, model: &Model, task: Task, output: &str) -> Result<Nodes, ExportError> {
        let (mut nodes, mut tensors) = match model {
            Model::Constant { value } => self.constant(*value),
            Model::Logistic { intercept, coef } | Model::Ridge { intercept, coef } => self.linear(*intercept, coef)?,
            Model::Gbdt(ensemble) | Model::Forest(ensemble) => {
                let sum = tree_nodes::leaf_sum(self, ensemble)?;
                let to = Attribute::int("to", i64::from(DOUBLE));
                let cast = NodeProto { attribute: vec![to], ..self.node("Cast", &["leaf_sum"], "margin") };
                (vec![sum, cast], Vec::new())
            }
        };
        nodes.push(match (model, task) {
            (Model::Logistic { .. }, _) | (Model::Gbdt(_), Task::Binary) => self.node("Sigmoid", &["margin"], output),
            (Model::Forest(_), Task::Binary) => {
                tensors.extend([self.doubles("zero", &[], &[0.0]), self.doubles("one", &[], &[1.0])]);
                self.node("Clip", &["margin", "zero", "one"], output)
            }
            (Model::Constant { .. } | Model::Ridge { .. }, _)
            | (Model::Gbdt(_) | Model::Forest(_), Task::Continuous) => self.node("Identity", &["margin"], output),
        });
        Ok((nodes, tensors))
    }

    /// The value once a row.
    fn constant(&self, value: f64) -> Nodes {
        let ends = vec![Attribute::int("end", 1), Attribute::int("start", 0)];
        let rows = NodeProto { attribute: ends, ..self.node("Shape", &["x"], "rows") };
        let axis = vec![Attribute::int("axis", 0)];
        let shape = NodeProto { attribute: axis, ..self.node("Concat", &["rows", "width"], "shape") };
        let nodes = vec![rows, shape, self.node("Expand", &["value", "shape"], "margin")];
        (nodes, vec![self.doubles("value", &[1, 1], &[value]), Tensor::integers(&self.name("width"), &[1], &[1])])
    }

    fn linear(&self, intercept: f64, coef: &[f64]) -> Result<Nodes, ExportError> {
        let width = i64::try_from(coef.len()).map_err(|_| ExportError::TooLarge("columns"))?;
        let nodes =
            vec![self.node("MatMul", &["x", "coef"], "product"), self.node("Add", &["product", "intercept"], "margin")];
        Ok((nodes, vec![self.doubles("coef", &[width, 1], coef), self.doubles("intercept", &[1], &[intercept])]))
    }
}
