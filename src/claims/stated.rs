//! A number as it was published: its digits tell how it was rounded.

use super::interval::Interval;
use crate::config::Span;

/// A published number.
#[derive(Debug, Clone, PartialEq)]
pub struct Stated {
    /// As written.
    pub text: String,
    /// What it says; a percentage as a share.
    pub value: f64,
    /// Half a unit of its last digit: the true value is at most so far away.
    pub within: f64,
    /// How many decimals it has, as a share.
    pub decimals: usize,
    /// Its published interval.
    pub interval: Option<(f64, f64)>,
    /// Where it stands.
    pub span: Span,
}

impl Stated {
    /// Reads `0.830`, `83 %`, `551,500`, `1.2e-3`.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn parse(text: &str, span: Span) -> Result<Self, String> {
        let (digits, scale) = match text.trim().strip_suffix('%') {
            Some(digits) => (digits.trim_end(), 2),
            None => (text.trim(), 0),
        };
        let plain = without_separators(digits).ok_or_else(|| format!("`{text}` is not a number"))?;
        let value: f64 = plain.parse().map_err(|_| format!("`{text}` is not a number"))?;
        let is_number = plain.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | '-' | '+' | 'e' | 'E'));
        if !is_number || !value.is_finite() || value.abs() > 1e15 {
            return Err(format!("`{text}` is not a number that is checked here"));
        }
        let (mantissa, exponent) = plain.split_once(['e', 'E']).unwrap_or((&plain, "0"));
        let exponent: i32 = exponent.parse().map_err(|_| format!("`{text}` is not a number"))?;
        let fraction = mantissa.split_once('.').map_or(0, |(_, fraction)| fraction.len() as i32);
        let decimals = fraction.saturating_sub(exponent).saturating_add(scale);
        let unit = power_of_ten(decimals.saturating_neg());
        Ok(Self {
            text: text.trim().to_owned(),
            value: value * power_of_ten(-scale),
            within: unit / 2.0,
            decimals: usize::try_from(decimals).unwrap_or(0),
            interval: None,
            span,
        })
    }

    /// What the true value can be.
    pub(super) fn range(&self) -> Interval {
        Interval::new(self.value - self.within, self.value + self.within)
    }

    /// What a true number of rows can be: what it says, unless it is said to be rounded more coarsely than its digits.
    pub(super) fn count(&self) -> Interval {
        if self.within > 0.5 { self.range() } else { Interval::exact(self.value) }
    }

    /// What a true share can be.
    pub(super) fn share(&self) -> Interval {
        self.range().within_unit()
    }

    /// The same number, rounded to its own decimals, for sentences about it.
    pub(super) fn like(&self, value: f64) -> String {
        let decimals = self.decimals.min(12);
        if self.text.ends_with('%') {
            return format!("{:.*} %", decimals.saturating_sub(2), value * 100.0);
        }
        format!("{value:.decimals$}")
    }
}

/// `551,500` as `551500`; a comma anywhere else than before three digits is no separator.
fn without_separators(digits: &str) -> Option<String> {
    if !digits.contains(',') {
        return Some(digits.to_owned());
    }
    let whole = digits.split_once('.').map_or(digits, |(whole, _)| whole);
    let mut groups = whole.trim_start_matches(['-', '+']).split(',');
    let first = groups.next().is_some_and(|group| (1..=3).contains(&group.len()));
    let is_separated = first && groups.all(|group| group.len() == 3 && group.bytes().all(|byte| byte.is_ascii_digit()));
    is_separated.then(|| digits.replace(',', ""))
}

fn power_of_ten(exponent: i32) -> f64 {
    // Read as a decimal, a power of ten is the nearest float there is.
    format!("1e{exponent}").parse().unwrap_or(f64::INFINITY)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stated(text: &str) -> Stated {
        Stated::parse(text, Span::default()).expect("a number")
    }

    #[test]
    fn digits_tell_the_rounding() {
        for (text, value, within) in [
            ("0.830", 0.83, 0.0005),
            (".83", 0.83, 0.005),
            ("1", 1.0, 0.5),
            ("24.3 %", 0.243, 0.0005),
            ("47%", 0.47, 0.005),
            ("551,500", 551_500.0, 0.5),
            ("-258,500", -258_500.0, 0.5),
            ("1.20e-3", 0.0012, 0.000_005),
        ] {
            let stated = stated(text);
            assert!((stated.value - value).abs() < 1e-12 * value.abs().max(1.0), "{text}: {}", stated.value);
            assert!((stated.within - within).abs() < 1e-15 + 1e-9 * within, "{text}: {}", stated.within);
        }
        assert_eq!(stated("82.86 %").like(0.8), "80.00 %");
        assert_eq!(stated("0.8286").like(0.8), "0.8000");
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in ["", "%", "abc", "1,5", "1,2345", "inf", "NaN", "1e400", "0x1f", "1_000", "12 apples", "$5", ","] {
            assert!(Stated::parse(text, Span::default()).is_err(), "{text}");
        }
    }
}
