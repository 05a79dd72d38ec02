//! Rules that a metrics document must pass: floors, ceilings, baselines to beat, limits on getting worse.
//!
//! One implementation for the `gate` stage and for `clinpipe metrics diff --gate`. What is missing, null or not a
//! number fails with a reason; nothing is skipped. Pure: reads a document, returns outcomes.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Which way a metric improves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Lower is better.
    Lower,
    /// Higher is better.
    Higher,
}

/// One rule. It may set several conditions on its metric; each is judged on its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GateRule {
    /// Dotted path of the metric: `auroc.low`; list items by index.
    pub metric: String,
    /// Which way it improves; needed by `must_beat`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    /// The metric must be at least this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// The metric must be at most this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// Dotted path of a number that the metric must be better than.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub must_beat: Option<String>,
    /// How much worse than `must_beat` is still accepted. At 0 the metric must be strictly better.
    #[serde(default)]
    pub tolerance: f64,
    /// How much the metric may fall since the earlier document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_drop: Option<f64>,
    /// How much the metric may rise since the earlier document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_rise: Option<f64>,
}

/// The judgement of one condition of one rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleOutcome {
    /// The condition, as in `auroc.low >= 0.55`.
    pub rule: String,
    /// Whether it holds.
    pub passed: bool,
    /// Why, in plain words.
    pub reason: String,
    /// The metric's value; null when there is none.
    pub actual: Option<f64>,
    /// What it was compared with; null when there is none.
    pub limit: Option<f64>,
}

/// Where metrics are looked up. The error says why there is no number.
pub trait Lookup {
    /// The finite number at a dotted path.
    fn number(&self, path: &str) -> Result<f64, String>;
}

impl Lookup for Value {
    fn number(&self, path: &str) -> Result<f64, String> {
        let mut at = self;
        for key in path.split('.') {
            let next = match at {
                Self::Array(items) => key.parse::<usize>().ok().and_then(|index| items.get(index)),
                other => other.get(key),
            };
            at = next.ok_or_else(|| format!("`{path}` is missing"))?;
        }
        match at {
            Self::Null => Err(format!("`{path}` is null")),
            Self::Number(number) => {
                number.as_f64().filter(|n| n.is_finite()).ok_or_else(|| format!("`{path}` is not a finite number"))
            }
            _ => Err(format!("`{path}` is not a number")),
        }
    }
}

/// A rule that cannot be judged: the field at fault and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct RuleError {
    /// The field of the rule.
    pub field: &'static str,
    /// What is wrong.
    pub message: String,
}

impl GateRule {
    /// Checks what the types cannot say.
    pub fn check(&self) -> Result<(), RuleError> {
        let fail = |field, message: &str| Err(RuleError { field, message: message.to_owned() });
        if self.metric.is_empty() {
            return fail("metric", "is empty");
        }
        let limits = [("min", self.min), ("max", self.max), ("max_drop", self.max_drop), ("max_rise", self.max_rise)];
        if self.must_beat.is_none() && limits.iter().all(|(_, limit)| limit.is_none()) {
            return fail("metric", "the rule has no condition: give min, max, must_beat, max_drop or max_rise");
        }
        for (field, limit) in limits {
            let Some(limit) = limit else { continue };
            if !limit.is_finite() {
                return fail(field, "is not a finite number");
            }
            if limit < 0.0 && matches!(field, "max_drop" | "max_rise") {
                return fail(field, "is below 0");
            }
        }
        if !self.tolerance.is_finite() || self.tolerance < 0.0 {
            return fail("tolerance", "is not a number of at least 0");
        }
        if self.must_beat.is_some() && self.direction.is_none() {
            return fail("direction", "is missing: must_beat needs `lower` or `higher`");
        }
        Ok(())
    }

    /// Whether it compares with an earlier document.
    pub fn needs_earlier(&self) -> bool {
        self.max_drop.is_some() || self.max_rise.is_some()
    }
}

/// Judges every condition of every rule, in order. `old` is the earlier document that `max_drop` and `max_rise` need.
pub fn evaluate(rules: &[GateRule], new: &dyn Lookup, old: Option<&dyn Lookup>) -> Vec<RuleOutcome> {
    rules.iter().flat_map(|rule| judge(rule, new, old)).collect()
}

/// Rounding error of a difference of two shares: a drop from 0.80 to 0.78 is a drop of 0.02.
const SLACK: f64 = 1e-12;

fn judge(rule: &GateRule, new: &dyn Lookup, old: Option<&dyn Lookup>) -> Vec<RuleOutcome> {
    let metric = rule.metric.as_str();
    let actual = new.number(metric);
    let mut outcomes = Vec::new();
    if let Some(min) = rule.min {
        outcomes.push(settle(format!("{metric} >= {min}"), &actual, &Ok(min), |value| value >= min));
    }
    if let Some(max) = rule.max {
        outcomes.push(settle(format!("{metric} <= {max}"), &actual, &Ok(max), |value| value <= max));
    }
    if let (Some(other), Some(direction)) = (&rule.must_beat, rule.direction) {
        let limit = new.number(other);
        let sign = if direction == Direction::Lower { "<" } else { ">" };
        let slack = if rule.tolerance > 0.0 { format!(" (tolerance {})", rule.tolerance) } else { String::new() };
        let rival = limit.clone().unwrap_or(f64::NAN);
        outcomes.push(settle(format!("{metric} {sign} {other}{slack}"), &actual, &limit, |value| {
            beats(value, rival, direction, rule.tolerance)
        }));
    }
    for (limit, name, fall) in [(rule.max_drop, "drop", true), (rule.max_rise, "rise", false)] {
        let Some(limit) = limit else { continue };
        let earlier = old.map_or_else(
            || Err("there is no earlier document to compare with".to_owned()),
            |old| old.number(metric).map_err(|reason| format!("{reason} in the earlier document")),
        );
        let before = earlier.clone().unwrap_or(f64::NAN);
        outcomes.push(settle(format!("{metric} {name} <= {limit}"), &actual, &earlier, |value| {
            let change = if fall { before - value } else { value - before };
            change <= limit + SLACK
        }));
    }
    outcomes
}

fn beats(value: f64, rival: f64, direction: Direction, tolerance: f64) -> bool {
    let worse = if direction == Direction::Lower { value - rival } else { rival - value };
    worse < 0.0 || (tolerance > 0.0 && worse <= tolerance)
}

fn settle(
    rule: String,
    actual: &Result<f64, String>,
    limit: &Result<f64, String>,
    holds: impl Fn(f64) -> bool,
) -> RuleOutcome {
    let (passed, reason) = match (actual, limit) {
        (Err(reason), _) | (Ok(_), Err(reason)) => (false, reason.clone()),
        (Ok(value), Ok(limit)) => {
            let passed = holds(*value);
            let verb = if passed { "holds" } else { "does not hold" };
            (passed, format!("{rule} {verb}: {} against {}", Short(*value), Short(*limit)))
        }
    };
    RuleOutcome { rule, passed, reason, actual: actual.as_ref().ok().copied(), limit: limit.as_ref().ok().copied() }
}

/// A number for reading: at most six decimals.
struct Short(f64);

impl fmt::Display for Short {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{:.6}", self.0);
        let text = text.trim_end_matches('0').trim_end_matches('.');
        formatter.write_str(if text == "-0" { "0" } else { text })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rule(value: Value) -> GateRule {
        let rule: GateRule = serde_json::from_value(value).expect("a rule");
        rule.check().expect("a sound rule");
        rule
    }

    fn passes(value: Value, new: &Value, old: Option<&Value>) -> bool {
        let outcomes = evaluate(&[rule(value)], new, old.map(|old| old as &dyn Lookup));
        assert!(!outcomes.is_empty(), "a sound rule is judged");
        outcomes.iter().all(|outcome| outcome.passed)
    }

    #[test]
    fn floors_and_ceilings_include_their_limit() {
        let new = json!({"auroc": {"low": 0.55}, "list": [1, 2]});
        assert!(passes(json!({"metric": "auroc.low", "min": 0.55, "max": 0.55}), &new, None));
        assert!(!passes(json!({"metric": "auroc.low", "min": 0.56}), &new, None));
        assert!(passes(json!({"metric": "list.1", "min": 2}), &new, None));
    }

    #[test]
    fn beating_is_strict_without_tolerance() {
        let new = json!({"cost": 10.0, "all": 10.0, "auroc": 0.7, "other": 0.71});
        let beat = |tolerance: f64| json!({"metric": "cost", "direction": "lower", "must_beat": "all", "tolerance": tolerance});
        assert!(!passes(beat(0.0), &new, None));
        assert!(passes(beat(0.5), &new, None));
        let higher = |tolerance: f64| json!({"metric": "auroc", "direction": "higher", "must_beat": "other", "tolerance": tolerance});
        assert!(!passes(higher(0.001), &new, None));
        assert!(passes(higher(0.02), &new, None));
    }

    #[test]
    fn a_drop_of_exactly_the_limit_passes() {
        let old = json!({"auroc": 0.80});
        let drop = json!({"metric": "auroc", "max_drop": 0.02});
        assert!(passes(drop.clone(), &json!({"auroc": 0.78}), Some(&old)));
        assert!(!passes(drop.clone(), &json!({"auroc": 0.779}), Some(&old)));
        assert!(passes(drop, &json!({"auroc": 0.9}), Some(&old)));
        assert!(!passes(json!({"metric": "auroc", "max_rise": 0.05}), &json!({"auroc": 0.9}), Some(&old)));
    }

    #[test]
    fn what_is_no_number_fails_and_says_why() {
        let new = json!({"a": null, "b": "x", "c": {}, "d": 1});
        for (metric, reason) in [
            ("a", "`a` is null"),
            ("b", "`b` is not a number"),
            ("c.x", "`c.x` is missing"),
            ("d.e", "`d.e` is missing"),
        ] {
            let outcomes = evaluate(&[rule(json!({"metric": metric, "min": 0}))], &new, None);
            assert_eq!((outcomes[0].passed, outcomes[0].reason.as_str()), (false, reason));
        }
        let outcomes = evaluate(&[rule(json!({"metric": "d", "max_drop": 1}))], &new, None);
        assert_eq!(outcomes[0].reason, "there is no earlier document to compare with");
        let beat = rule(json!({"metric": "d", "direction": "higher", "must_beat": "a"}));
        assert_eq!(evaluate(&[beat], &new, None)[0].reason, "`a` is null");
    }

    #[test]
    fn unsound_rules_are_refused() {
        let field = |value: Value| {
            serde_json::from_value::<GateRule>(value).expect("parses").check().expect_err("unsound").field
        };
        assert_eq!(field(json!({"metric": "a"})), "metric");
        assert_eq!(field(json!({"metric": "a", "must_beat": "b"})), "direction");
        assert_eq!(field(json!({"metric": "a", "max_drop": -1})), "max_drop");
        assert_eq!(field(json!({"metric": "a", "min": 0, "tolerance": -1})), "tolerance");
    }
}
