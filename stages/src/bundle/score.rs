//! A loaded bundle: the one path from raw columns to a calibrated probability, a flag and a risk level.

use std::path::Path;
use std::sync::OnceLock;

use serde_json::{Map, Value};

use super::decision::{Decision, Overrides, Prediction};
use super::explain::Explainers;
use super::intake::Intake;
use super::manifest::{BundleError, BundleManifest, Files};
use super::profile::AnswerProfile;
use super::record::{FieldError, ParsedRecord, RecordSchema};
use super::reference::Reference;
use super::tiers::Tiers;
use crate::ParamError;
use crate::common::frame::{Column, Frame};
use crate::common::schema::{ColumnType, Schema};
use crate::common::target::Task;
use crate::common::texts::Texts;
use crate::featurize::{FeatureError, FeatureSpec};
use crate::train::{BaselineConstant, BaselineLinear, LearnerName, Model, ModelFile, ModelMember, Preprocessor};
use crate::train::{COMBINATIONS, CombinationsFile, PreprocessorFile, SeenCombinations};
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
    /// The raw columns that scoring reads.
    inputs: Vec<String>,
    /// The kind of each, and whether it may be absent.
    kinds: Vec<InputKind>,
    pub(super) scorer: Scorer,
    /// Made when something is first explained.
    pub(super) explainers: OnceLock<Explainers>,
    /// How probabilities are judged; nothing when the outcome is a number.
    decision: Option<Decision>,
    linear: Scorer,
    constant: f64,
    profile: Option<AnswerProfile>,
    reference: Reference,
}

/// What a raw column must hold.
#[derive(Debug, Clone, Copy)]
struct InputKind {
    number: bool,
    nullable: bool,
}

/// A fitted model and the step before it, as whoever hands it over or explains it needs them.
#[derive(Debug, Clone, Copy)]
pub struct ScoringModel<'a> {
    /// What is predicted.
    pub task: Task,
    /// The learner that made it.
    pub learner: LearnerName,
    /// Turns features into the matrix that the model reads.
    pub preprocessor: &'a Preprocessor,
    /// The model over that matrix.
    pub model: &'a Model,
}

/// A model behind its preprocessor: several when their predictions are averaged.
#[derive(Debug)]
pub(super) struct Scorer {
    pub(super) task: Task,
    pub(super) members: Vec<(Preprocessor, ModelMember)>,
}

impl Scorer {
    fn new(task: Task, file: &str, members: Vec<(Preprocessor, ModelMember)>) -> Result<Self, BundleError> {
        let fits = |(preprocessor, member): &(Preprocessor, ModelMember)| {
            member.columns == preprocessor.columns()
                && member.model.columns().is_none_or(|columns| columns == member.columns.len())
        };
        if !members.iter().all(|(_, member)| member.model.is_sound() && member.model.is_of(member.learner)) {
            let message = "holds a model without trees, of another learner, or with numbers beyond measure".to_owned();
            return Err(BundleError::Format { member: file.to_owned(), message });
        }
        if members.is_empty() || !members.iter().all(fits) {
            let message = "does not read the columns that its preprocessor writes".to_owned();
            return Err(BundleError::Format { member: file.to_owned(), message });
        }
        Ok(Self { task, members })
    }

    fn predict(&self, features: &Frame) -> Result<Vec<f64>, BundleError> {
        let mut sums = vec![0.0; features.rows()];
        for (preprocessor, member) in &self.members {
            let matrix = preprocessor.transform(features, None);
            let matrix = matrix.map_err(|error| BundleError::Features(error.to_string()))?;
            let predicted = member.model.predict_all(&matrix, self.task);
            sums.iter_mut().zip(predicted).for_each(|(sum, value)| *sum += value);
        }
        let count = self.members.len() as f64;
        Ok(sums.into_iter().map(|sum| sum / count).collect())
    }
}

/// The kept model of a bundle.
fn kept(files: &Files) -> Result<Scorer, BundleError> {
    let model: ModelFile = files.json("model.json")?;
    let preprocessor: PreprocessorFile = files.json("preprocessor.json")?;
    for (file, version) in [("model.json", model.schema_version), ("preprocessor.json", preprocessor.schema_version)] {
        if version != 2 {
            let message = format!("has format {version}, this clinpipe reads 2");
            return Err(BundleError::Format { member: file.to_owned(), message });
        }
    }
    if model.members.len() != preprocessor.members.len() {
        let message = "has another number of members than model.json".to_owned();
        return Err(BundleError::Format { member: "preprocessor.json".to_owned(), message });
    }
    Scorer::new(model.task, "model.json", preprocessor.members.into_iter().zip(model.members).collect())
}

/// The raw columns that the features need, and the one that decides which threshold a row gets; in name order.
fn inputs(spec: &FeatureSpec, decision: Option<&Decision>) -> Vec<String> {
    let mut inputs = spec.reads();
    inputs.extend(decision.and_then(Decision::column).map(str::to_owned));
    inputs.sort();
    inputs.dedup();
    inputs
}

/// The combinations that training saw, when the study has rules on them.
fn combinations(files: &Files, spec: &FeatureSpec) -> Result<Vec<SeenCombinations>, BundleError> {
    let rules = files.json_opt::<CombinationsFile>(COMBINATIONS)?.map(|file| file.rules).unwrap_or_default();
    let sound = |seen: &SeenCombinations| seen.is_sound() && seen.columns.iter().all(|name| spec.inputs.contains(name));
    if !rules.iter().all(sound) {
        let message = "does not hold sorted combinations of the bundle's inputs".to_owned();
        return Err(BundleError::Format { member: COMBINATIONS.to_owned(), message });
    }
    Ok(rules)
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
        let scorer = kept(&files)?;
        let decision = (scorer.task == Task::Binary).then(|| Decision::load(&files)).transpose()?;
        let inputs = inputs(&spec, decision.as_ref());
        let records = RecordSchema::new(&schema, &inputs, &intake.rules)
            .map_err(|error| format("schema.json", error.to_string()))?
            .with_combinations(combinations(&files, &spec)?)
            .with_past(spec.history.clone());
        let baseline: BaselineLinear = files.json("baseline_linear.json")?;
        let linear = Scorer::new(scorer.task, "baseline_linear.json", vec![(baseline.preprocessor, baseline.model)])?;
        let constant: BaselineConstant = files.json("baseline_constant.json")?;
        if scorer.task != schema.target.kind {
            let message = format!("predicts {}, while the schema's outcome is {}", scorer.task, schema.target.kind);
            return Err(format("model.json", message));
        }
        let profile: Option<AnswerProfile> = files.json_opt("profile.json")?;
        if let Some(profile) = &profile {
            let tiers = decision.as_ref().and_then(|decision| decision.tiers.as_ref());
            profile.check(scorer.task, tiers).map_err(|error| format("profile.json", error.to_string()))?;
        }
        let kind = |name: &String| {
            let column = schema.columns.get(name);
            let number = column.is_some_and(|column| matches!(column.kind, ColumnType::Integer | ColumnType::Number));
            InputKind { number, nullable: column.is_some_and(|column| column.nullable) }
        };
        Ok(Self {
            kinds: inputs.iter().map(kind).collect(),
            explainers: OnceLock::new(),
            profile,
            reference: files.json("reference.json")?,
            constant: constant.value,
            digest: files.digest,
            manifest: files.manifest,
            schema,
            intake,
            records,
            spec,
            inputs,
            scorer,
            decision,
            linear,
        })
    }

    /// The bundle with thresholds that a site sets for itself. The digest stays, so whoever shows a decision must say
    /// that it was not the bundle's own.
    ///
    /// # Errors
    /// When the outcome is a number, a bound is no probability, or a risk level is unknown or out of order.
    pub fn with_overrides(mut self, overrides: &Overrides) -> Result<Self, ParamError> {
        if overrides.is_empty() {
            return Ok(self);
        }
        let number = || ParamError::new("threshold", "the bundle predicts a number, which no threshold decides about");
        self.decision.as_mut().ok_or_else(number)?.set(overrides)?;
        Ok(self)
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
        &self.inputs
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

    /// What kind of outcome it predicts.
    pub fn task(&self) -> Task {
        self.scorer.task
    }

    /// The decision threshold, when the outcome is an event.
    pub fn threshold(&self) -> Option<&Threshold> {
        self.decision.as_ref().map(|decision| &decision.threshold)
    }

    /// The levels that have thresholds of their own, in name order; none without strata.
    pub fn strata(&self) -> &[String] {
        self.decision.as_ref().map_or(&[], |decision| &decision.strata)
    }

    /// The risk levels, when the study has them.
    pub fn tiers(&self) -> Option<&Tiers> {
        self.decision.as_ref().and_then(|decision| decision.tiers.as_ref())
    }

    /// How answers are named, as the study's `profile` says.
    pub fn profile(&self) -> Option<&AnswerProfile> {
        self.profile.as_ref()
    }

    /// The frozen profile of the training rows.
    pub fn reference(&self) -> &Reference {
        &self.reference
    }

    /// Whether predictions have Venn–Abers intervals.
    pub fn has_intervals(&self) -> bool {
        self.decision.as_ref().is_some_and(|decision| decision.venn_abers.is_some())
    }

    /// The models whose mean prediction is the bundle's, at least one.
    pub fn members(&self) -> Vec<ScoringModel<'_>> {
        let Scorer { task, members } = &self.scorer;
        let models = members.iter().map(|(preprocessor, ModelMember { learner, model, .. })| ScoringModel {
            task: *task,
            learner: *learner,
            preprocessor,
            model,
        });
        models.collect()
    }

    /// Scores every row. A nullable column may be absent and counts as missing; other columns are ignored. Where the study
    /// has a history, a row's past is what the table holds of its patient, unless the table comes from
    /// [`Bundle::rows_of`] or a request, which bring it along.
    ///
    /// # Errors
    /// When the outcome is a number, too: see [`Bundle::predict_numbers`].
    pub fn predict(&self, raw: &Frame) -> Result<Vec<Prediction>, BundleError> {
        self.predict_features(raw, &self.features_of(raw)?)
    }

    /// Scores rows whose features are known, as [`Bundle::features_of`] gives them for `raw`.
    pub fn predict_features(&self, raw: &Frame, features: &Frame) -> Result<Vec<Prediction>, BundleError> {
        let wrong = BundleError::Outcome { found: self.task(), wanted: Task::Binary };
        let decision = self.decision.as_ref().ok_or(wrong)?;
        let rows = self.scorer.predict(features)?.into_iter().zip(decision.strata_of(raw));
        Ok(rows.map(|(p_raw, stratum)| decision.judge(p_raw, stratum)).collect())
    }

    /// The expected outcome of every row, when it is a number, within the bounds that the schema gives. Columns as for
    /// [`Bundle::predict`].
    pub fn predict_numbers(&self, raw: &Frame) -> Result<Vec<f64>, BundleError> {
        self.predict_numbers_features(&self.features_of(raw)?)
    }

    /// The expected outcome of rows whose features are known.
    pub fn predict_numbers_features(&self, features: &Frame) -> Result<Vec<f64>, BundleError> {
        if self.task() != Task::Continuous {
            return Err(BundleError::Outcome { found: self.task(), wanted: Task::Continuous });
        }
        let [low, high] = self.schema.target.range.unwrap_or([f64::NEG_INFINITY, f64::INFINITY]);
        let predicted = self.scorer.predict(features)?;
        Ok(predicted.into_iter().map(|value| value.clamp(low, high)).collect())
    }

    /// The plain linear model's predictions for the same rows.
    pub fn baseline_linear(&self, raw: &Frame) -> Result<Vec<f64>, BundleError> {
        self.linear.predict(&self.features_of(raw)?)
    }

    /// The event rate (or mean) of the training rows.
    pub fn baseline_constant(&self) -> f64 {
        self.constant
    }

    /// A table to be scored, with what is made of each row's past in that table.
    ///
    /// # Errors
    /// When the rows of a patient have no order in time.
    pub fn with_past(&self, raw: Frame) -> Result<Frame, FeatureError> {
        let rows: Vec<usize> = (0..raw.rows()).collect();
        let past = match self.completed(&raw) {
            Ok(complete) => self.spec.history_of(complete.as_ref().unwrap_or(&raw), &rows)?,
            // Scoring will say what is wrong with the columns.
            Err(_) => Vec::new(),
        };
        let mut raw = raw;
        for (name, column) in past {
            raw.insert(name, column);
        }
        Ok(raw)
    }

    /// The features of raw rows, before any member's preprocessor.
    pub fn features_of(&self, raw: &Frame) -> Result<Frame, BundleError> {
        let complete = self.completed(raw)?;
        let features = self.spec.apply(complete.as_ref().unwrap_or(raw));
        features.map_err(|error| BundleError::Features(error.to_string()))
    }

    /// The table with absent nullable columns filled in as missing; nothing when none is absent.
    fn completed(&self, raw: &Frame) -> Result<Option<Frame>, BundleError> {
        let mut completed: Option<Frame> = None;
        for (name, &InputKind { number, nullable }) in self.inputs.iter().zip(&self.kinds) {
            match raw.get(name) {
                Some(Column::Text(_)) if number => {
                    return Err(BundleError::WrongType { column: name.clone(), wanted: "numbers" });
                }
                Some(Column::Number(_)) if !number => {
                    return Err(BundleError::WrongType { column: name.clone(), wanted: "texts" });
                }
                Some(_) => {}
                None if !nullable => return Err(BundleError::MissingColumn(name.clone())),
                None if number => {
                    let missing = Column::Number(vec![f64::NAN; raw.rows()]);
                    completed.get_or_insert_with(|| raw.clone()).insert(name, missing);
                }
                None => {
                    let missing = Column::Text(Texts::repeat(None, raw.rows()));
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
