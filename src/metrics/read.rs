//! Metric files as data: JSON or YAML text to a document, a document to dotted leaves.
//!
//! Whoever calls knows where the text came from (the workspace, git, the store); nothing is read from disk here.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::config::yaml;

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

/// Parses the text of a metric file: JSON if its name ends in `.json`, otherwise YAML.
pub fn parse(file: &str, text: &str) -> Result<Value, MetricsError> {
    let json = std::path::Path::new(file).extension().is_some_and(|ending| ending.eq_ignore_ascii_case("json"));
    if json {
        serde_json::from_str(text).map_err(|error| MetricsError::new(file, error))
    } else {
        yaml::parse_value(text, file).map_err(|errors| MetricsError::new(file, errors))
    }
}

/// The leaves of a document by dotted path. Lists are left out, as in DVC: their items have no lasting name. Empty
/// objects have no leaves. A document that is a single value has the empty path.
pub fn leaves(document: &Value) -> BTreeMap<String, Value> {
    let mut leaves = BTreeMap::new();
    collect("", document, &mut leaves);
    leaves
}

fn collect(path: &str, value: &Value, leaves: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(map) => {
            for (key, child) in map {
                let below = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                collect(&below, child, leaves);
            }
        }
        Value::Array(_) => {}
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
}
