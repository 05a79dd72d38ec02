//! How many rows and events a sample can have.

use super::finding::{Finding, Level, Report, shown};
use super::interval::{Interval, ceil, floor};
use super::relations::prevalence_range;
use super::types::{Claims, Sample};

/// More pairs of n and events than this are not gone through one by one.
const MOST_PAIRS: usize = 100_000;

/// Every number of rows and events that a sample can have.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Universe {
    /// All of them: rows and events.
    Pairs(Vec<(u64, u64)>),
    /// The number of rows is not known; so many events are possible.
    Events(Vec<u64>),
    /// More are possible than are gone through.
    TooMany,
    /// What is stated of it contradicts itself.
    Refuted,
    /// There is no bound.
    Unknown,
}

/// The universes of all samples, after a look at whether each can exist.
pub(super) fn universes(claims: &Claims, report: &mut Report) -> Vec<Universe> {
    claims
        .samples
        .iter()
        .map(|sample| {
            let parent = sample.part_of.and_then(|parent| claims.samples.get(parent));
            let refuted = facts(sample, parent, report);
            let universe = if refuted { Universe::Refuted } else { universe(sample, parent) };
            if matches!(&universe, Universe::Pairs(pairs) if pairs.is_empty()) {
                report
                    .push(impossible(sample).arithmetic("no whole numbers of rows and events agree with all of them"));
                return Universe::Refuted;
            }
            universe
        })
        .collect()
}

fn impossible(sample: &Sample) -> Finding {
    let mut finding = Finding::new(Level::Impossible, "sample", format!("sample {}", sample.name), sample.span);
    let numbers =
        [("n", &sample.n), ("events", &sample.events), ("prevalence", &sample.prevalence), ("share", &sample.share)];
    for (name, stated) in numbers {
        if let Some(stated) = stated {
            finding = finding.number(name, stated);
        }
    }
    finding
}

/// Whether what is stated of a sample itself refutes it.
fn facts(sample: &Sample, parent: Option<&Sample>, report: &mut Report) -> bool {
    let before = report.findings.len();
    if let (Some(n), Some(events)) = (&sample.n, &sample.events) {
        if events.value > n.value {
            report.push(impossible(sample).arithmetic("more events than rows"));
        } else if let (Some(prevalence), true) = (&sample.prevalence, n.value > 0.0)
            && prevalence.share().is_apart(Interval::exact(events.value / n.value))
        {
            let share = shown(events.value / n.value);
            let finding = impossible(sample).arithmetic(format!("events / n = {share}"));
            report.push(finding.possible(format!("prevalence {}", prevalence.like(events.value / n.value))));
        }
    }
    if let Some(parent) = parent {
        for (name, part, whole) in [
            ("rows", rows_of(sample), rows_of(parent)),
            ("events", events_of(sample), events_of(parent)),
            ("rows without the event", others_of(sample), others_of(parent)),
        ] {
            if let (Some(part), Some(whole)) = (part, whole)
                && ceil(part.lo) > floor(whole.hi)
            {
                let text = format!("it has more {name} than sample {}, of which it is a part", parent.name);
                let counts = format!("{text}: at least {:.0} of {:.0}", ceil(part.lo), floor(whole.hi));
                report.push(impossible(sample).arithmetic(counts));
            }
        }
        if let (Some(n), Some(share), Some(whole)) = (&sample.n, &sample.share, &parent.n) {
            let range = share.share();
            let allowed = Interval::new(range.lo * whole.value - 1.0, range.hi * whole.value + 1.0);
            if Interval::exact(n.value).is_apart(allowed) {
                let text = format!("{} of {} rows are {:.0}", share.text, whole.text, share.value * whole.value);
                report.push(impossible(sample).arithmetic(text));
            }
        }
    }
    report.findings.len() > before
}

fn rows_of(sample: &Sample) -> Option<Interval> {
    sample.n.as_ref().map(|n| Interval::exact(n.value))
}

/// How many rows with the event the sample's own numbers leave.
fn events_of(sample: &Sample) -> Option<Interval> {
    if let Some(events) = &sample.events {
        return Some(Interval::exact(events.value));
    }
    let (n, share) = (sample.n.as_ref()?.value, sample.prevalence.as_ref()?.share());
    Some(Interval::new(share.lo * n, share.hi * n))
}

/// How many rows without the event they leave.
fn others_of(sample: &Sample) -> Option<Interval> {
    let (n, events) = (sample.n.as_ref()?.value, events_of(sample)?);
    Some(Interval::new(n - events.hi, n - events.lo))
}

fn universe(sample: &Sample, parent: Option<&Sample>) -> Universe {
    let whole = parent.and_then(|parent| parent.n.as_ref()).map(|n| n.value);
    let rows = match (&sample.n, &sample.share, whole) {
        (Some(n), _, _) => Some(Interval::exact(n.value)),
        // Whoever takes a share has to round it, one way or the other.
        (None, Some(share), Some(whole)) => {
            let share = share.share();
            Some(Interval::new((share.lo * whole - 1.0).max(0.0), (share.hi * whole + 1.0).min(whole)))
        }
        (None, _, Some(whole)) => Some(Interval::new(0.0, whole)),
        (None, _, None) => None,
    };
    let events = |n: Option<f64>| possible_events(sample, parent, n);
    let Some(rows) = rows else {
        let Some(range) = events(None) else { return Universe::Unknown };
        let count = range.hi - range.lo;
        return if count < MOST_PAIRS as f64 { Universe::Events(integers(range).collect()) } else { Universe::TooMany };
    };
    let mut pairs = Vec::new();
    for n in integers(rows) {
        let Some(range) = events(Some(n as f64)) else { return Universe::Unknown };
        if range.hi - range.lo + pairs.len() as f64 > MOST_PAIRS as f64 {
            return Universe::TooMany;
        }
        pairs.extend(integers(range).map(|events| (n, events)));
    }
    Universe::Pairs(pairs)
}

/// How many events a sample of `n` rows can have; nothing when there is no bound.
fn possible_events(sample: &Sample, parent: Option<&Sample>, n: Option<f64>) -> Option<Interval> {
    let mut range = Interval::new(0.0, f64::INFINITY);
    if let Some(events) = &sample.events {
        range = Interval::exact(events.value);
    }
    if let Some(n) = n {
        range.hi = range.hi.min(n);
        if let Some(prevalence) = &sample.prevalence {
            let share = prevalence.share();
            range = range.intersect(Interval::new(share.lo * n, share.hi * n));
        }
    }
    if let Some(parent) = parent {
        let all = parent.events.as_ref().map(|events| events.value);
        let share = prevalence_range(parent);
        let all = all.or_else(|| Some(share?.hi * parent.n.as_ref()?.value));
        if let Some(all) = all {
            range.hi = range.hi.min(floor(all));
        }
        if let (Some(others), Some(n)) = (others_of(parent), n) {
            range.lo = range.lo.max(n - floor(others.hi));
        }
        if let (true, Some(share), Some(n)) = (sample.stratified, share, n) {
            range = range.intersect(Interval::new(share.lo * n - 1.0, share.hi * n + 1.0));
        }
    }
    range.hi.is_finite().then_some(range)
}

/// The whole numbers in a range, none when it is empty.
pub(super) fn integers(range: Interval) -> impl Iterator<Item = u64> {
    let (lo, hi) = (ceil(range.lo).max(0.0), floor(range.hi));
    let last = if hi < lo { None } else { Some(hi as u64) };
    let first = lo as u64;
    (first..).take_while(move |value| last.is_some_and(|last| *value <= last))
}
