//! `train.logistic`, `train.ridge`, `train.forest`, `train.gbdt`: how each learner is set up.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Rule;

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

/// `train.ridge`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RidgeParams {
    /// Ridge penalty λ of Σ (y − ŷ)² + λ Σ β²; scikit-learn's alpha.
    pub l2: f64,
}

impl Default for RidgeParams {
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
    /// Fewest rows in a leaf, of those drawn for its tree and counted once.
    pub min_leaf: usize,
    /// Columns tried at each split, not counting those of one value there; absent: the square root of all, for a number
    /// as outcome a third.
    pub features: Option<usize>,
    /// How categories are split.
    pub categories: TreeCategories,
}

impl Default for ForestParams {
    fn default() -> Self {
        Self { trees: 200, depth: 12, min_leaf: 10, features: None, categories: TreeCategories::Onehot }
    }
}

/// How trees see categories.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TreeCategories {
    /// Splits on sets of levels.
    Native,
    /// One 0/1 column per level.
    Onehot,
}

/// Which way a prediction may go when a feature rises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Up or not at all.
    Increasing,
    /// Down or not at all.
    Decreasing,
}

impl Direction {
    /// 1 or −1.
    pub fn sign(self) -> i8 {
        match self {
            Self::Increasing => 1,
            Self::Decreasing => -1,
        }
    }
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
    /// Least sum of p(1 − p) in a leaf; when the outcome is a number, fewest rows. Weights count.
    pub min_child: f64,
    /// Share of the rows each tree sees.
    pub subsample: f64,
    /// Share of the columns each tree sees.
    pub colsample: f64,
    /// Rounds without improvement on the validation slice after which boosting stops.
    pub early_stopping: usize,
    /// Share of a fold's training patients in that slice.
    pub validation_share: f64,
    /// Most bins that the values of a feature are sorted into; more find finer thresholds and take longer.
    pub max_bins: usize,
    /// How categories are split.
    pub categories: TreeCategories,
    /// Features, numbers all, with which the prediction may only rise (`increasing`) or only fall (`decreasing`).
    pub monotone: BTreeMap<String, Direction>,
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
            max_bins: 256,
            categories: TreeCategories::Native,
            monotone: BTreeMap::new(),
        }
    }
}

fn is_penalty(value: f64) -> bool {
    value.is_finite() && value >= 0.0
}

fn is_share(value: f64) -> bool {
    value > 0.0 && value <= 1.0
}

impl LogisticParams {
    pub(super) fn rules(&self) -> Vec<Rule> {
        vec![("logistic.l2", is_penalty(self.l2), "must be 0 or more")]
    }
}

impl RidgeParams {
    pub(super) fn rules(&self) -> Vec<Rule> {
        vec![("ridge.l2", is_penalty(self.l2), "must be 0 or more")]
    }
}

impl ForestParams {
    pub(super) fn rules(&self) -> Vec<Rule> {
        vec![
            ("forest.trees", (1..=10_000).contains(&self.trees), "must be between 1 and 10000"),
            ("forest.depth", (1..=64).contains(&self.depth), "must be between 1 and 64"),
            ("forest.min_leaf", self.min_leaf >= 1, "must be at least 1"),
            ("forest.features", self.features != Some(0), "must be at least 1"),
        ]
    }
}

impl GbdtParams {
    pub(super) fn rules(&self) -> Vec<Rule> {
        let depth = self.depth.is_none_or(|depth| (1..=64).contains(&depth));
        vec![
            ("gbdt.rounds", (1..=100_000).contains(&self.rounds), "must be between 1 and 100000"),
            ("gbdt.learning_rate", is_share(self.learning_rate), "must be above 0 and at most 1"),
            ("gbdt.leaves", (2..=4096).contains(&self.leaves), "must be between 2 and 4096"),
            ("gbdt.depth", depth, "must be between 1 and 64"),
            ("gbdt.l2", is_penalty(self.l2), "must be 0 or more"),
            ("gbdt.min_child", is_penalty(self.min_child), "must be 0 or more"),
            ("gbdt.subsample", is_share(self.subsample), "must be above 0 and at most 1"),
            ("gbdt.colsample", is_share(self.colsample), "must be above 0 and at most 1"),
            ("gbdt.early_stopping", self.early_stopping >= 1, "must be at least 1"),
            ("gbdt.max_bins", (2..=65_536).contains(&self.max_bins), "must be between 2 and 65536"),
            ("gbdt.validation_share", is_share(2.0 * self.validation_share), "must be above 0 and at most 0.5"),
        ]
    }
}
