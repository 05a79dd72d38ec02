//! `train.select` and `train.imbalance`: which features a learner gets, and how events and non-events are balanced.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ParamError;

/// `train.select`. Features are chosen on the rows a learner is fitted on, never on rows it is judged by; all encoded
/// columns of a feature stay or go together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SelectParams {
    /// How.
    pub method: SelectMethod,
    /// Most features that stay.
    pub max: usize,
    /// `variance`, `importance`: what a feature must score more than. Absent: 0 for variance, no limit for importance.
    /// The best feature always stays.
    pub threshold: Option<f64>,
    /// `importance`: whose.
    pub by: ImportanceOf,
    /// Trees of the forest that judges features.
    pub trees: usize,
    /// `rfe`: share of the remaining features that each round drops.
    pub step: f64,
}

impl Default for SelectParams {
    fn default() -> Self {
        Self { method: SelectMethod::None, max: 50, threshold: None, by: ImportanceOf::Forest, trees: 50, step: 0.1 }
    }
}

/// How features are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SelectMethod {
    /// All of them stay.
    #[default]
    None,
    /// Those that vary most, after moving every encoded column to the range from 0 to 1.
    Variance,
    /// Those that one model finds most important.
    Importance,
    /// Recursive elimination: a forest is fitted, the least important features go, until `max` are left.
    Rfe,
}

/// Whose importance counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ImportanceOf {
    /// A forest's: the share of the squared error that its splits on the feature remove.
    #[default]
    Forest,
    /// The linear model's: the share of the absolute standardised coefficients.
    Linear,
}

/// `train.imbalance`. Anything but `none` moves probabilities away from the real event rate, so that calibration, on
/// untouched rows, becomes obligatory. It seldom improves ranking; a decision threshold needs neither.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ImbalanceParams {
    /// How.
    pub method: Imbalance,
    /// `weights`: what an event counts, a non-event counting 1. Absent: both outcomes count the same in all.
    pub event_weight: Option<f64>,
    /// `smote`: events per non-event afterwards, at most 1. Absent: 1.
    pub ratio: Option<f64>,
    /// `smote`: the nearest events among which a partner is drawn. Absent: 5.
    pub k: Option<usize>,
}

/// How events and non-events are balanced in the rows of a fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Imbalance {
    /// Not at all.
    #[default]
    None,
    /// Events count more than non-events.
    Weights,
    /// Synthetic events between neighbouring ones (Chawla et al. 2002).
    Smote,
}

impl Imbalance {
    /// The name in params.yaml, in the card and in out-of-fold predictions.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Weights => "weights",
            Self::Smote => "smote",
        }
    }
}

impl SelectParams {
    /// Checks the values that the types let through.
    pub fn check(&self) -> Result<(), ParamError> {
        let threshold = self.threshold.is_none_or(|value| value.is_finite() && value >= 0.0);
        let judged = matches!(self.method, SelectMethod::None | SelectMethod::Variance | SelectMethod::Importance);
        let rules = [
            ("max", self.max >= 1, "must be at least 1"),
            ("threshold", threshold, "must be 0 or more"),
            ("threshold", judged || self.threshold.is_none(), "is not used by `rfe`; give `max`"),
            ("trees", (1..=10_000).contains(&self.trees), "must be between 1 and 10000"),
            ("step", self.step > 0.0 && self.step < 1.0, "must be above 0 and below 1"),
        ];
        first_broken("select", &rules)
    }
}

impl ImbalanceParams {
    /// The method when it moves probabilities away from the event rate, for those who must know.
    pub fn marked(&self) -> Option<Imbalance> {
        Some(self.method).filter(|method| *method != Imbalance::None)
    }

    /// Checks the values that the types let through.
    pub fn check(&self) -> Result<(), ParamError> {
        let positive = |value: f64| value.is_finite() && value > 0.0;
        let (weights, smote) = (self.method == Imbalance::Weights, self.method == Imbalance::Smote);
        let rules = [
            ("event_weight", weights || self.event_weight.is_none(), "is used with `method: weights` only"),
            ("event_weight", self.event_weight.is_none_or(positive), "must be a number above 0"),
            ("ratio", smote || self.ratio.is_none(), "is used with `method: smote` only"),
            ("ratio", self.ratio.is_none_or(|ratio| ratio > 0.0 && ratio <= 1.0), "must be above 0 and at most 1"),
            ("k", smote || self.k.is_none(), "is used with `method: smote` only"),
            ("k", self.k.is_none_or(|k| (1..=1000).contains(&k)), "must be between 1 and 1000"),
        ];
        first_broken("imbalance", &rules)
    }
}

fn first_broken(key: &str, rules: &[(&str, bool, &str)]) -> Result<(), ParamError> {
    match rules.iter().find(|(_, holds, _)| !holds) {
        Some((inner, _, message)) => Err(ParamError::new(format!("train.{key}.{inner}"), *message)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn keys_that_do_not_belong_to_the_method_are_refused() {
        let select = |value: Value| serde_json::from_value::<SelectParams>(value).expect("the right types").check();
        assert_eq!(select(json!({})), Ok(()));
        assert_eq!(
            select(json!({"method": "rfe", "threshold": 1})).expect_err("no use").path,
            "train.select.threshold"
        );
        assert_eq!(select(json!({"step": 1.0})).expect_err("all at once").path, "train.select.step");
        let balance = |value: Value| {
            serde_json::from_value::<ImbalanceParams>(value)
                .expect("the right types")
                .check()
                .map_err(|error| error.path)
        };
        assert_eq!(balance(json!({})), Ok(()));
        assert_eq!(balance(json!({"method": "smote", "ratio": 0.1, "k": 3})), Ok(()));
        for (value, key) in [
            (json!({"ratio": 0.1}), "ratio"),
            (json!({"method": "smote", "ratio": 1.5}), "ratio"),
            (json!({"method": "smote", "event_weight": 2}), "event_weight"),
            (json!({"method": "weights", "event_weight": 0}), "event_weight"),
            (json!({"method": "weights", "k": 5}), "k"),
        ] {
            assert_eq!(balance(value), Err(format!("train.imbalance.{key}")));
        }
    }
}
