//! What the decisions cost per 1,000 patients, and what they would do where the event is more or less frequent.

use crate::common::decision::Counts;
use crate::common::interval::{Estimate, finite};
use crate::common::link;
use crate::evaluate::EvaluateParams;
use crate::evaluate::assemble::{Evidence, LOGISTIC};
use crate::evaluate::measures::Measures;

use super::decisions::Rates;
use super::document::{Costs, Deployment, PrevalenceRow, Prevalences, Strategy};

const PER: f64 = 1000.0;
const OWN: &str = "rows have thresholds of their own";
const OWN_CUT_OFF: &str = "cut_off: rows have thresholds of their own";

/// The cost of each way to decide; `None` without a cost table.
pub(super) fn costs(evidence: &Evidence) -> Option<Costs> {
    let table = evidence.sample.cost?;
    let (sample, y) = (evidence.sample, &evidence.sample.y);
    let ones = vec![1; y.len()];
    let flags = |index: usize| sample.rivals.get(index).map_or(&sample.flagged, |rival| &rival.flagged);
    let rival = |index: usize| Counts::of(flags(index), y, &ones);
    let total = |of: &dyn Fn(&Measures) -> f64| evidence.interval("there are no rows", |measures| PER * of(measures));
    let of_rival = |index: usize| total(&move |m: &Measures| m.rivals.get(index).map_or(f64::NAN, |worth| worth.cost));
    let nothing = table.mean(&rival(1)).unwrap_or(0.0);
    let strategy = |name: &str, flagged: &[bool], total: Estimate| {
        let counts = Counts::of(flagged, y, &ones);
        let per = |count: u64| PER * count as f64 / counts.rows() as f64;
        Strategy {
            name: name.to_owned(),
            flagged: per(counts.flagged()),
            prevented: table.effect * per(counts.true_positive),
            true_positive: table.true_positive * per(counts.true_positive),
            failed: (1.0 - table.effect) * table.false_negative * per(counts.true_positive),
            false_positive: table.false_positive * per(counts.false_positive),
            false_negative: table.false_negative * per(counts.false_negative),
            true_negative: table.true_negative * per(counts.true_negative),
            saved: PER * (nothing - table.mean(&counts).unwrap_or(nothing)),
            small_cells: evidence.small(flagged).into_iter().map(str::to_owned).collect(),
            counts,
            total,
        }
    };
    Some(Costs {
        flagged_event: table.flagged_event(),
        calibrated_optimum: table.calibrated_optimum(),
        strategies: vec![
            strategy("model", &sample.flagged, total(&|m: &Measures| m.model.cost)),
            strategy("flag_all", flags(0), of_rival(0)),
            strategy("flag_none", flags(1), of_rival(1)),
            strategy("logistic", flags(LOGISTIC), of_rival(LOGISTIC)),
        ],
        assumption: format!(
            "Acting on a flagged patient prevents the event in {} % of those who would have had it, whoever flagged \
             them; costs do not depend on the patient.",
            100.0 * table.effect
        ),
        table,
    })
}

/// What the frozen decision does at every declared prevalence.
pub(super) fn prevalences(evidence: &Evidence, params: &EvaluateParams) -> Prevalences {
    Prevalences {
        assumption: "Within patients with the event, and within those without, predictions are distributed as in the \
                     test part; only the share of patients with the event differs. What else differs between sites \
                     needs external validation."
            .to_owned(),
        rows: params.prevalences.iter().map(|&prevalence| prevalence_row(evidence, prevalence)).collect(),
    }
}

fn prevalence_row(evidence: &Evidence, prevalence: f64) -> PrevalenceRow {
    let (sample, counts) = (evidence.sample, evidence.point.counts);
    let threshold = sample.threshold;
    let present = counts.events() as f64 / counts.rows() as f64;
    let shift = finite(link::logit(prevalence) - link::logit(present));
    let own = !sample.one_threshold();
    let odds = sample.exchange.mean_odds(&counts, &sample.flagged, &sample.y);
    let as_is = deployment(&counts, (!own).then_some(threshold), odds, prevalence);
    let updated = match shift {
        Some(_) if own => Deployment { reason: Some(OWN.to_owned()), ..Deployment::default() },
        // Flagging everyone or no one stays what it is.
        Some(_) if threshold <= 0.0 || threshold >= 1.0 => deployment(&counts, Some(threshold), odds, prevalence),
        Some(shift) => {
            let cut_off = link::sigmoid(link::logit(threshold) - shift);
            let odds = (threshold < 1.0).then(|| threshold / (1.0 - threshold));
            deployment(&sample.counts_at(cut_off), Some(cut_off), odds, prevalence)
        }
        None => Deployment { reason: Some("the rows hold only one class".to_owned()), ..Deployment::default() },
    };
    let reason = shift.is_none().then(|| "the rows hold only one class".to_owned());
    PrevalenceRow { prevalence, as_is, updated, shift, reason }
}

/// Bayes: of 1,000 patients, 1,000·π have the event; a false positive weighs `odds` on average.
fn deployment(counts: &Counts, cut_off: Option<f64>, odds: Option<f64>, prevalence: f64) -> Deployment {
    let Rates { sensitivity, specificity, .. } = Rates::of(counts);
    let Some((hit, pass)) = sensitivity.zip(specificity) else {
        let reason = Some("the rows hold only one class".to_owned());
        return Deployment { cut_off, sensitivity, specificity, reason, ..Deployment::default() };
    };
    let (hits, alarms) = (hit * prevalence, (1.0 - pass) * (1.0 - prevalence));
    let (missed, passed) = ((1.0 - hit) * prevalence, pass * (1.0 - prevalence));
    let net_benefit = if alarms == 0.0 { Some(hits) } else { odds.map(|odds| hits - alarms * odds) };
    let ppv = (hits + alarms > 0.0).then(|| hits / (hits + alarms));
    let npv = (missed + passed > 0.0).then(|| passed / (missed + passed));
    let missing = [
        (cut_off.is_none(), OWN_CUT_OFF),
        (ppv.is_none(), "ppv: no row is flagged"),
        (npv.is_none(), "npv: every row is flagged"),
        (net_benefit.is_none(), "net_benefit: the threshold is at or above 1"),
    ];
    let reasons: Vec<&str> = missing.into_iter().filter(|(missing, _)| *missing).map(|(_, reason)| reason).collect();
    Deployment {
        cut_off,
        sensitivity,
        specificity,
        ppv,
        npv,
        alerts_per_1000: Some(PER * (hits + alarms)),
        net_benefit,
        reason: (!reasons.is_empty()).then(|| reasons.join("; ")),
    }
}
