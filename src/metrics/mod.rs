//! Metric files: reading, comparing and gating them.
//!
//! Pure functions from texts to data. Finding the text of a revision and printing belong to the command line.

pub mod diff;
pub mod gate;
pub mod read;
pub mod table;

pub use diff::{Change, MetricsDiff, diff};
pub use gate::{GateReport, gate, load_rules};
pub use read::{MetricsError, MetricsSet, leaves, parse};
pub use table::Table;
