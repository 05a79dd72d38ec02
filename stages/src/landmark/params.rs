//! `landmark` in params.yaml.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ParamError;

/// `landmark` in params.yaml.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LandmarkParams {
    /// The landmark: the day, since each patient's start, on which predictions are made. Later events are unknown on it.
    pub day: u32,
    /// The outcome counts when it comes after the landmark day and within so many days of it.
    pub horizon: u32,
    /// The column of both files that tells patients apart.
    pub entity: String,
    /// Columns of the patients' file. Those named here stay behind; all others are handed on.
    pub patients: PatientColumns,
    /// Columns of the file of events.
    pub events: EventColumns,
    /// The new column with the outcome: 1 within the horizon, else 0.
    pub outcome: String,
    /// What to build from the events.
    pub features: Vec<FeatureParams>,
}

/// Which columns of the patients' file tell how the follow-up went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PatientColumns {
    /// The last day of observation.
    pub end: String,
    /// The day of the outcome; an empty cell means that it did not come while the patient was observed.
    pub outcome_day: String,
    /// Other columns that are known only afterwards, and stay behind as well.
    #[serde(default)]
    pub drop: Vec<String>,
}

/// The columns of the file of events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EventColumns {
    /// The day since the patient's start.
    pub day: String,
    /// What happened.
    pub kind: String,
    /// A number that goes with it, for `max` and `sum`.
    #[serde(default)]
    pub value: Option<String>,
}

/// A column to build from each patient's events of one kind, up to and including the landmark day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FeatureParams {
    /// The new column.
    pub name: String,
    /// What is built.
    pub op: Build,
    /// Which events; the kind's text.
    pub of: String,
    /// Only events of so many last days; without it, all since the start.
    #[serde(default)]
    pub last: Option<u32>,
}

/// What is built from events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Build {
    /// Their number.
    Count,
    /// Days from the last of them to the landmark; empty when there was none.
    DaysSince,
    /// Their largest value; empty when there was none.
    Max,
    /// The sum of their values; 0 when there was none.
    Sum,
}

impl LandmarkParams {
    /// Checks what the types let through.
    pub fn check(&self) -> Result<(), ParamError> {
        let fault = |key: String, message: String| Err(ParamError::new(format!("landmark.{key}"), message));
        if self.horizon == 0 {
            return fault("horizon".to_owned(), "must be at least one day".to_owned());
        }
        let reserved = [&self.entity, &self.outcome, &self.patients.end, &self.patients.outcome_day];
        let mut names = BTreeSet::new();
        for (key, name) in ["entity", "outcome", "patients.end", "patients.outcome_day"].into_iter().zip(reserved) {
            if !names.insert(name) {
                return fault(key.to_owned(), format!("`{name}` is named twice"));
            }
        }
        for (index, feature) in self.features.iter().enumerate() {
            if !names.insert(&feature.name) {
                return fault(format!("features.{index}.name"), format!("`{}` is named twice", feature.name));
            }
            if feature.last == Some(0) {
                return fault(format!("features.{index}.last"), "must be at least one day".to_owned());
            }
            if matches!(feature.op, Build::Max | Build::Sum) && self.events.value.is_none() {
                let message = "needs the events' value: set `landmark.events.value` to its column".to_owned();
                return fault(format!("features.{index}.op"), message);
            }
        }
        if self.features.is_empty() {
            return fault("features".to_owned(), "lists nothing to build".to_owned());
        }
        Ok(())
    }
}
