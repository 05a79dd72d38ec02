//! The fitted treatment of one feature: what a value becomes, whether in training or in serving.

use serde::{Deserialize, Serialize};

use super::encoder::rounded;
use super::matrix::bounded;

/// The fitted treatment of one feature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The feature.
    pub feature: String,
    /// Whether a 0/1 column follows that says the value was missing.
    pub missing_flag: bool,
    /// The level that stands in for a missing category, if any does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fill_level: Option<String>,
    /// What becomes of its values.
    pub encoding: Encoding,
}

/// What becomes of a feature's values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Encoding {
    /// (value − center) / scale, after filling; a value beyond the range of 32-bit floats counts as its end.
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
        /// The levels with a column, sorted.
        levels: Vec<String>,
        /// Whether a last column stands for every other level, seen or not.
        #[serde(default, skip_serializing_if = "is_false")]
        rare: bool,
    },
    /// The index of the level; missing when unknown.
    Code {
        /// The levels with a code, sorted.
        levels: Vec<String>,
        /// Whether every other level, seen or not, has the code after the last.
        #[serde(default, skip_serializing_if = "is_false")]
        rare: bool,
    },
    /// (index of the level − center) / scale, as an ordinary number.
    Label {
        /// The levels seen in training, sorted.
        levels: Vec<String>,
        /// Stands in for the index of a missing or unknown level; absent: it is missing.
        unknown: Option<f64>,
        /// Subtracted.
        center: f64,
        /// Divided by; never 0.
        scale: f64,
    },
    /// (smoothed mean outcome of the level − center) / scale.
    Target {
        /// The levels seen in training, sorted.
        levels: Vec<String>,
        /// The mean of each.
        means: Vec<f64>,
        /// Stands in for the mean of an unknown level: the mean of all training rows.
        prior: f64,
        /// The same for a missing one; absent: it stays missing.
        missing: Option<f64>,
        /// Subtracted.
        center: f64,
        /// Divided by; never 0.
        scale: f64,
    },
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde calls")]
fn is_false(flag: &bool) -> bool {
    !flag
}

impl Step {
    pub(super) fn width(&self) -> usize {
        let own = match &self.encoding {
            Encoding::Onehot { levels, rare } => levels.len() + usize::from(*rare),
            Encoding::Number { .. } | Encoding::Code { .. } | Encoding::Label { .. } | Encoding::Target { .. } => 1,
        };
        own + usize::from(self.missing_flag)
    }

    pub(super) fn columns(&self) -> Vec<String> {
        let mut names = match &self.encoding {
            Encoding::Onehot { levels, rare } => {
                let rare = rare.then(|| format!("{}=(rare)", self.feature));
                levels.iter().map(|level| format!("{}={level}", self.feature)).chain(rare).collect()
            }
            Encoding::Number { .. } | Encoding::Code { .. } | Encoding::Label { .. } | Encoding::Target { .. } => {
                vec![self.feature.clone()]
            }
        };
        if self.missing_flag {
            names.push(format!("{}:missing", self.feature));
        }
        names
    }

    /// Whether it takes numbers; else it takes categories.
    pub(super) fn is_number(&self) -> bool {
        matches!(self.encoding, Encoding::Number { .. })
    }

    /// Writes the encoded cells of a number; nothing when it takes categories.
    pub(super) fn encode_number(&self, value: f64, single: bool, cells: &mut [f64]) {
        let Encoding::Number { fill, center, scale } = &self.encoding else { return };
        cells.fill(0.0);
        let filled = if value.is_finite() { bounded(value) } else { fill.unwrap_or(f64::NAN) };
        cells[0] = (filled - center) / scale;
        self.settle(!value.is_finite(), single, cells);
    }

    /// Writes the encoded cells of a category.
    pub(super) fn encode_text(&self, value: Option<&str>, single: bool, cells: &mut [f64]) {
        cells.fill(0.0);
        self.encoding.encode_level(value.or(self.fill_level.as_deref()), cells);
        self.settle(value.is_none(), single, cells);
    }

    fn settle(&self, missing: bool, single: bool, cells: &mut [f64]) {
        if let (true, true, Some(flag)) = (self.missing_flag, missing, cells.last_mut()) {
            *flag = 1.0;
        }
        for cell in cells {
            *cell = rounded(*cell, single);
        }
    }
}

impl Encoding {
    fn encode_level(&self, value: Option<&str>, cells: &mut [f64]) {
        let place = |levels: &[String], rare: bool| {
            value.and_then(|text| find(levels, text).or_else(|| rare.then_some(levels.len())))
        };
        match self {
            Self::Number { .. } => {}
            Self::Onehot { levels, rare } => {
                if let Some(level) = place(levels, *rare) {
                    cells[level] = 1.0;
                }
            }
            Self::Code { levels, rare } => cells[0] = place(levels, *rare).map_or(f64::NAN, |level| level as f64),
            Self::Label { levels, unknown, center, scale } => {
                let code = place(levels, false).map(|level| level as f64).or(*unknown);
                cells[0] = (code.unwrap_or(f64::NAN) - center) / scale;
            }
            Self::Target { levels, means, prior, missing, center, scale } => {
                let mean = match value {
                    Some(_) => place(levels, false).and_then(|level| means.get(level)).copied().unwrap_or(*prior),
                    None => missing.unwrap_or(f64::NAN),
                };
                cells[0] = (mean - center) / scale;
            }
        }
    }
}

fn find(levels: &[String], text: &str) -> Option<usize> {
    levels.binary_search_by(|level| level.as_str().cmp(text)).ok()
}
