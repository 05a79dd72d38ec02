//! Durations and sizes as people write them.

use std::time::Duration;

/// `45s`, `30m`, `2h`, `1d`, also combined (`1h30m`).
pub(super) fn duration(text: &str) -> Option<Duration> {
    let mut seconds: u64 = 0;
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit())?;
        let amount: u64 = rest[..end].parse().ok()?;
        let (unit, after) = match rest.as_bytes().get(end)? {
            b's' => (1, end + 1),
            b'm' => (60, end + 1),
            b'h' => (3_600, end + 1),
            b'd' => (86_400, end + 1),
            _ => return None,
        };
        seconds = seconds.checked_add(amount.checked_mul(unit)?)?;
        rest = &rest[after..];
    }
    (seconds > 0).then(|| Duration::from_secs(seconds))
}

/// `512MiB`, `2GiB`, `2GB`, `1000000` in bytes.
pub(super) fn bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let unit: u64 = match text[end..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "t" | "tib" => 1 << 40,
        _ => return None,
    };
    let amount = &text[..end];
    let bytes = if let Some((whole, fraction)) = amount.split_once('.') {
        let digits = u32::try_from(fraction.len()).ok().filter(|digits| (1..=6).contains(digits))?;
        let part: u64 = fraction.parse().ok()?;
        let whole: u64 = whole.parse().ok()?;
        whole.checked_mul(unit)?.checked_add(part.checked_mul(unit)? / 10u64.pow(digits))?
    } else {
        amount.parse::<u64>().ok()?.checked_mul(unit)?
    };
    (bytes > 0).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(duration("30m"), Some(Duration::from_mins(30)));
        assert_eq!(duration("1h30m"), Some(Duration::from_mins(90)));
        for text in ["", "30", "m", "0s", "-1s", "1 h", "1w", "99999999999999999999s", "9999999999999999d"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    #[test]
    fn sizes() {
        assert_eq!(bytes("2GiB"), Some(2 << 30));
        assert_eq!(bytes("1.5 GB"), Some(1_500_000_000));
        assert_eq!(bytes("4096"), Some(4096));
        for text in ["", "GiB", "0", "-1", "2 parsecs", "1.", "99999999999TB", "1.2.3M"] {
            assert_eq!(bytes(text), None, "{text}");
        }
    }
}
