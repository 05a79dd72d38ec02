//! A lower threshold of the same scores flags the same rows and more: no count and no rate of flagged rows can fall.
//!
//! Two thresholds are in order when the one cannot round to more than the other; where they could be equal, so would be
//! everything that follows from them.

use super::finding::{Finding, Level, Report, shown};
use super::interval::Interval;
use super::relations::{Known, rate};
use super::stated::Stated;
use super::types::{Measure, Point};

/// Slack for floating point.
const SLACK: f64 = 1e-9;

/// Numbers that cannot rise with the threshold.
const FALLING: [(Measure, Option<Measure>); 6] = [
    (Measure::Recall, Some(Measure::FalseNegativeRate)),
    (Measure::FalsePositiveRate, Some(Measure::Specificity)),
    (Measure::FlaggedShare, None),
    (Measure::Flagged, None),
    (Measure::TruePositives, None),
    (Measure::FalsePositives, None),
];

/// Numbers that cannot fall.
const RISING: [Measure; 2] = [Measure::TrueNegatives, Measure::FalseNegatives];

pub(super) fn check(points: &[Point], report: &mut Report) {
    for low in points {
        for high in points {
            let (Some(a), Some(b)) = (&low.threshold, &high.threshold) else { continue };
            if a.value >= b.value || a.range().hi > b.range().lo + SLACK {
                continue;
            }
            for (measure, complement) in FALLING {
                if let (Some(x), Some(y)) = (known(low, measure, complement), known(high, measure, complement)) {
                    compare((low, a, &x), (high, b, &y), measure, report);
                }
            }
            for measure in RISING {
                if let (Some(x), Some(y)) = (known(low, measure, None), known(high, measure, None)) {
                    compare((high, b, &y), (low, a, &x), measure, report);
                }
            }
        }
    }
}

fn known(point: &Point, measure: Measure, complement: Option<Measure>) -> Option<Known> {
    if !measure.is_count() {
        return rate(point, measure, complement);
    }
    let stated = point.get(measure)?;
    // A count is what it says, unless it is said to be rounded more coarsely than its digits.
    let within = if stated.within > 0.5 { stated.within } else { 0.0 };
    let range = Interval::new(stated.value - within, stated.value + within);
    Some(Known { range, from: vec![(measure.name(), stated.clone())] })
}

/// Refutes the first when it is less than the second.
fn compare(
    (point, at, first): (&Point, &Stated, &Known),
    (_, other, second): (&Point, &Stated, &Known),
    measure: Measure,
    report: &mut Report,
) {
    if first.range.hi >= second.range.lo - SLACK {
        return;
    }
    let mut finding = Finding::new(Level::Impossible, "order of thresholds", &point.name, at.span);
    for (name, number) in first.from.iter().chain(&second.from) {
        finding = finding.number(name, number);
    }
    let (low, high) = if at.value < other.value { (at, other) } else { (other, at) };
    let more = format!("at {} every row is flagged that is flagged at {}", low.text, high.text);
    let name = measure.name();
    let bound = shown(second.range.lo);
    report.push(finding.arithmetic(more).possible(format!("{name} at {} is at least {bound}", at.text)));
}
