//! The JSON Schema of answers, from the profile that renders them (`serve/answer.rs`).

use clinpipe_stages::bundle::{AnswerField, AnswerProfile, AnswerValue};
use serde_json::{Map, Value, json};

use crate::serve::model::{DecisionInfo, ModelInfo};

/// An object with the fields of a profile and the further `(name, schema, whether it is always there)`.
pub(super) fn answer(profile: &AnswerProfile, info: &ModelInfo, further: Vec<(&str, Value, bool)>) -> Value {
    let mut required: Vec<&str> = profile.answer.iter().map(|field| field.name.as_str()).collect();
    let fields = profile.answer.iter().map(|field| (field.name.clone(), of_field(field, profile, info)));
    let mut properties: Map<String, Value> = fields.collect();
    for (name, schema, always) in further {
        properties.insert(name.to_owned(), schema);
        if always {
            required.push(name);
        }
    }
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

fn of_field(field: &AnswerField, profile: &AnswerProfile, info: &ModelInfo) -> Value {
    let about = about(field.value);
    let mut schema = match (&info.decision, field.value) {
        (_, AnswerValue::Id) => json!({"type": ["string", "number", "null"]}),
        (_, AnswerValue::ModelVersion) => json!({"type": "string"}),
        (_, AnswerValue::Timestamp) => json!({"type": "string", "format": "date-time"}),
        (_, AnswerValue::Disclaimer) => json!({"enum": [profile.disclaimer]}),
        (_, AnswerValue::Warnings) => json!({"type": "array", "items": {"$ref": "#/components/schemas/FieldProblem"}}),
        (_, AnswerValue::Prediction) => number(info.range),
        (Some(decision), value) => of_event(value, profile, decision),
        (None, _) => json!({"type": "null"}),
    };
    schema["description"] = json!(about);
    schema
}

/// A number within bounds, if it has any.
fn number(range: Option<[f64; 2]>) -> Value {
    match range {
        Some([low, high]) => json!({"type": "number", "minimum": low, "maximum": high}),
        None => json!({"type": "number"}),
    }
}

fn of_event(value: AnswerValue, profile: &AnswerProfile, decision: &DecisionInfo) -> Value {
    let tiers = || decision.tiers.iter().map(|(tier, _)| tier);
    match value {
        AnswerValue::Probability => number(Some([0.0, 1.0])),
        AnswerValue::Threshold => json!({"type": "number"}),
        AnswerValue::Flagged => json!({"type": "integer", "enum": [0, 1]}),
        AnswerValue::Interval => json!({
            "type": ["array", "null"], "items": number(Some([0.0, 1.0])), "minItems": 2, "maxItems": 2,
        }),
        AnswerValue::RiskLevel => choice(tiers().map(|tier| json!(tier.name)).collect()),
        AnswerValue::Action => choice(tiers().map(|tier| json!(tier.action)).collect()),
        AnswerValue::Cost => json!({"type": ["number", "null"]}),
        AnswerValue::Confidence => choice(profile.confidence.iter().map(|level| json!(level.name)).collect()),
        AnswerValue::ThresholdStratum => json!({"type": ["string", "null"]}),
        AnswerValue::ThresholdVersion => json!({"type": "string"}),
        AnswerValue::Id
        | AnswerValue::Prediction
        | AnswerValue::ModelVersion
        | AnswerValue::Timestamp
        | AnswerValue::Disclaimer
        | AnswerValue::Warnings => json!({}),
    }
}

/// One of the words, each listed once; `null` when there are none.
fn choice(words: Vec<Value>) -> Value {
    let mut listed: Vec<Value> = Vec::new();
    for word in words {
        if !listed.contains(&word) {
            listed.push(word);
        }
    }
    if listed.is_empty() { json!({"type": "null"}) } else { json!({"enum": listed}) }
}

fn about(value: AnswerValue) -> &'static str {
    match value {
        AnswerValue::Id => "The identifier that the record came with.",
        AnswerValue::Prediction => "The predicted number, in the unit of the outcome.",
        AnswerValue::Probability => "The calibrated probability of the outcome.",
        AnswerValue::Flagged => "1 when the probability reaches the threshold, else 0.",
        AnswerValue::RiskLevel => "The risk level.",
        AnswerValue::Action => "What the study recommends at this level.",
        AnswerValue::Cost => "What that costs.",
        AnswerValue::Confidence => "How far the probability lies from one half, in a word.",
        AnswerValue::Interval => "The ends of the probability's interval.",
        AnswerValue::Threshold => "The threshold that decided.",
        AnswerValue::ThresholdStratum => "The group whose own threshold that was; null when it was the overall one.",
        AnswerValue::ThresholdVersion => "Which threshold that was.",
        AnswerValue::ModelVersion => "The start of the digest of the bundle that answered.",
        AnswerValue::Timestamp => "When the answer was given.",
        AnswerValue::Disclaimer => "What to keep in mind.",
        AnswerValue::Warnings => "What is remarkable about the record.",
    }
}
