//! Values that look as if they came in another unit: outside the column's range, but inside it after conversion.
//!
//! Only where the range tells two units apart can this be seen: 70 may be kilograms or pounds. Nothing is converted on
//! suspicion; the study has to say `convert`.

use super::params::{Level, Tolerance};
use super::tally::{Outcome, Piece};
use crate::common::frame::Column;
use crate::common::schema::ColumnSchema;
use crate::common::units::{Formula, lookalikes};

/// One odd value is an error of typing, several may be another laboratory.
const SEVERAL: usize = 2;

/// The rule `unit` of a column: at the level `warning`, since `range` judges the same rows already.
pub(super) struct Suspects {
    low: f64,
    high: f64,
    own: String,
    /// Values, and those out of range.
    evaluated: usize,
    outside: usize,
    /// What each other unit would explain.
    others: Vec<(&'static str, Formula, Outcome)>,
}

impl Suspects {
    /// `None` where the unit is not one that clinpipe knows, or there is no range.
    pub fn new(name: &str, declared: &ColumnSchema, column: &Column, rows: usize) -> Option<Self> {
        let [low, high] = declared.range.filter(|_| column.numbers().is_some())?;
        let outcome = || Outcome::new("unit", name, Level::Warning, Tolerance::NONE, rows).of_column();
        let others: Vec<_> =
            lookalikes(declared).into_iter().map(|(unit, formula)| (unit, formula, outcome())).collect();
        let own = declared.unit.clone().unwrap_or_default();
        (!others.is_empty()).then_some(Self { low, high, own, evaluated: 0, outside: 0, others })
    }

    /// Looks at the next rows.
    pub fn judge(&mut self, column: &Column, piece: Piece) {
        let Column::Number(values) = column else { return };
        let inside = |value: f64| self.low <= value && value <= self.high;
        for (row, &value) in values.iter().enumerate().filter(|(_, value)| !value.is_nan()) {
            self.evaluated += 1;
            if inside(value) {
                continue;
            }
            self.outside += 1;
            for (_, formula, outcome) in &mut self.others {
                if inside(formula.apply(value)) {
                    outcome.fail_in(piece, row);
                }
            }
        }
    }

    /// The rule by the unit that explains most, the first of several; without rows when it explains too little.
    pub fn finish(self) -> Option<Outcome> {
        let Self { own, evaluated, outside, others, .. } = self;
        let best = others.into_iter().reduce(|best, next| if next.2.failed > best.2.failed { next } else { best });
        let (unit, _, mut found) = best?;
        let fitting = found.failed;
        if fitting >= SEVERAL && 2 * fitting >= outside {
            found.note = Some(format!(
                "{fitting} of {outside} values out of range would lie within it as {unit}; if they are, declare \
                 `convert: [{{from: {unit}, when: …}}]`, for clinpipe takes every value as {own}"
            ));
        } else {
            found.failed = 0;
            found.examples.clear();
            found.values.clear();
        }
        found.evaluated = evaluated;
        Some(found)
    }
}
