//! Pseudonyms of patients in the log of predictions: keyed digests in place of identifiers.
//!
//! Identifiers of patients are few enough to try them all, so a plain hash would be no protection. A keyed BLAKE3 is a
//! pseudorandom function: without the key nothing can be tried, and with it the lines of one patient can be joined.
//! The service writes these and the stage `drift` finds outcomes by them, so both must make them here.

use std::fmt;

use serde_json::Value;

/// The shortest key that is taken, in bytes.
pub const SHORTEST: usize = 16;
/// The environment variable that holds the key, for the service and for the stage that joins outcomes.
pub const VARIABLE: &str = "CLINPIPE_LOG_KEY";
/// Hex digits of a digest: 128 bits.
const DIGITS: usize = 32;

/// The key of pseudonyms; cannot be printed.
#[derive(Clone)]
pub struct PseudonymKey([u8; 32]);

impl PseudonymKey {
    /// The key of that text or those random bytes; `None` for less than [`SHORTEST`], which could be tried.
    pub fn new(secret: &[u8]) -> Option<Self> {
        let secret = secret.trim_ascii();
        (secret.len() >= SHORTEST)
            .then(|| Self(blake3::derive_key("clinpipe 2026 log of predictions: patients", secret)))
    }

    /// The pseudonym of an identifier as a request has it: a number is another identifier than its text.
    pub fn pseudonym(&self, id: &Value) -> String {
        digits(&blake3::keyed_hash(&self.0, spelled(id).as_bytes()))
    }
}

impl fmt::Debug for PseudonymKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PseudonymKey(..)")
    }
}

/// An identifier as JSON in one spelling: `7`, `7.0` and `7e0` are one patient, and so are `0` and `-0`.
pub fn spelled(id: &Value) -> String {
    whole(id).map_or_else(|| id.to_string(), |number| number.to_string())
}

/// The integer that a number is, however it is written; nothing for other values.
pub fn whole(value: &Value) -> Option<i64> {
    // Below 2^53 every whole number is the same number as an integer.
    let is_exact = |number: &f64| libm::trunc(*number) == *number && number.abs() < 9_007_199_254_740_992.0;
    value.as_f64().filter(is_exact).map(|number| number as i64)
}

/// A digest as the log spells it.
pub fn digits(hash: &blake3::Hash) -> String {
    hash.to_hex()[..DIGITS].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_pseudonym_needs_its_key() {
        let key = |secret: &str| PseudonymKey::new(secret.as_bytes()).expect("long enough");
        let one = key("0123456789abcdef").pseudonym(&json!("P-7"));
        // Logs that exist must stay joinable.
        assert_eq!(one, key(" 0123456789abcdef\n").pseudonym(&json!("P-7")), "the end of a key file does not count");
        assert_ne!(one, key("0123456789abcdeX").pseudonym(&json!("P-7")));
        assert_ne!(key("0123456789abcdef").pseudonym(&json!(7)), key("0123456789abcdef").pseudonym(&json!("7")));
        for same in [json!(7), json!(7.0), json!(7e0)] {
            assert_eq!(spelled(&same), "7");
        }
        assert_eq!(
            (spelled(&json!(-0.0)), spelled(&json!("7")), spelled(&json!(7.5))),
            ("0".into(), "\"7\"".into(), "7.5".into())
        );
        assert!(one.len() == DIGITS && PseudonymKey::new(b"short").is_none());
        assert_eq!(format!("{:?}", key("0123456789abcdef")), "PseudonymKey(..)");
    }
}
