//! One axis: numbers, or names at whole positions.

use std::ops::Range;

use serde_json::Value;

use crate::util::human;

/// Longer names are cut.
const MAX_NAME: usize = 24;

/// What stands along an axis.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Axis {
    /// Numbers between bounds that differ.
    Numbers(f64, f64),
    /// Names, one a position from 0.
    Names(Vec<String>),
}

impl Axis {
    /// Numbers if all cells are, otherwise names in the order of their appearance.
    pub(super) fn of<'a>(cells: impl Iterator<Item = &'a Value> + Clone) -> Self {
        if cells.clone().all(Value::is_number) {
            return Self::numbers(cells.filter_map(Value::as_f64));
        }
        let mut seen = std::collections::BTreeSet::new();
        let mut names = Vec::new();
        for name in cells.map(name) {
            if seen.insert(name.clone()) {
                names.push(name);
            }
        }
        Self::Names(names)
    }

    /// Numbers; bounds that coincide are spread, so that there is an axis at all.
    pub(super) fn numbers(values: impl Iterator<Item = f64>) -> Self {
        let finite = values.filter(|value| value.is_finite());
        let (low, high) =
            finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
        if low > high {
            return Self::Numbers(0.0, 1.0);
        }
        if low < high && (high - low).is_finite() && high - low > high.abs().max(low.abs()) * 1e-12 {
            return Self::Numbers(low, high);
        }
        let spread = (low.abs() * 0.05).clamp(0.5, 1e300);
        Self::Numbers((low - spread).max(-1e300), (high + spread).min(1e300))
    }

    /// The same with a little room at both ends, for values on the y axis.
    pub(super) fn with_room(self) -> Self {
        match self {
            Self::Numbers(low, high) => {
                let room = (high - low) * 0.04;
                Self::Numbers(low - room, high + room)
            }
            names @ Self::Names(_) => names,
        }
    }

    /// Where a cell stands.
    pub(super) fn at(&self, cell: &Value) -> Option<f64> {
        match self {
            Self::Numbers(..) => cell.as_f64(),
            Self::Names(names) => {
                let name = name(cell);
                names.iter().position(|known| *known == name).map(|at| at as f64)
            }
        }
    }

    pub(super) fn range(&self) -> Range<f64> {
        match self {
            Self::Numbers(low, high) => *low..*high,
            Self::Names(names) => -0.5..names.len().max(1) as f64 - 0.5,
        }
    }

    /// How many labels to ask for.
    pub(super) fn labels(&self, at_most: usize) -> usize {
        match self {
            Self::Numbers(..) => at_most,
            Self::Names(names) => (2 * names.len() + 1).min(2 * at_most),
        }
    }

    /// The label at a position; none between names.
    pub(super) fn label(&self, at: f64) -> String {
        match self {
            Self::Numbers(low, high) => number(at, high - low),
            Self::Names(names) if (at - at.round()).abs() < 1e-6 && at >= 0.0 => {
                names.get(at.round() as usize).map(|name| cut(name)).unwrap_or_default()
            }
            Self::Names(_) => String::new(),
        }
    }
}

/// A cell as a name.
pub(super) fn name(cell: &Value) -> String {
    match cell {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

pub(super) fn cut(name: &str) -> String {
    let plain: String = name.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    human::brief(&plain, MAX_NAME)
}

/// A number with the decimals that a span asks for.
fn number(value: f64, span: f64) -> String {
    let size = value.abs().max(span);
    if size >= 1e6 || span < 1e-5 {
        return format!("{value:.2e}");
    }
    let decimals = (2.0 - span.log10().floor()).clamp(0.0, 8.0) as usize;
    let text = format!("{value:.decimals$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn mixed_cells_are_names_and_numbers_have_a_span() {
        let cells = [json!(1), json!("b"), json!(1)];
        let axis = Axis::of(cells.iter());
        assert_eq!(axis, Axis::Names(vec!["1".to_owned(), "b".to_owned()]));
        assert_eq!(
            (axis.at(&json!("b")), axis.label(1.0), axis.label(0.5)),
            (Some(1.0), "b".to_owned(), String::new())
        );
        for values in [vec![], vec![3.0], vec![f64::NAN, 1e308, -1e308], vec![0.0, 5e-324], vec![1e300]] {
            let range = Axis::numbers(values.clone().into_iter()).range();
            assert!(range.start < range.end && (range.end - range.start).is_finite(), "{values:?}: {range:?}");
        }
    }

    #[test]
    fn labels_have_the_decimals_that_tell_them_apart() {
        assert_eq!([number(0.25, 1.0), number(-0.0, 1.0), number(1500.0, 2000.0)], ["0.25", "0", "1500"]);
        assert_eq!([number(0.001_25, 0.01), number(2e9, 3e9)], ["0.0013", "2.00e9"]);
    }
}
