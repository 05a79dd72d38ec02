//! `evaluate` in params.yaml.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::slices::{self, OverTime, SliceBy};
use crate::{ParamError, ParamSet};

/// How intervals are made, and by what rows are told apart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EvaluateParams {
    /// Resamples of the patient bootstrap; at least 100.
    pub bootstrap: usize,
    /// Level of all intervals, above 0 and below 1.
    pub confidence: f64,
    /// The thresholds of the table in evaluation.json, beside the frozen one; probabilities.
    pub thresholds: Vec<f64>,
    /// Shares of events, above 0 and below 1, at which the decision is reported as well: those of the places where the
    /// model may be used.
    pub prevalences: Vec<f64>,
    /// The lowest and highest threshold that make clinical sense: where the decision curve is judged. Without it, 0.01
    /// to 0.50.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision_range: Option<[f64; 2]>,
    /// Columns of the raw table by whose levels the model is reported, whether or not it uses them.
    pub slices: Vec<SliceBy>,
    /// The time column by whose periods the model is reported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub over_time: Option<OverTime>,
}

/// The thresholds of the table when none are declared.
const THRESHOLDS: [f64; 13] = [0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8];
/// More thresholds or prevalences than this are no table.
const MAX_VALUES: usize = 200;

impl Default for EvaluateParams {
    fn default() -> Self {
        Self {
            bootstrap: 2000,
            confidence: 0.95,
            thresholds: THRESHOLDS.to_vec(),
            prevalences: Vec::new(),
            decision_range: None,
            slices: Vec::new(),
            over_time: None,
        }
    }
}

impl EvaluateParams {
    /// Reads and checks `evaluate` of the declared parameters.
    pub fn parse(params: &ParamSet) -> Result<Self, ParamError> {
        let evaluate: Self = params.parse_or_default("evaluate")?;
        if !(100..=1_000_000).contains(&evaluate.bootstrap) {
            let message = format!("{} resamples: give 100 to 1000000", evaluate.bootstrap);
            return Err(ParamError::new("evaluate.bootstrap", message));
        }
        if !(evaluate.confidence > 0.0 && evaluate.confidence < 1.0) {
            let message = format!("{} is not a level between 0 and 1", evaluate.confidence);
            return Err(ParamError::new("evaluate.confidence", message));
        }
        slices::check(&evaluate.slices, evaluate.over_time.as_ref())?;
        Self::check_values("thresholds", &evaluate.thresholds, |value| (0.0..=1.0).contains(&value))?;
        Self::check_values("prevalences", &evaluate.prevalences, |value| value > 0.0 && value < 1.0)?;
        if let Some([from, to]) = evaluate.decision_range.filter(|[from, to]| !(0.0 < *from && from < to && *to < 1.0))
        {
            let message =
                format!("[{from}, {to}] is no range of thresholds: give two between 0 and 1, the lower first");
            return Err(ParamError::new("evaluate.decision_range", message));
        }
        Ok(evaluate)
    }

    fn check_values(key: &str, values: &[f64], holds: impl Fn(f64) -> bool) -> Result<(), ParamError> {
        let error = |at: String, message: String| Err(ParamError::new(format!("evaluate.{key}{at}"), message));
        if values.len() > MAX_VALUES {
            return error(String::new(), format!("{} values: give at most {MAX_VALUES}", values.len()));
        }
        match values.iter().enumerate().find(|(_, value)| !holds(**value)) {
            Some((index, value)) => error(format!(".{index}"), format!("{value} does not lie between 0 and 1")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn parse(value: Value) -> Result<EvaluateParams, ParamError> {
        let Value::Object(map) = json!({ "evaluate": value }) else { unreachable!() };
        EvaluateParams::parse(&ParamSet::new(map))
    }

    #[test]
    fn absent_keys_have_defaults_and_wrong_ones_are_named() {
        assert_eq!(parse(json!({})).expect("defaults"), EvaluateParams::default());
        let path = |value| parse(value).expect_err("invalid").path;
        assert_eq!(path(json!({"bootstrap": 99})), "evaluate.bootstrap");
        assert_eq!(path(json!({"confidence": 1})), "evaluate.confidence");
        assert_eq!(path(json!({"thresholds": [0, 1, 1.5]})), "evaluate.thresholds.2");
        assert_eq!(path(json!({"prevalences": [0]})), "evaluate.prevalences.0");
        assert_eq!(path(json!({"decision_range": [0.3, 0.1]})), "evaluate.decision_range");
        assert_eq!(path(json!({"thresholds": vec![0.1; 201]})), "evaluate.thresholds");
    }
}
