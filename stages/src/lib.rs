//! The stage functions of clinpipe.
//!
//! A stage is a pure function from input files and parameters to output files. This crate knows nothing of the
//! engine: no pipeline file, no cache, no terminal, no clock, no environment but for one secret (`drift/labels.rs`), which
//! can make a stage fail and cannot change what it writes. It is a leaf crate, so every stage can be called from a test
//! with three paths and a JSON object.
//!
//! Invariants: the bytes a stage writes depend only on the bytes it reads, its parameters and its `VERSION`; never on
//! the thread count, the directory, the day or the locale. Rows keep their order and their `row_id`.

pub mod bundle;
pub mod calibrate;
pub mod cohort;
pub mod common;
mod context;
pub mod decide;
pub mod drift;
mod error;
pub mod evaluate;
pub mod explain;
pub mod featurize;
pub mod gate;
pub mod generate;
pub mod ingest;
pub mod landmark;
pub mod leakage;
mod params;
mod params_schema;
pub mod report;
pub mod split;
pub mod stability;
#[cfg(test)]
mod testing;
pub mod train;
pub mod tune_threshold;
pub mod validate;

pub use context::{Progress, StageContext, StageFile, StageRequest};
pub use error::StageError;
pub use params::{ParamError, ParamSet};
pub use params_schema::params_schema;

/// A named input or output of a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Role {
    /// The name that `deps` and `outs` of `pipeline.yaml` use.
    pub name: &'static str,
    /// Whether the pipeline must bind it to a path.
    pub required: bool,
    /// What the file holds, in a few words; shown in help and in errors.
    pub about: &'static str,
}

impl Role {
    /// A role that every use of the stage must bind.
    pub const fn required(name: &'static str, about: &'static str) -> Self {
        Self { name, required: true, about }
    }

    /// A role that may be left out.
    pub const fn optional(name: &'static str, about: &'static str) -> Self {
        Self { name, required: false, about }
    }
}

/// A built-in stage: what it is called, what it reads and writes, and how it runs.
pub trait Stage: Sync {
    /// The name after `uses:`.
    fn name(&self) -> &'static str;
    /// Part of the action key as `uses@version`; raised whenever the same inputs would give other bytes.
    fn version(&self) -> u32;
    /// One line for help.
    fn about(&self) -> &'static str;
    /// The roles under `deps:`.
    fn inputs(&self) -> &'static [Role];
    /// The roles under `outs:`, `metrics:` and `plots:`.
    fn outputs(&self) -> &'static [Role];
    /// The top-level keys of params.yaml it reads. A pipeline must list exactly these; those marked optional may miss.
    fn params(&self) -> &'static [Role];
    /// Parses the parameters into the stage's types and checks their values, touching no file.
    fn check(&self, params: &ParamSet) -> Result<(), ParamError>;
    /// Does the work: reads the inputs, writes every output.
    fn run(&self, context: &StageContext) -> Result<(), StageError>;
}

/// All built-in stages, in pipeline order.
pub fn stages() -> &'static [&'static dyn Stage] {
    &[
        &generate::Generate,
        &landmark::Landmark,
        &ingest::Ingest,
        &validate::Validate,
        &split::Split,
        &featurize::Featurize,
        &cohort::Cohort,
        &leakage::Leakage,
        &train::Train,
        &calibrate::Calibrate,
        &tune_threshold::TuneThreshold,
        &bundle::Assemble,
        &evaluate::Evaluate,
        &explain::Explain,
        &stability::Stabilise,
        &gate::Gate,
        &report::Report,
        &drift::Drift,
        &decide::Decide,
    ]
}

/// The built-in stage of that name.
pub fn find(name: &str) -> Option<&'static dyn Stage> {
    stages().iter().copied().find(|stage| stage.name() == name)
}
