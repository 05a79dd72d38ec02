//! Answer profiles: which fields the answer to a prediction has, under which names, so that clients of an existing
//! service go on working.
//!
//! This is data about the shape of an answer. It cannot change a number, a threshold or a risk level.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::tiers::Tiers;
use crate::ParamError;
use crate::common::target::Task;

/// `profile` in params.yaml, and profile.json.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AnswerProfile {
    /// What the profile is called; shown by the service.
    pub name: String,
    /// The fields of an answer, in order.
    pub answer: Vec<AnswerField>,
    /// The text of `value: disclaimer`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disclaimer: Option<String>,
    /// The levels of `value: confidence`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub confidence: Vec<ConfidenceLevel>,
}

/// One field of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AnswerField {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub value: AnswerValue,
    /// Decimals that a number is rounded to; without it, as computed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decimals: Option<u8>,
}

/// What a field of an answer holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AnswerValue {
    /// The id of the request (`schema.id`).
    Id,
    /// The predicted number, of an outcome that is a number.
    Prediction,
    /// The calibrated probability.
    Probability,
    /// 1 when the patient is flagged, else 0.
    Flagged,
    /// The risk level's name.
    RiskLevel,
    /// What to do at that level.
    Action,
    /// What that costs.
    Cost,
    /// How far the probability lies from one half, in the words of `confidence`.
    Confidence,
    /// The ends of the probability's Venn–Abers interval, as `[low, high]`; `null` in a bundle without intervals.
    Interval,
    /// The threshold that decided.
    Threshold,
    /// The level whose own threshold that was; `null` when it was the overall one.
    ThresholdStratum,
    /// Which threshold that was.
    ThresholdVersion,
    /// The bundle's digest, shortened.
    ModelVersion,
    /// When the answer was given.
    Timestamp,
    /// `disclaimer`.
    Disclaimer,
    /// What is remarkable about the request: a list, mostly empty.
    Warnings,
}

/// A word for probabilities at least so far from one half.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfidenceLevel {
    /// The word.
    pub name: String,
    /// Least distance of the probability from 0.5; levels come in falling order and the last has 0.
    pub from: f64,
}

/// The fields of a full answer about an event, in order.
const FULL_EVENT: [(&str, AnswerValue); 12] = [
    ("id", AnswerValue::Id),
    ("prediction", AnswerValue::Flagged),
    ("probability", AnswerValue::Probability),
    ("interval", AnswerValue::Interval),
    ("risk_level", AnswerValue::RiskLevel),
    ("recommended_action", AnswerValue::Action),
    ("intervention_cost", AnswerValue::Cost),
    ("threshold", AnswerValue::Threshold),
    ("threshold_stratum", AnswerValue::ThresholdStratum),
    ("threshold_version", AnswerValue::ThresholdVersion),
    ("model_version", AnswerValue::ModelVersion),
    ("warnings", AnswerValue::Warnings),
];

/// The fields of a full answer about a number, in order.
const FULL_NUMBER: [(&str, AnswerValue); 4] = [
    ("id", AnswerValue::Id),
    ("prediction", AnswerValue::Prediction),
    ("model_version", AnswerValue::ModelVersion),
    ("warnings", AnswerValue::Warnings),
];

impl AnswerProfile {
    /// Every field that the answer of a bundle of this task can have, under the service's own names.
    pub fn full(task: Task) -> Self {
        let field = |&(name, value): &(&str, AnswerValue)| AnswerField { name: name.to_owned(), value, decimals: None };
        let answer = match task {
            Task::Binary => FULL_EVENT.iter().map(field).collect(),
            Task::Continuous => FULL_NUMBER.iter().map(field).collect(),
        };
        Self { name: "full".to_owned(), answer, disclaimer: None, confidence: Vec::new() }
    }

    /// The word for a probability.
    pub fn confidence_of(&self, p: f64) -> Option<&str> {
        let distance = (p - 0.5).abs();
        self.confidence.iter().find(|level| distance >= level.from).map(|level| level.name.as_str())
    }

    /// Checks that every field can be filled by a bundle of this task with these risk levels.
    pub fn check(&self, task: Task, tiers: Option<&Tiers>) -> Result<(), ParamError> {
        let fault = |key: String, message: &str| Err(ParamError::new(format!("profile.{key}"), message.to_owned()));
        if self.answer.is_empty() {
            return fault("answer".to_owned(), "lists no field");
        }
        let mut names = BTreeSet::new();
        for (index, field) in self.answer.iter().enumerate() {
            if !names.insert(&field.name) {
                return fault(format!("answer.{index}.name"), "is used by two fields");
            }
            if let Some(message) = self.lacks(field.value, task, tiers) {
                return fault(format!("answer.{index}.value"), message);
            }
            let number = matches!(
                field.value,
                AnswerValue::Prediction | AnswerValue::Probability | AnswerValue::Threshold | AnswerValue::Cost
            );
            if field.decimals.is_some_and(|decimals| !number || decimals > 15) {
                return fault(format!("answer.{index}.decimals"), "is for numbers, from 0 to 15");
            }
        }
        self.check_confidence()
    }

    /// What is missing for a field to have a value, if anything.
    fn lacks(&self, value: AnswerValue, task: Task, tiers: Option<&Tiers>) -> Option<&'static str> {
        let levels = || tiers.map(|tiers| &tiers.levels);
        let binary = task == Task::Binary;
        match value {
            AnswerValue::Prediction if binary => Some("the outcome is an event; use `probability`"),
            AnswerValue::Probability
            | AnswerValue::Flagged
            | AnswerValue::Interval
            | AnswerValue::Threshold
            | AnswerValue::ThresholdStratum
            | AnswerValue::ThresholdVersion
            | AnswerValue::Confidence
                if !binary =>
            {
                Some("the outcome is a number; use `prediction`")
            }
            AnswerValue::RiskLevel if levels().is_none() => Some("needs `tiers`"),
            AnswerValue::Action if levels().is_none_or(|all| all.iter().any(|level| level.action.is_none())) => {
                Some("needs `tiers` with an action at every level")
            }
            AnswerValue::Cost if levels().is_none_or(|all| all.iter().any(|level| level.cost.is_none())) => {
                Some("needs `tiers` with a cost at every level")
            }
            AnswerValue::Confidence if self.confidence.is_empty() => Some("needs `profile.confidence`"),
            AnswerValue::Disclaimer if self.disclaimer.is_none() => Some("needs `profile.disclaimer`"),
            _ => None,
        }
    }

    fn check_confidence(&self) -> Result<(), ParamError> {
        let falling = self.confidence.windows(2).all(|pair| pair[0].from > pair[1].from);
        let ends = self.confidence.last().is_none_or(|last| last.from == 0.0);
        let within = self.confidence.iter().all(|level| (0.0..=0.5).contains(&level.from));
        if falling && ends && within {
            return Ok(());
        }
        let message = "`from` must fall from at most 0.5 to 0, so that every probability has a word";
        Err(ParamError::new("profile.confidence", message))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn check(profile: &Value, task: Task, tiers: Option<&Value>) -> Result<(), String> {
        let profile: AnswerProfile = serde_json::from_value(profile.clone()).map_err(|error| error.to_string())?;
        let tiers: Option<Tiers> = tiers.map(|tiers| serde_json::from_value(tiers.clone()).expect("tiers"));
        profile.check(task, tiers.as_ref()).map_err(|error| error.path)
    }

    fn with(value: &str) -> Value {
        json!({"name": "x", "answer": [{"name": "patient_id", "value": "id"}, {"name": "y", "value": value}]})
    }

    #[test]
    fn a_field_that_no_bundle_could_fill_is_refused() {
        let bare = json!({"version": 1, "levels": [{"name": "Low", "from": 0}]});
        let full = json!({"version": 1, "levels": [{"name": "Low", "from": 0, "action": "wait", "cost": 1}]});
        let second = Err("profile.answer.1.value".to_owned());
        assert_eq!(check(&with("probability"), Task::Binary, None), Ok(()));
        assert_eq!(check(&with("probability"), Task::Continuous, None), second);
        assert_eq!(check(&with("prediction"), Task::Binary, None), second);
        assert_eq!(check(&with("prediction"), Task::Continuous, None), Ok(()));
        assert_eq!(check(&with("risk_level"), Task::Binary, None), second);
        assert_eq!(check(&with("risk_level"), Task::Binary, Some(&bare)), Ok(()));
        assert_eq!(check(&with("action"), Task::Binary, Some(&bare)), second);
        assert_eq!(check(&with("cost"), Task::Binary, Some(&bare)), second);
        assert_eq!(check(&with("action"), Task::Binary, Some(&full)), Ok(()));
        assert_eq!(check(&with("cost"), Task::Binary, Some(&full)), Ok(()));
        assert_eq!(check(&with("confidence"), Task::Binary, None), second);
        assert_eq!(check(&with("disclaimer"), Task::Binary, None), second);
    }

    #[test]
    fn names_are_used_once_and_confidence_covers_every_probability() {
        let twice = json!({"name": "x", "answer": [{"name": "y", "value": "id"}, {"name": "y", "value": "flagged"}]});
        assert_eq!(check(&twice, Task::Binary, None), Err("profile.answer.1.name".to_owned()));
        let rounded = json!({"name": "x", "answer": [{"name": "y", "value": "flagged", "decimals": 2}]});
        assert_eq!(check(&rounded, Task::Binary, None), Err("profile.answer.0.decimals".to_owned()));
        let words = |levels: Value| {
            let answer = json!([{"name": "y", "value": "confidence"}]);
            check(&json!({"name": "x", "answer": answer, "confidence": levels}), Task::Binary, None)
        };
        let gap = json!([{"name": "High", "from": 0.3}, {"name": "Low", "from": 0.1}]);
        assert_eq!(words(gap), Err("profile.confidence".to_owned()));
        assert_eq!(words(json!([{"name": "High", "from": 0.3}, {"name": "Low", "from": 0}])), Ok(()));
    }
}
