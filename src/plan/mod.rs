//! What would run, and why: the one function behind `status`, `repro --dry-run` and `repro` itself.
//!
//! The plan is computed from files alone and changes nothing. A stage whose inputs are settled is assessed for real;
//! one that comes after a pending stage is forecast, unless that stage's result is already known from the action
//! cache. The run loop calls the same [`Workspace::assess`] again once the inputs have settled, so a forecast can be
//! wiser than the run but never contradict it.

mod assess;
mod forecast;
mod glance;
mod lineage;
mod workspace;

pub use assess::{Assessment, Params, PlanError};
pub use forecast::{Forecast, Plan, PlanOptions, PlannedStage};
pub use glance::Glance;
pub use lineage::{Artifact, Input, Lineage, LineageError, State, Step};
pub use workspace::Workspace;
