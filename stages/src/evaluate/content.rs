//! What the rows under evaluation say, as one digest, so that a ledger can tell them from others with the same row ids.
//!
//! Invariant: equal values in the same order give the same digest, whatever file, encoding or column order they came
//! in. Only the digest of everything together leaves this module: one of a row, or of outcomes alone, could be guessed.

use crate::common::frame::{Column, Frame};

/// BLAKE3, in hex, over the patients, the outcomes and every column of the frame, in the order of the rows.
pub(super) fn digest(patients: &[String], y: &[f64], frame: &Frame) -> String {
    let mut hasher = blake3::Hasher::new_derive_key("clinpipe evaluated rows v1");
    for patient in patients {
        text(&mut hasher, Some(patient));
    }
    for &y in y {
        number(&mut hasher, y);
    }
    for (name, column) in frame.columns() {
        text(&mut hasher, Some(name));
        match column {
            Column::Number(values) => values.iter().for_each(|&value| number(&mut hasher, value)),
            Column::Text(values) => values.iter().for_each(|value| text(&mut hasher, value)),
        }
    }
    hasher.finalize().to_hex().to_string()
}

/// One bit pattern for each value: of the zeros and of what is not a number.
fn number(hasher: &mut blake3::Hasher, value: f64) {
    let value = if value.is_nan() { f64::NAN } else { value + 0.0 };
    hasher.update(&value.to_bits().to_le_bytes());
}

/// Length first, so that no two sequences of texts run into one; no text has the length of a missing one.
fn text(hasher: &mut blake3::Hasher, value: Option<&str>) {
    hasher.update(&value.map_or(u64::MAX, |value| value.len() as u64).to_le_bytes());
    hasher.update(value.unwrap_or_default().as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(age: [f64; 2], sex: [Option<&str>; 2]) -> Frame {
        let mut frame = Frame::with_rows(2);
        frame.insert("age", Column::Number(age.to_vec()));
        frame.insert("sex", Column::Text(sex.to_vec().into()));
        frame
    }

    #[test]
    fn every_value_counts_and_no_spelling_does() {
        let patients = ["id 1".to_owned(), "id 2".to_owned()];
        let one = digest(&patients, &[0.0, 1.0], &frame([0.0, f64::NAN], [Some("f"), None]));
        assert_eq!(one, digest(&patients, &[-0.0, 1.0], &frame([-0.0, -f64::NAN], [Some("f"), None])));
        let others = [
            digest(&patients, &[1.0, 1.0], &frame([0.0, f64::NAN], [Some("f"), None])),
            digest(&patients, &[0.0, 1.0], &frame([0.5, f64::NAN], [Some("f"), None])),
            digest(&patients, &[0.0, 1.0], &frame([0.0, f64::NAN], [Some("f"), Some("")])),
            digest(&patients, &[0.0, 1.0], &frame([0.0, f64::NAN], [None, Some("f")])),
            digest(&["id 1".to_owned(), "id 3".to_owned()], &[0.0, 1.0], &frame([0.0, f64::NAN], [Some("f"), None])),
        ];
        assert!(others.iter().all(|other| *other != one), "{others:?}");
    }
}
