//! Numbers as people write them. For the eye only: nothing here may reach an artifact.

use std::time::Duration;

/// A duration: `0.02s`, `1.2s`, `12s`, `3m 05s`, `2h 00m`.
pub fn duration(after: Duration) -> String {
    let seconds = after.as_secs_f64();
    if seconds < 0.995 {
        return format!("{seconds:.2}s");
    }
    if seconds < 9.95 {
        return format!("{seconds:.1}s");
    }
    let whole = seconds.round() as u64;
    match whole {
        0..60 => format!("{whole}s"),
        60..3600 => format!("{}m {:02}s", whole / 60, whole % 60),
        _ => format!("{}h {:02}m", whole / 3600, whole % 3600 / 60),
    }
}

/// A count with thousands separators: `1,234,567`.
pub fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A measured value: three decimals while they mean something, none with separators from 1,000 on.
pub fn number(value: f64) -> String {
    if !value.is_finite() {
        return "-".to_owned();
    }
    let size = value.abs();
    let text = match size {
        0.0..10.0 => format!("{size:.3}"),
        10.0..1000.0 => format!("{size:.1}"),
        // Beyond this, separators no longer help.
        1e15.. => format!("{size:e}"),
        _ => count(size.round() as u64),
    };
    let is_zero = text.chars().all(|c| matches!(c, '0' | '.'));
    if value < 0.0 && !is_zero { format!("-{text}") } else { text }
}

/// A number of bytes: `712 B`, `1.4 MiB`.
pub fn bytes(value: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let mut scaled = value as f64 / 1024.0;
    if scaled < 1.0 {
        return format!("{value} B");
    }
    let mut unit = UNITS[0];
    for next in &UNITS[1..] {
        // What would round to 1024 belongs to the next unit.
        if scaled < 1023.95 {
            break;
        }
        scaled /= 1024.0;
        unit = next;
    }
    format!("{scaled:.1} {unit}")
}

/// The text in at most `width` characters; where some are left out, the last one is `…`.
pub fn brief(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        text.to_owned()
    } else {
        text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_left_out_is_marked() {
        assert_eq!([brief("", 3), brief("äöü", 3), brief("äöüß", 3)], ["", "äöü", "äö…"]);
    }

    #[test]
    fn durations_read_well() {
        let text = |millis| duration(Duration::from_millis(millis));
        assert_eq!([text(4), text(996), text(1_234), text(9_960)], ["0.00s", "1.0s", "1.2s", "10s"]);
        assert_eq!([text(59_600), text(185_000), text(7_200_000)], ["1m 00s", "3m 05s", "2h 00m"]);
    }

    #[test]
    fn bytes_have_the_unit_that_fits() {
        let texts = [0, 1023, 1024, 1_048_575, 1_048_576, u64::MAX].map(bytes);
        assert_eq!(texts, ["0 B", "1023 B", "1.0 KiB", "1.0 MiB", "1.0 MiB", "16777216.0 TiB"]);
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!([count(0), count(999), count(1000), count(1_234_567)], ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([number(0.8), number(-0.0101), number(-0.0001)], ["0.800", "-0.010", "0.000"]);
        assert_eq!([number(12.34), number(456_789.4), number(-1500.0)], ["12.3", "456,789", "-1,500"]);
        assert_eq!([number(f64::NAN), number(f64::NEG_INFINITY)], ["-", "-"]);
    }

    proptest! {
        #[test]
        fn separators_change_no_digit(value: u64) {
            prop_assert_eq!(count(value).replace(',', ""), value.to_string());
        }

        #[test]
        fn any_number_has_a_text(bits: u64) {
            prop_assert!(!number(f64::from_bits(bits)).is_empty());
        }
    }
}
