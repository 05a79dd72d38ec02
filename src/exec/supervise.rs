//! The child that runs shell lines and watches over them.
//!
//! It leads the process group of the commands and outlives the signals sent to that group, so that it can say how the
//! commands ended; only SIGKILL, or the end of clinpipe, ends it before them.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};

use super::lifeline;
use super::protocol::{ChildMessage, STAGE_FAILED, say};

/// Runs the lines in order until one fails. `memory` limits the address space of each of their processes, in bytes.
pub(super) fn run_commands(lines: &[String], memory: Option<u64>) -> u8 {
    let stopped = Arc::new(AtomicBool::new(false));
    if let Err(error) = prepare(&stopped) {
        return fail(lines.first(), None, Some(error.to_string()));
    }
    for line in lines {
        match run_line(line, memory) {
            Ok(status) if !status.success() => return fail(Some(line), Some(status), None),
            // Somebody asked for a stop and the command ended well all the same: what follows must not start.
            Ok(_) if stopped.load(Ordering::Relaxed) => {
                return fail(Some(line), Some(ExitStatus::from_raw(SIGTERM)), None);
            }
            Ok(_) => {}
            Err(error) => return fail(Some(line), None, Some(error.to_string())),
        }
    }
    0
}

fn prepare(stopped: &Arc<AtomicBool>) -> io::Result<()> {
    // A handler, unlike ignoring, is reset in the shell: the commands see default dispositions.
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(stopped))?;
    }
    lifeline::hold()
}

fn run_line(line: &str, memory: Option<u64>) -> io::Result<ExitStatus> {
    // stdout is the protocol's; the commands get the log for both streams, in the order of their writes.
    let log = io::stderr().as_fd().try_clone_to_owned()?;
    let mut shell = Command::new("/bin/sh");
    match memory {
        // Limited in the shell, not here: this process maps a large binary, the commands may be small.
        Some(bytes) => {
            let limit = format!("ulimit -v {} && exec /bin/sh -c \"$1\"", bytes.div_ceil(1024));
            shell.args(["-c", &limit, "sh", line])
        }
        None => shell.args(["-c", line]),
    };
    shell.stdin(Stdio::null()).stdout(log).status()
}

fn fail(line: Option<&String>, status: Option<ExitStatus>, error: Option<String>) -> u8 {
    let message = ChildMessage::LineFailed {
        line: line.cloned().unwrap_or_default(),
        exit: status.and_then(|status| status.code()),
        signal: status.and_then(|status| status.signal()),
        error,
    };
    say(&mut io::stdout(), &message);
    STAGE_FAILED
}
