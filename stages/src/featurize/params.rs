//! The parameters of `featurize`: typed, checked against the schema, resolved into a [`FeatureSpec`].
//!
//! A feature must be known when the prediction is made: the outcome, the row's name, the patient and every column that
//! is declared `available_at: post` are refused, by name, whether used directly or through a derived column.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::derive::Derivation;
use super::history::{HistoryParams, HistorySpec};
use super::spec::{Feature, FeatureKind, FeatureSpec, SCHEMA_VERSION};
use crate::ParamError;
use crate::common::schema::{AvailableAt, ColumnSchema, ColumnType, Schema};
use crate::common::text::suggestion;

/// `featurize` in params.yaml.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FeaturizeParams {
    /// Columns made of a patient's earlier rows. They are computed first; `derive` may use them.
    #[serde(default)]
    pub history: Option<HistoryParams>,
    /// Derived columns, in the order of their computation.
    #[serde(default)]
    pub derive: Vec<Derivation>,
    /// What the model sees; in an entry, `*` stands for any text (`'*_lag_1y'`). Absent: every column that may be a
    /// feature, then those made of the past, then every derived one.
    #[serde(default)]
    pub features: Option<Vec<String>>,
}

/// A column that a feature may come from.
#[derive(Debug, Clone)]
struct Known {
    kind: FeatureKind,
    levels: Vec<String>,
    inputs: BTreeSet<String>,
}

impl FeaturizeParams {
    /// Checks the parameters against the schema and gives the executable specification.
    pub fn resolve(&self, schema: &Schema) -> Result<FeatureSpec, ParamError> {
        let mut known = usable(schema);
        let history = self.history.as_ref().map(|history| resolve_history(history, schema, &mut known)).transpose()?;
        for (index, step) in self.derive.iter().enumerate() {
            let at = format!("featurize.derive.{index}");
            let column = resolve_step(step, &at, schema, &known)?;
            known.insert(step.name().to_owned(), column);
        }
        let mut features = Vec::new();
        let mut inputs = BTreeSet::new();
        for (index, name) in &self.names(schema, &known, history.as_ref())? {
            let at = format!("featurize.features.{index}");
            let column = known.get(name).ok_or_else(|| refuse(name, &at, schema, &known))?;
            if features.iter().any(|feature: &Feature| &feature.name == name) {
                return Err(ParamError::new(at, format!("`{name}` is listed twice")));
            }
            inputs.extend(column.inputs.iter().cloned());
            features.push(Feature { name: name.clone(), kind: column.kind, levels: column.levels.clone() });
        }
        if features.is_empty() {
            return Err(ParamError::new("featurize.features", "a model needs at least one feature"));
        }
        // Only what a feature needs is computed, so a request need not bring more than `inputs`.
        let derive = needed_steps(&self.derive, &features);
        Ok(FeatureSpec {
            schema_version: SCHEMA_VERSION,
            history: history.and_then(|history| needed_history(history, &derive, &features)),
            derive,
            features,
            inputs: inputs.into_iter().collect(),
            target: schema.target.column.clone(),
            id: schema.id.clone(),
            group: schema.group.clone(),
        })
    }

    /// The features, each with the place of the entry that names it.
    fn names(
        &self,
        schema: &Schema,
        known: &BTreeMap<String, Known>,
        history: Option<&HistorySpec>,
    ) -> Result<Vec<(usize, String)>, ParamError> {
        let raw = schema.columns.keys().filter(|name| known.contains_key(*name)).cloned();
        let past = history.into_iter().flat_map(|history| &history.columns).map(|column| column.name().to_owned());
        let all: Vec<String> = raw.chain(past).chain(self.derive.iter().map(|step| step.name().to_owned())).collect();
        let Some(entries) = &self.features else { return Ok(all.into_iter().enumerate().collect()) };
        let mut names = Vec::new();
        for (index, entry) in entries.iter().enumerate() {
            if !entry.contains('*') {
                names.push((index, entry.clone()));
                continue;
            }
            let found = names.len();
            names.extend(all.iter().filter(|name| matches(entry, name)).map(|name| (index, name.clone())));
            if names.len() == found {
                let at = format!("featurize.features.{index}");
                return Err(ParamError::new(at, format!("no column that could be a feature matches `{entry}`")));
            }
        }
        Ok(names)
    }
}

/// Whether a name fits a pattern in which each `*` stands for any text.
fn matches(pattern: &str, name: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut name) = name.strip_prefix(start) else { return false };
    let (middle, end) = rest.rsplit_once('*').unwrap_or(("", rest));
    // The first place where a piece fits leaves the most to those after it.
    for piece in middle.split('*') {
        let Some(at) = name.find(piece) else { return false };
        name = &name[at + piece.len()..];
    }
    name.ends_with(end)
}

fn usable(schema: &Schema) -> BTreeMap<String, Known> {
    let mut known = BTreeMap::new();
    for (name, column) in &schema.columns {
        if why_not(name, column, schema).is_some() {
            continue;
        }
        let (kind, levels) = match column.kind {
            ColumnType::Integer | ColumnType::Number => (FeatureKind::Number, Vec::new()),
            ColumnType::Category | ColumnType::Text => (FeatureKind::Category, column.text_levels()),
        };
        known.insert(name.clone(), Known { kind, levels, inputs: BTreeSet::from([name.clone()]) });
    }
    known
}

fn why_not(name: &str, column: &ColumnSchema, schema: &Schema) -> Option<&'static str> {
    if name == schema.target.column {
        Some("is the outcome itself")
    } else if column.available_at == AvailableAt::Post {
        Some("is known only after the outcome (available_at: post)")
    } else if schema.id.as_deref() == Some(name) {
        Some("names the row (schema.id)")
    } else if schema.group.as_deref() == Some(name) {
        Some("names the patient (schema.group)")
    } else if column.kind == ColumnType::Text {
        Some("is free text; a feature must be a number or a category")
    } else {
        None
    }
}

fn refuse(name: &str, at: &str, schema: &Schema, known: &BTreeMap<String, Known>) -> ParamError {
    let reason = schema.columns.get(name).and_then(|column| why_not(name, column, schema));
    let message = match reason {
        Some(reason) => format!("`{name}` cannot be a feature: it {reason}"),
        None => format!(
            "`{name}` is neither a column of the schema nor derived before this{}",
            suggestion(name, known.keys().map(String::as_str))
        ),
    };
    ParamError::new(at, message)
}

/// Checks the columns made of the past and makes them known.
fn resolve_history(
    params: &HistoryParams,
    schema: &Schema,
    known: &mut BTreeMap<String, Known>,
) -> Result<HistorySpec, ParamError> {
    let (spec, keys) = params.resolve(schema)?;
    let mut made = BTreeMap::new();
    for (column, key) in spec.columns.iter().zip(&keys) {
        let mut inputs = BTreeSet::new();
        if let Some(source) = column.source() {
            let found = known.get(source).ok_or_else(|| refuse(source, key, schema, known))?;
            if found.kind != FeatureKind::Number {
                return Err(ParamError::new(
                    key,
                    format!("`{source}` is not a number, and only numbers have a past here"),
                ));
            }
            inputs.extend(found.inputs.iter().cloned());
        }
        let name = column.name();
        let number = Known { kind: FeatureKind::Number, levels: Vec::new(), inputs };
        if schema.columns.contains_key(name) || made.insert(name.to_owned(), number).is_some() {
            return Err(ParamError::new(
                key,
                format!("gives the column `{name}`, and there is one of that name already"),
            ));
        }
    }
    known.extend(made);
    Ok(spec)
}

/// The history as far as features and their derivations need it.
fn needed_history(mut history: HistorySpec, derive: &[Derivation], features: &[Feature]) -> Option<HistorySpec> {
    let derived = derive.iter().flat_map(Derivation::sources).map(|(_, source)| source);
    let needed: BTreeSet<&str> = features.iter().map(|feature| feature.name.as_str()).chain(derived).collect();
    history.columns.retain(|column| needed.contains(column.name()));
    (!history.columns.is_empty()).then_some(history)
}

fn resolve_step(
    step: &Derivation,
    at: &str,
    schema: &Schema,
    known: &BTreeMap<String, Known>,
) -> Result<Known, ParamError> {
    let fault = |key: &str, message: String| ParamError::new(format!("{at}.{key}"), message);
    let name = step.name();
    if name.is_empty() || known.contains_key(name) || schema.columns.contains_key(name) {
        return Err(fault("name", format!("`{name}` is empty or already the name of a column")));
    }
    let mut inputs = BTreeSet::new();
    for (key, source) in step.sources() {
        let column = known.get(source).ok_or_else(|| refuse(source, &format!("{at}.{key}"), schema, known))?;
        let wanted = match step {
            Derivation::Map { .. } => Some(FeatureKind::Category),
            Derivation::Missing { .. } => None,
            _ => Some(FeatureKind::Number),
        };
        if let Some(wanted) = wanted.filter(|wanted| *wanted != column.kind) {
            let what = if wanted == FeatureKind::Number { "a number" } else { "a category" };
            return Err(fault(key, format!("`{source}` is not {what}, which this operation needs")));
        }
        inputs.extend(column.inputs.iter().cloned());
    }
    check_values(step, known).map_err(|(key, message)| fault(key, message))?;
    let (kind, levels) = match step {
        Derivation::Bins { labels, .. } => (FeatureKind::Category, labels.clone()),
        _ => (FeatureKind::Number, Vec::new()),
    };
    Ok(Known { kind, levels, inputs })
}

fn check_values(step: &Derivation, known: &BTreeMap<String, Known>) -> Result<(), (&'static str, String)> {
    match step {
        Derivation::Rate { scale, .. } | Derivation::Product { scale, .. } if *scale == 0.0 || !scale.is_finite() => {
            Err(("scale", "must be a number other than 0".to_owned()))
        }
        Derivation::Product { of, .. } if of.len() < 2 => Err(("of", "a product needs two columns or more".to_owned())),
        Derivation::Bins { edges, labels, .. } => {
            if edges.len() != labels.len() + 1 || labels.is_empty() {
                let (edges, labels) = (edges.len(), labels.len());
                return Err(("labels", format!("{edges} edges enclose {} bins, not {labels}", edges.max(1) - 1)));
            }
            if edges.windows(2).any(|pair| pair[0] >= pair[1] || pair[0].is_nan() || pair[1].is_nan()) {
                return Err(("edges", "edges must ascend".to_owned()));
            }
            let distinct: BTreeSet<_> = labels.iter().collect();
            if distinct.len() == labels.len() { Ok(()) } else { Err(("labels", "two bins share a label".to_owned())) }
        }
        Derivation::Map { of, values, .. } => {
            let levels = known.get(of).map_or(&[][..], |column| &column.levels);
            match levels.iter().find(|level| !values.contains_key(*level)) {
                Some(level) => Err(("values", format!("no number for the level `{level}` of `{of}`"))),
                None => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

fn needed_steps(derive: &[Derivation], features: &[Feature]) -> Vec<Derivation> {
    let mut needed: BTreeSet<&str> = features.iter().map(|feature| feature.name.as_str()).collect();
    let mut steps = Vec::new();
    for step in derive.iter().rev() {
        if needed.contains(step.name()) {
            needed.extend(step.sources().into_iter().map(|(_, source)| source));
            steps.push(step.clone());
        }
    }
    steps.reverse();
    steps
}
