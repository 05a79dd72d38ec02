//! What decisions do: the threshold table, the frozen threshold with intervals, the decision curve.

use crate::common::decision::Counts;
use crate::common::interval::{Estimate, finite};
use crate::evaluate::EvaluateParams;
use crate::evaluate::assemble::{Evidence, LOGISTIC, NO_ODDS};
use crate::evaluate::measures::{DECISION_GRID, decision_threshold};

use super::document::{AtThresholdDetail, DecisionCurve, DecisionPoint, ThresholdRow};

pub(super) fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

fn ratio(above: f64, below: f64) -> Option<f64> {
    (below > 0.0).then(|| above / below)
}

/// The rates of a confusion matrix; `None` where the denominator is empty.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rates {
    pub sensitivity: Option<f64>,
    pub specificity: Option<f64>,
    pub ppv: Option<f64>,
    pub npv: Option<f64>,
    pub lr_positive: Option<f64>,
    pub lr_negative: Option<f64>,
    pub screened: Option<f64>,
    pub youden: Option<f64>,
}

impl Rates {
    pub(super) fn of(counts: &Counts) -> Self {
        let others = counts.rows() - counts.events();
        let sensitivity = share(counts.true_positive, counts.events());
        let specificity = share(counts.true_negative, others);
        let both = sensitivity.zip(specificity);
        Self {
            sensitivity,
            specificity,
            ppv: share(counts.true_positive, counts.flagged()),
            npv: share(counts.true_negative, counts.rows() - counts.flagged()),
            // By counts, so that no rounding turns an empty denominator into a large ratio.
            lr_positive: both.and_then(|(hit, _)| ratio(hit, counts.false_positive as f64 / others as f64)),
            lr_negative: both.and_then(|(_, pass)| ratio(counts.false_negative as f64 / counts.events() as f64, pass)),
            screened: share(counts.flagged(), counts.true_positive),
            youden: both.map(|(hit, pass)| hit + pass - 1.0),
        }
    }
}

/// Every declared threshold and the frozen decision, ascending. Where levels have thresholds of their own, the frozen
/// row is what they do together and stands at the overall one.
pub(super) fn thresholds(evidence: &Evidence, params: &EvaluateParams) -> Vec<ThresholdRow> {
    let (frozen, alone) = (evidence.sample.threshold, evidence.sample.one_threshold());
    let others = params.thresholds.iter().copied().filter(|&value| !alone || value != frozen);
    let mut values: Vec<(f64, bool)> = others.map(|value| (value, false)).collect();
    values.push((frozen, true));
    values.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    values.dedup();
    values.into_iter().map(|(value, frozen)| threshold_row(evidence, value, frozen)).collect()
}

fn threshold_row(evidence: &Evidence, threshold: f64, frozen: bool) -> ThresholdRow {
    let sample = evidence.sample;
    let above = || sample.p.iter().map(|&p| p >= threshold).collect();
    let flagged = if frozen { sample.flagged.clone() } else { above() };
    let counts = if frozen { evidence.point.counts } else { sample.counts_at(threshold) };
    let rates = Rates::of(&counts);
    let net_benefit = if frozen { finite(evidence.point.model.net_benefit) } else { counts.net_benefit(threshold) };
    let cost = sample.cost.as_ref().and_then(|cost| cost.mean(&counts)).map(|mean| 1000.0 * mean);
    let others = counts.rows() - counts.events();
    let missing = [
        (counts.events() == 0, "sensitivity, lr_positive, lr_negative, youden: there are no events"),
        (others == 0, "specificity, lr_positive, lr_negative, youden: there are only events"),
        (counts.flagged() == 0, "ppv: no row is flagged"),
        (counts.flagged() == counts.rows(), "npv: every row is flagged"),
        (counts.false_positive == 0, "lr_positive: no row without the event is flagged"),
        (counts.true_negative == 0, "lr_negative: every row without the event is flagged"),
        (counts.true_positive == 0, "number_needed_to_screen: no event is flagged"),
        (net_benefit.is_none(), "net_benefit: the threshold is at or above 1"),
        (cost.is_none(), "cost_per_1000: the study declares no cost table"),
        (counts.flagged() + counts.events() == 0, "f1, f2, fbeta: nothing is flagged and nothing happened"),
    ];
    let reasons: Vec<&str> = missing.into_iter().filter(|(missing, _)| *missing).map(|(_, reason)| reason).collect();
    ThresholdRow {
        threshold,
        frozen,
        n: counts.rows(),
        events: counts.events(),
        flagged: counts.flagged(),
        counts,
        small_cells: evidence.small(&flagged).into_iter().map(str::to_owned).collect(),
        sensitivity: rates.sensitivity,
        specificity: rates.specificity,
        ppv: rates.ppv,
        npv: rates.npv,
        lr_positive: rates.lr_positive,
        lr_negative: rates.lr_negative,
        number_needed_to_screen: rates.screened,
        youden: rates.youden,
        net_benefit,
        cost_per_1000: cost,
        f1: counts.fbeta(1.0),
        f2: counts.fbeta(2.0),
        fbeta: counts.fbeta(sample.beta),
        reason: (!reasons.is_empty()).then(|| reasons.join("; ")),
    }
}

/// The frozen threshold with intervals.
pub(super) fn at_threshold(evidence: &Evidence) -> AtThresholdDetail {
    let known = evidence.at_threshold();
    let resampled = |undefined: &str, of: fn(&Rates) -> Option<f64>| -> Estimate {
        evidence.interval(undefined, |measures| of(&Rates::of(&measures.counts)).unwrap_or(f64::NAN))
    };
    AtThresholdDetail {
        sensitivity: known.sensitivity,
        specificity: known.specificity,
        ppv: known.ppv,
        npv: known.npv,
        lr_positive: resampled("no row without the event is flagged", |rates| rates.lr_positive),
        lr_negative: resampled("every row without the event is flagged", |rates| rates.lr_negative),
        number_needed_to_screen: resampled("no event is flagged", |rates| rates.screened),
        youden: resampled("the rows hold only one class", |rates| rates.youden),
        net_benefit: evidence.interval(NO_ODDS, |measures| measures.model.net_benefit),
        flagged_per_1000: known.flagged_per_1000,
    }
}

/// Net benefit on the grid, beside flagging everyone and the plain logistic regression.
pub(super) fn decision_curve(evidence: &Evidence, params: &EvaluateParams) -> DecisionCurve {
    let sample = evidence.sample;
    let ones = vec![1; sample.y.len()];
    let everyone = Counts::of(&vec![true; sample.y.len()], &sample.y, &ones);
    let rival = sample.rivals.get(LOGISTIC);
    let point = |k: usize| {
        let threshold = decision_threshold(k);
        let flagged = rival.map(|rival| rival.p.iter().map(|&p| p >= threshold).collect::<Vec<_>>());
        DecisionPoint {
            threshold,
            model: evidence.band("there are no rows", |measures| measures.decision[k]),
            flag_all: everyone.net_benefit(threshold).unwrap_or(0.0),
            logistic: flagged.and_then(|flagged| Counts::of(&flagged, &sample.y, &ones).net_benefit(threshold)),
        }
    };
    let points: Vec<DecisionPoint> = (0..DECISION_GRID).map(point).collect();
    let range = params.decision_range.unwrap_or([decision_threshold(0), decision_threshold(DECISION_GRID - 1)]);
    let inside = points.iter().filter(|point| (range[0]..=range[1]).contains(&point.threshold));
    let useless = |point: &&DecisionPoint| point.model.value.is_none_or(|value| value <= point.flag_all.max(0.0));
    let (total, without_benefit) = inside.fold((0, Vec::new()), |(total, mut without), point| {
        if useless(&point) {
            without.push(point.threshold);
        }
        (total + 1, without)
    });
    DecisionCurve { range, text: benefit_text(total, without_benefit.len(), range), without_benefit, points }
}

fn benefit_text(total: usize, without: usize, [from, to]: [f64; 2]) -> String {
    let whole = format!("{total} thresholds from {from} to {to}");
    match without {
        _ if total == 0 => format!("The curve has no threshold from {from} to {to}."),
        0 => format!("At all {whole} the model has more net benefit than flagging everyone and than flagging no one."),
        _ if without == total => {
            format!("At none of the {whole} has the model more net benefit than flagging everyone or no one.")
        }
        _ => format!("At {without} of the {whole} the model has no more net benefit than flagging everyone or no one."),
    }
}
