//! The settings that a search chooses from, and the coordinates in which it looks at them.
//!
//! A number has a coordinate on a line: its logarithm on a logarithmic scale, itself otherwise. A number with a step
//! fills the cell of the line that reaches half a step to each side, so that uniform coordinates give uniform numbers.
//! Nothing here knows what a setting means.

use std::collections::BTreeMap;

use serde_json::{Number, Value};

use super::params::Range;

/// More numbers than this are not counted one by one.
const MOST_STEPS: f64 = 1e9;

/// Values of settings by their dotted key below `train`.
pub(super) type Settings = BTreeMap<String, Value>;

/// The settings that a search chooses, in the order of their keys.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Space {
    /// One per key.
    pub dimensions: Vec<Dimension>,
}

/// One setting.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Dimension {
    /// Its dotted key below `train`.
    pub key: String,
    /// Its values.
    pub domain: Domain,
}

/// The values of a setting.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Domain {
    /// Numbers of a range.
    Number(NumberRange),
    /// Listed values without an order.
    Choice(Vec<Value>),
}

/// Numbers from `low` to `high`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct NumberRange {
    low: f64,
    high: f64,
    step: Option<f64>,
    log: bool,
    integer: bool,
}

/// A value of one dimension.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Choice {
    /// The number itself.
    Number(f64),
    /// The place in the list.
    Listed(usize),
}

/// One value per dimension.
pub(super) type Point = Vec<Choice>;

impl Space {
    /// The settings of a point by key.
    pub(super) fn settings(&self, point: &[Choice]) -> Settings {
        let value =
            |(dimension, choice): (&Dimension, &Choice)| (dimension.key.clone(), dimension.domain.value(*choice));
        self.dimensions.iter().zip(point).map(value).collect()
    }

    /// How many combinations there are; `None` when a range has no step.
    pub(super) fn combinations(&self) -> Option<u64> {
        self.dimensions.iter().try_fold(1_u64, |all, dimension| Some(all.saturating_mul(dimension.domain.count()?)))
    }

    /// The combination of that number; the last key turns fastest. `None` beyond the last one.
    pub(super) fn combination(&self, number: u64) -> Option<Point> {
        let mut rest = number;
        let mut point = Vec::with_capacity(self.dimensions.len());
        for dimension in self.dimensions.iter().rev() {
            let count = dimension.domain.count()?;
            point.push(dimension.domain.nth(rest % count));
            rest /= count;
        }
        point.reverse();
        (rest == 0).then_some(point)
    }
}

impl Domain {
    fn value(&self, choice: Choice) -> Value {
        match (self, choice) {
            (Self::Number(range), Choice::Number(number)) if range.integer => Value::from(number as i64),
            (_, Choice::Number(number)) => Number::from_f64(number).map_or(Value::Null, Value::Number),
            (Self::Choice(values), Choice::Listed(index)) => values.get(index).cloned().unwrap_or(Value::Null),
            (Self::Number(_), Choice::Listed(_)) => Value::Null,
        }
    }

    /// How many values there are; `None` for any number of a range.
    pub(super) fn count(&self) -> Option<u64> {
        match self {
            Self::Number(range) => range.count(),
            Self::Choice(values) => Some(values.len() as u64),
        }
    }

    fn nth(&self, index: u64) -> Choice {
        match self {
            Self::Number(range) => Choice::Number(range.low + index as f64 * range.step.unwrap_or(0.0)),
            Self::Choice(_) => Choice::Listed(index as usize),
        }
    }

    /// Values at which a fault of the setting itself shows before anything runs: the ends of a range and a number
    /// inside it, or all listed values; each with its key below the range.
    pub(super) fn probes(&self) -> Vec<(String, Value)> {
        match self {
            Self::Number(range) => {
                let probe = |key: &str, number| (key.to_owned(), self.value(Choice::Number(number)));
                let (from, to) = range.line();
                let inside = range.step.is_none().then(|| probe("", range.at(from + 0.382 * (to - from))));
                [probe("low", range.low), probe("high", range.high)].into_iter().chain(inside).collect()
            }
            Self::Choice(values) => {
                let keyed = values.iter().enumerate().map(|(index, value)| (format!("values.{index}"), value.clone()));
                keyed.collect()
            }
        }
    }
}

impl NumberRange {
    /// The ends of its line.
    pub(super) fn line(&self) -> (f64, f64) {
        let half = self.step.unwrap_or(0.0) / 2.0;
        (self.place(self.low - half), self.place(self.high + half))
    }

    /// Where a number lies on the line.
    pub(super) fn place(&self, number: f64) -> f64 {
        if self.log { libm::log(number) } else { number }
    }

    /// The number at a place of the line, on a step when there are steps.
    pub(super) fn at(&self, place: f64) -> f64 {
        let number = if self.log { libm::exp(place) } else { place };
        let number = match self.step {
            Some(step) => self.low + libm::round((number - self.low) / step) * step,
            None => number,
        };
        number.clamp(self.low, self.high)
    }

    /// The part of the line that gives a number; `None` when any number may be taken.
    pub(super) fn cell(&self, number: f64) -> Option<(f64, f64)> {
        let half = self.step? / 2.0;
        Some((self.place(number - half), self.place(number + half)))
    }

    fn count(&self) -> Option<u64> {
        self.step.map(|step| libm::round((self.high - self.low) / step) as u64 + 1)
    }
}

impl Range {
    /// The values it stands for; the error is a key below the range and what is wrong there.
    pub(super) fn domain(&self) -> Result<Domain, (&'static str, String)> {
        let wrong = |key, message: &str| Err((key, message.to_owned()));
        if let Some(values) = &self.values {
            let numbers = self.low.or(self.high).or(self.step).is_some() || self.log || self.integer;
            return match values {
                _ if numbers => wrong("values", "stands beside a range; give the values or the range"),
                values if values.is_empty() => wrong("values", "is empty"),
                values if values.iter().enumerate().any(|(at, value)| values[..at].contains(value)) => {
                    wrong("values", "lists a value twice")
                }
                values => Ok(Domain::Choice(values.clone())),
            };
        }
        let Some(low) = self.low else { return wrong("low", "is missing; give `low` and `high`, or `values`") };
        let Some(high) = self.high else { return wrong("high", "is missing; give `low` and `high`") };
        if !(low < high && (high - low).is_finite()) {
            return wrong("high", "must be a finite number above `low`");
        }
        if self.log && low <= 0.0 {
            return wrong("low", "must be above 0 on a logarithmic scale");
        }
        if self.step.is_some_and(|step| !(step > 0.0 && step.is_finite())) {
            return wrong("step", "must be a finite number above 0");
        }
        if self.log && self.step.is_some() {
            return wrong("step", "does not go with `log`; whole numbers on a logarithmic scale are `integer: true`");
        }
        let whole = |number: f64| libm::trunc(number) == number && number.abs() <= MOST_STEPS;
        let stepped = self.step.is_some_and(|step| whole(step) && whole(low));
        if self.integer && !(whole(low) && self.step.is_none_or(whole)) {
            return wrong("integer", "needs a whole `low` and `step`");
        }
        let integer = self.integer || stepped;
        let step = self.step.or(self.integer.then_some(1.0));
        // Half a step's tolerance for decimal fractions: 0.1 to 0.3 in steps of 0.1 are three numbers.
        let steps = step.map(|step| libm::floor((high - low) / step + 1e-9));
        match (step, steps) {
            (Some(_), Some(steps)) if steps < 1.0 => wrong("step", "reaches beyond `high`"),
            (Some(_), Some(steps)) if steps > MOST_STEPS => wrong("step", "makes more than a billion numbers"),
            (Some(step), Some(steps)) => {
                let high = low + steps * step;
                Ok(Domain::Number(NumberRange { low, high, step: Some(step), log: self.log, integer }))
            }
            _ => Ok(Domain::Number(NumberRange { low, high, step: None, log: self.log, integer })),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    pub(in crate::train::tuning) fn space(value: Value) -> Space {
        let ranges: BTreeMap<String, Range> = serde_json::from_value(value).expect("ranges");
        let dimension = |(key, range): (String, Range)| Dimension { key, domain: range.domain().expect("sound") };
        Space { dimensions: ranges.into_iter().map(dimension).collect() }
    }

    fn fault(value: Value) -> &'static str {
        let range: Range = serde_json::from_value(value).expect("a range");
        range.domain().expect_err("unsound").0
    }

    #[test]
    fn a_grid_turns_its_last_key_fastest_and_ends() {
        let space = space(json!({
            "a": {"values": ["x", null]}, "b": {"low": 7, "high": 30, "step": 8}, "c": {"low": 0.1, "high": 0.3, "step": 0.1},
        }));
        assert_eq!(space.combinations(), Some(18));
        let settings = |number| space.settings(&space.combination(number).expect("a combination"));
        assert_eq!(json!(settings(0)), json!({"a": "x", "b": 7, "c": 0.1}));
        assert_eq!(json!(settings(4)), json!({"a": "x", "b": 15, "c": 0.2}));
        assert_eq!(json!(settings(17)), json!({"a": null, "b": 23, "c": 0.1 + 2.0 * 0.1}));
        assert_eq!(space.combination(18), None);
        let endless = json!({"c": {"low": 0.1, "high": 0.3}});
        assert_eq!((self::space(endless.clone()).combinations(), self::space(endless).combination(0)), (None, None));
    }

    #[test]
    fn a_range_that_makes_no_sense_is_refused_at_its_key() {
        for (range, key) in [
            (json!({}), "low"),
            (json!({"low": 1}), "high"),
            (json!({"low": 1, "high": 1}), "high"),
            (json!({"low": 0, "high": 1, "log": true}), "low"),
            (json!({"low": 1, "high": 2, "step": 0}), "step"),
            (json!({"low": 1, "high": 2, "step": 3}), "step"),
            (json!({"low": 1, "high": 2, "step": 1, "log": true}), "step"),
            (json!({"low": 0, "high": 1, "step": 1e-12}), "step"),
            (json!({"low": 1.5, "high": 4, "integer": true}), "integer"),
            (json!({"values": []}), "values"),
            (json!({"values": [1, 2, 1]}), "values"),
            (json!({"values": [1], "high": 2}), "values"),
        ] {
            assert_eq!(fault(range.clone()), key, "{range}");
        }
    }

    proptest! {
        #[test]
        fn every_place_on_the_line_gives_an_allowed_number(
            low in 1_i32..50, width in 1_i32..500, log in any::<bool>(), kind in 0..3, at in 0.0..=1.0_f64,
        ) {
            let step = (kind == 1 && !log).then_some(0.25);
            let range = Range {
                low: Some(f64::from(low)), high: Some(f64::from(low + width)), log, step, integer: kind == 2,
                values: None,
            };
            let Ok(Domain::Number(numbers)) = range.domain() else { panic!("a sound range") };
            let (from, to) = numbers.line();
            let place = from + at * (to - from);
            let number = numbers.at(place);
            prop_assert!(number >= f64::from(low) && number <= f64::from(low + width));
            if let Some((left, right)) = numbers.cell(number) {
                prop_assert!(left - 1e-9 <= place && place <= right + 1e-9);
                prop_assert_eq!(libm::fmod(number * 4.0, 1.0), 0.0);
            }
            if kind == 2 {
                prop_assert_eq!(libm::trunc(number), number);
                prop_assert!(Domain::Number(numbers).value(Choice::Number(number)).is_i64());
            }
        }
    }
}
