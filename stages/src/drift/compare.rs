//! One column, then and now: distances on what was frozen, and tests.
//!
//! Invariants: bins and levels are those of the reference; a p-value is `None` with a reason, never NaN; nothing here
//! decides what counts as drift.

use std::collections::BTreeMap;

use super::document::{Bins, Distribution, Missing, Side, Test, Unseen};
use crate::bundle::{CategoryCounts, NumberSketch};
use crate::common::contingency;
use crate::common::divergence::{jensen_shannon, psi};
use crate::common::privacy::Privacy;
use crate::common::texts::Texts;
use crate::common::two_sample::{KolmogorovSmirnov, Sample, kolmogorov_smirnov, wasserstein};

/// The least expected count of a cell that chi-square is relied on for (Cochran 1954).
const LEAST_EXPECTED: f64 = 5.0;

/// A number as the reference has it.
pub(super) enum NumberReference<'a> {
    /// Frozen in the bundle.
    Sketch(&'a NumberSketch),
    /// Every value of a table, with the bundle's edges or its own.
    Exact(Sample, Vec<f64>),
}

impl NumberReference<'_> {
    fn edges(&self) -> &[f64] {
        match self {
            Self::Sketch(sketch) => &sketch.edges,
            Self::Exact(_, edges) => edges,
        }
    }

    fn resolution(&self) -> f64 {
        match self {
            Self::Sketch(sketch) => sketch.resolution(),
            Self::Exact(..) => 0.0,
        }
    }

    fn moments(&self) -> (Option<f64>, Option<f64>) {
        match self {
            Self::Sketch(sketch) => (sketch.mean, sketch.sd),
            Self::Exact(sample, _) => (sample.mean(), sample.sd()),
        }
    }
}

/// How far a number moved.
pub(super) fn number(reference: &NumberReference, values: &[f64], privacy: Privacy) -> Distribution {
    let current = Sample::new(values);
    let (ends, places, area) = match reference {
        NumberReference::Sketch(sketch) => {
            (&sketch.at_ends(), Some(sketch.upper.as_slice()), sketch.wasserstein(&current))
        }
        NumberReference::Exact(sample, _) => (sample, None, wasserstein(sample, &current)),
    };
    let edges = reference.edges();
    let (then, now) = (ends.binned(edges), current.binned(edges));
    let found = kolmogorov_smirnov(ends, &current, places);
    let (mean, sd) = reference.moments();
    Distribution {
        reference: Side { n: ends.n(), mean, sd, shares: shares(&then, privacy) },
        current: Side { n: current.n(), mean: current.mean(), sd: current.sd(), shares: shares(&now, privacy) },
        bins: Bins::Edges(edges.to_vec()),
        ks: found.map(|found| found.d),
        ks_resolution: found.map(|_| reference.resolution()),
        wasserstein: sd.filter(|sd| *sd > 0.0).and_then(|sd| Some(area? / sd)),
        psi: psi(&then, &now),
        jensen_shannon: jensen_shannon(&then, &now),
        test: found.map_or_else(|| no_test("one side has no values"), of_ks),
    }
}

fn of_ks(found: KolmogorovSmirnov) -> Test {
    let method = if found.exact { "ks-exact" } else { "ks-asymptotic" };
    Test { method: Some(method.to_owned()), p: Some(found.p), ..Test::default() }
}

fn no_test(reason: &str) -> Test {
    Test { reason: Some(reason.to_owned()), ..Test::default() }
}

/// Shares of counts; those that would tell of few are left out.
fn shares(counts: &[u64], privacy: Privacy) -> Vec<Option<f64>> {
    let total: u64 = counts.iter().sum();
    let told = privacy.suppress_group(counts).into_iter();
    told.map(|cell| cell.known().filter(|_| total > 0).map(|count| count as f64 / total as f64)).collect()
}

/// A category, now.
pub(super) struct CurrentLevels<'a> {
    counts: BTreeMap<&'a str, u64>,
    missing: u64,
}

impl<'a> CurrentLevels<'a> {
    pub fn new(texts: &'a Texts) -> Self {
        let mut rows = vec![0_u64; texts.levels().len()];
        texts.codes().flatten().for_each(|code| rows[code] += 1);
        let counts: BTreeMap<&str, u64> =
            texts.levels().iter().map(AsRef::as_ref).zip(rows).filter(|(_, rows)| *rows > 0).collect();
        let n: u64 = counts.values().sum();
        Self { counts, missing: texts.len() as u64 - n }
    }

    pub fn n(&self) -> u64 {
        self.counts.values().sum()
    }

    pub fn missing(&self) -> u64 {
        self.missing
    }

    fn unseen<'b>(&'b self, reference: &'b CategoryCounts) -> impl Iterator<Item = (&'a str, u64)> + 'b {
        let known = |level: &str| reference.counts.contains_key(level);
        self.counts.iter().map(|(level, rows)| (*level, *rows)).filter(move |(level, _)| !known(level))
    }
}

/// How far a category moved; levels that the reference does not name count as one.
pub(super) fn category(reference: &CategoryCounts, current: &CurrentLevels, privacy: Privacy) -> Distribution {
    let levels: Vec<String> = reference.counts.keys().cloned().collect();
    let mut then: Vec<u64> = reference.counts.values().copied().collect();
    let mut now: Vec<u64> =
        levels.iter().map(|level| current.counts.get(level.as_str()).copied().unwrap_or(0)).collect();
    then.push(reference.rare);
    now.push(current.unseen(reference).map(|(_, rows)| rows).sum());
    let side = |counts: &[u64]| Side { n: counts.iter().sum(), shares: shares(counts, privacy), ..Side::default() };
    Distribution {
        reference: side(&then),
        current: side(&now),
        bins: Bins::Levels(levels),
        ks: None,
        ks_resolution: None,
        wasserstein: None,
        psi: psi(&then, &now),
        jensen_shannon: jensen_shannon(&then, &now),
        test: of_counts(then, now),
    }
}

/// Chi-square of two rows of counts. Where fewer than five would be expected in a cell, the rarest are joined until
/// they are enough.
fn of_counts(then: Vec<u64>, now: Vec<u64>) -> Test {
    let mut pairs: Vec<(u64, u64)> = then.into_iter().zip(now).filter(|(a, b)| a + b > 0).collect();
    // The most common first; the stable sort keeps the order of levels among equals.
    pairs.sort_by_key(|(a, b)| std::cmp::Reverse(a + b));
    let levels = pairs.len();
    let rows = |pairs: &[(u64, u64)]| {
        [pairs.iter().map(|pair| pair.0).collect(), pairs.iter().map(|pair| pair.1).collect::<Vec<u64>>()]
    };
    while contingency::smallest_expected(&rows(&pairs)).is_some_and(|least| least < LEAST_EXPECTED) {
        let Some((a, b)) = pairs.pop() else { break };
        let Some(last) = pairs.last_mut() else { break };
        *last = (last.0 + a, last.1 + b);
        pairs.sort_by_key(|(a, b)| std::cmp::Reverse(a + b));
    }
    let joined = levels + 1 - pairs.len();
    match contingency::chi_square(&rows(&pairs)) {
        Some(p) => Test {
            method: Some("chi-square".to_owned()),
            p: Some(p),
            reason: (joined > 1)
                .then(|| format!("the {joined} rarest levels were joined: fewer than 5 rows are expected of each")),
            ..Test::default()
        },
        None if levels < 2 => no_test("there is one level only"),
        None => no_test("fewer than 5 rows are expected of all but one level"),
    }
}

/// The test that two shares are the same: chi-square, or Fisher's where fewer than five are expected in a cell.
fn of_shares([hits_then, n_then]: [u64; 2], [hits_now, n_now]: [u64; 2]) -> Test {
    let table = [[hits_then, n_then - hits_then], [hits_now, n_now - hits_now]];
    let rows = table.map(|row| row.to_vec());
    let (method, p) = match contingency::smallest_expected(&rows) {
        Some(least) if least < LEAST_EXPECTED && n_then + n_now <= 1_000_000 => ("fisher", contingency::fisher(table)),
        _ => ("chi-square", contingency::chi_square(&rows)),
    };
    match p {
        Some(p) => Test { method: Some(method.to_owned()), p: Some(p), ..Test::default() },
        None => no_test("it is the same everywhere"),
    }
}

/// How the share of gaps moved, `[gaps, rows]` of both sides; and by how much, for the rules alone, since it may not be
/// told when few rows have gaps.
pub(super) fn missing(then: [u64; 2], now: [u64; 2], privacy: Privacy) -> (Missing, f64) {
    let share = |[gaps, rows]: [u64; 2]| (rows > 0).then(|| gaps as f64 / rows as f64);
    let rows = privacy.cell(now[0]);
    let change = share(then).zip(share(now)).map_or(0.0, |(then, now)| (now - then).abs());
    let told = share(now).filter(|_| !rows.is_suppressed());
    (Missing { reference: share(then), rows, current: told, test: of_shares(then, now) }, change)
}

/// Levels that the reference does not name, and how much more of them there is; nothing when it has no rows.
pub(super) fn unseen(reference: &CategoryCounts, current: &CurrentLevels, privacy: Privacy) -> Option<(Unseen, f64)> {
    let (n, hits) = (current.n(), current.unseen(reference).map(|(_, rows)| rows).sum::<u64>());
    let rows = privacy.cell(hits);
    let common = current.unseen(reference).filter(|(_, rows)| !privacy.hides(*rows));
    let rare = (reference.n > 0).then(|| reference.rare as f64 / reference.n as f64)?;
    let share = if n > 0 { hits as f64 / n as f64 } else { 0.0 };
    let found = Unseen {
        levels: current.unseen(reference).count() as u64,
        rows,
        share: (n > 0 && !rows.is_suppressed()).then_some(share),
        reference: rare,
        named: common.map(|(level, rows)| (level.to_owned(), rows)).collect(),
        test: of_shares([reference.rare, reference.n], [hits, n]),
    };
    Some((found, (share - rare).max(0.0)))
}
