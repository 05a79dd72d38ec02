//! The policy that picks the threshold, as written in params.yaml.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::common::decision::{CostTable, Counts};
use crate::{ParamError, ParamSet};

/// What the threshold optimises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PolicyKind {
    /// The lowest mean cost under `cost`.
    Cost,
    /// The highest F-beta with `beta`.
    Fbeta,
}

/// `tune_threshold` in params.yaml.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// What is optimised.
    pub policy: PolicyKind,
    /// The cost table. Needed by the policy `cost`; beside `fbeta` it only lets reports state costs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<CostTable>,
    /// How many times more recall weighs than precision. Needed by `fbeta`; reports use 1 when it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beta: Option<f64>,
    /// The lowest threshold allowed; with it, flagging everyone is no candidate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// The highest threshold allowed; with it, flagging no one is no candidate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
}

impl Policy {
    /// Reads and checks `tune_threshold` of the declared parameters.
    pub fn parse(params: &ParamSet) -> Result<Self, ParamError> {
        let policy: Self = params.parse("tune_threshold")?;
        policy.check()?;
        Ok(policy)
    }

    /// The beta of reported F-beta values.
    pub fn reported_beta(&self) -> f64 {
        self.beta.unwrap_or(1.0)
    }

    /// How bad a decision is under this policy; lower is better. An undefined F-beta is as bad as 0.
    pub(super) fn loss(&self, counts: &Counts) -> f64 {
        match (self.policy, &self.cost) {
            (PolicyKind::Cost, Some(cost)) => cost.mean(counts).unwrap_or(f64::INFINITY),
            _ => -counts.fbeta(self.reported_beta()).unwrap_or(0.0),
        }
    }

    fn check(&self) -> Result<(), ParamError> {
        let at = |key: &str, message: String| ParamError::new(format!("tune_threshold.{key}"), message);
        if let Some(cost) = &self.cost {
            cost.check().map_err(|(field, message)| at(&format!("cost.{field}"), message))?;
        }
        match self.policy {
            PolicyKind::Cost if self.cost.is_none() => {
                return Err(at("cost", "is missing: the policy `cost` needs a cost table".to_owned()));
            }
            PolicyKind::Fbeta if self.beta.is_none() => {
                return Err(at("beta", "is missing: the policy `fbeta` needs it (2 weighs recall twice)".to_owned()));
            }
            _ => {}
        }
        if let Some(beta) = self.beta.filter(|beta| !(beta.is_finite() && *beta > 0.0)) {
            return Err(at("beta", format!("{beta} is not a number above 0")));
        }
        for (key, bound) in [("min", self.min), ("max", self.max)] {
            if let Some(bound) = bound.filter(|bound| !(0.0..=1.0).contains(bound)) {
                return Err(at(key, format!("{bound} is not a probability")));
            }
        }
        match (self.min, self.max) {
            (Some(min), Some(max)) if min > max => Err(at("min", format!("{min} lies above `max` {max}"))),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn parse(value: Value) -> Result<Policy, ParamError> {
        let Value::Object(map) = json!({ "tune_threshold": value }) else { unreachable!() };
        Policy::parse(&ParamSet::new(map))
    }

    #[test]
    fn whole_numbers_and_defaults_are_accepted() {
        let policy = parse(json!({"policy": "cost", "cost": {"false_positive": 500, "false_negative": 5000}}));
        let cost = policy.expect("valid").cost.expect("given");
        assert_eq!((cost.true_positive, cost.true_negative, cost.effect), (0.0, 0.0, 1.0));
    }

    #[test]
    fn errors_name_the_dotted_path() {
        let path = |value| parse(value).expect_err("invalid").path;
        let cost = json!({"false_positive": 1, "false_negative": 2, "effect": 2});
        assert_eq!(path(json!({"policy": "cost", "cost": cost})), "tune_threshold.cost.effect");
        assert_eq!(path(json!({"policy": "cost"})), "tune_threshold.cost");
        assert_eq!(path(json!({"policy": "fbeta"})), "tune_threshold.beta");
        assert_eq!(path(json!({"policy": "fbeta", "beta": 0})), "tune_threshold.beta");
        assert_eq!(path(json!({"policy": "fbeta", "beta": 2, "max": 1.5})), "tune_threshold.max");
        assert_eq!(path(json!({"policy": "fbeta", "beta": 2, "min": 0.5, "max": 0.1})), "tune_threshold.min");
        assert_eq!(
            path(json!({"policy": "fbeta", "beta": 2, "cost": {"false_positive": "x"}})),
            "tune_threshold.cost.false_positive"
        );
    }
}
