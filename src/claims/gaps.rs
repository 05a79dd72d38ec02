//! What was not checked because a number is not stated, and which number would let it be checked.
//!
//! An answer without contradictions says nothing of checks that could not be made; so each known gap is listed, once for
//! each thing it is about. The list does not say that everything else was checked. This module finds no contradictions.

use super::finding::{Report, Unchecked};
use super::samples::Universe;
use super::types::{Change, Claims, Measure, Model, Point, Policy};

pub(super) fn list(claims: &Claims, universes: &[Universe], report: &mut Report) {
    for model in &claims.models {
        sizes(claims, model, universes, report);
        let with_threshold = model.points.iter().filter(|point| point.threshold.is_some()).count();
        if model.points.len() > 1 && with_threshold < model.points.len() {
            let why = "points of the same scores can be put in order by their thresholds only";
            push(report, "order of thresholds", &model.name, why, "the threshold of every point");
        }
        for point in &model.points {
            prices(claims, point, report);
            carried(claims, point, report);
        }
    }
    claims.changes.iter().for_each(|change| values(change, report));
}

fn push(report: &mut Report, check: &'static str, subject: &str, why: &str, needed: &str) {
    let unchecked = Unchecked { check, subject: subject.to_owned(), why: why.to_owned(), needed: needed.to_owned() };
    if !report.unchecked.contains(&unchecked) {
        report.unchecked.push(unchecked);
    }
}

/// Whole numbers of patients need the size of the sample.
fn sizes(claims: &Claims, model: &Model, universes: &[Universe], report: &mut Report) {
    let measures = || model.points.iter().flat_map(|point| &point.measures).map(|(measure, _)| *measure);
    let has_auroc = model.auroc.is_some();
    if measures().next().is_none() && !has_auroc {
        return;
    }
    let check = if measures().next().is_some() { "whole patients" } else { "steps of AUROC" };
    let Some((sample, universe)) = model.sample.and_then(|at| claims.samples.get(at).zip(universes.get(at))) else {
        let why = "the model names no sample, so nothing is known of the rows behind its numbers";
        return push(report, check, &model.name, why, "`sample` with its n and events");
    };
    let subject = format!("sample {}", sample.name);
    let missing = match (&sample.n, &sample.events) {
        (None, None) => "n and events of the sample",
        (None, Some(_)) => "n of the sample",
        (Some(_), None) => "events of the sample",
        (Some(_), Some(_)) => "",
    };
    match universe {
        Universe::Pairs(_) => {}
        Universe::Events(_) => {
            if measures().any(Measure::needs_negatives) || has_auroc {
                let why =
                    "how many rows have no event is not known, so numbers that count them say nothing of patients";
                push(report, check, &subject, why, "n of the sample");
            }
        }
        Universe::Refuted => {
            let why = "the numbers of the sample contradict one another";
            push(report, check, &subject, why, "numbers of the sample that agree");
        }
        Universe::TooMany => push(report, check, &subject, "too many numbers of rows and events are possible", missing),
        Universe::Unknown => {
            let why = "its size is not known: numbers are only asked whether some sample of any size could give them";
            push(report, check, &subject, why, missing);
        }
    }
}

/// Net benefit and costs need what they weigh with.
fn prices(claims: &Claims, point: &Point, report: &mut Report) {
    let is_stated = |measure| point.get(measure).is_some();
    if is_stated(Measure::NetBenefit) && point.threshold.is_none() {
        let why = "false alarms weigh t/(1 − t) in it";
        push(report, "net benefit", &point.name, why, "the threshold of the point");
    }
    let projected = point.projections.iter().any(|projection| projection.get(Measure::Cost).is_some());
    if claims.costs.is_none() && (projected || is_stated(Measure::Cost) || is_stated(Measure::CostPer1000)) {
        push(report, "cost", &point.name, "a cost is stated, but no prices", "`costs`");
    }
    match (point.policy, &point.threshold) {
        (Some(_), None) => {
            push(report, "policy", &point.name, "a policy is stated without its result", "the threshold of the point");
        }
        (Some(Policy::Cost), Some(_)) if claims.costs.is_none() => {
            push(report, "policy", &point.name, "the threshold is said to follow from costs", "`costs`");
        }
        _ => {}
    }
}

/// Counts that were carried over need the rows they were carried to, and the rates they come from.
fn carried(claims: &Claims, point: &Point, report: &mut Report) {
    for projection in &point.projections {
        let sample = projection.sample.and_then(|sample| claims.samples.get(sample));
        let Some(sample) = sample else {
            let why = "a projection names no sample";
            push(report, "projection", &point.name, why, "`sample` of the projection with its n and events");
            continue;
        };
        if sample.events.is_none() {
            let needed = format!("events of sample {}", sample.name);
            push(report, "projection", &point.name, "to how many events it was carried over is not known", &needed);
        } else if point.get(Measure::Recall).is_none() && projection.get(Measure::TruePositives).is_some() {
            push(report, "projection", &point.name, "true positives follow from the recall", "recall of the point");
        }
    }
}

/// A change needs both values.
fn values(change: &Change, report: &mut Report) {
    let stated = !change.difference.is_empty() || !change.relative.is_empty();
    let needed = match (&change.from, &change.to) {
        (None, None) => "`from` and `to`",
        (None, Some(_)) => "`from`",
        (Some(_), None) => "`to`",
        (Some(from), Some(_)) => {
            if from.range().hi < 0.0 && !change.relative.is_empty() {
                let why = "a share of a negative value can be meant in two ways";
                push(report, "percentage base", &change.what, why, "values that are not negative");
            }
            return;
        }
    };
    if stated {
        push(report, "difference", &change.what, "a change is stated without both of its values", needed);
    }
}
