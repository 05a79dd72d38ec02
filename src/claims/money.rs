//! Costs, changes and counts that were carried over to other rows.

use super::finding::{Finding, Level, Report, shown};
use super::interval::Interval;
use super::stated::Stated;
use super::types::{Change, Claims, Costs, Measure, Point, Projection};

pub(super) fn check(claims: &Claims, report: &mut Report) {
    for point in claims.models.iter().flat_map(|model| &model.points) {
        for projection in &point.projections {
            carried_over(claims, point, projection, report);
            if let Some(costs) = &claims.costs {
                total(point, projection, costs, report);
            }
        }
        if let Some(costs) = &claims.costs {
            free_treatment(point, costs, report);
        }
    }
    for change in &claims.changes {
        differences(change, report);
        relatives(change, report);
    }
}

/// How far a projected number of false alarms may be off: it may have been computed from the rounded true positives.
pub(super) fn rounding_of_alarms(tp: f64, fp: f64) -> f64 {
    1.0 + (fp + 1.0) / (2.0 * (tp - 1.0).max(1.0))
}

/// Counts of a projection follow from the rates of its point and the size of its sample.
fn carried_over(claims: &Claims, point: &Point, projection: &Projection, report: &mut Report) {
    let Some(sample) = projection.sample.and_then(|sample| claims.samples.get(sample)) else { return };
    let Some(events) = &sample.events else { return };
    let value = |measure| projection.get(measure).map(|stated| stated.value);
    if let (Some(caught), Some(missed)) =
        (projection.get(Measure::TruePositives), projection.get(Measure::FalseNegatives))
        && (caught.value + missed.value - events.value).abs() > 1.0
    {
        let finding = Finding::new(Level::Impossible, "projection", &point.name, caught.span)
            .number("tp", caught)
            .number("fn", missed)
            .number("events", events);
        report.push(finding.arithmetic(format!("tp + fn = {:.0}", caught.value + missed.value)));
    }
    let Some(recall) = point.get(Measure::Recall) else { return };
    let expected = Interval::new(recall.share().lo * events.value - 1.0, recall.share().hi * events.value + 1.0);
    if let Some(caught) = projection.get(Measure::TruePositives)
        && expected.is_apart(Interval::exact(caught.value))
    {
        let finding = Finding::new(Level::Impossible, "projection", &point.name, caught.span)
            .number("tp", caught)
            .number("recall", recall)
            .number("events", events);
        let text = format!("{} of {} events are {:.1}", recall.text, events.text, recall.value * events.value);
        report.push(finding.arithmetic(text));
    }
    if let (Some(alarms), Some(precision)) = (projection.get(Measure::FalsePositives), point.get(Measure::Precision))
        && precision.share().lo > 0.0
    {
        let caught = value(Measure::TruePositives).unwrap_or(recall.value * events.value);
        let range = Interval::map2(Interval::new(expected.lo + 1.0, expected.hi - 1.0), precision.share(), |tp, p| {
            tp * (1.0 / p - 1.0)
        });
        let within = rounding_of_alarms(caught, alarms.value);
        if Interval::new(range.lo - within, range.hi + within).is_apart(Interval::exact(alarms.value)) {
            let finding = Finding::new(Level::Impossible, "projection", &point.name, alarms.span)
                .number("fp", alarms)
                .number("recall", recall)
                .number("precision", precision)
                .number("events", events);
            let text = format!("recall · events · (1/precision − 1) = {:.1}", range.center());
            report.push(finding.arithmetic(text));
        }
    }
}

/// The total cost of a projection is the sum over its counts, which may have been rounded before or after.
fn total(point: &Point, projection: &Projection, costs: &Costs, report: &mut Report) {
    let Some(cost) = projection.get(Measure::Cost) else { return };
    let cells = [
        (Measure::FalsePositives, Some(&costs.false_positive)),
        (Measure::FalseNegatives, Some(&costs.false_negative)),
        (Measure::TruePositives, costs.true_positive.as_ref()),
        (Measure::TrueNegatives, costs.true_negative.as_ref()),
    ];
    let mut sum = Interval::exact(0.0);
    let mut exact = 0.0;
    let mut finding = Finding::new(Level::Impossible, "cost", &point.name, cost.span).number("cost", cost);
    let mut terms = Vec::new();
    for (cell, price) in cells {
        let Some(price) = price.filter(|price| price.value != 0.0) else { continue };
        let Some(count) = projection.get(cell) else { return };
        let part = Interval::map2(Interval::exact(price.value), count.range(), |price, count| price * count);
        sum = Interval::new(sum.lo + part.lo, sum.hi + part.hi);
        exact += price.value * count.value;
        finding = finding.number(&cell.name(), count);
        terms.push(format!("{} · {}", count.text, price.text));
    }
    if cost.range().is_apart(sum) {
        report.push(
            finding
                .arithmetic(format!("{} = {}", terms.join(" + "), whole(exact)))
                .possible(format!("cost {}", whole(exact))),
        );
    }
}

/// Caught events are acted upon, and acting costs what a false alarm costs; a total without them needs saying so.
fn free_treatment(point: &Point, costs: &Costs, report: &mut Report) {
    if costs.true_positive.is_some() {
        return;
    }
    let own = (point.get(Measure::Cost), point.get(Measure::TruePositives));
    let projected = point.projections.iter().map(|p| (p.get(Measure::Cost), p.get(Measure::TruePositives)));
    for pair in std::iter::once(own).chain(projected) {
        let (Some(cost), Some(caught)) = pair else { continue };
        let more = costs.false_positive.value * caught.value;
        let finding = Finding::new(Level::Questionable, "cost of caught events", &point.name, cost.span)
            .number("cost", cost)
            .number("tp", caught)
            .number("cost of a false positive", &costs.false_positive);
        report.push(
            finding
                .arithmetic(format!(
                    "no cost of a true positive is stated; if acting on one costs what a false alarm costs, {} come on top",
                    whole(more)
                ))
                .possible(format!("cost {} with the action, and more where it does not always help", whole(cost.value + more))),
        );
    }
}

fn differences(change: &Change, report: &mut Report) {
    let (Some(from), Some(to)) = (&change.from, &change.to) else {
        return disagreements(change, &change.difference, "difference", report);
    };
    let (a, b) = (from.range(), to.range());
    let signed = Interval::new(b.lo - a.hi, b.hi - a.lo);
    for stated in &change.difference {
        if !fits(stated, signed) {
            let finding = Finding::new(Level::Impossible, "difference", &change.what, stated.span)
                .number("from", from)
                .number("to", to)
                .number("difference", stated);
            let difference = to.value - from.value;
            report.push(
                finding
                    .arithmetic(format!("{} − {} = {}", to.text, from.text, amount(difference)))
                    .possible(format!("a difference of {}", amount(difference))),
            );
        }
    }
}

/// Whether a stated change can be one of these; a saving may be given without its sign.
fn fits(stated: &Stated, signed: Interval) -> bool {
    let unsigned = Interval::new(-signed.hi, -signed.lo);
    !stated.range().is_apart(signed) || (stated.value >= 0.0 && signed.lo < 0.0 && !stated.range().is_apart(unsigned))
}

fn relatives(change: &Change, report: &mut Report) {
    let (Some(from), Some(to)) = (&change.from, &change.to) else {
        return disagreements(change, &change.relative, "relative change", report);
    };
    let (a, b) = (from.range(), to.range());
    if a.lo <= 0.0 {
        return of_nothing(change, from, to, report);
    }
    let signed = Interval::map2(a, b, |a, b| b / a - 1.0);
    for stated in &change.relative {
        if fits(stated, signed) {
            continue;
        }
        let share = to.value / from.value - 1.0;
        let mut finding = Finding::new(Level::Impossible, "percentage base", &change.what, stated.span)
            .number("from", from)
            .number("to", to)
            .number("relative", stated);
        let of_new = (b.lo > 0.0).then(|| Interval::map2(a, b, |a, b| 1.0 - a / b));
        let base = if of_new.is_some_and(|range| fits(stated, range)) {
            format!(
                "; {} is the share of the new value instead ({} / {})",
                stated.text,
                amount((to.value - from.value).abs()),
                to.text
            )
        } else {
            String::new()
        };
        finding =
            finding.arithmetic(format!("({} − {}) / {} = {:.1} %{base}", to.text, from.text, from.text, 100.0 * share));
        report.push(finding.possible(format!("{:.1} %", 100.0 * share)));
    }
}

/// A relative change from 0 is none. Only a small value that was rounded to 0 has one, and a large one.
fn of_nothing(change: &Change, from: &Stated, to: &Stated, report: &mut Report) {
    let (a, b) = (from.range(), to.range());
    if a.hi <= 0.0 && from.value < 0.0 {
        return;
    }
    for stated in &change.relative {
        let least = if a.hi > 0.0 && b.lo > 0.0 { b.lo / a.hi - 1.0 } else { f64::NEG_INFINITY };
        let level =
            if stated.range().hi < least - 1e-9 || a.hi <= 0.0 { Level::Impossible } else { Level::Questionable };
        let finding = Finding::new(level, "percentage base", &change.what, stated.span)
            .number("from", from)
            .number("to", to)
            .number("relative", stated);
        let rounded = if least.is_finite() {
            format!("; if {} was rounded, it is at least {:.0} %", from.text, 100.0 * least)
        } else {
            String::new()
        };
        let text = format!("a change from {} is not a share of it{rounded}", from.text);
        report.push(finding.arithmetic(text).possible("the difference alone, or more digits of `from`"));
    }
}

/// One quantity, stated more than once, has one value.
fn disagreements(change: &Change, stated: &[Stated], what: &str, report: &mut Report) {
    let Some((first, rest)) = stated.split_first() else { return };
    for other in rest.iter().filter(|other| other.range().is_apart(first.range())) {
        let finding = Finding::new(Level::Impossible, "stated twice", &change.what, other.span)
            .number(what, first)
            .number(what, other);
        report.push(finding.arithmetic("both are said of the same comparison").possible("one of them"));
    }
}

fn whole(value: f64) -> String {
    let text = crate::util::human::count(value.abs().round() as u64);
    if value < 0.0 { format!("−{text}") } else { text }
}

/// A difference: whole where it is.
fn amount(value: f64) -> String {
    if value.fract() == 0.0 { whole(value) } else { shown(value) }
}
