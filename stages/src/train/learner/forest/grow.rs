//! Grows one tree on a bootstrap sample, depth first, from a random stream of its own.
//!
//! A node's rows are a range of one list that is divided in place and keeps the order of rows. Rows the bootstrap left
//! out travel along without a say, so that a node's cover counts every training row that reaches it. Few columns are
//! tried at each node and others at its children, which is why no histogram is derived from a parent's.

use std::ops::Range;

use super::bins::{BinSet, Bins};
use super::split::{Division, Histogram};
use super::target::{Draw, Target, explained, mean};
use crate::common::rng::Stream;
use crate::common::tree::{Node, NodeKind, Tree, TreeError};

/// What a division must explain beyond its parent, relative to that: less is rounding.
const LEAST_GAIN: f64 = 1e-12;

/// When a tree stops growing and how it looks for divisions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Greatest number of divisions on a path.
    pub depth: u16,
    /// Fewest drawn rows in a leaf, repetitions not counted.
    pub min_leaf: usize,
    /// Columns tried at each node; a column of one value among its rows does not count.
    pub features: usize,
}

/// Grows a tree whose leaves are mean outcomes.
pub(super) fn grow<T: Target>(bins: &Bins, target: &T, limits: Limits, mut stream: Stream) -> Result<Tree, TreeError> {
    let (draws, bag) = bootstrap(bins.rows, target, &mut stream);
    grow_from(bins, target, limits, stream, draws, bag)
}

/// Grows a tree on the first `bag` rows of a list; the others only count for covers.
pub(super) fn grow_from<T: Target>(
    bins: &Bins,
    target: &T,
    limits: Limits,
    stream: Stream,
    draws: Vec<Draw>,
    bag: usize,
) -> Result<Tree, TreeError> {
    let mut sum = T::Sum::default();
    draws[..bag].iter().for_each(|&draw| target.add(&mut sum, draw));
    let root = Part {
        node: 0,
        bag: 0..bag,
        rest: bag..draws.len(),
        sum,
        mean: mean::<T>(sum).unwrap_or(0.0),
        depth: 0,
        constant: 0,
    };
    let grower = Grower {
        bins,
        target,
        limits,
        stream,
        spare: vec![Draw::default(); draws.len()],
        columns: (0..bins.columns.len() as u32).collect(),
        histogram: Histogram::new(),
        nodes: Vec::new(),
        draws,
    };
    grower.grow(root)
}

/// As many draws with replacement as there are rows: the rows drawn, how many they are, and the rows left out.
fn bootstrap<T: Target>(rows: usize, target: &T, stream: &mut Stream) -> (Vec<Draw>, usize) {
    let mut times = vec![0_u16; rows];
    for _ in 0..rows {
        let row = index(stream, rows);
        times[row] = times[row].saturating_add(1);
    }
    let drawn = |row: &usize| times[*row] > 0;
    let mut draws = Vec::with_capacity(rows);
    draws.extend((0..rows).filter(drawn).map(|row| target.draw(row, times[row])));
    let bag = draws.len();
    draws.extend((0..rows).filter(|row| !drawn(row)).map(|row| target.draw(row, 0)));
    (draws, bag)
}

/// Uniform in {0, …, n − 1} but for a bias of n / 2⁶⁴.
fn index(stream: &mut Stream, n: usize) -> usize {
    ((u128::from(stream.bits()) * n as u128) >> 64) as usize
}

struct Grower<'a, T: Target> {
    bins: &'a Bins,
    target: &'a T,
    limits: Limits,
    stream: Stream,
    draws: Vec<Draw>,
    /// Room for dividing `draws`.
    spare: Vec<Draw>,
    /// All columns, those a node knows to be constant first.
    columns: Vec<u32>,
    histogram: Histogram<T>,
    nodes: Vec<Node>,
}

/// A node that has its rows but no children yet.
struct Part<T: Target> {
    node: usize,
    /// Its drawn rows, as a range of the list.
    bag: Range<usize>,
    /// Its rows that were not drawn.
    rest: Range<usize>,
    sum: T::Sum,
    /// Its mean outcome.
    mean: f64,
    depth: u16,
    /// How many of the grower's columns, from the first, have one value among its drawn rows.
    constant: usize,
}

impl<T: Target> Grower<'_, T> {
    fn grow(mut self, root: Part<T>) -> Result<Tree, TreeError> {
        self.nodes.push(self.leaf(&root));
        let mut open = vec![root];
        while let Some(mut part) = open.pop() {
            if let Some((column, division)) = self.search(&mut part) {
                let [left, right] = self.divide(&part, column, division);
                open.extend([right, left]);
            }
        }
        Tree::new(self.nodes)
    }

    /// The best division of a node by columns drawn at random; none when it shall be a leaf.
    ///
    /// Columns found constant are moved behind those known before. Nodes are taken depth first, so what stands before
    /// `part.constant` is untouched until the last node below `part` is done.
    fn search(&mut self, part: &mut Part<T>) -> Option<(usize, Division)> {
        let (depth, rows) = (part.depth, T::rows(part.sum));
        if depth >= self.limits.depth || rows / 2 < self.limits.min_leaf || self.target.pure(part.sum) {
            return None;
        }
        let (mut tried, mut open) = (0, self.columns.len());
        let mut best: Option<(usize, Division)> = None;
        while tried < self.limits.features && part.constant < open {
            let pick = part.constant + index(&mut self.stream, open - part.constant);
            let at = self.columns[pick] as usize;
            let column = &self.bins.columns[at];
            self.histogram.fill(self.target, &column.cells, &self.draws[part.bag.clone()]);
            if self.histogram.occupied.len() < 2 {
                self.columns.swap(pick, part.constant);
                part.constant += 1;
                continue;
            }
            open -= 1;
            self.columns.swap(pick, open);
            tried += 1;
            if let Some(found) = self.histogram.divide(column, part.sum, self.limits.min_leaf)
                && best.is_none_or(|(_, best)| found.explained > best.explained)
            {
                best = Some((at, found));
            }
        }
        let before = explained::<T>(part.sum);
        best.filter(|(_, best)| best.explained > before * (1.0 + LEAST_GAIN))
    }

    /// Turns a node into a branch and returns its children.
    fn divide(&mut self, part: &Part<T>, at: usize, division: Division) -> [Part<T>; 2] {
        let column = &self.bins.columns[at];
        let bag =
            part.bag.start + split(&mut self.draws[part.bag.clone()], &mut self.spare, &column.cells, division.left);
        let rest =
            part.rest.start + split(&mut self.draws[part.rest.clone()], &mut self.spare, &column.cells, division.left);
        let sum = |range: Range<usize>| {
            let mut sum = T::Sum::default();
            self.draws[range].iter().for_each(|&draw| self.target.add(&mut sum, draw));
            sum
        };
        let sums = [sum(part.bag.start..bag), sum(bag..part.bag.end)];
        let first = self.nodes.len();
        let child = |node, bag, rest, sum| Part {
            node,
            bag,
            rest,
            sum,
            mean: mean::<T>(sum).unwrap_or(part.mean),
            depth: part.depth + 1,
            constant: part.constant,
        };
        let left = child(first, part.bag.start..bag, part.rest.start..rest, sums[0]);
        let right = child(first + 1, bag..part.bag.end, rest..part.rest.end, sums[1]);
        let leaves = [self.leaf(&left), self.leaf(&right)];
        self.nodes.extend(leaves);
        self.nodes[part.node].kind = NodeKind::Branch {
            feature: at as u32,
            test: column.test(division.left),
            left: first as u32,
            right: first as u32 + 1,
            default_left: division.left.holds(column.missing()),
        };
        [left, right]
    }

    fn leaf(&self, part: &Part<T>) -> Node {
        let cover = (part.bag.len() + part.rest.len()) as u64;
        Node { cover, kind: NodeKind::Leaf(self.target.value(part.mean)) }
    }
}

/// Puts the rows whose bin goes left before the others, each side in its order; returns how many they are.
fn split(draws: &mut [Draw], spare: &mut [Draw], cells: &[u8], left: BinSet) -> usize {
    let goes_left: [bool; 256] = std::array::from_fn(|bin| left.holds(bin as u8));
    let (mut kept, mut moved) = (0, 0);
    for at in 0..draws.len() {
        let draw = draws[at];
        let stays = goes_left[usize::from(cells[draw.row as usize])];
        // Both are written and one of them counts: no branch to mispredict.
        draws[kept] = draw;
        spare[moved] = draw;
        kept += usize::from(stays);
        moved += usize::from(!stays);
    }
    draws[kept..].copy_from_slice(&spare[..moved]);
    kept
}
