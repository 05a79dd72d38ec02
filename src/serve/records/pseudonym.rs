//! Keyed digests in place of what could name a patient.
//!
//! Identifiers of patients are few enough to try them all, so a plain hash would be no protection. A keyed BLAKE3 is a
//! pseudorandom function: without the key nothing can be tried, and with it the lines of one patient can be joined.

use std::fmt;

use clinpipe_stages::common::pseudonym::{PseudonymKey, digits, whole};
use serde_json::{Map, Value};

/// The key of a log; cannot be printed.
#[derive(Clone)]
pub struct LogKey {
    patients: PseudonymKey,
    inputs: [u8; 32],
}

impl LogKey {
    /// The key of that text or those random bytes; `None` for less than 16 bytes, which could be tried.
    pub fn new(secret: &[u8]) -> Option<Self> {
        Some(Self {
            patients: PseudonymKey::new(secret)?,
            inputs: blake3::derive_key("clinpipe 2026 log of predictions: inputs", secret.trim_ascii()),
        })
    }

    /// The pseudonym of an identifier.
    pub(super) fn patient(&self, id: &Value) -> String {
        self.patients.pseudonym(id)
    }

    /// The digest of a record in canonical JSON: names sorted, no space, whole numbers without a fraction.
    pub(super) fn input(&self, record: &Map<String, Value>) -> String {
        let mut text = Vec::with_capacity(256);
        canonical_object(record, &mut text);
        digits(&blake3::keyed_hash(&self.inputs, &text))
    }
}

impl fmt::Debug for LogKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("LogKey(..)")
    }
}

fn canonical_object(object: &Map<String, Value>, text: &mut Vec<u8>) {
    let mut members: Vec<_> = object.iter().collect();
    members.sort_unstable_by_key(|(name, _)| *name);
    text.push(b'{');
    for (at, (name, value)) in members.into_iter().enumerate() {
        if at > 0 {
            text.push(b',');
        }
        plain(name, text);
        text.push(b':');
        canonical(value, text);
    }
    text.push(b'}');
}

fn canonical(value: &Value, text: &mut Vec<u8>) {
    match value {
        Value::Object(object) => canonical_object(object, text),
        Value::Array(values) => {
            text.push(b'[');
            for (at, value) in values.iter().enumerate() {
                if at > 0 {
                    text.push(b',');
                }
                canonical(value, text);
            }
            text.push(b']');
        }
        Value::Number(number) => match whole(value) {
            Some(integer) => plain(&integer, text),
            None => plain(number, text),
        },
        other => plain(other, text),
    }
}

fn plain(value: &(impl serde::Serialize + ?Sized), text: &mut Vec<u8>) {
    // Writing to memory does not fail, and all that comes here is text, a number or a word.
    let _never = serde_json::to_writer(text, value);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn key(secret: &str) -> LogKey {
        LogKey::new(secret.as_bytes()).expect("long enough")
    }

    fn input(record: Value) -> String {
        key("0123456789abcdef").input(record.as_object().expect("an object"))
    }

    #[test]
    fn a_pseudonym_needs_its_key() {
        let one = key("0123456789abcdef").patient(&json!("P-7"));
        assert_eq!(one, key(" 0123456789abcdef\n").patient(&json!("P-7")), "the end of a key file does not count");
        assert_ne!(one, key("0123456789abcdeX").patient(&json!("P-7")));
        assert_ne!(one, key("0123456789abcdef").patient(&json!("P-8")));
        assert_ne!(json!(7).to_string(), json!("7").to_string(), "a number is another identifier than its text");
        assert_eq!(one.len(), 32);
        assert!(LogKey::new(b"short").is_none());
        assert_eq!(format!("{:?}", key("0123456789abcdef")), "LogKey(..)");
    }

    #[test]
    fn equal_records_have_equal_digests() {
        assert_eq!(input(json!({"a": 69, "b": [1.5, {"d": null, "c": "x"}]})), {
            let text = r#"{"b": [1.5, {"c": "x", "d": null}], "a": 69.0}"#;
            input(serde_json::from_str(text).expect("JSON"))
        });
        let all = [json!({"a": 69}), json!({"a": "69"}), json!({"a": 69.5}), json!({"b": 69}), json!({"a": [69]})];
        let digests: std::collections::BTreeSet<String> = all.iter().cloned().map(input).collect();
        assert_eq!(digests.len(), all.len());
    }
}
