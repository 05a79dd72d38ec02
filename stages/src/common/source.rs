//! Whether rows are those of patients or made up; every report says which.

use serde::{Deserialize, Serialize};

/// Where the rows came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The study's own table.
    Real,
    /// A seeded cohort.
    Synthetic,
}
