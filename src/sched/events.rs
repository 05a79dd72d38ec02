//! What happens during a run, as the only messages that leave the scheduler. Consoles turn them into text.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::config::StageName;
use crate::key::Digest;
use crate::util::RelPath;

/// How a stage ended in this run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It was executed.
    Ran,
    /// Nothing had changed.
    Fresh,
    /// Its outputs came from the action cache.
    Restored,
    /// Not tried, because something it needs failed.
    Skipped,
    /// It failed.
    Failed,
    /// The run was stopped while it ran.
    Interrupted,
}

/// One event of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The run begins.
    RunStarted {
        /// Stages in the plan, fresh ones included.
        stages: usize,
        /// How many may run at once.
        jobs: usize,
    },
    /// Waiting for another process that writes the same lock file.
    Waiting {
        /// Who holds it: `process 4711 (clinpipe repro)`.
        holder: String,
    },
    /// A stage's command or function starts.
    StageStarted {
        /// Which.
        stage: StageName,
        /// Why it is stale, each reason in one line.
        reasons: Vec<String>,
        /// 1 for the first attempt.
        attempt: u32,
    },
    /// A running stage says how far it is.
    StageProgress {
        /// Which.
        stage: StageName,
        /// Units done.
        done: u64,
        /// Units in all, when known.
        total: Option<u64>,
        /// What is counted.
        unit: String,
        /// What is being done now.
        message: String,
    },
    /// A stage's result is recorded; its end follows.
    StageRecorded {
        /// Which.
        stage: StageName,
        /// Digests of what it read, by path. An optional input that is absent is left out.
        inputs: BTreeMap<RelPath, Digest>,
        /// Digests of what it wrote.
        outputs: BTreeMap<RelPath, Digest>,
    },
    /// A stage ended.
    StageFinished {
        /// Which.
        stage: StageName,
        /// How.
        outcome: Outcome,
        /// Wall time of this stage, hashing included.
        seconds: f64,
        /// For a failure: the message and the last lines of its log. Otherwise empty.
        detail: String,
    },
    /// Something the user should know, such as where a hand-edited output was saved.
    Note {
        /// The stage it is about, if any.
        stage: Option<StageName>,
        /// The text.
        message: String,
    },
    /// The run ended.
    RunFinished {
        /// Wall time of the run.
        seconds: f64,
    },
}

/// Receives the events of a run, in order, from one thread.
pub trait EventSink {
    /// Takes one event.
    fn event(&mut self, event: &Event);
}
