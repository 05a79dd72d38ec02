//! Whole patients to test and folds, the outcome kept in proportion.

use std::collections::BTreeMap;

use crate::common::rng::Stream;

/// Rows that must stay together.
#[derive(Debug)]
struct Unit {
    rows: Vec<usize>,
    stratum: usize,
}

/// All rows, grouped into units in order of first appearance.
#[derive(Debug)]
pub(crate) struct Units {
    all: Vec<Unit>,
    rows: usize,
}

impl Units {
    /// Groups rows by patient. A unit has the highest stratum of its rows.
    pub fn new(groups: &[usize], strata: &[usize]) -> Self {
        let mut units: Vec<Unit> = Vec::new();
        let mut places: BTreeMap<usize, usize> = BTreeMap::new();
        for (row, (&group, &stratum)) in groups.iter().zip(strata).enumerate() {
            let place = *places.entry(group).or_insert(units.len());
            if place == units.len() {
                units.push(Unit { rows: Vec::new(), stratum });
            }
            units[place].rows.push(row);
            units[place].stratum = units[place].stratum.max(stratum);
        }
        Self { all: units, rows: groups.len() }
    }

    /// The fold of every row; `None` for a test row.
    ///
    /// Shuffles the units of each stratum; the first become test units until their share of rows is reached, the
    /// others go, largest first, to the fold that has the fewest rows of the stratum, then the fewest of all.
    pub fn assign(&self, test: f64, folds: usize, stream: &mut Stream) -> Vec<Option<usize>> {
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
        fold_of
    }

    /// The fold of every row, without a test part.
    pub fn partition(&self, folds: usize, stream: &mut Stream) -> Vec<usize> {
        self.assign(0.0, folds, stream).into_iter().map(Option::unwrap_or_default).collect()
    }

    /// Units by stratum, the highest (with the event) first.
    fn strata(&self) -> Vec<Vec<usize>> {
        let mut strata: BTreeMap<std::cmp::Reverse<usize>, Vec<usize>> = BTreeMap::new();
        for (index, unit) in self.all.iter().enumerate() {
            strata.entry(std::cmp::Reverse(unit.stratum)).or_default().push(index);
        }
        strata.into_values().collect()
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
