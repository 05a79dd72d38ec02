//! Words for messages: the nearest known name, and lists that do not run off the screen.

/// ` (did you mean `x`?)` for the known name nearest to `name`, or nothing when none is near.
pub fn suggestion<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let near =
        known.into_iter().map(|other| (strsim::osa_distance(&name.to_lowercase(), &other.to_lowercase()), other));
    let allowed = name.chars().count() / 3 + 1;
    match near.filter(|(distance, _)| *distance <= allowed).min() {
        Some((_, other)) => format!(" (did you mean `{other}`?)"),
        None => String::new(),
    }
}

/// `items` joined by commas, at most `most` of them, with the number of those left out.
pub fn list<'a>(items: impl IntoIterator<Item = &'a str>, most: usize) -> String {
    let items: Vec<&str> = items.into_iter().collect();
    let shown = items[..items.len().min(most)].join(", ");
    if items.len() > most { format!("{shown} and {} more", items.len() - most) } else { shown }
}

/// A count with thousands separators: `1,234,567`.
pub fn grouped(count: usize) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn near_names_are_suggested_and_far_ones_are_not() {
        assert_eq!(suggestion("Age", ["bmi", "age"]), " (did you mean `age`?)");
        assert_eq!(suggestion("stroke", ["age", "bmi"]), "");
        assert_eq!(list(["a", "b", "c"], 2), "a, b and 1 more");
    }
}
