//! What a service leaves in the audit chain of its project: that it began and ended, which bundles it took, and that its
//! threshold is not the bundle's.
//!
//! A service goes on when a record cannot be written, and says so: patients wait for its answers. One that runs outside
//! of any project has no chain.

use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use crate::audit::{Action, AuditError, Entry};
use crate::cli::output::Output;
use crate::cli::project::Opened;
use crate::cli::recording::Recorder;
use crate::key::Digest;
use crate::serve::ModelInfo;

/// Writes the records of a service.
pub(super) struct ServiceAudit {
    recorder: Recorder,
    output: Output,
    reason: Option<String>,
}

impl ServiceAudit {
    pub(super) fn new(opened: &Opened, reason: Option<&String>, output: &Output) -> Self {
        Self { recorder: Recorder::new(opened), output: output.clone(), reason: reason.cloned() }
    }

    fn write(&self, entries: Vec<Entry>) {
        match self.recorder.append(entries) {
            Ok(()) => {}
            Err(error @ AuditError::Changed) => self.output.talk(&format!("warning: not in the audit chain: {error}")),
            Err(error) => {
                self.output
                    .talk(&format!("warning: not in the audit chain: {error}; note by hand what the service does"));
            }
        }
    }

    /// The service begins to answer with these models: path, what it is, and the threshold of the bundle itself.
    pub(super) fn started(&self, models: &[(String, ModelInfo, Option<f64>)]) {
        let changes = models.iter().filter_map(|(path, info, own)| self.threshold_change(path, info, *own));
        let starts = models.iter().map(|(path, info, _)| entry(Action::ServiceStart, path, None, info));
        self.write(starts.chain(changes).collect());
    }

    /// A threshold that the site has set in place of the bundle's.
    fn threshold_change(&self, path: &str, info: &ModelInfo, own: Option<f64>) -> Option<Entry> {
        let decision = info.decision.as_ref().filter(|decision| decision.threshold_version.starts_with("override:"))?;
        let mut entry = entry(Action::ThresholdChange, path, None, info);
        entry.reason = Some(self.reason.clone().unwrap_or_else(|| "none was given".to_owned()));
        entry.details.insert("by".to_owned(), json!("serve"));
        entry.details.insert("from".to_owned(), json!(own));
        entry.details.insert("to".to_owned(), json!(decision.threshold));
        Some(entry)
    }

    /// The service took another bundle.
    fn replaced(&self, path: &str, before: &str, info: &ModelInfo) {
        self.write(vec![entry(Action::ServiceModel, path, before.parse().ok(), info)]);
    }

    /// The service has ended.
    pub(super) fn stopped(&self, path: &str) {
        self.write(vec![Entry::new(Action::ServiceStop, path)]);
    }
}

fn entry(action: Action, path: &str, before: Option<Digest>, info: &ModelInfo) -> Entry {
    let mut entry = Entry::new(action, path);
    (entry.before, entry.after) = (before, info.bundle.parse().ok());
    if let Some(decision) = &info.decision {
        entry.details.insert("threshold".to_owned(), Value::from(decision.threshold));
        entry.details.insert("threshold_version".to_owned(), Value::from(decision.threshold_version.as_str()));
    }
    entry
}

/// The bundle that a service took last, to tell whether a reload brought another.
pub(super) struct Taken {
    audit: std::sync::Arc<ServiceAudit>,
    path: String,
    bundle: Mutex<String>,
}

impl Taken {
    pub(super) fn new(audit: &std::sync::Arc<ServiceAudit>, path: &str, info: &ModelInfo) -> Self {
        Self { audit: audit.clone(), path: path.to_owned(), bundle: Mutex::new(info.bundle.clone()) }
    }

    /// The service has read this model.
    pub(super) fn read(&self, info: &ModelInfo) {
        let mut bundle = self.bundle.lock().unwrap_or_else(PoisonError::into_inner);
        if *bundle != info.bundle {
            self.audit.replaced(&self.path, &bundle, info);
            bundle.clone_from(&info.bundle);
        }
    }
}
