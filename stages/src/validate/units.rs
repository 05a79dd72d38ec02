//! Values that look as if they came in another unit: outside the column's range, but inside it after conversion.
//!
//! Only where the range tells two units apart can this be seen: 70 may be kilograms or pounds. Nothing is converted on
//! suspicion; the study has to say `convert`.

use super::params::{Level, Tolerance};
use super::rules::{Outcome, outcome};
use crate::common::frame::Column;
use crate::common::schema::ColumnSchema;
use crate::common::units::lookalikes;

/// One odd value is an error of typing, several may be another laboratory.
const SEVERAL: usize = 2;

/// The rule `unit` of a column: at the level `warning`, since `range` judges the same rows already. `None` where the unit is not
/// one that clinpipe knows, or there is no range.
pub(super) fn suspects(name: &str, declared: &ColumnSchema, column: &Column) -> Option<Outcome> {
    let (Some([low, high]), Column::Number(values)) = (declared.range, column) else { return None };
    let others = lookalikes(declared);
    let inside = |value: f64| low <= value && value <= high;
    let outside: Vec<usize> = (0..values.len()).filter(|&row| !values[row].is_nan() && !inside(values[row])).collect();
    let (unit, fitting) = others
        .iter()
        .map(|(unit, formula)| {
            let fits = |row: &usize| inside(formula.apply(values[*row]));
            (*unit, outside.iter().copied().filter(fits).collect::<Vec<usize>>())
        })
        .reduce(|best, next| if next.1.len() > best.1.len() { next } else { best })?;
    let suspicious = fitting.len() >= SEVERAL && 2 * fitting.len() >= outside.len();
    let verdicts: Vec<Option<bool>> = values.iter().map(|value| (!value.is_nan()).then_some(true)).collect();
    let mut found = outcome("unit", name, Level::Warning, Tolerance::NONE, &verdicts);
    if suspicious {
        let own = declared.unit.as_deref().unwrap_or_default();
        found.note = Some(format!(
            "{} of {} values out of range would lie within it as {unit}; if they are, declare `convert: [{{from: {unit}, \
             when: …}}]`, for clinpipe takes every value as {own}",
            fitting.len(),
            outside.len(),
        ));
        found.failed = fitting;
    }
    Some(Outcome { column: Some(name.to_owned()), ..found })
}
