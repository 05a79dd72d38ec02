//! A loaded bundle: the one path from raw columns to a calibrated probability, a flag and a risk level.

use std::path::Path;

use serde_json::{Map, Value};

use super::intake::Intake;
use super::manifest::{BundleError, BundleManifest, Files};
use super::record::{FieldError, ParsedRecord, RecordSchema};
use super::reference::Reference;
use super::tiers::{Tiers, level_of};
use crate::calibrate::Calibrator;
use crate::common::frame::{Column, Frame};
use crate::common::schema::{ColumnType, Schema};
use crate::featurize::FeatureSpec;
use crate::train::{BaselineLogistic, BaselinePrevalence, Model, ModelFile, Preprocessor};
use crate::tune_threshold::Threshold;

/// A loaded, verified bundle.
#[derive(Debug)]
pub struct Bundle {
    digest: String,
    manifest: BundleManifest,
    schema: Schema,
    intake: Intake,
    records: RecordSchema,
    spec: FeatureSpec,
    scorer: Scorer,
    calibrator: Calibrator,
    threshold: Threshold,
    tiers: Option<Tiers>,
    bounds: Vec<f64>,
    logistic: Scorer,
    prevalence: f64,
    profile: Option<Value>,
    reference: Reference,
}

/// What a bundle says of one row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prediction {
    /// The model's probability.
    pub p_raw: f64,
    /// The calibrated probability.
    pub p: f64,
    /// Whether `p` reaches the threshold.
    pub flagged: bool,
    /// The index of its risk level, when the bundle has levels.
    pub tier: Option<usize>,
}

/// A model behind its preprocessor.
#[derive(Debug)]
struct Scorer {
    preprocessor: Preprocessor,
    model: Model,
}

impl Scorer {
    fn new(member: &str, preprocessor: Preprocessor, file: ModelFile) -> Result<Self, BundleError> {
        let fits = file.columns == preprocessor.columns()
            && file.model.columns().is_none_or(|columns| columns == file.columns.len());
        if !fits {
            let message = "does not read the columns that its preprocessor writes".to_owned();
            return Err(BundleError::Format { member: member.to_owned(), message });
        }
        Ok(Self { preprocessor, model: file.model })
    }

    fn probabilities(&self, features: &Frame) -> Result<Vec<f64>, BundleError> {
        let matrix = self.preprocessor.transform(features, None);
        let matrix = matrix.map_err(|error| BundleError::Features(error.to_string()))?;
        Ok((0..matrix.rows).map(|row| self.model.probability(matrix.row(row))).collect())
    }
}

impl Bundle {
    /// Loads a bundle and verifies that its files are exactly those of its manifest.
    pub fn load(directory: &Path) -> Result<Self, BundleError> {
        let files = Files::read(directory)?;
        let format = |member: &str, message: String| BundleError::Format { member: member.to_owned(), message };
        let schema: Schema = files.json("schema.json")?;
        schema.check().map_err(|error| format("schema.json", error.to_string()))?;
        let spec: FeatureSpec = files.json("features.json")?;
        let intake: Intake = files.json("intake.json")?;
        let records = RecordSchema::new(&schema, &spec.inputs, &intake.rules)
            .map_err(|error| format("schema.json", error.to_string()))?;
        let scorer = Scorer::new("model.json", files.json("preprocessor.json")?, files.json("model.json")?)?;
        let baseline: BaselineLogistic = files.json("baseline_logistic.json")?;
        let logistic = Scorer::new("baseline_logistic.json", baseline.preprocessor, baseline.model)?;
        let prevalence: BaselinePrevalence = files.json("baseline_prevalence.json")?;
        let calibrator = files.json::<crate::calibrate::CalibratorFile>("calibrator.json")?.calibrator;
        if !calibrator.is_sound() {
            return Err(format("calibrator.json", "does not hold an ascending calibration".to_owned()));
        }
        let threshold: Threshold = files.json("threshold.json")?;
        let tiers: Option<Tiers> = files.json_opt("tiers.json")?;
        let bounds = tiers.as_ref().map(|tiers| tiers.bounds(threshold.value)).unwrap_or_default();
        Ok(Self {
            profile: files.json_opt("profile.json")?,
            reference: files.json("reference.json")?,
            prevalence: prevalence.p,
            digest: files.digest,
            manifest: files.manifest,
            schema,
            intake,
            records,
            spec,
            scorer,
            calibrator,
            threshold,
            tiers,
            bounds,
            logistic,
        })
    }

    /// BLAKE3 of bundle.json in hex: the bundle's identity.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// What it is made of and where it comes from.
    pub fn manifest(&self) -> &BundleManifest {
        &self.manifest
    }

    /// The study's schema.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The raw columns that scoring reads, in name order; nullable ones may be absent.
    pub fn inputs(&self) -> &[String] {
        &self.spec.inputs
    }

    /// How raw rows are read and judged.
    pub fn intake(&self) -> &Intake {
        &self.intake
    }

    /// The fields of a request and their rules.
    pub fn records(&self) -> &RecordSchema {
        &self.records
    }

    /// The feature specification.
    pub fn features(&self) -> &FeatureSpec {
        &self.spec
    }

    /// The decision threshold.
    pub fn threshold(&self) -> &Threshold {
        &self.threshold
    }

    /// The risk levels, when the study has them.
    pub fn tiers(&self) -> Option<&Tiers> {
        self.tiers.as_ref()
    }

    /// How answers are named, as the study's `profile` says.
    pub fn profile(&self) -> Option<&Value> {
        self.profile.as_ref()
    }

    /// The frozen profile of the training rows.
    pub fn reference(&self) -> &Reference {
        &self.reference
    }

    /// Scores every row. A nullable column may be absent and counts as missing; other columns are ignored.
    pub fn predict(&self, raw: &Frame) -> Result<Vec<Prediction>, BundleError> {
        let features = self.features_of(raw)?;
        let scored = self.scorer.probabilities(&features)?.into_iter().map(|p_raw| {
            let p = self.calibrator.apply(p_raw);
            Prediction { p_raw, p, flagged: self.threshold.flags(p), tier: level_of(&self.bounds, p) }
        });
        Ok(scored.collect())
    }

    /// The plain logistic regression's probabilities of the same rows.
    pub fn baseline_logistic(&self, raw: &Frame) -> Result<Vec<f64>, BundleError> {
        self.logistic.probabilities(&self.features_of(raw)?)
    }

    /// The event rate of the training rows.
    pub fn baseline_prevalence(&self) -> f64 {
        self.prevalence
    }

    fn features_of(&self, raw: &Frame) -> Result<Frame, BundleError> {
        let complete = self.completed(raw)?;
        let features = self.spec.apply(complete.as_ref().unwrap_or(raw));
        features.map_err(|error| BundleError::Features(error.to_string()))
    }

    /// The table with absent nullable columns filled in as missing; nothing when none is absent.
    fn completed(&self, raw: &Frame) -> Result<Option<Frame>, BundleError> {
        let mut completed: Option<Frame> = None;
        for name in &self.spec.inputs {
            let Some(column) = self.schema.columns.get(name) else { continue };
            let number = matches!(column.kind, ColumnType::Integer | ColumnType::Number);
            match raw.get(name) {
                Some(Column::Text(_)) if number => {
                    return Err(BundleError::WrongType { column: name.clone(), wanted: "numbers" });
                }
                Some(Column::Number(_)) if !number => {
                    return Err(BundleError::WrongType { column: name.clone(), wanted: "texts" });
                }
                Some(_) => {}
                None if !column.nullable => return Err(BundleError::MissingColumn(name.clone())),
                None if number => {
                    let missing = Column::Number(vec![f64::NAN; raw.rows()]);
                    completed.get_or_insert_with(|| raw.clone()).insert(name, missing);
                }
                None => {
                    let missing = Column::Text(vec![None; raw.rows()]);
                    completed.get_or_insert_with(|| raw.clone()).insert(name, missing);
                }
            }
        }
        Ok(completed)
    }
}

/// Validates a request's record against a bundle's schema.
///
/// # Errors
/// Every problem of every field.
pub fn parse_record(bundle: &Bundle, record: &Map<String, Value>) -> Result<ParsedRecord, Vec<FieldError>> {
    bundle.records.parse(record)
}
