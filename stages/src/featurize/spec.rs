//! The feature specification: which columns a model sees and how the derived ones are computed.
//!
//! It is resolved once from the parameters and the schema, stored as `features.json`, and executed alike by featurize,
//! evaluate, predict and serve. It is row-wise and fits nothing: a row's features depend on that row alone.

use serde::{Deserialize, Serialize};

use super::derive::Derivation;
use crate::common::frame::{Column, Frame};

/// The version of the format of `features.json`.
pub const SCHEMA_VERSION: u32 = 1;

/// `features.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeatureSpec {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The derived columns, in the order of their computation; a later one may use an earlier one.
    pub derive: Vec<Derivation>,
    /// What the model sees, in this order.
    pub features: Vec<Feature>,
    /// The raw columns that `apply` needs, in name order.
    pub inputs: Vec<String>,
    /// The outcome's column.
    pub target: String,
    /// The column that names a row to its users.
    pub id: Option<String>,
    /// The patient column.
    pub group: Option<String>,
}

/// One column that the model sees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Feature {
    /// Its name.
    pub name: String,
    /// Whether it is a number or a category.
    pub kind: FeatureKind,
    /// The texts of a category, in the schema's order; empty for a number. Any other text is taken as missing.
    pub levels: Vec<String>,
}

/// The type of a feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FeatureKind {
    /// A float; NaN = missing.
    Number,
    /// One of `levels`; `None` = missing or unknown.
    Category,
}

/// Why features cannot be computed from a table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FeatureError {
    /// The table lacks a column.
    #[error("column `{column}` is needed for `{feature}` but is not in the table")]
    MissingColumn {
        /// The absent column.
        column: String,
        /// What needs it.
        feature: String,
    },
    /// A column has the wrong type.
    #[error("column `{column}` should hold {wanted} for `{feature}`")]
    WrongType {
        /// The column.
        column: String,
        /// `numbers` or `texts`.
        wanted: &'static str,
        /// What needs it.
        feature: String,
    },
}

impl FeatureSpec {
    /// The features of every row of a raw table, under their names. Columns that it does not need are ignored.
    pub fn apply(&self, raw: &Frame) -> Result<Frame, FeatureError> {
        let mut derived = Frame::with_rows(raw.rows());
        for step in &self.derive {
            let column = step.compute(|name| derived.get(name).or_else(|| raw.get(name)), raw.rows())?;
            derived.insert(step.name(), column);
        }
        let mut features = Frame::with_rows(raw.rows());
        for feature in &self.features {
            let column = derived.get(&feature.name).or_else(|| raw.get(&feature.name));
            let column = column.ok_or_else(|| FeatureError::MissingColumn {
                column: feature.name.clone(),
                feature: feature.name.clone(),
            })?;
            features.insert(&feature.name, feature.read(column)?);
        }
        Ok(features)
    }
}

impl Feature {
    /// The column in the feature's type, unknown texts taken as missing.
    fn read(&self, column: &Column) -> Result<Column, FeatureError> {
        let wrong = |wanted| FeatureError::WrongType { column: self.name.clone(), wanted, feature: self.name.clone() };
        match self.kind {
            FeatureKind::Number => Ok(Column::Number(column.numbers().ok_or_else(|| wrong("numbers"))?.to_vec())),
            FeatureKind::Category => {
                let texts = column.texts().ok_or_else(|| wrong("texts"))?;
                let known = |text: &String| self.levels.contains(text).then(|| text.clone());
                Ok(Column::Text(texts.iter().map(|text| text.as_ref().and_then(known)).collect()))
            }
        }
    }
}
