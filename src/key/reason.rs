//! Why a stage is stale.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReasonKind {
    /// There is no lock entry.
    NeverRun,
    /// The user asked for it (`--force`).
    Forced,
    /// Declared `always_changed`, or without inputs and outputs.
    AlwaysChanged,
    /// The lock entry was edited: its key is not that of its content.
    LockEdited,
    /// The command or the built-in's version.
    Command,
    /// The working directory.
    Wdir,
    /// A declared environment variable.
    Env,
    /// An input's content, or the set of inputs.
    Dep,
    /// A parameter's value, or the set of parameters.
    Param,
    /// The set of outputs.
    Out,
    /// An output is not there.
    OutputMissing,
    /// An output is not as the stage left it.
    OutputModified,
    /// A stage before it is stale; whether this one is will be known when that one has run.
    Upstream,
}

impl ReasonKind {
    /// Its name in JSON and in keys.
    pub fn name(self) -> &'static str {
        match self {
            Self::NeverRun => "never_run",
            Self::Forced => "forced",
            Self::AlwaysChanged => "always_changed",
            Self::LockEdited => "lock_edited",
            Self::Command => "command",
            Self::Wdir => "wdir",
            Self::Env => "env",
            Self::Dep => "dep",
            Self::Param => "param",
            Self::Out => "out",
            Self::OutputMissing => "output_missing",
            Self::OutputModified => "output_modified",
            Self::Upstream => "upstream",
        }
    }
}

/// One difference between a stage as locked and as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StaleReason {
    /// What differs.
    pub kind: ReasonKind,
    /// Which path, key, variable or stage; empty when the kind says it all.
    pub subject: String,
    /// As locked; absent when it is new.
    pub old: Option<String>,
    /// As it is now; absent when it is gone.
    pub new: Option<String>,
}

impl StaleReason {
    /// A reason without old and new values.
    pub fn plain(kind: ReasonKind, subject: impl Into<String>) -> Self {
        Self { kind, subject: subject.into(), old: None, new: None }
    }

    /// A reason that compares two values.
    pub fn changed(kind: ReasonKind, subject: impl Into<String>, old: Option<String>, new: Option<String>) -> Self {
        Self { kind, subject: subject.into(), old, new }
    }
}

impl fmt::Display for StaleReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subject = &self.subject;
        match self.kind {
            ReasonKind::NeverRun => write!(formatter, "never run"),
            ReasonKind::Forced => write!(formatter, "forced"),
            ReasonKind::AlwaysChanged => write!(formatter, "always changed"),
            ReasonKind::LockEdited => write!(formatter, "its lock entry does not have its key"),
            ReasonKind::OutputMissing => write!(formatter, "output {subject} is missing"),
            ReasonKind::OutputModified => write!(formatter, "output {subject} was modified{}", self.values()),
            ReasonKind::Upstream => write!(formatter, "upstream {subject} may change"),
            ReasonKind::Command if subject.is_empty() => write!(formatter, "command changed{}", self.values()),
            ReasonKind::Command => write!(formatter, "command {subject} {}", self.verb()),
            ReasonKind::Wdir => write!(formatter, "working directory changed{}", self.values()),
            ReasonKind::Env if subject.is_empty() => write!(formatter, "declaration of the environment changed"),
            ReasonKind::Env => write!(formatter, "environment variable {subject} {}", self.verb()),
            ReasonKind::Dep => write!(formatter, "input {subject} {}", self.verb()),
            ReasonKind::Param => write!(formatter, "parameter {subject} {}", self.verb()),
            ReasonKind::Out => write!(formatter, "output {subject} {}", self.verb()),
        }
    }
}

impl StaleReason {
    fn verb(&self) -> String {
        match (&self.old, &self.new) {
            (None, _) => "added".to_owned(),
            (_, None) => "removed".to_owned(),
            _ => format!("changed{}", self.values()),
        }
    }

    /// ` (old → new)`, shortened to what fits a line.
    fn values(&self) -> String {
        match (&self.old, &self.new) {
            (Some(old), Some(new)) => format!(" ({} → {})", brief(old), brief(new)),
            _ => String::new(),
        }
    }
}

fn brief(text: &str) -> String {
    let is_digest = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let limit = if is_digest { 12 } else { 40 };
    let line = text.replace('\n', "; ");
    if line.chars().count() <= limit {
        return line;
    }
    let start: String = line.chars().take(limit).collect();
    if is_digest { start } else { format!("{start}…") }
}
