//! Whether whole numbers of patients exist behind the rates.
//!
//! For every possible number of rows and events, and every number of true positives, each stated number leaves a range
//! of false positives; the point can exist when their intersection holds a whole number. All points of a sample share
//! rows and events, so some number of events must fit them all: rates with few common denominators give small samples
//! away.

use super::case::{Case, Exhausted, UNBOUNDED};
use super::finding::{Finding, Level, Report, Unchecked};
use super::interval::{Interval, ceil, floor};
use super::samples::Universe;
use super::stated::Stated;
use super::types::{Claims, Costs, Measure, Point};

/// So many combinations of rows, events and true positives are tried for a sample, and no more.
const BUDGET: u64 = 20_000_000;
/// The search for the least number of events that fits ends here.
const MOST_EVENTS: u64 = 1_000_000;

/// Where the ROC points of an operating point can lie, given whole numbers of patients.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Corner {
    /// Recall.
    pub(super) recall: Interval,
    /// False positive rate.
    pub(super) fpr: Interval,
    /// The least recall · (1 − false positive rate).
    pub(super) least: f64,
    /// The most 1 − false positive rate · (1 − recall).
    pub(super) most: f64,
}

impl Corner {
    fn nothing() -> Self {
        let none = Interval::new(f64::INFINITY, f64::NEG_INFINITY);
        Self { recall: none, fpr: none, least: f64::INFINITY, most: f64::NEG_INFINITY }
    }

    fn add(&mut self, recall: f64, fpr: Interval) {
        self.recall = Interval::new(self.recall.lo.min(recall), self.recall.hi.max(recall));
        self.fpr = Interval::new(self.fpr.lo.min(fpr.lo), self.fpr.hi.max(fpr.hi));
        self.least = self.least.min(recall * (1.0 - fpr.hi));
        self.most = self.most.max(1.0 - fpr.lo * (1.0 - recall));
    }

    /// What either of two allows.
    fn or(&mut self, other: &Self) {
        let span = |a: Interval, b: Interval| Interval::new(a.lo.min(b.lo), a.hi.max(b.hi));
        *self = Self {
            recall: span(self.recall, other.recall),
            fpr: span(self.fpr, other.fpr),
            least: self.least.min(other.least),
            most: self.most.max(other.most),
        };
    }

    /// What both of two allow.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            recall: self.recall.intersect(other.recall),
            fpr: self.fpr.intersect(other.fpr),
            least: self.least.max(other.least),
            most: self.most.min(other.most),
        }
    }
}

/// The corners of every point of every model; none where nothing is known.
pub(super) type Corners = Vec<Vec<Option<Corner>>>;

pub(super) fn check(claims: &Claims, universes: &[Universe], report: &mut Report) -> Corners {
    let mut corners: Corners = claims.models.iter().map(|model| vec![None; model.points.len()]).collect();
    for (sample, universe) in universes.iter().enumerate() {
        let pairs: Vec<(Option<u64>, u64)> = match universe {
            Universe::Pairs(pairs) => pairs.iter().map(|(n, events)| (Some(*n), *events)).collect(),
            Universe::Events(events) => events.iter().map(|events| (None, *events)).collect(),
            Universe::TooMany | Universe::Refuted | Universe::Unknown => continue,
        };
        let places: Vec<(usize, usize)> = claims
            .models
            .iter()
            .enumerate()
            .filter(|(_, model)| model.sample == Some(sample))
            .flat_map(|(at, model)| (0..model.points.len()).map(move |point| (at, point)))
            .filter(|(model, point)| !claims.models[*model].points[*point].measures.is_empty())
            .collect();
        if places.is_empty() {
            continue;
        }
        let search = Search { pairs: &pairs, costs: claims.costs.as_ref() };
        let points: Vec<&Point> = places.iter().map(|(model, point)| &claims.models[*model].points[*point]).collect();
        match search.sample(&claims.samples[sample].name, &points) {
            Outcome::Fits(found) => {
                for ((model, point), corner) in places.iter().zip(found) {
                    corners[*model][*point] = Some(corner);
                }
            }
            Outcome::Clash(findings) => findings.into_iter().for_each(|finding| report.push(finding)),
            Outcome::TooMuch => report.unchecked.push(Unchecked {
                check: "whole patients",
                subject: format!("sample {}", claims.samples[sample].name),
                why: "too many numbers of rows and events are possible".to_owned(),
                needed: if claims.samples[sample].events.is_some() { "" } else { "events of the sample" }.to_owned(),
            }),
        }
    }
    corners
}

enum Outcome {
    Fits(Vec<Corner>),
    Clash(Vec<Finding>),
    TooMuch,
}

/// A search through the possible cells.
struct Search<'a> {
    pairs: &'a [(Option<u64>, u64)],
    costs: Option<&'a Costs>,
}

impl Search<'_> {
    fn case<'p>(&'p self, point: &'p Point) -> Case<'p> {
        let measures = point.measures.iter().map(|(measure, stated)| (*measure, stated));
        Case { measures: measures.collect(), threshold: point.threshold.as_ref().map(Stated::share), costs: self.costs }
    }

    fn sample(&self, name: &str, points: &[&Point]) -> Outcome {
        let cases: Vec<Case<'_>> = points.iter().map(|point| self.case(point)).collect();
        let mut budget = BUDGET;
        let mut corners = vec![Corner::nothing(); points.len()];
        let mut fits = vec![false; points.len()];
        let mut together = false;
        for pair in self.pairs {
            let mut found = Vec::with_capacity(cases.len());
            for (case, fits) in cases.iter().zip(&mut fits) {
                let mut corner = Corner::nothing();
                match case.solutions(*pair, &mut budget, |tp, fp, p, m| corner.add(share(tp, p), fpr(fp, m))) {
                    Ok(any) => *fits |= any,
                    Err(Exhausted) => return Outcome::TooMuch,
                }
                found.push(corner);
            }
            if found.iter().all(|corner| corner.recall.lo.is_finite()) {
                together = true;
                for (all, one) in corners.iter_mut().zip(found) {
                    all.or(&one);
                }
            }
        }
        if together {
            return Outcome::Fits(corners);
        }
        Outcome::Clash(self.clash(name, points, &fits))
    }

    fn clash(&self, name: &str, points: &[&Point], fits: &[bool]) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut denominators: Vec<&Point> = Vec::new();
        for (point, _) in points.iter().zip(fits).filter(|(_, fits)| !**fits) {
            let case = self.case(point);
            let Some(core) = self.core(&case) else { continue };
            if let [(Measure::Recall | Measure::FalseNegativeRate, _)] = core.as_slice() {
                denominators.push(point);
            } else {
                findings.push(self.cells(name, point, &core));
            }
        }
        if !denominators.is_empty() || findings.is_empty() {
            // When every point fits some number of events, but no number fits them all, all of them take part.
            let alone = denominators.is_empty();
            let parties: Vec<&Point> = if alone {
                points.iter().filter(|point| recall(point).is_some()).copied().collect()
            } else {
                denominators
            };
            findings.extend(self.denominators(name, &parties, points, alone));
        }
        if findings.is_empty() {
            findings.extend(self.together(name, points));
        }
        findings
    }

    /// Points that fit one by one but not all in one sample.
    fn together(&self, name: &str, points: &[&Point]) -> Option<Finding> {
        let (_, first) = points.first()?.measures.first()?;
        let mut finding = Finding::new(Level::Impossible, "whole patients", format!("sample {name}"), first.span);
        for point in points {
            for (measure, stated) in &point.measures {
                finding = finding.number_of(&measure.name(), stated, &point.name);
            }
        }
        let size = self.size();
        Some(finding.arithmetic(format!("no number of rows and events{size} fits all of these results at once")))
    }

    /// A smallest set of numbers that cannot be together.
    fn core<'p>(&self, case: &Case<'p>) -> Option<Vec<(Measure, &'p Stated)>> {
        let mut kept = Case { measures: case.measures.clone(), threshold: case.threshold, costs: case.costs };
        let mut at = 0;
        while at < kept.measures.len() {
            let removed = kept.measures.remove(at);
            if self.is_possible(&kept)? {
                kept.measures.insert(at, removed);
                at += 1;
            }
        }
        Some(kept.measures)
    }

    /// Whether any cells give these numbers; nothing when that takes too long to tell.
    fn is_possible(&self, case: &Case<'_>) -> Option<bool> {
        let mut budget = BUDGET;
        for pair in self.pairs {
            match case.solutions(*pair, &mut budget, |_, _, _, _| ()) {
                Ok(false) => {}
                Ok(true) => return Some(true),
                Err(Exhausted) => return None,
            }
        }
        Some(false)
    }

    fn cells(&self, sample: &str, point: &Point, core: &[(Measure, &Stated)]) -> Finding {
        let span = core.last().map_or_else(Default::default, |(_, stated)| stated.span);
        let mut finding = Finding::new(Level::Impossible, "whole patients", &point.name, span);
        for (measure, stated) in core {
            finding = finding.number(&measure.name(), stated);
        }
        finding =
            finding.arithmetic(format!("no whole numbers of patients in sample {sample}{} give them", self.size()));
        match self.nearest(point, core) {
            Some(possible) => finding.possible(possible),
            None => finding,
        }
    }

    /// The rows and events, where there is but one choice.
    fn size(&self) -> String {
        match self.pairs {
            [(Some(n), events)] => format!(" ({n} rows, {events} events)"),
            [(None, events)] => format!(" ({events} events)"),
            [(_, first), .., (_, last)] if first != last => format!(" ({first} to {last} events)"),
            _ => String::new(),
        }
    }

    /// The attainable values of the last number nearest to what is stated, given the others.
    fn nearest(&self, point: &Point, core: &[(Measure, &Stated)]) -> Option<String> {
        let ((measure, stated), others) = core.split_last()?;
        let case = Case {
            measures: others.to_vec(),
            threshold: point.threshold.as_ref().map(Stated::share),
            costs: self.costs,
        };
        let (mut below, mut above) = (f64::NEG_INFINITY, f64::INFINITY);
        let mut budget = BUDGET;
        for pair in self.pairs {
            let seen = case.solutions(*pair, &mut budget, |tp, fp, p, m| {
                let wanted = case.false_positives(*measure, stated, tp, p, m).unwrap_or(fp);
                let near = [wanted.lo.floor(), wanted.lo.ceil(), wanted.hi.floor(), wanted.hi.ceil(), fp.lo, fp.hi];
                for at in near.into_iter().filter(|at| at.is_finite()).map(|at| at.clamp(fp.lo, fp.hi)) {
                    let value = case.value(*measure, tp, at, p, m);
                    if value <= stated.value {
                        below = below.max(value);
                    } else if value > stated.value {
                        above = above.min(value);
                    }
                }
            });
            seen.ok()?;
        }
        let values: Vec<String> =
            [below, above].into_iter().filter(|value| value.is_finite()).map(|v| stated.like(v)).collect();
        let given = if others.is_empty() { "" } else { " with the other numbers" };
        (!values.is_empty()).then(|| format!("{} {}{given}", measure.name(), values.join(" or ")))
    }

    fn denominators(&self, sample: &str, parties: &[&Point], all: &[&Point], alone: bool) -> Option<Finding> {
        let first = parties.first().and_then(|point| recall(point))?;
        let subject = format!("sample {sample}");
        let mut finding = Finding::new(Level::Impossible, "denominators", subject, first.1.span);
        for point in parties {
            if let Some((measure, stated)) = recall(point) {
                finding = finding.number_of(&measure.name(), stated, &point.name);
            }
        }
        let shared = if alone {
            "each is a share of the same events, but no number of events fits them all"
        } else {
            "each is a whole number of events over all events"
        };
        finding = finding.arithmetic(format!("{shared}{}", self.size()));
        let shares: Vec<Interval> =
            all.iter().filter_map(|point| recall(point)).map(|(m, stated)| oriented(m, stated)).collect();
        let fits = |events: &u64| shares.iter().all(|share| has_integer(*share, *events));
        Some(match (1..=MOST_EVENTS).find(fits) {
            Some(least) => {
                let next: Vec<String> =
                    (least..=MOST_EVENTS).filter(fits).take(4).map(|events| events.to_string()).collect();
                let more = if next.len() == 4 { " …" } else { "" };
                finding.possible(format!("{}{more} events give all of them", next.join(", ")))
            }
            None => finding.possible("different samples behind the results"),
        })
    }
}

fn recall(point: &Point) -> Option<(Measure, &Stated)> {
    [Measure::Recall, Measure::FalseNegativeRate].into_iter().find_map(|measure| Some((measure, point.get(measure)?)))
}

/// The range of the recall that a stated number gives.
fn oriented(measure: Measure, stated: &Stated) -> Interval {
    if measure == Measure::Recall { stated.share() } else { stated.share().one_minus() }
}

fn has_integer(share: Interval, of: u64) -> bool {
    ceil(share.lo * of as f64) <= floor(share.hi * of as f64)
}

fn share(part: u64, of: u64) -> f64 {
    if of == 0 { 0.0 } else { part as f64 / of as f64 }
}

/// The false positive rate of so many false positives; anything when the rows without event are not known.
fn fpr(fp: Interval, negatives: u64) -> Interval {
    match negatives {
        UNBOUNDED | 0 => Interval::new(0.0, 1.0),
        known => Interval::new(fp.lo / known as f64, fp.hi / known as f64),
    }
}
