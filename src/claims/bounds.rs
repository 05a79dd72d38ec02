//! What a number can be at all, whatever else is stated: a share lies between 0 and 1, Youden's index between −1 and 1,
//! net benefit is at most 1.

use super::finding::{Finding, Level, Report};
use super::interval::Interval;
use super::stated::Stated;
use super::types::{Claims, Measure};

/// Refutes numbers out of their range and takes them out of the claims.
pub(super) fn check(claims: &mut Claims, report: &mut Report) {
    let unit = Interval::new(0.0, 1.0);
    for sample in &mut claims.samples {
        let subject = format!("sample {}", sample.name);
        keep(&mut sample.prevalence, unit, "prevalence", &subject, report);
        keep(&mut sample.share, unit, "share", &subject, report);
    }
    for model in &mut claims.models {
        keep(&mut model.auroc, unit, "auroc", &model.name, report);
        for point in &mut model.points {
            let name = point.name.clone();
            point.measures.retain(|(measure, stated)| {
                range(*measure).is_none_or(|range| is_within(stated, range, &measure.name(), &name, report))
            });
        }
    }
}

fn range(measure: Measure) -> Option<Interval> {
    match measure {
        Measure::Youden => Some(Interval::new(-1.0, 1.0)),
        Measure::NetBenefit => Some(Interval::new(f64::NEG_INFINITY, 1.0)),
        _ if measure.is_share() => Some(Interval::new(0.0, 1.0)),
        _ => None,
    }
}

fn keep(number: &mut Option<Stated>, range: Interval, name: &str, subject: &str, report: &mut Report) {
    if number.as_ref().is_some_and(|stated| !is_within(stated, range, name, subject, report)) {
        *number = None;
    }
}

fn is_within(stated: &Stated, range: Interval, name: &str, subject: &str, report: &mut Report) -> bool {
    if !stated.range().is_apart(range) {
        return true;
    }
    let finding = Finding::new(Level::Impossible, "range", subject, stated.span).number(name, stated);
    let limits = if range.lo.is_finite() {
        format!("{name} lies between {} and {}", range.lo, range.hi)
    } else {
        format!("{name} is at most {}", range.hi)
    };
    let finding = finding.arithmetic(limits);
    let is_percentage = stated.value > 1.0 && stated.value <= 100.0 && !stated.text.ends_with('%');
    report.push(if is_percentage {
        finding.possible(format!("\"{} %\", if it is a percentage; write it so", stated.text))
    } else {
        finding
    });
    false
}
