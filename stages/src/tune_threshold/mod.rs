//! `tune_threshold`: picks the probability from which patients are flagged.
//!
//! Reads the cross-fitted calibrated predictions of the training rows and nothing else; the test part is never seen.
//! Every distinct prediction is a candidate, beside flagging everyone and flagging no one. Ties go to the higher
//! threshold, which means fewer alerts; a rule that flags everyone gets the lowest one, so that it does so for all.

mod params;
mod sweep;
#[cfg(test)]
mod tests;
mod threshold;

use std::path::Path;

pub use params::{Policy, PolicyKind};
pub use sweep::{Candidate, choose, sweep};
pub use threshold::{Decision, Expected, FLAG_NONE, Threshold};

use crate::common::table::Table;
use crate::common::{canonical_json, plot_csv};
use crate::{ParamError, ParamSet, Role, Stage, StageContext, StageError, StageFile};

/// The stage `tune_threshold`.
pub struct TuneThreshold;

impl Stage for TuneThreshold {
    fn name(&self) -> &'static str {
        "tune_threshold"
    }

    fn version(&self) -> u32 {
        2
    }

    fn about(&self) -> &'static str {
        "picks the threshold by cost or F-beta on cross-fitted training predictions"
    }

    fn inputs(&self) -> &'static [Role] {
        const { &[Role::required("calibrated", "cross-fitted calibrated predictions of the training rows")] }
    }

    fn outputs(&self) -> &'static [Role] {
        const {
            &[
                Role::required("threshold", "the frozen threshold and what it is expected to do"),
                Role::optional("sweep", "every candidate with its counts, cost, F-beta and net benefit"),
            ]
        }
    }

    fn params(&self) -> &'static [Role] {
        const { &[Role::required("tune_threshold", "policy, cost table, beta, bounds")] }
    }

    fn check(&self, params: &ParamSet) -> Result<(), ParamError> {
        Policy::parse(params).map(|_| ())
    }

    fn run(&self, context: &StageContext) -> Result<(), StageError> {
        let policy = Policy::parse(context.params())?;
        let (y, p) = read_predictions(context.input("calibrated")?)?;
        context.progress(0, Some(y.len() as u64), "rows", "sweeping thresholds");
        let candidates = sweep(&y, &p, &policy);
        let chosen = choose(&candidates, &policy)
            .ok_or_else(|| StageError::failed("no threshold lies between the bounds of `tune_threshold`"))?;
        let threshold = describe(&candidates, chosen, policy);
        canonical_json::write(context.output("threshold")?, &threshold)?;
        if let Some(path) = context.output_opt("sweep") {
            write_sweep(path, &candidates, chosen, &threshold.policy)?;
        }
        context.progress(y.len() as u64, Some(y.len() as u64), "rows", threshold.note);
        Ok(())
    }
}

/// Outcomes and calibrated probabilities; refuses what is no outcome or no probability.
fn read_predictions(file: &StageFile) -> Result<(Vec<bool>, Vec<f64>), StageError> {
    let table = Table::read(file)?;
    let y: Option<Vec<bool>> = table.ints("y")?.into_iter().map(binary).collect();
    let y = y.ok_or_else(|| StageError::input(&file.name, "column `y` holds something else than 0 and 1"))?;
    let p = table.floats("p")?;
    if p.iter().any(|p| !(0.0..=1.0).contains(p)) {
        return Err(StageError::input(&file.name, "column `p` holds something else than probabilities"));
    }
    if y.is_empty() {
        return Err(StageError::input(&file.name, "has no rows to choose a threshold on"));
    }
    Ok((y, p))
}

fn binary(value: Option<i64>) -> Option<bool> {
    match value {
        Some(0) => Some(false),
        Some(1) => Some(true),
        _ => None,
    }
}

fn describe(candidates: &[Candidate], chosen: usize, policy: Policy) -> Threshold {
    let Candidate { threshold: value, counts, .. } = candidates[chosen];
    let per_1000 = |counts| policy.cost.as_ref().and_then(|cost| cost.mean(counts)).map(|mean| 1000.0 * mean);
    let share = |part: u64, whole: u64| (whole > 0).then(|| part as f64 / whole as f64);
    let none = candidates.first().and_then(|candidate| per_1000(&candidate.counts));
    let all = candidates.last().and_then(|candidate| per_1000(&candidate.counts));
    let expected = Expected {
        flagged_per_1000: 1000.0 * counts.flagged() as f64 / counts.rows() as f64,
        cost_per_1000: per_1000(&counts),
        flag_all_cost_per_1000: all,
        flag_none_cost_per_1000: none,
        fbeta: counts.fbeta(policy.reported_beta()),
        sensitivity: share(counts.true_positive, counts.events()),
        ppv: share(counts.true_positive, counts.flagged()),
        net_benefit: counts.net_benefit(value),
    };
    let decision = if counts.flagged() == counts.rows() {
        Decision::FlagAll
    } else if counts.flagged() == 0 {
        Decision::FlagNone
    } else {
        Decision::Cutoff
    };
    let note = note(decision, &expected, &policy);
    Threshold {
        schema_version: 1,
        policy,
        value,
        decision,
        part_used: "cross-fitted training predictions".to_owned(),
        n: counts.rows(),
        events: counts.events(),
        expected,
        note,
    }
}

fn note(decision: Decision, expected: &Expected, policy: &Policy) -> String {
    let goal = match policy.policy {
        PolicyKind::Cost => "the lowest cost".to_owned(),
        PolicyKind::Fbeta => format!("the highest F-beta (beta {})", policy.reported_beta()),
    };
    match decision {
        Decision::Cutoff => {
            format!("{goal} flags {:.0} of 1,000 training rows", expected.flagged_per_1000)
        }
        Decision::FlagAll => format!("{goal} flags every training row: the model adds nothing to flagging everyone"),
        Decision::FlagNone => format!("{goal} flags no training row: the model adds nothing to leaving everyone alone"),
    }
}

/// More rows than this make a plot no better; the file then keeps evenly spaced candidates.
const MAX_SWEEP_ROWS: usize = 2000;

fn write_sweep(path: &Path, candidates: &[Candidate], chosen: usize, policy: &Policy) -> Result<(), StageError> {
    let header =
        ["threshold", "candidate", "flagged_share", "tp", "fp", "fn", "tn", "cost_per_1000", "fbeta", "net_benefit"];
    let last = candidates.len() - 1;
    let step = candidates.len().div_ceil(MAX_SWEEP_ROWS);
    let kept =
        candidates.iter().enumerate().rev().filter(|&(index, _)| index % step == 0 || index == last || index == chosen);
    let rows = kept.map(|(index, Candidate { threshold, counts, allowed })| {
        let kind = match index {
            _ if index == chosen => "chosen",
            0 => "flag_none",
            _ if index == last => "flag_all",
            _ if !allowed => "out_of_bounds",
            _ => "",
        };
        vec![
            plot_csv::number(Some(*threshold)),
            kind.to_owned(),
            plot_csv::number(Some(counts.flagged() as f64 / counts.rows() as f64)),
            counts.true_positive.to_string(),
            counts.false_positive.to_string(),
            counts.false_negative.to_string(),
            counts.true_negative.to_string(),
            plot_csv::number(policy.cost.as_ref().and_then(|cost| cost.mean(counts)).map(|mean| 1000.0 * mean)),
            plot_csv::number(counts.fbeta(policy.reported_beta())),
            plot_csv::number(counts.net_benefit(*threshold)),
        ]
    });
    plot_csv::write(path, &header, rows)
}
