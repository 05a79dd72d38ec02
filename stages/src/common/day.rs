//! Calendar days as texts have them. No clock and no time zone: a day is what somebody wrote.

use chrono::NaiveDate;

/// The day that a text writes as `YYYY-MM-DD` (ISO 8601, proleptic Gregorian calendar, years 0000 to 9999) and in no other
/// way.
pub(crate) fn day(text: &str) -> Option<NaiveDate> {
    let bytes = text.as_bytes();
    let is_plain = bytes.len() == 10
        && bytes
            .iter()
            .enumerate()
            .all(|(at, byte)| if matches!(at, 4 | 7) { *byte == b'-' } else { byte.is_ascii_digit() });
    is_plain.then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_one_spelling() {
        for text in ["1970-01-01", "2000-02-29", "0001-01-01", "0000-01-01", "9999-12-31"] {
            assert_eq!(day(text).map(|day| day.to_string()).as_deref(), Some(text));
        }
        for text in [
            "2023-02-29",
            "1900-02-29",
            "2024-13-01",
            "2024-00-10",
            "2024-04-31",
            "24-01-01",
            "2024-1-1",
            "2024-01-01-",
            "+024-01-01",
            "",
            " 024-01-01",
            "2024/01/01",
            "２024-01-0",
        ] {
            assert_eq!(day(text), None, "{text}");
        }
    }
}
