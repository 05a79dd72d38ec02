//! What the HTTP side knows of a model: one record in, one scored answer out.
//!
//! The trait keeps HTTP free of bundles and lets its tests do without one.
//! A model must not keep state between two requests.

use serde_json::{Map, Value};

use super::errors::FieldProblem;

/// What stays the same for all answers of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelInfo {
    /// The kind of the chosen model: `logistic`, `forest`, `gbdt`.
    pub name: String,
    /// The bundle's digest, 64 hex digits.
    pub bundle: String,
    /// `real` or `synthetic`: what it was trained on.
    pub data: String,
    /// The overall threshold.
    pub threshold: f64,
    /// Says where the threshold comes from: the start of the digest of the bundle's threshold.
    pub threshold_version: String,
}

impl ModelInfo {
    /// The short form of the bundle's digest that answers carry.
    pub fn version(&self) -> &str {
        self.bundle.get(..12).unwrap_or(&self.bundle)
    }
}

/// A level of risk and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelTier {
    /// Its name: `Critical`.
    pub name: String,
    /// What the study recommends, if it does: `immediate_intervention`.
    pub action: Option<String>,
}

/// One scored record.
#[derive(Debug, Clone, PartialEq)]
pub struct Scored {
    /// The record's identifier as it was sent, if it was.
    pub id: Option<Value>,
    /// Calibrated probability of the event.
    pub probability: f64,
    /// The threshold that applies to it.
    pub threshold: f64,
    /// The level whose own threshold that is; none when it is the overall one.
    pub stratum: Option<String>,
    /// Whether it reaches the threshold.
    pub flagged: bool,
    /// Its level, when the bundle has levels.
    pub tier: Option<ModelTier>,
    /// Accepted but remarkable inputs, such as values outside the range seen in training.
    pub warnings: Vec<FieldProblem>,
}

/// A record without a score.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScoringError {
    /// The record is at fault: every problem of every field.
    Invalid(Vec<FieldProblem>),
    /// The service is at fault. The text is for the log and names no value.
    Internal(String),
}

/// A model that answers requests.
pub trait Model: Send + Sync {
    /// What it is.
    fn info(&self) -> &ModelInfo;
    /// The JSON Schema of a record.
    fn request_schema(&self) -> &Value;
    /// Validates and scores one record.
    fn score(&self, record: &Map<String, Value>) -> Result<Scored, ScoringError>;
}
