//! Many rows through many trees at once: what prediction of whole tables and the counting of covers are made of.
//!
//! A tree of at most 32 leaves is answered without walking it (QuickScorer: Lucchese and others, SIGIR 2015). Each of
//! its tests, when a row fails it, crosses out the leaves on the test's left; whatever the order of the tests, the first
//! leaf that is left is the row's. A block of rows takes two tests at a time in a loop that compiles to vector
//! instructions. Larger trees are walked, sixteen rows in turn, so that their memory accesses overlap.
//!
//! Invariants: a row reaches the leaf that [`Tree::value`] would reach, whatever its values; leaves are added in tree
//! order and the base last, so margins have the bits of [`TreeEnsemble::margin`]. Values are compared as 32-bit floats
//! after rounding them down, which keeps every answer to `value < threshold` because thresholds are 32-bit floats; a
//! tree with another threshold is walked as it is.

use std::ops::Range;

use rayon::prelude::*;

use super::{NodeKind, Test, Tree, TreeEnsemble};
use crate::common::rows::Rows;

/// Rows that are laid out together; their values and a tree stay in the first-level cache.
const BLOCK: usize = 128;
/// Rows that walk a tree in turn.
const LANES: usize = 16;
/// Blocks per task when covers are counted.
const BLOCKS: usize = 64;
/// Fewer rows are sooner walked than the ensemble is prepared.
const FEW: usize = 64;
/// Leaves that a mask has bits for.
const MASK: usize = 32;

/// An ensemble prepared for rows of a given width.
struct Prepared<'a> {
    trees: Vec<Plan<'a>>,
    columns: usize,
}

/// How one tree is answered.
struct Plan<'a> {
    shape: Shape<'a>,
    /// Value of the leaf, by the ordinal that `shape` gives.
    values: Vec<f64>,
    /// Node of the leaf, by the same ordinal.
    nodes: Vec<usize>,
}

enum Shape<'a> {
    Masks(Masks<'a>),
    Steps(Vec<Step<'a>>),
    Plain(&'a Tree),
}

/// The tests of a small tree; ordinals count its leaves from the left.
#[derive(Default)]
struct Masks<'a> {
    /// Thresholds below which a row passes, as it does without a value.
    lenient: Vec<MaskTest<f32>>,
    /// Thresholds below which a row passes; without a value it fails.
    strict: Vec<MaskTest<f32>>,
    sets: Vec<MaskTest<Codes<'a>>>,
}

#[derive(Clone, Copy)]
struct MaskTest<T> {
    column: usize,
    of: T,
    /// The leaves that a row which fails may still reach.
    keep: u32,
}

/// A set of category codes, and whether a missing one counts as a member.
#[derive(Clone, Copy)]
struct Codes<'a> {
    codes: &'a [u32],
    missing: bool,
}

/// A node of a walked tree; ordinals are its nodes. A leaf leads to itself.
#[derive(Clone, Copy)]
struct Step<'a> {
    column: usize,
    threshold: f32,
    missing: bool,
    codes: Option<&'a [u32]>,
    pass: u32,
    fail: u32,
}

/// Up to [`BLOCK`] rows by column, as 32-bit floats; a last column is missing throughout.
struct Block {
    cells: Vec<f32>,
}

impl TreeEnsemble {
    /// The margins of the rows of a row-major matrix; the same bits as [`TreeEnsemble::margin`] of each.
    pub fn margins(&self, values: &[f64], columns: usize) -> Vec<f64> {
        let width = columns.max(1);
        let count = values.len() / width;
        if count < FEW {
            return values.chunks_exact(width).map(|row| self.margin(row)).collect();
        }
        let prepared = Prepared::new(self, columns);
        let mut margins = vec![0.0; count];
        let tasks = margins.par_chunks_mut(BLOCK).zip(values.par_chunks(BLOCK * width));
        tasks.for_each_init(
            || Block::new(columns),
            |block, (sums, rows)| {
                block.fill(rows, columns);
                prepared.visit(block, rows, |tree, ordinals| {
                    let values = &prepared.trees[tree].values;
                    for row in 0..sums.len() {
                        sums[row] += values[ordinals[row] as usize];
                    }
                });
                for sum in sums {
                    *sum += self.base;
                }
            },
        );
        margins
    }

    /// Counts, for every node, the rows that reach it.
    pub fn count_cover(&mut self, x: &dyn Rows) {
        let prepared = Prepared::new(self, x.cols());
        let none = || prepared.trees.iter().map(|plan| vec![0_u64; plan.values.len()]).collect::<Vec<_>>();
        let count = |task: usize| {
            let from = task * BLOCKS * BLOCK;
            prepared.count(x, from..x.rows().min(from + BLOCKS * BLOCK), none())
        };
        let counted = (0..x.rows().div_ceil(BLOCKS * BLOCK)).into_par_iter().map(count);
        let add = |mut a: Vec<Vec<u64>>, b: Vec<Vec<u64>>| {
            a.iter_mut().flatten().zip(b.iter().flatten()).for_each(|(a, b)| *a += b);
            a
        };
        // Integers, so the order of the tasks does not matter.
        let counts = counted.reduce(none, add);
        let nodes: Vec<Vec<usize>> = prepared.trees.into_iter().map(|plan| plan.nodes).collect();
        for ((tree, nodes), counts) in self.trees.iter_mut().zip(nodes).zip(counts) {
            tree.set_cover(&nodes, &counts);
        }
    }
}

impl<'a> Prepared<'a> {
    fn new(ensemble: &'a TreeEnsemble, columns: usize) -> Self {
        Self { trees: ensemble.trees.iter().map(|tree| Plan::new(tree, columns)).collect(), columns }
    }

    /// Calls `found(tree, ordinals of the leaves)` with the leaves that the rows of a block reach.
    fn visit(&self, block: &Block, rows: &[f64], mut found: impl FnMut(usize, &[u32])) {
        let width = self.columns.max(1);
        let count = rows.len() / width;
        let mut ordinals = [0_u32; BLOCK];
        for (index, plan) in self.trees.iter().enumerate() {
            match &plan.shape {
                Shape::Masks(masks) => masks.leaves(block, &mut ordinals),
                Shape::Steps(steps) => {
                    for (group, at) in ordinals.chunks_exact_mut(LANES).take(count.div_ceil(LANES)).enumerate() {
                        walk(steps, block, group * LANES, at);
                    }
                }
                Shape::Plain(tree) => {
                    for (ordinal, row) in ordinals.iter_mut().zip(rows.chunks_exact(width)) {
                        *ordinal = tree.leaf(row) as u32;
                    }
                }
            }
            found(index, &ordinals[..count]);
        }
    }

    fn count(&self, x: &dyn Rows, rows: Range<usize>, mut counts: Vec<Vec<u64>>) -> Vec<Vec<u64>> {
        let mut block = Block::new(self.columns);
        let mut cells = vec![0.0; BLOCK * self.columns.max(1)];
        for from in rows.clone().step_by(BLOCK) {
            let index: Vec<usize> = (from..rows.end.min(from + BLOCK)).collect();
            let cells = &mut cells[..index.len() * self.columns];
            x.read(&index, cells);
            block.fill(cells, self.columns);
            self.visit(&block, cells, |tree, ordinals| {
                let counts = &mut counts[tree];
                for &ordinal in ordinals {
                    counts[ordinal as usize] += 1;
                }
            });
        }
        counts
    }
}

impl<'a> Plan<'a> {
    fn new(tree: &'a Tree, columns: usize) -> Self {
        let value = |node: usize| if let NodeKind::Leaf(value) = tree.nodes[node].kind { value } else { 0.0 };
        let single = tree.nodes.iter().all(|node| match &node.kind {
            NodeKind::Branch { test: Test::Below(threshold), .. } => f64::from(*threshold as f32) == *threshold,
            _ => true,
        });
        let leaves = tree.leaves_from_left();
        let (shape, nodes) = if single && leaves.len() <= MASK {
            (Shape::Masks(Masks::new(tree, &leaves, columns)), leaves)
        } else {
            let all = (0..tree.nodes.len()).collect();
            (if single { Shape::Steps(steps(tree, columns)) } else { Shape::Plain(tree) }, all)
        };
        Self { shape, values: nodes.iter().map(|&node| value(node)).collect(), nodes }
    }
}

impl<'a> Masks<'a> {
    fn new(tree: &'a Tree, leaves: &[usize], columns: usize) -> Self {
        // How many leaves are left of each node's subtree, and how many are in it.
        let mut size = vec![0; tree.nodes.len()];
        for &leaf in leaves {
            size[leaf] = 1;
        }
        for (index, node) in tree.nodes.iter().enumerate().rev() {
            if let NodeKind::Branch { left, right, .. } = node.kind {
                size[index] = size[left as usize] + size[right as usize];
            }
        }
        let mut before = vec![0; tree.nodes.len()];
        let mut masks = Self::default();
        for (index, node) in tree.nodes.iter().enumerate() {
            let NodeKind::Branch { feature, test, left, right, default_left } = &node.kind else { continue };
            let (left, right) = (*left as usize, *right as usize);
            before[left] = before[index];
            before[right] = before[index] + size[left];
            let keep = !(((1_u64 << size[left]) - 1) << before[left]) as u32;
            let column = (*feature as usize).min(columns);
            match test {
                Test::In(codes) => {
                    masks.sets.push(MaskTest { column, of: Codes { codes, missing: *default_left }, keep });
                }
                Test::Below(threshold) => {
                    let tests = if *default_left { &mut masks.lenient } else { &mut masks.strict };
                    tests.push(MaskTest { column, of: *threshold as f32, keep });
                }
            }
        }
        // Tests are taken in pairs; one that crosses nothing out makes their number even.
        for tests in [&mut masks.lenient, &mut masks.strict] {
            if tests.len() % 2 == 1 {
                tests.push(MaskTest { column: columns, of: 0.0, keep: u32::MAX });
            }
        }
        masks
    }

    fn leaves(&self, block: &Block, ordinals: &mut [u32; BLOCK]) {
        *ordinals = [u32::MAX; BLOCK];
        #[expect(clippy::neg_cmp_op_on_partial_ord, reason = "a missing value is neither above nor below, and passes")]
        cross_out(&self.lenient, block, ordinals, |cell, threshold| !(cell >= threshold));
        cross_out(&self.strict, block, ordinals, |cell, threshold| cell < threshold);
        for test in &self.sets {
            let Some(cells) = block.column(test.column) else { continue };
            for (open, &cell) in ordinals.iter_mut().zip(cells) {
                *open &= if test.of.has(cell) { u32::MAX } else { test.keep };
            }
        }
        for ordinal in ordinals {
            *ordinal = ordinal.trailing_zeros();
        }
    }
}

/// Takes pairs of tests. Index loops without branches: they must become vector instructions in every build.
#[expect(clippy::inline_always, reason = "out of line, the comparison given as `passes` is a call per cell")]
#[inline(always)]
fn cross_out(tests: &[MaskTest<f32>], block: &Block, open: &mut [u32; BLOCK], passes: impl Fn(f32, f32) -> bool) {
    for pair in tests.chunks_exact(2) {
        let (a, b) = (pair[0], pair[1]);
        let (Some(x), Some(y)) = (block.column(a.column), block.column(b.column)) else { continue };
        for row in 0..BLOCK {
            let first = a.keep | u32::from(passes(x[row], a.of)).wrapping_neg();
            let second = b.keep | u32::from(passes(y[row], b.of)).wrapping_neg();
            open[row] &= first & second;
        }
    }
}

impl Codes<'_> {
    fn has(&self, cell: f32) -> bool {
        if cell.is_nan() { self.missing } else { cell >= 0.0 && self.codes.binary_search(&(cell as u32)).is_ok() }
    }
}

fn steps(tree: &Tree, columns: usize) -> Vec<Step<'_>> {
    let steps = tree.nodes.iter().enumerate().map(|(index, node)| match &node.kind {
        NodeKind::Leaf(_) => {
            let own = index as u32;
            Step { column: columns, threshold: 0.0, missing: false, codes: None, pass: own, fail: own }
        }
        NodeKind::Branch { feature, test, left, right, default_left } => {
            let (threshold, codes) = match test {
                Test::Below(threshold) => (*threshold as f32, None),
                Test::In(codes) => (0.0, Some(codes.as_slice())),
            };
            let column = (*feature as usize).min(columns);
            Step { column, threshold, missing: *default_left, codes, pass: *left, fail: *right }
        }
    });
    steps.collect()
}

/// Walks a tree with as many rows from `first` on as `at` has places, one step each in turn, until all have arrived.
fn walk(steps: &[Step], block: &Block, first: usize, at: &mut [u32]) {
    at.fill(0);
    loop {
        let mut moved = false;
        for (lane, at) in at.iter_mut().enumerate() {
            let step = &steps[*at as usize];
            let cell = block.cells[step.column * BLOCK + first + lane];
            let passes = match step.codes {
                None => cell < step.threshold || (step.missing && cell.is_nan()),
                Some(codes) => Codes { codes, missing: step.missing }.has(cell),
            };
            let next = if passes { step.pass } else { step.fail };
            moved |= next != *at;
            *at = next;
        }
        if !moved {
            return;
        }
    }
}

impl Block {
    fn new(columns: usize) -> Self {
        Self { cells: vec![f32::NAN; (columns + 1) * BLOCK] }
    }

    fn fill(&mut self, rows: &[f64], columns: usize) {
        for at in 0..rows.len() / columns.max(1) {
            let row = &rows[at * columns..(at + 1) * columns];
            for (column, &value) in row.iter().enumerate() {
                self.cells[column * BLOCK + at] = round_down(value);
            }
        }
    }

    /// The cells of a column; every column that a plan names is there.
    fn column(&self, column: usize) -> Option<&[f32; BLOCK]> {
        self.cells.get(column * BLOCK..)?.first_chunk()
    }
}

/// The largest 32-bit float that is not above the value; a missing value stays missing.
fn round_down(value: f64) -> f32 {
    let single = value as f32;
    if f64::from(single) > value { single.next_down() } else { single }
}

#[cfg(test)]
mod tests {
    use super::super::Node;
    use super::*;
    use crate::common::rows::Slice;
    use proptest::prelude::*;

    /// A tree over three columns, the last of codes, grown by repeatedly splitting a leaf as `picks` say.
    fn tree(picks: &[(usize, u32, f32, bool)]) -> Tree {
        let leaf = |value: usize| NodeKind::Leaf(value as f64 * 0.25);
        let mut nodes = vec![leaf(1)];
        for (count, &(pick, feature, threshold, default_left)) in picks.iter().enumerate() {
            let open = nodes.iter().enumerate().filter(|(_, node)| matches!(node, NodeKind::Leaf(_)));
            let open: Vec<usize> = open.map(|(index, _)| index).collect();
            let test = match feature {
                2 => Test::In((0..8).filter(|code| (pick >> code) & 1 == 1).collect()),
                _ => Test::Below(f64::from(threshold)),
            };
            let left = nodes.len() as u32;
            nodes[open[pick % open.len()]] = NodeKind::Branch { feature, test, left, right: left + 1, default_left };
            nodes.extend([leaf(3 * count + 5), leaf(7 * count + 2)]);
        }
        Tree::new(nodes.into_iter().map(|kind| Node { cover: 0, kind }).collect()).expect("children follow parents")
    }

    fn cell() -> impl Strategy<Value = f64> {
        let special = vec![f64::NAN, 0.0, -0.0, f64::INFINITY, f64::NEG_INFINITY, 1e300, 5e-324, 0.1, 2.0, 7.9];
        prop_oneof![proptest::sample::select(special), -3.0..9.0_f64, (-24..72_i32).prop_map(|x| f64::from(x) / 8.0)]
    }

    fn picks(most: usize) -> impl Strategy<Value = Vec<(usize, u32, f32, bool)>> {
        let threshold = (-24..72_i32).prop_map(|x| x as f32 / 8.0);
        proptest::collection::vec((0..10_000_usize, 0..4_u32, threshold, any::<bool>()), 0..most)
    }

    proptest! {
        #[test]
        fn batches_give_the_bits_of_single_rows(
            small in picks(31),
            large in picks(90),
            cells in proptest::collection::vec(cell(), 0..420),
        ) {
            let odd = Tree::new(vec![
                Node { cover: 0, kind: NodeKind::Branch {
                    feature: 0, test: Test::Below(0.1), left: 1, right: 2, default_left: true,
                } },
                Node { cover: 0, kind: NodeKind::Leaf(0.1) },
                Node { cover: 0, kind: NodeKind::Leaf(0.7) },
            ]).expect("a tree");
            let mut ensemble = TreeEnsemble { base: 0.3, trees: vec![tree(&small), tree(&large), odd] };
            let rows = cells.chunks_exact(3);
            let margins = ensemble.margins(&cells[..cells.len() / 3 * 3], 3);
            prop_assert_eq!(margins.len(), rows.len());
            for (row, margin) in rows.clone().zip(margins) {
                prop_assert_eq!(ensemble.margin(row).to_bits(), margin.to_bits(), "{:?}", row);
            }
            ensemble.count_cover(&Slice::new(&cells[..cells.len() / 3 * 3], cells.len() / 3, 3));
            for tree in &ensemble.trees {
                prop_assert_eq!(tree.nodes()[0].cover, rows.len() as u64);
                for (index, node) in tree.nodes().iter().enumerate() {
                    let passed = rows.clone().filter(|row| tree.path(row).contains(&index)).count();
                    prop_assert_eq!(node.cover, passed as u64);
                }
            }
        }
    }

    #[test]
    fn both_ways_of_answering_are_tried() {
        let shape = |splits: usize| {
            let picks: Vec<_> = (0..splits).map(|split| (split, 0, split as f32, true)).collect();
            matches!(Plan::new(&tree(&picks), 3).shape, Shape::Masks(_))
        };
        assert!(shape(0) && shape(31) && !shape(32));
    }
}
