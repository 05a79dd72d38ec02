//! The frozen threshold: what was chosen, by which rule, on which predictions, how certain that is, and what it is
//! expected to do.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::goal::Goal;
use super::params::Policy;
use crate::common::decision::Counts;
use crate::common::interval::Estimate;
use crate::common::privacy::Cell;

/// Which kind of decision a threshold, or all of them together, makes on the rows it was chosen on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// It flags some rows and leaves others.
    Cutoff,
    /// It flags every row: the model adds nothing to flagging everyone.
    FlagAll,
    /// It flags no row: the model adds nothing to leaving everyone alone.
    FlagNone,
}

impl Decision {
    /// What decisions with these counts are.
    pub fn of(counts: &Counts) -> Self {
        match counts.flagged() {
            flagged if flagged == counts.rows() => Self::FlagAll,
            0 => Self::FlagNone,
            _ => Self::Cutoff,
        }
    }
}

/// What a threshold is expected to do, per the predictions it was chosen on. Shares are of all rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// Flagged rows per 1,000.
    pub flagged_per_1000: f64,
    /// Mean cost per 1,000 rows; null without a cost table.
    pub cost_per_1000: Option<f64>,
    /// The same if everyone were flagged.
    pub flag_all_cost_per_1000: Option<f64>,
    /// The same if no one were flagged.
    pub flag_none_cost_per_1000: Option<f64>,
    /// F-beta; null when nothing is flagged and nothing happened.
    pub fbeta: Option<f64>,
    /// Flagged events among events; null without events.
    pub sensitivity: Option<f64>,
    /// Events among flagged rows; null when nothing is flagged.
    pub ppv: Option<f64>,
    /// Net benefit per row; a false positive weighs the odds of the threshold that applies to its row.
    pub net_benefit: Option<f64>,
    /// Why something is null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The cells of 1 to `privacy.min_cell` − 1 patients that these numbers are made of: `tp`, `fp`, `fn`, `tn`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub small_cells: Vec<String>,
}

/// threshold.json. A row is flagged when its calibrated probability is at least `value`, or at least the threshold of
/// its level in `strata`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Threshold {
    /// Version of this format: 2. Files of version 1 have nothing beyond `note` and are read as well.
    pub schema_version: u32,
    /// The policy as configured.
    pub policy: Policy,
    /// The overall threshold: 0 flags everyone, [`FLAG_NONE`] (just above 1) flags no one.
    pub value: f64,
    /// What the thresholds do on the rows they were chosen on, those of strata included.
    pub decision: Decision,
    /// Which predictions it was chosen on.
    pub part_used: String,
    /// Rows it was chosen on.
    pub n: u64,
    /// Events among them.
    pub events: u64,
    /// What the decisions are expected to do, those of strata included.
    pub expected: Expected,
    /// The choice in one sentence, for people.
    pub note: String,
    /// How certain the overall threshold is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uncertainty: Option<Uncertainty>,
    /// Where the optimum would lie if the probabilities were calibrated perfectly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub theory: Option<Theory>,
    /// Expected alerts at other event rates.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alerts: Vec<Alerts>,
    /// The thresholds of the levels of a column.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strata: Option<Strata>,
}

/// How certain a threshold is: what would have been chosen on resamples of the patients, each with all rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Uncertainty {
    /// Patients that are resampled.
    pub patients: u64,
    /// Resamples.
    pub resamples: usize,
    /// Level of the intervals.
    pub confidence: f64,
    /// The threshold with the interval of those chosen on resamples.
    pub threshold: Estimate,
    /// What the policy is judged by.
    pub goal: Goal,
    /// That number at the threshold, with the interval of its values at the same threshold on resamples.
    pub achieved: Estimate,
    /// How much better the number looks on the rows that chose the threshold than on others, as the mean over resamples
    /// of its value on the resample minus its value on the original rows, both at the resample's own threshold; 0 or in
    /// the direction of better, but for chance. Null without resamples.
    pub optimism: Option<f64>,
    /// The thresholds that are about as good; null for policies that keep a limit instead of looking for an optimum.
    pub flat: Option<Flat>,
    /// Why `optimism` or `flat` is null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The neighbours of the optimum that cannot be told from it, each an unbroken range of candidates `[low, high]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flat {
    /// Those whose loss is at most 1 % worse.
    pub within_1_percent: [f64; 2],
    /// Those whose loss is worse by no more than the standard error of that difference over resamples; null without
    /// resamples.
    pub within_1_se: Option<[f64; 2]>,
}

/// The optimum for perfectly calibrated probabilities.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Theory {
    /// The threshold; null where the policy has no such law.
    pub value: Option<f64>,
    /// The law it follows from, or why there is none.
    pub law: String,
    /// What the policy is judged by at that threshold on the same rows.
    pub achieved: Option<f64>,
    /// Whether it lies outside of the interval of the chosen threshold and of the flat range around it: a sign that the
    /// probabilities are not calibrated there.
    pub far: bool,
    /// The comparison in a sentence; null when there is nothing to compare.
    pub note: Option<String>,
}

/// Expected alerts at an event rate, by Bayes' theorem from sensitivity and false alarms at the frozen thresholds. It
/// takes both as unchanged, and the probabilities as not updated to the rate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alerts {
    /// The event rate.
    pub prevalence: f64,
    /// Flagged rows per 1,000.
    pub flagged_per_1000: Option<f64>,
    /// Events among them.
    pub true_alerts_per_1000: Option<f64>,
    /// Events per 1,000 rows that are not flagged.
    pub missed_per_1000: Option<f64>,
    /// Events among flagged rows; null when nothing is flagged.
    pub ppv: Option<f64>,
    /// Why something above is null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Thresholds by the level of a column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Strata {
    /// The column of the raw table. A row whose level is missing or not listed gets the overall threshold.
    pub column: String,
    /// Fewest events, and fewest rows without one, on which a level could choose.
    pub min_events: u64,
    /// What the overall threshold alone would do for all rows.
    pub without_strata: Expected,
    /// The levels of the training rows, and those whose threshold is given.
    pub levels: BTreeMap<String, Stratum>,
}

/// Where the threshold of a level comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Given in the parameters.
    Given,
    /// Chosen on the level's rows.
    Chosen,
    /// The overall threshold, because the level has too few events.
    Overall,
}

/// The threshold of one level.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stratum {
    /// The threshold.
    pub value: f64,
    /// Where it comes from.
    pub source: Source,
    /// Training rows of the level.
    pub n: Cell,
    /// Events among them.
    pub events: Cell,
    /// What the threshold does on them.
    pub expected: Option<Expected>,
    /// How certain it is.
    pub uncertainty: Option<Uncertainty>,
    /// The choice in one sentence.
    pub note: String,
    /// Why something is null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The threshold that no probability reaches: the next number above 1.
pub const FLAG_NONE: f64 = 1.0 + f64::EPSILON;

/// Versions of the format that can be read.
const READ: std::ops::RangeInclusive<u32> = 1..=2;

impl Threshold {
    /// A threshold that nothing is known about but its value.
    pub fn given(value: f64) -> Self {
        let expected = Expected {
            flagged_per_1000: 0.0,
            cost_per_1000: None,
            flag_all_cost_per_1000: None,
            flag_none_cost_per_1000: None,
            fbeta: None,
            sensitivity: None,
            ppv: None,
            net_benefit: None,
            reason: Some("the threshold was given, not chosen on rows".to_owned()),
            small_cells: Vec::new(),
        };
        Self {
            schema_version: 2,
            policy: Policy::fixed(value),
            value,
            decision: Decision::Cutoff,
            part_used: "none".to_owned(),
            n: 0,
            events: 0,
            expected,
            note: "given".to_owned(),
            uncertainty: None,
            theory: None,
            alerts: Vec::new(),
            strata: None,
        }
    }

    /// What is wrong with it, if anything: a version that this clinpipe does not read, or a threshold out of reach.
    pub fn fault(&self) -> Option<String> {
        if !READ.contains(&self.schema_version) {
            let (first, last) = (READ.start(), READ.end());
            return Some(format!("has format {}, this clinpipe reads {first} to {last}", self.schema_version));
        }
        let levels = self.strata.iter().flat_map(|strata| strata.levels.values().map(|stratum| stratum.value));
        let wrong = [self.value].into_iter().chain(levels).find(|value| !(0.0..=FLAG_NONE).contains(value));
        wrong.map(|value| format!("holds the threshold {value}, which is no probability"))
    }
}
