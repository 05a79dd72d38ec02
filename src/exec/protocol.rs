//! What clinpipe and its children say to each other: JSON lines on pipes, and one request file for a built-in stage.
//!
//! Both ends are the same binary, so the format carries no version. A line on a built-in's stdout that does not parse
//! is ignored: a library that prints must not be able to end a run.

use std::ffi::OsString;
use std::io::{self, BufRead, Write};

use clinpipe_stages::{Progress, StageRequest};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::sandbox::Rule;

/// The call of a built-in stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BuiltinSpec {
    /// The call.
    pub request: StageRequest,
    /// Limit of the address space, in bytes.
    pub memory: Option<u64>,
}

/// Shell lines to be run, one after the other until one fails.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CommandSpec {
    /// The shell and its arguments; the line follows as the last.
    pub shell: Vec<OsString>,
    /// The lines.
    pub lines: Vec<String>,
    /// The absolute working directory.
    pub cwd: OsString,
    /// The file that both streams are appended to.
    pub log: OsString,
    /// Whether the environment starts empty instead of as clinpipe's own.
    pub bare: bool,
    /// Variables set on top.
    pub env: Vec<(String, OsString)>,
    /// Limit of each process's address space, in bytes.
    pub memory: Option<u64>,
    /// What the lines may touch; `None` = everything.
    pub sandbox: Option<Vec<Rule>>,
}

/// What clinpipe tells the supervisor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Order {
    /// Run this and report under this number.
    Start {
        /// The number.
        id: u64,
        /// The work.
        spec: CommandSpec,
    },
    /// Send a signal to the process group of that work, and start none of its further lines.
    Signal {
        /// The number.
        id: u64,
        /// The signal.
        signal: i32,
    },
}

/// What the supervisor tells clinpipe: this work has ended, and its process group is gone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Notice {
    /// The number of the work.
    pub id: u64,
    /// How.
    pub end: CommandEnd,
}

/// How shell lines ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum CommandEnd {
    /// Every line succeeded.
    Succeeded,
    /// A line ended badly.
    LineFailed {
        /// Its index.
        line: usize,
        /// Its exit code.
        exit: Option<i32>,
        /// The signal that ended its shell.
        signal: Option<i32>,
    },
    /// A line could not be started.
    NotStarted {
        /// Its index.
        line: usize,
        /// Why.
        error: String,
    },
    /// The supervisor itself is gone; never sent.
    Lost {
        /// Its exit code.
        exit: Option<i32>,
        /// The signal that ended it.
        signal: Option<i32>,
    },
}

/// What the process of a built-in stage says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ChildMessage {
    /// The stage has come this far.
    Progress(Progress),
    /// The stage function failed, in the user's words.
    StageFailed {
        /// What is wrong.
        message: String,
        /// What to do next.
        hint: Option<String>,
    },
    /// The peak resident set of the child.
    Usage {
        /// In bytes.
        max_rss: u64,
    },
}

/// Exit code of a child that reported a failure of the stage.
pub(super) const STAGE_FAILED: u8 = 3;
/// Exit code of a child whose stage function panicked.
pub(super) const CRASHED: u8 = 101;
/// Exit code of a child that could not read its request.
pub(super) const NO_REQUEST: u8 = 102;

/// Says one thing. A listener that is gone cannot hear it, which is no error: each side learns of the other's end by
/// the end of its pipe.
pub(super) fn say<T: Serialize>(out: &mut dyn Write, message: &T) {
    if let Ok(mut line) = serde_json::to_vec(message) {
        line.push(b'\n');
        let _ = out.write_all(&line).and_then(|()| out.flush());
    }
}

/// Hears everything until the other side closes, bounding what one line may hold in memory.
pub(super) fn listen<T: DeserializeOwned>(mut input: impl BufRead, mut heard: impl FnMut(T)) -> io::Result<()> {
    const LONGEST: u64 = 1 << 20;
    let mut line = Vec::new();
    loop {
        line.clear();
        if io::Read::take(&mut input, LONGEST).read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        if let Ok(message) = serde_json::from_slice(&line) {
            heard(message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_heard_and_noise_is_not() {
        let said = [
            ChildMessage::Usage { max_rss: 7 },
            ChildMessage::StageFailed { message: "a\nb".to_owned(), hint: None },
            ChildMessage::Progress(Progress { done: 1, total: None, unit: "rows".to_owned(), message: String::new() }),
        ];
        let mut bytes = Vec::new();
        for message in &said {
            bytes.extend_from_slice(b"\xff noise {\n");
            say(&mut bytes, message);
        }
        bytes.extend_from_slice(b"{\"usage\":{\"max_rss\":");
        let mut heard: Vec<ChildMessage> = Vec::new();
        listen(&bytes[..], |message| heard.push(message)).unwrap();
        assert_eq!(heard, said);
    }
}
