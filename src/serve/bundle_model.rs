//! The bundle as a model that answers requests.
//!
//! It adds nothing to the score: validation is the schema's, the numbers are the bundle's.

use clinpipe_stages::bundle::{Bundle, BundleError, FieldError, ParsedRecord, Prediction, Profile};
use clinpipe_stages::common::frame::{Column, Frame};
use clinpipe_stages::common::target::Task;
use clinpipe_stages::featurize::HISTORY_FIELD;
use serde_json::{Map, Value, json};

use super::errors::FieldProblem;
use super::schema::request_schema;
use super::{Model, ModelInfo, ModelTier, Scored, ScoringError};

/// A loaded bundle with what is derived from it once.
pub struct BundleModel {
    bundle: Bundle,
    info: ModelInfo,
    schema: Value,
}

impl BundleModel {
    /// Prepares a bundle for requests.
    ///
    /// # Errors
    /// When it predicts a number: answers are probabilities with a flag.
    pub fn new(bundle: Bundle) -> Result<Self, BundleError> {
        let info = info(&bundle)?;
        let title = format!("Request of bundle {}", info.version());
        let records = bundle.records();
        let mut schema = request_schema(bundle.schema(), &records.fields(), &records.required(), &title);
        if let Some(required) = records.required_of_past() {
            let row = request_schema(bundle.schema(), &records.fields(), &required, "Earlier row of the same patient");
            schema["properties"][HISTORY_FIELD] = json!({"type": ["array", "null"], "items": row});
        }
        let rules = records.rules().map(|rule| json!({"name": rule.name, "check": rule.check, "level": rule.level}));
        schema["x-rules"] = Value::Array(rules.collect());
        Ok(Self { bundle, info, schema })
    }

    fn tier(&self, prediction: &Prediction) -> Option<ModelTier> {
        let level = self.bundle.tiers()?.levels.get(prediction.tier?)?;
        Some(ModelTier { name: level.name.clone(), action: level.action.clone() })
    }

    /// Features beyond what training has seen: the schema allows the inputs, but the model extrapolates there.
    fn warnings(&self, frame: &Frame) -> Vec<FieldProblem> {
        let Ok(features) = self.bundle.features().apply(frame) else { return Vec::new() };
        let outside = |(name, column): (&str, &Column)| {
            let value = *column.numbers()?.first()?;
            let Some(Profile::Number { min: Some(low), max: Some(high), .. }) =
                self.bundle.reference().features.get(name)
            else {
                return None;
            };
            let message = format!("{value} lies outside {low} to {high}, the range seen in training");
            let kind = "out_of_training_range".to_owned();
            (value < *low || value > *high).then(|| FieldProblem { field: name.to_owned(), message, kind })
        };
        features.columns().filter_map(outside).collect()
    }
}

impl Model for BundleModel {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn request_schema(&self) -> &Value {
        &self.schema
    }

    fn score(&self, record: &Map<String, Value>) -> Result<Scored, ScoringError> {
        let invalid = |errors: Vec<FieldError>| ScoringError::Invalid(errors.into_iter().map(problem).collect());
        let ParsedRecord { id, frame, warnings } = self.bundle.records().parse(record).map_err(invalid)?;
        let internal = |cause: String| ScoringError::Internal(cause);
        let predictions = self.bundle.predict(&frame).map_err(|error| internal(error.to_string()))?;
        let prediction = predictions.first().ok_or_else(|| internal("the bundle gave no prediction".to_owned()))?;
        if !prediction.p.is_finite() {
            return Err(internal("the bundle's probability is not finite".to_owned()));
        }
        Ok(Scored {
            id,
            probability: prediction.p,
            threshold: prediction.threshold,
            stratum: prediction.stratum.and_then(|at| self.bundle.strata().get(at).cloned()),
            flagged: prediction.flagged,
            tier: self.tier(prediction),
            warnings: warnings.into_iter().map(problem).chain(self.warnings(&frame)).collect(),
        })
    }
}

fn problem(error: FieldError) -> FieldProblem {
    FieldProblem { field: error.field, message: error.message, kind: error.kind.to_owned() }
}

fn info(bundle: &Bundle) -> Result<ModelInfo, BundleError> {
    let number = BundleError::Outcome { found: bundle.task(), wanted: Task::Binary };
    let threshold = bundle.threshold().ok_or(number)?.value;
    let manifest = bundle.manifest();
    let digest = manifest.members.get("threshold.json").map_or("", |member| member.blake3.as_str());
    Ok(ModelInfo {
        name: manifest.model.clone(),
        bundle: bundle.digest().to_owned(),
        data: manifest.data.source.clone(),
        threshold,
        threshold_version: digest.chars().take(12).collect(),
    })
}
