//! `train.preprocess`: how features become the numbers a learner reads.
//!
//! These are wishes only; what is learned from rows lives in the fitted [`Preprocessor`](crate::train::Preprocessor).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ParamError;
use crate::validate::Level;

/// `train.preprocess`. Trees take missing values as they are, and boosted trees categories too, unless told otherwise;
/// they need no scale.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PreprocessParams {
    /// A feature that is missing in more than this share of the training rows is dropped. Absent: only one that is
    /// missing in all of them.
    pub drop_missing_share: Option<f64>,
    /// What stands in for missing values.
    pub impute: ImputeParams,
    /// How numbers are scaled for linear models.
    pub scale: Scale,
    /// How categories become numbers.
    pub encode: Encode,
    /// How rare levels of a category are merged.
    pub levels: LevelParams,
    /// The details of `encode: target`.
    pub target: TargetParams,
    /// Other settings for single features, by name: `bmi: {impute: mean}`.
    pub columns: BTreeMap<String, ColumnParams>,
    /// Combinations of values that must have been seen in training; what was not is remarked on or refused when it is
    /// to be scored.
    pub combinations: Vec<CombinationRule>,
}

/// `train.preprocess.impute`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ImputeParams {
    /// Which value fills a missing number.
    pub numeric: ImputeNumeric,
    /// The value of `numeric: constant`.
    pub constant: f64,
    /// Which level fills a missing category.
    pub categorical: ImputeCategory,
    /// The level of `categorical: constant`.
    pub constant_category: String,
    /// Whether a feature with missing training values also gets a 0/1 column that says so.
    pub missing_flag: bool,
    /// Whether values are filled for forests and boosted trees too, which otherwise learn from what is missing. SMOTE
    /// needs it.
    pub trees: bool,
}

impl Default for ImputeParams {
    fn default() -> Self {
        Self {
            numeric: ImputeNumeric::Median,
            constant: 0.0,
            categorical: ImputeCategory::None,
            constant_category: "missing".to_owned(),
            missing_flag: true,
            trees: false,
        }
    }
}

/// The value that fills a missing number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ImputeNumeric {
    /// The median of the training rows.
    Median,
    /// Their mean.
    Mean,
    /// Their most frequent value, the smallest of several.
    Mode,
    /// `constant`.
    Constant,
}

/// The level that fills a missing category.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ImputeCategory {
    /// None: it is treated as an unknown level.
    None,
    /// The most frequent level of the training rows, the first by name of several.
    Mode,
    /// `constant_category`, a level like any other.
    Constant,
}

/// How numbers are scaled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scale {
    /// Not at all.
    None,
    /// (x − mean) / standard deviation (with n in the denominator).
    #[default]
    Standard,
    /// (x − median) / interquartile range.
    Robust,
    /// (x − min) / (max − min).
    Minmax,
}

/// How categories become numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Encode {
    /// One 0/1 column per level seen in training; an unknown level is 0 in all of them, or counts as rare where rare
    /// levels were merged. Boosted trees with `categories: native` split on sets of levels instead.
    #[default]
    Onehot,
    /// The place of the level in alphabetical order, as one number. An unknown level is missing: trees keep it
    /// so, elsewhere it gets the number of the most frequent level. Trees with native categories split on sets instead.
    Label,
    /// The smoothed mean outcome of the level, as one number, for every learner. Training rows get means of other
    /// patients' rows only (`target.folds`); an unknown level gets the mean of all.
    Target,
}

/// `train.preprocess.levels`, for one-hot columns and the level sets of trees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LevelParams {
    /// Most columns of a category. Where there are more levels, the least frequent share one column.
    pub max: usize,
    /// Levels with fewer training rows share one column.
    pub min_count: usize,
}

impl Default for LevelParams {
    fn default() -> Self {
        Self { max: 100, min_count: 1 }
    }
}

/// `train.preprocess.target`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TargetParams {
    /// Parts of the training patients; a row's means come from the other parts.
    pub folds: usize,
    /// m of (sum + m · prior) / (n + m): how many rows of the average outcome each level is given on top of its own.
    pub smoothing: f64,
}

impl Default for TargetParams {
    fn default() -> Self {
        Self { folds: 5, smoothing: 20.0 }
    }
}

/// Settings of one feature; what is absent is as for all.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ColumnParams {
    /// What fills a missing value.
    pub impute: Option<Impute>,
    /// The number or text of `impute: constant`.
    pub constant: Option<Constant>,
    /// Whether it gets a column that says it was missing.
    pub missing_flag: Option<bool>,
    /// How the number is scaled.
    pub scale: Option<Scale>,
    /// How the category becomes a number.
    pub encode: Option<Encode>,
}

/// What fills a missing value of one feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Impute {
    /// A number's median in the training rows.
    Median,
    /// A number's mean there.
    Mean,
    /// The most frequent number or level there.
    Mode,
    /// `constant`.
    Constant,
    /// A category: nothing, it is treated as an unknown level.
    None,
}

/// A number or a text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Constant {
    /// For a number.
    Number(f64),
    /// For a category.
    Text(String),
}

/// A combination rule: `{name: known therapy, columns: [condition, drug, dose]}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CombinationRule {
    /// What messages call it.
    pub name: String,
    /// Features that are columns of the raw table, unchanged.
    pub columns: Vec<String>,
    /// What a combination that no training row has means when it is to be scored.
    #[serde(default = "warning")]
    pub level: Level,
}

fn warning() -> Level {
    Level::Warning
}

impl PreprocessParams {
    /// Checks the values that the types let through.
    pub fn check(&self) -> Result<(), ParamError> {
        let share = |share: f64| (0.0..=1.0).contains(&share);
        let rules = [
            ("drop_missing_share", self.drop_missing_share.is_none_or(share), "must be between 0 and 1"),
            ("impute.constant", self.impute.constant.is_finite(), "must be a finite number"),
            ("impute.constant_category", !self.impute.constant_category.is_empty(), "must not be empty"),
            ("levels.max", self.levels.max >= 2, "must be at least 2"),
            ("levels.min_count", self.levels.min_count >= 1, "must be at least 1"),
            ("target.folds", (2..=100).contains(&self.target.folds), "must be between 2 and 100"),
            ("target.smoothing", positive(self.target.smoothing), "must be a number above 0"),
        ];
        if let Some((key, _, message)) = rules.into_iter().find(|(_, holds, _)| !holds) {
            return Err(ParamError::new(format!("train.preprocess.{key}"), message));
        }
        for (name, column) in &self.columns {
            column
                .check()
                .map_err(|(key, message)| ParamError::new(format!("train.preprocess.columns.{name}.{key}"), message))?;
        }
        for (index, rule) in self.combinations.iter().enumerate() {
            let fault = |key: &str, message: &str| {
                Err(ParamError::new(format!("train.preprocess.combinations.{index}.{key}"), message))
            };
            if self.combinations[..index].iter().any(|other| other.name == rule.name) {
                return fault("name", "two combinations share this name");
            }
            if rule.columns.len() < 2 {
                return fault("columns", "a combination needs two columns or more");
            }
            if (1..rule.columns.len()).any(|at| rule.columns[..at].contains(&rule.columns[at])) {
                return fault("columns", "names a column twice");
            }
        }
        Ok(())
    }
}

impl ColumnParams {
    fn check(&self) -> Result<(), (&'static str, &'static str)> {
        match (self.impute, &self.constant) {
            (Some(Impute::Constant), None) => Err(("impute", "`constant` needs the key `constant` beside it")),
            (Some(Impute::Constant), Some(Constant::Number(value))) if !value.is_finite() => {
                Err(("constant", "must be a finite number"))
            }
            (Some(Impute::Constant), Some(Constant::Text(text))) if text.is_empty() => {
                Err(("constant", "must not be empty"))
            }
            (Some(Impute::Constant), Some(_)) | (_, None) => Ok(()),
            (_, Some(_)) => Err(("constant", "is used with `impute: constant` only")),
        }
    }
}

fn positive(value: f64) -> bool {
    value.is_finite() && value > 0.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fault(value: serde_json::Value) -> String {
        let params: PreprocessParams = serde_json::from_value(value).expect("the right types");
        params.check().expect_err("nonsense").path
    }

    #[test]
    fn nonsense_names_its_path() {
        assert_eq!(PreprocessParams::default().check(), Ok(()));
        let at = |key: &str| format!("train.preprocess.{key}");
        assert_eq!(fault(json!({"drop_missing_share": 1.5})), at("drop_missing_share"));
        assert_eq!(fault(json!({"levels": {"max": 1}})), at("levels.max"));
        assert_eq!(fault(json!({"target": {"smoothing": 0}})), at("target.smoothing"));
        assert_eq!(fault(json!({"columns": {"bmi": {"impute": "constant"}}})), at("columns.bmi.impute"));
        assert_eq!(fault(json!({"columns": {"bmi": {"constant": 3}}})), at("columns.bmi.constant"));
        assert_eq!(fault(json!({"combinations": [{"name": "n", "columns": ["a"]}]})), at("combinations.0.columns"));
    }
}
