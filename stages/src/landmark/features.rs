//! One column of one patient, from the events that were known on the landmark day.

use super::files::Event;
use super::params::{Build, FeatureParams};

/// The cell of `feature` for a patient with these events, at landmark `day`. Later events are not looked at.
pub(super) fn cell(feature: &FeatureParams, events: &[Event], day: i64) -> String {
    let first = feature.last.map_or(i64::MIN, |last| day - i64::from(last) + 1);
    let known = || events.iter().filter(|event| event.kind == feature.of && (first..=day).contains(&event.day));
    let values = || known().filter_map(|event| event.value);
    match feature.op {
        Build::Count => known().count().to_string(),
        Build::DaysSince => text(known().map(|event| event.day).max().map(|last| day - last)),
        Build::Max => text(values().max_by(f64::total_cmp)),
        Build::Sum => values().fold(0.0, |sum, value| sum + value).to_string(),
    }
}

fn text(value: Option<impl ToString>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}
