//! One confusion matrix: what each stated number leaves of it.
//!
//! Given rows, events and true positives, every measure is monotone in the false positives, so a stated range of the
//! measure is a range of them. Where a denominator is zero the measure is not defined and forbids nothing.

use super::interval::{Interval, ceil, floor};
use super::samples::integers;
use super::stated::Stated;
use super::types::{Costs, Measure};

/// Stands for the rows without event where their number is not known.
pub(super) const UNBOUNDED: u64 = 1 << 40;

/// One point's numbers, ready for the search.
pub(super) struct Case<'a> {
    pub(super) measures: Vec<(Measure, &'a Stated)>,
    pub(super) threshold: Option<Interval>,
    pub(super) costs: Option<&'a Costs>,
}

/// Too many combinations.
pub(super) struct Exhausted;

impl Case<'_> {
    /// Hands every possible number of true positives to `found`, with the range of false positives and the numbers of
    /// rows with and without the event. Returns whether there was any.
    pub(super) fn solutions(
        &self,
        (n, events): (Option<u64>, u64),
        budget: &mut u64,
        mut found: impl FnMut(u64, Interval, u64, u64),
    ) -> Result<bool, Exhausted> {
        let negatives = match n {
            Some(n) => n.saturating_sub(events),
            None => UNBOUNDED,
        };
        let mut any = false;
        for tp in integers(self.true_positives(events)) {
            *budget = budget.checked_sub(1 + self.measures.len() as u64).ok_or(Exhausted)?;
            let mut range = Interval::new(0.0, negatives as f64);
            for (measure, stated) in &self.measures {
                match self.false_positives(*measure, stated, tp, events, negatives) {
                    Some(allowed) => range = range.intersect(allowed),
                    None => range.hi = -1.0,
                }
            }
            let range = Interval::new(ceil(range.lo), floor(range.hi));
            if range.lo <= range.hi {
                any = true;
                found(tp, range, events, negatives);
            }
        }
        Ok(any)
    }

    /// What the numbers that do not depend on false positives leave to true positives.
    fn true_positives(&self, events: u64) -> Interval {
        let p = events as f64;
        let mut range = Interval::new(0.0, p);
        for (measure, stated) in &self.measures {
            let (count, rate) = (stated.range(), stated.share());
            range = match measure {
                Measure::TruePositives => range.intersect(count),
                Measure::FalseNegatives => range.intersect(Interval::new(p - count.hi, p - count.lo)),
                // Without events neither is defined; some programs then say 0, others leave 1 − 0.
                Measure::Recall if events == 0 && rate.lo > 0.0 => Interval::new(1.0, 0.0),
                Measure::FalseNegativeRate if events == 0 && rate.lo > 0.0 && rate.hi < 1.0 => Interval::new(1.0, 0.0),
                Measure::Recall => range.intersect(Interval::new(rate.lo * p, rate.hi * p)),
                Measure::FalseNegativeRate => range.intersect(Interval::new((1.0 - rate.hi) * p, (1.0 - rate.lo) * p)),
                _ => range,
            };
        }
        range
    }

    /// The range of false positives that a number leaves; none when no number of them would do. A rate whose
    /// denominator is zero is not defined and forbids nothing.
    pub(super) fn false_positives(
        &self,
        measure: Measure,
        stated: &Stated,
        tp: u64,
        events: u64,
        negatives: u64,
    ) -> Option<Interval> {
        let any = Interval::new(0.0, f64::INFINITY);
        let of_both = matches!(measure, Measure::Youden | Measure::BalancedAccuracy);
        let of_others = of_both || matches!(measure, Measure::FalsePositiveRate | Measure::Specificity);
        let is_unknown = negatives == UNBOUNDED && measure.needs_negatives();
        if is_unknown || (of_others && negatives == 0) || (of_both && events == 0) {
            return Some(any);
        }
        let (tp, p, m) = (tp as f64, events as f64, negatives as f64);
        let (missed, n) = (p - tp, p + m);
        let (range, rate) = (stated.range(), stated.share());
        Some(match measure {
            Measure::TruePositives | Measure::FalseNegatives | Measure::Recall | Measure::FalseNegativeRate => any,
            Measure::FalsePositives => range,
            Measure::TrueNegatives => Interval::new(m - range.hi, m - range.lo),
            Measure::Flagged => Interval::new(range.lo - tp, range.hi - tp),
            Measure::FlaggedShare => Interval::new(rate.lo * n - tp, rate.hi * n - tp),
            Measure::FalsePositiveRate => Interval::new(rate.lo * m, rate.hi * m),
            Measure::Specificity => Interval::new((1.0 - rate.hi) * m, (1.0 - rate.lo) * m),
            Measure::Youden => Interval::new(m * (tp / p - range.hi), m * (tp / p - range.lo)),
            Measure::BalancedAccuracy => {
                Interval::new(m * (1.0 + tp / p - 2.0 * rate.hi), m * (1.0 + tp / p - 2.0 * rate.lo))
            }
            Measure::Precision if tp == 0.0 => {
                if rate.lo <= 0.0 {
                    any
                } else {
                    Interval::exact(0.0)
                }
            }
            Measure::Precision => Interval::new(tp / rate.hi - tp, over(tp, rate.lo) - tp),
            Measure::Npv => return npv(rate, missed, m),
            Measure::Accuracy => Interval::new(tp + m - rate.hi * n, tp + m - rate.lo * n),
            Measure::FBeta(beta) => return fbeta(rate, beta * beta, tp, missed),
            Measure::NetBenefit => return self.net_benefit(range, tp, n),
            Measure::Cost => return self.cost(range, tp, missed, m),
            Measure::CostPer1000 => {
                let total = Interval::new(range.lo * n / 1000.0, range.hi * n / 1000.0);
                return self.cost(total, tp, missed, m);
            }
        })
    }

    /// TP/n − FP/n · w with w = t/(1 − t).
    fn net_benefit(&self, range: Interval, tp: f64, n: f64) -> Option<Interval> {
        let (least, most) = (tp - range.hi * n, tp - range.lo * n);
        // False alarms never add to it, whatever they weigh.
        if most < -1e-9 * n.max(1.0) {
            return None;
        }
        let any = Interval::new(0.0, f64::INFINITY);
        let Some(threshold) = self.threshold.filter(|threshold| threshold.hi < 1.0) else { return Some(any) };
        let weight = |t: f64| t / (1.0 - t);
        Some(Interval::new(
            least.max(0.0) / weight(threshold.hi).max(f64::MIN_POSITIVE),
            over(most.max(0.0), weight(threshold.lo)),
        ))
    }

    fn cost(&self, range: Interval, tp: f64, missed: f64, m: f64) -> Option<Interval> {
        let any = Interval::new(0.0, f64::INFINITY);
        let Some(costs) = self.costs else { return Some(any) };
        let value = |cost: &Option<Stated>| cost.as_ref().map_or(0.0, |cost| cost.value);
        let (caught, left) = (value(&costs.true_positive), value(&costs.true_negative));
        let fixed = costs.false_negative.value * missed + caught * tp + left * m;
        let each = costs.false_positive.value - left;
        let rest = Interval::new(range.lo - fixed, range.hi - fixed);
        if each == 0.0 {
            return (!rest.is_apart(Interval::exact(0.0))).then_some(any);
        }
        Some(Interval::spanning([rest.lo / each, rest.hi / each]))
    }

    /// The value of a measure; NaN where it is not defined.
    pub(super) fn value(&self, measure: Measure, tp: u64, fp: f64, events: u64, negatives: u64) -> f64 {
        let (tp, p, m) = (tp as f64, events as f64, negatives as f64);
        let (missed, left, n) = (p - tp, m - fp, p + m);
        let cost = |costs: &Costs| {
            let value = |cost: &Option<Stated>| cost.as_ref().map_or(0.0, |cost| cost.value);
            costs.false_positive.value * fp
                + costs.false_negative.value * missed
                + value(&costs.true_positive) * tp
                + value(&costs.true_negative) * left
        };
        match measure {
            Measure::TruePositives => tp,
            Measure::FalsePositives => fp,
            Measure::TrueNegatives => left,
            Measure::FalseNegatives => missed,
            Measure::Flagged => tp + fp,
            Measure::FlaggedShare => (tp + fp) / n,
            Measure::Recall => tp / p,
            Measure::FalseNegativeRate => missed / p,
            Measure::Specificity => left / m,
            Measure::FalsePositiveRate => fp / m,
            Measure::Precision => tp / (tp + fp),
            Measure::Npv => left / (left + missed),
            Measure::Accuracy => (tp + left) / n,
            Measure::BalancedAccuracy => f64::midpoint(tp / p, left / m),
            Measure::Youden => tp / p - fp / m,
            Measure::FBeta(beta) => {
                let weight = beta * beta;
                (1.0 + weight) * tp / ((1.0 + weight) * tp + weight * missed + fp)
            }
            Measure::NetBenefit => {
                let weight = self.threshold.map_or(f64::NAN, |t| t.center() / (1.0 - t.center()));
                tp / n - fp / n * weight
            }
            Measure::Cost => self.costs.map_or(f64::NAN, cost),
            Measure::CostPer1000 => self.costs.map_or(f64::NAN, cost) * 1000.0 / n,
        }
    }
}

/// A quotient; infinite over nothing.
fn over(part: f64, of: f64) -> f64 {
    if of > 0.0 { part / of } else { f64::INFINITY }
}

/// TN/(TN + FN) in the range.
fn npv(rate: Interval, missed: f64, m: f64) -> Option<Interval> {
    if missed == 0.0 {
        // 1 when anything is left alone, not defined otherwise.
        return Some(if rate.hi >= 1.0 { Interval::new(0.0, f64::INFINITY) } else { Interval::exact(m) });
    }
    let most = over(rate.hi * missed, 1.0 - rate.hi);
    let least = over(rate.lo * missed, 1.0 - rate.lo);
    least.is_finite().then(|| Interval::new(m - most, m - least))
}

/// (1 + w)TP/((1 + w)TP + w FN + FP) in the range, with w = β².
fn fbeta(rate: Interval, weight: f64, tp: f64, missed: f64) -> Option<Interval> {
    if tp == 0.0 {
        if rate.lo <= 0.0 {
            return Some(Interval::new(0.0, f64::INFINITY));
        }
        return (missed == 0.0).then(|| Interval::exact(0.0));
    }
    let (gain, fixed) = ((1.0 + weight) * tp, (1.0 + weight) * tp + weight * missed);
    Some(Interval::new(over(gain, rate.hi) - fixed, over(gain, rate.lo) - fixed))
}
