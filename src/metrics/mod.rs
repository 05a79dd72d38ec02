//! Metric and parameter files: reading, comparing and gating them.
//!
//! Pure functions from texts to data. Finding the text of a revision and printing belong to the command line.

pub mod diff;
pub mod gate;
pub mod read;
pub mod table;

pub use diff::{Change, Changes, Columns, Compare, data_notes, diff};
pub use gate::{GateReport, direction_of, gate, load_rules};
pub use read::{Lists, MetricsError, MetricsSet, leaves, leaves_with, parse, parse_bytes};
pub use table::Table;
