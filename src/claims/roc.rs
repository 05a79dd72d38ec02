//! What operating points say about the area under the ROC curve of the same scores.
//!
//! The curve rises from (0, 0) to (1, 1) and passes through every operating point, and nothing else is known of it. So it
//! lies nowhere below the steps that rise at the points as late as they can, and nowhere above those that rise as
//! early: with one point at false positive rate f and recall r, r(1 − f) ≤ AUROC ≤ 1 − f(1 − r). Ties count half in
//! AUROC, which is a straight line between neighbouring points and lies between both steps. A convex hull would give a
//! higher lower bound, but an empirical curve need not be convex.

use super::cells::{Corner, Corners};
use super::finding::{Finding, Level, Report, Unchecked, lower, upper};
use super::interval::Interval;
use super::relations::prevalence_range;
use super::stated::Stated;
use super::types::{Claims, Measure, Model, Point, Projection, Sample};

/// Slack for floating point.
const SLACK: f64 = 1e-9;

pub(super) fn check(claims: &Claims, corners: &Corners, report: &mut Report) {
    for (model, found) in claims.models.iter().zip(corners) {
        let Some(auroc) = &model.auroc else { continue };
        let sample = model.sample.and_then(|sample| claims.samples.get(sample));
        let mut all = Vec::new();
        for (point, corner) in model.points.iter().zip(found) {
            let corner = match (*corner, of_rates(point, sample)) {
                (Some(cells), Some(rates)) => Some(cells.and(rates)),
                (cells, rates) => cells.or(rates),
            };
            if let Some(corner) = corner {
                all.push((point.name.clone(), numbers(point, sample), corner));
            }
            for projection in &point.projections {
                if let Some(corner) = of_projection(claims, projection) {
                    all.push((format!("{}, projected", point.name), projected(claims, projection), corner));
                }
            }
        }
        if all.iter().all(|(_, _, corner)| corner.least <= 0.0 && corner.most >= 1.0) {
            report.unchecked.push(Unchecked {
                check: "ROC point",
                subject: model.name.clone(),
                why: "no operating point is known by both recall and false positive rate".to_owned(),
                needed: "recall with specificity, or with precision and the prevalence of the sample".to_owned(),
            });
        }
        if let Some(finding) = single(model, auroc, &all).or_else(|| several(model, auroc, &all)) {
            report.push(finding);
        }
    }
}

/// A point of the curve: its name, the numbers it comes from, where it can lie.
type Seen = (String, Vec<(String, Stated)>, Corner);

/// The bound that one point sets, and breaks by most.
fn single(model: &Model, auroc: &Stated, all: &[Seen]) -> Option<Finding> {
    let range = auroc.share();
    let excess = |corner: &Corner| (corner.least - range.hi).max(range.lo - corner.most);
    let (name, numbers, corner) =
        all.iter().filter(|seen| excess(&seen.2) > SLACK).max_by(|a, b| excess(&a.2).total_cmp(&excess(&b.2)))?;
    let mut finding = Finding::new(Level::Impossible, "ROC point", &model.name, auroc.span).number("auroc", auroc);
    for (name, number) in numbers {
        finding = finding.number(name, number);
    }
    let place = format!(
        "the ROC curve passes through the point of {name}, at recall {} to {} and false positive rate {} to {}",
        lower(corner.recall.lo),
        upper(corner.recall.hi),
        lower(corner.fpr.lo),
        upper(corner.fpr.hi)
    );
    Some(if corner.least > range.hi {
        finding
            .arithmetic(format!("{place}, so AUROC ≥ recall · (1 − false positive rate) ≥ {}", lower(corner.least)))
            .possible(format!("auroc {} or more from these scores and rows", auroc.like(corner.least)))
    } else {
        finding
            .arithmetic(format!("{place}, so AUROC ≤ 1 − false positive rate · (1 − recall) ≤ {}", upper(corner.most)))
            .possible(format!("auroc {} or less from these scores and rows", auroc.like(corner.most)))
    })
}

/// The bound that all points set together.
fn several(model: &Model, auroc: &Stated, all: &[Seen]) -> Option<Finding> {
    let range = auroc.share();
    let (least, most) = bounds(all.iter().map(|seen| &seen.2));
    if least <= range.hi + SLACK && most >= range.lo - SLACK {
        return None;
    }
    let mut finding = Finding::new(Level::Impossible, "ROC points", &model.name, auroc.span).number("auroc", auroc);
    for (point, numbers, _) in all {
        for (name, number) in numbers {
            finding = finding.number_of(name, number, point);
        }
    }
    let text = format!(
        "the ROC curve passes through all these points, so AUROC lies between {} and {}",
        lower(least),
        upper(most)
    );
    Some(finding.arithmetic(text).possible("points and AUROC from the same scores and rows"))
}

/// The areas below the lowest and the highest steps through the points.
fn bounds<'c>(corners: impl Iterator<Item = &'c Corner> + Clone) -> (f64, f64) {
    let mut low: Vec<(f64, f64)> = corners.clone().map(|c| (c.fpr.hi, c.recall.lo)).collect();
    low.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut least, mut height) = (0.0, 0.0_f64);
    for (at, (fpr, recall)) in low.iter().enumerate() {
        height = height.max(*recall);
        let next = low.get(at + 1).map_or(1.0, |next| next.0);
        least += height * (next - fpr).max(0.0);
    }
    let mut high: Vec<(f64, f64)> = corners.map(|c| (c.fpr.lo, c.recall.hi)).collect();
    high.sort_by(|a, b| b.0.total_cmp(&a.0));
    let (mut most, mut height, mut right) = (0.0, 1.0_f64, 1.0);
    for (fpr, recall) in high {
        most += height * (right - fpr);
        (height, right) = (height.min(recall), fpr);
    }
    (least, most + height * right)
}

fn corner(recall: Interval, fpr: Interval) -> Corner {
    let (recall, fpr) = (recall.within_unit(), fpr.within_unit());
    Corner { recall, fpr, least: recall.lo * (1.0 - fpr.hi), most: 1.0 - fpr.lo * (1.0 - recall.hi) }
}

/// Where a point lies according to its rates alone.
fn of_rates(point: &Point, sample: Option<&Sample>) -> Option<Corner> {
    let share = |measure, complement| {
        point.get(measure).map(Stated::share).or_else(|| Some(point.get(complement)?.share().one_minus()))
    };
    let recall: Interval = share(Measure::Recall, Measure::FalseNegativeRate)?;
    if let Some(fpr) = share(Measure::FalsePositiveRate, Measure::Specificity) {
        return Some(corner(recall, fpr));
    }
    let prevalence = prevalence_range(sample?)?;
    let precision = point.get(Measure::Precision)?.share();
    if precision.lo <= 0.0 || prevalence.hi >= 1.0 {
        return None;
    }
    // f = r·k, so r(1 − f) is concave in r: its least value is at an end of r, with the greatest k.
    let odds = Interval::map2(precision, prevalence, |p, v| (1.0 / p - 1.0) * v / (1.0 - v));
    let least = |r: f64| r * (1.0 - r * odds.hi);
    let most = |r: f64| 1.0 - r * odds.lo * (1.0 - r);
    let fpr = Interval::map2(recall, odds, |r, k| r * k);
    let known = corner(recall, fpr);
    // 1 − rk(1 − r) is convex in r: its greatest value is at an end of r, with the least k.
    Some(Corner {
        least: known.least.max(least(recall.lo).min(least(recall.hi))),
        most: known.most.min(most(recall.lo).max(most(recall.hi))),
        ..known
    })
}

/// Where a point lies according to counts carried over to other rows. Those were rounded, perhaps one after the other.
fn of_projection(claims: &Claims, projection: &Projection) -> Option<Corner> {
    let sample = claims.samples.get(projection.sample?)?;
    let (n, events) = (sample.n.as_ref()?.value, sample.events.as_ref()?.value);
    let negatives = n - events;
    let value = |measure| projection.get(measure).map(|stated| stated.value);
    let tp = value(Measure::TruePositives).or_else(|| Some(events - value(Measure::FalseNegatives)?))?;
    let fp = value(Measure::FalsePositives).or_else(|| Some(negatives - value(Measure::TrueNegatives)?))?;
    if events <= 0.0 || negatives <= 0.0 {
        return None;
    }
    let within = super::money::rounding_of_alarms(tp, fp);
    let recall = Interval::new((tp - 1.0) / events, (tp + 1.0) / events);
    Some(corner(recall, Interval::new((fp - within) / negatives, (fp + within) / negatives)))
}

/// The numbers that a point's place comes from.
fn numbers(point: &Point, sample: Option<&Sample>) -> Vec<(String, Stated)> {
    let mut numbers: Vec<(String, Stated)> = point
        .measures
        .iter()
        .filter(|(measure, _)| !matches!(measure, Measure::Cost | Measure::CostPer1000 | Measure::NetBenefit))
        .map(|(measure, stated)| (measure.name(), stated.clone()))
        .collect();
    numbers.extend(sample.map(size).unwrap_or_default());
    numbers
}

fn projected(claims: &Claims, projection: &Projection) -> Vec<(String, Stated)> {
    let counts = projection.measures.iter().filter(|(measure, _)| measure.is_count());
    let mut numbers: Vec<(String, Stated)> = counts.map(|(measure, stated)| (measure.name(), stated.clone())).collect();
    numbers.extend(projection.sample.and_then(|sample| claims.samples.get(sample)).map(size).unwrap_or_default());
    numbers
}

fn size(sample: &Sample) -> Vec<(String, Stated)> {
    let all = [("n", &sample.n), ("events", &sample.events), ("prevalence", &sample.prevalence)];
    all.into_iter().filter_map(|(name, stated)| Some((name.to_owned(), stated.clone()?))).collect()
}
