//! Metric files as data: JSON or YAML text to a document, a document to dotted leaves.
//!
//! Whoever calls knows where the text came from (the workspace, git, the store); nothing is read from disk here.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::config::{params, yaml};

/// A metric file that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {message}")]
pub struct MetricsError {
    /// The file as the project names it.
    pub file: String,
    /// What is wrong with it.
    pub message: String,
}

impl MetricsError {
    /// An error of one file.
    pub fn new(file: &str, message: impl ToString) -> Self {
        Self { file: file.to_owned(), message: message.to_string() }
    }
}

/// The metric files of one state of the project, by name. A file that cannot be read stays in the set as an error, so
/// that one broken file never hides the others.
pub type MetricsSet = BTreeMap<String, Result<Value, MetricsError>>;

/// Parses the text of a metric or parameter file: JSON or TOML if its name ends so, otherwise YAML. JSON may hold the
/// bare words `NaN`, `Infinity` and `-Infinity`, as Python writes them; they become texts.
pub fn parse(file: &str, text: &str) -> Result<Value, MetricsError> {
    let ending = std::path::Path::new(file).extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    match ending.to_ascii_lowercase().as_str() {
        "json" => serde_json::from_str(text)
            .or_else(|error| serde_json::from_str(&quote_non_finite(text)).map_err(|_| error))
            .map_err(|error| MetricsError::new(file, error)),
        "toml" | "py" => params::parse_text(file, text).map_err(|errors| MetricsError::new(file, errors)),
        _ => yaml::parse_value(text, file).map_err(|errors| MetricsError::new(file, errors)),
    }
}

/// Parses the bytes of a file; see [`parse`].
pub fn parse_bytes(file: &str, bytes: Vec<u8>) -> Result<Value, MetricsError> {
    let text = String::from_utf8(bytes).map_err(|_| MetricsError::new(file, "is not text"))?;
    parse(file, &text)
}

/// Puts the words that JSON does not know into quotes, outside texts.
fn quote_non_finite(text: &str) -> String {
    const WORDS: [&str; 3] = ["-Infinity", "Infinity", "NaN"];
    let mut result = String::with_capacity(text.len());
    let (mut rest, mut inside) = (text, false);
    while let Some(first) = rest.chars().next() {
        let word = WORDS.iter().find(|word| !inside && rest.starts_with(**word));
        let length = match (word, first) {
            (Some(word), _) => {
                result.extend(["\"", word, "\""]);
                rest = &rest[word.len()..];
                continue;
            }
            (None, '\\') if inside => 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
            (None, '"') => {
                inside = !inside;
                1
            }
            (None, other) => other.len_utf8(),
        };
        result.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    result
}

/// What becomes of lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lists {
    /// They are left out, as DVC does with metrics: their items have no lasting name.
    Dropped,
    /// They are leaves, as DVC does with parameters.
    Leaves,
}

/// The leaves of a metric document by dotted path; lists are left out. Empty objects have no leaves. A document that is
/// a single value has the empty path.
pub fn leaves(document: &Value) -> BTreeMap<String, Value> {
    leaves_with(document, Lists::Dropped)
}

/// The leaves of a document by dotted path; see [`leaves`].
pub fn leaves_with(document: &Value, lists: Lists) -> BTreeMap<String, Value> {
    let mut leaves = BTreeMap::new();
    collect("", document, lists, &mut leaves);
    leaves
}

fn collect(path: &str, value: &Value, lists: Lists, leaves: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(map) => {
            for (key, child) in map {
                let below = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                collect(&below, child, lists, leaves);
            }
        }
        Value::Array(_) if lists == Lists::Dropped => {}
        leaf => {
            leaves.insert(path.to_owned(), leaf.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn leaves_are_dotted_and_lists_are_left_out() {
        let found = leaves(&json!({"a": {"b": 1, "c": null, "d": []}, "e": "x", "f": [1, 2], "g": {}}));
        let expected = [("a.b", json!(1)), ("a.c", Value::Null), ("e", json!("x"))];
        assert_eq!(found, expected.map(|(path, value)| (path.to_owned(), value)).into());
        assert_eq!(leaves(&json!(0.5)), BTreeMap::from([(String::new(), json!(0.5))]));
    }

    #[test]
    fn the_name_decides_the_format_and_errors_name_the_file() {
        assert_eq!(parse("m.json", r#"{"a": 1}"#), Ok(json!({"a": 1})));
        assert_eq!(parse("m.yaml", "a: {b: 0.5}\n"), Ok(json!({"a": {"b": 0.5}})));
        assert_eq!(parse("dir/m.json", "{").expect_err("broken").file, "dir/m.json");
        assert_eq!(parse("m.yaml", "a: [").expect_err("broken").file, "m.yaml");
    }

    #[test]
    fn lists_are_leaves_when_asked_for() {
        let found = leaves_with(&json!({"a": {"b": [1, "x"]}}), Lists::Leaves);
        assert_eq!(found, BTreeMap::from([("a.b".to_owned(), json!([1, "x"]))]));
    }

    #[test]
    fn the_words_of_python_are_read_and_texts_left_alone() {
        let text = r#"{"a": NaN, "b": [-Infinity, Infinity], "c": "NaN \" NaN", "d\\": NaN}"#;
        let expected = json!({"a": "NaN", "b": ["-Infinity", "Infinity"], "c": "NaN \" NaN", "d\\": "NaN"});
        assert_eq!(parse("m.json", text), Ok(expected));
        assert!(parse("m.json", "{\"a\": Nan}").is_err());
    }

    #[test]
    fn toml_is_read() {
        assert_eq!(parse("p.toml", "[a]\nb = 1\n"), Ok(json!({"a": {"b": 1}})));
    }
}
