//! Points that no confusion matrix of any size gives: each by itself, then all of a sample together.
//!
//! This is the check of tables that tell rates but no size, and of what the points of one sample say about each other.
//! It comes after the search for whole patients and is silent about whatever that search, or another, has refuted: one
//! contradiction is told once.

use std::collections::BTreeSet;

use super::finding::{Finding, Level, Report, lower, upper};
use super::samples::Universe;
use super::shares::{Origin, System};
use super::stated::Stated;
use super::types::{Claims, Measure};

/// With more points than this, they are not looked at together.
const MOST_POINTS: usize = 24;
/// Beyond this no attainable value is looked for.
const FARTHEST: f64 = 1e12;
/// Halvings of a distance.
const HALVINGS: usize = 40;

/// A point: its model, and its place in it.
type Place = (usize, usize);

/// Refutes points, and takes the last number of each contradiction out of the claims.
pub(super) fn check(claims: &mut Claims, universes: &[Universe], report: &mut Report) {
    for (sample, models) in groups(claims) {
        if sample.is_some_and(|at| universes.get(at) == Some(&Universe::Refuted)) {
            continue;
        }
        let places: Vec<Place> = models
            .into_iter()
            .flat_map(|model| (0..claims.models[model].points.len()).map(move |point| (model, point)))
            .filter(|(model, point)| !claims.models[*model].points[*point].measures.is_empty())
            .collect();
        let mut is_refuted = false;
        for place in &places {
            let name = &claims.models[place.0].points[place.1].name;
            is_refuted |= is_told(report, name) || refute(claims, sample, &[*place], report);
        }
        let subjects = sample.map(|at| format!("sample {}", claims.samples[at].name));
        is_refuted |= subjects.is_some_and(|subject| is_told(report, &subject));
        if !is_refuted && (2..=MOST_POINTS).contains(&places.len()) {
            refute(claims, sample, &places, report);
        }
    }
}

/// Models on the same sample; one that names none stands for itself.
fn groups(claims: &Claims) -> Vec<(Option<usize>, Vec<usize>)> {
    let with = |sample: Option<usize>| {
        let all = claims.models.iter().enumerate().filter(move |(_, model)| model.sample == sample);
        all.map(|(at, _)| at)
    };
    let named = (0..claims.samples.len()).map(|sample| (Some(sample), with(Some(sample)).collect()));
    named.chain(with(None).map(|model| (None, vec![model]))).collect()
}

/// Whether a search that knew more has refuted it already.
fn is_told(report: &Report, subject: &str) -> bool {
    let checks = ["whole patients", "denominators", "order of thresholds"];
    report.findings.iter().any(|finding| finding.subject == subject && checks.contains(&finding.check))
}

fn refute(claims: &mut Claims, sample: Option<usize>, places: &[Place], report: &mut Report) -> bool {
    let point = |(model, point): &Place| (*model, claims.models[*model].points[*point].clone());
    let system = System {
        sample: sample.and_then(|at| claims.samples.get(at)),
        points: places.iter().map(point).collect(),
        costs: claims.costs.as_ref(),
    };
    let Some(found) = system.clash() else { return false };
    let Some((at, measure, finding)) = told(&system, &found) else { return false };
    report.push(finding);
    let (model, point) = places[at];
    claims.models[model].points[point].drop(measure);
    true
}

/// The finding, and the number that it is about: the last one.
fn told(system: &System<'_>, found: &BTreeSet<Origin>) -> Option<(usize, Measure, Finding)> {
    let numbers = || {
        found.iter().filter_map(|origin| match origin {
            Origin::Number(point, number) => Some((*point, *number)),
            _ => None,
        })
    };
    let (last, number) = numbers().next_back()?;
    let (measure, stated) = system.points[last].1.measures.get(number)?;
    let is_one = numbers().all(|(point, _)| point == last);
    let subject = match system.sample {
        Some(sample) if !is_one => format!("sample {}", sample.name),
        _ => system.points[last].1.name.clone(),
    };
    let mut finding = Finding::new(Level::Impossible, "rates", subject, stated.span);
    for (name, number, point) in stated_numbers(system, found) {
        finding = match point {
            Some(point) if !is_one => finding.number_of(&name, number, &system.points[point].1.name),
            _ => finding.number(&name, number),
        };
    }
    let order = if found.iter().any(|origin| matches!(origin, Origin::Order(..))) {
        " in the order of the thresholds"
    } else {
        ""
    };
    let none = format!("no confusion matrix of any size gives all of them{order}");
    let name = measure.name();
    let finding = match edge(system, last, number) {
        Some((value, true)) => {
            finding.arithmetic(format!("{none}; with the others {name} is at least {}", lower(value))).possible(
                format!("{name} {} with these, or other values of them", near(*measure, stated, value.ceil(), value)),
            )
        }
        Some((value, false)) => {
            finding.arithmetic(format!("{none}; with the others {name} is at most {}", upper(value))).possible(format!(
                "{name} {} with these, or other values of them",
                near(*measure, stated, value.floor(), value)
            ))
        }
        None => finding.arithmetic(none),
    };
    Some((last, *measure, finding))
}

fn near(measure: Measure, stated: &Stated, whole: f64, value: f64) -> String {
    stated.like(if measure.is_count() { whole } else { value })
}

/// The numbers of a contradiction with their names and points, those of the sample first.
fn stated_numbers<'s>(system: &'s System<'_>, found: &BTreeSet<Origin>) -> Vec<(String, &'s Stated, Option<usize>)> {
    let mut numbers: Vec<(String, &Stated, Option<usize>)> = Vec::new();
    let of_sample = |origin: &Origin| {
        let sample = system.sample?;
        let (name, stated) = match origin {
            Origin::Prevalence => ("prevalence", &sample.prevalence),
            Origin::N => ("n", &sample.n),
            Origin::Events => ("events", &sample.events),
            _ => return None,
        };
        Some((name.to_owned(), stated.as_ref()?, None))
    };
    numbers.extend(found.iter().filter_map(of_sample));
    let mut cut: BTreeSet<usize> = BTreeSet::new();
    let mut is_priced = false;
    for origin in found {
        match origin {
            Origin::Order(low, high) => cut.extend([*low, *high]),
            Origin::Number(point, number) => match system.points[*point].1.measures[*number].0 {
                Measure::NetBenefit => cut.extend([*point]),
                Measure::Cost | Measure::CostPer1000 => is_priced = true,
                _ => {}
            },
            _ => {}
        }
    }
    if let Some(costs) = system.costs.filter(|_| is_priced) {
        numbers.push(("cost of a false positive".to_owned(), &costs.false_positive, None));
        numbers.push(("cost of a false negative".to_owned(), &costs.false_negative, None));
    }
    let threshold =
        |point: usize| Some(("threshold".to_owned(), system.points[point].1.threshold.as_ref()?, Some(point)));
    numbers.extend(cut.into_iter().filter_map(threshold));
    for origin in found {
        if let Origin::Number(point, number) = origin {
            let (measure, stated) = &system.points[*point].1.measures[*number];
            numbers.push((measure.name(), stated, Some(*point)));
        }
    }
    numbers
}

/// The attainable value nearest to a stated one, given everything else, and whether it is greater.
fn edge(system: &System<'_>, point: usize, number: usize) -> Option<(f64, bool)> {
    let stated = system.points[point].1.measures.get(number)?.1.clone();
    let is_possible = |reach: f64, up: bool| {
        let mut wider = system.clone();
        let half = reach / 2.0;
        let far = &mut wider.points[point].1.measures[number].1;
        far.within = stated.within + half;
        far.value = if up { stated.value + half } else { stated.value - half };
        wider.clash().is_none()
    };
    let mut reach = stated.within.max(1e-6);
    while reach < FARTHEST {
        if let Some(up) = [true, false].into_iter().find(|up| is_possible(reach, *up)) {
            let (mut short, mut long) = (0.0, reach);
            for _ in 0..HALVINGS {
                let middle = f64::midpoint(short, long);
                *(if is_possible(middle, up) { &mut long } else { &mut short }) = middle;
            }
            let way = stated.within + long;
            return Some((if up { stated.value + way } else { stated.value - way }, up));
        }
        reach *= 2.0;
    }
    None
}
