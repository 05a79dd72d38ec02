//! Rules across columns and rows: comparisons, order within a row, keys of several columns, order within a patient.
//!
//! A rule is not judged where a value it needs is missing; `nullable` judges that.

use std::collections::{BTreeMap, HashSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::compare::Comparison;
use super::ordinal::{Ordinal, ordinals};
use super::params::known;
use super::rules::Verdicts;
use crate::common::frame::{Column, Frame};
use crate::common::schema::{ColumnType, Schema};

/// A column that changes in one direction only within a patient.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Monotone {
    /// The column: numbers, or dates written 2024-03-01.
    pub column: String,
    /// The column whose value the rows of a patient share.
    pub by: String,
    /// The column that puts the rows of a patient in order: numbers or dates.
    pub order_by: String,
    /// Which way it may go.
    #[serde(default)]
    pub direction: Direction,
    /// Whether it must change from row to row.
    #[serde(default)]
    pub strict: bool,
}

/// Which way a monotone column goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Never down.
    #[default]
    Increasing,
    /// Never up.
    Decreasing,
}

/// A rule, ready to be judged; its columns are those of the schema.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Check {
    Compare(Comparison, String),
    Order(Vec<String>),
    Unique(Vec<String>),
    Monotone(Monotone),
}

impl Check {
    pub fn compare(text: &str, schema: &Schema) -> Result<Self, String> {
        Ok(Self::Compare(Comparison::parse(text, schema)?, text.to_owned()))
    }

    pub fn order(columns: &[String], schema: &Schema) -> Result<Self, String> {
        several(columns, schema)?;
        columns.iter().try_for_each(|name| ordered(name, schema))?;
        Ok(Self::Order(columns.to_vec()))
    }

    pub fn unique(columns: &[String], schema: &Schema) -> Result<Self, String> {
        several(columns, schema)?;
        Ok(Self::Unique(columns.to_vec()))
    }

    /// The error names the key it concerns.
    pub fn monotone(rule: Monotone, schema: &Schema) -> Result<Self, (&'static str, String)> {
        for (key, name) in [("column", &rule.column), ("by", &rule.by), ("order_by", &rule.order_by)] {
            known(name, schema).map_err(|message| (key, message))?;
        }
        ordered(&rule.column, schema).map_err(|message| ("column", message))?;
        ordered(&rule.order_by, schema).map_err(|message| ("order_by", message))?;
        Ok(Self::Monotone(rule))
    }

    /// What the rule says, for reports.
    pub fn subject(&self) -> String {
        match self {
            Self::Compare(_, text) => text.clone(),
            Self::Order(columns) => columns.join(" ≤ "),
            Self::Unique(columns) => columns.join(" + "),
            Self::Monotone(rule) => {
                let way = match rule.direction {
                    Direction::Increasing => "up",
                    Direction::Decreasing => "down",
                };
                format!("{} only {way} by {} in {}", rule.column, rule.order_by, rule.by)
            }
        }
    }

    /// Whether each row keeps it.
    pub fn verdicts(&self, frame: &Frame) -> Verdicts {
        let found = match self {
            Self::Compare(comparison, _) => return comparison.verdicts(frame),
            Self::Order(columns) => all(columns, frame).map(|columns| in_order(&columns, frame.rows())),
            Self::Unique(columns) => all(columns, frame).map(|columns| keys(&columns, frame.rows())),
            Self::Monotone(rule) => monotone(rule, frame),
        };
        found.unwrap_or_else(|| vec![None; frame.rows()])
    }
}

fn several(columns: &[String], schema: &Schema) -> Result<(), String> {
    columns.iter().try_for_each(|name| known(name, schema))?;
    let distinct: HashSet<&String> = columns.iter().collect();
    if columns.len() < 2 || distinct.len() != columns.len() {
        return Err("needs two or more different columns".to_owned());
    }
    Ok(())
}

fn ordered(name: &str, schema: &Schema) -> Result<(), String> {
    match schema.columns.get(name).map(|column| column.kind) {
        Some(ColumnType::Category) => Err(format!("`{name}` is a category, which has no order")),
        _ => Ok(()),
    }
}

fn all<'a>(names: &[String], frame: &'a Frame) -> Option<Vec<&'a Column>> {
    names.iter().map(|name| frame.get(name)).collect()
}

fn in_order(columns: &[&Column], rows: usize) -> Verdicts {
    let columns: Vec<Vec<Ordinal>> = columns.iter().map(|column| ordinals(column)).collect();
    let verdict = |row: usize| {
        let values: Vec<Ordinal> = columns.iter().map(|column| column[row]).collect();
        if values.contains(&Ordinal::Unordered) {
            return Some(false);
        }
        let places: Vec<f64> = values.into_iter().filter_map(Ordinal::place).collect();
        (places.len() > 1).then(|| places.is_sorted())
    };
    (0..rows).map(verdict).collect()
}

/// A value as part of a key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Part<'a> {
    Number(u64),
    Text(&'a str),
}

fn part(column: &Column, row: usize) -> Option<Part<'_>> {
    match column {
        Column::Number(values) => {
            Some(values[row]).filter(|value| !value.is_nan()).map(|value| Part::Number(value.to_bits()))
        }
        Column::Text(values) => values.get(row).map(Part::Text),
    }
}

/// The first row with a key keeps the rule, every later one breaks it.
fn keys(columns: &[&Column], rows: usize) -> Verdicts {
    let mut seen = HashSet::new();
    let key = |row: usize| columns.iter().map(|column| part(column, row)).collect::<Option<Vec<Part>>>();
    (0..rows).map(|row| key(row).map(|key| seen.insert(key))).collect()
}

/// Of each patient's rows as few as possible break the rule: those outside a longest run in the right direction.
fn monotone(rule: &Monotone, frame: &Frame) -> Option<Verdicts> {
    let (values, order) = (ordinals(frame.get(&rule.column)?), ordinals(frame.get(&rule.order_by)?));
    let by = frame.get(&rule.by)?;
    let mut verdicts = vec![None; frame.rows()];
    let mut patients: BTreeMap<Part, Vec<usize>> = BTreeMap::new();
    for row in 0..frame.rows() {
        if [values[row], order[row]].contains(&Ordinal::Unordered) {
            verdicts[row] = Some(false);
        } else if let (Some(patient), Some(_), Some(_)) = (part(by, row), values[row].place(), order[row].place()) {
            patients.entry(patient).or_default().push(row);
        }
    }
    let place = |ordinal: Ordinal| ordinal.place().unwrap_or_default();
    for rows in patients.values_mut() {
        rows.sort_by(|&a, &b| place(order[a]).total_cmp(&place(order[b])).then(a.cmp(&b)));
        let sign = if rule.direction == Direction::Increasing { 1.0 } else { -1.0 };
        let line: Vec<f64> = rows.iter().map(|&row| sign * place(values[row])).collect();
        let kept = longest_run(&line, rule.strict);
        for (&row, kept) in rows.iter().zip(kept) {
            verdicts[row] = Some(kept);
        }
    }
    Some(verdicts)
}

/// Which values belong to a longest subsequence that never descends (or, `strict`, always ascends); of several such the
/// one that patience sorting finds. O(n log n).
fn longest_run(values: &[f64], strict: bool) -> Vec<bool> {
    // ends[k] = the value that a run of k + 1 can end with at the least.
    let (mut ends, mut before) = (Vec::<usize>::new(), vec![None; values.len()]);
    for (at, value) in values.iter().enumerate() {
        let length = ends.partition_point(|&end| if strict { values[end] < *value } else { values[end] <= *value });
        before[at] = length.checked_sub(1).map(|last| ends[last]);
        if length == ends.len() {
            ends.push(at);
        } else {
            ends[length] = at;
        }
    }
    let mut kept = vec![false; values.len()];
    let mut at = ends.last().copied();
    while let Some(index) = at {
        kept[index] = true;
        at = before[index];
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_few_rows_as_possible_break_an_order() {
        let run = |values: &[f64], strict| -> Vec<usize> {
            let kept = longest_run(values, strict);
            (0..values.len()).filter(|&at| kept[at]).collect()
        };
        // One wild value costs itself, not those after it.
        assert_eq!(run(&[1.0, 100.0, 3.0, 4.0], false), [0, 2, 3]);
        assert_eq!(run(&[5.0, 1.0, 6.0, 7.0], false), [1, 2, 3]);
        assert_eq!(run(&[1.0, 1.0, 2.0], false), [0, 1, 2]);
        assert_eq!(run(&[1.0, 1.0, 2.0], true).len(), 2);
        assert_eq!(run(&[], false), [0; 0]);
    }

    proptest::proptest! {
        #[test]
        fn a_kept_run_is_in_order_and_longest(values in proptest::collection::vec(0_u8..6, 0..9), strict: bool) {
            let values: Vec<f64> = values.into_iter().map(f64::from).collect();
            let kept = longest_run(&values, strict);
            let ordered = |chosen: &[f64]| chosen.windows(2).all(|p| if strict { p[0] < p[1] } else { p[0] <= p[1] });
            let chosen: Vec<f64> = values.iter().zip(&kept).filter(|(_, kept)| **kept).map(|(v, _)| *v).collect();
            proptest::prop_assert!(ordered(&chosen));
            let best = (0_u32..1 << values.len())
                .map(|mask| (0..values.len()).filter(|at| mask >> at & 1 == 1).map(|at| values[at]).collect::<Vec<_>>())
                .filter(|chosen| ordered(chosen))
                .map(|chosen| chosen.len())
                .max();
            proptest::prop_assert_eq!(Some(chosen.len()), best);
        }
    }
}
