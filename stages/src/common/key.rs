//! Values and tuples of values as keys of sixteen bytes, so that rows are told apart without being kept.
//!
//! Keys are the start of a BLAKE3 hash: that two different values share one among a thousand million has a chance below
//! one in 10²⁰.

use super::frame::Column;

/// Stands for a value; equal values have equal keys.
pub type Key = u128;

/// The key of what was hashed.
pub fn of_hash(hash: &blake3::Hash) -> Key {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.as_bytes()[..16]);
    Key::from_le_bytes(bytes)
}

/// The key of a text.
pub fn of_text(text: &str) -> Key {
    of_hash(&blake3::hash(text.as_bytes()))
}

/// The key of one value; nothing when it is missing.
pub fn of(column: &Column, row: usize) -> Option<Key> {
    of_all(&[column], row)
}

/// The key of the values of a row in several columns; nothing when one of them is missing.
pub fn of_all(columns: &[&Column], row: usize) -> Option<Key> {
    let mut hasher = blake3::Hasher::new();
    for column in columns {
        match column {
            Column::Number(values) => {
                let value = Some(values[row]).filter(|value| !value.is_nan())?;
                hasher.update(b"n").update(&value.to_bits().to_le_bytes());
            }
            Column::Text(values) => {
                let text = values.get(row)?;
                hasher.update(b"t").update(&(text.len() as u64).to_le_bytes()).update(text.as_bytes());
            }
        }
    }
    Some(of_hash(&hasher.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_share_a_key_when_they_share_every_value() {
        let numbers = Column::Number(vec![1.0, 1.0, f64::NAN, 1.0]);
        let texts = |texts: [Option<&str>; 4]| Column::Text(texts.to_vec().into());
        let (one, two) =
            (texts([Some("ab"), Some("ab"), Some("ab"), Some("a")]), texts([Some("c"), Some("c"), None, Some("bc")]));
        let keys: Vec<Option<Key>> = (0..4).map(|row| of_all(&[&numbers, &one, &two], row)).collect();
        assert!(keys[0].is_some() && keys[0] == keys[1] && keys[2].is_none());
        assert_ne!(keys[0], keys[3], "the border between two texts counts");
        assert_eq!(of(&numbers, 2), None);
    }
}
