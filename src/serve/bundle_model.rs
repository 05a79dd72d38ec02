//! The bundle as a model that answers requests.
//!
//! It adds nothing to the score: validation is the schema's, the numbers are the bundle's.

use std::collections::{BTreeMap, BTreeSet};

use clinpipe_stages::ParamError;
use clinpipe_stages::bundle::{
    AnswerProfile, Bundle, BundleError, Explanation, FieldError, InputProfile, Level, Overrides, ParsedRecord,
    Prediction,
};
use clinpipe_stages::common::frame::{Column, Frame};
use clinpipe_stages::common::schema::ColumnType;
use clinpipe_stages::common::target::Task;
use clinpipe_stages::featurize::HISTORY_FIELD;
use clinpipe_stages::ingest::RowReader;
use serde_json::{Map, Value, json};

use super::errors::{FieldProblem, cap};
use super::model::{
    Contribution, DecisionInfo, Encoded, Event, Explained, MemberExplanation, Model, ModelInfo, ModelTier, Outcome,
    Preprocessed, Scored, ScoringError, TableForm,
};
use super::schema::request_schema;

/// A loaded bundle with what is derived from it once.
pub struct BundleModel {
    bundle: Bundle,
    info: ModelInfo,
    schema: Value,
}

/// What lies beside a bundle and is shown with it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Papers {
    /// metrics.json.
    pub metrics: Option<Value>,
    /// verdict.json.
    pub verdict: Option<Value>,
    /// model_card.md.
    pub card: Option<String>,
}

impl BundleModel {
    /// Prepares a bundle for requests, with the decision bounds of the site in place of its own.
    ///
    /// # Errors
    /// When a bound does not fit the bundle.
    pub fn new(bundle: Bundle, overrides: &Overrides, papers: Papers) -> Result<Self, ParamError> {
        let bundle = bundle.with_overrides(overrides)?;
        let info = info(&bundle, overrides, papers);
        let title = format!("Request of bundle {}", info.version());
        let records = bundle.records();
        let mut schema = request_schema(bundle.schema(), &records.fields(), &records.required(), &title);
        if let Some(required) = records.required_of_past() {
            let row = request_schema(bundle.schema(), &records.fields(), &required, "Earlier row of the same patient");
            schema["properties"][HISTORY_FIELD] = json!({"type": ["array", "null"], "items": row});
            if let Some(history) = &bundle.features().history {
                schema["x-history"] = json!({"entity": history.entity, "time": history.time});
            }
        }
        let rules = records.rules().map(|rule| json!({"name": rule.name, "check": rule.check, "level": rule.level}));
        schema["x-rules"] = Value::Array(rules.collect());
        let combinations = records.combinations();
        if !combinations.is_empty() {
            schema["x-combinations"] = json!(combinations);
        }
        Ok(Self { bundle, info, schema })
    }

    fn parse(&self, record: &Map<String, Value>) -> Result<ParsedRecord, ScoringError> {
        let invalid = |errors: Vec<FieldError>| {
            let mut problems = errors.into_iter().map(problem).collect();
            cap(&mut problems);
            ScoringError::Invalid(problems)
        };
        self.bundle.records().parse(record).map_err(invalid)
    }

    fn scored(&self, parsed: ParsedRecord, features: &Frame) -> Result<Scored, ScoringError> {
        let ParsedRecord { id, frame, warnings } = parsed;
        let outcome = match self.bundle.task() {
            Task::Binary => Outcome::Event(self.event(first(self.bundle.predict_features(&frame, features))?)),
            Task::Continuous => Outcome::Number(first(self.bundle.predict_numbers_features(features))?),
        };
        let number = match &outcome {
            Outcome::Event(event) => event.probability,
            Outcome::Number(number) => *number,
        };
        if !number.is_finite() {
            return Err(ScoringError::Internal("the bundle's prediction is not finite".to_owned()));
        }
        let warnings = warnings.into_iter().map(problem).chain(self.unseen(features)).collect();
        Ok(Scored { id, outcome, warnings })
    }

    fn event(&self, prediction: Prediction) -> Event {
        let level = |at| self.bundle.tiers().and_then(|tiers| tiers.levels.get(at));
        Event {
            probability: prediction.p,
            interval: prediction.interval,
            threshold: prediction.threshold,
            stratum: prediction.stratum.and_then(|at| self.bundle.strata().get(at).cloned()),
            flagged: prediction.flagged,
            tier: prediction.tier.and_then(level).map(tier),
        }
    }

    /// Features beyond what training has seen: the schema allows the inputs, but the model extrapolates there.
    fn unseen<'a>(&self, features: &'a Frame) -> impl Iterator<Item = FieldProblem> + use<'a, '_> {
        let outside = |(name, column): (&str, &Column)| {
            let value = *column.numbers()?.first()?;
            let [low, high] = self.bundle.reference().range(name)?;
            (value < low || value > high).then(|| FieldProblem {
                field: name.to_owned(),
                message: format!("{value} lies outside {low} to {high}, the range seen in training"),
                kind: "out_of_training_range",
            })
        };
        features.columns().filter_map(outside)
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
        let parsed = self.parse(record)?;
        let features = self.bundle.features_of(&parsed.frame).map_err(internal)?;
        self.scored(parsed, &features)
    }

    fn explain(&self, record: &Map<String, Value>) -> Result<Explained, ScoringError> {
        let parsed = self.parse(record)?;
        let features = self.bundle.features_of(&parsed.frame).map_err(internal)?;
        let explanations = self.bundle.explain_features(features).map_err(internal)?;
        let members = explanations.members.iter().map(|one| member(one, &explanations.features)).collect();
        Ok(Explained { scored: self.scored(parsed, &explanations.features)?, members })
    }

    fn preprocess(&self, record: &Map<String, Value>) -> Result<Preprocessed, ScoringError> {
        let features = self.bundle.features_of(&self.parse(record)?.frame).map_err(internal)?;
        let encode = |member: clinpipe_stages::bundle::ScoringModel| {
            let matrix = member.preprocessor.transform(&features, None).map_err(|error| error.to_string());
            let matrix = matrix.map_err(ScoringError::Internal)?;
            let columns = member.preprocessor.columns().into_iter().zip(matrix.row(0).iter().map(|cell| json!(cell)));
            Ok(Encoded { learner: member.learner.as_str().to_owned(), columns: columns.collect() })
        };
        let encoded = self.bundle.members().into_iter().map(encode).collect::<Result<_, ScoringError>>()?;
        let named = features.columns().map(|(name, column)| (name.to_owned(), cell(column)));
        Ok(Preprocessed { features: named.collect(), encoded })
    }
}

fn internal(error: BundleError) -> ScoringError {
    ScoringError::Internal(error.to_string())
}

/// The only row of what a bundle answered.
fn first<T>(answer: Result<Vec<T>, BundleError>) -> Result<T, ScoringError> {
    let none = || ScoringError::Internal("the bundle gave no prediction".to_owned());
    answer.map_err(internal)?.into_iter().next().ok_or_else(none)
}

/// The value of a column of one row; a missing number is `null`.
fn cell(column: &Column) -> Value {
    match column {
        Column::Number(values) => json!(values.first()),
        Column::Text(values) => json!(values.get(0)),
    }
}

fn member(one: &Explanation, features: &Frame) -> MemberExplanation {
    let contribution = |(feature, &contribution): (&String, &f64)| Contribution {
        feature: feature.clone(),
        value: features.get(feature).map_or(Value::Null, cell),
        contribution,
    };
    let mut contributions: Vec<Contribution> = one.features.iter().zip(one.row(0)).map(contribution).collect();
    contributions.sort_by(|a, b| b.contribution.abs().total_cmp(&a.contribution.abs()));
    MemberExplanation {
        learner: one.learner.as_str().to_owned(),
        scale: one.scale.key().to_owned(),
        base_value: one.base,
        margin: one.margins.first().copied().unwrap_or(one.base),
        contributions,
    }
}

fn problem(error: FieldError) -> FieldProblem {
    FieldProblem { field: error.field, message: error.message, kind: error.kind }
}

fn tier(level: &Level) -> ModelTier {
    ModelTier { name: level.name.clone(), action: level.action.clone(), cost: level.cost }
}

fn info(bundle: &Bundle, overrides: &Overrides, papers: Papers) -> ModelInfo {
    let (manifest, schema) = (bundle.manifest(), bundle.schema());
    let full = AnswerProfile::full(bundle.task());
    let details = json!({
        "clinpipe": manifest.clinpipe,
        "training": {"data": manifest.data, "rows": manifest.training},
        "leakage": manifest.leakage,
        "seen": seen(bundle),
        "typical": typical(bundle),
        "metrics": papers.metrics,
        "verdict": papers.verdict,
    });
    ModelInfo {
        name: manifest.model.clone(),
        bundle: bundle.digest().to_owned(),
        data: manifest.data.source.clone(),
        outcome: schema.target.event.clone().unwrap_or_else(|| schema.target.column.clone()),
        range: schema.target.range,
        decision: decision(bundle, overrides),
        patient: patient(bundle),
        withheld: withheld(bundle),
        features: bundle.features().features.iter().map(|feature| feature.name.clone()).collect(),
        profile: bundle.profile().cloned().unwrap_or_else(|| full.clone()),
        full,
        table: table_form(bundle),
        details,
        card: papers.card,
    }
}

/// The patient of a panel's rows, else whoever the row's identifier names.
fn patient(bundle: &Bundle) -> Option<String> {
    let entity = bundle.features().history.as_ref().map(|history| history.entity.clone());
    let fields = bundle.records().fields();
    entity.into_iter().chain(bundle.schema().id.clone()).find(|name| fields.contains(name))
}

fn withheld(bundle: &Bundle) -> BTreeSet<String> {
    let texts = bundle.schema().columns.iter().filter(|(_, column)| column.kind == ColumnType::Text);
    texts.map(|(name, _)| name.clone()).chain(bundle.schema().id.clone()).chain(patient(bundle)).collect()
}

/// The bounds of what training saw, of features that are numbers.
fn seen(bundle: &Bundle) -> BTreeMap<&str, [f64; 2]> {
    let names = bundle.features().features.iter().map(|feature| feature.name.as_str());
    names.filter_map(|name| Some((name, bundle.reference().range(name)?))).collect()
}

/// What was ordinary in training, of the fields that scoring reads: the median of a number, the commonest level.
fn typical(bundle: &Bundle) -> BTreeMap<&str, Value> {
    let withheld = withheld(bundle);
    let fields = bundle.reference().inputs.iter().flatten().filter(|(name, _)| !withheld.contains(*name));
    let ordinary = |profile: &InputProfile| match profile {
        InputProfile::Number(sketch) => sketch.median().map(Value::from),
        InputProfile::Category(counts) => counts.commonest().map(Value::from),
    };
    fields.filter_map(|(name, profile)| Some((name.as_str(), ordinary(profile)?))).collect()
}

fn table_form(bundle: &Bundle) -> TableForm {
    let format = &bundle.intake().format;
    let panel = bundle.features().history.as_ref().map(|history| (history.entity.clone(), history.time.clone()));
    TableForm {
        reader: RowReader::new(bundle.schema(), &format.na),
        delimiter: u8::try_from(format.delimiter).unwrap_or(b','),
        fields: bundle.records().fields().into_iter().collect(),
        panel,
    }
}

fn decision(bundle: &Bundle, overrides: &Overrides) -> Option<DecisionInfo> {
    let threshold = bundle.threshold()?.value;
    let digest = bundle.manifest().members.get("threshold.json").map_or("", |member| member.blake3.as_str());
    let own: String = digest.chars().take(12).collect();
    let levels = overrides.levels.iter().map(|(level, bound)| format!("{level}={bound}"));
    let changed: Vec<String> = overrides.threshold.map(|value| value.to_string()).into_iter().chain(levels).collect();
    let threshold_version = if changed.is_empty() { own } else { format!("override:{}", changed.join(",")) };
    let tiers = bundle.tiers().map(|tiers| tiers.levels.iter().map(tier).zip(tiers.bounds(threshold)).collect());
    Some(DecisionInfo { threshold, threshold_version, tiers: tiers.unwrap_or_default() })
}
