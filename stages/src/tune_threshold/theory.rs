//! Where the optimum would lie if the probabilities were calibrated perfectly, beside the one that was found.
//!
//! Sources: for costs and net benefit, decision theory (flag where p times the gain exceeds 1 − p times the harm); for
//! F-beta, t = F / (1 + β²) with F the best F-beta (Lipton, Elkan and Naryanaswamy 2014 for β = 1, generalised); for
//! Youden's index the event rate.

use super::choice::Choice;
use super::params::PolicyKind;
use super::threshold::{Theory, Uncertainty};

/// The optimum of theory for a choice.
pub(super) fn theory(choice: &Choice, uncertainty: &Uncertainty) -> Theory {
    let (value, law) = law(choice);
    let Some(value) = value else {
        return Theory { value: None, law: law.to_owned(), achieved: None, far: false, note: None };
    };
    // The candidate that flags the same rows: the lowest at or above the value. Flagging no one is above all.
    let at = choice.candidates.partition_point(|candidate| candidate.threshold >= value).saturating_sub(1);
    let candidate = choice.candidates[at];
    let found = choice.chosen().threshold;
    let far = candidate.allowed && is_far(value, uncertainty);
    let note = if !candidate.allowed {
        format!("calibrated probabilities would put it at {value:.4}, which the policy's limits exclude")
    } else if far {
        format!(
            "calibrated probabilities would put it at {value:.4}, far from {found:.4}: they may not be calibrated \
             there; look at the calibration curve"
        )
    } else {
        format!("calibrated probabilities would put it at {value:.4}, which these rows cannot tell from {found:.4}")
    };
    let achieved = choice.policy.achieved(&candidate.counts);
    Theory { value: Some(value), law: law.to_owned(), achieved, far, note: Some(note) }
}

fn law(choice: &Choice) -> (Option<f64>, &'static str) {
    let policy = choice.policy;
    let counts = choice.chosen().counts;
    match policy.policy {
        PolicyKind::Cost | PolicyKind::NetBenefit => {
            let value = policy.exchange().map(|weight| weight / (1.0 + weight));
            (value, "w / (1 + w), w being what a false positive weighs against a true positive")
        }
        PolicyKind::Fbeta | PolicyKind::F1 => {
            let square = policy.reported_beta() * policy.reported_beta();
            let value = counts.fbeta(policy.reported_beta()).map(|best| best / (1.0 + square));
            (value, "F / (1 + beta²), F being the best F-beta on these rows")
        }
        PolicyKind::Youden => {
            let rate = (counts.rows() > 0).then(|| counts.events() as f64 / counts.rows() as f64);
            (rate, "the event rate")
        }
        PolicyKind::RecallFloor | PolicyKind::Capacity => (None, "a limit that is kept has no optimum"),
        PolicyKind::Fixed => (None, "a fixed threshold has no optimum"),
    }
}

/// Whether it lies outside of the interval of the threshold and of the flat range.
fn is_far(value: f64, uncertainty: &Uncertainty) -> bool {
    let inside = |[low, high]: [f64; 2]| (low..=high).contains(&value);
    let interval = uncertainty.threshold.low.zip(uncertainty.threshold.high).map(|(low, high)| [low, high]);
    let flat = uncertainty.flat.as_ref().map(|flat| flat.within_1_se.unwrap_or(flat.within_1_percent));
    ![interval, flat].into_iter().flatten().any(inside)
}
