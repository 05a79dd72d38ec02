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

/// The names of a test evaluation's two digests in the details.
const ROWS: &str = "rows";
const CONTENT: &str = "content";
const MODEL: &str = "bundle";

impl Ledger {
    /// What these records tell.
    pub fn of(records: &[Record]) -> Self {
        let mut ledger = Self::default();
        for record in records {
            ledger.learn(record);
        }
        ledger
    }

    /// The entry of a test evaluation: these rows, this model, as told by that file.
    pub fn test_entry(file: &str, rows: &TestRows, bundle: &str) -> Entry {
        let mut entry = Entry::new(Action::TestEvaluation, file);
        entry.details.insert(ROWS.to_owned(), Value::from(rows.ids.as_str()));
        if !rows.content.is_empty() {
            entry.details.insert(CONTENT.to_owned(), Value::from(rows.content.as_str()));
        }
        entry.details.insert(MODEL.to_owned(), Value::from(bundle));
        entry
    }

    /// Whether a record of this entry would say nothing new. Only test evaluations and waivers can be known.
    pub fn knows(&self, entry: &Entry) -> bool {
        match entry.action {
            Action::TestEvaluation => pair(&entry.details).is_some_and(|(ids, content, model)| {
                self.tests.get(ids).and_then(|all| all.get(content)).is_some_and(|models| models.contains(model))
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
                if let Some((ids, content, model)) = pair(details) {
                    let all = self.tests.entry(ids.to_owned()).or_default();
                    all.entry(content.to_owned()).or_default().insert(model.to_owned());
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

fn pair(details: &Map<String, Value>) -> Option<(&str, &str, &str)> {
    let content = details.get(CONTENT).and_then(Value::as_str).unwrap_or_default();
    Some((details.get(ROWS)?.as_str()?, content, details.get(MODEL)?.as_str()?))
}
