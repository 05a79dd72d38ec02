//! One column, then and now: distances on what was frozen, and tests.
//!
//! Invariants: bins and levels are those of the reference; a p-value is `None` with a reason, never NaN; every row counts
//! here, so nothing of it is published but by [`super::told`]; nothing here decides what counts as drift.

use std::collections::BTreeMap;

use super::document::{Bins, Test};
use crate::bundle::{CategoryCounts, NumberSketch};
use crate::common::contingency;
use crate::common::divergence::{jensen_shannon, psi};
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

/// One side of a comparison, counted in full.
pub(super) struct Counted {
    /// Rows with a value.
    pub n: u64,
    pub mean: Option<f64>,
    pub sd: Option<f64>,
    /// Rows of each bin or level.
    pub counts: Vec<u64>,
}

/// How far the values of a column, or the scores, moved; the fields as in drift.json.
pub(super) struct Moved {
    pub reference: Counted,
    pub current: Counted,
    pub bins: Bins,
    pub ks: Option<f64>,
    pub ks_resolution: Option<f64>,
    pub wasserstein: Option<f64>,
    pub psi: Option<f64>,
    pub jensen_shannon: Option<f64>,
    pub test: Test,
}

/// How the share of gaps moved: `[gaps, rows]` of both sides.
pub(super) struct Gaps {
    pub then: [u64; 2],
    pub now: [u64; 2],
    pub test: Test,
}

/// Levels that the reference does not name.
pub(super) struct NewLevels {
    /// Rows of each.
    pub levels: BTreeMap<String, u64>,
    /// Rows with any value.
    pub n: u64,
    /// Share of rows with a rare level in the reference.
    pub reference: f64,
    pub test: Test,
}

/// Part of a whole; `None` of nothing.
pub(super) fn share([part, whole]: [u64; 2]) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

impl Gaps {
    /// By how much the share changed.
    pub fn change(&self) -> f64 {
        share(self.then).zip(share(self.now)).map_or(0.0, |(then, now)| (now - then).abs())
    }
}

impl NewLevels {
    /// Rows with any of them.
    pub fn rows(&self) -> u64 {
        self.levels.values().sum()
    }

    /// How much larger their share is than that of rare levels in the reference.
    pub fn change(&self) -> f64 {
        (share([self.rows(), self.n]).unwrap_or(0.0) - self.reference).max(0.0)
    }
}

/// How far a number moved.
pub(super) fn number(reference: &NumberReference, values: &[f64]) -> Moved {
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
    Moved {
        bins: Bins::Edges(edges.to_vec()),
        ks: found.map(|found| found.d),
        ks_resolution: found.map(|_| reference.resolution()),
        wasserstein: sd.filter(|sd| *sd > 0.0).and_then(|sd| Some(area? / sd)),
        psi: psi(&then, &now),
        jensen_shannon: jensen_shannon(&then, &now),
        reference: Counted { n: ends.n(), mean, sd, counts: then },
        current: Counted { n: current.n(), mean: current.mean(), sd: current.sd(), counts: now },
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
pub(super) fn category(reference: &CategoryCounts, current: &CurrentLevels) -> Moved {
    let levels: Vec<String> = reference.counts.keys().cloned().collect();
    let mut then: Vec<u64> = reference.counts.values().copied().collect();
    let mut now: Vec<u64> =
        levels.iter().map(|level| current.counts.get(level.as_str()).copied().unwrap_or(0)).collect();
    then.push(reference.rare);
    now.push(current.unseen(reference).map(|(_, rows)| rows).sum());
    let side = |counts: Vec<u64>| Counted { n: counts.iter().sum(), mean: None, sd: None, counts };
    Moved {
        bins: Bins::Levels(levels),
        ks: None,
        ks_resolution: None,
        wasserstein: None,
        psi: psi(&then, &now),
        jensen_shannon: jensen_shannon(&then, &now),
        test: of_counts(then.clone(), now.clone()),
        reference: side(then),
        current: side(now),
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

/// How the share of gaps moved, `[gaps, rows]` of both sides.
pub(super) fn missing(then: [u64; 2], now: [u64; 2]) -> Gaps {
    Gaps { then, now, test: of_shares(then, now) }
}

/// Levels that the reference does not name; nothing when it has no rows.
pub(super) fn unseen(reference: &CategoryCounts, current: &CurrentLevels) -> Option<NewLevels> {
    let levels: BTreeMap<String, u64> =
        current.unseen(reference).map(|(level, rows)| (level.to_owned(), rows)).collect();
    let (n, hits) = (current.n(), levels.values().sum());
    let test = of_shares([reference.rare, reference.n], [hits, n]);
    Some(NewLevels { levels, n, reference: share([reference.rare, reference.n])?, test })
}
