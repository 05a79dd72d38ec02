//! Schemas that several answers share, under the names that the description refers to.

use serde_json::{Map, Value, json};

use super::answers::answer;
use crate::serve::model::{Model, ModelInfo};

/// A reference to one of [`schemas`].
pub(super) fn part(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// All named schemas.
pub(super) fn schemas(model: &dyn Model) -> Map<String, Value> {
    let info = model.info();
    let mut record = model.request_schema().clone();
    if let Some(record) = record.as_object_mut() {
        // The dialect of the whole description is the same.
        record.remove("$schema");
    }
    let fixed = [
        ("Record", record),
        ("FieldProblem", field_problem()),
        ("Error", error()),
        ("Contribution", contribution()),
        ("MemberExplanation", member()),
        ("FailedRecord", failed()),
    ];
    let mut schemas: Map<String, Value> = fixed.map(|(name, schema)| (name.to_owned(), schema)).into_iter().collect();
    for (name, profile) in [("", &info.profile), ("Full", &info.full)] {
        schemas.insert(format!("{name}Answer"), answer(profile, info, Vec::new()));
        schemas.insert(format!("{name}Explanation"), answer(profile, info, explanation()));
    }
    schemas.insert("BatchAnswer".to_owned(), batch(info));
    schemas
}

/// The shapes that `answer=profile` and `answer=full` choose between.
pub(super) fn shapes(info: &ModelInfo, kind: &str) -> Value {
    if info.profile == info.full {
        return part(kind);
    }
    json!({"anyOf": [part(kind), part(&format!("Full{kind}"))]})
}

fn field_problem() -> Value {
    json!({
        "type": "object",
        "properties": {
            "field": {"type": "string", "description": "The field; empty when the body as a whole is meant."},
            "message": {"type": "string", "description": "What is wrong or remarkable, and what is expected."},
            "type": {"type": "string", "description": "A stable word for programs, such as missing, type, range, level."},
        },
        "required": ["field", "message", "type"],
        "additionalProperties": false,
    })
}

fn error() -> Value {
    json!({
        "type": "object",
        "properties": {
            "error": {"type": "string", "description": "A stable word for programs."},
            "message": {"type": "string"},
            "errors": {"type": "array", "items": part("FieldProblem"), "description": "Every problem of a refused request."},
            "request_id": {"type": "string", "description": "Names the request in the service's log."},
        },
        "required": ["error", "message", "request_id"],
    })
}

fn contribution() -> Value {
    json!({
        "type": "object",
        "properties": {
            "feature": {"type": "string"},
            "value": {"type": ["number", "string", "null"], "description": "Its value in this record; null when missing."},
            "contribution": {"type": "number", "description": "What it adds to the margin."},
        },
        "required": ["feature", "value", "contribution"],
        "additionalProperties": false,
    })
}

fn member() -> Value {
    json!({
        "type": "object",
        "description": "Why one model scored the record so: base_value + contributions = margin.",
        "properties": {
            "learner": {"type": "string"},
            "scale": {"enum": ["log_odds", "probability", "outcome"]},
            "base_value": {"type": "number"},
            "margin": {"type": "number"},
            "contributions": {"type": "array", "items": part("Contribution")},
        },
        "required": ["learner", "scale", "base_value", "margin", "contributions"],
        "additionalProperties": false,
    })
}

fn explanation() -> Vec<(&'static str, Value, bool)> {
    let by_feature = json!({
        "type": "object", "additionalProperties": {"type": "number"},
        "description": "Contributions by feature, when one model answers.",
    });
    let base = json!({"type": "number", "description": "The margin of an average record, when one model answers."});
    let members = json!({
        "type": "array", "items": part("MemberExplanation"), "minItems": 1,
        "description": "One for each model; several when the answer is their mean.",
    });
    vec![("shap_values", by_feature, false), ("base_value", base, false), ("explanations", members, true)]
}

fn failed() -> Value {
    json!({
        "type": "object",
        "description": "In place of the answer to a record that got none.",
        "properties": {
            "index": {"type": "integer", "minimum": 0, "description": "The record's place in the batch, from 0."},
            "error": {"enum": ["invalid_request", "internal"]},
            "errors": {"type": "array", "items": part("FieldProblem")},
        },
        "required": ["index", "error", "errors"],
        "additionalProperties": false,
    })
}

fn batch(info: &ModelInfo) -> Value {
    let one = json!({"anyOf": [shapes(info, "Answer"), part("FailedRecord")]});
    json!({
        "type": "object",
        "properties": {
            "predictions": {"type": "array", "items": one, "description": "In the order of the records."},
            "total_processed": {"type": "integer", "minimum": 0},
            "failed": {"type": "integer", "minimum": 0},
            "processing_time_seconds": {"type": "number", "minimum": 0},
        },
        "required": ["predictions", "total_processed", "failed", "processing_time_seconds"],
        "additionalProperties": false,
    })
}
