//! `train.tune` in params.yaml: how settings are searched for, how long, and among which values.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ParamError;
use crate::common::objective::Objective;

/// How settings are proposed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TuneMethod {
    /// Not at all: every candidate keeps the settings of params.yaml.
    #[default]
    None,
    /// Every combination, in the order of the keys, until the trials are used up.
    Grid,
    /// Uniformly at random.
    Random,
    /// Where earlier trials were good: tree-structured Parzen estimators, after some random trials.
    Tpe,
}

/// When a trial is given up before its last inner fold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Pruner {
    /// When its mean so far is worse than the median of earlier trials after as many inner folds.
    #[default]
    Median,
    /// Never.
    None,
}

/// `train.tune`. Searched separately for every candidate and in every outer fold, on that fold's training rows only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TuneParams {
    /// How settings are proposed.
    pub method: TuneMethod,
    /// Most trials of one search.
    pub trials: usize,
    /// What trials are judged by; absent: `train.metric`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metric: Option<Objective>,
    /// Folds that the training rows are divided into; a trial's value is the mean over them.
    pub inner_folds: usize,
    /// When a trial is given up early.
    pub pruner: Pruner,
    /// Trials that must be complete before any is given up, and done before `tpe` learns from them.
    pub startup: usize,
    /// Trials that are proposed together, from the results of earlier batches only. Larger batches use more threads and
    /// learn less; the results depend on this number, never on the threads.
    pub batch: usize,
    /// The values to choose from, by dotted key below `train`: `gbdt.learning_rate: {low: 0.01, high: 0.3, log: true}`.
    /// A candidate uses the keys of its own learner and those of `preprocess`, `select` and `imbalance`.
    pub space: BTreeMap<String, Range>,
}

impl Default for TuneParams {
    fn default() -> Self {
        Self {
            method: TuneMethod::None,
            trials: 30,
            metric: None,
            inner_folds: 3,
            pruner: Pruner::Median,
            startup: 5,
            batch: 4,
            space: BTreeMap::new(),
        }
    }
}

/// The values of one setting: a list, or a range of numbers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Range {
    /// The values, in any order and of any type; instead of a range.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub values: Option<Vec<Value>>,
    /// The least number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub low: Option<f64>,
    /// The greatest number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub high: Option<f64>,
    /// Whether the numbers are taken evenly on a logarithmic scale.
    pub log: bool,
    /// The distance of the numbers from each other, counted from `low`; absent: any number between.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<f64>,
    /// Whether only whole numbers are taken; understood when `low` and `step` are whole.
    pub integer: bool,
}

impl TuneParams {
    /// Whether there is anything to search.
    pub fn is_on(&self) -> bool {
        self.method != TuneMethod::None
    }

    /// Checks the numbers; the space is checked where the settings that it names are known.
    pub(super) fn check_numbers(&self) -> Result<(), ParamError> {
        let at = |key: &str, message: &str| ParamError::new(format!("train.tune.{key}"), message);
        let rules = [
            ("trials", (1..=100_000).contains(&self.trials), "must be between 1 and 100000"),
            ("inner_folds", (2..=100).contains(&self.inner_folds), "must be between 2 and 100"),
            ("startup", (1..=10_000).contains(&self.startup), "must be between 1 and 10000"),
            ("batch", (1..=1000).contains(&self.batch), "must be between 1 and 1000"),
        ];
        if let Some((key, _, message)) = rules.into_iter().find(|(_, holds, _)| !holds) {
            return Err(at(key, message));
        }
        if let Some(metric) = &self.metric {
            metric.check().map_err(|(place, message)| at(&format!("metric.{place}"), &message))?;
        }
        if self.is_on() && self.space.is_empty() {
            return Err(at("space", "is empty: name at least one setting, such as `gbdt.learning_rate`"));
        }
        Ok(())
    }
}
