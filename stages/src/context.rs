//! What a stage gets from its caller: paths by role, parameters, a seed, a thread count and a place for progress.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{ParamError, ParamSet, StageError};

/// One input or output: where it is now, and what the pipeline calls it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageFile {
    /// Where to read or write. Outputs lie in the attempt directory.
    pub path: PathBuf,
    /// The path in the pipeline file; the only form that may reach a report or an error.
    pub name: String,
}

/// A call of a stage in a form that can cross a process boundary.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageRequest {
    /// The stage's name after `uses:`.
    pub uses: String,
    /// Bound inputs that exist; an optional input that is absent is not listed.
    pub inputs: BTreeMap<String, StageFile>,
    /// Bound outputs. A name ending in `/` is a directory, which already exists and is empty.
    pub outputs: BTreeMap<String, StageFile>,
    /// The declared top-level keys of params.yaml.
    pub params: Map<String, Value>,
    /// How many threads the stage may use; never visible in its bytes.
    pub threads: usize,
}

/// How far a stage has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Units done.
    pub done: u64,
    /// Units in all, when known.
    pub total: Option<u64>,
    /// What is counted: `rows`, `folds`, `resamples`.
    pub unit: String,
    /// What is being done now.
    pub message: String,
}

/// Everything a running stage may know of the world.
pub struct StageContext<'a> {
    inputs: BTreeMap<String, StageFile>,
    outputs: BTreeMap<String, StageFile>,
    params: ParamSet,
    threads: usize,
    progress: &'a (dyn Fn(Progress) + Sync),
    log: Option<&'a (dyn Fn(&str) + Sync)>,
    clock: Option<&'a (dyn Fn() -> Duration + Sync)>,
}

impl<'a> StageContext<'a> {
    /// Builds the context of a request; `progress` is called from any thread.
    pub fn new(request: StageRequest, progress: &'a (dyn Fn(Progress) + Sync)) -> Self {
        Self {
            inputs: request.inputs,
            outputs: request.outputs,
            params: ParamSet::new(request.params),
            threads: request.threads.max(1),
            progress,
            log: None,
            clock: None,
        }
    }

    /// Gives it a log for people to read and a clock that runs from any start; nothing of either may reach an output.
    #[must_use]
    pub fn with_log(self, log: &'a (dyn Fn(&str) + Sync), clock: &'a (dyn Fn() -> Duration + Sync)) -> Self {
        Self { log: Some(log), clock: Some(clock), ..self }
    }

    /// Writes a line to the stage's log.
    pub fn log(&self, line: &str) {
        if let Some(log) = self.log {
            log(line);
        }
    }

    /// What its clock shows, to tell the log how long something took; zero without a clock.
    pub fn elapsed(&self) -> Duration {
        self.clock.map_or(Duration::ZERO, |clock| clock())
    }

    /// The file of a required input role.
    pub fn input(&self, role: &str) -> Result<&StageFile, StageError> {
        self.input_opt(role)
            .ok_or_else(|| StageError::failed(format!("input role `{role}` is not bound to an existing file")))
    }

    /// The file of an input role, or nothing when it is not bound or does not exist.
    pub fn input_opt(&self, role: &str) -> Option<&StageFile> {
        self.inputs.get(role)
    }

    /// The file of a required output role.
    pub fn output(&self, role: &str) -> Result<&Path, StageError> {
        self.output_opt(role).ok_or_else(|| StageError::failed(format!("output role `{role}` is not bound to a path")))
    }

    /// The file of an output role, or nothing when the pipeline does not ask for it.
    pub fn output_opt(&self, role: &str) -> Option<&Path> {
        self.outputs.get(role).map(|file| file.path.as_path())
    }

    /// All declared parameters.
    pub fn params(&self) -> &ParamSet {
        &self.params
    }

    /// A declared parameter, parsed.
    pub fn param<T: DeserializeOwned>(&self, key: &str) -> Result<T, ParamError> {
        self.params.parse(key)
    }

    /// The study's seed (`seed` in params.yaml).
    pub fn seed(&self) -> Result<u64, ParamError> {
        self.params.parse("seed")
    }

    /// How many threads the stage may use.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Says how far the stage has come.
    pub fn progress(&self, done: u64, total: Option<u64>, unit: &str, message: impl Into<String>) {
        (self.progress)(Progress { done, total, unit: unit.to_owned(), message: message.into() });
    }
}
