//! The integration tests, in one binary: each module drives the real program or one of its rooms.

mod config_errors;
mod crash;
mod engine;
mod exec;
mod layering;
mod project;
