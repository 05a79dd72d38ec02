//! The search for better settings: `train.tune`.
//!
//! Nested: every candidate is searched in every outer fold on that fold's training rows, divided into inner folds; the
//! best trial's settings are fitted on all of those rows and judged on the held-out ones. The kept candidate is
//! searched once more on all training rows. So no row that judges a model had a say in its settings, and without
//! `train.tune` nothing of this runs.
//!
//! Proposals (`space`, `tpe`, `search`), giving up (`pruner`) and the table (`report`) know no rows and no learners;
//! `patch` knows the parameters; `nested` puts them together.

mod nested;
mod params;
mod patch;
mod pruner;
mod report;
mod search;
mod space;
#[cfg(test)]
mod tests;
mod tpe;
mod trial;

pub(super) use nested::{Found, Nested, Tuned, fits};
pub use params::{Pruner, Range, TuneMethod, TuneParams};
pub(super) use patch::{check, patched};
pub(super) use report::{Searched, write};
