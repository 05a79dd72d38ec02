//! Calendar days as texts have them. No clock and no time zone: a day is what somebody wrote.
//!
//! Invariant: a [`Day`] that was read lies in [`YEARS`], so a slip of the pen is not taken for one, and no sum overflows.

use std::fmt;
use std::ops::RangeInclusive;

use chrono::{Datelike, Days, NaiveDate};

/// The years in which anything is looked at or decided; the shifted dates of pseudonymous data lie in them.
pub const YEARS: RangeInclusive<i32> = 1900..=2999;

/// How a [`Day`] is to be written, for errors.
pub const EXPECTED: &str = "write it as 2026-03-01, from 1900 to 2999";

/// The day of a look or a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(NaiveDate);

impl Day {
    /// The day at the beginning of a text like `2026-03-01` or `2026-03-01T08:00:00Z`; `None` outside [`YEARS`].
    pub fn parse(text: &str) -> Option<Self> {
        let (date, rest) = text.split_at_checked(10)?;
        let whole = rest.is_empty() || rest.starts_with(['T', ' ']);
        day(date).filter(|day| whole && YEARS.contains(&day.year())).map(Self)
    }

    /// So many days later.
    #[must_use]
    pub fn plus(self, days: u32) -> Self {
        Self(self.0.checked_add_days(Days::new(days.into())).unwrap_or(NaiveDate::MAX))
    }

    /// How many days it lies after another; negative before it.
    pub fn since(self, other: Self) -> i64 {
        (self.0 - other.0).num_days()
    }
}

impl fmt::Display for Day {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

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
    #[test]
    fn a_look_or_a_decision_is_of_a_day_within_reach() {
        let of = |text: &str| Day::parse(text).expect("a day");
        for ends in ["1900-01-01", "2999-12-31", "2024-02-29"] {
            assert_eq!(of(ends).to_string(), ends);
        }
        assert_eq!(of("2026-03-01T08:00:00Z"), of("2026-03-01"));
        assert_eq!(of("2024-02-22").plus(7).to_string(), "2024-02-29");
        assert_eq!(of("2023-12-28").plus(7).to_string(), "2024-01-04");
        assert_eq!(of("2100-02-28").plus(1).to_string(), "2100-03-01");
        assert!(of("2999-12-31").plus(u32::MAX) > of("2999-12-31"));
        assert_eq!((of("2024-03-01").since(of("2024-02-28")), of("2024-02-28").since(of("2024-03-01"))), (2, -2));
        for wrong in [
            "0000-01-01",
            "0001-01-01",
            "1899-12-31",
            "3000-01-01",
            "9999-12-31",
            "10000-01-01",
            "200000-01-01",
            "-2026-03-01",
            "99999999999999999999-01-01",
            "2025-02-29",
            "2026-03-011",
            "soon",
            "",
            "2026-03-0é",
        ] {
            assert_eq!(Day::parse(wrong), None, "{wrong}");
        }
    }
}
