//! Whether any confusion matrix at all gives the numbers of a sample's points, whatever its size.
//!
//! As shares of all rows, events v, true positives a and false positives b make every rate linear: a recall from .825 to
//! .835 is .825·v ≤ a ≤ .835·v. So are net benefit, costs, counts (with one over the number of rows as another unknown),
//! and the order of thresholds between points of the same scores. Only Youden's index and balanced accuracy are not; the
//! share of events is cut into slices for them, in each of which they have linear outer bounds. A rate whose denominator
//! is zero forbids nothing.

use std::collections::BTreeSet;

use super::interval::Interval;
use super::linear::{Row, clash};
use super::order;
use super::read::MOST_ROWS;
use super::relations::prevalence_range;
use super::stated::Stated;
use super::types::{Costs, Measure, Point, Sample};

/// So many slices of the share of events are looked at.
const SLICES: usize = 16;
/// Unknowns that all points share: the share of events, and the smallest possible number of rows over the true one.
const EVENTS: usize = 0;
const SIZE: usize = 1;

/// Where a row comes from; in the order in which a finding names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Origin {
    Prevalence,
    N,
    Events,
    /// A number of a point: which point, which of its numbers.
    Number(usize, usize),
    /// The order of the thresholds of two points.
    Order(usize, usize),
    /// What holds of every confusion matrix.
    Nature,
}

/// The points of one sample, to be looked at together.
#[derive(Debug, Clone)]
pub(super) struct System<'a> {
    /// None where the model names no sample.
    pub(super) sample: Option<&'a Sample>,
    /// Points, each with the model it belongs to.
    pub(super) points: Vec<(usize, Point)>,
    pub(super) costs: Option<&'a Costs>,
}

/// A linear form: a constant and terms.
#[derive(Debug, Clone, Default)]
struct Form {
    constant: f64,
    terms: Vec<(usize, f64)>,
}

impl Form {
    fn new(constant: f64, terms: &[(usize, f64)]) -> Self {
        Self { constant, terms: terms.to_vec() }
    }

    fn plus(mut self, factor: f64, other: &Self) -> Self {
        self.constant += factor * other.constant;
        self.terms.extend(other.terms.iter().map(|(unknown, weight)| (*unknown, factor * weight)));
        self
    }

    /// As a row that says it is not negative.
    fn row(self) -> Option<Row> {
        let is_finite = self.constant.is_finite() && self.terms.iter().all(|(_, weight)| weight.is_finite());
        is_finite.then_some(Row { terms: self.terms, bound: -self.constant })
    }
}

/// The four cells of a point as shares of all rows.
struct Cells {
    tp: Form,
    fp: Form,
    missed: Form,
    left: Form,
}

fn cells(point: usize) -> Cells {
    let (a, b) = (2 + 2 * point, 3 + 2 * point);
    Cells {
        tp: Form::new(0.0, &[(a, 1.0)]),
        fp: Form::new(0.0, &[(b, 1.0)]),
        missed: Form::new(0.0, &[(EVENTS, 1.0), (a, -1.0)]),
        left: Form::new(1.0, &[(EVENTS, -1.0), (b, -1.0)]),
    }
}

type Rows = Vec<(Origin, Row)>;

impl System<'_> {
    /// The numbers that no confusion matrix gives together; none when there is one.
    pub(super) fn clash(&self) -> Option<BTreeSet<Origin>> {
        if self.sample.and_then(|sample| sample.n.as_ref()).is_some_and(|n| n.value < 1.0) {
            return None;
        }
        let mut rows = self.rows();
        if let Some(found) = self.among(&rows) {
            return Some(found);
        }
        let is_curved = |(_, point): &(usize, Point)| point.measures.iter().any(|(measure, _)| is_curved(*measure));
        if !self.points.iter().any(is_curved) {
            return None;
        }
        let share = self.sample.and_then(prevalence_range).unwrap_or(Interval::new(0.0, 1.0));
        let slices = if share.hi - share.lo < 1e-9 { 1 } else { SLICES };
        let straight = rows.len();
        let mut found = BTreeSet::new();
        for slice in 0..slices {
            let end = |at: usize| share.lo + (share.hi - share.lo) * at as f64 / slices as f64;
            rows.truncate(straight);
            self.slice(Interval::new(end(slice), end(slice + 1)), &mut rows);
            found.extend(self.among(&rows)?);
        }
        Some(found)
    }

    fn among(&self, rows: &Rows) -> Option<BTreeSet<Origin>> {
        let plain: Vec<Row> = rows.iter().map(|(_, row)| row.clone()).collect();
        let found = clash(2 + 2 * self.points.len(), &plain)?;
        Some(found.into_iter().filter_map(|at| rows.get(at)).map(|(origin, _)| *origin).collect())
    }

    /// The number of rows is at least this.
    fn least_size(&self) -> f64 {
        let of_sample = self.sample.into_iter().flat_map(|sample| [&sample.n, &sample.events]).flatten();
        let of_points = self.points.iter().flat_map(|(_, point)| &point.measures);
        let of_points = of_points.filter(|(measure, _)| measure.is_count()).map(|(_, stated)| stated.count().lo);
        of_sample.map(|stated| stated.value).chain(of_points).fold(0.0, f64::max)
    }

    fn rows(&self) -> Rows {
        let mut rows = Vec::new();
        let least = self.least_size();
        // A number of rows as a share of all; without a positive count nothing is known of it.
        let unit = (least >= 1.0).then(|| Form::new(0.0, &[(SIZE, 1.0 / least)]));
        if unit.is_some() {
            rows.push((Origin::Nature, Row { terms: vec![(SIZE, 1.0)], bound: least / MOST_ROWS }));
        }
        let events = Form::new(0.0, &[(EVENTS, 1.0)]);
        if let Some(sample) = self.sample {
            let all = Form::new(1.0, &[]);
            if let Some(prevalence) = &sample.prevalence {
                between(Origin::Prevalence, &events, &all, prevalence.share(), &mut rows);
            }
            for (origin, form, stated) in [(Origin::N, &all, &sample.n), (Origin::Events, &events, &sample.events)] {
                if let (Some(unit), Some(stated)) = (&unit, stated) {
                    between(origin, form, unit, Interval::exact(stated.value), &mut rows);
                }
            }
        }
        for (at, (_, point)) in self.points.iter().enumerate() {
            let Cells { missed, left, .. } = cells(at);
            rows.extend([missed, left].into_iter().filter_map(|form| Some((Origin::Nature, form.row()?))));
            for (number, (measure, stated)) in point.measures.iter().enumerate() {
                self.number(Origin::Number(at, number), at, *measure, stated, unit.as_ref(), &mut rows);
            }
        }
        self.ordered(&mut rows);
        rows
    }

    /// What a number says of the cells of its point.
    fn number(
        &self,
        origin: Origin,
        at: usize,
        measure: Measure,
        stated: &Stated,
        unit: Option<&Form>,
        rows: &mut Rows,
    ) {
        let Cells { tp, fp, missed, left } = cells(at);
        let sum = |a: &Form, b: &Form| a.clone().plus(1.0, b);
        let (all, events, others) = (Form::new(1.0, &[]), sum(&tp, &missed), sum(&fp, &left));
        let (part, whole) = match measure {
            Measure::TruePositives => (tp, unit),
            Measure::FalsePositives => (fp, unit),
            Measure::TrueNegatives => (left, unit),
            Measure::FalseNegatives => (missed, unit),
            Measure::Flagged => (sum(&tp, &fp), unit),
            Measure::FlaggedShare => (sum(&tp, &fp), Some(&all)),
            Measure::Recall => (tp, Some(&events)),
            Measure::FalseNegativeRate => (missed, Some(&events)),
            Measure::Specificity => (left, Some(&others)),
            Measure::FalsePositiveRate => (fp, Some(&others)),
            Measure::Precision => return between(origin, &tp, &sum(&tp, &fp), stated.share(), rows),
            Measure::Npv => return between(origin, &left, &sum(&left, &missed), stated.share(), rows),
            Measure::Accuracy => (sum(&tp, &left), Some(&all)),
            Measure::FBeta(beta) => {
                let weight = beta * beta;
                let below = tp.clone().plus(weight, &tp).plus(weight, &missed).plus(1.0, &fp);
                return between(origin, &Form::default().plus(1.0 + weight, &tp), &below, stated.share(), rows);
            }
            Measure::NetBenefit => return self.net_benefit(origin, at, stated, rows),
            Measure::Cost | Measure::CostPer1000 => {
                let Some(costs) = self.costs else { return };
                let price = |cost: &Option<Stated>| cost.as_ref().map_or(0.0, |cost| cost.value);
                let total = Form::default()
                    .plus(costs.false_positive.value, &fp)
                    .plus(costs.false_negative.value, &missed)
                    .plus(price(&costs.true_positive), &tp)
                    .plus(price(&costs.true_negative), &left);
                let thousandth = Form::new(0.001, &[]);
                let whole = if measure == Measure::Cost { unit } else { Some(&thousandth) };
                if let Some(whole) = whole {
                    between(origin, &total, whole, stated.range(), rows);
                }
                return;
            }
            Measure::Youden | Measure::BalancedAccuracy => return,
        };
        if let Some(whole) = whole {
            between(origin, &part, whole, if measure.is_count() { stated.count() } else { stated.share() }, rows);
        }
    }

    /// a − b·t/(1 − t), with the threshold t anywhere in what it rounds to.
    fn net_benefit(&self, origin: Origin, at: usize, stated: &Stated, rows: &mut Rows) {
        let Cells { tp, fp, .. } = cells(at);
        let range = stated.range();
        let threshold = self.points[at].1.threshold.as_ref().map_or(Interval::new(0.0, 1.0), Stated::share);
        let weight = |t: f64| t / (1.0 - t);
        let benefit = |t: f64| tp.clone().plus(-weight(t), &fp);
        if threshold.lo < 1.0 {
            rows.extend(benefit(threshold.lo).plus(-range.lo, &Form::new(1.0, &[])).row().map(|row| (origin, row)));
        }
        if threshold.hi < 1.0 {
            let less = Form::new(range.hi, &[]).plus(-1.0, &benefit(threshold.hi));
            rows.extend(less.row().map(|row| (origin, row)));
        }
    }

    /// A lower threshold of the same scores flags no less.
    fn ordered(&self, rows: &mut Rows) {
        for (low, (model, point)) in self.points.iter().enumerate() {
            for (high, (other_model, other)) in self.points.iter().enumerate() {
                let (Some(a), Some(b)) = (&point.threshold, &other.threshold) else { continue };
                if low == high || model != other_model || !order::is_at_most(a, b) {
                    continue;
                }
                let (lower, higher) = (cells(low), cells(high));
                for form in [lower.tp.plus(-1.0, &higher.tp), lower.fp.plus(-1.0, &higher.fp)] {
                    rows.extend(form.row().map(|row| (Origin::Order(low, high), row)));
                }
            }
        }
    }

    /// Youden's index a/v − b/(1 − v) where the share of events lies in a slice: at most a/v₁ − b/(1 − v₁) at its lower
    /// end and at least a/v₂ − b/(1 − v₂) at its upper end.
    fn slice(&self, slice: Interval, rows: &mut Rows) {
        between(Origin::Nature, &Form::new(0.0, &[(EVENTS, 1.0)]), &Form::new(1.0, &[]), slice, rows);
        // Without rows of both sorts it is not defined.
        if slice.lo <= 0.0 || slice.hi >= 1.0 {
            return;
        }
        for (at, (_, point)) in self.points.iter().enumerate() {
            let Cells { tp, fp, .. } = cells(at);
            let index = |v: f64| Form::default().plus(1.0 / v, &tp).plus(-1.0 / (1.0 - v), &fp);
            for (number, (measure, stated)) in point.measures.iter().enumerate() {
                let range = match measure {
                    Measure::Youden => stated.range(),
                    Measure::BalancedAccuracy => {
                        Interval::new(2.0 * stated.range().lo - 1.0, 2.0 * stated.range().hi - 1.0)
                    }
                    _ => continue,
                };
                let least = index(slice.lo).plus(-range.lo, &Form::new(1.0, &[]));
                let most = Form::new(range.hi, &[]).plus(-1.0, &index(slice.hi));
                rows.extend([least, most].into_iter().filter_map(|f| Some((Origin::Number(at, number), f.row()?))));
            }
        }
    }
}

fn is_curved(measure: Measure) -> bool {
    matches!(measure, Measure::Youden | Measure::BalancedAccuracy)
}

/// lo · whole ≤ part ≤ hi · whole, for a whole that is not negative.
fn between(origin: Origin, part: &Form, whole: &Form, range: Interval, rows: &mut Rows) {
    let least = part.clone().plus(-range.lo, whole);
    let most = Form::default().plus(range.hi, whole).plus(-1.0, part);
    rows.extend([least, most].into_iter().filter_map(|form| Some((origin, form.row()?))));
}
