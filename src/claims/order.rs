//! A lower threshold of the same scores flags the same rows and more: no count and no rate of flagged rows can fall.
//!
//! Two thresholds are in order when the one cannot round to more than the other; where they could be equal, so would be
//! everything that follows from them. Two that are both said to be exact, and equal, flag the same rows.

use super::finding::{Finding, Level, Report, shown};
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
    for (at, low) in points.iter().enumerate() {
        for (other, high) in points.iter().enumerate() {
            let (Some(a), Some(b)) = (&low.threshold, &high.threshold) else { continue };
            if at == other || !is_at_most(a, b) {
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

/// Whether one threshold is certainly not above another. Two are certainly the same only where both are said to be
/// exact (`within: 0`).
pub(super) fn is_at_most(low: &Stated, high: &Stated) -> bool {
    let is_below = low.value < high.value && low.range().hi <= high.range().lo + SLACK;
    is_below || are_same(low, high)
}

fn are_same(a: &Stated, b: &Stated) -> bool {
    a.value == b.value && a.within == 0.0 && b.within == 0.0
}

fn known(point: &Point, measure: Measure, complement: Option<Measure>) -> Option<Known> {
    if !measure.is_count() {
        return rate(point, measure, complement);
    }
    let stated = point.get(measure)?;
    Some(Known { range: stated.count(), from: vec![(measure.name(), stated.clone())] })
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
    let more = if are_same(low, high) {
        format!("the same rows are flagged at {}, which is exact", at.text)
    } else {
        format!("at {} every row is flagged that is flagged at {}", low.text, high.text)
    };
    let name = measure.name();
    let bound = shown(second.range.lo);
    report.push(finding.arithmetic(more).possible(format!("{name} at {} is at least {bound}", at.text)));
}
