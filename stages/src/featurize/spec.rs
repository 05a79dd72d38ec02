//! The feature specification: which columns a model sees and how the derived ones are computed.
//!
//! It is resolved once from the parameters and the schema, stored as `features.json`, and executed alike by featurize,
//! evaluate, predict and serve. It fits nothing: a row's features depend on that row and, where the study has a history,
//! on earlier rows of the same patient.

use serde::{Deserialize, Serialize};

use super::derive::Derivation;
use super::history::{HistoryError, HistorySpec};
use crate::common::frame::{Column, Frame};

/// The version of the format of `features.json`.
pub const SCHEMA_VERSION: u32 = 1;

/// `features.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeatureSpec {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The columns made of a patient's past, when there are any; computed first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<HistorySpec>,
    /// The derived columns, in the order of their computation; a later one may use an earlier one.
    pub derive: Vec<Derivation>,
    /// What the model sees, in this order.
    pub features: Vec<Feature>,
    /// The raw columns that features are made of, in name order.
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
    /// The rows have no order in time.
    #[error(transparent)]
    History(#[from] HistoryError),
}

impl FeatureSpec {
    /// The raw columns that [`FeatureSpec::apply`] reads, in name order: those that features are made of, and whose row
    /// it is and when, where there is a history.
    pub fn reads(&self) -> Vec<String> {
        let history = self.history.iter().flat_map(|history| [&history.entity, &history.time]);
        let mut names: Vec<String> = self.inputs.iter().chain(history).cloned().collect();
        names.sort();
        names.dedup();
        names
    }

    /// Whether it computes a column of that name, so that it is no raw one.
    pub fn computes(&self, name: &str) -> bool {
        self.derive.iter().any(|step| step.name() == name)
            || self.history.iter().flat_map(|history| &history.columns).any(|column| column.name() == name)
    }

    /// The columns made of the past, for the rows `rows` of a panel; none when the study has no history. Put into a table
    /// of these rows they stay what they are: [`FeatureSpec::apply`] then asks for no other rows.
    pub fn history_of(&self, panel: &Frame, rows: &[usize]) -> Result<Vec<(String, Column)>, FeatureError> {
        self.history.as_ref().map_or_else(|| Ok(Vec::new()), |history| history.of_panel(panel, rows))
    }

    /// The features of every row of a raw table, under their names. Columns that it does not need are ignored. A row's
    /// past is what the table holds of it, unless the table has the columns made of the past already.
    pub fn apply(&self, raw: &Frame) -> Result<Frame, FeatureError> {
        let mut derived = Frame::with_capacity(raw.rows(), self.derive.len());
        if let Some(history) = self.history.as_ref().filter(|history| !history.is_in(raw)) {
            for (name, column) in history.of_panel(raw, &(0..raw.rows()).collect::<Vec<_>>())? {
                derived.insert(name, column);
            }
        }
        for step in &self.derive {
            let column = step.compute(|name| derived.get(name).or_else(|| raw.get(name)), raw.rows())?;
            derived.insert(step.name(), column);
        }
        let mut features = Frame::with_capacity(raw.rows(), self.features.len());
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
                Ok(Column::Text(texts.map(|text| self.levels.iter().find(|level| *level == text))))
            }
        }
    }
}
