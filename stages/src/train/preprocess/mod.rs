//! The fitted step between features and a learner: imputation, scaling, encoding, and rules learned from rows.
//!
//! It is fitted on the training rows it is given and on nothing else, remembers their fingerprint, and is the same
//! code in cross-validation, in the final fit and in serving. An unknown category never fails, a value that is not
//! finite counts as missing, and no encoded cell of a filled dialect is ever missing or infinite.
//!
//! With target encoding the matrix of the fitting rows is not the `transform` of those rows: each of them is encoded
//! by the outcomes of other patients, a new row by all. Learners must therefore be given `fitted_rows`.
//! Nothing here may look at rows outside `FitRows::index`.

mod categories;
mod combinations;
mod encoder;
mod fingerprint;
mod fit;
mod matrix;
mod numbers;
mod step;
mod target;

use serde::{Deserialize, Serialize};

pub use combinations::{CombinationsFile, SeenCombinations};
pub use encoder::Encoder;
pub use fingerprint::Fingerprint;
pub use fit::{FitRows, OwnCells};
pub use matrix::{Matrix, to_single};
pub use step::{Encoding, Step};

use crate::common::columns::Columns;
use crate::common::text::suggestion;

/// What a learner can take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Finite, scaled numbers: logistic regression.
    Linear,
    /// Finite numbers that a 32-bit float can hold: trees that score columns for selection.
    Dense,
    /// Numbers that a 32-bit float can hold, missing values as NaN, categories as codes: trees.
    Native,
    /// The same with categories encoded as for the other learners.
    NativeOnehot,
}

impl Dialect {
    /// Whether it has no place for missing values.
    fn is_filled(self) -> bool {
        matches!(self, Self::Linear | Self::Dense)
    }
}

/// preprocessor.json: the fitted state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preprocessor {
    /// Version of this format: 1.
    pub schema_version: u32,
    /// One per feature that is used, in the order of the encoded columns.
    pub steps: Vec<Step>,
    /// The features that are not, in their order, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dropped: Vec<Dropped>,
    /// Whether values are rounded to what a 32-bit float can hold.
    pub single: bool,
    /// The rows it was fitted on.
    pub fitted_on: Fingerprint,
}

/// A feature that a fit leaves out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dropped {
    /// The feature.
    pub feature: String,
    /// Why.
    pub reason: DropReason,
    /// What was measured on the fitting rows: the share of missing values, or the score that was too low.
    pub value: f64,
}

/// Why a feature is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DropReason {
    /// Too many values are missing.
    Missing,
    /// Selection by variance.
    Variance,
    /// Selection by importance.
    Importance,
    /// Recursive elimination.
    Rfe,
}

/// A block of encoded columns that belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The place of its feature among the steps.
    pub step: usize,
    /// The first column.
    pub start: usize,
    /// One past the last column.
    pub end: usize,
    /// Whether the columns stand for a level or a flag, so that values between those of rows mean nothing.
    pub nominal: bool,
}

/// Features that do not fit a preprocessor, or settings that do not fit the features.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PreprocessError {
    /// A feature it was fitted on is absent.
    #[error("feature `{0}` is missing")]
    Missing(String),
    /// A feature changed between numbers and categories.
    #[error("feature `{feature}` is not of the kind it had in training ({expected})")]
    Kind {
        /// Which.
        feature: String,
        /// `numbers` or `categories`.
        expected: &'static str,
    },
    /// A setting that does not fit a feature.
    #[error("parameter `train.preprocess.{path}`: {message}")]
    Setting {
        /// The key below `train.preprocess`.
        path: String,
        /// What is wrong with it.
        message: String,
    },
}

impl PreprocessError {
    /// A key that names no feature.
    fn no_feature(path: String, name: &str, features: &dyn Columns) -> Self {
        let near = suggestion(name, features.names());
        Self::Setting { path, message: format!("`{name}` is not a feature{near}") }
    }
}

impl Preprocessor {
    /// Records features that were left out before it was fitted; `names` gives the order of all features.
    pub fn record_dropped(&mut self, dropped: Vec<Dropped>, names: &[String]) {
        self.dropped.extend(dropped);
        self.dropped.sort_by_key(|dropped| names.iter().position(|name| *name == dropped.feature));
    }

    /// Names of the encoded columns: `feature`, `feature=level`, `feature:missing`, and `feature=(rare)` for merged
    /// levels.
    pub fn columns(&self) -> Vec<String> {
        self.steps.iter().flat_map(Step::columns).collect()
    }

    /// The feature that each encoded column was made of.
    pub fn sources(&self) -> Vec<&str> {
        self.steps.iter().flat_map(|step| std::iter::repeat_n(step.feature.as_str(), step.width())).collect()
    }

    /// Number of encoded columns.
    pub fn width(&self) -> usize {
        self.steps.iter().map(Step::width).sum()
    }

    /// Which encoded columns hold category codes.
    pub fn coded(&self) -> Vec<bool> {
        let flags = self
            .steps
            .iter()
            .flat_map(|step| (0..step.width()).map(|at| at == 0 && matches!(step.encoding, Encoding::Code { .. })));
        flags.collect()
    }

    /// The levels behind the codes of each encoded column that holds codes, code i for level i, and whether the code
    /// after the last stands for every other level.
    pub fn code_levels(&self) -> Vec<Option<(&[String], bool)>> {
        let levels = self.steps.iter().flat_map(|step| {
            (0..step.width()).map(move |at| match &step.encoding {
                Encoding::Code { levels, rare } if at == 0 => Some((levels.as_slice(), *rare)),
                _ => None,
            })
        });
        levels.collect()
    }

    /// Which encoded columns belong together, in their order. A missing flag is a block of its own.
    pub fn blocks(&self) -> Vec<Block> {
        let (mut blocks, mut start) = (Vec::new(), 0);
        for (index, step) in self.steps.iter().enumerate() {
            let mut push = |width: usize, nominal| {
                if width > 0 {
                    blocks.push(Block { step: index, start, end: start + width, nominal });
                }
                start += width;
            };
            push(step.width() - usize::from(step.missing_flag), !matches!(step.encoding, Encoding::Number { .. }));
            push(usize::from(step.missing_flag), true);
        }
        blocks
    }

    /// Encodes the rows at `index`, or all rows, as new rows.
    pub fn transform(&self, features: &dyn Columns, index: Option<&[usize]>) -> Result<Matrix, PreprocessError> {
        self.new_rows(features, index).map(|encoder| encoder.matrix())
    }

    /// The rows at `index`, or all rows, encoded as new rows when they are asked for.
    pub fn new_rows<'a>(
        &'a self,
        features: &'a dyn Columns,
        index: Option<&'a [usize]>,
    ) -> Result<Encoder<'a>, PreprocessError> {
        Encoder::new(self, features, index, Vec::new())
    }

    /// The rows that it was fitted on, encoded as a learner must have them; `own` is what the fit returned.
    pub fn fitted_rows<'a>(&'a self, rows: &FitRows<'a>, own: OwnCells) -> Result<Encoder<'a>, PreprocessError> {
        Encoder::new(self, rows.features, Some(rows.index), own.0)
    }
}

#[cfg(test)]
mod reference_tests;
#[cfg(test)]
mod tests;
