//! What the chain knows in sum: which models were evaluated on which test rows, which waivers were recorded, and which
//! results of stages.
//!
//! Computed from the records alone; it can be thrown away and computed again.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::record::{Action, Entry, Record};
use crate::key::Digest;

/// What the records tell in sum.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// Digest of the test rows' ids → digest of what they say → digests of the models evaluated on them.
    tests: BTreeMap<String, BTreeMap<String, BTreeSet<String>>>,
    /// Digest of a bundle → that of its model, where a record tells it.
    models: BTreeMap<String, String>,
    /// Finding → digest of its waiver.
    waivers: BTreeMap<String, [u8; 32]>,
    /// Marks of stages with the key of a result.
    results: BTreeSet<u64>,
}

/// Test rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestRows {
    /// The digest of their ids.
    pub ids: String,
    /// The digest of what they say; empty when it is not told.
    pub content: String,
}

/// A model met test rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evaluation {
    /// The file that says so.
    pub file: String,
    /// The rows.
    pub rows: TestRows,
    /// The digest of the bundle.
    pub bundle: String,
    /// The digest of what in the bundle can change an answer; none when the bundle's manifest is gone.
    pub model: Option<String>,
    /// The key of the result that tells of it, when the run that made it left no record.
    pub recovered: Option<String>,
}

impl Evaluation {
    /// Its entry.
    pub fn entry(&self) -> Entry {
        let mut entry = Entry::new(Action::TestEvaluation, self.file.as_str());
        let content = Some(&self.rows.content).filter(|content| !content.is_empty());
        let told = [
            (ROWS, Some(&self.rows.ids)),
            (CONTENT, content),
            (BUNDLE, Some(&self.bundle)),
            (MODEL, self.model.as_ref()),
            (RECOVERED, self.recovered.as_ref()),
        ];
        for (name, value) in told {
            if let Some(value) = value {
                entry.details.insert(name.to_owned(), Value::from(value.as_str()));
            }
        }
        entry
    }
}

/// How often a set of test rows was used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TestUse {
    /// The digest of the rows' ids.
    pub rows: String,
    /// The digest of what they say; empty when it was not told.
    pub content: String,
    /// How many models were evaluated on them.
    pub models: usize,
    /// How many more on rows with the same ids that say something else: of another file, or with other columns.
    pub elsewhere: usize,
    /// `test` while it is one, else `development`: rows that choose among models no longer test them.
    pub label: &'static str,
}

impl TestUse {
    fn new(ids: &str, content: &str, all: &BTreeMap<String, BTreeSet<String>>) -> Self {
        let own = all.get(content);
        let models = own.map_or(0, BTreeSet::len);
        let others: BTreeSet<&String> =
            all.iter().filter(|(other, _)| *other != content).flat_map(|(_, m)| m).collect();
        let elsewhere = others.into_iter().filter(|model| own.is_none_or(|own| !own.contains(*model))).count();
        let label = if models > 1 { "development" } else { "test" };
        Self { rows: ids.to_owned(), content: content.to_owned(), models, elsewhere, label }
    }

    /// In words.
    pub fn sentence(&self) -> String {
        let mut sentence = match self.models {
            1 => "used for 1 model".to_owned(),
            models => format!(
                "used for {models} models: development rows by now, so the numbers of the best \
                 of them are too good"
            ),
        };
        if self.elsewhere > 0 {
            let models = if self.elsewhere == 1 { "model" } else { "models" };
            let more = format!("; {} more {models} on rows with the same ids and other values", self.elsewhere);
            sentence.push_str(&more);
            sentence.push_str(" (another file, or other columns)");
        }
        sentence
    }
}

/// The names in the details of a test evaluation.
const ROWS: &str = "rows";
const CONTENT: &str = "content";
const BUNDLE: &str = "bundle";
const MODEL: &str = "model";
const RECOVERED: &str = "recovered";
/// The name of a run's evaluations whose bytes are gone.
pub const LOST: &str = "evaluations_lost";

impl Ledger {
    /// What these records tell.
    pub fn of(records: &[Record]) -> Self {
        let mut ledger = Self::default();
        for record in records {
            ledger.learn(record);
        }
        ledger
    }

    /// Whether a record of this entry would say nothing new. Only test evaluations and waivers can be known.
    pub fn knows(&self, entry: &Entry) -> bool {
        match entry.action {
            Action::TestEvaluation => told(&entry.details).is_some_and(|told| {
                let models = self.tests.get(told.ids).and_then(|all| all.get(told.content));
                models.is_some_and(|models| models.contains(self.model_of(&told)))
            }),
            Action::Waiver => {
                entry.after.is_some_and(|after| self.waivers.get(&entry.object) == Some(after.as_bytes()))
            }
            _ => false,
        }
    }

    pub(super) fn learn(&mut self, record: &Record) {
        self.take(record.action, &record.object, record.after, &record.details);
    }

    pub(super) fn learn_entry(&mut self, entry: &Entry) {
        self.take(entry.action, &entry.object, entry.after, &entry.details);
    }

    fn take(&mut self, action: Action, object: &str, after: Option<Digest>, details: &Map<String, Value>) {
        match action {
            Action::TestEvaluation => {
                if let Some(told) = told(details) {
                    self.take_test(&told);
                }
            }
            Action::Waiver => {
                if let Some(after) = after {
                    self.waivers.insert(object.to_owned(), *after.as_bytes());
                }
            }
            Action::Run => {
                for kind in ["ran", "restored", "recovered", "unrecorded"] {
                    self.take_results(details, kind);
                }
                for (stage, keys) in details.get(LOST).and_then(Value::as_object).into_iter().flatten() {
                    let keys = keys.as_array().into_iter().flatten().filter_map(Value::as_str);
                    self.results.extend(keys.map(|key| mark(stage, key)));
                }
            }
            Action::Commit => {
                self.take_results(details, "keys");
                // Before the keys were recorded, a commit named its stages only.
                let accepted = details.get("accepted").and_then(Value::as_object);
                for stage in accepted.into_iter().flat_map(Map::keys).filter(|_| !details.contains_key("keys")) {
                    self.results.insert(mark(stage, ANY));
                }
            }
            _ => {}
        }
    }

    /// Takes an evaluation in. What is known under the digest of the bundle, from records that told no model, is from
    /// now on known under that of its model.
    fn take_test(&mut self, told: &Told<'_>) {
        if let Some(model) = told.model
            && self.models.insert(told.bundle.to_owned(), model.to_owned()).is_none()
        {
            for models in self.tests.values_mut().flat_map(BTreeMap::values_mut) {
                if models.remove(told.bundle) {
                    models.insert(model.to_owned());
                }
            }
        }
        let model = self.model_of(told).to_owned();
        let all = self.tests.entry(told.ids.to_owned()).or_default();
        all.entry(told.content.to_owned()).or_default().insert(model);
    }

    fn model_of<'a>(&'a self, told: &Told<'a>) -> &'a str {
        told.model.or_else(|| self.models.get(told.bundle).map(String::as_str)).unwrap_or(told.bundle)
    }

    fn take_results(&mut self, details: &Map<String, Value>, kind: &str) {
        for (stage, key) in details.get(kind).and_then(Value::as_object).into_iter().flatten() {
            if let Some(key) = key.as_str() {
                self.results.insert(mark(stage, key));
            }
        }
    }

    /// Whether a record tells of a result of this stage with this key.
    pub fn has_result(&self, stage: &str, key: &str) -> bool {
        [key, ANY].iter().any(|key| self.results.contains(&mark(stage, key)))
    }

    /// How often these rows were used.
    pub fn test_use(&self, rows: &TestRows) -> Option<TestUse> {
        let all = self.tests.get(&rows.ids).filter(|all| all.contains_key(&rows.content))?;
        Some(TestUse::new(&rows.ids, &rows.content, all))
    }

    /// How often each set of test rows was used.
    pub fn test_uses(&self) -> Vec<TestUse> {
        let each = self.tests.iter().flat_map(|(ids, all)| all.keys().map(move |content| (ids, content, all)));
        each.map(|(ids, content, all)| TestUse::new(ids, content, all)).collect()
    }
}

/// Stands for whatever key a result had.
const ANY: &str = "*";

/// Eight bytes that stand for a stage and a key.
fn mark(stage: &str, key: &str) -> u64 {
    let digest = Digest::of(format!("{stage}\0{key}").as_bytes());
    digest.as_bytes().iter().take(8).fold(0, |mark, byte| mark << 8 | u64::from(*byte))
}

/// What the details of a test evaluation say.
struct Told<'a> {
    ids: &'a str,
    content: &'a str,
    bundle: &'a str,
    model: Option<&'a str>,
}

fn told(details: &Map<String, Value>) -> Option<Told<'_>> {
    let text = |name: &str| details.get(name).and_then(Value::as_str);
    let content = text(CONTENT).unwrap_or_default();
    Some(Told { ids: text(ROWS)?, content, bundle: text(BUNDLE)?, model: text(MODEL) })
}
