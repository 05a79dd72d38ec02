//! The integration tests, in one binary: each module drives the real program or one of its rooms.

#![expect(clippy::unwrap_used, reason = "what fails in a helper should fail the test")]

mod attack;
mod audit;
mod bombs;
mod chance;
mod claims;
mod cohorts;
mod compare;
mod config_errors;
mod conformance;
mod continuous;
mod crash;
mod damage;
mod disk;
mod edits;
mod engine;
mod exec;
mod export;
mod external;
mod files;
mod five_systems;
mod fuzz;
mod help;
mod kept;
mod layering;
mod leakage;
mod lineage;
mod looks;
mod metrics;
mod model;
mod names;
mod panel;
mod plots;
mod project;
mod regression;
mod remote;
mod report;
mod resources;
mod schema;
mod service;
mod stability;
mod store_commands;
mod strict;
mod studies;
mod together;
