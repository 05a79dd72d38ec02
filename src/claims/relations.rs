//! Relations between the rates of one operating point that hold for any sample size.
//!
//! Each says what one number must be, given others; where the stated number lies outside, it is refuted and taken out,
//! so that later checks do not meet it again. All of them are monotone or affine in every argument, so the range of the
//! result is spanned by the corners of the ranges of the arguments.

use super::finding::{Finding, Level, Report, lower, shown, upper};
use super::interval::Interval;
use super::order;
use super::stated::Stated;
use super::types::{Claims, Measure, Point, Sample};

pub(super) fn check(claims: &mut Claims, report: &mut Report) {
    let prevalences: Vec<Option<Known>> = claims.samples.iter().map(prevalence).collect();
    for model in &mut claims.models {
        for point in &mut model.points {
            let known = model.sample.and_then(|sample| prevalences[sample].clone());
            intervals(point, report);
            rates(point, known.as_ref(), report);
        }
        order::check(&model.points, report);
        if let Some(auroc) = &model.auroc {
            interval(&model.name, "auroc", auroc, report);
        }
    }
}

/// A quantity that takes part in a relation: its range, and the stated numbers it comes from.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) range: Interval,
    pub(super) from: Vec<(String, Stated)>,
}

impl Known {
    fn of(name: &str, stated: &Stated) -> Self {
        Self { range: stated.share(), from: vec![(name.to_owned(), stated.clone())] }
    }
}

/// The share of events in a sample.
pub(super) fn prevalence_range(sample: &Sample) -> Option<Interval> {
    prevalence(sample).map(|known| known.range)
}

fn prevalence(sample: &Sample) -> Option<Known> {
    match (&sample.n, &sample.events, &sample.prevalence) {
        (Some(n), Some(events), _) if n.value > 0.0 && events.value <= n.value => {
            let range = Interval::exact(events.value / n.value);
            Some(Known { range, from: vec![("events".to_owned(), events.clone()), ("n".to_owned(), n.clone())] })
        }
        (_, _, Some(prevalence)) => Some(Known::of("prevalence", prevalence)),
        _ => None,
    }
}

/// A rate, from itself or from its complement.
pub(super) fn rate(point: &Point, measure: Measure, complement: Option<Measure>) -> Option<Known> {
    if let Some(stated) = point.get(measure) {
        return Some(Known::of(&measure.name(), stated));
    }
    let complement = complement?;
    let mut known = Known::of(&complement.name(), point.get(complement)?);
    known.range = known.range.one_minus();
    Some(known)
}

/// Refutes a measure whose stated range lies apart from what the others leave.
struct Refuter<'a> {
    point: &'a mut Point,
    report: &'a mut Report,
}

impl Refuter<'_> {
    /// Whether the measure is still stated and was not refuted by this relation.
    fn test(&mut self, measure: Measure, others: &[&Known], allowed: Interval, formula: &str) {
        let Some(stated) = self.point.get(measure).cloned() else { return };
        let range = if measure.is_share() { stated.share() } else { stated.range() };
        if !range.is_apart(allowed) {
            return;
        }
        let mut finding = Finding::new(Level::Impossible, "rates", &self.point.name, stated.span);
        for (name, number) in others.iter().flat_map(|known| &known.from) {
            finding = finding.number(name, number);
        }
        finding = finding.number(&measure.name(), &stated);
        let name = measure.name();
        self.report.push(if allowed.is_empty() {
            finding.arithmetic(format!("{formula}: no value of {name} goes with them"))
        } else {
            let near = stated.like(allowed.center());
            finding
                .arithmetic(format!("{formula}, which lies between {} and {}", lower(allowed.lo), upper(allowed.hi)))
                .possible(format!("{name} {near} with these, or other values of them"))
        });
        self.point.drop(measure);
    }
}

/// What a share can be at all; the relations must not leave it.
fn unit(range: Interval) -> Interval {
    range.within_unit()
}

fn rates(point: &mut Point, prevalence: Option<&Known>, report: &mut Report) {
    let recall = rate(point, Measure::Recall, Some(Measure::FalseNegativeRate));
    let specificity = rate(point, Measure::Specificity, Some(Measure::FalsePositiveRate));
    let precision = rate(point, Measure::Precision, None);
    let mut refuter = Refuter { point, report };
    if let (Some(r), Some(_)) = (&recall, refuter.point.get(Measure::Recall)) {
        refuter.test(Measure::FalseNegativeRate, &[r], unit(r.range.one_minus()), "1 − recall");
    }
    if let (Some(s), Some(_)) = (&specificity, refuter.point.get(Measure::Specificity)) {
        refuter.test(Measure::FalsePositiveRate, &[s], unit(s.range.one_minus()), "1 − specificity");
    }
    if let (Some(r), Some(p)) = (&recall, &precision) {
        let betas: Vec<f64> = refuter.point.measures.iter().filter_map(|(m, _)| beta(*m)).collect();
        for b in betas {
            let allowed = Interval::map2(p.range, r.range, |p, r| fbeta(p, r, b));
            let formula =
                if b == 1.0 { "F1 = 2PR/(P + R)".to_owned() } else { format!("F{b} = (1 + {b}²)PR/({b}²P + R)") };
            refuter.test(Measure::FBeta(b), &[p, r], allowed, &formula);
        }
    }
    if let (Some(r), Some(s)) = (&recall, &specificity) {
        let sum = Interval::map2(r.range, s.range, |r, s| r + s);
        let (half, less) = (Interval::new(sum.lo / 2.0, sum.hi / 2.0), Interval::new(sum.lo - 1.0, sum.hi - 1.0));
        refuter.test(Measure::BalancedAccuracy, &[r, s], half, "the mean of recall and specificity");
        refuter.test(Measure::Youden, &[r, s], less, "recall + specificity − 1");
    }
    if let Some(v) = prevalence {
        benefit(&mut refuter, v, recall.as_ref());
    }
    if let (Some(v), Some(r), Some(s)) = (prevalence, &recall, &specificity) {
        by_prevalence(&mut refuter, v, r, s);
    }
    if let (Some(v), Some(r), Some(p)) = (prevalence, &recall, &precision) {
        by_precision(&mut refuter, v, r, p);
    }
}

/// Net benefit is true positives as a share of all rows, less what false alarms weigh.
fn benefit(refuter: &mut Refuter<'_>, v: &Known, r: Option<&Known>) {
    let most = v.range.hi * r.map_or(1.0, |r| r.range.hi);
    let Some(stated) = refuter.point.get(Measure::NetBenefit).cloned() else { return };
    if !stated.range().is_apart(Interval::new(f64::NEG_INFINITY, most)) {
        return;
    }
    let mut finding = Finding::new(Level::Impossible, "rates", &refuter.point.name, stated.span);
    for (name, number) in [Some(v), r].into_iter().flatten().flat_map(|known| &known.from) {
        finding = finding.number(name, number);
    }
    let formula = if r.is_some() { "prevalence · recall" } else { "the prevalence" };
    let text = format!("net benefit = TP/n − FP/n · t/(1 − t) is at most {formula}, {}", upper(most));
    refuter.report.push(finding.number("net_benefit", &stated).arithmetic(text));
    refuter.point.drop(Measure::NetBenefit);
}

/// What prevalence, recall and specificity leave to the other rates.
fn by_prevalence(refuter: &mut Refuter<'_>, v: &Known, r: &Known, s: &Known) {
    let all = [v, r, s];
    let over = |part: f64, rest: f64| if part + rest > 0.0 { part / (part + rest) } else { f64::NAN };
    let precision = Interval::map3(v.range, r.range, s.range, |v, r, s| over(v * r, (1.0 - v) * (1.0 - s)));
    refuter.test(Measure::Precision, &all, precision, "PPV = vR/(vR + (1 − v)(1 − S)) with prevalence v");
    let npv = Interval::map3(v.range, r.range, s.range, |v, r, s| over((1.0 - v) * s, v * (1.0 - r)));
    refuter.test(Measure::Npv, &all, npv, "NPV = (1 − v)S/((1 − v)S + v(1 − R)) with prevalence v");
    let accuracy = Interval::map3(v.range, r.range, s.range, |v, r, s| v * r + (1.0 - v) * s);
    refuter.test(Measure::Accuracy, &all, accuracy, "accuracy = vR + (1 − v)S with prevalence v");
    let flagged = Interval::map3(v.range, r.range, s.range, |v, r, s| v * r + (1.0 - v) * (1.0 - s));
    refuter.test(Measure::FlaggedShare, &all, flagged, "flagged = vR + (1 − v)(1 − S) with prevalence v");
}

/// What prevalence, recall and precision leave to the other rates.
fn by_precision(refuter: &mut Refuter<'_>, v: &Known, r: &Known, p: &Known) {
    if p.range.lo <= 0.0 {
        return;
    }
    let all = [v, r, p];
    // False alarms as a share of all rows.
    let alarms = Interval::map3(v.range, r.range, p.range, |v, r, p| v * r * (1.0 / p - 1.0));
    if alarms.lo > v.range.one_minus().hi * (1.0 + 1e-9) {
        refuter.test(
            Measure::Precision,
            &[v, r],
            Interval::new(f64::INFINITY, f64::NEG_INFINITY),
            "more false alarms follow than there are rows without the event",
        );
        return;
    }
    let accuracy = Interval::map3(v.range, r.range, p.range, |v, r, p| 1.0 - v + v * r * (2.0 - 1.0 / p));
    refuter.test(Measure::Accuracy, &all, accuracy, "accuracy = 1 − v + vR(2 − 1/P) with prevalence v");
    let flagged = Interval::map3(v.range, r.range, p.range, |v, r, p| v * r / p);
    refuter.test(Measure::FlaggedShare, &all, flagged, "flagged = vR/P with prevalence v");
    if v.range.hi < 1.0 {
        let fpr = Interval::map3(v.range, r.range, p.range, |v, r, p| v / (1.0 - v) * r * (1.0 / p - 1.0));
        refuter.test(Measure::FalsePositiveRate, &all, fpr, "FPR = R(1 − P)/P · v/(1 − v) with prevalence v");
        refuter.test(Measure::Specificity, &all, fpr.one_minus(), "specificity = 1 − R(1 − P)/P · v/(1 − v)");
    }
}

fn beta(measure: Measure) -> Option<f64> {
    match measure {
        Measure::FBeta(beta) => Some(beta),
        _ => None,
    }
}

/// 0 where both are 0, as scikit-learn has it.
fn fbeta(precision: f64, recall: f64, beta: f64) -> f64 {
    let weight = beta * beta;
    let below = weight * precision + recall;
    if below > 0.0 { (1.0 + weight) * precision * recall / below } else { 0.0 }
}

fn intervals(point: &Point, report: &mut Report) {
    for (measure, stated) in &point.measures {
        interval(&point.name, &measure.name(), stated, report);
    }
}

/// An estimate lies in its own interval.
fn interval(subject: &str, name: &str, stated: &Stated, report: &mut Report) {
    let Some((low, high)) = stated.interval else { return };
    if low > high {
        let finding = Finding::new(Level::Impossible, "interval", subject, stated.span).number(name, stated);
        report.push(finding.arithmetic("its interval ends below its beginning"));
    } else if stated.range().is_apart(Interval::new(low, high)) {
        let finding = Finding::new(Level::Impossible, "interval", subject, stated.span).number(name, stated);
        let ends = format!("it lies outside its own interval, {} to {}", shown(low), shown(high));
        report.push(finding.arithmetic(ends).possible("an estimate within its interval"));
    }
}
