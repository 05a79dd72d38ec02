//! `study` in params.yaml: the question that a model answers, said before it is fitted.
//!
//! It is what people declare. Nothing here is guessed, and what is not declared is reported as such.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::common::schema::Schema;
use crate::common::target::Task;
use crate::common::text::suggestion;
use crate::{ParamError, ParamSet};

/// `study` in params.yaml.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StudyParams {
    /// What is asked, in one sentence.
    pub question: Option<String>,
    /// Whom it is asked of: who is in, who is not, where and when they were seen.
    pub population: Option<String>,
    /// The moment of prediction: predictors are known by then, the outcome is not.
    pub index_time: Option<String>,
    /// What counts as the outcome, and how it is established.
    pub outcome: Option<String>,
    /// When the outcome may happen, counted from the index time; its end is the horizon.
    pub risk_window: Option<RiskWindow>,
    /// How long before the index time a patient was watched, in the unit of the risk window.
    pub washout: Option<f64>,
    /// What was done with patients who had the outcome before.
    pub prior_outcome: Option<PriorOutcome>,
    /// The column that says how long after the index time a patient was watched, in the unit of the risk window.
    pub follow_up: Option<String>,
    /// What the model is for.
    pub intended_use: Option<String>,
    /// What it must not be used for.
    pub not_for: Vec<String>,
    /// The R² that a model may be expected to reach, for the sample size: for events that of Cox and Snell, for numbers
    /// the adjusted one; from earlier studies, not from this one. Absent for events: 15 % of its maximum.
    pub expected_r2: Option<f64>,
    /// Parameters considered as predictors, when they are others than those of the features.
    pub candidate_parameters: Option<u64>,
}

/// When the outcome may happen.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RiskWindow {
    /// Its begin, from the index time.
    pub start: f64,
    /// Its end: the horizon.
    pub end: f64,
    /// The unit of both.
    pub unit: TimeUnit,
}

/// A unit of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum TimeUnit {
    Hours,
    Days,
    Weeks,
    Months,
    Years,
}

/// What was done with patients who had the outcome before the index time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PriorOutcome {
    /// They were left out.
    Drop,
    /// They stayed.
    Keep,
}

/// A number that an expected R² must lie below, for the expected shrinkage of 0.9 to be possible.
const LARGEST_R2: f64 = 0.9;

impl StudyParams {
    /// Reads and checks `study`; absent, nothing is declared.
    pub fn parse(params: &ParamSet, schema: &Schema) -> Result<Self, ParamError> {
        let study: Self = params.parse_or_default("study")?;
        study.check(schema)?;
        Ok(study)
    }

    fn check(&self, schema: &Schema) -> Result<(), ParamError> {
        let at = |key: &str, message: String| Err(ParamError::new(format!("study.{key}"), message));
        let texts = [
            ("question", &self.question),
            ("population", &self.population),
            ("index_time", &self.index_time),
            ("outcome", &self.outcome),
            ("intended_use", &self.intended_use),
        ];
        if let Some((key, _)) = texts.iter().find(|(_, text)| text.as_ref().is_some_and(|text| text.trim().is_empty()))
        {
            return at(key, "is empty; leave it out when it is not known".to_owned());
        }
        if let Some(RiskWindow { start, end, .. }) = self.risk_window
            && !(start.is_finite() && end.is_finite() && start < end)
        {
            return at("risk_window", format!("{start} to {end} is no window"));
        }
        if let Some(washout) = self.washout.filter(|washout| !(*washout >= 0.0 && washout.is_finite())) {
            return at("washout", format!("{washout} is no length of time"));
        }
        if let Some(r2) = self.expected_r2.filter(|r2| !(*r2 > 0.0 && *r2 < LARGEST_R2)) {
            return at("expected_r2", format!("{r2} is not between 0 and {LARGEST_R2}"));
        }
        if self.candidate_parameters == Some(0) {
            return at("candidate_parameters", "must be at least 1".to_owned());
        }
        self.check_follow_up(schema)
    }

    fn check_follow_up(&self, schema: &Schema) -> Result<(), ParamError> {
        let Some(name) = &self.follow_up else { return Ok(()) };
        let at = |message: String| Err(ParamError::new("study.follow_up", message));
        match schema.columns.get(name) {
            None => {
                let near = suggestion(name, schema.columns.keys().map(String::as_str));
                at(format!("`{name}` is not a column of the schema{near}"))
            }
            Some(column) if !column.is_numeric() => at(format!("`{name}` is not a number")),
            Some(_) if schema.target.kind == Task::Continuous => {
                at("concerns events; a number is measured or missing".to_owned())
            }
            Some(_) if self.risk_window.is_none() => {
                at("needs `study.risk_window`, whose end is the horizon".to_owned())
            }
            Some(_) => Ok(()),
        }
    }

    /// What has to be declared for a report to be called clinical and is not.
    pub fn undeclared(&self) -> Vec<&'static str> {
        let declared = [
            ("population", self.population.is_some()),
            ("index_time", self.index_time.is_some()),
            ("outcome", self.outcome.is_some()),
            ("risk_window", self.risk_window.is_some()),
        ];
        declared.into_iter().filter(|(_, declared)| !declared).map(|(key, _)| key).collect()
    }
}
