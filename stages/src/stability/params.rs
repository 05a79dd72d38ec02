//! `stability` in params.yaml.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ParamError, ParamSet};

/// Which rows are predicted by every refit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// The test rows: patients that no refit has seen. Their outcomes are not read.
    #[default]
    Test,
    /// The training rows.
    Train,
}

/// `stability` in params.yaml: how much the model depends on the patients that happened to be in the study.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StabilityParams {
    /// Resamples of the training patients on which everything is fitted again: 10 to 10,000. Riley and Collins (2023)
    /// advise at least 200.
    pub refits: usize,
    /// Which rows they predict.
    pub part: Part,
    /// Whether the search for settings (`train.tune`) is repeated in every refit. Without it the settings that it once
    /// found are taken.
    pub retune: bool,
    /// Performance by the number of training patients; null for none.
    pub learning_curve: Option<CurveParams>,
}

/// The learning curve: fits on shares of the patients, judged on an outer fold that they are not from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CurveParams {
    /// Shares of the patients, above 0 and at most 1, ascending.
    pub fractions: Vec<f64>,
    /// Fits at each share: 2 to 1,000. Each takes other patients, and the next outer fold.
    pub repeats: usize,
}

impl Default for StabilityParams {
    fn default() -> Self {
        Self { refits: 200, part: Part::Test, retune: false, learning_curve: Some(CurveParams::default()) }
    }
}

impl Default for CurveParams {
    fn default() -> Self {
        Self { fractions: vec![0.2, 0.4, 0.6, 0.8, 1.0], repeats: 5 }
    }
}

impl StabilityParams {
    /// Reads and checks `stability` of the declared parameters.
    pub fn parse(params: &ParamSet) -> Result<Self, ParamError> {
        let stability: Self = params.parse_or_default("stability")?;
        if !(10..=10_000).contains(&stability.refits) {
            let message = format!("{} refits: give 10 to 10000", stability.refits);
            return Err(ParamError::new("stability.refits", message));
        }
        stability.learning_curve.as_ref().map_or(Ok(()), CurveParams::check)?;
        Ok(stability)
    }
}

impl CurveParams {
    fn check(&self) -> Result<(), ParamError> {
        let at = |key: &str, message: String| Err(ParamError::new(format!("stability.learning_curve.{key}"), message));
        if !(2..=1000).contains(&self.repeats) {
            return at("repeats", format!("{} repeats: give 2 to 1000", self.repeats));
        }
        if self.fractions.is_empty() {
            return at("fractions", "names no share; for no learning curve say `learning_curve: null`".to_owned());
        }
        if let Some(index) = self.fractions.iter().position(|share| !(*share > 0.0 && *share <= 1.0)) {
            let message = format!("{} is no share above 0 and at most 1", self.fractions[index]);
            return at(&format!("fractions.{index}"), message);
        }
        match self.fractions.windows(2).position(|pair| pair[0] >= pair[1]) {
            Some(index) => at(&format!("fractions.{}", index + 1), "must be above the share before it".to_owned()),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn path(value: Value) -> String {
        let Value::Object(map) = json!({ "stability": value }) else { unreachable!() };
        StabilityParams::parse(&ParamSet::new(map)).expect_err("invalid").path.replace("stability.", "")
    }

    #[test]
    fn nonsense_names_its_path() {
        assert_eq!(path(json!({"refits": 3})), "refits");
        assert_eq!(path(json!({"part": "all"})), "part");
        assert_eq!(path(json!({"learning_curve": {"repeats": 1}})), "learning_curve.repeats");
        assert_eq!(path(json!({"learning_curve": {"fractions": []}})), "learning_curve.fractions");
        assert_eq!(path(json!({"learning_curve": {"fractions": [0.5, 1.5]}})), "learning_curve.fractions.1");
        assert_eq!(path(json!({"learning_curve": {"fractions": [0.5, 0.5]}})), "learning_curve.fractions.1");
        let none = StabilityParams::parse(&ParamSet::default()).expect("all have defaults");
        assert_eq!((none.refits, none.part), (200, Part::Test));
    }
}
