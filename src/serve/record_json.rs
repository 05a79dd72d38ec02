//! Reads a request body: one JSON object in which no name occurs twice, or a list of such objects.
//!
//! JSON leaves open which of two equal names counts. A clinical record in which that decides is not scored.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::errors::{FieldProblem, cap};

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
        vec![FieldProblem { field: String::new(), message, kind: "json" }]
    })?;
    record.checked()
}

impl Record {
    fn checked(self) -> Result<Map<String, Value>, Vec<FieldProblem>> {
        if self.repeated.is_empty() {
            return Ok(self.values);
        }
        let problem = |field| FieldProblem { field, message: "is given twice".to_owned(), kind: "repeated" };
        let mut problems = self.repeated.into_iter().map(problem).collect();
        cap(&mut problems);
        Err(problems)
    }
}

/// An element of a list: what is no record, or repeats a name, is its problems and does not spoil the others.
pub(super) type Item = Result<Map<String, Value>, Vec<FieldProblem>>;

struct Element(Item);

impl<'de> Deserialize<'de> for Element {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ElementVisitor)
    }
}

struct ElementVisitor;

impl ElementVisitor {
    fn no_record(what: &str) -> Element {
        let message = format!("a record must be an object of fields, not {what}");
        Element(Err(vec![FieldProblem { field: String::new(), message, kind: "type" }]))
    }
}

impl<'de> Visitor<'de> for ElementVisitor {
    type Value = Element;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("a record")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Element, A::Error> {
        Ok(Element(RecordVisitor.visit_map(map)?.checked()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Element, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Self::no_record("a list"))
    }

    fn visit_unit<E>(self) -> Result<Element, E> {
        Ok(Self::no_record("null"))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Element, E> {
        Ok(Self::no_record("a boolean"))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Element, E> {
        Ok(Self::no_record("a number"))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Element, E> {
        Ok(Self::no_record("a number"))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Element, E> {
        Ok(Self::no_record("a number"))
    }

    fn visit_str<E>(self, _: &str) -> Result<Element, E> {
        Ok(Self::no_record("a text"))
    }
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    records: Vec<Element>,
}

/// Parses a body of many records: a list, or an object with the list `records`.
pub(super) fn parse_list(body: &[u8]) -> Result<Vec<Item>, Vec<FieldProblem>> {
    let elements = match body.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'[') => serde_json::from_slice::<Vec<Element>>(body),
        _ => serde_json::from_slice::<Named>(body).map(|named| named.records),
    };
    let elements = elements.map_err(|error| {
        let message = format!("the body is neither a list of records nor an object with the list `records`: {error}");
        vec![FieldProblem { field: String::new(), message, kind: "json" }]
    })?;
    Ok(elements.into_iter().map(|Element(item)| item).collect())
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
        assert_eq!((problems[0].field.as_str(), problems[0].kind), ("age", "repeated"));
    }

    #[test]
    fn a_list_is_read_record_by_record() {
        for body in [
            r#"[{"a": 1}, 2, {"b": 1, "b": 2}, [3], null]"#,
            r#" {"records": [{"a": 1}, "x", {"b": 1, "b": 2}, [], true]}"#,
        ] {
            let items = parse_list(body.as_bytes()).expect("a list");
            let kinds: Vec<Option<&str>> =
                items.iter().map(|item| item.as_ref().err().map(|problems| problems[0].kind)).collect();
            assert_eq!(kinds, [None, Some("type"), Some("repeated"), Some("type"), Some("type")]);
        }
        for body in ["", "{}", r#"{"records": {}}"#, r#"{"records": [], "more": 1}"#, "[{]", "[1e999]"] {
            assert_eq!(parse_list(body.as_bytes()).expect_err(body)[0].kind, "json");
        }
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
