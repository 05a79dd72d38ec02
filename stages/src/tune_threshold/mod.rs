//! `tune_threshold`: picks the probability from which patients are flagged.
//!
//! Reads the cross-fitted calibrated predictions of the training rows and nothing else; the test part is never seen.
//! Every distinct prediction is a candidate, beside flagging everyone and flagging no one. Ties go to the higher
//! threshold, which means fewer alerts; a rule that flags everyone gets the lowest one, so that it does so for all.
//! Levels of a column may have thresholds of their own. How certain the choice is comes from resamples of patients.

mod check;
mod choice;
mod goal;
mod params;
#[cfg(test)]
mod reference_tests;
mod rows;
mod strata;
mod sweep;
mod sweep_csv;
#[cfg(test)]
mod tests;
mod theory;
mod threshold;
mod uncertainty;

pub use goal::Goal;
pub use params::{Policy, PolicyKind, StrataParams};
pub use sweep::{Candidate, choose, sweep};
pub use threshold::{
    Alerts, Decision, Expected, FLAG_NONE, Flat, Source, Strata, Stratum, Theory, Threshold, Uncertainty,
};

use crate::common::canonical_json;
use crate::common::privacy::{self, Privacy};
use crate::{ParamError, ParamSet, Role, Stage, StageContext, StageError};
use choice::{Choice, alerts, expected, note_by_level};
use rows::Rows;
use strata::Levels;
use theory::theory;
use uncertainty::uncertainty;

/// The stage `tune_threshold`.
pub struct TuneThreshold;

impl Stage for TuneThreshold {
    fn name(&self) -> &'static str {
        "tune_threshold"
    }

    fn version(&self) -> u32 {
        6
    }

    fn about(&self) -> &'static str {
        "picks the threshold by the study's policy on cross-fitted training predictions"
    }

    fn inputs(&self) -> &'static [Role] {
        const {
            &[
                Role::required("calibrated", "cross-fitted calibrated predictions of the training rows"),
                Role::optional("table", "the validated table, for thresholds by the level of a column"),
            ]
        }
    }

    fn outputs(&self) -> &'static [Role] {
        const {
            &[
                Role::required("threshold", "the frozen threshold, how certain it is and what it is expected to do"),
                Role::optional("sweep", "every candidate with its counts, cost, F-beta and net benefit"),
            ]
        }
    }

    fn params(&self) -> &'static [Role] {
        const {
            &[
                Role::required("tune_threshold", "policy, limits, strata, resamples"),
                Role::optional("seed", "the study's seed; without it there are no intervals"),
                Role::optional("schema", "the columns of the raw table, to check strata against"),
                Role::optional(privacy::KEY, "the smallest count of a stratum that is published"),
            ]
        }
    }

    fn check(&self, params: &ParamSet) -> Result<(), ParamError> {
        if params.get("seed").is_some() {
            params.parse::<u64>("seed")?;
        }
        Privacy::parse(params)?;
        Policy::parse(params).map(|_| ())
    }

    fn run(&self, context: &StageContext) -> Result<(), StageError> {
        let policy = Policy::parse(context.params())?;
        let rows = Rows::read(context, policy.strata.as_ref())?;
        let n = rows.y.len() as u64;
        context.progress(0, Some(n), "rows", "sweeping thresholds");
        let choice = Choice::new(&policy, &rows).ok_or_else(|| excluded(&policy))?;
        let pool = rayon::ThreadPoolBuilder::new().num_threads(context.threads()).build();
        let pool = pool.map_err(|error| StageError::failed(format!("cannot start threads: {error}")))?;
        let threshold = pool.install(|| freeze(context, &choice))?;
        canonical_json::write(context.output("threshold")?, &threshold)?;
        if let Some(path) = context.output_opt("sweep") {
            sweep_csv::write(path, &choice)?;
        }
        context.progress(n, Some(n), "rows", threshold.note);
        Ok(())
    }
}

fn excluded(policy: &Policy) -> StageError {
    let text = format!("no threshold within the limits of `tune_threshold` gives {}", policy.aim());
    let hint = "widen `min`, `max` or `max_flagged_per_1000`, or lower `recall`";
    StageError::failed(text).with_hint(hint)
}

fn freeze(context: &StageContext, choice: &Choice) -> Result<Threshold, StageError> {
    let Choice { policy, rows, .. } = choice;
    let seed = context.params().get("seed").map(|_| context.seed()).transpose()?;
    let (resamples, confidence) = (policy.resamples(), policy.level());
    let source = uncertainty::Source { seed, label: "overall", resamples, confidence };
    let certain = uncertainty(choice, source);
    let chosen = choice.chosen();
    let (value, mut counts, mut strata) = (chosen.threshold, chosen.counts, None);
    let privacy = Privacy::parse(context.params())?;
    let mut small_cells = rows.small_cells(&rows.p.iter().map(|&p| p >= value).collect::<Vec<_>>(), privacy);
    let (mut net_benefit, mut note) = (counts.net_benefit(value), choice.note("training"));
    if let Some(params) = &policy.strata {
        let vouched = context.params().get("schema").is_some();
        let levels = Levels { policy, strata: params, rows, overall: value, source, vouched, privacy };
        let together = levels.freeze()?;
        (strata, counts, net_benefit) = (Some(together.strata), together.counts, together.net_benefit);
        small_cells = together.small_cells;
        note = note_by_level(policy, &params.column, &counts);
    }
    Ok(Threshold {
        schema_version: 2,
        policy: (*policy).clone(),
        value,
        decision: Decision::of(&counts),
        part_used: "cross-fitted training predictions".to_owned(),
        n: counts.rows(),
        events: counts.events(),
        expected: Expected { net_benefit, small_cells, ..expected(policy, value, &counts) },
        note,
        theory: Some(theory(choice, &certain)),
        uncertainty: Some(certain),
        alerts: policy.prevalences.iter().map(|&rate| alerts(rate, &counts)).collect(),
        strata,
    })
}
