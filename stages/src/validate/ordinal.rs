//! Values that can be put in order: numbers as they are, texts as calendar dates.

use crate::common::frame::Column;

/// A value on a line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Ordinal {
    /// There is none.
    Missing,
    /// A text that is no date.
    Unordered,
    /// A number, or days since 1970-01-01.
    At(f64),
}

impl Ordinal {
    /// Its place on the line.
    pub fn place(self) -> Option<f64> {
        match self {
            Self::At(place) => Some(place),
            Self::Missing | Self::Unordered => None,
        }
    }
}

/// The values of a column in order.
pub(super) fn ordinals(column: &Column) -> Vec<Ordinal> {
    match column {
        Column::Number(values) => {
            values.iter().map(|&value| if value.is_nan() { Ordinal::Missing } else { Ordinal::At(value) }).collect()
        }
        Column::Text(values) => {
            let place = |text: &str| date(text.trim()).map_or(Ordinal::Unordered, |day| Ordinal::At(day as f64));
            values.iter().map(|value| value.map_or(Ordinal::Missing, place)).collect()
        }
    }
}

/// Days since 1970-01-01 of a date written `YYYY-MM-DD` (ISO 8601, proleptic Gregorian calendar).
fn date(text: &str) -> Option<i64> {
    let digits = |part: &str, count: usize| {
        (part.len() == count && part.bytes().all(|byte| byte.is_ascii_digit())).then(|| part.parse::<i64>().ok())?
    };
    let mut parts = text.split('-');
    let (year, month, day) = (digits(parts.next()?, 4)?, digits(parts.next()?, 2)?, digits(parts.next()?, 2)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i64::from(leap),
        1..=12 => 31,
        _ => return None,
    };
    if parts.next().is_some() || !(1..=length).contains(&day) {
        return None;
    }
    // Years begin in March here, so that a leap day is the last of its year.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let of_year = (153 * month + 2) / 5 + day - 1;
    let of_years = 365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    Some(of_years + of_year - 719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_days_of_the_calendar() {
        // Values of Python's `(date(…) - date(1970, 1, 1)).days`.
        for (text, day) in [
            ("1970-01-01", 0),
            ("2000-02-29", 11_016),
            ("2024-03-01", 19_783),
            ("1899-12-31", -25_568),
            ("0001-01-01", -719_162),
        ] {
            assert_eq!(date(text), Some(day), "{text}");
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
        ] {
            assert_eq!(date(text), None, "{text}");
        }
    }
}
