//! One cell of a CSV file to one value of its column.

use std::collections::BTreeSet;

use crate::common::schema::{ColumnSchema, ColumnType};

/// Beyond this, a float no longer tells neighbouring integers apart.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// The values of a column, growing row by row.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Values {
    Integers(Vec<Option<i64>>),
    Numbers(Vec<f64>),
    Texts(Vec<Option<String>>),
}

impl Values {
    /// Its values, which leave it empty.
    pub fn take(&mut self) -> Self {
        match self {
            Self::Integers(values) => Self::Integers(std::mem::take(values)),
            Self::Numbers(values) => Self::Numbers(std::mem::take(values)),
            Self::Texts(values) => Self::Texts(std::mem::take(values)),
        }
    }
}

/// Reads the cells of one column.
#[derive(Debug, Clone)]
pub(super) struct ColumnReader {
    na: BTreeSet<String>,
    pub values: Values,
}

impl ColumnReader {
    /// A reader for a column; `na` are the cells that mean missing.
    pub fn new(column: &ColumnSchema, na: &[String]) -> Self {
        let levels = if column.is_numeric() { Vec::new() } else { column.text_levels() };
        let na = na.iter().filter(|marker| !levels.contains(marker)).cloned().collect();
        let values = match column.kind {
            ColumnType::Integer => Values::Integers(Vec::new()),
            ColumnType::Number => Values::Numbers(Vec::new()),
            ColumnType::Category | ColumnType::Text => Values::Texts(Vec::new()),
        };
        Self { na, values }
    }

    /// Takes a cell that is missing whatever the markers.
    pub fn push_missing(&mut self) {
        match &mut self.values {
            Values::Integers(values) => values.push(None),
            Values::Numbers(values) => values.push(f64::NAN),
            Values::Texts(values) => values.push(None),
        }
    }

    /// Takes one cell. An unreadable one is taken as missing, and the error says what was expected.
    pub fn push(&mut self, cell: &str) -> Result<(), String> {
        let missing = self.na.contains(cell.trim());
        match &mut self.values {
            Values::Texts(values) => {
                values.push((!missing).then(|| cell.to_owned()));
                Ok(())
            }
            Values::Integers(values) => {
                let value = if missing { Ok(None) } else { integer(cell.trim()).map(Some) };
                values.push(value.as_ref().ok().copied().flatten());
                value.map(|_| ())
            }
            Values::Numbers(values) => {
                let value = if missing { Ok(f64::NAN) } else { number(cell.trim()) };
                values.push(value.as_ref().copied().unwrap_or(f64::NAN));
                value.map(|_| ())
            }
        }
    }
}

/// A whole number; `69.0` and `6.9e1` are spellings of one.
fn integer(cell: &str) -> Result<i64, String> {
    if let Ok(value) = cell.parse::<i64>() {
        return Ok(value);
    }
    match cell.parse::<f64>() {
        Ok(value) if value.fract() == 0.0 && value.abs() < EXACT => Ok(value as i64),
        _ => Err(format!("expected a whole number, found `{}`", shown(cell))),
    }
}

fn number(cell: &str) -> Result<f64, String> {
    match cell.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(value),
        _ if cell.contains(',') => {
            Err(format!("expected a number, found `{}`: decimals are written with a point", shown(cell)))
        }
        _ => Err(format!("expected a number, found `{}`", shown(cell))),
    }
}

/// The cell as it may stand in a message: short and on one line.
fn shown(cell: &str) -> String {
    let mut text: String = cell.chars().take(40).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if cell.chars().count() > 40 {
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_have_several_spellings() {
        assert_eq!(integer("69.0"), Ok(69));
        assert_eq!(integer("-3"), Ok(-3));
        assert_eq!(integer("9007199254740993"), Ok(9_007_199_254_740_993));
        for bad in ["69.5", "true", "1e300", "inf", "NaN", "", "0x10"] {
            assert!(integer(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn numbers_are_finite() {
        assert_eq!(number("1.5e3"), Ok(1500.0));
        assert!(number("inf").is_err() && number("NaN").is_err());
        assert!(number("1,5").is_err_and(|message| message.contains("point")));
    }
}
