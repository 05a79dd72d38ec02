//! What a scalar means: the core schema of YAML 1.2, without its traps.

use serde_json::Number;

use super::node::Kind;

/// Why a scalar is refused, and what to write instead.
pub(super) struct Refused {
    pub(super) message: String,
    pub(super) help: String,
}

/// The meaning of an unquoted scalar.
pub(super) fn plain(text: &str) -> Result<Kind, Refused> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Kind::Null),
        "true" | "True" | "TRUE" => return Ok(Kind::Bool(true)),
        "false" | "False" | "FALSE" => return Ok(Kind::Bool(false)),
        _ => {}
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(digits, ".inf" | ".Inf" | ".INF" | ".nan" | ".NaN" | ".NAN") {
        return Err(refused(text, "is not a finite number"));
    }
    if !digits.starts_with(|first: char| first.is_ascii_digit() || first == '.') {
        return Ok(Kind::Text(text.to_owned()));
    }
    if digits.contains('_') && digits.chars().all(|c| c.is_ascii_digit() || c == '_' || c == '.') {
        let bare: String = text.chars().filter(|c| *c != '_').collect();
        return Err(Refused {
            message: format!("`{text}` is read as a number by some YAML readers and as text by others"),
            help: format!("write {bare} for the number or \"{text}\" for the text"),
        });
    }
    if digits.chars().all(|c| c.is_ascii_digit()) {
        return decimal(text, digits);
    }
    if let Some(number) = radix(digits, text.starts_with('-')) {
        return Ok(Kind::Number(number));
    }
    if is_float(digits) {
        let number = text.parse().ok().and_then(Number::from_f64);
        return number.map(Kind::Number).ok_or_else(|| refused(text, "is too large for a number of 64 bits"));
    }
    Ok(Kind::Text(text.to_owned()))
}

fn refused(text: &str, what: &str) -> Refused {
    Refused { message: format!("`{text}` {what}"), help: format!("write \"{text}\" if text is meant") }
}

fn decimal(text: &str, digits: &str) -> Result<Kind, Refused> {
    if digits.len() > 1 && digits.starts_with('0') {
        let bare = digits.trim_start_matches('0');
        let bare = if bare.is_empty() { "0" } else { bare };
        return Err(Refused {
            message: format!("`{text}` is read as an octal, a decimal number or text by different YAML readers"),
            help: format!("write {bare} for the number or \"{text}\" for the text"),
        });
    }
    let unsigned = text.strip_prefix('+').unwrap_or(text);
    let signed = unsigned.parse::<i64>().map(Number::from);
    signed
        .or_else(|_| unsigned.parse::<u64>().map(Number::from))
        .map(Kind::Number)
        .map_err(|_| refused(text, "is too large for an integer of 64 bits"))
}

/// `0x1f` and `0o17`.
fn radix(digits: &str, negative: bool) -> Option<Number> {
    let (rest, radix) = match (digits.strip_prefix("0x"), digits.strip_prefix("0o")) {
        (Some(rest), _) => (rest, 16),
        (_, Some(rest)) => (rest, 8),
        _ => return None,
    };
    if !rest.starts_with(|first: char| first.is_ascii_hexdigit()) {
        return None;
    }
    let value = i64::from_str_radix(rest, radix).ok()?;
    Some(Number::from(if negative { -value } else { value }))
}

/// Digits, optional fraction, optional exponent; at least one digit before the exponent.
fn is_float(digits: &str) -> bool {
    let (mantissa, exponent) = match digits.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (digits, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let exponent_fits = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !exponent.is_empty() && all_digits(exponent)
    });
    all_digits(whole) && all_digits(fraction) && !(whole.is_empty() && fraction.is_empty()) && exponent_fits
}

/// A number as Python writes it: the shortest digits that give the float back, a fraction or an exponent of at least
/// two digits.
pub(super) fn number_text(number: &Number) -> String {
    let Some(float) = number.as_f64().filter(|_| number.is_f64()) else { return number.to_string() };
    let text = format!("{float:?}");
    match text.split_once('e') {
        Some((mantissa, exponent)) => {
            let (sign, digits) = exponent.strip_prefix('-').map_or(('+', exponent), |digits| ('-', digits));
            format!("{mantissa}e{sign}{digits:0>2}")
        }
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Node;
    use super::*;
    use serde_json::{Value, json};

    fn value(text: &str) -> Option<Value> {
        let node = |kind| Node::new(crate::config::Span::default(), kind).to_json();
        plain(text).ok().map(node)
    }

    #[test]
    fn scalars_have_the_meaning_of_yaml_1_2() {
        for (text, expected) in [
            ("", json!(null)),
            ("true", json!(true)),
            ("yes", json!("yes")),
            ("no", json!("no")),
            ("1", json!(1)),
            ("-1", json!(-1)),
            ("+1", json!(1)),
            ("1.0", json!(1.0)),
            ("1.", json!(1.0)),
            (".5", json!(0.5)),
            ("1e-3", json!(0.001)),
            ("0x1F", json!(31)),
            ("0o17", json!(15)),
            ("18446744073709551615", json!(u64::MAX)),
            ("1.2.3", json!("1.2.3")),
            ("2024-01-01", json!("2024-01-01")),
            ("12:30", json!("12:30")),
            ("30m", json!("30m")),
            (".", json!(".")),
            ("-", json!("-")),
            ("1e", json!("1e")),
            ("1_a", json!("1_a")),
        ] {
            assert_eq!(value(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn ambiguous_or_unbounded_numbers_are_refused() {
        for text in ["012", "-007", "00", "1_000", "1_000.5", ".inf", "-.inf", ".nan", "1e999", "18446744073709551616"]
        {
            assert_eq!(value(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_are_written_as_python_writes_them() {
        for (text, expected) in [
            ("1", "1"),
            ("1.0", "1.0"),
            ("1e-3", "0.001"),
            ("1e-5", "1e-05"),
            ("1.5e-7", "1.5e-07"),
            ("0.0001", "0.0001"),
            ("1e16", "1e+16"),
            ("123456789012345.0", "123456789012345.0"),
            ("2.5e123", "2.5e+123"),
            ("-0.0", "-0.0"),
        ] {
            let Ok(Kind::Number(number)) = plain(text) else { panic!("{text} is no number") };
            assert_eq!(number_text(&number), expected);
        }
    }
}
