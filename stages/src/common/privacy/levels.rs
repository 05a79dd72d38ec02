//! Which counts of a column's levels are published: rows, events, flagged rows and the confusion matrix of each.
//!
//! Readers know the counts of all rows from metrics.json, and that events and non-events, flagged and unflagged rows
//! add up. So rows, events, non-events, flagged and unflagged rows of every level are judged together, those that are
//! not printed as well. Of a level whose events and flagged rows are told, one cell of the confusion matrix gives the
//! other three: when one is small all four are suppressed, and since their sums over the levels are known, so are those of
//! a second level. That a level has events and alerts can then be told although its few missed events cannot.

use serde::{Deserialize, Serialize};

use super::{Cell, Counts, Privacy, Sum};

const N: usize = 0;
const EVENTS: usize = 1;
const OTHERS: usize = 2;
const FLAGGED: usize = 3;
const UNFLAGGED: usize = 4;
const TP: usize = 5;
const FP: usize = 6;
const FN: usize = 7;
const TN: usize = 8;
const KINDS: usize = 9;

/// What is what sum of what, within a level.
const WITHIN: [(usize, [usize; 2]); 2] = [(N, [EVENTS, OTHERS]), (N, [FLAGGED, UNFLAGGED])];
/// The first kinds, which are margins; the others are the cells of the confusion matrix.
const MARGINS: usize = TP;

/// The confusion matrix at the threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecisionCells {
    /// Flagged, with the event.
    pub tp: Cell,
    /// Flagged, without the event.
    pub fp: Cell,
    /// Not flagged, with the event.
    #[serde(rename = "fn")]
    pub missed: Cell,
    /// Not flagged, without the event.
    pub tn: Cell,
}

/// The rows of a level, and whether more than their number is to be printed.
#[derive(Debug, Clone, Copy)]
pub struct LevelRows<'a> {
    /// Places of its rows.
    pub rows: &'a [usize],
    /// Whether events and decisions are printed, as far as they may be.
    pub printed: bool,
}

/// Outcomes and decisions of all rows.
#[derive(Debug, Clone, Copy)]
pub struct Decided<'a> {
    /// Whether each row has the event.
    pub y: &'a [bool],
    /// Whether each row is flagged.
    pub flagged: &'a [bool],
}

/// The published counts of a level. Where the outcome is a number only `n` and `patients` mean anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LevelCells {
    cells: [Cell; KINDS],
    /// Patients.
    pub patients: Cell,
    /// Patients, published or not.
    pub people: u64,
}

impl LevelCells {
    /// Rows.
    pub fn n(&self) -> Cell {
        self.cells[N]
    }

    /// Rows with the event.
    pub fn events(&self) -> Cell {
        self.cells[EVENTS]
    }

    /// The confusion matrix.
    pub fn decisions(&self) -> DecisionCells {
        DecisionCells { tp: self.cells[TP], fp: self.cells[FP], missed: self.cells[FN], tn: self.cells[TN] }
    }

    /// Whether all that is printed of a level may be known.
    pub fn is_open(&self) -> bool {
        let Shown { events, sensitivity, false_positive_rate, ppv, flagged } = self.shows();
        events && sensitivity && false_positive_rate && ppv && flagged
    }

    /// Whether every count behind the events, sensitivity, false-positive rate, PPV and flagged rows may be known.
    pub fn shows(&self) -> Shown {
        let all = |kinds: &[usize]| kinds.iter().all(|&kind| !self.cells[kind].is_suppressed());
        Shown {
            events: all(&[EVENTS, N]),
            sensitivity: all(&[TP, EVENTS]),
            false_positive_rate: all(&[FP, EVENTS, N]),
            ppv: all(&[TP, FP]),
            flagged: all(&[FLAGGED, N]),
        }
    }
}

/// Which rates may be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown {
    /// Events and O:E, AUROC and fits.
    pub events: bool,
    /// Flagged events among events.
    pub sensitivity: bool,
    /// Flagged non-events among non-events.
    pub false_positive_rate: bool,
    /// Events among flagged rows.
    pub ppv: bool,
    /// Flagged rows among all.
    pub flagged: bool,
}

/// Judges the levels of one column together, whose totals over all levels are taken to be known. `patient` numbers the
/// patient of each row; without `decided` the outcome is a number and only rows are counted.
pub fn publish(privacy: Privacy, levels: &[LevelRows], decided: Option<Decided>, patient: &[usize]) -> Vec<LevelCells> {
    let kinds = if decided.is_some() { MARGINS } else { 1 };
    let (mut counts, mut people, mut printed) = (Vec::new(), Vec::new(), Vec::new());
    for level in levels {
        for kind in 0..kinds {
            let rows = of_kind(level, decided, kind);
            counts.push(rows.len() as u64);
            people.push(distinct(&rows, patient));
            printed.push(kind == N || level.printed && kind != OTHERS && kind != UNFLAGGED);
        }
    }
    let down = (0..kinds).map(|kind| Sum::published((0..levels.len()).map(move |level| level * kinds + kind)));
    let inside = (0..levels.len()).flat_map(|level| {
        let within = if kinds == MARGINS { &WITHIN[..] } else { &[] };
        within.iter().map(move |(total, parts)| Sum::of(level * kinds + total, parts.map(|part| level * kinds + part)))
    });
    let sums: Vec<Sum> = down.chain(inside).collect();
    let margins = privacy.judge(&Counts { counts: &counts, people: &people, printed: &printed, sums: &sums });
    let matrices = matrices(privacy, levels, decided, patient, &margins);
    let level = |((cells, people), matrix): ((&[Cell], &[u64]), [Cell; 4])| {
        let mut own = [Cell::Suppressed; KINDS];
        own[..kinds].copy_from_slice(cells);
        own[MARGINS..].copy_from_slice(&matrix);
        let people = people[N];
        // Patients who return are in several levels, so their numbers add up to nothing that is known.
        let patients = if own[N].is_suppressed() { Cell::Suppressed } else { privacy.cell(people) };
        LevelCells { cells: own, patients, people }
    };
    margins.chunks(kinds).zip(people.chunks(kinds)).zip(matrices).map(level).collect()
}

/// The confusion matrix of each level, told as a whole or not at all.
fn matrices(
    privacy: Privacy,
    levels: &[LevelRows],
    decided: Option<Decided>,
    patient: &[usize],
    margins: &[Cell],
) -> Vec<[Cell; 4]> {
    if decided.is_none() {
        return vec![[Cell::Suppressed; 4]; levels.len()];
    }
    let cells: Vec<[Vec<usize>; 4]> =
        levels.iter().map(|level| [TP, FP, FN, TN].map(|kind| of_kind(level, decided, kind))).collect();
    let small = |cells: &[Vec<usize>; 4]| cells.iter().any(|rows| privacy.hides(distinct(rows, patient)));
    // What is printed of a level gives its matrix away, so a matrix is no better hidden than its margins.
    let told = |level: usize| {
        let own = &margins[MARGINS * level..MARGINS * (level + 1)];
        levels[level].printed && [N, EVENTS, FLAGGED].iter().all(|&kind| !own[kind].is_suppressed())
    };
    let empty = |level: usize| levels[level].rows.is_empty();
    let mut open: Vec<bool> = (0..levels.len()).map(|level| told(level) && !small(&cells[level])).collect();
    let hidden = (0..levels.len()).filter(|&level| !open[level] && !empty(level)).count();
    if hidden == 1 {
        // The others and the known totals would give it.
        let least = (0..levels.len()).filter(|&level| open[level] && !empty(level));
        if let Some(second) = least.min_by_key(|&level| (levels[level].rows.len(), level)) {
            open[second] = false;
        }
    }
    let cell = |rows: &Vec<usize>| Cell::Known(rows.len() as u64);
    let shown = |level: usize| cells[level].each_ref().map(cell);
    (0..levels.len()).map(|level| if open[level] { shown(level) } else { [Cell::Suppressed; 4] }).collect()
}

/// The rows of a level that a kind counts.
fn of_kind(level: &LevelRows, decided: Option<Decided>, kind: usize) -> Vec<usize> {
    level.rows.iter().copied().filter(|&row| is(decided, kind, row)).collect()
}

/// Whether a row is counted by a kind.
fn is(decided: Option<Decided>, kind: usize, row: usize) -> bool {
    let Some(Decided { y, flagged }) = decided else { return true };
    match kind {
        EVENTS => y[row],
        OTHERS => !y[row],
        FLAGGED => flagged[row],
        UNFLAGGED => !flagged[row],
        TP => flagged[row] && y[row],
        FP => flagged[row] && !y[row],
        FN => !flagged[row] && y[row],
        TN => !flagged[row] && !y[row],
        _ => true,
    }
}

/// How many patients rows belong to.
pub fn distinct(rows: &[usize], patient: &[usize]) -> u64 {
    let mut found: Vec<usize> = rows.iter().map(|&row| patient[row]).collect();
    found.sort_unstable();
    found.dedup();
    found.len() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A level of each (tp, fp, fn, tn).
    fn cells(levels: &[[usize; 4]]) -> Vec<LevelCells> {
        let (mut y, mut flagged, mut parts) = (Vec::new(), Vec::new(), Vec::new());
        for counts in levels {
            let start = y.len();
            for (kind, &count) in counts.iter().enumerate() {
                y.extend(vec![kind == 0 || kind == 2; count]);
                flagged.extend(vec![kind < 2; count]);
            }
            parts.push((start..y.len()).collect::<Vec<usize>>());
        }
        let patient: Vec<usize> = (0..y.len()).collect();
        let parts: Vec<LevelRows> = parts.iter().map(|rows| LevelRows { rows, printed: true }).collect();
        publish(Privacy::default(), &parts, Some(Decided { y: &y, flagged: &flagged }), &patient)
    }

    fn known(cells: &LevelCells) -> [Option<u64>; 4] {
        let DecisionCells { tp, fp, missed, tn } = cells.decisions();
        [tp, fp, missed, tn].map(Cell::known)
    }

    #[test]
    fn large_counts_are_all_shown() {
        let levels = cells(&[[30, 20, 40, 90], [50, 60, 70, 80]]);
        assert_eq!(known(&levels[0]), [30, 20, 40, 90].map(Some));
        assert_eq!((levels[1].n(), levels[1].events()), (Cell::Known(260), Cell::Known(120)));
    }

    #[test]
    fn a_small_cell_takes_a_rectangle_across_levels() {
        let levels = cells(&[[3, 20, 40, 90], [50, 60, 70, 80], [100, 110, 120, 130]]);
        assert_eq!(known(&levels[0])[0], None);
        // The total over levels and the events of the level are both known.
        for level in &levels[..2] {
            let hidden = known(level).iter().filter(|count| count.is_none()).count();
            assert!(hidden >= 2 || level.n().is_suppressed() || level.events().is_suppressed(), "{level:?}");
        }
        assert!(!levels[0].shows().sensitivity);
    }

    #[test]
    fn non_events_that_nobody_prints_count_as_well() {
        // 5 non-events: n − events would tell.
        let levels = cells(&[[40, 5, 40, 0], [50, 60, 70, 80], [90, 91, 92, 93]]);
        assert!(levels[0].n().is_suppressed() || levels[0].events().is_suppressed(), "{levels:?}");
        assert!(!levels[0].shows().false_positive_rate);
    }

    #[test]
    fn numbers_have_rows_only() {
        let parts = [vec![0, 1, 2], (3..40).collect()];
        let parts: Vec<LevelRows> = parts.iter().map(|rows| LevelRows { rows, printed: true }).collect();
        let levels = publish(Privacy::default(), &parts, None, &(0..40).collect::<Vec<_>>());
        assert!(levels.iter().all(|level| level.n().is_suppressed() && level.patients.is_suppressed()));
    }
}
