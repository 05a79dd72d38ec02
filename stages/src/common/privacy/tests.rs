use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const TEN: Privacy = Privacy { min_cell: 10, decisions: DecisionsTold::Ranges };

fn shown(cells: &[Cell]) -> Vec<Option<u64>> {
    cells.iter().map(|cell| cell.known()).collect()
}

#[test]
fn small_counts_go_and_zero_and_large_ones_stay() {
    assert_eq!([0, 1, 9, 10].map(|count| TEN.cell(count).known()), [Some(0), None, None, Some(10)]);
    for off in [0, 1] {
        assert_eq!(Privacy { min_cell: off, ..TEN }.suppress_group(&[1, 2, 0]), [1, 2, 0].map(Cell::Known));
    }
    assert!(TEN.reason().starts_with("fewer than 10"));
}

#[test]
fn one_small_count_takes_its_smallest_neighbour_along() {
    assert_eq!(shown(&TEN.suppress_group(&[3, 500, 40, 0])), [None, Some(500), None, Some(0)]);
    // Two that come to 5 would together be a small count.
    assert_eq!(shown(&TEN.suppress_group(&[2, 3, 500, 40])), [None, None, Some(500), None]);
    // Nothing but a zero to hide behind.
    assert_eq!(shown(&TEN.suppress_group(&[4, 0])), [None, None]);
    assert_eq!(shown(&TEN.suppress_group(&[4])), [None]);
}

#[test]
fn a_total_that_is_hidden_itself_hides_its_parts() {
    // n = events + others, and no one knows n.
    let cells = TEN.suppress(&[12, 7, 5], &[Sum::of(0, [1, 2])]);
    assert_eq!(shown(&cells), [Some(12), None, None]);
    let cells = TEN.suppress(&[6, 6, 0], &[Sum::of(0, [1, 2])]);
    assert_eq!(shown(&cells), [None, None, Some(0)]);
}

#[test]
fn many_rows_of_few_patients_are_few() {
    let cells = TEN.suppress_rows(&[40, 60, 90], &[4, 30, 50], &[Sum::published(0..3)]);
    assert_eq!(shown(&cells), [None, None, Some(90)]);
}

#[test]
fn what_is_not_printed_anyway_is_company_enough() {
    // n = events + others, and others are never printed: n may stay.
    let (counts, sums) = ([60, 6, 54, 90, 30, 60], [Sum::of(0, [1, 2]), Sum::of(3, [4, 5]), Sum::published([0, 3])]);
    let events = Sum::published([1, 4]);
    let sums = [&sums[..], &[events]].concat();
    let printed = [true, true, false, true, true, false];
    let cells = TEN.judge(&Counts { counts: &counts, people: &counts, printed: &printed, sums: &sums });
    assert_eq!(shown(&cells), [Some(60), None, None, Some(90), None, None]);
}

#[test]
fn a_total_that_is_small_and_known_does_not_hide_the_rest() {
    assert_eq!(shown(&TEN.suppress_group(&[5, 3, 0, 0])), [None, None, Some(0), Some(0)]);
    let cells = TEN.suppress_table(&[vec![5, 300, 900], vec![3, 400, 800]]);
    assert!(cells.iter().any(|row| row.iter().any(|cell| !cell.is_suppressed())), "{cells:?}");
}

#[test]
fn a_table_hides_a_rectangle() {
    let cells = TEN.suppress_table(&[vec![3, 50, 70], vec![60, 80, 90], vec![20, 30, 40]]);
    let hidden: Vec<usize> = (0..9).filter(|&at| cells[at / 3][at % 3].is_suppressed()).collect();
    assert_eq!(hidden, [0, 1, 6, 7], "{cells:?}");
}

#[test]
fn a_count_squeezed_by_bounds_is_not_published_as_hidden() {
    // Equations leave all four open, but no count is negative: 100 + 9 = 109 leaves the 9 only 9 or 10.
    let rows = [vec![100, 0, 50], vec![9, 1, 60], vec![70, 80, 90]];
    let cells = TEN.suppress_table(&rows);
    let counts: Vec<u64> = rows.iter().flatten().copied().collect();
    let state: Vec<State> =
        cells.iter().flatten().map(|cell| if cell.is_suppressed() { State::Hidden } else { State::Shown }).collect();
    let margins = (0..3).flat_map(|at| {
        [Sum::published((0..3).map(move |other| 3 * at + other)), Sum::published((0..3).map(move |o| 3 * o + at))]
    });
    let margins: Vec<Sum> = margins.collect();
    let all = Counts { counts: &counts, people: &counts, printed: &[true; 9], sums: &margins };
    let exposed = attack::exposed(&all, &state, 10);
    assert_eq!(exposed, [0_usize; 0], "{cells:?}");
}

#[test]
fn neighbours_are_joined_until_no_class_is_small() {
    let pieces = [[50, 0], [40, 3], [30, 8], [20, 4], [10, 30], [3, 12]];
    let people =
        |range: Range<usize>| pieces[range].iter().fold([0, 0], |sum, piece| [sum[0] + piece[0], sum[1] + piece[1]]);
    assert_eq!(TEN.joined(6, people), [0..1, 1..3, 3..6]);
    assert_eq!(TEN.joined(2, |range| [range.len() as u64, 0]), std::iter::once(0..2).collect::<Vec<_>>());
    assert_eq!(Privacy { min_cell: 0, ..TEN }.joined(6, people).len(), 6);
}

#[test]
fn an_auroc_to_two_digits_fits_every_number_of_events() {
    let coarse = TEN.coarse(Estimate::new(0.714_285_7, (0.655_1, 0.773), "delong"));
    assert_eq!((coarse.value, coarse.low, coarse.high), (Some(0.71), Some(0.66), Some(0.77)));
    assert!(coarse.reason.is_some());
    let rare = Estimate { failed_resamples: Some(731), ..Estimate::without_interval(0.7, "undefined in 731 of 2000") };
    let told = TEN.coarse(rare);
    assert!(told.failed_resamples.is_none() && !told.reason.expect("a reason").contains("731"));
    // Twenty of each class are the fewest that are told of: some number of pairs comes near enough.
    for (n, events) in (40..200_u64).flat_map(|n| (20..=n - 20).map(move |events| (n, events))) {
        let pairs = (2 * events * (n - events)) as f64;
        let near = (0.71 * pairs).round() / pairs;
        assert_eq!(TEN.coarse(Estimate::without_interval(near, "")).value, Some(0.71), "{events} of {n}");
    }
}

#[test]
fn a_unit_stands_for_enough_rows() {
    assert_eq!([10, 100, 900, 1000, 100_000].map(|rows| TEN.unit(rows)), [1.0, 0.1, 0.02, 0.01, 0.0001]);
    for rows in 10..3000 {
        assert!(TEN.unit(rows) * rows as f64 >= 10.0 - 1e-9);
    }
}

#[test]
fn json_has_a_number_or_null_and_reads_it_back() {
    let cells = vec![Cell::Known(12), Cell::Suppressed];
    let text = serde_json::to_value(&cells).expect("JSON");
    assert_eq!(text, json!([12, null]));
    assert_eq!(serde_json::from_value::<Vec<Cell>>(text).expect("cells"), cells);
    assert_eq!(format!("{} {}", cells[0], cells[1]), "12 suppressed");
}

#[test]
fn the_parameter_has_a_default_and_limits() {
    let parse = |value: Value| {
        let Value::Object(map) = value else { unreachable!() };
        Privacy::parse(&ParamSet::new(map))
    };
    assert_eq!(parse(json!({})).expect("the default").min_cell, 10);
    assert_eq!(parse(json!({"privacy": {"min_cell": 0}})).expect("off").min_cell, 0);
    assert_eq!(parse(json!({"privacy": {"min_cell": -1}})).expect_err("negative").path, "privacy.min_cell");
    assert_eq!(parse(json!({"privacy": {"min_cells": 5}})).expect_err("unknown").path, "privacy.min_cells");
    assert_eq!(parse(json!({"privacy": {"min_cell": 2_000_000}})).expect_err("too large").path, "privacy.min_cell");
}

/// Every table with these margins and these visible cells, as far as needed to see each hidden cell vary.
struct Search<'a> {
    rows: usize,
    width: usize,
    hidden: &'a [bool],
    table: Vec<u64>,
    across: Vec<u64>,
    down: Vec<u64>,
    least: Vec<u64>,
    most: Vec<u64>,
}

impl Search<'_> {
    fn run(&mut self, at: usize) {
        if at == self.hidden.len() {
            if self.across.iter().chain(&self.down).all(|&left| left == 0) {
                for (cell, &value) in self.table.iter().enumerate() {
                    self.least[cell] = self.least[cell].min(value);
                    self.most[cell] = self.most[cell].max(value);
                }
            }
            return;
        }
        let (row, column) = (at / self.width, at % self.width);
        let limit = self.across[row].min(self.down[column]);
        let range = if self.hidden[at] { 0..=limit } else { self.table[at]..=self.table[at] };
        for value in range {
            if value > limit || (column + 1 == self.width && value != self.across[row]) {
                continue;
            }
            if row + 1 == self.rows && value != self.down[column] {
                continue;
            }
            let before = std::mem::replace(&mut self.table[at], value);
            self.across[row] -= value;
            self.down[column] -= value;
            self.run(at + 1);
            self.across[row] += value;
            self.down[column] += value;
            self.table[at] = before;
        }
    }
}

proptest! {
    #[test]
    fn nobody_can_fill_in_a_table(
        rows in 2_usize..4,
        cells in prop::collection::vec(prop_oneof![3 => 0_u64..3, 2 => 3_u64..7], 9),
    ) {
        let privacy = Privacy { min_cell: 3, ..TEN };
        let table: Vec<Vec<u64>> = cells.chunks(3).take(rows).map(<[u64]>::to_vec).collect();
        let counts: Vec<u64> = table.iter().flatten().copied().collect();
        let published = privacy.suppress_table(&table);
        let hidden: Vec<bool> = published.iter().flatten().map(|cell| cell.is_suppressed()).collect();
        let open = |hidden: &[bool]| -> Vec<bool> {
            let mut search = Search {
                rows,
                width: 3,
                hidden,
                table: counts.clone(),
                across: table.iter().map(|row| row.iter().sum()).collect(),
                down: (0..3).map(|column| table.iter().map(|row| row[column]).sum()).collect(),
                least: counts.clone(),
                most: counts.clone(),
            };
            search.run(0);
            search.most.iter().zip(&search.least).map(|(most, least)| most > least).collect()
        };
        let (kept, at_best) = (open(&hidden), open(&vec![true; counts.len()]));
        for cell in (0..counts.len()).filter(|&cell| hidden[cell] && privacy.hides(counts[cell])) {
            // Where the margins alone tell, that is for whoever publishes the margins. A hidden zero may follow from a
            // margin of zero; it is a statement about nobody.
            prop_assert!(kept[cell] || !at_best[cell], "{table:?} {published:?} cell {cell}");
        }
        for (cell, &count) in counts.iter().enumerate() {
            prop_assert!(hidden[cell] || !privacy.hides(count));
        }
    }

    #[test]
    fn the_hidden_part_of_a_group_is_never_small(counts in prop::collection::vec(0_u64..40, 1..12)) {
        let cells = TEN.suppress_group(&counts);
        let hidden: Vec<u64> =
            counts.iter().zip(&cells).filter(|(_, cell)| cell.is_suppressed()).map(|(&count, _)| count).collect();
        let enough = hidden.len() >= 2 && hidden.iter().sum::<u64>() >= counts.iter().sum::<u64>().min(10);
        prop_assert!(hidden.is_empty() || enough || hidden.len() == counts.len(), "{counts:?} {cells:?}");
    }
}
