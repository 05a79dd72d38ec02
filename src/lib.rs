//! clinpipe: an offline batch pipeline orchestrator for clinical risk models.
//!
//! The map of the house is `ARCHITECTURE.md` beside this file.

pub mod audit;
pub mod claims;
pub mod cli;
pub mod config;
pub mod console;
pub mod exec;
pub mod export;
pub mod graph;
pub mod key;
pub mod metrics;
pub mod plan;
pub mod plots;
pub mod registry;
pub mod sched;
pub mod serve;
pub mod stage;
pub mod store;
pub mod templates;
pub mod util;
