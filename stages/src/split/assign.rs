//! The assignment itself: units (patients or rows) to test and folds, outcome kept in proportion.

use std::collections::BTreeMap;

use crate::common::rng::Stream;

/// Rows that must stay together.
#[derive(Debug)]
struct Unit {
    rows: Vec<usize>,
    event: bool,
}

/// All rows, grouped into units in order of first appearance.
#[derive(Debug)]
pub(super) struct Units {
    all: Vec<Unit>,
    rows: usize,
    stratified: bool,
}

/// Where each row goes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Assignment {
    /// The fold of a training row; `None` for a test row.
    pub folds: Vec<Option<usize>>,
}

impl Units {
    /// Groups rows by label. A unit has the event when any of its rows has it.
    pub fn new(groups: &[String], events: &[bool], stratified: bool) -> Self {
        let mut units: Vec<Unit> = Vec::new();
        let mut places: BTreeMap<&str, usize> = BTreeMap::new();
        for (row, (group, &event)) in groups.iter().zip(events).enumerate() {
            let place = *places.entry(group).or_insert(units.len());
            if place == units.len() {
                units.push(Unit { rows: Vec::new(), event: false });
            }
            units[place].rows.push(row);
            units[place].event |= event;
        }
        Self { all: units, rows: groups.len(), stratified }
    }

    /// Number of units.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Shuffles the units of each stratum; the first become test units until their share of rows is reached, the
    /// others go, largest first, to the fold that has the fewest rows of the stratum, then the fewest of all.
    pub fn assign(&self, test: f64, folds: usize, seed: u64) -> Assignment {
        let mut stream = Stream::new(seed, "split");
        let mut fold_of = vec![None; self.rows];
        let mut totals = vec![0_usize; folds];
        for stratum in self.strata() {
            let mut order = stratum;
            stream.shuffle(&mut order);
            let rows: usize = order.iter().map(|&unit| self.all[unit].rows.len()).sum();
            let mut wanted = test * rows as f64;
            let mut rest = Vec::new();
            for unit in order {
                let size = self.all[unit].rows.len() as f64;
                // A unit is taken when that comes nearer to the share than leaving it.
                if wanted >= size / 2.0 {
                    wanted -= size;
                } else {
                    rest.push(unit);
                }
            }
            rest.sort_by_key(|&unit| std::cmp::Reverse(self.all[unit].rows.len()));
            self.fold(&rest, &mut totals, &mut fold_of);
        }
        Assignment { folds: fold_of }
    }

    fn strata(&self) -> Vec<Vec<usize>> {
        let all = 0..self.all.len();
        if !self.stratified {
            return vec![all.collect()];
        }
        let (with, without): (Vec<usize>, Vec<usize>) = all.partition(|&unit| self.all[unit].event);
        vec![with, without]
    }

    fn fold(&self, units: &[usize], totals: &mut [usize], fold_of: &mut [Option<usize>]) {
        let mut own = vec![0_usize; totals.len()];
        for &unit in units {
            let fold = (0..totals.len()).min_by_key(|&fold| (own[fold], totals[fold], fold)).unwrap_or(0);
            for &row in &self.all[unit].rows {
                fold_of[row] = Some(fold);
            }
            own[fold] += self.all[unit].rows.len();
            totals[fold] += self.all[unit].rows.len();
        }
    }
}
