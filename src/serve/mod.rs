//! The risk model as a small HTTP service.
//!
//! Invariants: every score comes from the bundle's own scoring path; a request is answered from memory, without a
//! file, a lock or another thread; no identifier and no value of a patient reaches a log line or a metric.
//!
//! It must not read the environment or the wall clock, print, or bring a pipeline up to date: its settings, its clock
//! and its log writer come from the command line.

mod answer;
mod api;
mod auth;
mod bundle_model;
#[cfg(test)]
mod bundle_tests;
mod connections;
mod docs;
#[cfg(test)]
mod docs_tests;
mod errors;
mod gate;
#[cfg(test)]
mod guard_tests;
mod http;
mod keys;
mod limit;
mod lines;
mod listen;
mod log;
mod metrics;
mod model;
mod models;
mod observe;
#[cfg(test)]
mod operations_tests;
mod page;
mod record_json;
mod records;
mod reload;
mod schema;
mod settings;
mod shutdown;
mod stats;
#[cfg(test)]
mod test_app;
#[cfg(test)]
pub(crate) mod test_bundle;
#[cfg(test)]
mod tests;
mod tls;
mod trace;
mod unfinished;
mod watch;

pub use bundle_model::{BundleModel, Papers};
pub use errors::FieldProblem;
pub use http::Logs;
pub use keys::{KeySet, KeysError, NewKey, Scope};
pub use listen::{ServeError, Served, serve};
pub use log::{AccessLog, Level, LogWriter};
pub use model::{
    Contribution, DecisionInfo, Encoded, Event, Explained, MemberExplanation, Model, ModelInfo, ModelTier, Outcome,
    Preprocessed, Scored, ScoringError, TableForm,
};
pub use models::{Lineup, Loaded, Seat, Source, same_question};
pub use records::{LogKey, PredictionLog, RecordWriter, Recording, Rotation, WhenFull};
pub use schema::request_schema;
pub use settings::{
    CanaryParams, KEY_VARIABLE, Kind, LOG_KEY_VARIABLE, Layers, PredictionParams, ServeParams, Setting, Settings,
    SettingsError, TABLE, Variables, json_schema, level_name, markdown, sample,
};
pub use shutdown::{Phase, Shutdown};
pub use tls::{Tls, TlsError};
