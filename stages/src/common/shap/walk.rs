//! One pass over a tree's edges per row, with the integrand held at `K` points at once.
//!
//! Going down, the product of the factors of all features on the path is kept at every point; a second edge of the same
//! feature replaces the first one's factor. Going up, the leaves below an edge are summed, and the edge's feature earns
//! (o − z) / factor of that sum; for a second edge, what the first one earns of the same leaves is taken off. So a row
//! costs 4K operations an edge. This is Linear TreeSHAP (Yu et al. 2022) with its polynomials held by value at
//! quadrature points instead of by coefficients.
//!
//! Invariants: sums run in the order of the edges and points; nothing is divided by 0, because an edge that no training
//! row takes (z = 0) has a positive factor when the row takes it, and ends the path otherwise.

use std::fmt::Debug;

use super::outline::{Edge, Outline};
use super::quadrature::Rule;

/// Adds a tree's contributions of row-major rows to `sums`, which has their shape. `outline` is the one it was prepared of.
pub(super) trait Walk: Debug + Send + Sync {
    fn add(&self, outline: &Outline, rows: &[f64], columns: usize, sums: &mut [f64]);
}

/// What a walk needs of every edge, whichever the row.
#[derive(Debug)]
pub(super) struct Prepared<const K: usize> {
    weights: [f64; K],
    states: Vec<[State<K>; 3]>,
}

/// What an edge does when the row passed all of its feature's tests above (or not) and here (or not).
#[derive(Debug, Clone, Copy)]
struct State<const K: usize> {
    /// The factor on the product of the path; for a leaf, times its value.
    carry: [f64; K],
    /// What the feature earns of the sum below; for a leaf, of the product above.
    earn: [f64; K],
}

/// An edge of the present path.
#[derive(Clone, Copy)]
struct Level<'a, const K: usize> {
    product: [f64; K],
    below: [f64; K],
    earn: &'a [f64; K],
    column: usize,
    /// Whether the row passed all tests of this edge's feature down to it.
    open: bool,
}

impl<const K: usize> Prepared<K> {
    pub fn new(outline: &Outline) -> Self {
        let rule = Rule::<K>::new();
        Self { weights: rule.weights, states: outline.edges.iter().map(|edge| states(edge, &rule)).collect() }
    }
}

impl<const K: usize> Walk for Prepared<K> {
    fn add(&self, outline: &Outline, rows: &[f64], columns: usize, sums: &mut [f64]) {
        let nothing = [0.0; K];
        let root = Level { product: self.weights, below: nothing, earn: &nothing, column: 0, open: true };
        let mut levels = vec![root; outline.depth + 1];
        let mut went_left = vec![false; outline.splits.len()];
        for (row, sums) in rows.chunks_exact(columns).zip(sums.chunks_exact_mut(columns)) {
            for (went, split) in went_left.iter_mut().zip(&outline.splits) {
                *went = split.test.sends_left(row[split.column], split.default_left);
            }
            let mut depth = 0;
            for (edge, states) in outline.edges.iter().zip(&self.states) {
                while depth >= edge.depth {
                    close(&mut levels, depth, sums);
                    depth -= 1;
                }
                let was_open = levels[edge.twin].open;
                let open = was_open && went_left[edge.split] == edge.left;
                let state = &states[usize::from(was_open) + usize::from(open)];
                let above = &mut levels[depth];
                if edge.leaf.is_some() {
                    for at in 0..K {
                        above.below[at] += above.product[at] * state.carry[at];
                    }
                    sums[edge.column] += dot(&above.product, &state.earn);
                } else {
                    let product = std::array::from_fn(|at| above.product[at] * state.carry[at]);
                    depth += 1;
                    levels[depth] = Level { product, below: nothing, earn: &state.earn, column: edge.column, open };
                }
            }
            for depth in (1..=depth).rev() {
                close(&mut levels, depth, sums);
            }
        }
    }
}

/// Ends an edge of the path: its feature earns its part of the leaves below, which count for the edge above too.
fn close<const K: usize>(levels: &mut [Level<K>], depth: usize, sums: &mut [f64]) {
    let Level { below, earn, column, .. } = levels[depth];
    for (sum, value) in levels[depth - 1].below.iter_mut().zip(&below) {
        *sum += value;
    }
    sums[column] += dot(&below, earn);
}

/// Σ a · b in a fixed order, in two sums at a time; K is even. By index: this is the innermost loop, and iterators over
/// chunks were not always inlined here.
#[inline]
fn dot<const K: usize>(a: &[f64; K], b: &[f64; K]) -> f64 {
    let mut sums = [0.0; 2];
    for pair in 0..K / 2 {
        sums[0] += a[2 * pair] * b[2 * pair];
        sums[1] += a[2 * pair + 1] * b[2 * pair + 1];
    }
    sums[0] + sums[1]
}

/// The three states of an edge: failed above; passed above and failed here; passed.
fn states<const K: usize>(edge: &Edge, rule: &Rule<K>) -> [State<K>; 3] {
    let (z, before) = (edge.share, edge.twin_share);
    let still_failed = if before > 0.0 { z / before } else { 0.0 };
    let mut states = [State { carry: [still_failed; K], earn: [0.0; K] }; 3];
    for (at, &t) in rule.points.iter().enumerate() {
        let passes = |z: f64| t + z * (1.0 - t);
        let earns = |z: f64| (1.0 - z) / passes(z);
        let above = passes(before);
        states[1].carry[at] = z * (1.0 - t) / above;
        states[1].earn[at] = -1.0 / (1.0 - t) - earns(before);
        states[2].carry[at] = passes(z) / above;
        states[2].earn[at] = earns(z) - earns(before);
    }
    if let Some(value) = edge.leaf {
        for State { carry, earn } in &mut states {
            for (carry, earn) in carry.iter_mut().zip(earn) {
                *carry *= value;
                *earn *= *carry;
            }
        }
    }
    states
}
