//! The bundle: everything that scoring needs, and the only path that scores.

mod assemble;
mod decision;
mod explain;
mod intake;
mod manifest;
mod panel;
mod past;
mod profile;
pub mod record;
mod reference;
mod score;
mod sketch;
mod tiers;

pub use assemble::Assemble;
pub use decision::{Overrides, Prediction};
pub use explain::{Explanation, Explanations, Scale};
pub use intake::{Intake, IntakeRule};
pub use manifest::{
    BundleError, BundleManifest, DataLineage, LeakageRecord, MANIFEST, Member, TrainingRows, WaivedFinding,
};
pub use profile::{AnswerField, AnswerProfile, AnswerValue, ConfidenceLevel};
pub use record::{EXACT_INTEGERS, FieldError, ParsedRecord, RecordSchema};
pub use reference::{Profile, Reference};
pub use score::{Bundle, ScoringModel, parse_record};
pub use sketch::{CategoryCounts, InputProfile, NumberSketch};
pub use tiers::{Level, Tiers};

#[cfg(test)]
mod past_tests;
#[cfg(test)]
mod record_tests;
#[cfg(test)]
pub(crate) mod tests;
