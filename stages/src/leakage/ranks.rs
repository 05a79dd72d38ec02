//! Whether one column alone tells the outcome: its values, and whether they are missing. Training rows only.
//!
//! Two measures of a feature: the AUROC of its values in their order, and that of the event rates of its levels (of ten
//! bins, for a number with many values), each row judged by the rates among other patients. The second sees leaks that
//! are no trend, and categories; rows without a value are a level of their own.

use std::collections::BTreeSet;

use rayon::prelude::*;

use super::auroc::{Evidence, beyond, interval, stratified};
use super::data::Data;
use super::family::{Examined, Probe};
use super::params::LeakageParams;
use super::report::{Check, Measure};
use crate::StageError;
use crate::common::frame::Column;

/// A feature must be unlikely under this AUROC, which the best honest predictors reach.
const HONEST_FEATURE: f64 = 0.9;
/// The same for missingness.
const HONEST_MISSINGNESS: f64 = 0.7;
/// Parts of the patients; the levels of each part are judged by the others.
const PARTS: usize = 5;
/// A number with more distinct values is cut into [`BINS`] bins.
const MOST_LEVELS: usize = 20;
const BINS: usize = 10;

/// Why a column shows nothing.
const TOO_FEW: &str = "too few patients with or without the event where the column has values";

/// Every feature.
pub(super) fn features(data: &Data, params: &LeakageParams) -> Result<Examined, StageError> {
    let bound = params.feature_auroc;
    let everyone = data.evidence(0..data.train.len());
    let test = |name: &str| {
        let column = data.feature(name)?.take(&data.train);
        let by_levels = levels(data, &column).and_then(|(scores, parts)| {
            let auroc = stratified(&scores, &data.y, &parts)?;
            probe(name, Measure::AurocLevels, auroc, everyone, HONEST_FEATURE, bound)
        });
        let by_ranks = column.numbers().and_then(|values| ranks(data, name, values, bound));
        let text = "tells the outcome alone";
        let examples = telling(data, &column);
        let all = [by_ranks, by_levels].into_iter().flatten();
        Ok(Some(all.map(|probe| Probe { text: text.to_owned(), ..probe.shown_by(examples.clone()) }).collect()))
    };
    collect(Check::FeatureAuroc, data.spec.features.iter().map(|feature| feature.name.as_str()), test)
}

/// Whether a value of a raw column, or of a feature, is missing.
pub(super) fn missingness(data: &Data, params: &LeakageParams) -> Result<Examined, StageError> {
    let raw: BTreeSet<&str> = data.spec.inputs.iter().map(String::as_str).collect();
    let features = data.spec.features.iter().map(|feature| feature.name.as_str());
    let names: BTreeSet<&str> = raw.iter().copied().chain(features).collect();
    let everyone = data.evidence(0..data.train.len());
    let test = |name: &str| {
        let column = if raw.contains(name) { data.raw(name)? } else { data.feature(name)? };
        let gaps = missing(&column);
        if !gaps.contains(&true) {
            return Ok(None);
        }
        let gaps: Vec<bool> = data.train.iter().map(|&row| gaps[row]).collect();
        let scores: Vec<f64> = gaps.iter().map(|&gap| f64::from(u8::from(gap))).collect();
        let both = gaps.iter().any(|&gap| gap) && gaps.iter().any(|&gap| !gap);
        let found = stratified(&scores, &data.y, &vec![0; scores.len()]).filter(|_| both).and_then(|auroc| {
            let (effect, bound) = (auroc.max(1.0 - auroc), params.missingness_auroc);
            probe(name, Measure::AurocRanks, effect, everyone, HONEST_MISSINGNESS, bound)
        });
        let rows = data.train_ids((0..gaps.len()).filter(|&at| gaps[at]));
        let text = "whether it is missing tells the outcome".to_owned();
        Ok(Some(found.map(|probe| Probe { text, ..probe.shown_by(rows) }).into_iter().collect()))
    };
    collect(Check::Missingness, names.into_iter(), test)
}

/// The probes of columns, as many at a time as there are threads; those that `test` has nothing for are no subjects.
fn collect<'a>(
    check: Check,
    names: impl Iterator<Item = &'a str>,
    test: impl Fn(&str) -> Result<Option<Vec<Probe>>, StageError> + Sync + Send,
) -> Result<Examined, StageError> {
    let names: Vec<&str> = names.collect();
    let tested = names.into_par_iter().map(test).collect::<Result<Vec<_>, StageError>>()?;
    let tested: Vec<Vec<Probe>> = tested.into_iter().flatten().collect();
    let counted = tested.iter().filter(|probes| !probes.is_empty()).count();
    let reason = (counted < tested.len()).then(|| TOO_FEW.to_owned());
    let subjects = tested.len();
    Ok(Examined { check, subjects, tested: counted, probes: tested.into_iter().flatten().collect(), reason })
}

/// The probe of an AUROC; nothing when there are too few patients.
fn probe(subject: &str, measure: Measure, effect: f64, evidence: Evidence, honest: f64, bound: f64) -> Option<Probe> {
    evidence.suffices().then(|| Probe {
        effect,
        interval: interval(effect, evidence),
        bound,
        // Below the bound the honest value must not exceed it.
        p_value: Some((2.0 * beyond(effect, honest.min(bound), evidence)).min(1.0)),
        ..Probe::count(subject, measure, 0, String::new())
    })
}

/// The values in their order, of the rows that have one; either direction.
fn ranks(data: &Data, name: &str, values: &[f64], bound: f64) -> Option<Probe> {
    let known: Vec<usize> = (0..values.len()).filter(|&at| values[at].is_finite()).collect();
    let scores: Vec<f64> = known.iter().map(|&at| values[at]).collect();
    let y: Vec<bool> = known.iter().map(|&at| data.y[at]).collect();
    let auroc = stratified(&scores, &y, &vec![0; y.len()])?;
    let evidence = data.evidence(known.into_iter());
    probe(name, Measure::AurocRanks, auroc.max(1.0 - auroc), evidence, HONEST_FEATURE, bound)
}

/// Each row's event rate among other patients of its level, and the part that its patient belongs to.
fn levels(data: &Data, column: &Column) -> Option<(Vec<f64>, Vec<usize>)> {
    let level = match column {
        Column::Number(values) => binned(values),
        Column::Text(texts) => texts.codes().map(|code| code.map_or(0, |code| code + 1)).collect(),
    };
    let count = level.iter().max()? + 1;
    let parts: Vec<usize> = (0..level.len()).map(|at| data.patient(at) % PARTS).collect();
    let mut seen = vec![[[0_u32; 2]; PARTS]; count];
    for (at, &level) in level.iter().enumerate() {
        seen[level][parts[at]][usize::from(data.y[at])] += 1;
    }
    let others = |counts: &[[u32; 2]; PARTS], part: usize, class: usize| -> u32 {
        (0..PARTS).filter(|&other| other != part).map(|other| counts[other][class]).sum()
    };
    let prior = data.y.iter().filter(|&&y| y).count() as f64 / data.y.len() as f64;
    let rate = |at: usize| {
        let (counts, part) = (&seen[level[at]], parts[at]);
        let (events, rest) = (others(counts, part, 1), others(counts, part, 0));
        // Two imagined rows of the average rate keep rare levels from claiming certainty.
        (f64::from(events) + 2.0 * prior) / (f64::from(events + rest) + 2.0)
    };
    Some(((0..level.len()).map(rate).collect(), parts))
}

/// The level of each number: its value when there are few, else its bin of about equally many rows; missing is one.
fn binned(values: &[f64]) -> Vec<usize> {
    let mut known: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    known.sort_unstable_by(f64::total_cmp);
    let few = known.chunk_by(|a, b| a == b).take(MOST_LEVELS + 1).map(|equal| equal[0]).collect::<Vec<_>>();
    let cuts: Vec<f64> =
        if few.len() <= MOST_LEVELS { few } else { (1..BINS).map(|bin| known[bin * known.len() / BINS]).collect() };
    let level = |value: f64| if value.is_finite() { 1 + cuts.partition_point(|&cut| cut <= value) } else { 0 };
    values.iter().map(|&value| level(value)).collect()
}

fn missing(column: &Column) -> Vec<bool> {
    match column {
        Column::Number(values) => values.iter().map(|value| !value.is_finite()).collect(),
        Column::Text(texts) => texts.iter().map(|text| text.is_none()).collect(),
    }
}

/// Rows with the event, those with the most extreme values first on the side where events lie.
fn telling(data: &Data, column: &Column) -> Vec<i64> {
    let events = || (0..data.y.len()).filter(|&at| data.y[at]);
    let Some(values) = column.numbers() else { return data.train_ids(events()) };
    let mean = |wanted: bool| {
        let of: Vec<f64> = (0..values.len())
            .filter(|&at| data.y[at] == wanted)
            .map(|at| values[at])
            .filter(|v| v.is_finite())
            .collect();
        of.iter().sum::<f64>() / of.len().max(1) as f64
    };
    let sign = if mean(true) >= mean(false) { -1.0 } else { 1.0 };
    let mut order: Vec<usize> = events().filter(|&at| values[at].is_finite()).collect();
    order.sort_by(|&a, &b| (sign * values[a]).total_cmp(&(sign * values[b])).then(a.cmp(&b)));
    data.train_ids(order)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_values_are_levels_and_many_are_bins() {
        assert_eq!(binned(&[3.0, 1.0, f64::NAN, 3.0]), [3, 2, 0, 3]);
        let many: Vec<f64> = (0..1000).map(f64::from).collect();
        let levels = binned(&many);
        assert_eq!((levels[0], levels[99], levels[100], levels[999]), (1, 1, 2, 10));
        assert_eq!(binned(&[f64::NAN; 3]), [0, 0, 0]);
    }
}
