//! `train` in params.yaml: which learners compete, how each is set up, how one is chosen.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ParamError;

/// A learner that can compete, from the simplest to the most complex.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LearnerName {
    /// Penalised logistic regression.
    Logistic,
    /// A probability forest.
    Forest,
    /// Gradient boosted trees.
    Gbdt,
}

impl LearnerName {
    /// The name in params.yaml and in every report.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Logistic => "logistic",
            Self::Forest => "forest",
            Self::Gbdt => "gbdt",
        }
    }
}

/// The score by which candidates are compared on the outer folds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SelectionMetric {
    /// Mean negative log likelihood; lower is better. Rewards honest probabilities as well as ranking.
    #[default]
    LogLoss,
    /// Area under the ROC curve; higher is better.
    Auroc,
}

/// All of `train`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TrainParams {
    /// The candidates.
    pub models: Vec<LearnerName>,
    /// What they are compared by.
    pub metric: SelectionMetric,
    /// Whether the simplest candidate within one standard error of the best is taken, instead of the best.
    pub one_standard_error: bool,
    /// What is fitted on the training rows before a learner sees them.
    pub preprocess: PreprocessParams,
    /// The candidate logistic regression.
    pub logistic: LogisticParams,
    /// The forest.
    pub forest: ForestParams,
    /// The boosted trees.
    pub gbdt: GbdtParams,
}

impl Default for TrainParams {
    fn default() -> Self {
        Self {
            models: vec![LearnerName::Logistic, LearnerName::Forest, LearnerName::Gbdt],
            metric: SelectionMetric::default(),
            one_standard_error: true,
            preprocess: PreprocessParams::default(),
            logistic: LogisticParams::default(),
            forest: ForestParams::default(),
            gbdt: GbdtParams::default(),
        }
    }
}

/// `train.preprocess`. Boosted trees take missing values as they are and need no scale; they ignore both.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PreprocessParams {
    /// What stands in for missing values.
    pub impute: ImputeParams,
    /// How numbers are scaled for the logistic regression.
    pub scale: Scale,
    /// How categories become numbers.
    pub encode: Encode,
}

/// `train.preprocess.impute`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ImputeParams {
    /// Which value fills a missing number.
    pub numeric: ImputeNumeric,
    /// The value of `numeric: constant`.
    pub constant: f64,
    /// Whether a feature with missing training values also gets a 0/1 column that says so.
    pub missing_flag: bool,
}

impl Default for ImputeParams {
    fn default() -> Self {
        Self { numeric: ImputeNumeric::Median, constant: 0.0, missing_flag: true }
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
    /// `constant`.
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
    /// One 0/1 column per level seen in training; an unknown level is 0 in all of them.
    #[default]
    Onehot,
}

/// `train.logistic`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LogisticParams {
    /// Ridge penalty λ of ½ λ Σ β²; scikit-learn's 1 / C.
    pub l2: f64,
}

impl Default for LogisticParams {
    fn default() -> Self {
        Self { l2: 1.0 }
    }
}

/// `train.forest`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ForestParams {
    /// How many trees.
    pub trees: usize,
    /// Greatest depth of a tree.
    pub depth: u16,
    /// Fewest bootstrap rows in a leaf.
    pub min_leaf: usize,
    /// Columns tried at each split; absent: the square root of all.
    pub features: Option<usize>,
}

impl Default for ForestParams {
    fn default() -> Self {
        Self { trees: 200, depth: 12, min_leaf: 10, features: None }
    }
}

/// How boosted trees see categories.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum GbdtCategories {
    /// Splits on sets of levels.
    #[default]
    Native,
    /// One 0/1 column per level.
    Onehot,
}

/// `train.gbdt`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GbdtParams {
    /// Most boosting rounds.
    pub rounds: usize,
    /// Shrinkage of each tree.
    pub learning_rate: f64,
    /// Most leaves of a tree.
    pub leaves: usize,
    /// Greatest depth of a tree; absent: bounded by `leaves` only.
    pub depth: Option<usize>,
    /// Ridge penalty on leaf values.
    pub l2: f64,
    /// Least sum of p(1 − p) in a leaf.
    pub min_child: f64,
    /// Share of the rows each tree sees.
    pub subsample: f64,
    /// Share of the columns each tree sees.
    pub colsample: f64,
    /// Rounds without improvement on the validation slice after which boosting stops.
    pub early_stopping: usize,
    /// Share of a fold's training patients in that slice.
    pub validation_share: f64,
    /// How categories are split.
    pub categories: GbdtCategories,
}

impl Default for GbdtParams {
    fn default() -> Self {
        Self {
            rounds: 500,
            learning_rate: 0.05,
            leaves: 15,
            depth: None,
            l2: 1.0,
            min_child: 5.0,
            subsample: 0.8,
            colsample: 0.8,
            early_stopping: 30,
            validation_share: 0.2,
            categories: GbdtCategories::Native,
        }
    }
}

impl TrainParams {
    /// Checks the values that the types let through.
    pub fn check(&self) -> Result<(), ParamError> {
        if self.models.is_empty() {
            return Err(ParamError::new(
                "train.models",
                "names no candidate; give at least one of logistic, forest, gbdt",
            ));
        }
        for (index, name) in self.models.iter().enumerate() {
            if self.models[..index].contains(name) {
                return Err(ParamError::new(
                    format!("train.models.{index}"),
                    format!("`{}` is listed twice", name.as_str()),
                ));
            }
        }
        let finite = |value: f64| value.is_finite();
        let penalty = |value: f64| value.is_finite() && value >= 0.0;
        let share = |value: f64| value > 0.0 && value <= 1.0;
        let (forest, gbdt) = (&self.forest, &self.gbdt);
        let rules = [
            ("preprocess.impute.constant", finite(self.preprocess.impute.constant), "must be a finite number"),
            ("logistic.l2", penalty(self.logistic.l2), "must be 0 or more"),
            ("forest.trees", (1..=10_000).contains(&forest.trees), "must be between 1 and 10000"),
            ("forest.depth", (1..=64).contains(&forest.depth), "must be between 1 and 64"),
            ("forest.min_leaf", forest.min_leaf >= 1, "must be at least 1"),
            ("forest.features", forest.features != Some(0), "must be at least 1"),
            ("gbdt.rounds", (1..=100_000).contains(&gbdt.rounds), "must be between 1 and 100000"),
            ("gbdt.learning_rate", share(gbdt.learning_rate), "must be above 0 and at most 1"),
            ("gbdt.leaves", (2..=4096).contains(&gbdt.leaves), "must be between 2 and 4096"),
            ("gbdt.depth", gbdt.depth.is_none_or(|depth| (1..=64).contains(&depth)), "must be between 1 and 64"),
            ("gbdt.l2", penalty(gbdt.l2), "must be 0 or more"),
            ("gbdt.min_child", penalty(gbdt.min_child), "must be 0 or more"),
            ("gbdt.subsample", share(gbdt.subsample), "must be above 0 and at most 1"),
            ("gbdt.colsample", share(gbdt.colsample), "must be above 0 and at most 1"),
            ("gbdt.early_stopping", gbdt.early_stopping >= 1, "must be at least 1"),
            ("gbdt.validation_share", share(2.0 * gbdt.validation_share), "must be above 0 and at most 0.5"),
        ];
        match rules.into_iter().find(|(_, holds, _)| !holds) {
            Some((key, _, message)) => Err(ParamError::new(format!("train.{key}"), message)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_valid_and_nonsense_names_its_path() {
        assert_eq!(TrainParams::default().check(), Ok(()));
        let twice = vec![LearnerName::Gbdt, LearnerName::Gbdt];
        let mut params = TrainParams { models: twice, ..TrainParams::default() };
        assert_eq!(params.check().expect_err("twice").path, "train.models.1");
        params.models.pop();
        params.gbdt.subsample = f64::NAN;
        assert_eq!(params.check().expect_err("NaN").path, "train.gbdt.subsample");
    }
}
