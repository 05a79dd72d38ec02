//! `gate`: judges metrics.json by the study's rules and writes verdict.json.
//!
//! In mode `mark` a failed rule makes the model not promotable and the stage succeeds; in mode `enforce` the verdict is
//! written and the stage then fails. It reads metrics only: it never sees data or a model.

use std::fs;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::common::canonical_json;
use crate::common::gate_rules::{GateRule, RuleOutcome, evaluate};
use crate::{ParamError, ParamSet, Role, Stage, StageContext, StageError};

/// What a failed rule does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum GateMode {
    /// The model is marked as not promotable.
    #[default]
    Mark,
    /// The stage fails as well.
    Enforce,
}

/// `gate` in params.yaml.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GateParams {
    /// What a failed rule does.
    #[serde(default)]
    pub mode: GateMode,
    /// The rules; at least one.
    pub rules: Vec<GateRule>,
}

impl GateParams {
    fn parse(params: &ParamSet) -> Result<Self, ParamError> {
        let gate: Self = params.parse("gate")?;
        if gate.rules.is_empty() {
            return Err(ParamError::new("gate.rules", "is empty: a gate without rules would pass anything"));
        }
        for (index, rule) in gate.rules.iter().enumerate() {
            rule.check()
                .map_err(|error| ParamError::new(format!("gate.rules.{index}.{}", error.field), error.message))?;
            if rule.needs_earlier() {
                let message = "max_drop and max_rise compare revisions: use them in `clinpipe metrics diff --gate`";
                return Err(ParamError::new(format!("gate.rules.{index}"), message));
            }
        }
        Ok(gate)
    }
}

/// verdict.json.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verdict {
    /// Version of this format: 2. Version 1 had no `metrics`.
    pub schema_version: u32,
    /// BLAKE3 of the metrics.json that was judged, 64 hex digits.
    pub metrics: String,
    /// Whether every rule holds.
    pub promotable: bool,
    /// What a failed rule does.
    pub mode: GateMode,
    /// The rules' outcomes, in the order of params.yaml.
    pub rules: Vec<RuleOutcome>,
}

/// The stage `gate`.
pub struct Gate;

impl Stage for Gate {
    fn name(&self) -> &'static str {
        "gate"
    }

    fn version(&self) -> u32 {
        2
    }

    fn about(&self) -> &'static str {
        "judges the metrics by floors, ceilings and baselines to beat"
    }

    fn inputs(&self) -> &'static [Role] {
        const { &[Role::required("metrics", "metrics.json of the stage evaluate")] }
    }

    fn outputs(&self) -> &'static [Role] {
        const { &[Role::required("verdict", "whether the model may be promoted, rule by rule")] }
    }

    fn params(&self) -> &'static [Role] {
        const { &[Role::required("gate", "mode and rules")] }
    }

    fn check(&self, params: &ParamSet) -> Result<(), ParamError> {
        GateParams::parse(params).map(|_| ())
    }

    fn run(&self, context: &StageContext) -> Result<(), StageError> {
        let GateParams { mode, rules } = GateParams::parse(context.params())?;
        let file = context.input("metrics")?;
        let bytes = fs::read(&file.path).map_err(|error| StageError::input(&file.name, error.to_string()))?;
        let metrics: Value =
            serde_json::from_slice(&bytes).map_err(|error| StageError::input(&file.name, error.to_string()))?;
        let judged = blake3::hash(&bytes).to_hex().to_string();
        let outcomes = evaluate(&rules, &metrics, None);
        let failed: Vec<&str> =
            outcomes.iter().filter(|outcome| !outcome.passed).map(|outcome| outcome.reason.as_str()).collect();
        let message = failed.join("; ");
        let verdict =
            Verdict { schema_version: 2, metrics: judged, promotable: failed.is_empty(), mode, rules: outcomes };
        canonical_json::write(context.output("verdict")?, &verdict)?;
        if mode == GateMode::Enforce && !verdict.promotable {
            return Err(StageError::failed(format!("the gate is not passed: {message}"))
                .with_hint("improve the model, or set `gate.mode: mark` to keep it as not promotable"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{StageFile, StageRequest};
    use serde_json::{Map, json};
    use std::collections::BTreeMap;

    fn run(metrics: Value, gate: Value) -> (Result<(), StageError>, Option<Verdict>) {
        let dir = tempfile::tempdir().expect("a directory");
        let file = |name: &str| StageFile { path: dir.path().join(name), name: name.to_owned() };
        canonical_json::write(&file("metrics.json").path, &metrics).expect("written");
        let request = StageRequest {
            uses: "gate".to_owned(),
            inputs: BTreeMap::from([("metrics".to_owned(), file("metrics.json"))]),
            outputs: BTreeMap::from([("verdict".to_owned(), file("verdict.json"))]),
            params: Map::from_iter([("gate".to_owned(), gate)]),
            threads: 1,
        };
        let result = Gate.run(&StageContext::new(request, &|_| {}));
        (result, canonical_json::read(&dir.path().join("verdict.json"), "verdict.json").ok())
    }

    #[test]
    fn mark_marks_and_enforce_fails_after_writing() {
        let metrics = json!({"auroc": {"low": 0.5}});
        let gate = |mode: &str| json!({"mode": mode, "rules": [{"metric": "auroc.low", "min": 0.55}]});
        let (result, verdict) = run(metrics.clone(), gate("mark"));
        assert!(result.is_ok() && !verdict.expect("written").promotable);
        let (result, verdict) = run(metrics, gate("enforce"));
        assert!(result.expect_err("enforced").to_string().contains("0.5 against 0.55"));
        assert!(!verdict.expect("written").promotable);
        let (result, verdict) = run(json!({"auroc": {"low": 0.6}}), gate("enforce"));
        assert!(result.is_ok() && verdict.expect("written").promotable);
    }

    #[test]
    fn unsound_rules_are_found_before_anything_runs() {
        let path = |gate: Value| {
            let params = ParamSet::new(Map::from_iter([("gate".to_owned(), gate)]));
            Gate.check(&params).expect_err("unsound").path
        };
        assert_eq!(path(json!({"rules": []})), "gate.rules");
        assert_eq!(path(json!({"rules": [{"metric": "a", "must_beat": "b"}]})), "gate.rules.0.direction");
        assert_eq!(path(json!({"rules": [{"metric": "a", "max_drop": 0.1}]})), "gate.rules.0");
        assert_eq!(path(json!({"mode": "maybe", "rules": []})), "gate.mode");
    }

    #[test]
    fn bytes_are_frozen() {
        let metrics =
            json!({"auroc": {"low": 0.5}, "brier": {"value": 0.2}, "baselines": {"prevalence": {"brier": 0.25}}});
        let rules = json!([
            {"metric": "auroc.low", "min": 0.55},
            {"metric": "brier.value", "direction": "lower", "must_beat": "baselines.prevalence.brier"},
            {"metric": "absent", "max": 1},
        ]);
        let (_, verdict) = run(metrics, json!({"rules": rules}));
        let text = canonical_json::to_string(&verdict.expect("written")).expect("JSON");
        let digest = blake3::hash(text.as_bytes()).to_hex();
        assert_eq!(&digest[..16], "0d2e9d84cdcffe6f", "bytes moved: raise VERSION");
    }
}
