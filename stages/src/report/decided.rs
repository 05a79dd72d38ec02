//! What the page and the card may say of decisions: the one place where `privacy.min_cell` is applied to the documents
//! that keep exact numbers.
//!
//! With `privacy.decisions: exact` nothing changes. Else, after [`protect`], no number in the sources that is printed gives away how many patients are in a small
//! cell of the confusion matrix at the frozen threshold. Whatever prints decisions at other thresholds asks
//! [`crate::common::privacy::decisions`] itself, because those documents are lists.

use super::curves::{Curves, Point};
use super::sources::{Detail, Performance, Sources};
use crate::common::decision::{CostTable, Counts};
use crate::common::interval::Estimate;
use crate::common::privacy::decisions::Told;
use crate::common::privacy::{DecisionsTold, Privacy};
use crate::evaluate::{Baseline, Deployment, Evaluation, ExpectedCost, Metrics};
use crate::gate::Verdict;
use crate::tune_threshold::Threshold;

/// What the plain logistic regression's net benefit is called among the small cells of metrics.json.
const LOGISTIC: &str = "baselines.logistic.net_benefit";

type Number = fn(&Counts) -> Option<f64>;

/// Measures of a confusion matrix, each monotone in the missed events when rows, events and flagged rows are fixed.
pub(super) const SENSITIVITY: Number = |at| share(at.true_positive, at.events());
pub(super) const SPECIFICITY: Number = |at| share(at.true_negative, at.rows() - at.events());
pub(super) const PPV: Number = |at| share(at.true_positive, at.flagged());
pub(super) const NPV: Number = |at| share(at.true_negative, at.rows() - at.flagged());
pub(super) const LR_POSITIVE: Number = |at| ratio(SENSITIVITY(at)?, 1.0 - SPECIFICITY(at)?);
pub(super) const LR_NEGATIVE: Number = |at| ratio(1.0 - SENSITIVITY(at)?, SPECIFICITY(at)?);
pub(super) const SCREENED: Number = |at| share(at.flagged(), at.true_positive);
const YOUDEN: Number = |at| Some(SENSITIVITY(at)? + SPECIFICITY(at)? - 1.0);
const ACCURACY: Number = |at| share(at.true_positive + at.true_negative, at.rows());

fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

fn ratio(above: f64, below: f64) -> Option<f64> {
    (below > 0.0).then(|| above / below)
}

/// Cost per 1,000 rows.
pub(super) fn cost_per_1000(table: &CostTable) -> impl Fn(&Counts) -> Option<f64> + '_ {
    |at| table.mean(at).map(|mean| 1000.0 * mean)
}

/// Puts ranges, or nothing, in the place of every printed number that a small cell follows from.
pub(super) fn protect(sources: &mut Sources) {
    let privacy = sources.privacy;
    if privacy.decisions == DecisionsTold::Exact {
        return;
    }
    if let Some(threshold) = &mut sources.threshold {
        let told = of_training(privacy.min_cell, threshold).map_or_else(
            || Told::nothing(privacy),
            |counts| privacy.decisions(&counts, !threshold.expected.small_cells.is_empty()),
        );
        if !told.is_exact() {
            training(threshold, &told);
            if let Some(cost) = &threshold.policy.cost {
                let step = cost.false_negative - cost.flagged_event() + cost.false_positive - cost.true_negative;
                sources
                    .sweep
                    .coarsen(&["cost", "flag_all", "flag_none"], 1000.0 * step.abs() * privacy.unit(threshold.n));
            }
        }
    }
    let Performance::Events(metrics) = &mut sources.performance else { return };
    let few = metrics.small_cells.iter().any(|path| path.starts_with("at_threshold."));
    let told = privacy.decisions(&metrics.at_threshold.counts, few);
    let logistic = metrics.small_cells.iter().any(|path| path == LOGISTIC);
    let evaluation = match &mut sources.evaluation {
        Some(Detail::Events(evaluation)) => Some(&mut **evaluation),
        _ => None,
    };
    let of_policy = sources.threshold.as_ref().and_then(|threshold| threshold.policy.cost);
    let cost = evaluation.as_ref().and_then(|evaluation| Some(evaluation.costs.as_ref()?.table)).or(of_policy);
    if logistic {
        let one = &mut metrics.baselines.logistic;
        (one.net_benefit, one.expected_cost) = (None, None);
        let why = format!("net_benefit, expected_cost: {}", told.reason());
        one.reason = Some(one.reason.take().map_or(why.clone(), |reason| format!("{reason}; {why}")));
        (one.difference.net_benefit, one.difference.expected_cost) = (told.hidden(), told.hidden());
    }
    if let Some(verdict) = sources.verdict.as_mut().filter(|_| logistic || !told.is_exact()) {
        gate(verdict, &told, logistic);
    }
    if told.is_exact() {
        if let Some(evaluation) = evaluation.filter(|_| logistic) {
            evaluation.comparison.net_benefit = told.hidden();
        }
        return;
    }
    if let Some(evaluation) = evaluation {
        detail(evaluation, &told, metrics.threshold.value);
    }
    sources.curves.thin_ranking([metrics.events, metrics.n - metrics.events], privacy, &told);
    sources.curves.coarsen(&["decision"], privacy.unit(metrics.n));
    headline(metrics, &told, cost.as_ref());
}

fn headline(metrics: &mut Metrics, told: &Told, cost: Option<&CostTable>) {
    let threshold = metrics.threshold.value;
    let at = &mut metrics.at_threshold;
    let beta = at.beta;
    for (one, of) in
        [(&mut at.sensitivity, SENSITIVITY), (&mut at.specificity, SPECIFICITY), (&mut at.ppv, PPV), (&mut at.npv, NPV)]
    {
        *one = told.estimate(one, of);
    }
    at.fbeta = told.estimate(&at.fbeta, |at| at.fbeta(beta));
    if !told.shows_flagged() {
        at.flagged_per_1000 = told.hidden();
    }
    // By level, each false positive weighs the odds of its own threshold: no function of the cells.
    let single = metrics.threshold.by_level.is_none();
    let benefit = |at: &Counts| at.net_benefit(threshold).filter(|_| single);
    metrics.net_benefit = told.estimate(&metrics.net_benefit, benefit);
    let money = |at: &Counts| cost.and_then(|table| cost_per_1000(table)(at));
    let expected = &mut metrics.expected_cost;
    if expected.value.is_some() {
        let Estimate { value, low, high, method, reason, .. } = told.estimate(&Estimate::default(), money);
        *expected = ExpectedCost { value, low, high, method, reason, per: expected.per };
    }
    let all = &mut metrics.baselines;
    for one in [&mut all.flag_all, &mut all.flag_none, &mut all.prevalence, &mut all.logistic] {
        let Baseline { net_benefit, expected_cost, difference, .. } = one;
        let minus = |rival: Option<f64>, value: Option<f64>| Some(value? - rival?);
        if difference.net_benefit.value.is_some() {
            let rival = *net_benefit;
            difference.net_benefit = told.estimate(&difference.net_benefit, |at| minus(rival, benefit(at)));
        }
        if difference.expected_cost.value.is_some() {
            let rival = *expected_cost;
            difference.expected_cost = told.estimate(&difference.expected_cost, |at| minus(rival, money(at)));
        }
    }
}

fn detail(evaluation: &mut Evaluation, told: &Told, threshold: f64) {
    let at = &mut evaluation.at_threshold;
    for (one, of) in [
        (&mut at.sensitivity, SENSITIVITY),
        (&mut at.specificity, SPECIFICITY),
        (&mut at.ppv, PPV),
        (&mut at.npv, NPV),
        (&mut at.lr_positive, LR_POSITIVE),
        (&mut at.lr_negative, LR_NEGATIVE),
        (&mut at.number_needed_to_screen, SCREENED),
        (&mut at.youden, YOUDEN),
        (&mut evaluation.appendix.accuracy, ACCURACY),
    ] {
        *one = told.estimate(one, of);
    }
    let single = evaluation.threshold.by_level.is_none();
    at.net_benefit = told.estimate(&at.net_benefit, |at| at.net_benefit(threshold).filter(|_| single));
    let f1 = &mut evaluation.appendix.f1;
    *f1 = told.estimate(f1, |at| at.fbeta(1.0));
    // Its counterpart, the rival's, is exact.
    evaluation.comparison.net_benefit = told.hidden();
    for row in &mut evaluation.prevalences.rows {
        let hidden = || Deployment { reason: Some(told.reason().to_owned()), ..Deployment::default() };
        (row.as_is, row.updated) = (hidden(), hidden());
    }
}

/// The decisions on the training part, from the shares that threshold.json has.
fn of_training(min_cell: u64, threshold: &Threshold) -> Option<Counts> {
    let (n, events) = (threshold.n, threshold.events);
    let flagged = (threshold.expected.flagged_per_1000 * n as f64 / 1000.0).round() as u64;
    let hits = match threshold.expected.sensitivity {
        Some(sensitivity) => (sensitivity * events as f64).round() as u64,
        None if events == 0 || min_cell < 2 => 0,
        None => return None,
    };
    let alarms = flagged.checked_sub(hits)?;
    Some(Counts {
        true_positive: hits,
        false_positive: alarms,
        false_negative: events.checked_sub(hits)?,
        true_negative: n.checked_sub(events)?.checked_sub(alarms)?,
    })
}

fn training(threshold: &mut Threshold, told: &Told) {
    for row in &mut threshold.alerts {
        (row.flagged_per_1000, row.true_alerts_per_1000) = (None, None);
        (row.missed_per_1000, row.ppv) = (None, None);
        row.reason = Some(told.reason().to_owned());
    }
    if !told.shows_flagged() {
        "how many training rows it flags is suppressed".clone_into(&mut threshold.note);
    }
}

/// Rules about numbers that are not told as they are: whether they hold stays.
fn gate(verdict: &mut Verdict, told: &Told, logistic: bool) {
    for rule in &mut verdict.rules {
        let decided = ["net_benefit", "expected_cost", "at_threshold"].iter().any(|name| rule.rule.contains(name));
        let of_logistic = rule.rule.contains("baselines.logistic");
        if decided && (!told.is_exact() || logistic && of_logistic) {
            rule.actual = None;
            told.reason().clone_into(&mut rule.reason);
            if of_logistic {
                rule.limit = None;
            }
        }
    }
}

impl Curves {
    /// Rounds the numbers of curves to multiples of `unit`.
    fn coarsen(&mut self, names: &[&str], unit: f64) {
        let round = |value: Option<f64>| value.filter(|_| unit > 0.0).map(|value| (value / unit).round() * unit + 0.0);
        let named = self.0.iter_mut().filter(|(name, _)| names.contains(&name.as_str()));
        for point in named.flat_map(|(_, points)| points) {
            (point.y, point.low, point.high) = (round(point.y), round(point.low), round(point.high));
        }
    }

    /// Draws the ROC and precision-recall curves through points that many patients of both classes lie between, and
    /// that leave open what is open at the frozen threshold.
    fn thin_ranking(&mut self, [events, others]: [u64; 2], privacy: Privacy, told: &Told) {
        let count = |share: f64, of: u64| (share * of as f64).round() as u64;
        let least = privacy.min_cell;
        let mut kept: Vec<[u64; 2]> = vec![[0, 0]];
        for point in self.points("roc") {
            let Some(y) = point.y else { continue };
            let [hits, alarms] = [count(y, events), count(point.x, others)];
            let far = |from: [u64; 2], to: [u64; 2]| from.iter().zip(to).all(|(from, to)| from + least <= to);
            let here = Counts {
                true_positive: hits,
                false_positive: alarms,
                false_negative: events.saturating_sub(hits),
                true_negative: others.saturating_sub(alarms),
            };
            let last = kept.last().copied().unwrap_or_default();
            if far(last, [hits, alarms]) && far([hits, alarms], [events, others]) && told.admits(&here) {
                kept.push([hits, alarms]);
            }
        }
        kept.push([events, others]);
        let point = |x: f64, y: f64| Point { x, y: Some(y), low: None, high: None, n: None };
        let part = |part: u64, whole: u64| if whole > 0 { part as f64 / whole as f64 } else { 0.0 };
        let roc = kept.iter().map(|&[hits, alarms]| point(part(alarms, others), part(hits, events)));
        let pr = kept[1..].iter().map(|&[hits, alarms]| point(part(hits, events), part(hits, hits + alarms)));
        let (roc, pr): (Vec<Point>, Vec<Point>) = (roc.collect(), pr.collect());
        for (name, points) in [("roc", roc), ("pr", pr)] {
            if let Some(curve) = self.0.get_mut(name) {
                *curve = points;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn point(x: f64, y: f64) -> Point {
        Point { x, y: Some(y), low: Some(y), high: None, n: None }
    }

    #[test]
    fn drawn_curves_leave_a_small_cell_open() {
        let ranges = Privacy { decisions: DecisionsTold::Ranges, ..Privacy::default() };
        let (events, others, privacy) = (50, 200, ranges);
        // 45 events are found among the first 100 rows.
        let hits = |alarms: u64| (alarms * 9 / 11).min(45 + alarms / 40);
        let roc = (0..=others).map(|alarms| point(alarms as f64 / 200.0, hits(alarms) as f64 / 50.0)).collect();
        let mut curves = Curves(BTreeMap::from([("roc".to_owned(), roc), ("pr".to_owned(), vec![point(0.0, 1.0)])]));
        let frozen = Counts { true_positive: 46, false_positive: 60, false_negative: 4, true_negative: 140 };
        let told = privacy.decisions(&frozen, false);
        assert!(!told.is_exact());
        curves.thin_ranking([events, others], privacy, &told);
        let corners: Vec<[u64; 2]> =
            curves.line("roc").iter().map(|at| [(at.1 * 50.0).round() as u64, (at.0 * 200.0).round() as u64]).collect();
        assert!(
            corners.len() > 2 && corners.first() == Some(&[0, 0]) && corners.last() == Some(&[50, 200]),
            "{corners:?}"
        );
        for pair in corners.windows(2) {
            assert!((0..2).all(|class| pair[1][class] >= pair[0][class] + 10), "{corners:?}");
        }
        assert_eq!(curves.points("pr").len(), corners.len() - 1);
    }

    #[test]
    fn coarse_curves_have_steps() {
        let mut curves = Curves(BTreeMap::from([("decision".to_owned(), vec![point(0.1, 0.026), point(0.2, -0.004)])]));
        curves.coarsen(&["decision"], 0.01);
        let ys: Vec<Option<f64>> = curves.points("decision").iter().map(|point| point.y).collect();
        assert_eq!(ys, [Some(0.03), Some(0.0)]);
        assert_eq!(curves.points("decision")[0].low, Some(0.03));
    }
}
