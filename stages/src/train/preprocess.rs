//! The fitted step between features and a learner: imputation, scaling, encoding.
//!
//! It is fitted on the training rows it is given and on nothing else, remembers their fingerprint, and is the same
//! code in cross-validation, in the final fit and in serving. An unknown category never fails: one-hot columns are all
//! 0, a code is missing.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::params::{Encode, ImputeNumeric, PreprocessParams, Scale};
use crate::common::frame::{Column, Frame};

/// What a learner can take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Finite, scaled numbers: logistic regression.
    Linear,
    /// Finite numbers that a 32-bit float can hold: the forest.
    Dense,
    /// Numbers that a 32-bit float can hold, missing values as NaN, categories as codes: boosted trees.
    Native,
    /// The same with one-hot categories.
    NativeOnehot,
}

/// A row-major matrix of encoded rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Matrix {
    /// Rows.
    pub rows: usize,
    /// Columns.
    pub cols: usize,
    /// `rows · cols` values.
    pub values: Vec<f64>,
}

impl Matrix {
    /// One row.
    pub fn row(&self, row: usize) -> &[f64] {
        &self.values[row * self.cols..(row + 1) * self.cols]
    }

    /// The rows at `index`, in that order.
    #[must_use]
    pub fn take(&self, index: &[usize]) -> Self {
        let values = index.iter().flat_map(|&row| self.row(row).iter().copied()).collect();
        Self { rows: index.len(), cols: self.cols, values }
    }
}

/// preprocessor.json: the fitted state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preprocessor {
    /// Version of this format: 1.
    pub schema_version: u32,
    /// One per feature, in the order of the encoded columns.
    pub steps: Vec<Step>,
    /// Whether values are rounded to what a 32-bit float can hold.
    pub single: bool,
    /// The rows it was fitted on.
    pub fitted_on: Fingerprint,
}

/// Which rows something was fitted on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fingerprint {
    /// How many rows.
    pub n: usize,
    /// BLAKE3, in hex, of their row ids in order, 8 little-endian bytes each.
    pub row_ids: String,
}

impl Fingerprint {
    /// The fingerprint of the rows with these ids.
    pub fn new(row_ids: impl IntoIterator<Item = i64>) -> Self {
        let mut hasher = blake3::Hasher::new();
        let mut n = 0;
        for id in row_ids {
            hasher.update(&id.to_le_bytes());
            n += 1;
        }
        Self { n, row_ids: hasher.finalize().to_hex().to_string() }
    }
}

/// The fitted treatment of one feature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The feature.
    pub feature: String,
    /// Whether a 0/1 column follows that says the value was missing.
    pub missing_flag: bool,
    /// What becomes of its values.
    pub encoding: Encoding,
}

/// What becomes of a feature's values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Encoding {
    /// (value − center) / scale, after filling.
    Number {
        /// Stands in for a missing value; absent: it stays missing.
        fill: Option<f64>,
        /// Subtracted.
        center: f64,
        /// Divided by; never 0.
        scale: f64,
    },
    /// One 0/1 column per level.
    Onehot {
        /// The levels seen in training, sorted.
        levels: Vec<String>,
    },
    /// The index of the level; missing when unknown.
    Code {
        /// The levels seen in training, sorted.
        levels: Vec<String>,
    },
}

/// Features that do not fit a preprocessor.
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
}

impl Preprocessor {
    /// Fits on the rows at `index` of `features`; `names` gives the features and their order, `row_ids` all rows' ids.
    pub fn fit(
        features: &Frame,
        names: &[String],
        index: &[usize],
        row_ids: &[i64],
        params: &PreprocessParams,
        dialect: Dialect,
    ) -> Result<Self, PreprocessError> {
        let steps = names.iter().map(|name| {
            let column = features.get(name).ok_or_else(|| PreprocessError::Missing(name.clone()))?;
            let (missing, encoding) = match column {
                Column::Number(values) => fit_number(values, index, params, dialect),
                Column::Text(values) => fit_category(values, index, params.encode, dialect),
            };
            let imputes = matches!(dialect, Dialect::Linear | Dialect::Dense);
            let missing_flag = missing && imputes && params.impute.missing_flag;
            Ok(Step { feature: name.clone(), missing_flag, encoding })
        });
        Ok(Self {
            schema_version: 1,
            steps: steps.collect::<Result<_, _>>()?,
            single: dialect != Dialect::Linear,
            fitted_on: Fingerprint::new(index.iter().map(|&row| row_ids[row])),
        })
    }

    /// Names of the encoded columns: `feature`, `feature=level`, `feature:missing`.
    pub fn columns(&self) -> Vec<String> {
        let mut names = Vec::new();
        for step in &self.steps {
            match &step.encoding {
                Encoding::Onehot { levels } => {
                    names.extend(levels.iter().map(|level| format!("{}={level}", step.feature)));
                }
                Encoding::Number { .. } | Encoding::Code { .. } => names.push(step.feature.clone()),
            }
            if step.missing_flag {
                names.push(format!("{}:missing", step.feature));
            }
        }
        names
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

    /// Encodes the rows at `index`, or all rows.
    pub fn transform(&self, features: &Frame, index: Option<&[usize]>) -> Result<Matrix, PreprocessError> {
        let rows = index.map_or(features.rows(), <[usize]>::len);
        let cols = self.width();
        let mut values = vec![0.0; rows * cols];
        let mut at = 0;
        for step in &self.steps {
            let column = features.get(&step.feature).ok_or_else(|| PreprocessError::Missing(step.feature.clone()))?;
            for row in 0..rows {
                let source = index.map_or(row, |index| index[row]);
                let cells = &mut values[row * cols + at..row * cols + at + step.width()];
                step.encode(column, source, cells)?;
                if self.single {
                    for cell in cells {
                        *cell = to_single(*cell);
                    }
                }
            }
            at += step.width();
        }
        Ok(Matrix { rows, cols, values })
    }
}

impl Step {
    fn width(&self) -> usize {
        let own = match &self.encoding {
            Encoding::Number { .. } | Encoding::Code { .. } => 1,
            Encoding::Onehot { levels } => levels.len(),
        };
        own + usize::from(self.missing_flag)
    }

    /// Writes the encoded cells of one row; they arrive as zeros.
    fn encode(&self, column: &Column, row: usize, cells: &mut [f64]) -> Result<(), PreprocessError> {
        let kind = |expected| PreprocessError::Kind { feature: self.feature.clone(), expected };
        let missing = match &self.encoding {
            Encoding::Number { fill, center, scale } => {
                let value = column.numbers().ok_or_else(|| kind("numbers"))?[row];
                let filled = if value.is_finite() { value } else { fill.unwrap_or(f64::NAN) };
                cells[0] = (filled - center) / scale;
                !value.is_finite()
            }
            Encoding::Onehot { levels } => {
                let value = column.texts().ok_or_else(|| kind("categories"))?[row].as_deref();
                if let Some(level) = value.and_then(|text| find(levels, text)) {
                    cells[level] = 1.0;
                }
                value.is_none()
            }
            Encoding::Code { levels } => {
                let value = column.texts().ok_or_else(|| kind("categories"))?[row].as_deref();
                cells[0] = value.and_then(|text| find(levels, text)).map_or(f64::NAN, |level| level as f64);
                value.is_none()
            }
        };
        if let (true, true, Some(flag)) = (self.missing_flag, missing, cells.last_mut()) {
            *flag = 1.0;
        }
        Ok(())
    }
}

fn find(levels: &[String], text: &str) -> Option<usize> {
    levels.binary_search_by(|level| level.as_str().cmp(text)).ok()
}

/// The nearest value a 32-bit float holds; what is too large becomes the largest one.
fn to_single(value: f64) -> f64 {
    let limit = f64::from(f32::MAX);
    f64::from(value.clamp(-limit, limit) as f32)
}

fn fit_number(values: &[f64], index: &[usize], params: &PreprocessParams, dialect: Dialect) -> (bool, Encoding) {
    let mut present: Vec<f64> = index.iter().map(|&row| values[row]).filter(|value| value.is_finite()).collect();
    let missing = present.len() < index.len();
    if matches!(dialect, Dialect::Native | Dialect::NativeOnehot) {
        return (missing, Encoding::Number { fill: None, center: 0.0, scale: 1.0 });
    }
    let mean = if present.is_empty() { 0.0 } else { present.iter().sum::<f64>() / present.len() as f64 };
    present.sort_by(f64::total_cmp);
    let fill = match params.impute.numeric {
        ImputeNumeric::Median => quantile(&present, 0.5),
        ImputeNumeric::Mean => mean,
        ImputeNumeric::Constant => params.impute.constant,
    };
    // The scale is that of the filled column, as a pipeline of imputer and scaler would see it.
    let mut filled = present;
    filled.extend(std::iter::repeat_n(fill, index.len() - filled.len()));
    filled.sort_by(f64::total_cmp);
    let (center, scale) = match dialect {
        Dialect::Linear => fit_scale(&filled, params.scale),
        Dialect::Dense | Dialect::Native | Dialect::NativeOnehot => (0.0, 1.0),
    };
    (missing, Encoding::Number { fill: Some(fill), center, scale })
}

/// Center and scale of sorted values; a column without spread is only centred.
fn fit_scale(sorted: &[f64], scale: Scale) -> (f64, f64) {
    let (Some(&first), Some(&last)) = (sorted.first(), sorted.last()) else { return (0.0, 1.0) };
    let n = sorted.len() as f64;
    let (center, spread) = match scale {
        Scale::None => (0.0, 1.0),
        Scale::Standard => {
            let mean = sorted.iter().sum::<f64>() / n;
            (mean, libm::sqrt(sorted.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / n))
        }
        Scale::Robust => (quantile(sorted, 0.5), quantile(sorted, 0.75) - quantile(sorted, 0.25)),
        Scale::Minmax => (first, last - first),
    };
    (center, if spread > 1e-12 * center.abs().max(1e-300) && spread.is_finite() { spread } else { 1.0 })
}

/// The quantile of sorted values by linear interpolation (type 7); 0 without values.
pub fn quantile(sorted: &[f64], q: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return 0.0 };
    let place = q * last as f64;
    let low = libm::floor(place) as usize;
    let (a, b) = (sorted[low], sorted[(low + 1).min(last)]);
    a + (place - low as f64) * (b - a)
}

fn fit_category(values: &[Option<String>], index: &[usize], encode: Encode, dialect: Dialect) -> (bool, Encoding) {
    let levels: BTreeSet<&String> = index.iter().filter_map(|&row| values[row].as_ref()).collect();
    let levels: Vec<String> = levels.into_iter().cloned().collect();
    let missing = index.iter().any(|&row| values[row].is_none());
    let encoding = match (dialect, encode) {
        (Dialect::Native, _) => Encoding::Code { levels },
        (Dialect::Linear | Dialect::Dense | Dialect::NativeOnehot, Encode::Onehot) => Encoding::Onehot { levels },
    };
    (missing, encoding)
}

#[cfg(test)]
#[path = "preprocess_tests.rs"]
mod tests;
