//! What may be told of the decisions of all rows with `decisions: ranges`, when readers know the rows, the events and the flagged ones.
//!
//! With these three, one cell of the confusion matrix gives the other three, and so does every number made of them:
//! sensitivity, PPV, net benefit, cost. So they are told exactly together, or as ranges together. The range is that of all
//! matrices with the same sums from the one in which a cell is empty to the one that lies `min_cell` rows further, and
//! does not depend on where in it the truth lies. Every number that rises or falls steadily with the missed events has
//! its range between the two ends.

use super::{DecisionsTold, Privacy};
use crate::common::decision::Counts;
use crate::common::interval::Estimate;

/// How a range is marked in [`Estimate::method`].
pub const RANGE: &str = "range";

/// Decisions as they may be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    what: What,
    reason: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Exactly,
    /// The matrix with the fewest missed events, and the one with the most.
    Between([Counts; 2]),
    /// Not even how many rows are flagged.
    Nothing,
}

impl Privacy {
    /// What may be told of decisions. `few`: whether a cell is known to hold few patients although it has many rows.
    pub fn decisions(self, counts: &Counts, few: bool) -> Told {
        let cells = [counts.true_positive, counts.false_positive, counts.false_negative, counts.true_negative];
        let sides = [counts.flagged(), counts.rows() - counts.flagged()];
        let what = if self.decisions == DecisionsTold::Exact {
            What::Exactly
        } else if sides.iter().any(|&side| self.hides(side)) {
            What::Nothing
        } else if few || cells.iter().any(|&cell| self.hides(cell)) {
            self.around(counts).map_or(What::Nothing, What::Between)
        } else {
            What::Exactly
        };
        Told { what, reason: self.reason() }
    }

    /// The ends of the range; none where the small cell is not one of few rows.
    fn around(self, counts: &Counts) -> Option<[Counts; 2]> {
        let (rows, events, flagged) = (counts.rows(), counts.events(), counts.flagged());
        let (least, most) = (events.saturating_sub(flagged), events.min(rows - flagged));
        let (up, down) = (least.saturating_add(self.min_cell).min(most), most.saturating_sub(self.min_cell).max(least));
        let missed = counts.false_negative;
        let (from, to) = match (missed <= up, missed >= down) {
            _ if up >= down => (least, most),
            (true, _) => (least, up),
            (_, true) => (down, most),
            _ => return None,
        };
        let with = |missed: u64| Counts {
            true_positive: events - missed,
            // flagged − events + missed, and missed ≥ events − flagged.
            false_positive: (flagged + missed) - events,
            false_negative: missed,
            true_negative: rows - flagged - missed,
        };
        Some([with(from), with(to)])
    }
}

impl Told {
    /// Decisions of which nothing is told.
    pub fn nothing(privacy: Privacy) -> Self {
        Self { what: What::Nothing, reason: privacy.reason() }
    }

    /// Whether all is told.
    pub fn is_exact(&self) -> bool {
        self.what == What::Exactly
    }

    /// Whether the number of flagged rows is told.
    pub fn shows_flagged(&self) -> bool {
        self.what != What::Nothing
    }

    /// The lowest and the highest value of a number that the cells give, where only a range is told.
    pub fn range(&self, of: impl Fn(&Counts) -> Option<f64>) -> Option<[f64; 2]> {
        let What::Between([least, most]) = &self.what else { return None };
        let (one, other) = of(least).zip(of(most))?;
        Some([one.min(other), one.max(other)])
    }

    /// A number that the cells give: as it is, as its range, or not at all.
    pub fn estimate(&self, exact: &Estimate, of: impl Fn(&Counts) -> Option<f64>) -> Estimate {
        if self.is_exact() {
            return exact.clone();
        }
        match self.range(of) {
            Some([low, high]) => Estimate {
                low: Some(low),
                high: Some(high),
                method: Some(RANGE.to_owned()),
                ..Estimate::undefined(&self.reason)
            },
            None => self.hidden(),
        }
    }

    /// Whether the exact decisions at another threshold leave the whole range open. Lowering a threshold only adds
    /// flagged rows, so decisions nearby bound each other.
    pub fn admits(&self, other: &Counts) -> bool {
        let What::Between(ends) = &self.what else { return true };
        ends.iter().all(|end| {
            let below = |one: &Counts, two: &Counts| {
                one.true_positive <= two.true_positive && one.false_positive <= two.false_positive
            };
            below(other, end) || below(end, other)
        })
    }

    /// A number of which nothing is told.
    pub fn hidden(&self) -> Estimate {
        Estimate::undefined(&self.reason)
    }

    /// Why numbers are hidden.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn counts([tp, fp, missed, tn]: [u64; 4]) -> Counts {
        Counts { true_positive: tp, false_positive: fp, false_negative: missed, true_negative: tn }
    }

    const TEN: Privacy = Privacy { min_cell: 10, decisions: DecisionsTold::Ranges };

    #[test]
    fn large_cells_and_empty_ones_are_told_exactly() {
        for cells in [[10, 20, 30, 40], [0, 20, 10, 10], [50, 950, 0, 0]] {
            assert!(TEN.decisions(&counts(cells), false).is_exact(), "{cells:?}");
        }
        assert!(Privacy { min_cell: 0, ..TEN }.decisions(&counts([1, 1, 1, 1]), true).what == What::Nothing);
    }

    #[test]
    fn a_small_cell_turns_every_rate_into_the_range_that_it_allows() {
        let told = TEN.decisions(&counts([195, 300, 5, 500]), false);
        let share = |hits: u64, of: u64| Some(hits as f64 / of as f64);
        assert_eq!(told.range(|at| share(at.true_positive, at.events())), Some([0.95, 1.0]));
        assert_eq!(told.range(|at| share(at.flagged(), at.rows())), Some([0.495, 0.495]));
        let [low, high] = told.range(|at| at.net_benefit(0.2)).expect("a range");
        assert!(low < high && high == 0.2 - 0.25 * 0.295, "{low} {high}");
        let exact = Estimate::new(0.975, (0.9, 0.99), "wilson");
        let shown = told.estimate(&exact, |at| share(at.true_positive, at.events()));
        assert_eq!((shown.value, shown.low, shown.high), (None, Some(0.95), Some(1.0)));
        assert!(shown.method.as_deref() == Some(RANGE) && shown.reason.is_some());
    }

    #[test]
    fn few_flagged_rows_or_few_patients_of_many_rows_tell_nothing() {
        assert!(!TEN.decisions(&counts([3, 2, 100, 900]), false).shows_flagged());
        assert!(!TEN.decisions(&counts([100, 100, 100, 100]), true).shows_flagged());
        assert!(TEN.decisions(&counts([100, 100, 100, 100]), true).range(|at| at.fbeta(1.0)).is_none());
    }

    #[test]
    fn exact_decisions_nearby_are_admitted_when_they_bound_nothing() {
        let told = TEN.decisions(&counts([195, 300, 5, 500]), false);
        // One flagged row fewer, and ten missed events: then five are at least nine.
        assert!(!told.admits(&counts([190, 304, 10, 496])));
        assert!(told.admits(&counts([180, 250, 20, 550])) && told.admits(&counts([200, 400, 0, 400])));
    }

    /// All that is printed: the sums in any case, then the cells or the ends of their range.
    fn printed(privacy: Privacy, counts: &Counts) -> (u64, u64, Option<u64>, Option<[Counts; 2]>) {
        let told = privacy.decisions(counts, false);
        let cells = match told.what {
            What::Exactly => Some([*counts; 2]),
            What::Between(ends) => Some(ends),
            What::Nothing => None,
        };
        (counts.rows(), counts.events(), told.shows_flagged().then(|| counts.flagged()), cells)
    }

    proptest! {
        /// An attacker who tries every matrix with the known sums, and knows the rule, is left with every small value
        /// that the sums allow, for every small cell.
        #[test]
        fn nobody_can_tell_which_small_count_it_is(
            cells in prop::array::uniform4(prop_oneof![2 => 0_u64..5, 1 => 5_u64..14]),
            min_cell in 2_u64..6,
        ) {
            let (privacy, truth) = (Privacy { min_cell, ..TEN }, counts(cells));
            let (rows, events) = (truth.rows(), truth.events());
            let seen = printed(privacy, &truth);
            let alike: Vec<Counts> = (0..=events)
                .flat_map(|tp| (0..=rows - events).map(move |fp| counts([tp, fp, events - tp, rows - events - fp])))
                .filter(|other| printed(privacy, other) == seen)
                .collect();
            prop_assert!(alike.contains(&truth));
            let pick: [fn(&Counts) -> u64; 4] =
                [|at| at.true_positive, |at| at.false_positive, |at| at.false_negative, |at| at.true_negative];
            for (cell, pick) in pick.into_iter().enumerate().filter(|&(cell, _)| privacy.hides(cells[cell])) {
                let values: BTreeSet<u64> = alike.iter().map(pick).collect();
                let whole = if cell % 2 == 0 { events } else { rows - events };
                let (flagged, quiet) = (truth.flagged(), rows - truth.flagged());
                let side = if cell < 2 { flagged } else { quiet };
                // The least that the sums alone leave for this cell, and the most.
                let (least, most) = if seen.2.is_some() {
                    (whole.saturating_sub(rows - side), whole.min(side))
                } else {
                    (0, whole.min(min_cell - 1))
                };
                let open = (least.max(1)..=most.min(min_cell - 1)).all(|value| values.contains(&value));
                prop_assert!(open, "{cells:?} {seen:?}: cell {cell} is one of {values:?}");
            }
            // What is told holds the truth.
            if let Some([least, most]) = seen.3 {
                prop_assert!((least.false_negative..=most.false_negative).contains(&truth.false_negative));
            }
        }
    }
}
