//! Values that can be put in order: numbers as they are, texts as calendar dates.

use crate::common::day::day;
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
            let place = |text: &str| date(text.trim()).map_or(Ordinal::Unordered, |day| Ordinal::At(f64::from(day)));
            values.iter().map(|value| value.map_or(Ordinal::Missing, place)).collect()
        }
    }
}

/// Days since 1970-01-01 of a date.
fn date(text: &str) -> Option<i32> {
    day(text).map(|day| day.to_epoch_days())
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
        assert_eq!(date("2023-02-29"), None);
    }
}
