//! Which rows something was fitted on, so that a later reader can tell whether it has seen a row.

use serde::{Deserialize, Serialize};

/// Which rows something was fitted on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fingerprint {
    /// How many rows.
    pub n: usize,
    /// BLAKE3, in hex, of their row ids in order, 8 little-endian bytes each.
    pub row_ids: String,
}

impl Fingerprint {
    /// The fingerprint of the rows with these ids.
    pub fn new(row_ids: impl IntoIterator<Item = i64>) -> Self {
        let mut hasher = blake3::Hasher::new();
        let mut n = 0;
        for id in row_ids {
            hasher.update(&id.to_le_bytes());
            n += 1;
        }
        Self { n, row_ids: hasher.finalize().to_hex().to_string() }
    }
}
