//! What the chain knows in sum: which models were evaluated on which test rows, and which waivers were recorded.
//!
//! Computed from the records alone; it can be thrown away and computed again.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::record::{Action, Entry, Record};
use crate::key::Digest;

/// What the records tell in sum.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// Digest of the test rows → digests of the models evaluated on them.
    tests: BTreeMap<String, BTreeSet<String>>,
    /// Finding → digest of its waiver.
    waivers: BTreeMap<String, [u8; 32]>,
}

/// How often a set of test rows was used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TestUse {
    /// The digest of the rows.
    pub rows: String,
    /// How many models were evaluated on them.
    pub models: usize,
    /// `test` while it is one, else `development`: rows that choose among models no longer test them.
    pub label: &'static str,
}

impl TestUse {
    fn new(rows: &str, models: usize) -> Self {
        Self { rows: rows.to_owned(), models, label: if models > 1 { "development" } else { "test" } }
    }

    /// In words.
    pub fn sentence(&self) -> String {
        match self.models {
            1 => "used for 1 model".to_owned(),
            models => format!(
                "used for {models} models: development rows by now, so the numbers of the best \
                 of them are too good"
            ),
        }
    }
}

/// The names of a test evaluation's two digests in the details.
const ROWS: &str = "rows";
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
    pub fn test_entry(file: &str, rows: &str, bundle: &str) -> Entry {
        let mut entry = Entry::new(Action::TestEvaluation, file);
        entry.details.insert(ROWS.to_owned(), Value::from(rows));
        entry.details.insert(MODEL.to_owned(), Value::from(bundle));
        entry
    }

    /// Whether a record of this entry would say nothing new. Only test evaluations and waivers can be known.
    pub fn knows(&self, entry: &Entry) -> bool {
        match entry.action {
            Action::TestEvaluation => pair(&entry.details)
                .is_some_and(|(rows, model)| self.tests.get(rows).is_some_and(|m| m.contains(model))),
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

    fn take(&mut self, action: Action, object: &str, after: Option<Digest>, details: &serde_json::Map<String, Value>) {
        match action {
            Action::TestEvaluation => {
                if let Some((rows, model)) = pair(details) {
                    self.tests.entry(rows.to_owned()).or_default().insert(model.to_owned());
                }
            }
            Action::Waiver => {
                if let Some(after) = after {
                    self.waivers.insert(object.to_owned(), *after.as_bytes());
                }
            }
            _ => {}
        }
    }

    /// How often these rows were used.
    pub fn test_use(&self, rows: &str) -> Option<TestUse> {
        self.tests.get(rows).map(|models| TestUse::new(rows, models.len()))
    }

    /// How often each set of test rows was used.
    pub fn test_uses(&self) -> Vec<TestUse> {
        self.tests.iter().map(|(rows, models)| TestUse::new(rows, models.len())).collect()
    }
}

fn pair(details: &serde_json::Map<String, Value>) -> Option<(&str, &str)> {
    Some((details.get(ROWS)?.as_str()?, details.get(MODEL)?.as_str()?))
}
