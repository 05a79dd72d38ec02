//! What is to be run, and how it can end: the vocabulary between the scheduler and an executor.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use clinpipe_stages::{Progress, StageRequest};

use super::{Attempt, Cancel, Confinement};
use crate::util::human::duration;

/// One attempt at one stage.
#[derive(Debug)]
pub struct Job<'a> {
    /// The stage's name, for messages.
    pub stage: &'a str,
    /// What to execute.
    pub work: JobWork,
    /// The absolute directory it runs in. A built-in names its files by absolute path and does not depend on it.
    pub cwd: PathBuf,
    /// The environment of a command. Built-ins always get the bare one.
    pub env: JobEnv,
    /// What a command may touch of the workspace; `None` = everything. Built-ins read the paths they are given.
    pub confinement: Option<Confinement>,
    /// Threads a command is told to use through `OMP_NUM_THREADS` and the like; `None` leaves them unset.
    /// A built-in takes the number from its request.
    pub threads: Option<usize>,
    /// Wall time after which the attempt is stopped.
    pub timeout: Option<Duration>,
    /// Limit of each process's address space, in bytes.
    pub memory: Option<u64>,
    /// Where log, request, exit record and built-in outputs go.
    pub attempt: &'a Attempt,
}

/// What a job executes.
#[derive(Debug, Clone, PartialEq)]
pub enum JobWork {
    /// Shell lines, in order, each in its own shell; the first that fails ends the attempt. With the inherited
    /// environment it is the user's shell without its start-up files, as under DVC; with a bare one it is `/bin/sh`,
    /// so that the result does not depend on who ran it.
    Command {
        /// The lines.
        lines: Vec<String>,
    },
    /// A library function, called in a child process.
    Builtin(StageRequest),
}

/// The environment variables a command sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobEnv {
    /// Everything clinpipe itself was started with, and these on top.
    Inherit {
        /// Added or replaced.
        extra: BTreeMap<String, String>,
    },
    /// `PATH`, `HOME`, `TMPDIR` (the attempt's own), `LC_ALL=C`, `TZ=UTC`, and these on top; nothing else.
    Only(BTreeMap<String, String>),
}

impl Default for JobEnv {
    fn default() -> Self {
        Self::Inherit { extra: BTreeMap::new() }
    }
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobEnd {
    /// Every line, or the function, succeeded.
    Succeeded,
    /// It ran and failed.
    Failed {
        /// The exit code, unless a signal ended it.
        exit: Option<i32>,
        /// The signal that ended it.
        signal: Option<i32>,
        /// What went wrong, in one line or a few.
        message: String,
        /// What to do next, if known.
        hint: Option<String>,
        /// The last lines of the log, without terminal control sequences.
        log_tail: Vec<String>,
    },
    /// It was stopped because its time was up.
    TimedOut {
        /// The limit.
        after: Duration,
        /// The last lines of the log.
        log_tail: Vec<String>,
    },
    /// It was stopped because the run was cancelled.
    Interrupted,
}

impl JobEnd {
    /// What to tell the user: message, `help:` line, last lines of the log. Empty for success and interruption.
    pub fn detail(&self) -> String {
        let (message, hint, log_tail) = match self {
            Self::Succeeded | Self::Interrupted => return String::new(),
            Self::Failed { message, hint, log_tail, .. } => (message.clone(), hint.as_deref(), log_tail),
            Self::TimedOut { after, log_tail } => {
                (format!("stopped after its time limit of {}", duration(*after)), None, log_tail)
            }
        };
        let mut text = message;
        if let Some(hint) = hint {
            text.push_str("\nhelp: ");
            text.push_str(hint);
        }
        // A built-in's log repeats its message; saying it once is enough.
        let is_said = log_tail.iter().all(|line| text.contains(line.trim().trim_start_matches("error: ")));
        for line in log_tail.iter().filter(|_| !is_said) {
            text.push_str("\n  | ");
            text.push_str(line);
        }
        text
    }
}

/// The machinery failed, not the stage: nothing is known about the stage's result.
#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    /// A file of the attempt could not be written or read.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// What was tried: `write`, `open`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The child process could not be started.
    #[error("cannot start a process for stage `{stage}`: {source}")]
    Spawn {
        /// The stage.
        stage: String,
        /// The cause.
        source: io::Error,
    },
    /// The child process was started but could not be waited for.
    #[error("cannot wait for the process of stage `{stage}`: {source}")]
    Wait {
        /// The stage.
        stage: String,
        /// The cause.
        source: io::Error,
    },
}

/// Runs jobs. Called from one thread per running job.
pub trait Executor: Sync {
    /// Runs `job` to its end, or stops it when `cancel` asks. `progress` is called from this thread.
    fn run(&self, job: &Job<'_>, cancel: &Cancel, progress: &(dyn Fn(Progress) + Sync)) -> Result<JobEnd, ExecError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_tells_message_help_and_log() {
        let log_tail = vec!["round 1".to_owned(), "killed".to_owned()];
        let end = JobEnd::TimedOut { after: Duration::from_secs(90), log_tail: log_tail.clone() };
        assert_eq!(end.detail(), "stopped after its time limit of 1m 30s\n  | round 1\n  | killed");
        let hint = Some("try again".to_owned());
        let end = JobEnd::Failed { exit: Some(1), signal: None, message: "no".to_owned(), hint, log_tail: Vec::new() };
        assert_eq!(end.detail(), "no\nhelp: try again");
        assert_eq!(JobEnd::Succeeded.detail(), "");
    }
}
