//! Every rule of the schema and the parameters, judged on every row, piece by piece.
//!
//! A missing value is judged by `nullable` alone, an unreadable one by `type`; all other rules count the rows on which
//! they could be evaluated. Of rules across rows only what later rows are compared with is kept.

use std::collections::{BTreeSet, HashSet};

use regex::Regex;

use super::cross::{Check, Memory};
use super::params::{Level, Tolerance, ValidateParams};
use super::tally::{Outcome, Piece};
use super::units::Suspects;
use crate::common::frame::{Column, Frame};
use crate::common::key::{self, Key};
use crate::common::schema::{ColumnSchema, Schema};
use crate::common::target::Task;
use crate::common::texts::Texts;
use crate::{ParamError, StageError};

/// Whether each row of a piece keeps a rule; `None` when it cannot be evaluated there.
pub(super) type Verdicts = Vec<Option<bool>>;

/// All rules: those of the columns in name order, then those across columns in declared order.
pub(super) struct Rules {
    columns: Vec<ColumnRules>,
    cross: Vec<(Check, Memory, Outcome)>,
}

struct ColumnRules {
    name: String,
    tests: Vec<(Test, Outcome)>,
    suspects: Option<Suspects>,
    /// Whether too many rows lack a value: a matter of the column, so no row is set aside for it.
    missing: Option<Outcome>,
}

/// A rule of one column.
enum Test {
    Type,
    /// A value must be there; the outcome of events must be 0 or 1.
    Present {
        event: bool,
    },
    Range(f64, f64),
    Numbers(Vec<f64>),
    Levels(BTreeSet<String>),
    Pattern(Regex),
    /// The first row with a value keeps the rule, every later one breaks it.
    Unique(HashSet<Key>),
}

impl Rules {
    /// The rules of a table of so many rows; `frame` is a piece of it.
    pub fn new(schema: &Schema, params: &ValidateParams, frame: &Frame, rows: usize) -> Result<Self, StageError> {
        let mut columns = Vec::new();
        for (name, declared) in &schema.columns {
            let column = of(frame, name)?;
            let (level, tolerance) = params.strictness(name);
            let target = (*name == schema.target.column).then_some(schema.target.kind);
            let tests = tests(declared, column, target)?.into_iter().map(|(rule, test)| {
                // Without its outcome a row has nothing to teach, whatever the column's level.
                let level = if rule == "outcome" { level.max(Level::Error) } else { level };
                (test, Outcome::new(rule, name, level, tolerance, rows).of_column())
            });
            let share = params.columns.get(name).and_then(|given| given.max_missing);
            let missing = share.map(|share| {
                let tolerance = Tolerance { share, rows: 0 };
                Outcome::new("max_missing", name, level, tolerance, rows).of_all_rows()
            });
            let suspects = Suspects::new(name, declared, column, rows);
            columns.push(ColumnRules { name: name.clone(), tests: tests.collect(), suspects, missing });
        }
        let cross = params.rules.iter().zip(params.check(schema)?).map(|(rule, check)| {
            let tolerance = params.tolerance(rule.level, rule.max_fail, rule.max_rows);
            let outcome = Outcome::new(&rule.name, &check.subject(), rule.level, tolerance, rows);
            (check, Memory::default(), outcome)
        });
        Ok(Self { columns, cross: cross.collect() })
    }

    /// Judges the next rows.
    pub fn judge(&mut self, piece: Piece) -> Result<(), StageError> {
        for rules in &mut self.columns {
            rules.judge(of(piece.frame, &rules.name)?, piece);
        }
        for (check, memory, outcome) in &mut self.cross {
            check.judge(piece, memory, outcome);
        }
        Ok(())
    }

    /// What all rows made of the rules.
    pub fn finish(self) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        for rules in self.columns {
            outcomes.extend(rules.tests.into_iter().map(|(_, outcome)| outcome));
            outcomes.extend(rules.suspects.and_then(Suspects::finish));
            outcomes.extend(rules.missing);
        }
        for (check, memory, mut outcome) in self.cross {
            check.finish(memory, &mut outcome);
            outcomes.push(outcome);
        }
        outcomes
    }
}

fn of<'a>(frame: &'a Frame, name: &str) -> Result<&'a Column, StageError> {
    frame.get(name).ok_or_else(|| StageError::failed(format!("the table has no column `{name}`")))
}

impl ColumnRules {
    fn judge(&mut self, column: &Column, piece: Piece) {
        let unread = |row: usize| piece.unread[row].iter().any(|cell| cell.column == self.name);
        let is_there = |row: usize| match column {
            Column::Number(values) => !values[row].is_nan(),
            Column::Text(values) => values.get(row).is_some(),
        };
        // Whether there is a value; nothing where it could not be read.
        let present: Verdicts = (0..piece.rows()).map(|row| (!unread(row)).then(|| is_there(row))).collect();
        for (test, outcome) in &mut self.tests {
            outcome.judge(piece, test.verdicts(column, &present));
        }
        if let Some(suspects) = &mut self.suspects {
            suspects.judge(column, piece);
        }
        if let Some(missing) = &mut self.missing {
            missing.judge(piece, present.iter().map(|present| Some(present.unwrap_or(false))));
        }
    }
}

/// The rules of a column that hold row by row, with their names.
fn tests(
    declared: &ColumnSchema,
    column: &Column,
    target: Option<Task>,
) -> Result<Vec<(&'static str, Test)>, StageError> {
    let number = column.numbers().is_some();
    let mut tests = vec![("type", Test::Type)];
    match target {
        Some(task) => tests.push(("outcome", Test::Present { event: task == Task::Binary && number })),
        None if !declared.nullable => tests.push(("nullable", Test::Present { event: false })),
        None => {}
    }
    if let Some([low, high]) = declared.range.filter(|_| number) {
        tests.push(("range", Test::Range(low, high)));
    }
    if !declared.levels.is_empty() && target != Some(Task::Binary) {
        let numbers = || declared.levels.iter().filter_map(serde_json::Value::as_f64).collect();
        let levels = || declared.text_levels().into_iter().collect();
        tests.push(("levels", if number { Test::Numbers(numbers()) } else { Test::Levels(levels()) }));
    }
    if let Some(pattern) = declared.pattern.as_ref().filter(|_| !number) {
        let whole = Regex::new(&format!("^(?:{pattern})$"));
        tests.push(("pattern", Test::Pattern(whole.map_err(|e| ParamError::new("schema.columns", e.to_string()))?)));
    }
    if declared.unique {
        tests.push(("unique", Test::Unique(HashSet::new())));
    }
    Ok(tests)
}

impl Test {
    fn verdicts(&mut self, column: &Column, present: &Verdicts) -> Verdicts {
        match (self, column) {
            (Self::Type, _) => {
                let read = |present: &Option<bool>| match present {
                    Some(true) => Some(true),
                    Some(false) => None,
                    None => Some(false),
                };
                present.iter().map(read).collect()
            }
            (Self::Present { event: true }, Column::Number(values)) => {
                let known = |(present, value): (&Option<bool>, &f64)| present.map(|p| p && [0.0, 1.0].contains(value));
                present.iter().zip(values).map(known).collect()
            }
            (Self::Present { .. }, _) => present.clone(),
            (Self::Range(low, high), Column::Number(values)) => {
                numbers(values, |value| *low <= value && value <= *high)
            }
            (Self::Numbers(allowed), Column::Number(values)) => numbers(values, |value| allowed.contains(&value)),
            (Self::Levels(allowed), Column::Text(values)) => texts(values, |text| allowed.contains(text)),
            (Self::Pattern(whole), Column::Text(values)) => texts(values, |text| whole.is_match(text)),
            (Self::Unique(seen), _) => {
                (0..column.len()).map(|row| key::of(column, row).map(|key| seen.insert(key))).collect()
            }
            // A file has one type for all rows of a column.
            _ => vec![None; column.len()],
        }
    }
}

fn numbers(values: &[f64], keep: impl Fn(f64) -> bool) -> Verdicts {
    values.iter().map(|&value| (!value.is_nan()).then(|| keep(value))).collect()
}

/// Judges every distinct text once.
fn texts(values: &Texts, keep: impl Fn(&str) -> bool) -> Verdicts {
    let kept: Vec<bool> = values.levels().iter().map(|level| keep(level)).collect();
    values.codes().map(|code| code.map(|code| kept[code])).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::ParamSet;
    use crate::common::rng::Stream;
    use crate::ingest::UnreadCell;

    /// Visits of a few patients in which every rule is broken by some rows.
    fn visits(rows: usize) -> (Frame, Vec<Vec<UnreadCell>>) {
        let mut stream = Stream::new(9, "visits");
        let mut frame = Frame::with_rows(rows);
        let mut numbers = |values: u64, gaps: u64| {
            let value = |_| if stream.below(gaps) == 0 { f64::NAN } else { stream.below(values) as f64 };
            Column::Number((0..rows).map(value).collect())
        };
        frame.insert("glucose", numbers(40, 9));
        frame.insert("year", numbers(20, 30));
        frame.insert("stage", numbers(6, 7));
        frame.insert("y", numbers(3, 50));
        let patients: Vec<Option<String>> =
            (0..rows).map(|row| (row % 13 != 5).then(|| format!("P{}", row % 7))).collect();
        frame.insert("patient", Column::Text(patients.into()));
        let days: Vec<Option<&str>> =
            (0..rows).map(|row| [Some("2020-01-01"), Some("2020-02-30"), None][row % 3]).collect();
        frame.insert("day", Column::Text(days.into()));
        let cell = |row: usize| UnreadCell {
            column: "year".to_owned(),
            line: row as u64 + 2,
            cell: "x".to_owned(),
            message: "expected a whole number".to_owned(),
        };
        (frame, (0..rows).map(|row| if row % 17 == 8 { vec![cell(row)] } else { Vec::new() }).collect())
    }

    fn outcomes(cut: usize) -> Vec<Outcome> {
        let params = json!({
            "schema": {
                "target": {"column": "y", "event": "ends"},
                "columns": {
                    "glucose": {"type": "number", "range": [20, 600], "unit": "mg/dL", "analyte": "glucose", "nullable": true},
                    "year": {"type": "integer", "range": [3, 18]},
                    "stage": {"type": "integer", "levels": [0, 1, 2], "nullable": true},
                    "patient": {"type": "text", "pattern": "P[0-5]", "unique": true},
                    "day": {"type": "text", "nullable": true},
                    "y": {"type": "integer"},
                },
            },
            "validate": {
                "max_fail": 1,
                "columns": {"stage": {"max_missing": 0.1}, "patient": {"max_fail": 0.5}},
                "rules": [
                    {"name": "key", "unique": ["patient", "year"]},
                    {"name": "rises", "monotone": {"column": "stage", "by": "patient", "order_by": "year"}},
                    {"name": "dates", "monotone": {"column": "stage", "by": "patient", "order_by": "day"}},
                    {"name": "order", "order": ["stage", "year"], "level": "warning"},
                    {"name": "check", "check": "stage < year"},
                ],
            },
        });
        let serde_json::Value::Object(params) = params else { unreachable!() };
        let (schema, params) = super::super::parse(&ParamSet::new(params)).expect("valid");
        let rows = 200;
        let (frame, unread) = visits(rows);
        let mut rules = Rules::new(&schema, &params, &frame, rows).expect("rules");
        for from in (0..rows).step_by(cut) {
            let own: Vec<usize> = (from..rows.min(from + cut)).collect();
            let ids: Vec<i64> = own.iter().map(|&row| 10 * row as i64).collect();
            let unread = &unread[from..from + own.len()];
            rules.judge(Piece { frame: &frame.take(&own), unread, row_ids: &ids, from }).expect("judged");
        }
        rules.finish()
    }

    #[test]
    fn what_is_found_does_not_follow_the_pieces() {
        let whole = outcomes(200);
        assert!(whole.iter().filter(|outcome| outcome.failed > 0).count() >= 12, "{whole:?}");
        assert!(whole.iter().any(|outcome| outcome.note.is_some()), "a suspected unit");
        for cut in [1, 7, 64, 199] {
            assert_eq!(outcomes(cut), whole, "pieces of {cut}");
        }
    }

    #[test]
    fn a_rule_that_is_sure_to_stop_the_run_keeps_no_rows() {
        let whole = outcomes(50);
        let unique = whole.iter().find(|outcome| outcome.rule == "unique").expect("a rule");
        assert!(unique.failed > 100 && unique.aside.is_empty() && unique.values.is_empty(), "{unique:?}");
        let range = whole.iter().find(|outcome| outcome.rule == "range" && outcome.subject == "year").expect("a rule");
        assert_eq!(range.aside.len(), range.failed);
    }
}
