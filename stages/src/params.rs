//! The parameters a stage sees: exactly the top-level keys that its pipeline entry declares.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// The declared parameters of one stage, keyed by their top-level name in params.yaml.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ParamSet(Map<String, Value>);

/// A parameter of the wrong type or value. The engine turns `path` into file:line:column.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("parameter `{path}`: {message}")]
pub struct ParamError {
    /// Dotted path from the top of params.yaml, list items by index: `train.models.1`.
    pub path: String,
    /// What is wrong with the value there.
    pub message: String,
}

impl ParamError {
    /// An error at a dotted path.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into() }
    }
}

impl ParamSet {
    /// Wraps a JSON object of top-level keys.
    pub fn new(values: Map<String, Value>) -> Self {
        Self(values)
    }

    /// The value under a top-level key.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key)
    }

    /// Parses the value under a top-level key; a key that is absent is an error.
    pub fn parse<T: DeserializeOwned>(&self, key: &str) -> Result<T, ParamError> {
        let value = self.0.get(key).ok_or_else(|| ParamError::new(key, "is missing"))?;
        parse_at(key, value)
    }

    /// Parses the value under a top-level key; an absent key gives the type's default.
    pub fn parse_or_default<T: DeserializeOwned + Default>(&self, key: &str) -> Result<T, ParamError> {
        self.0.get(key).map_or_else(|| Ok(T::default()), |value| parse_at(key, value))
    }
}

fn parse_at<T: DeserializeOwned>(key: &str, value: &Value) -> Result<T, ParamError> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let inner = error.path().to_string().replace('[', ".").replace(']', "");
        let inner = inner.trim_start_matches('.');
        let path = if inner.is_empty() { key.to_owned() } else { format!("{key}.{inner}") };
        ParamError { path, message: error.into_inner().to_string() }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Model {
        #[expect(dead_code, reason = "only parsed")]
        depth: Vec<u32>,
    }

    #[test]
    fn an_error_names_the_dotted_path() {
        let Value::Object(map) = json!({"train": {"depth": [1, "x"]}}) else { unreachable!() };
        let error = ParamSet::new(map).parse::<Model>("train").expect_err("a string is no depth");
        assert_eq!(error.path, "train.depth.1");
    }

    #[test]
    fn a_missing_key_is_an_error_unless_it_has_a_default() {
        let params = ParamSet::default();
        assert_eq!(params.parse::<u64>("seed").expect_err("absent").message, "is missing");
        assert_eq!(params.parse_or_default::<u64>("seed"), Ok(0));
    }
}
