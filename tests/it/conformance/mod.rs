//! The conformance cases: what a user of DVC may rely on, each under its number.
//!
//! Cases are told once, as data in tests/fixtures/conformance/, and read here and by benches/dvc_conformance.py, which
//! runs DVC itself on them. What needs git, signals or two processes is told in code.

mod case;
mod graph;
mod ignore;
mod params;
mod processes;
mod repro;
mod revisions;
mod run_cache;
mod templating;
