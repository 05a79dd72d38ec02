//! One choice of a threshold: the rows, their candidates, the best of them, and what it is expected to do.

use crate::common::decision::Counts;

use super::goal::{false_alarms, flagged_share, sensitivity};
use super::params::Policy;
use super::rows::Rows;
use super::sweep::{Candidate, Ladder, choose};
use super::threshold::{Alerts, Decision, Expected};

/// A threshold as chosen on some rows.
pub(super) struct Choice<'a> {
    /// By which rule.
    pub policy: &'a Policy,
    /// On which rows.
    pub rows: &'a Rows,
    /// Their candidates, ready for resampling.
    pub ladder: Ladder,
    /// The candidates on the rows as they are, highest threshold first.
    pub candidates: Vec<Candidate>,
    /// The one that was chosen.
    pub index: usize,
}

impl<'a> Choice<'a> {
    /// Chooses; nothing when the policy's limits exclude every candidate.
    pub fn new(policy: &'a Policy, rows: &'a Rows) -> Option<Self> {
        let ladder = Ladder::new(&rows.p, policy);
        let candidates = ladder.candidates(&rows.y, &vec![1; rows.y.len()], policy);
        let index = choose(&candidates, policy)?;
        Some(Self { policy, rows, ladder, candidates, index })
    }

    /// The chosen candidate.
    pub fn chosen(&self) -> Candidate {
        self.candidates[self.index]
    }

    /// What the decision is on these rows.
    pub fn decision(&self) -> Decision {
        Decision::of(&self.chosen().counts)
    }

    /// What it is expected to do.
    pub fn expected(&self) -> Expected {
        let Candidate { threshold, counts, .. } = self.chosen();
        expected(self.policy, threshold, &counts)
    }

    /// The choice in one sentence; `whose` rows: `training`, or those of a level.
    pub fn note(&self, whose: &str) -> String {
        let aim = self.policy.aim();
        match self.decision() {
            Decision::Cutoff => {
                let share = flagged_share(&self.chosen().counts).unwrap_or_default();
                format!("{aim} flags {:.0} of 1,000 {whose} rows", 1000.0 * share)
            }
            Decision::FlagAll => {
                format!("{aim} flags every {whose} row: the model adds nothing to flagging everyone")
            }
            Decision::FlagNone => {
                format!("{aim} flags no {whose} row: the model adds nothing to leaving everyone alone")
            }
        }
    }
}

/// The sentence for thresholds that depend on the level of a column.
pub(super) fn note_by_level(policy: &Policy, column: &str, counts: &Counts) -> String {
    let aim = policy.aim();
    match Decision::of(counts) {
        Decision::Cutoff => {
            let share = flagged_share(counts).unwrap_or_default();
            format!("{aim}, by the level of `{column}`, flags {:.0} of 1,000 training rows", 1000.0 * share)
        }
        Decision::FlagAll => {
            format!(
                "{aim} flags every training row, whatever its `{column}`: the model adds nothing to flagging everyone"
            )
        }
        Decision::FlagNone => format!(
            "{aim} flags no training row, whatever its `{column}`: the model adds nothing to leaving everyone alone"
        ),
    }
}

/// What decisions with these counts are expected to do; `threshold` gives the exchange rate of the net benefit.
pub(super) fn expected(policy: &Policy, threshold: f64, counts: &Counts) -> Expected {
    let per_1000 = |counts: &Counts| policy.cost.as_ref().and_then(|cost| cost.mean(counts)).map(|mean| 1000.0 * mean);
    let others = counts.rows() - counts.events();
    let everyone = Counts { true_positive: counts.events(), false_positive: others, ..Counts::default() };
    let no_one = Counts { false_negative: counts.events(), true_negative: others, ..Counts::default() };
    let net_benefit = counts.net_benefit(threshold);
    let missing = [
        (policy.cost.is_none(), "costs: the study declares no cost table (tune_threshold.cost)"),
        (counts.flagged() + counts.events() == 0, "fbeta: nothing is flagged and nothing happened"),
        (counts.events() == 0, "sensitivity: there are no events"),
        (counts.flagged() == 0, "ppv: nothing is flagged"),
        (
            net_benefit.is_none(),
            "net_benefit: the threshold is at or above 1, where a false positive has no finite weight",
        ),
    ];
    let reasons: Vec<&str> = missing.into_iter().filter(|(missing, _)| *missing).map(|(_, reason)| reason).collect();
    Expected {
        flagged_per_1000: 1000.0 * flagged_share(counts).unwrap_or_default(),
        cost_per_1000: per_1000(counts),
        flag_all_cost_per_1000: per_1000(&everyone),
        flag_none_cost_per_1000: per_1000(&no_one),
        fbeta: counts.fbeta(policy.reported_beta()),
        sensitivity: sensitivity(counts),
        ppv: (counts.flagged() > 0).then(|| counts.true_positive as f64 / counts.flagged() as f64),
        net_benefit,
        reason: (!reasons.is_empty()).then(|| reasons.join("; ")),
        small_cells: Vec::new(),
    }
}

/// Expected alerts at an event rate, for decisions that on these rows had these counts.
pub(super) fn alerts(prevalence: f64, counts: &Counts) -> Alerts {
    let Some((found, alarms)) = sensitivity(counts).zip(false_alarms(counts)) else {
        let reason = "the rows the threshold was chosen on hold only one outcome";
        let reason = Some(reason.to_owned());
        let (flagged_per_1000, true_alerts_per_1000, missed_per_1000, ppv) = (None, None, None, None);
        return Alerts { prevalence, flagged_per_1000, true_alerts_per_1000, missed_per_1000, ppv, reason };
    };
    let hits = prevalence * found;
    let flagged = hits + (1.0 - prevalence) * alarms;
    let ppv = (flagged > 0.0).then(|| hits / flagged);
    Alerts {
        prevalence,
        flagged_per_1000: Some(1000.0 * flagged),
        true_alerts_per_1000: Some(1000.0 * hits),
        missed_per_1000: Some(1000.0 * (prevalence - hits)),
        ppv,
        reason: ppv.is_none().then(|| "nothing is flagged".to_owned()),
    }
}
