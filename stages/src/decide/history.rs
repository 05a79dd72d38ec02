//! Earlier decisions, for the cool-down.
//!
//! Invariants: every record has a readable day, and none is later than the decision that is made; a record of which
//! that cannot be said is an error, because left out it would free a model from its cool-down, and kept it would bind one
//! by what had not happened yet.

use serde::Deserialize;

use super::Choice;
use crate::common::day::{Day, EXPECTED};
use crate::{StageError, StageFile};

/// What is read of an earlier decision; records may gain fields.
#[derive(Deserialize)]
struct Earlier {
    as_of: Option<String>,
    decision: Choice,
}

/// The decisions of a file of records, one on each line.
#[derive(Debug, Default)]
pub(super) struct History(Vec<(Day, Choice)>);

impl History {
    /// Reads a file. `today` is the day of the decision; without one no record is too late.
    pub fn read(file: &StageFile, today: Option<Day>) -> Result<Self, StageError> {
        let text =
            std::fs::read_to_string(&file.path).map_err(|error| StageError::input(&file.name, error.to_string()))?;
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        lines.map(|(at, line)| record(file, at + 1, line, today)).collect::<Result<Vec<_>, _>>().map(Self)
    }

    /// The last day before `today` on which something was done. A decision of today is this one, made before.
    pub fn acted(&self, today: Option<Day>) -> Option<Day> {
        let is_before = |day: Day| today.is_none_or(|today| day < today);
        self.0.iter().filter(|(day, choice)| choice.acts() && is_before(*day)).map(|(day, _)| *day).max()
    }
}

fn record(file: &StageFile, line: usize, text: &str, today: Option<Day>) -> Result<(Day, Choice), StageError> {
    let fault = |what: String, help: &str| {
        Err(StageError::input(&file.name, format!("the record on line {line} {what}")).with_hint(help))
    };
    let one: Earlier = match serde_json::from_str(text) {
        Ok(one) => one,
        Err(error) => return fault(format!("is no decision: {error}"), "write each decision.json on one line"),
    };
    let dated = format!("give the record the day on which it was decided, or take the line out; {EXPECTED}");
    let Some(said) = one.as_of else {
        return fault(format!("(`{}`) has no day: its `as_of` is null", one.decision.as_str()), &dated);
    };
    let Some(day) = Day::parse(&said) else {
        return fault(format!("(`{}`) is of `{said}`, which is no day", one.decision.as_str()), &dated);
    };
    if let Some(today) = today.filter(|today| day > *today) {
        let what = format!("(`{}`) is of {day}, later than the day of this decision, {today}", one.decision.as_str());
        let help =
            "correct `decide.as_of` or `drift.as_of`; to decide on a past day again, give the records before it only";
        return fault(what, help);
    }
    Ok((day, one.decision))
}
