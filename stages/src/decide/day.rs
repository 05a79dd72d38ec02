//! Days of the Gregorian calendar, for the cool-down. No clock, no time zone: a day is what somebody wrote.

use std::fmt;

/// A day, as a number of days since 0000-03-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(i64);

/// Days before each month of a year that begins with March.
const BEFORE: [i64; 12] = [0, 31, 61, 92, 122, 153, 184, 214, 245, 275, 306, 337];

impl Day {
    /// The day at the beginning of a text like `2026-03-01` or `2026-03-01T08:00:00Z`.
    pub fn parse(text: &str) -> Option<Self> {
        let (date, rest) = text.split_at_checked(10)?;
        let part = |range: std::ops::Range<usize>| {
            let digits = date.get(range)?;
            digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse::<i64>().ok())?
        };
        let (year, month, day) = (part(0..4)?, part(5..7)?, part(8..10)?);
        let separated = date.get(4..5) == Some("-") && date.get(7..8) == Some("-");
        let whole = rest.is_empty() || rest.starts_with(['T', ' ']);
        let found = Self::of(year, month, day)?;
        (separated && whole && found.parts() == (year, month, day)).then_some(found)
    }

    fn of(year: i64, month: i64, day: i64) -> Option<Self> {
        if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
            return None;
        }
        let year = if month < 3 { year - 1 } else { year };
        let before = BEFORE.get(usize::try_from((month + 9) % 12).ok()?)?;
        Some(Self(365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + before + day - 1))
    }

    /// So many days later.
    #[must_use]
    pub fn plus(self, days: u32) -> Self {
        Self(self.0 + i64::from(days))
    }

    fn parts(self) -> (i64, i64, i64) {
        let mut year = self.0 * 400 / 146_097;
        let start = |year: i64| 365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
        while start(year) > self.0 {
            year -= 1;
        }
        while start(year + 1) <= self.0 {
            year += 1;
        }
        let rest = self.0 - start(year);
        let month = BEFORE.iter().rposition(|before| *before <= rest).unwrap_or(0);
        let civil = (month as i64 + 2) % 12 + 1;
        (if civil < 3 { year + 1 } else { year }, civil, rest - BEFORE[month] + 1)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        let (year, month, day) = self.parts();
        write!(formatter, "{year:04}-{month:02}-{day:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_across_months_and_leap_years() {
        let day = |text: &str| Day::parse(text).expect("a day");
        assert_eq!(day("2024-02-22").plus(7).to_string(), "2024-02-29");
        assert_eq!(day("2023-12-28").plus(7).to_string(), "2024-01-04");
        assert_eq!(day("2100-02-28").plus(1).to_string(), "2100-03-01");
        assert_eq!(day("2026-03-01T08:00:00Z"), day("2026-03-01"));
        let mut walk = day("1999-01-01");
        for _ in 0..1500 {
            let next = walk.plus(1);
            assert!(next > walk && Day::parse(&next.to_string()) == Some(next), "{next}");
            walk = next;
        }
        assert_eq!(walk.to_string(), "2003-02-09");
        for wrong in
            ["2026-13-01", "2026-02-30", "2025-02-29", "2026-3-1", "2026/03/01", "soon", "2026-03-011", "2026-+3-01"]
        {
            assert_eq!(Day::parse(wrong), None, "{wrong}");
        }
    }
}
