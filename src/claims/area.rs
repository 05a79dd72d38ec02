//! Whether an AUROC can exist on its sample, and whether whole pairs of patients give it.
//!
//! AUROC is the share of pairs of a row with the event and one without in which the former has the higher score, a tie
//! counting one half. So there is none without both sorts of rows, and otherwise it is a multiple of 1/(2·E·(n − E)) for
//! n rows and E events.

use super::finding::{Finding, Level, Report};
use super::interval::{Interval, ceil, floor};
use super::samples::Universe;
use super::stated::Stated;
use super::types::{Claims, Model, Sample};

/// Refutes AUROCs that their samples cannot give, and takes them out.
pub(super) fn check(claims: &mut Claims, universes: &[Universe], report: &mut Report) {
    let samples = &claims.samples;
    for model in &mut claims.models {
        let (Some(at), Some(auroc)) = (model.sample, &model.auroc) else { continue };
        let Some(Universe::Pairs(pairs)) = universes.get(at) else { continue };
        if let Some(finding) = samples.get(at).and_then(|sample| refuted(model, auroc, sample, pairs)) {
            report.push(finding);
            model.auroc = None;
        }
    }
}

fn refuted(model: &Model, auroc: &Stated, sample: &Sample, pairs: &[(u64, u64)]) -> Option<Finding> {
    let steps = |&(n, events): &(u64, u64)| 2 * events * n.saturating_sub(events);
    if pairs.iter().any(|pair| has_step(auroc.share(), steps(pair))) {
        return None;
    }
    let mut finding = Finding::new(Level::Impossible, "steps of AUROC", &model.name, auroc.span).number("auroc", auroc);
    for (name, number) in [("n", &sample.n), ("events", &sample.events), ("prevalence", &sample.prevalence)] {
        if let Some(number) = number {
            finding = finding.number_of(name, number, &sample.name);
        }
    }
    if pairs.iter().all(|pair| steps(pair) == 0) {
        let text = "without rows of both sorts, with the event and without, there is no pair to rank and no AUROC";
        return Some(finding.arithmetic(text));
    }
    let [(n, events)] = pairs else {
        let text =
            "AUROC counts half pairs of an event and a non-event, and no possible number of them gives this value";
        return Some(finding.arithmetic(text));
    };
    let halves = 2 * events * (n - events);
    let near = [floor(auroc.value * halves as f64), ceil(auroc.value * halves as f64)];
    let near: Vec<String> =
        near.iter().map(|count| format!("{:.*}", auroc.decimals + 2, count / halves as f64)).collect();
    Some(
        finding
            .arithmetic(format!("AUROC counts half pairs of an event and a non-event: it is a multiple of 1/{halves}"))
            .possible(format!("auroc {}", near.join(" or "))),
    )
}

fn has_step(share: Interval, of: u64) -> bool {
    of > 0 && ceil(share.lo * of as f64) <= floor(share.hi * of as f64)
}
