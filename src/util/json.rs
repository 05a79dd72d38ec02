//! JSON with one spelling: sorted keys, two-space indent, a final newline.

use serde::Serialize;

/// The canonical text of a value; equal values give equal bytes.
///
/// # Errors
/// When the value cannot be expressed in JSON.
pub fn canonical<T: Serialize>(value: &T) -> serde_json::Result<String> {
    // A serde_json object is ordered by key, so the detour through `Value` sorts every object.
    let mut text = serde_json::to_string_pretty(&serde_json::to_value(value)?)?;
    text.push('\n');
    Ok(text)
}
