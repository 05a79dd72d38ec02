//! AUROC, average precision and every confusion matrix of a resample from one pass over the rows in order of their
//! predictions.
//!
//! The rows are sorted once. A resample is a count per row; one running sum of those counts over the ranks, events and
//! non-events side by side in one word, then answers every question of the kind "how many of each class lie below this
//! prediction". Nothing in a pass branches on the data, and all sums but the last division are whole numbers.

use crate::common::decision::Counts;
use crate::common::scores::Ranking;

/// Events are counted in the upper half of a word.
const EVENT: u32 = 32;

/// The rows in ascending order of their predictions.
#[derive(Debug, Clone)]
pub struct Ranked {
    /// The row at each rank; none when the rows come in that order.
    order: Option<Vec<u32>>,
    /// Whether the row at each rank is an event.
    event: Vec<bool>,
    /// The events in ascending order, with the ranks where the rows tied with them begin and end.
    events: Vec<EventRank>,
    p: Vec<f64>,
}

#[derive(Debug, Clone, Copy)]
struct EventRank {
    at: u32,
    start: u32,
    end: u32,
}

/// What stands below each rank in a resample: entry `r` sums the counts of the ranks before `r`, the
/// first is 0.
#[derive(Debug, Default)]
pub struct Below {
    /// The counts by rank, where the rows do not come in that order.
    arranged: Vec<u32>,
    sums: Vec<u64>,
}

/// AUROC and average precision; NaN where undefined.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Discrimination {
    /// Area under the ROC curve.
    pub auroc: f64,
    /// Average precision.
    pub auprc: f64,
}

fn events(sum: u64) -> u64 {
    sum >> EVENT
}

fn others(sum: u64) -> u64 {
    sum & u64::from(u32::MAX)
}

impl Ranked {
    /// Arranges rows by `ranking`, the order of `p`.
    pub fn new(ranking: &Ranking, y: &[bool], p: &[f64]) -> Self {
        let order = ranking.order();
        let sorted = order.iter().enumerate().all(|(rank, &row)| rank == row);
        let (mut of_event, mut start) = (Vec::new(), 0);
        for group in ranking.groups() {
            let end = start + group.len() as u32;
            let tied = group.iter().zip(start..).filter(|(row, _)| y[**row]);
            of_event.extend(tied.map(|(_, at)| EventRank { at, start, end }));
            start = end;
        }
        Self {
            order: (!sorted).then(|| order.iter().map(|&row| row as u32).collect()),
            event: order.iter().map(|&row| y[row]).collect(),
            events: of_event,
            p: order.iter().map(|&row| p[row]).collect(),
        }
    }

    /// Sums the counts of rows taken `weights[row]` times into `below`.
    pub fn sum(&self, weights: &[u32], below: &mut Below) {
        let Below { arranged, sums } = below;
        let counts = match &self.order {
            None => weights,
            Some(order) => {
                arranged.clear();
                arranged.extend(order.iter().map(|&row| weights[row as usize]));
                arranged
            }
        };
        sums.resize(counts.len() + 1, 0);
        let mut sum = 0_u64;
        for ((place, &count), &event) in sums[1..].iter_mut().zip(counts).zip(&self.event) {
            let count = u64::from(count);
            sum += if event { count << EVENT } else { count };
            *place = sum;
        }
    }

    /// The first rank at or above a prediction.
    pub fn rank(&self, p: f64) -> usize {
        self.p.partition_point(|&value| value < p)
    }

    /// AUROC as the share of (event, non-event) pairs in the right order, ties counting one half; average precision as
    /// scikit-learn's: the sum over distinct predictions of the step in recall times the precision there.
    pub fn discrimination(&self, below: &Below) -> Discrimination {
        let sums = &below.sums;
        let total = sums.last().copied().unwrap_or(0);
        let (positive, negative, rows) = (events(total), others(total), events(total) + others(total));
        let (mut twice, mut precision) = (0_u64, 0.0);
        for event in &self.events {
            let (start, end) = (sums[event.start as usize], sums[event.end as usize]);
            let at = event.at as usize;
            let count = events(sums[at + 1]) - events(sums[at]);
            twice += count * (others(start) + others(end));
            let hits = positive - events(start);
            // The row itself is among the flagged; where it was not drawn the share may be 0/0 and does not count.
            let flagged = (rows - events(start) - others(start)).max(1);
            precision += count as f64 * (hits as f64 / flagged as f64);
        }
        let pairs = positive * negative;
        Discrimination {
            auroc: if pairs > 0 { twice as f64 / (2 * pairs) as f64 } else { f64::NAN },
            auprc: if positive > 0 { precision / positive as f64 } else { f64::NAN },
        }
    }
}

impl Below {
    /// The confusion matrix when the rows from `rank` on are flagged.
    pub fn counts_from(&self, rank: usize) -> Counts {
        let total = self.sums.last().copied().unwrap_or(0);
        let missed = self.sums.get(rank).copied().unwrap_or(total);
        Counts {
            true_positive: events(total) - events(missed),
            false_positive: others(total) - others(missed),
            false_negative: events(missed),
            true_negative: others(missed),
        }
    }
}

/// Lanes of [`lane_sum`].
const LANES: usize = 8;

/// Σ values·weights in eight running sums that are added up in a fixed order: the same bits on every machine, and four
/// times as fast as one sum, each step of which waits for the one before. Weights are below 2³¹.
pub fn lane_sum(values: &[f64], weights: &[u32]) -> f64 {
    let mut lanes = [0.0; LANES];
    let (values, values_left) = values.as_chunks::<LANES>();
    let (weights, weights_left) = weights.as_chunks::<LANES>();
    for (values, weights) in values.iter().zip(weights) {
        for lane in 0..LANES {
            lanes[lane] += values[lane] * f64::from(weights[lane].cast_signed());
        }
    }
    let left: f64 = values_left.iter().zip(weights_left).map(|(value, &weight)| value * f64::from(weight)).sum();
    lanes.iter().sum::<f64>() + left
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::scores::{weighted_auroc, weighted_average_precision, weighted_mean};
    use proptest::prelude::*;

    fn near(a: Option<f64>, b: f64) -> bool {
        a.map_or(b.is_nan(), |a| (a - b).abs() < 1e-12)
    }

    proptest! {
        /// Rows in any order, with ties and counts of 0, one class included.
        #[test]
        fn a_pass_gives_the_scores_by_definition(
            rows in proptest::collection::vec((any::<bool>(), 0_u8..12, 0_u32..4), 1..60),
            sorted in any::<bool>(),
        ) {
            let mut rows = rows;
            if sorted {
                rows.sort_by_key(|row| row.1);
            }
            let y: Vec<bool> = rows.iter().map(|row| row.0).collect();
            let p: Vec<f64> = rows.iter().map(|row| f64::from(row.1) / 11.0).collect();
            let weights: Vec<u32> = rows.iter().map(|row| row.2).collect();
            let ranking = Ranking::new(&p);
            let ranked = Ranked::new(&ranking, &y, &p);
            let mut below = Below::default();
            ranked.sum(&weights, &mut below);
            let found = ranked.discrimination(&below);
            prop_assert_eq!(weighted_auroc(&ranking, &y, &weights).map(f64::to_bits), Some(found.auroc)
                .filter(|value| !value.is_nan()).map(f64::to_bits));
            prop_assert!(near(weighted_average_precision(&ranking, &y, &weights), found.auprc));
            for level in 0..=12 {
                let t = f64::from(level) / 11.0;
                let flagged: Vec<bool> = p.iter().map(|&p| p >= t).collect();
                prop_assert_eq!(below.counts_from(ranked.rank(t)), Counts::of(&flagged, &y, &weights));
            }
            let total: u32 = weights.iter().sum();
            prop_assert!(near(weighted_mean(&p, &weights), lane_sum(&p, &weights) / f64::from(total)));
        }
    }
}
