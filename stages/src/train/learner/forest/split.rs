//! The best division of a node's rows by one column.
//!
//! Works on a histogram: the sum of outcomes in each bin. Knows nothing of rows or of the tree. Of divisions that
//! explain equally much, the first in the order of bins is taken.

use super::bins::{BinSet, Column, Scale};
use super::target::{Draw, Target, explained, mean};

/// Below this many rows the bins that occur are collected one by one; above, all bins are looked at.
const FEW: usize = 128;

/// Sums by bin of one column over one node's rows, and which bins occur.
pub(super) struct Histogram<T: Target> {
    sums: Box<[T::Sum; 256]>,
    /// Bins with rows, ascending.
    pub occupied: Vec<u8>,
}

/// A division of rows into two.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Division {
    /// Sum of squares explained by the means of both sides.
    pub explained: f64,
    /// The bins that go left, that of missing values among them if they do.
    pub left: BinSet,
}

impl<T: Target> Histogram<T> {
    pub(super) fn new() -> Self {
        Self { sums: Box::new([T::Sum::default(); 256]), occupied: Vec::with_capacity(256) }
    }

    /// Sums the rows of a node by their bins, in their order.
    pub(super) fn fill(&mut self, target: &T, cells: &[u8], draws: &[Draw]) {
        for bin in self.occupied.drain(..) {
            self.sums[usize::from(bin)] = T::Sum::default();
        }
        for &draw in draws {
            target.add(&mut self.sums[usize::from(cells[draw.row as usize])], draw);
        }
        if draws.len() < FEW {
            let mut seen = BinSet::default();
            for draw in draws {
                seen.insert(cells[draw.row as usize]);
            }
            self.occupied.extend(seen.bins());
        } else {
            self.occupied.extend((0..=u8::MAX).filter(|&bin| T::rows(self.sums[usize::from(bin)]) > 0));
        }
    }

    fn sum(&self, bin: u8) -> T::Sum {
        self.sums[usize::from(bin)]
    }

    /// The division by `column` that explains most and leaves `min_leaf` rows on each side; `total` is the sum of all
    /// rows.
    pub(super) fn divide(&self, column: &Column, total: T::Sum, min_leaf: usize) -> Option<Division> {
        let best = Best { total, min_leaf, explained: 0.0, at: None };
        match column.scale {
            Scale::Cuts(_) => self.cut(column.missing(), best),
            Scale::Codes(_) => self.choose(column.missing(), best),
        }
    }

    /// Numbers: all cuts, with missing values on either side, and missing values against all others.
    fn cut(&self, missing: u8, mut best: Best<T>) -> Option<Division> {
        let (bins, gap) = match self.occupied.split_last() {
            Some((&last, rest)) if last == missing => (rest, Some(self.sum(missing))),
            _ => (self.occupied.as_slice(), None),
        };
        let mut below = T::Sum::default();
        for (at, &bin) in bins.iter().enumerate() {
            below = T::join(below, self.sum(bin));
            let last = at + 1 == bins.len();
            if !last || gap.is_some() {
                best.offer(below, (at, false));
            }
            if let (Some(gap), false) = (gap, last) {
                best.offer(T::join(below, gap), (at, true));
            }
        }
        let (at, missing_left) = best.at?;
        let mut left = BinSet::default();
        let mut missing_left = missing_left;
        if at + 1 == bins.len() {
            // Missing values against all others: only they can be sent left without asking for a value.
            missing_left = true;
        } else {
            // The cut lies in the middle of the bins that do not occur.
            let end = u8::midpoint(bins[at], bins[at + 1] - 1);
            (0..=end).for_each(|bin| left.insert(bin));
            if gap.is_none() {
                missing_left = self.rows(&bins[..=at]) >= self.rows(&bins[at + 1..]);
            }
        }
        if missing_left {
            left.insert(missing);
        }
        Some(Division { explained: best.explained, left })
    }

    /// Categories: ordered by their mean outcome, the best division into two sets is a cut of that order (Fisher 1958).
    /// The set that is written down, and which unseen codes are not in, is the side with fewer rows.
    fn choose(&self, missing: u8, mut best: Best<T>) -> Option<Division> {
        let mut order: Vec<(f64, u8)> =
            self.occupied.iter().map(|&bin| (mean::<T>(self.sum(bin)).unwrap_or(0.0), bin)).collect();
        order.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let order: Vec<u8> = order.into_iter().map(|(_, bin)| bin).collect();
        let mut below = T::Sum::default();
        for (at, &bin) in order[..order.len().saturating_sub(1)].iter().enumerate() {
            below = T::join(below, self.sum(bin));
            best.offer(below, (at, false));
        }
        let (low, high) = order.split_at(best.at?.0 + 1);
        // A set of codes cannot be empty, so missing values alone are never the written side.
        let low_smaller = high == [missing] || (low != [missing] && self.rows(low) <= self.rows(high));
        let mut left = BinSet::default();
        (if low_smaller { low } else { high }).iter().for_each(|&bin| left.insert(bin));
        Some(Division { explained: best.explained, left })
    }

    fn rows(&self, bins: &[u8]) -> usize {
        bins.iter().map(|&bin| T::rows(self.sum(bin))).sum()
    }
}

/// The best division so far: after the bin at a position, with missing values left or not.
struct Best<T: Target> {
    total: T::Sum,
    min_leaf: usize,
    explained: f64,
    at: Option<(usize, bool)>,
}

impl<T: Target> Best<T> {
    fn offer(&mut self, left: T::Sum, at: (usize, bool)) {
        let right = T::without(self.total, left);
        if T::rows(left) < self.min_leaf || T::rows(right) < self.min_leaf {
            return;
        }
        let explained = explained::<T>(left) + explained::<T>(right);
        if self.at.is_none() || explained > self.explained {
            (self.explained, self.at) = (explained, Some(at));
        }
    }
}
