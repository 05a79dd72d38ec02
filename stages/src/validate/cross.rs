//! Rules across columns and rows: comparisons, order within a row, keys of several columns, order within a patient.
//!
//! A rule is not judged where a value it needs is missing; `nullable` judges that. Of rows that have passed by, rules
//! across rows keep keys, or a patient's number and two places on a line.

use std::collections::{HashMap, HashSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::compare::Comparison;
use super::ordinal::{Ordinal, ordinals};
use super::params::known;
use super::rules::Verdicts;
use super::tally::{Outcome, Piece};
use crate::common::frame::{Column, Frame};
use crate::common::key::{self, Key};
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

    /// Judges the next rows.
    pub fn judge(&self, piece: Piece, memory: &mut Memory, outcome: &mut Outcome) {
        let (frame, rows) = (piece.frame, piece.rows());
        match self {
            Self::Compare(comparison, _) => outcome.judge(piece, comparison.verdicts(frame)),
            Self::Order(columns) => {
                outcome.judge(piece, all(columns, frame).map_or_else(Vec::new, |columns| in_order(&columns, rows)));
            }
            // The first row with a key keeps the rule, every later one breaks it.
            Self::Unique(columns) => {
                let columns = all(columns, frame).unwrap_or_default();
                let new = |row: usize| key::of_all(&columns, row).map(|key| memory.keys.insert(key));
                outcome.judge(piece, (0..rows).map(new).collect::<Vec<_>>());
            }
            Self::Monotone(rule) => memory.remember(rule, piece),
        }
    }

    /// Judges what could not be before the last row was seen.
    pub fn finish(&self, memory: Memory, outcome: &mut Outcome) {
        if let Self::Monotone(rule) = self {
            memory.judge(rule, outcome);
        }
    }
}

/// What a rule across rows keeps of those that have passed by.
#[derive(Debug, Default)]
pub(super) struct Memory {
    keys: HashSet<Key>,
    patients: HashMap<Key, u32>,
    visits: Vec<Visit>,
    /// Number and id of rows with a text that is no date.
    unordered: Vec<(usize, i64)>,
}

/// A row of a patient: the value of a monotone column and its place in the patient's order.
#[derive(Debug)]
struct Visit {
    patient: u32,
    place: f64,
    value: f64,
    row: usize,
    id: i64,
}

impl Memory {
    fn remember(&mut self, rule: &Monotone, piece: Piece) {
        let get = |name: &String| piece.frame.get(name);
        let (Some(values), Some(order), Some(by)) = (get(&rule.column), get(&rule.order_by), get(&rule.by)) else {
            return;
        };
        for (at, (value, place)) in ordinals(values).into_iter().zip(ordinals(order)).enumerate() {
            let (row, id) = (piece.from + at, piece.row_ids[at]);
            if [value, place].contains(&Ordinal::Unordered) {
                self.unordered.push((row, id));
            } else if let (Some(key), Some(value), Some(place)) = (key::of(by, at), value.place(), place.place()) {
                let next = self.patients.len() as u32;
                let patient = *self.patients.entry(key).or_insert(next);
                self.visits.push(Visit { patient, place, value, row, id });
            }
        }
    }

    /// Of each patient's rows as few as possible break the rule: those outside a longest run in the right direction.
    fn judge(mut self, rule: &Monotone, outcome: &mut Outcome) {
        outcome.evaluated = self.unordered.len() + self.visits.len();
        let mut failed = self.unordered;
        let order = |a: &Visit, b: &Visit| a.patient.cmp(&b.patient).then(a.place.total_cmp(&b.place));
        self.visits.sort_unstable_by(|a, b| order(a, b).then(a.row.cmp(&b.row)));
        let sign = if rule.direction == Direction::Increasing { 1.0 } else { -1.0 };
        for visits in self.visits.chunk_by(|a, b| a.patient == b.patient) {
            let line: Vec<f64> = visits.iter().map(|visit| sign * visit.value).collect();
            let kept = longest_run(&line, rule.strict);
            failed.extend(visits.iter().zip(kept).filter(|(_, kept)| !kept).map(|(visit, _)| (visit.row, visit.id)));
        }
        failed.sort_unstable();
        for (row, id) in failed {
            outcome.fail(row, id);
        }
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
