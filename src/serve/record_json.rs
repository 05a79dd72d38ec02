//! Reads a request body: one JSON object in which no name occurs twice.
//!
//! JSON leaves open which of two equal names counts. A clinical record in which that decides is not scored.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::errors::FieldProblem;

struct Record {
    values: Map<String, Value>,
    repeated: Vec<String>,
}

impl<'de> Deserialize<'de> for Record {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(RecordVisitor)
    }
}

struct RecordVisitor;

impl<'de> Visitor<'de> for RecordVisitor {
    type Value = Record;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("a JSON object of fields")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Record, A::Error> {
        let mut record = Record { values: Map::new(), repeated: Vec::new() };
        while let Some((name, value)) = map.next_entry::<String, Value>()? {
            if record.values.contains_key(&name) {
                record.repeated.push(name);
            } else {
                record.values.insert(name, value);
            }
        }
        Ok(record)
    }
}

/// Parses the body of a request.
pub(super) fn parse(body: &[u8]) -> Result<Map<String, Value>, Vec<FieldProblem>> {
    let record: Record = serde_json::from_slice(body).map_err(|error| {
        let message = format!("the body is not a JSON object: {error}");
        vec![FieldProblem { field: String::new(), message, kind: "json".to_owned() }]
    })?;
    if record.repeated.is_empty() {
        return Ok(record.values);
    }
    let problem = |field| FieldProblem { field, message: "is given twice".to_owned(), kind: "repeated".to_owned() };
    Err(record.repeated.into_iter().map(problem).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_read() {
        let record = parse(br#" {"age": 69.0, "sex": null} "#).expect("an object");
        assert_eq!(record["age"], Value::from(69.0));
        assert!(record["sex"].is_null());
    }

    #[test]
    fn a_repeated_name_is_refused() {
        let problems = parse(br#"{"age": 1, "sex": "f", "age": 2}"#).expect_err("age twice");
        assert_eq!(problems.len(), 1);
        assert_eq!((problems[0].field.as_str(), problems[0].kind.as_str()), ("age", "repeated"));
    }

    #[test]
    fn anything_else_is_refused_without_a_panic() {
        let deep = "[".repeat(100_000);
        for body in ["", "[]", "null", "{", r#"{"a":1}x"#, r#"{"a":1e999}"#, r#"{"a":NaN}"#, "\u{0}", &deep] {
            assert_eq!(parse(body.as_bytes()).expect_err(body)[0].kind, "json");
        }
        assert!(parse(b"{\"a\":\"\xff\"}").is_err());
        assert!(parse(format!("{{\"a\":{deep}}}").as_bytes()).is_err());
    }
}
