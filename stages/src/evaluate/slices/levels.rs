//! Which rows belong to which slice or period.
//!
//! Every row belongs to exactly one level of a column; rows without a value are a level of their own. The order is that
//! of the schema's levels, then ascending; never that of a result.

use std::collections::BTreeMap;

use super::params::{Calendar, OverTime, SliceBy, TimeBins};
use crate::ParamError;
use crate::common::frame::{Column, Frame};
use crate::common::schema::{ColumnSchema, Schema};
use crate::common::texts::Texts;

/// The level of rows without a value.
pub const MISSING: &str = "(missing)";
/// More levels than this are no slices but a list of patients.
const MOST_LEVELS: usize = 50;

/// A level and its rows, ascending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Level {
    pub name: String,
    pub rows: Vec<usize>,
}

/// The levels of a slicing column; `at` is its place in the parameters.
pub fn of_slice(slice: &SliceBy, at: usize, schema: &Schema, raw: &Frame) -> Result<Vec<Level>, ParamError> {
    let declared = schema.columns.get(slice.column()).map(ColumnSchema::text_levels).unwrap_or_default();
    let levels = match (raw.get(slice.column()), slice.bins()) {
        (Some(Column::Number(values)), Some(edges)) => by_edges(values, edges),
        (Some(Column::Number(values)), None) => by_value(values, &declared),
        (Some(Column::Text(values)), _) => by_text(values, &declared),
        (None, _) => Vec::new(),
    };
    few(levels, || format!("evaluate.slices.{at}"), slice.column())
}

/// The periods of a time column, and when each row was seen: a number's value, or years since year 0 by month. NaN
/// marks rows without a time.
pub fn of_time(time: &OverTime, raw: &Frame) -> Result<(Vec<Level>, Vec<f64>), ParamError> {
    let path = || "evaluate.over_time.column".to_owned();
    let (levels, times) = match (raw.get(&time.column), &time.bins) {
        (Some(Column::Number(values)), Some(TimeBins::Edges(edges))) => (by_edges(values, edges), values.clone()),
        (Some(Column::Number(values)), _) => (by_value(values, &[]), values.clone()),
        (Some(Column::Text(values)), bins) => {
            let months = matches!(bins, Some(TimeBins::Calendar(Calendar::Months)));
            let dates = values.iter().map(|value| value.map(date).transpose());
            let dates = dates.collect::<Result<Vec<_>, _>>().map_err(|message| ParamError::new(path(), message))?;
            let name = |(year, month): (u32, u32)| {
                if months { format!("{year:04}-{month:02}") } else { format!("{year:04}") }
            };
            let names: Texts = dates.iter().map(|date| date.map(name)).collect();
            let when = |(year, month): (u32, u32)| f64::from(year) + f64::from(month - 1) / 12.0;
            (by_text(&names, &[]), dates.iter().map(|date| date.map_or(f64::NAN, when)).collect())
        }
        (None, _) => (Vec::new(), Vec::new()),
    };
    Ok((few(levels, path, &time.column)?, times))
}

fn few(levels: Vec<Level>, path: impl Fn() -> String, column: &str) -> Result<Vec<Level>, ParamError> {
    if levels.len() <= MOST_LEVELS {
        return Ok(levels);
    }
    let message = format!("`{column}` has {} levels here, more than {MOST_LEVELS}; give bins", levels.len());
    Err(ParamError::new(path(), message))
}

/// Right-closed intervals between the edges.
fn by_edges(values: &[f64], edges: &[f64]) -> Vec<Level> {
    let name = |bin: usize| match (bin.checked_sub(1).and_then(|below| edges.get(below)), edges.get(bin)) {
        (None, Some(end)) => format!("≤ {end}"),
        (Some(start), Some(end)) => format!("> {start} to {end}"),
        (Some(start), None) => format!("> {start}"),
        (None, None) => String::new(),
    };
    let bins = (0..=edges.len()).map(name).collect();
    let place = |value: &f64| (!value.is_nan()).then(|| edges.partition_point(|edge| edge < value));
    collect(bins, values.iter().map(place))
}

/// One level a value, ascending; declared ones even without rows.
fn by_value(values: &[f64], declared: &[String]) -> Vec<Level> {
    let mut found: Vec<f64> = values.iter().copied().filter(|value| !value.is_nan()).collect();
    found.extend(declared.iter().filter_map(|level| level.parse::<f64>().ok()));
    found.sort_by(f64::total_cmp);
    found.dedup();
    let place = |value: &f64| found.iter().position(|level| level == value);
    collect(found.iter().map(f64::to_string).collect(), values.iter().map(place))
}

/// One level a text: declared ones first and even without rows, then the others by name.
fn by_text(values: &Texts, declared: &[String]) -> Vec<Level> {
    let mut names: Vec<String> = declared.to_vec();
    let others: std::collections::BTreeSet<&str> = values.iter().flatten().collect();
    names.extend(others.into_iter().map(str::to_owned).filter(|text| !declared.contains(text)));
    let places: BTreeMap<&str, usize> = names.iter().enumerate().map(|(at, name)| (name.as_str(), at)).collect();
    let found: Vec<Option<usize>> =
        values.iter().map(|value| value.and_then(|text| places.get(text).copied())).collect();
    collect(names.clone(), found.into_iter())
}

fn collect(names: Vec<String>, places: impl Iterator<Item = Option<usize>>) -> Vec<Level> {
    let mut levels: Vec<Level> = names.into_iter().map(|name| Level { name, rows: Vec::new() }).collect();
    let mut missing = Vec::new();
    for (row, place) in places.enumerate() {
        match place.and_then(|place| levels.get_mut(place)) {
            Some(level) => level.rows.push(row),
            None => missing.push(row),
        }
    }
    if !missing.is_empty() {
        levels.push(Level { name: MISSING.to_owned(), rows: missing });
    }
    levels
}

/// Year and month of a text that starts with an ISO date.
fn date(text: &str) -> Result<(u32, u32), String> {
    let digits = |from: usize, to: usize| text.get(from..to).filter(|part| part.bytes().all(|b| b.is_ascii_digit()));
    let year = digits(0, 4).and_then(|year| year.parse().ok());
    let month = digits(5, 7).and_then(|month| month.parse().ok()).filter(|month| (1..=12).contains(month));
    match (year, month, text.get(4..5)) {
        (Some(year), Some(month), Some("-")) => Ok((year, month)),
        _ => Err("a value is no ISO date such as 2024-05-31".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(levels: &[Level]) -> Vec<(&str, usize)> {
        levels.iter().map(|level| (level.name.as_str(), level.rows.len())).collect()
    }

    #[test]
    fn every_row_has_one_level_and_missing_is_one() {
        let levels = by_edges(&[40.0, 41.0, f64::NAN, 70.0, 65.0], &[40.0, 65.0]);
        assert_eq!(names(&levels), [("≤ 40", 1), ("> 40 to 65", 2), ("> 65", 1), (MISSING, 1)]);
        assert_eq!(levels[1].rows, [1, 4]);
        let texts = ["b", "z", "a", ""].map(|text| (!text.is_empty()).then_some(text)).to_vec().into();
        let levels = by_text(&texts, &["b".to_owned(), "c".to_owned()]);
        assert_eq!(names(&levels), [("b", 1), ("c", 0), ("a", 1), ("z", 1), (MISSING, 1)]);
        assert_eq!(names(&by_value(&[1.0, 0.0, 1.0], &["2".to_owned()])), [("0", 1), ("1", 2), ("2", 0)]);
    }

    #[test]
    fn dates_become_years_and_months() {
        assert_eq!(date("2024-05-31T10:00"), Ok((2024, 5)));
        for wrong in ["2024-13-01", "24-05-01", "2024/05/01", "", "2024-5-1", "日本語日本"] {
            assert!(date(wrong).is_err(), "{wrong}");
        }
        let mut raw = Frame::with_rows(3);
        let dates = vec![Some("2023-12-01"), None, Some("2024-01-31")];
        raw.insert("seen", Column::Text(dates.into()));
        let time = OverTime { column: "seen".to_owned(), bins: Some(TimeBins::Calendar(Calendar::Months)) };
        let (levels, times) = of_time(&time, &raw).expect("dates");
        assert_eq!(names(&levels), [("2023-12", 1), ("2024-01", 1), (MISSING, 1)]);
        assert!((times[2] - times[0] - 1.0 / 12.0).abs() < 1e-9 && times[1].is_nan());
    }

    #[test]
    fn a_column_of_names_is_no_slice() {
        let mut raw = Frame::with_rows(60);
        raw.insert("x", Column::Number((0..60).map(f64::from).collect()));
        let time = OverTime { column: "x".to_owned(), bins: None };
        let error = of_time(&time, &raw).expect_err("60 values");
        assert_eq!(error.path, "evaluate.over_time.column");
    }
}
