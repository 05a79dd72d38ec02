//! What clinpipe and its child say to each other: one request file down, JSON lines on the child's stdout up.
//!
//! Both ends are the same binary, so the format carries no version. A line that does not parse is ignored: a
//! library that prints must not be able to end a run.

use std::io::{self, BufRead, Write};

use clinpipe_stages::{Progress, StageRequest};
use serde::{Deserialize, Serialize};

/// What a child is to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum ChildSpec {
    /// Call a stage function.
    Builtin {
        /// The call.
        request: StageRequest,
        /// Limit of the address space, in bytes.
        memory: Option<u64>,
    },
    /// Run shell lines and watch over them.
    Command {
        /// The lines.
        lines: Vec<String>,
        /// Limit of each process's address space, in bytes.
        memory: Option<u64>,
    },
}

/// What a child says.
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
    /// A shell line did not succeed.
    LineFailed {
        /// The line.
        line: String,
        /// Its exit code.
        exit: Option<i32>,
        /// The signal that ended its shell.
        signal: Option<i32>,
        /// Why the shell could not be started at all.
        error: Option<String>,
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

/// Says one thing. A parent that is gone cannot hear it, which is no error: the lifeline ends the child.
pub(super) fn say(out: &mut dyn Write, message: &ChildMessage) {
    if let Ok(mut line) = serde_json::to_vec(message) {
        line.push(b'\n');
        let _ = out.write_all(&line).and_then(|()| out.flush());
    }
}

/// Hears everything until the child closes its side, bounding what one line may hold in memory.
pub(super) fn listen(mut input: impl BufRead, mut heard: impl FnMut(ChildMessage)) -> io::Result<()> {
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
        let mut heard = Vec::new();
        listen(&bytes[..], |message| heard.push(message)).unwrap();
        assert_eq!(heard, said);
    }
}
