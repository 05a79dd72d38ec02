//! What is kept of a rule while rows pass by: counts, a few examples, and the rows that it sets aside.
//!
//! Nothing here grows with the number of rows that keep the rule. Of a rule that is sure to stop the run only counts and
//! examples go on, since nothing else of it is told.

use std::collections::BTreeMap;

use super::params::{Level, Tolerance};
use crate::common::frame::{Column, Frame};
use crate::ingest::UnreadCell;

/// How many rows and values a record names.
pub(super) const EXAMPLES: usize = 5;

/// Rows that are judged together, in the order of the table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece<'a> {
    pub frame: &'a Frame,
    /// The cells of each row that could not be read.
    pub unread: &'a [Vec<UnreadCell>],
    pub row_ids: &'a [i64],
    /// The number of its first row in the table.
    pub from: usize,
}

impl Piece<'_> {
    pub fn rows(&self) -> usize {
        self.frame.rows()
    }

    fn unread_cell(&self, column: &str, row: usize) -> Option<&UnreadCell> {
        self.unread[row].iter().find(|cell| cell.column == column)
    }

    /// The value as text, as it stood in the file; nothing when it is missing.
    fn value(&self, column: &str, row: usize) -> Option<String> {
        if let Some(cell) = self.unread_cell(column, row) {
            return Some(cell.cell.clone());
        }
        match self.frame.get(column)? {
            Column::Number(values) => Some(values[row]).filter(|value| !value.is_nan()).map(|value| value.to_string()),
            Column::Text(values) => values.get(row).map(str::to_owned),
        }
    }
}

/// One rule and what the rows make of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Outcome {
    /// `type`, `nullable`, `outcome`, `range`, `levels`, `pattern`, `unique`, `max_missing`, `unit`, or the name
    /// of a rule across columns or rows.
    pub rule: String,
    /// The column, or what the rule across columns says.
    pub subject: String,
    /// The column whose values break it, when it is one.
    pub column: Option<String>,
    pub level: Level,
    pub tolerance: Tolerance,
    /// Whether it is judged row by row; otherwise it concerns the column as a whole and sets nothing aside.
    pub by_row: bool,
    /// Rows on which it could be judged.
    pub evaluated: usize,
    /// Rows that break it.
    pub failed: usize,
    /// The numbers of the rows that it sets aside, ascending.
    pub aside: Vec<usize>,
    /// The ids of the first rows that break it.
    pub examples: Vec<i64>,
    /// The values that break it and in how many rows.
    pub values: BTreeMap<String, u64>,
    /// Where the first unreadable cell stands and what was expected there, of a rule on types.
    pub place: Option<String>,
    /// Something to know about it.
    pub note: Option<String>,
    /// Rows of the whole table.
    rows: usize,
}

impl Outcome {
    /// A rule of a table of so many rows, before the first of them.
    pub fn new(rule: &str, subject: &str, level: Level, tolerance: Tolerance, rows: usize) -> Self {
        Self {
            rule: rule.to_owned(),
            subject: subject.to_owned(),
            column: None,
            level,
            tolerance,
            by_row: true,
            evaluated: 0,
            failed: 0,
            aside: Vec::new(),
            examples: Vec::new(),
            values: BTreeMap::new(),
            place: None,
            note: None,
            rows,
        }
    }

    /// The same of a column as a whole.
    #[must_use]
    pub fn of_all_rows(mut self) -> Self {
        self.by_row = false;
        self
    }

    /// The same of a column, whose values are kept.
    #[must_use]
    pub fn of_column(mut self) -> Self {
        self.column = Some(self.subject.clone());
        self
    }

    /// Counts a piece: whether each row keeps the rule, `None` when it cannot be judged there.
    pub fn judge(&mut self, piece: Piece, verdicts: impl IntoIterator<Item = Option<bool>>) {
        for (row, kept) in verdicts.into_iter().enumerate() {
            self.evaluated += usize::from(kept.is_some());
            if kept == Some(false) {
                self.fail_in(piece, row);
            }
        }
    }

    /// Counts a row of a piece that breaks it.
    pub fn fail_in(&mut self, piece: Piece, row: usize) {
        if let Some(column) = &self.column {
            if self.failed == 0 && self.rule == "type" {
                let cell = piece.unread_cell(column, row);
                self.place = cell.map(|cell| format!("line {}: {}", cell.line, cell.message));
            }
            if let Some(value) = piece.value(column, row) {
                *self.values.entry(value).or_insert(0) += 1;
            }
        }
        self.fail(piece.from + row, piece.row_ids[row]);
    }

    /// Counts the row of this number and id, which breaks it. Rows come in ascending order.
    pub fn fail(&mut self, row: usize, id: i64) {
        self.failed += 1;
        if self.examples.len() < EXAMPLES {
            self.examples.push(id);
        }
        if self.is_lost() {
            self.values.clear();
            self.aside.clear();
        } else if self.sets_aside() {
            self.aside.push(row);
        }
    }

    /// Whether a row that breaks it may not be used.
    pub fn sets_aside(&self) -> bool {
        self.by_row && self.level.refuses()
    }

    /// Whether it will stop the run whatever rows still come.
    fn is_lost(&self) -> bool {
        self.level.refuses() && !self.tolerance.allows(self.failed, self.rows)
    }
}

/// The rows that may not be used, each with the place of every rule it breaks; ascending.
pub(super) fn broken(outcomes: &[Outcome]) -> Vec<(usize, usize)> {
    let mut broken: Vec<(usize, usize)> =
        outcomes.iter().enumerate().flat_map(|(at, outcome)| outcome.aside.iter().map(move |&row| (row, at))).collect();
    broken.sort_unstable();
    broken
}
