//! `tune_threshold`: picks the probability from which patients are flagged.
//!
//! Reads the cross-fitted calibrated predictions of the training rows and nothing else; the test part is never seen.
//! Every distinct prediction is a candidate, beside flagging everyone and flagging no one. Ties go to the higher
//! threshold, which means fewer alerts.

mod params;
mod threshold;

pub use params::{Policy, PolicyKind};
pub use threshold::{Decision, Expected, FLAG_NONE, Threshold};
