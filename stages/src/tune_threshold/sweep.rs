//! Every candidate threshold with its confusion matrix, in one pass over the sorted predictions, however the rows are
//! weighted.

use crate::common::decision::Counts;
use crate::common::scores::{Ranking, class_weights};

use super::params::{Policy, PolicyKind};
use super::threshold::FLAG_NONE;

/// One candidate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// Rows with p ≥ this are flagged.
    pub threshold: f64,
    /// What happens then.
    pub counts: Counts,
    /// Whether the policy's bounds, capacity and floor allow it.
    pub allowed: bool,
}

/// The candidates of some rows, sorted once for any number of resamples: flagging no one, every distinct prediction,
/// the policy's own numbers, flagging everyone.
#[derive(Debug, Clone)]
pub(super) struct Ladder {
    /// Highest first.
    thresholds: Vec<f64>,
    /// How many of `order` are flagged at each.
    flagged: Vec<usize>,
    /// Rows, the highest prediction first.
    order: Vec<usize>,
}

impl Ladder {
    /// Sorts: n log n steps.
    pub fn new(p: &[f64], policy: &Policy) -> Self {
        let ranking = Ranking::new(p);
        let distinct = ranking.groups().filter_map(|group| group.first().map(|&row| p[row]));
        let own = [policy.min, policy.max, policy.value.filter(|_| policy.policy == PolicyKind::Fixed)];
        let all = distinct.chain([FLAG_NONE, 0.0]).chain(own.into_iter().flatten());
        // Adding 0.0 turns -0.0 into 0.0.
        let mut thresholds: Vec<f64> = all.map(|threshold| threshold + 0.0).collect();
        thresholds.sort_by(|a, b| b.total_cmp(a));
        thresholds.dedup();
        let order: Vec<usize> = ranking.order().iter().rev().copied().collect();
        let reached = |threshold: &f64| order.partition_point(|&row| p[row] >= *threshold);
        Self { flagged: thresholds.iter().map(reached).collect(), thresholds, order }
    }

    /// The candidates for rows taken `weights[row]` times, highest threshold first: n steps.
    pub fn candidates(&self, y: &[bool], weights: &[u32], policy: &Policy) -> Vec<Candidate> {
        let (events, others) = class_weights(0..y.len(), y, weights);
        let mut counts = Counts { false_negative: events, true_negative: others, ..Counts::default() };
        let mut done = 0;
        let steps = self.thresholds.iter().zip(&self.flagged).map(|(&threshold, &reached)| {
            for &row in &self.order[done..reached] {
                let weight = u64::from(weights[row]);
                let missed = if y[row] { &mut counts.false_negative } else { &mut counts.true_negative };
                *missed -= weight;
                counts.add(true, y[row], weight);
            }
            done = reached;
            Candidate { threshold, counts, allowed: policy.allows(threshold, &counts) }
        });
        steps.collect()
    }
}

/// All candidates for rows taken once, highest threshold first.
pub fn sweep(y: &[bool], p: &[f64], policy: &Policy) -> Vec<Candidate> {
    Ladder::new(p, policy).candidates(y, &vec![1; y.len()], policy)
}

/// The index of the best allowed candidate; ties go to the higher threshold, unless everyone is flagged: then the
/// lowest allowed one is taken, so that later patients with lower predictions are flagged as well. `None` when none is
/// allowed.
pub fn choose(candidates: &[Candidate], policy: &Policy) -> Option<usize> {
    let mut best: Option<(usize, f64)> = None;
    for (index, candidate) in candidates.iter().enumerate().filter(|(_, candidate)| candidate.allowed) {
        let loss = policy.loss(&candidate.counts);
        if best.is_none_or(|(_, lowest)| loss < lowest) {
            best = Some((index, loss));
        }
    }
    let (index, _) = best?;
    let flags_everyone = |candidate: &Candidate| {
        candidate.allowed && candidate.counts.rows() > 0 && candidate.counts.flagged() == candidate.counts.rows()
    };
    if flags_everyone(&candidates[index]) && policy.policy != PolicyKind::RecallFloor {
        return candidates.iter().rposition(flags_everyone);
    }
    Some(index)
}
#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::decision::CostTable;
    use proptest::prelude::*;

    fn cost(false_positive: f64, false_negative: f64) -> Policy {
        let table = CostTable { false_positive, false_negative, true_positive: 0.0, true_negative: 0.0, effect: 1.0 };
        Policy { cost: Some(table), ..Policy::of(PolicyKind::Cost) }
    }

    fn best(y: &[bool], p: &[f64], policy: &Policy) -> Candidate {
        let candidates = sweep(y, p, policy);
        candidates[choose(&candidates, policy).expect("there is one")]
    }

    #[test]
    fn both_extremes_are_candidates() {
        let (y, p) = ([true, false], [0.4, 0.6]);
        // A later patient at 0.3 must be flagged as well.
        assert_eq!(best(&y, &p, &cost(1.0, 100.0)).threshold, 0.0);
        let bounded = Policy { min: Some(0.2), ..cost(1.0, 100.0) };
        assert_eq!(best(&y, &p, &bounded).threshold, 0.2);
        assert_eq!(best(&y, &p, &cost(100.0, 1.0)).threshold, FLAG_NONE);
        let ends = sweep(&y, &p, &cost(1.0, 1.0));
        assert_eq!((ends[0].counts.flagged(), ends[ends.len() - 1].threshold), (0, 0.0));
    }

    #[test]
    fn bounds_hold_and_are_candidates() {
        let (y, p) = ([true, false], [0.4, 0.6]);
        let bounded = Policy { min: Some(0.5), max: Some(0.55), ..cost(1.0, 100.0) };
        assert_eq!(best(&y, &p, &bounded).threshold, 0.55);
    }

    #[test]
    fn no_rows_give_only_the_extremes() {
        assert_eq!(sweep(&[], &[], &cost(1.0, 1.0)).len(), 2);
    }

    proptest! {
        #[test]
        fn counts_are_those_of_flagging_at_the_threshold(
            rows in proptest::collection::vec((any::<bool>(), (0_u8..=10).prop_map(|p| f64::from(p) / 10.0)), 0..40),
            fp in 0.0..10.0_f64, fn_ in 0.0..10.0_f64,
        ) {
            let (y, p): (Vec<bool>, Vec<f64>) = rows.into_iter().unzip();
            let policy = cost(fp, fn_);
            let candidates = sweep(&y, &p, &policy);
            for candidate in &candidates {
                let flagged: Vec<bool> = p.iter().map(|&p| p >= candidate.threshold).collect();
                prop_assert_eq!(candidate.counts, Counts::of(&flagged, &y, &vec![1; y.len()]));
            }
            let chosen = best(&y, &p, &policy);
            for other in &candidates {
                let (mine, theirs) = (policy.loss(&chosen.counts), policy.loss(&other.counts));
                let higher = chosen.threshold >= other.threshold;
                let everyone = chosen.threshold == 0.0 && chosen.counts.flagged() == chosen.counts.rows();
                prop_assert!(mine < theirs || mine.total_cmp(&theirs).is_eq() && (higher || everyone));
            }
        }
    }
}
