//! The policy that picks the threshold, as written in params.yaml, and its check.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::common::decision::CostTable;
use crate::{ParamError, ParamSet};

/// The key of params.yaml.
pub(super) const KEY: &str = "tune_threshold";

/// What the threshold optimises or keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PolicyKind {
    /// The lowest mean cost under `cost`.
    Cost,
    /// The highest F-beta with `beta`.
    Fbeta,
    /// The highest F1.
    F1,
    /// The highest sensitivity + specificity − 1.
    Youden,
    /// The highest threshold that still finds the share `recall` of the events.
    RecallFloor,
    /// The highest net benefit, averaged over the threshold probabilities in `range`, or at the one that `cost` implies.
    NetBenefit,
    /// As many flagged as `max_flagged_per_1000` allows: those at the highest risk.
    Capacity,
    /// The threshold `value`, whatever the predictions say.
    Fixed,
}

/// `tune_threshold` in params.yaml.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// What is optimised or kept.
    pub policy: PolicyKind,
    /// The cost table. Needed by the policy `cost`; `net_benefit` may take its threshold probability from it; beside
    /// the others it only lets reports state costs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<CostTable>,
    /// How many times more recall weighs than precision. Needed by `fbeta`; reports use 1 when it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beta: Option<f64>,
    /// The share of events that must be found, above 0 and at most 1. Needed by `recall_floor`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recall: Option<f64>,
    /// The lowest and the highest threshold probability at which one would act, for `net_benefit`; equal for a single
    /// one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<[f64; 2]>,
    /// The threshold of the policy `fixed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// Most flagged rows per 1,000. Needed by `capacity`; beside the other policies a limit that they must keep.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_flagged_per_1000: Option<f64>,
    /// The lowest threshold allowed; with it, flagging everyone is no candidate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// The highest threshold allowed; with it, flagging no one is no candidate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// Thresholds of their own for the levels of a column.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strata: Option<StrataParams>,
    /// Resamples of patients behind the intervals of the threshold and of what it achieves: 0 (none) or 100 to 100,000;
    /// absent: 500. Needs `seed` among the stage's params.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bootstrap: Option<usize>,
    /// Level of those intervals; absent: 0.95.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f64>,
    /// Event rates for which the expected number of alerts is worked out, each above 0 and below 1.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prevalences: Vec<f64>,
}

/// Thresholds by the level of a column, such as the phase of a trial.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StrataParams {
    /// The column of the raw table. A row whose level is missing or not among those of training gets the overall
    /// threshold.
    pub column: String,
    /// Fewest events, and fewest rows without one, on which a level may choose a threshold; with fewer it gets the
    /// overall one.
    #[serde(default = "min_events")]
    pub min_events: u64,
    /// Levels whose threshold is given rather than chosen.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub thresholds: BTreeMap<String, f64>,
    /// Levels with a policy of their own. Every other level of the training rows gets the study's, on its own rows.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub policies: BTreeMap<String, Policy>,
}

fn min_events() -> u64 {
    20
}

/// Resamples when nothing is said.
const BOOTSTRAP: usize = 500;

impl Policy {
    /// A policy with nothing else set.
    pub fn of(policy: PolicyKind) -> Self {
        Self {
            policy,
            cost: None,
            beta: None,
            recall: None,
            range: None,
            value: None,
            max_flagged_per_1000: None,
            min: None,
            max: None,
            strata: None,
            bootstrap: None,
            confidence: None,
            prevalences: Vec::new(),
        }
    }

    /// The policy `fixed` at a threshold.
    pub fn fixed(value: f64) -> Self {
        Self { value: Some(value), ..Self::of(PolicyKind::Fixed) }
    }

    /// Reads and checks `tune_threshold` of the declared parameters; against `schema`, when that is declared as well.
    pub fn parse(params: &ParamSet) -> Result<Self, ParamError> {
        let policy: Self = params.parse(KEY)?;
        policy.check_below(KEY)?;
        if let (Some(strata), Some(_)) = (&policy.strata, params.get("schema")) {
            strata.check_columns(&params.parse("schema")?)?;
        }
        Ok(policy)
    }

    /// The beta of reported F-beta values.
    pub fn reported_beta(&self) -> f64 {
        self.beta.filter(|_| self.policy != PolicyKind::F1).unwrap_or(1.0)
    }

    /// Resamples of patients.
    pub fn resamples(&self) -> usize {
        self.bootstrap.unwrap_or(BOOTSTRAP)
    }

    /// Level of the intervals.
    pub fn level(&self) -> f64 {
        self.confidence.unwrap_or(0.95)
    }
}

impl StrataParams {
    /// The levels that the parameters name.
    pub fn named(&self) -> impl Iterator<Item = &String> {
        self.thresholds.keys().chain(self.policies.keys())
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

    fn path(value: Value) -> String {
        parse(value).expect_err("invalid").path.replace("tune_threshold.", "")
    }

    #[test]
    fn whole_numbers_and_defaults_are_accepted() {
        let policy = parse(json!({"policy": "cost", "cost": {"false_positive": 500, "false_negative": 5000}}));
        let policy = policy.expect("valid");
        let cost = policy.cost.expect("given");
        assert_eq!((cost.true_positive, cost.true_negative, cost.effect), (0.0, 0.0, 1.0));
        assert_eq!((policy.resamples(), policy.level(), policy.reported_beta()), (500, 0.95, 1.0));
    }

    #[test]
    fn errors_name_the_dotted_path() {
        let cost = json!({"false_positive": 1, "false_negative": 2, "effect": 2});
        assert_eq!(path(json!({"policy": "cost", "cost": cost})), "cost.effect");
        assert_eq!(path(json!({"policy": "cost"})), "cost");
        assert_eq!(path(json!({"policy": "fbeta"})), "beta");
        assert_eq!(path(json!({"policy": "fbeta", "beta": 0})), "beta");
        assert_eq!(path(json!({"policy": "f1", "beta": 2})), "beta");
        assert_eq!(path(json!({"policy": "fbeta", "beta": 2, "max": 1.5})), "max");
        assert_eq!(path(json!({"policy": "fbeta", "beta": 2, "min": 0.5, "max": 0.1})), "min");
        assert_eq!(path(json!({"policy": "fbeta", "beta": 2, "cost": {"false_positive": "x"}})), "cost.false_positive");
        assert_eq!(path(json!({"policy": "recall_floor"})), "recall");
        assert_eq!(path(json!({"policy": "recall_floor", "recall": 1.1})), "recall");
        assert_eq!(path(json!({"policy": "recall_floor", "recall": 0})), "recall");
        assert_eq!(path(json!({"policy": "net_benefit"})), "range");
        assert_eq!(path(json!({"policy": "net_benefit", "range": [0.3, 0.1]})), "range");
        assert_eq!(path(json!({"policy": "net_benefit", "range": [0, 0.1]})), "range");
        assert_eq!(path(json!({"policy": "capacity"})), "max_flagged_per_1000");
        assert_eq!(path(json!({"policy": "capacity", "max_flagged_per_1000": 0})), "max_flagged_per_1000");
        assert_eq!(path(json!({"policy": "fixed"})), "value");
        assert_eq!(path(json!({"policy": "fixed", "value": 2})), "value");
        assert_eq!(path(json!({"policy": "fixed", "value": 0.2, "min": 0.1})), "min");
        assert_eq!(path(json!({"policy": "youden", "bootstrap": 7})), "bootstrap");
        assert_eq!(path(json!({"policy": "youden", "confidence": 1})), "confidence");
        assert_eq!(path(json!({"policy": "youden", "prevalences": [0.1, 1.0]})), "prevalences.1");
    }

    #[test]
    fn costs_that_leave_nothing_to_choose_are_refused_where_they_choose() {
        let equal = json!({"false_positive": 500, "false_negative": 5000, "true_positive": 5000});
        let error = parse(json!({"policy": "cost", "cost": equal})).expect_err("flagging never pays");
        assert!(error.path == "tune_threshold.cost" && error.message.contains("never pays"), "{error}");
        let free = json!({"false_positive": 0, "false_negative": 5000});
        let error = parse(json!({"policy": "net_benefit", "cost": free})).expect_err("flagging is free");
        assert!(error.message.contains("everyone is always best"), "{error}");
        let reported = json!({"policy": "fbeta", "beta": 2, "cost": free});
        assert!(parse(reported).is_ok(), "it only states costs");
    }

    #[test]
    fn strata_are_checked_level_by_level() {
        let strata = |strata: Value| json!({"policy": "f1", "strata": strata});
        assert_eq!(path(strata(json!({"column": "", "min_events": 5}))), "strata.column");
        assert_eq!(path(strata(json!({"column": "c", "min_events": 0}))), "strata.min_events");
        assert_eq!(path(strata(json!({"column": "c", "thresholds": {"I": 1.5}}))), "strata.thresholds.I");
        let both = json!({"column": "c", "thresholds": {"I": 0.5}, "policies": {"I": {"policy": "f1"}}});
        assert_eq!(path(strata(both)), "strata.thresholds.I");
        let inner = json!({"column": "c", "policies": {"I": {"policy": "fixed"}}});
        assert_eq!(path(strata(inner)), "strata.policies.I.value");
        let inner = json!({"column": "c", "policies": {"I": {"policy": "f1", "bootstrap": 100}}});
        assert_eq!(path(strata(inner)), "strata.policies.I.bootstrap");
    }

    #[test]
    fn strata_fit_the_schema_where_it_is_declared() {
        let schema = json!({
            "target": {"column": "y", "event": "ends"},
            "columns": {
                "y": {"type": "integer"},
                "phase": {"type": "category", "levels": ["I", "II"]},
                "late": {"type": "category", "levels": ["a"], "available_at": "post"},
                "x": {"type": "number"},
            },
        });
        let parse = |strata: Value| {
            let policy = json!({"policy": "f1", "strata": strata});
            let Value::Object(map) = json!({"tune_threshold": policy, "schema": schema}) else { unreachable!() };
            Policy::parse(&ParamSet::new(map))
        };
        assert!(parse(json!({"column": "phase", "thresholds": {"I": 0.2}})).is_ok());
        let path = |strata: Value| parse(strata).expect_err("invalid").path.replace("tune_threshold.strata.", "");
        for column in ["phases", "late", "y", "x"] {
            assert_eq!(path(json!({"column": column})), "column");
        }
        assert_eq!(path(json!({"column": "phase", "thresholds": {"III": 0.2}})), "thresholds.III");
        assert_eq!(path(json!({"column": "phase", "policies": {"IV": {"policy": "f1"}}})), "policies.IV");
    }
}
