//! What the HTTP side knows of a model: one record in, one scored answer out.
//!
//! The trait keeps HTTP free of bundles and lets its tests do without one.
//! A model must not keep state between two requests.

use std::collections::BTreeSet;

use clinpipe_stages::bundle::AnswerProfile;
use clinpipe_stages::ingest::RowReader;
use serde::Serialize;
use serde_json::{Map, Value};

use super::errors::FieldProblem;

/// What stays the same for all answers of a model.
#[derive(Debug, Clone)]
pub struct ModelInfo {
    /// The kind of the chosen model: `logistic`, `forest`, `gbdt`, or `ensemble`.
    pub name: String,
    /// The bundle's digest, 64 hex digits.
    pub bundle: String,
    /// `real` or `synthetic`: what it was trained on.
    pub data: String,
    /// What is predicted, in words.
    pub outcome: String,
    /// The bounds of the outcome, when it is a number and has bounds.
    pub range: Option<[f64; 2]>,
    /// How decisions are made; none when the outcome is a number.
    pub decision: Option<DecisionInfo>,
    /// The field that names the patient, where records have one.
    pub patient: Option<String>,
    /// Fields that name somebody or hold free text; no log has their values.
    pub withheld: BTreeSet<String>,
    /// The features that the model sees, in their order.
    pub features: Vec<String>,
    /// The shape of answers: the study's profile, else the full answer.
    pub profile: AnswerProfile,
    /// The answer with every field.
    pub full: AnswerProfile,
    /// How tables of records are read.
    pub table: TableForm,
    /// Further facts for `/model/info`: a JSON object.
    pub details: Value,
    /// The model card, as Markdown, when it lies beside the bundle.
    pub card: Option<String>,
}

/// How tables of records are read.
#[derive(Debug, Clone)]
pub struct TableForm {
    /// Cells to values.
    pub reader: RowReader,
    /// The delimiter of CSV.
    pub delimiter: u8,
    /// The fields of a record; other columns of the schema are left aside.
    pub fields: BTreeSet<String>,
    /// The columns that tell whose row it is and when it was observed, where the study looks at the past.
    pub panel: Option<(String, String)>,
}

/// How a probability becomes a decision.
#[derive(Debug, Clone, PartialEq)]
pub struct DecisionInfo {
    /// The overall threshold.
    pub threshold: f64,
    /// Says where the threshold comes from: the start of the digest of the bundle's threshold, or `override:` and the
    /// value that the site set in its place.
    pub threshold_version: String,
    /// The risk levels, highest first, with the lowest probability of each.
    pub tiers: Vec<(ModelTier, f64)>,
}

impl ModelInfo {
    /// The short form of the bundle's digest that answers carry.
    pub fn version(&self) -> &str {
        self.bundle.get(..12).unwrap_or(&self.bundle)
    }
}

/// A level of risk and what to do about it.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelTier {
    /// Its name: `Critical`.
    pub name: String,
    /// What the study recommends, if it does: `immediate_intervention`.
    pub action: Option<String>,
    /// What that costs, in the currency of the decision costs.
    pub cost: Option<f64>,
}

/// One scored record.
#[derive(Debug, Clone, PartialEq)]
pub struct Scored {
    /// The record's identifier as it was sent, if it was.
    pub id: Option<Value>,
    /// What is predicted for it.
    pub outcome: Outcome,
    /// Accepted but remarkable inputs, such as values outside the range seen in training.
    pub warnings: Vec<FieldProblem>,
}

/// A prediction.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Of an event.
    Event(Event),
    /// Of a number, in the outcome's unit and within its bounds.
    Number(f64),
}

/// The prediction of an event.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Calibrated probability.
    pub probability: f64,
    /// The ends of its Venn–Abers interval, when the bundle has intervals.
    pub interval: Option<[f64; 2]>,
    /// The threshold that applies to the record.
    pub threshold: f64,
    /// The level whose own threshold that is; none when it is the overall one.
    pub stratum: Option<String>,
    /// Whether the probability reaches the threshold.
    pub flagged: bool,
    /// Its risk level, when the bundle has levels.
    pub tier: Option<ModelTier>,
}

/// A scored record with the reasons for its score.
#[derive(Debug, Clone, PartialEq)]
pub struct Explained {
    /// The answer that is explained.
    pub scored: Scored,
    /// One explanation a model; several only when the answer is their mean.
    pub members: Vec<MemberExplanation>,
}

/// Why one model scored a record as it did: base + contributions = margin.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MemberExplanation {
    /// The learner.
    pub learner: String,
    /// The unit of the margin: `log_odds`, `probability` or `outcome`.
    pub scale: String,
    /// The margin before any feature counts.
    pub base_value: f64,
    /// The record's margin.
    pub margin: f64,
    /// What each feature adds to the margin, largest first; ties in the order of the features.
    pub contributions: Vec<Contribution>,
}

/// What a feature adds to a margin.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Contribution {
    /// The feature.
    pub feature: String,
    /// Its value in this record: a number, a text, or `null` when it is missing.
    pub value: Value,
    /// What it adds.
    pub contribution: f64,
}

/// A record on its way through the model.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Preprocessed {
    /// The features by name, before imputation and encoding.
    pub features: Map<String, Value>,
    /// What each model reads, by encoded column.
    pub encoded: Vec<Encoded>,
}

/// The row that one model reads.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Encoded {
    /// The learner.
    pub learner: String,
    /// Values by column; `null` where a model takes a missing value as such.
    pub columns: Map<String, Value>,
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
    /// Validates, scores and explains one record.
    fn explain(&self, record: &Map<String, Value>) -> Result<Explained, ScoringError>;
    /// Validates one record and shows what the model reads of it.
    fn preprocess(&self, record: &Map<String, Value>) -> Result<Preprocessed, ScoringError>;
}
