//! The study's schema as a JSON Schema of a request: what `/schema` shows and what clients build their forms from.
//!
//! It must accept exactly the records that the bundle's own validation accepts, but for the rules across columns: JSON
//! Schema cannot compare fields, so the service lists them beside it as `x-rules`.

use clinpipe_stages::bundle::EXACT_INTEGERS;
use clinpipe_stages::common::schema::{ColumnSchema, ColumnType, Schema};
use serde_json::{Map, Value, json};

/// The JSON Schema (2020-12) of a record with the columns `fields`; `required` are those that must be there.
///
/// Integers are `integer`, which in JSON Schema includes 69.0. A nullable column also takes `null`.
pub fn request_schema(schema: &Schema, fields: &[String], required: &[String], title: &str) -> Value {
    let known = fields.iter().filter_map(|name| Some((name.clone(), property(schema.columns.get(name)?))));
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        "description": format!("A record to predict {}.", predicted(schema)),
        "type": "object",
        "properties": known.collect::<Map<String, Value>>(),
        "required": required,
        "additionalProperties": false,
    })
}

/// What is predicted, in words.
fn predicted(schema: &Schema) -> String {
    match &schema.target.event {
        Some(event) => format!("whether the patient {event}"),
        None => schema.target.column.clone(),
    }
}

fn property(column: &ColumnSchema) -> Value {
    let kind = match column.kind {
        ColumnType::Integer => "integer",
        ColumnType::Number => "number",
        ColumnType::Category | ColumnType::Text => "string",
    };
    let mut property = Map::new();
    property.insert("type".to_owned(), if column.nullable { json!([kind, "null"]) } else { json!(kind) });
    // Bounds are of the schema's unit; a value in another one has others.
    if let Some([low, high]) = column.range.filter(|_| column.convert.is_empty()) {
        property.insert("minimum".to_owned(), json!(low));
        property.insert("maximum".to_owned(), json!(high));
    } else if column.kind == ColumnType::Integer && column.levels.is_empty() && column.convert.is_empty() {
        property.insert("minimum".to_owned(), json!(-EXACT_INTEGERS));
        property.insert("maximum".to_owned(), json!(EXACT_INTEGERS));
    }
    if !column.levels.is_empty() {
        let mut levels = column.levels.clone();
        if column.nullable {
            levels.push(Value::Null);
        }
        property.insert("enum".to_owned(), Value::Array(levels));
    }
    if let Some(pattern) = &column.pattern {
        // JSON Schema searches; a study's pattern must match the whole text.
        property.insert("pattern".to_owned(), json!(format!("^(?:{pattern})$")));
    }
    if let Some(about) = &column.about {
        property.insert("description".to_owned(), json!(about));
    }
    if let Some(unit) = &column.unit {
        property.insert("x-unit".to_owned(), json!(unit));
    }
    if !column.convert.is_empty() {
        property.insert("x-convert".to_owned(), json!(column.convert));
    }
    Value::Object(property)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_become_properties() {
        let schema: Schema = serde_json::from_value(json!({
            "target": {"column": "y", "event": "drops out"},
            "columns": {
                "age": {"type": "integer", "range": [18, 85], "unit": "years", "about": "Age at enrolment"},
                "arm": {"type": "category", "levels": ["a", "b"], "nullable": true},
                "id": {"type": "text", "pattern": "P-[0-9]+|X"},
                "y": {"type": "integer"}, "n": {"type": "integer"},
            },
        }))
        .expect("a schema");
        let fields = ["age", "arm", "id", "n"].map(str::to_owned);
        let answer = request_schema(&schema, &fields, &fields[..1], "dropout");
        assert_eq!(
            answer["properties"],
            json!({
                "age": {"type": "integer", "minimum": 18.0, "maximum": 85.0, "description": "Age at enrolment", "x-unit": "years"},
                "arm": {"type": ["string", "null"], "enum": ["a", "b", null]},
                "id": {"type": "string", "pattern": "^(?:P-[0-9]+|X)$"},
                "n": {"type": "integer", "minimum": -9_007_199_254_740_991.0, "maximum": 9_007_199_254_740_991.0},
            })
        );
        assert_eq!((&answer["required"], &answer["additionalProperties"]), (&json!(["age"]), &json!(false)));
    }
}
