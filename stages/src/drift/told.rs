//! What of a comparison may be told: no count of few rows, and no number from which one follows with the others.
//!
//! The current rows of a window are a group that is described by when or where it was seen, so the rule for such groups
//! holds ([`crate::common::privacy`]); docs/monitoring.md says it for readers. Rows of the reference are counted as its
//! profile has them.
//!
//! Invariants: verdicts come from all counts, before anything is left out; rows with a value and rows without are told
//! together or not at all; distances over bins are functions of the shares told beside them; equal counts give equal
//! documents.

use std::collections::BTreeMap;

use super::compare::{Counted, Gaps, Moved, NewLevels, share};
use super::document::{Bins, Distribution, Missing, Side, Test, Unseen};
use super::judge::Compared;
use crate::common::divergence::{jensen_shannon, psi};
use crate::common::privacy::{Cell, Counts, Privacy, Sum};

/// Fills in what a column's entry tells of its counts.
pub(super) fn column(compared: &mut Compared, privacy: Privacy) {
    let Some(moved) = &compared.moved else { return };
    let gaps = compared.gaps.as_ref().map(|gaps| gaps.now[0]);
    let seen = Seen::new(moved, gaps, compared.unseen.as_ref(), privacy);
    let column = &mut compared.column;
    column.distribution = Some(seen.distribution(moved));
    column.missing = compared.gaps.as_ref().map(|gaps| seen.missing(gaps));
    column.unseen = compared.unseen.as_ref().map(|unseen| seen.unseen(unseen));
}

/// What is told of scores, whose number is that of the scored rows.
pub(super) fn scores(moved: &Moved, privacy: Privacy) -> Distribution {
    Seen::new(moved, None, None, privacy).distribution(moved)
}

/// The counts of a column as they may be seen.
struct Seen {
    privacy: Privacy,
    /// Current rows, with a value and without.
    rows: u64,
    n: Cell,
    gaps: Cell,
    /// Whether the values of the reference, or of the current rows, are those of few.
    few: [bool; 2],
    then: Vec<Cell>,
    now: Vec<Cell>,
    /// New levels that are told by name.
    named: BTreeMap<String, u64>,
    /// Whether one that is common enough is left out, because the others would follow.
    unnamed: bool,
}

impl Seen {
    fn new(moved: &Moved, gaps: Option<u64>, unseen: Option<&NewLevels>, privacy: Privacy) -> Self {
        let (n, hidden) = (moved.current.n, gaps.unwrap_or(0));
        let (with, without) = match privacy.suppress_group(&[n, hidden])[..] {
            [with, without] if gaps.is_some() => (with, without),
            // The number of scored rows is told in any case.
            _ => (Cell::Known(n), Cell::Known(hidden)),
        };
        let few = [moved.reference.n, n].map(|n| privacy.hides(n));
        let then = if few[0] { closed(&moved.reference) } else { privacy.suppress_group(&moved.reference.counts) };
        let (now, names) =
            if few[1] { (closed(&moved.current), BTreeMap::new()) } else { current(&moved.current, unseen, privacy) };
        let common = names.len();
        let named: BTreeMap<String, u64> =
            names.into_iter().filter_map(|(level, cell)| Some((level, cell.known()?))).collect();
        let unnamed = named.len() < common;
        Self { privacy, rows: n + hidden, n: with, gaps: without, few, then, now, named, unnamed }
    }

    /// Whether the number of rows with a value is not told, so that nothing may have it as its divisor.
    fn is_coarse(&self) -> bool {
        self.n.is_suppressed()
    }

    fn distribution(&self, moved: &Moved) -> Distribution {
        let [few_then, few_now] = self.few;
        let few = few_then || few_now;
        let hidden = self.then.iter().chain(&self.now).any(|cell| cell.is_suppressed());
        let told = |value: Option<f64>| value.filter(|_| !few).map(|value| self.digits(value));
        let [psi, jensen_shannon] = if hidden { self.joined(moved) } else { [moved.psi, moved.jensen_shannon] };
        let by_levels = matches!(moved.bins, Bins::Levels(_));
        let test = self.test(&moved.test, few || hidden && by_levels);
        let exact = |cells: &[Cell], n: u64| -> Vec<Option<f64>> {
            cells.iter().map(|cell| cell.known().and_then(|rows| share([rows, n]))).collect()
        };
        let now = exact(&self.now, moved.current.n).into_iter();
        Distribution {
            reference: Side {
                n: Cell::Known(moved.reference.n),
                mean: moved.reference.mean.filter(|_| !few_then),
                sd: moved.reference.sd.filter(|_| !few_then),
                shares: exact(&self.then, moved.reference.n),
            },
            current: Side {
                n: self.n,
                mean: moved.current.mean.filter(|_| !few_now).map(|mean| self.mean(mean, moved.current.sd)),
                sd: moved.current.sd.filter(|_| !few_now).map(|sd| self.digits(sd)),
                shares: now.map(|share| share.map(|share| self.share(share))).collect(),
            },
            bins: moved.bins.clone(),
            ks: told(moved.ks),
            ks_resolution: moved.ks_resolution.filter(|_| !few),
            wasserstein: told(moved.wasserstein),
            psi: told(psi),
            jensen_shannon: told(jensen_shannon),
            test,
            reason: self.reason(moved, hidden),
        }
    }

    fn missing(&self, gaps: &Gaps) -> Missing {
        let hidden = self.gaps.is_suppressed();
        Missing {
            reference: share(gaps.then),
            rows: self.gaps,
            current: share(gaps.now).filter(|_| !hidden),
            test: self.test(&gaps.test, hidden),
            reason: hidden.then(|| self.privacy.reason()),
        }
    }

    fn unseen(&self, unseen: &NewLevels) -> Unseen {
        let last = |cells: &[Cell]| cells.last().copied().unwrap_or(Cell::Suppressed);
        let (then, rows) = (last(&self.then), last(&self.now));
        let hidden = rows.is_suppressed();
        let reason = if hidden || then.is_suppressed() {
            Some(self.privacy.reason())
        } else {
            self.unnamed.then(|| format!("named: {}", self.privacy.reason()))
        };
        Unseen {
            levels: if hidden { Cell::Suppressed } else { Cell::Known(unseen.levels.len() as u64) },
            rows,
            share: rows.known().and_then(|rows| share([rows, unseen.n])).map(|share| self.share(share)),
            reference: (!then.is_suppressed()).then_some(unseen.reference),
            named: self.named.clone(),
            test: self.test(&unseen.test, hidden || then.is_suppressed()),
            reason,
        }
    }

    /// PSI and Jensen–Shannon distance with everything that is left out on either side as one bin.
    fn joined(&self, moved: &Moved) -> [Option<f64>; 2] {
        let hides = |at: usize| self.then[at].is_suppressed() || self.now[at].is_suppressed();
        let join = |counts: &[u64]| {
            let (out, shown): (Vec<_>, Vec<_>) = counts.iter().enumerate().partition(|(at, _)| hides(*at));
            let mut joined: Vec<u64> = shown.into_iter().map(|(_, rows)| *rows).collect();
            joined.push(out.into_iter().map(|(_, rows)| *rows).sum());
            joined
        };
        let (then, now) = (join(&moved.reference.counts), join(&moved.current.counts));
        // One bin that holds everything tells nothing.
        let filled = then.iter().zip(&now).filter(|(then, now)| **then + **now > 0).count();
        if filled < 2 { [None, None] } else { [psi(&then, &now), jensen_shannon(&then, &now)] }
    }

    /// A test, without its p-values where counts behind them are hidden.
    fn test(&self, test: &Test, hidden: bool) -> Test {
        let told = |p: Option<f64>| p.filter(|_| !hidden).map(|p| self.digits(p));
        let reason = if hidden && test.p.is_some() { Some(self.privacy.reason()) } else { test.reason.clone() };
        Test { method: test.method.clone(), p: told(test.p), adjusted: told(test.adjusted), reason }
    }

    fn reason(&self, moved: &Moved, hidden: bool) -> Option<String> {
        let why = self.privacy.reason();
        if moved.reference.n == 0 || moved.current.n == 0 {
            return Some("no row of one side has a value".to_owned());
        }
        if self.few.contains(&true) {
            return Some(format!("rows with a value: {why}"));
        }
        let of_n = self.is_coarse().then(|| format!("n: {why}; the other numbers are told coarsely"));
        let of_shares = hidden.then(|| format!("shares: {why}; in psi and jensen_shannon those left out count as one"));
        let all: Vec<String> = of_n.into_iter().chain(of_shares).collect();
        (!all.is_empty()).then(|| all.join("; "))
    }

    /// A share of rows with a value, in steps that stand for enough rows where their number is hidden.
    fn share(&self, share: f64) -> f64 {
        if !self.is_coarse() {
            return share;
        }
        let unit = self.privacy.unit(self.rows);
        decimal(&format!("{:.5}", (share / unit).round() * unit), share)
    }

    /// Two significant digits, where the number of rows behind the value is hidden.
    fn digits(&self, value: f64) -> f64 {
        if self.is_coarse() { decimal(&format!("{value:.1e}"), value) } else { value }
    }

    /// A mean to the place of the second digit of its standard deviation: a mean of whole numbers to all of its digits
    /// gives their number.
    fn mean(&self, mean: f64, sd: Option<f64>) -> f64 {
        let Some(sd) = sd.filter(|sd| self.is_coarse() && *sd > 0.0) else { return mean };
        let places = (1.0 - libm::floor(libm::log10(sd))).clamp(0.0, 15.0) as usize;
        decimal(&format!("{mean:.places$}"), mean)
    }
}

fn decimal(text: &str, otherwise: f64) -> f64 {
    text.parse().unwrap_or(otherwise)
}

fn closed(side: &Counted) -> Vec<Cell> {
    vec![Cell::Suppressed; side.counts.len()]
}

/// The counts of the current rows, judged together with those of new levels: what is not named of these is the
/// difference between all of them and the named ones.
fn current(side: &Counted, unseen: Option<&NewLevels>, privacy: Privacy) -> (Vec<Cell>, BTreeMap<String, Cell>) {
    let known = side.counts.len();
    let levels = unseen.iter().flat_map(|unseen| &unseen.levels);
    let (rare, common): (Vec<_>, Vec<_>) = levels.partition(|(_, rows)| privacy.hides(**rows));
    let mut counts = side.counts.clone();
    counts.extend(common.iter().map(|(_, rows)| **rows));
    let mut printed = vec![true; counts.len()];
    let mut sums = vec![Sum::published(0..known)];
    let rest: u64 = rare.iter().map(|(_, rows)| **rows).sum();
    if rest > 0 {
        counts.push(rest);
        printed.push(false);
    }
    if counts.len() > known {
        sums.push(Sum::of(known - 1, known..counts.len()));
    }
    let cells = privacy.judge(&Counts { counts: &counts, people: &counts, printed: &printed, sums: &sums });
    let named = common.iter().zip(&cells[known..]).map(|((level, _), cell)| ((*level).clone(), *cell)).collect();
    (cells[..known].to_vec(), named)
}
