//! Numbers as the report says them: with their interval, or with the reason why there is none.

use crate::common::html::{Cell, Html, fixed};
use crate::common::interval::Estimate;
use crate::common::text::grouped;

/// `0.716 (0.693 to 0.738)`, or the reason why there is no number.
pub(super) fn estimate(estimate: &Estimate, decimals: usize) -> Cell {
    match said(estimate, decimals) {
        // The interval may go below its number where a table is narrow; neither is broken in itself.
        Ok(text) => match text.split_once(' ') {
            Some((value, interval)) if estimate.low.is_some() && estimate.value.is_some() => {
                let piece = |text: &str| Html::element("span", &[("class", "nb")], text);
                Cell::new(piece(value).and(" ").and(piece(interval)))
            }
            _ => Cell::new(text),
        },
        Err(reason) => Cell::missing(&reason),
    }
}

/// The same as text; the error is why there is no number.
pub(super) fn said(estimate: &Estimate, decimals: usize) -> Result<String, String> {
    let Some(value) = estimate.value else {
        // A small cell may only be told as the range that it allows.
        if let (Some(low), Some(high)) = (estimate.low, estimate.high) {
            return Ok(format!("between {} and {}", fixed(low, decimals), fixed(high, decimals)));
        }
        let reason = estimate.reason.as_deref().unwrap_or("no reason given");
        return Err(format!("not estimable: {reason}"));
    };
    let value = fixed(value, decimals);
    match (estimate.low, estimate.high) {
        (Some(low), Some(high)) => Ok(format!("{value} ({} to {})", fixed(low, decimals), fixed(high, decimals))),
        _ => Ok(match &estimate.reason {
            Some(reason) => format!("{value} (no interval: {reason})"),
            None => value,
        }),
    }
}

/// The same in one text, whichever it is.
pub(super) fn text(estimate: &Estimate, decimals: usize) -> String {
    said(estimate, decimals).unwrap_or_else(|reason| reason)
}

/// A count with thousands set apart.
pub(super) fn count(count: u64) -> String {
    grouped(usize::try_from(count).unwrap_or(usize::MAX))
}

/// `2,000 rows, 1,075 events`; without events when none are counted.
pub(super) fn rows_and_events(rows: u64, events: Option<u64>) -> String {
    let events = events.map(|events| format!(", {} {}", count(events), if events == 1 { "event" } else { "events" }));
    format!("{} {}{}", count(rows), if rows == 1 { "row" } else { "rows" }, events.unwrap_or_default())
}

/// A share in percent.
pub(super) fn percent(share: f64, decimals: usize) -> String {
    format!("{} %", fixed(100.0 * share, decimals))
}

/// A p-value with its sign: never 0.
pub(super) fn p_value(p: f64) -> String {
    if p < 0.001 { "< 0.001".to_owned() } else { format!("= {}", fixed(p, 3)) }
}

/// What people call the score of that key.
pub(super) fn metric_name(key: &str) -> String {
    match key {
        "log_loss" => "log loss".to_owned(),
        "auroc" | "auprc" | "rmse" | "mae" => key.to_uppercase(),
        "brier" => "Brier score".to_owned(),
        "r2" => "R²".to_owned(),
        other => other.replace('_', " "),
    }
}

/// The first letter of a sentence made large.
pub(super) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_comes_with_its_interval_or_a_reason() {
        assert_eq!(text(&Estimate::new(0.7156, (0.693, 0.738), "delong"), 2), "0.72 (0.69 to 0.74)");
        assert_eq!(text(&Estimate::undefined("one class only"), 2), "not estimable: one class only");
        assert_eq!(text(&Estimate::without_interval(0.5, "5 rows"), 2), "0.50 (no interval: 5 rows)");
        let range = Estimate { low: Some(0.95), high: Some(1.0), ..Estimate::undefined("few") };
        assert_eq!(text(&range, 2), "between 0.95 and 1.00");
        assert_eq!([rows_and_events(1, Some(1)), rows_and_events(2000, None)], ["1 row, 1 event", "2,000 rows"]);
        assert_eq!([p_value(0.0), p_value(0.04)], ["< 0.001", "= 0.040"]);
        assert_eq!([sentence("écoute"), sentence("")], ["Écoute", ""]);
    }
}
