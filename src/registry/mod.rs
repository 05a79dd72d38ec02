//! The registry: which versions of a model exist, which one is in use, and what a new one has to show to take its place.
//!
//! Invariants: a version is named by the digest of its bundle and its bundle never changes; which one is the champion,
//! which the challenger, and how it came to that is one state, and one rename puts the next state in place of the last,
//! so that no reader and no crash ever meets half of a promotion; every change happens under a lock between processes
//! and only if the champion is still the one that the candidate was compared with. Models are compared on rows that
//! neither has learned from, through the bundle's own scoring path.
//!
//! This room knows no pipeline, no clock and no environment, and it does not decide alone: who, when, why and the
//! audit record come from its callers. It never prints.

mod aliases;
mod change;
mod commit;
mod compare;
#[cfg(test)]
mod equal_models_tests;
mod measures;
mod place;
#[cfg(test)]
mod place_tests;
mod policy;
mod seen;
mod state;
mod version;

pub use change::{Allowed, Change, ChangeKind, ControlPlan, changes, schema as plan_schema};
pub use commit::Held;
pub use compare::{Comparison, Incomparable, Setup, Side, TestRows, compare};
pub use measures::Measure;
pub use place::{CHAMPION, Registry, RegistryError};
pub use policy::{Guards, POLICIES, Policy, Rule, Ruling, schema as policy_schema};
pub use seen::{RowKey, RowMarks, SeenRows};
pub use state::{Act, Move, State};
pub use version::{Evidence, Paper, Recipe, RecipeStage, TestFiles, Version};
