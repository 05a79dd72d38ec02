//! The predetermined change control plan, `pccp.yaml`: what may change between the champion and its successor, on which
//! rows the successor is tested, and which limits it keeps.
//!
//! Whatever the plan does not name is not allowed. Each change outside it is named.

use std::collections::{BTreeMap, BTreeSet};

use clinpipe_stages::common::gate_rules::GateRule;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::compare::Comparison;
use super::policy::{Ruling, check_limits, limits};
use super::version::Version;

/// What stands between a stage and what of it differs; no stage's name has it.
const PART: &str = ": ";

/// What may differ from the champion.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Allowed {
    /// Parameters by their dotted key, with everything below it: `train.models`. Those of another file than params.yaml
    /// are written `file:key`.
    pub params: Vec<String>,
    /// Stages whose version, commands, scripts, environment, inputs or outputs may differ, or that may be new or gone.
    /// What a stage of commands reads from outside the pipeline counts as its script.
    pub stages: Vec<String>,
    /// Whether the model may be trained on other data: what built-in stages read from outside the pipeline.
    pub data: bool,
    /// Whether another clinpipe may have made it.
    pub clinpipe: bool,
    /// The only files of the bundle that may differ, as in `[calibrator.json, threshold.json]` for a recalibration.
    /// Absent: any.
    pub members: Option<Vec<String>>,
}

/// pccp.yaml.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ControlPlan {
    /// What the plan is called in audit records.
    pub name: String,
    /// What may differ from the champion.
    pub allowed: Allowed,
    /// The digest that `evaluated.content` in metrics.json must have: the test data are fixed. Absent: any.
    #[serde(default)]
    pub test_data: Option<String>,
    /// Limits of the comparison's measures, such as `{metric: brier.difference.high, max: 0.005}`.
    #[serde(default)]
    pub limits: Vec<GateRule>,
}

/// The JSON Schema of pccp.yaml.
pub fn schema() -> Value {
    schemars::schema_for!(ControlPlan).to_value()
}

/// What kind of thing differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// A parameter of a stage.
    Param,
    /// A stage: its version, commands, scripts, environment, inputs or outputs.
    Stage,
    /// The raw data.
    Data,
    /// The clinpipe that made it.
    Clinpipe,
    /// A file of the bundle.
    Member,
}

/// A difference between two versions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// What kind of thing differs.
    pub kind: ChangeKind,
    /// Which one.
    pub name: String,
    /// As the champion has it.
    pub from: Value,
    /// As the candidate has it.
    pub to: Value,
}

impl Change {
    /// In words.
    pub fn told(&self) -> String {
        let short = |value: &Value| match value {
            Value::Null => "nothing".to_owned(),
            Value::String(text) if text.len() == 64 => format!("{}…", &text[..text.floor_char_boundary(12)]),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let kind = match self.kind {
            ChangeKind::Param => "the parameter",
            ChangeKind::Stage => "the stage",
            ChangeKind::Data => "the raw data",
            ChangeKind::Clinpipe => "the program",
            ChangeKind::Member => "the bundle's",
        };
        format!("{kind} {}: {} → {}", self.name, short(&self.from), short(&self.to))
    }
}

/// Everything in which a candidate differs from the champion.
pub fn changes(candidate: &Version, champion: &Version) -> Vec<Change> {
    let mut all = Vec::new();
    differences(ChangeKind::Param, &params(champion), &params(candidate), &mut all);
    differences(ChangeKind::Stage, &stages(champion), &stages(candidate), &mut all);
    differences(ChangeKind::Data, &data(champion), &data(candidate), &mut all);
    let program = |version: &Version| BTreeMap::from([("clinpipe".to_owned(), Value::from(version.clinpipe.as_str()))]);
    differences(ChangeKind::Clinpipe, &program(champion), &program(candidate), &mut all);
    let members = |version: &Version| -> BTreeMap<String, Value> {
        version.members.iter().map(|(name, member)| (name.clone(), Value::from(member.blake3.as_str()))).collect()
    };
    differences(ChangeKind::Member, &members(champion), &members(candidate), &mut all);
    all
}

fn differences(kind: ChangeKind, old: &BTreeMap<String, Value>, new: &BTreeMap<String, Value>, all: &mut Vec<Change>) {
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for name in names {
        let of = |side: &BTreeMap<String, Value>| side.get(name).cloned().unwrap_or(Value::Null);
        let (from, to) = (of(old), of(new));
        if from != to {
            all.push(Change { kind, name: name.clone(), from, to });
        }
    }
}

/// What each stage is: its commands by its name, the rest by `name: what`.
fn stages(version: &Version) -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    for (name, stage) in &version.recipe {
        all.insert(name.clone(), Value::from(stage.cmd.join("; ")));
        let mut add = |what: String, value: Value| drop(all.insert(format!("{name}{PART}{what}"), value));
        add("directory".to_owned(), Value::from(stage.wdir.as_str()));
        for (variable, value) in &stage.env {
            add(format!("environment {variable}"), Value::from(value.as_deref().unwrap_or("unset")));
        }
        for (path, digest) in &stage.deps {
            let script = digest.filter(|_| !stage.builtin).map(|digest| digest.to_string());
            add(format!("input {path}"), Value::from(script.unwrap_or_else(|| "read".to_owned())));
        }
        for path in &stage.outs {
            add(format!("output {path}"), Value::from("written"));
        }
    }
    all
}

/// The raw data: what the bundle names, and what built-in stages read that no stage writes.
fn data(version: &Version) -> BTreeMap<String, Value> {
    let mut all = BTreeMap::from([(version.data.file.clone(), Value::from(version.data.blake3.as_str()))]);
    let outside = version.recipe.values().filter(|stage| stage.builtin).flat_map(|stage| &stage.deps);
    all.extend(outside.filter_map(|(path, digest)| Some((path.clone(), Value::from((*digest)?.to_string())))));
    all
}

/// Every parameter by its key down to the last mapping; lists are one value.
fn params(version: &Version) -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    for (file, keys) in version.recipe.values().flat_map(|stage| &stage.params) {
        let prefix = if file == "params.yaml" { String::new() } else { format!("{file}:") };
        for (key, value) in keys {
            leaves(&format!("{prefix}{key}"), value, &mut all);
        }
    }
    all
}

fn leaves(path: &str, value: &Value, all: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            map.iter().for_each(|(key, value)| leaves(&format!("{path}.{key}"), value, all));
        }
        value => drop(all.insert(path.to_owned(), value.clone())),
    }
}

impl ControlPlan {
    /// Checks what the types cannot say; the error is a dotted path and a message.
    ///
    /// # Errors
    /// When a value cannot be meant.
    pub fn check(&self) -> Result<(), (String, String)> {
        if self.name.trim().is_empty() {
            return Err(("name".to_owned(), "is empty".to_owned()));
        }
        if self.test_data.as_ref().is_some_and(|digest| digest.parse::<crate::key::Digest>().is_err()) {
            return Err((
                "test_data".to_owned(),
                "must be the 64 hex digits of `evaluated.content` in metrics.json".to_owned(),
            ));
        }
        check_limits("limits", &self.limits)
    }

    fn allows(&self, change: &Change) -> bool {
        let below = |allowed: &String| {
            change.name == *allowed || change.name.strip_prefix(allowed).is_some_and(|rest| rest.starts_with('.'))
        };
        match change.kind {
            ChangeKind::Param => self.allowed.params.iter().any(below),
            ChangeKind::Stage => {
                let stage = change.name.split_once(PART).map_or(change.name.as_str(), |(stage, _)| stage);
                self.allowed.stages.iter().any(|allowed| allowed == stage)
            }
            ChangeKind::Data => self.allowed.data,
            ChangeKind::Clinpipe => self.allowed.clinpipe,
            ChangeKind::Member => self.allowed.members.as_ref().is_none_or(|members| members.contains(&change.name)),
        }
    }

    /// What the plan says of a candidate: of its changes against the champion, of its test data, of its numbers.
    pub fn judge(
        &self,
        candidate: &Version,
        changes: Option<&[Change]>,
        comparison: Option<&Comparison>,
    ) -> Vec<Ruling> {
        let outside: Vec<&Change> = changes.unwrap_or_default().iter().filter(|change| !self.allows(change)).collect();
        let mut rulings: Vec<Ruling> = outside
            .iter()
            .map(|change| Ruling::new("plan.change", false, format!("outside the plan: {}", change.told())))
            .collect();
        if outside.is_empty() {
            let told = match changes {
                Some(changes) => format!("{} changes, all within the plan", changes.len()),
                None => "there is no champion to differ from".to_owned(),
            };
            rulings.push(Ruling::new("plan.change", true, told));
        }
        if let Some(wanted) = &self.test_data {
            let found = &candidate.test.evaluated.content;
            let told = format!("the test data have the digest {found}, the plan fixes {wanted}");
            rulings.push(Ruling::new("plan.test_data", found == wanted, told));
        }
        match comparison {
            Some(comparison) => rulings.extend(limits("plan.limit", &self.limits, comparison)),
            None if !self.limits.is_empty() => {
                rulings.push(Ruling::new("plan.limit", false, "cannot be judged without a comparison"));
            }
            None => {}
        }
        rulings
    }
}
