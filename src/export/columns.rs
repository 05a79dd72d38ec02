//! columns.json: what the columns of the encoded matrix are, so that a receiver can build it.
//!
//! It also goes into the model file itself, as far as that has room for it.

use std::collections::BTreeSet;

use clinpipe_stages::bundle::ScoringModel;
use clinpipe_stages::common::target::Task;
use clinpipe_stages::train::{Model, Preprocessor};
use serde::Serialize;

use super::error::ExportError;
use crate::util::json;

/// The version of columns.json.
const SCHEMA_VERSION: u32 = 1;

/// What an exported file reads.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Columns {
    /// 1.
    pub schema_version: u32,
    /// The clinpipe that exported it.
    pub clinpipe: &'static str,
    /// The digest of the bundle.
    pub bundle: String,
    /// The models in the file, whose mean prediction is the answer; nearly always one.
    pub members: Vec<MemberColumns>,
}

/// The description of one model and of the encoded matrix that it reads.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MemberColumns {
    /// The learner.
    pub model: &'static str,
    /// What the margin is: `log_odds`, `probability`, or `prediction` of a number.
    pub margin: &'static str,
    /// What the matrix is called in the file, where the format has names for that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
    /// The columns in the order of the matrix.
    pub columns: Vec<EncodedColumn>,
    /// How the columns are made of features: the member's part of the bundle's preprocessor.json.
    pub preprocessor: Preprocessor,
}

/// One column of the encoded matrix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EncodedColumn {
    /// Its name in the exported model.
    pub name: String,
    /// Its name in the bundle: `feature`, `feature=level` or `feature:missing`.
    pub encoded: String,
    /// `float32` when every value is one that a 32-bit float can hold, else `float64`.
    pub dtype: &'static str,
    /// For a column of codes, the levels that the codes 0, 1, … stand for; a missing value is NaN.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub levels: Option<Vec<String>>,
    /// The code of every other level; without one it is NaN.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other_levels: Option<usize>,
}

impl MemberColumns {
    /// The columns of a model; `rename` gives the names that the receiver can take, which are then made distinct.
    pub fn new(member: &ScoringModel<'_>, input: Option<String>, rename: impl Fn(&str) -> String) -> Self {
        let preprocessor = member.preprocessor;
        let dtype = if preprocessor.single { "float32" } else { "float64" };
        let mut taken = BTreeSet::new();
        let columns = preprocessor.columns().into_iter().zip(preprocessor.code_levels()).map(|(encoded, codes)| {
            let name = distinct(rename(&encoded), &mut taken);
            let other_levels = codes.and_then(|(levels, rare)| rare.then_some(levels.len()));
            EncodedColumn { name, encoded, dtype, levels: codes.map(|(levels, _)| levels.to_vec()), other_levels }
        });
        Self {
            model: member.learner.as_str(),
            margin: margin(member.model, member.task),
            input,
            columns: columns.collect(),
            preprocessor: preprocessor.clone(),
        }
    }
}

impl Columns {
    /// The description of a file that holds these models of the bundle with this digest.
    pub fn new(bundle: &str, members: Vec<MemberColumns>) -> Self {
        let bundle = bundle.to_owned();
        Self { schema_version: SCHEMA_VERSION, clinpipe: env!("CARGO_PKG_VERSION"), bundle, members }
    }

    /// The bytes of columns.json.
    pub fn json(&self) -> Result<String, ExportError> {
        Ok(json::canonical(self)?)
    }
}

fn margin(model: &Model, task: Task) -> &'static str {
    match (model, task) {
        (_, Task::Continuous) => "prediction",
        (Model::Logistic { .. } | Model::Gbdt(_), Task::Binary) => "log_odds",
        (Model::Constant { .. } | Model::Ridge { .. } | Model::Forest(_), Task::Binary) => "probability",
    }
}

/// The name, or the name with the first number that makes it new.
fn distinct(name: String, taken: &mut BTreeSet<String>) -> String {
    let mut candidate = name.clone();
    let mut number = 1;
    while !taken.insert(candidate.clone()) {
        number += 1;
        candidate = format!("{name}#{number}");
    }
    candidate
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_fall_together_are_told_apart() {
        let mut taken = BTreeSet::new();
        let names = ["a", "a", "a#2", "a"].map(|name| distinct(name.to_owned(), &mut taken));
        assert_eq!(names, ["a", "a#2", "a#2#2", "a#3"]);
    }
}
