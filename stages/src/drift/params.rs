//! `drift` in params.yaml.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::document::Severity;
use crate::common::day::{Day, EXPECTED};
use crate::{ParamError, ParamSet};

/// When something counts as drift, and who hears of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DriftParams {
    /// The day of this look, as `2026-03-01`. A stage has no clock; whoever runs it says what day it is.
    pub as_of: Option<String>,
    /// Which rows of the current data count; all without it.
    pub window: Option<Window>,
    /// The level that adjusted p-values are compared with: of the differences called significant, about this share is
    /// none.
    pub alpha: f64,
    /// Fewest rows of a column that can raise an alarm.
    pub min_rows: u64,
    /// Effects that count as large.
    pub limits: EffectLimits,
    /// What makes the table as a whole drift.
    pub dataset: DatasetLimits,
    /// Columns in which any drift is critical.
    pub critical: Vec<String>,
    /// What each severity asks for.
    pub escalation: EscalationTable,
    /// Resamples of patients behind the intervals of performance.
    pub bootstrap: usize,
    /// Pictures of the columns that moved most.
    pub pictures: usize,
}

/// Rows of the current data whose column lies in a range, both ends included.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// A column of the table, of the schema or not; `timestamp` in a log of predictions.
    pub column: String,
    /// The first value. Numbers are compared as numbers when both ends are, else texts in alphabetical order, which is
    /// right for dates like `2026-03-01`.
    pub from: Bound,
    /// The last value. A text includes what begins with it: `to: "2026-03"` is to the end of March.
    pub to: Bound,
}

/// An end of a window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Bound {
    /// A number.
    Number(f64),
    /// A text, for dates and names.
    Text(String),
}

/// An effect beyond its limit is large.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EffectLimits {
    /// Wasserstein distance of a number, in standard deviations of the reference.
    pub wasserstein: f64,
    /// Jensen–Shannon distance of a category (base 2, from 0 to 1).
    pub jensen_shannon: f64,
    /// Population stability index, of either.
    pub psi: f64,
    /// Change of the share of missing values.
    pub missing: f64,
    /// Share of rows with a level that the reference did not have, beyond its own share of rare ones.
    pub unseen: f64,
}

impl Default for EffectLimits {
    fn default() -> Self {
        Self { wasserstein: 0.1, jensen_shannon: 0.1, psi: 0.2, missing: 0.05, unseen: 0.01 }
    }
}

/// Limits of the table as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DatasetLimits {
    /// Share of the compared columns that drift, and share of the model's attention that they have.
    pub share: f64,
    /// Population stability index of the scores.
    pub prediction: f64,
}

impl Default for DatasetLimits {
    fn default() -> Self {
        Self { share: 0.3, prediction: 0.2 }
    }
}

/// What each severity asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EscalationTable {
    /// A column drifts; by default within 24 hours.
    pub low: Escalation,
    /// Many columns drift, or the scores do; by default within 4 hours.
    pub high: Escalation,
    /// A critical column drifts; by default within the hour.
    pub critical: Escalation,
}

impl EscalationTable {
    /// What a severity asks for; nothing when there is none.
    pub fn of(&self, severity: Severity) -> Option<&Escalation> {
        match severity {
            Severity::None => None,
            Severity::Low => Some(&self.low),
            Severity::High => Some(&self.high),
            Severity::Critical => Some(&self.critical),
        }
    }
}

impl Default for EscalationTable {
    fn default() -> Self {
        let entry = |within_hours, to: &str, action: &str| Escalation {
            within_hours,
            to: to.to_owned(),
            action: action.to_owned(),
        };
        Self {
            low: entry(24, "data team", "look at the columns named here"),
            high: entry(4, "model owner", "look at data and scores, and at the decision of `decide`"),
            critical: entry(1, "clinical lead", "look at once; consider pausing alerts made by the model"),
        }
    }
}

/// What one severity asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Escalation {
    /// Within how many hours somebody has to have looked.
    pub within_hours: u32,
    /// Who.
    pub to: String,
    /// What is to be done.
    pub action: String,
}

impl Default for DriftParams {
    fn default() -> Self {
        Self {
            as_of: None,
            window: None,
            alpha: 0.01,
            min_rows: 100,
            limits: EffectLimits::default(),
            dataset: DatasetLimits::default(),
            critical: Vec::new(),
            escalation: EscalationTable::default(),
            bootstrap: 500,
            pictures: 6,
        }
    }
}

impl DriftParams {
    /// Reads and checks `drift` of the declared parameters.
    pub fn parse(params: &ParamSet) -> Result<Self, ParamError> {
        let drift: Self = params.parse_or_default("drift")?;
        let fail = |key: &str, message: String| Err(ParamError::new(format!("drift.{key}"), message));
        if let Some(text) = drift.as_of.as_ref().filter(|text| Day::parse(text).is_none()) {
            return fail("as_of", format!("`{text}` is no day; {EXPECTED}"));
        }
        if !(drift.alpha > 0.0 && drift.alpha < 1.0) {
            return fail("alpha", format!("{} is no level between 0 and 1", drift.alpha));
        }
        if drift.min_rows == 0 {
            return fail("min_rows", "nothing can be said of no rows; give 1 or more".to_owned());
        }
        let EffectLimits { wasserstein, jensen_shannon, psi, missing, unseen } = drift.limits;
        let DatasetLimits { share, prediction } = drift.dataset;
        for (key, value) in [
            ("limits.wasserstein", wasserstein),
            ("limits.jensen_shannon", jensen_shannon),
            ("limits.psi", psi),
            ("limits.missing", missing),
            ("limits.unseen", unseen),
            ("dataset.share", share),
            ("dataset.prediction", prediction),
        ] {
            if !(value.is_finite() && value >= 0.0) {
                return fail(key, format!("{value} is no limit; give a number of 0 or more"));
            }
        }
        if !(100..=100_000).contains(&drift.bootstrap) {
            return fail("bootstrap", format!("{} resamples: give 100 to 100000", drift.bootstrap));
        }
        if drift.pictures > 30 {
            return fail("pictures", format!("{} pictures: give at most 30", drift.pictures));
        }
        if let Some(window) = &drift.window {
            window.check()?;
        }
        Ok(drift)
    }
}

/// As errors name it.
impl fmt::Display for Window {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        write!(formatter, "`{}` from {} to {}", self.column, self.from, self.to)
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(formatter),
            Self::Text(text) => text.fmt(formatter),
        }
    }
}

impl Window {
    fn check(&self) -> Result<(), ParamError> {
        let text = match (&self.from, &self.to) {
            (Bound::Number(from), Bound::Number(to)) if from <= to => return Ok(()),
            (Bound::Text(from), Bound::Text(to)) if from <= to || from.starts_with(to.as_str()) => return Ok(()),
            (Bound::Number(from), Bound::Number(to)) => format!("{from} to {to} holds nothing"),
            (Bound::Text(from), Bound::Text(to)) => format!("{from} to {to} holds nothing"),
            _ => "one end is a number and the other a text; write both alike".to_owned(),
        };
        Err(ParamError::new("drift.window", text))
    }

    /// Whether a value lies in it; a value that is none of its kind does not.
    pub fn holds(&self, value: &str) -> bool {
        match (&self.from, &self.to) {
            (Bound::Number(from), Bound::Number(to)) => {
                value.trim().parse::<f64>().is_ok_and(|value| *from <= value && value <= *to)
            }
            (Bound::Text(from), Bound::Text(to)) => {
                from.as_str() <= value && (value <= to.as_str() || value.starts_with(to.as_str()))
            }
            _ => false,
        }
    }
}
