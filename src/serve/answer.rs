//! One answer as JSON: the fields of a profile, in its order, filled from a scored record.
//!
//! Invariant: numbers are those of the score; only a field that asks for decimals is rounded, to the nearest decimal
//! number, and a rounded number decides nothing.

use clinpipe_stages::bundle::{AnswerField, AnswerProfile, AnswerValue};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Value, json};

use super::model::{Event, ModelInfo, Outcome, Scored};

/// A scored record in the shape of a profile.
pub(super) struct Answer<'a> {
    pub profile: &'a AnswerProfile,
    pub info: &'a ModelInfo,
    pub scored: &'a Scored,
    /// The time of the answer, as text.
    pub time: &'a str,
}

impl Serialize for Answer<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.profile.answer.len()))?;
        self.write(&mut map)?;
        map.end()
    }
}

impl Answer<'_> {
    /// Writes the fields into an object that may get further ones.
    pub fn write<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        self.profile.answer.iter().try_for_each(|field| map.serialize_entry(&field.name, &self.value(field)))
    }

    /// The value of a field.
    pub fn value(&self, field: &AnswerField) -> Value {
        let Scored { id, outcome, warnings } = self.scored;
        match (field.value, outcome) {
            (AnswerValue::Id, _) => json!(id),
            (AnswerValue::ModelVersion, _) => json!(self.info.version()),
            (AnswerValue::Timestamp, _) => json!(self.time),
            (AnswerValue::Disclaimer, _) => json!(self.profile.disclaimer),
            (AnswerValue::Warnings, _) => json!(warnings),
            (AnswerValue::Prediction, Outcome::Number(number)) => number_of(*number, field.decimals),
            (_, Outcome::Number(_)) => Value::Null,
            (value, Outcome::Event(event)) => self.of_event(value, event, field.decimals),
        }
    }

    fn of_event(&self, value: AnswerValue, event: &Event, decimals: Option<u8>) -> Value {
        let tier = event.tier.as_ref();
        match value {
            AnswerValue::Probability => number_of(event.probability, decimals),
            AnswerValue::Interval => json!(event.interval),
            AnswerValue::Flagged => json!(u8::from(event.flagged)),
            AnswerValue::RiskLevel => json!(tier.map(|tier| &tier.name)),
            AnswerValue::Action => json!(tier.and_then(|tier| tier.action.as_ref())),
            AnswerValue::Cost => tier.and_then(|tier| tier.cost).map_or(Value::Null, |cost| number_of(cost, decimals)),
            AnswerValue::Confidence => json!(self.profile.confidence_of(event.probability)),
            AnswerValue::Threshold => number_of(event.threshold, decimals),
            AnswerValue::ThresholdStratum => json!(event.stratum),
            AnswerValue::ThresholdVersion => {
                json!(self.info.decision.as_ref().map(|decision| &decision.threshold_version))
            }
            AnswerValue::Id
            | AnswerValue::Prediction
            | AnswerValue::ModelVersion
            | AnswerValue::Timestamp
            | AnswerValue::Disclaimer
            | AnswerValue::Warnings => Value::Null,
        }
    }
}

/// A number with at most so many decimals. What rounds to zero has no sign.
fn number_of(value: f64, decimals: Option<u8>) -> Value {
    let rounded = match decimals {
        Some(decimals) => format!("{value:.*}", usize::from(decimals)).parse().unwrap_or(value),
        None => value,
    };
    json!(rounded + 0.0)
}
