//! JSON with one spelling: sorted keys, two-space indent, shortest round-trip floats, `null` for what is not finite,
//! `-0.0` as `0.0`, a final newline. Equal values give equal bytes.

use std::fs;
use std::io;
use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use crate::StageError;

/// The canonical text of a value.
///
/// # Errors
/// When the value cannot be expressed in JSON (a map with keys that are no strings).
pub fn to_string<T: Serialize>(value: &T) -> Result<String, serde_json::Error> {
    // serde_json's own map is ordered by key, so passing through `Value` sorts every object.
    let mut value = serde_json::to_value(value)?;
    canonicalise(&mut value);
    let mut text = serde_json::to_string_pretty(&value)?;
    text.push('\n');
    Ok(text)
}

/// The canonical text without indentation, for files that machines read and that hold many numbers.
///
/// # Errors
/// As [`to_string`].
pub fn to_compact_string<T: Serialize>(value: &T) -> Result<String, serde_json::Error> {
    let mut value = serde_json::to_value(value)?;
    canonicalise(&mut value);
    let mut text = serde_json::to_string(&value)?;
    text.push('\n');
    Ok(text)
}

/// Writes the compact canonical text of a value to a file.
pub fn write_compact<T: Serialize>(path: &Path, value: &T) -> Result<(), StageError> {
    let text = to_compact_string(value).map_err(|error| StageError::output(path, io::Error::other(error)))?;
    fs::write(path, text).map_err(|error| StageError::output(path, error))
}

/// Writes the canonical text of a value to a file.
pub fn write<T: Serialize>(path: &Path, value: &T) -> Result<(), StageError> {
    let text = to_string(value).map_err(|error| StageError::output(path, io::Error::other(error)))?;
    fs::write(path, text).map_err(|error| StageError::output(path, error))
}

/// Reads a JSON file into a type; `name` is what errors call it.
pub fn read<T: serde::de::DeserializeOwned>(path: &Path, name: &str) -> Result<T, StageError> {
    let text = fs::read_to_string(path).map_err(|error| StageError::input(name, error.to_string()))?;
    serde_json::from_str(&text).map_err(|error| StageError::input(name, error.to_string()))
}

fn canonicalise(value: &mut Value) {
    match value {
        Value::Number(number) if number.as_f64() == Some(0.0) && number.is_f64() => *value = Value::from(0.0),
        Value::Array(items) => items.iter_mut().for_each(canonicalise),
        Value::Object(map) => map.values_mut().for_each(canonicalise),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn keys_are_sorted_and_floats_have_one_spelling() {
        let value = HashMap::from([("b", -0.0), ("a", f64::NAN), ("c", 0.1)]);
        let text = to_string(&value).expect("a map of floats is JSON");
        assert_eq!(text, "{\n  \"a\": null,\n  \"b\": 0.0,\n  \"c\": 0.1\n}\n");
    }
}
