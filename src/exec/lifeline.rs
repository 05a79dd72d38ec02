//! Ties a child's life to its parent's.
//!
//! The child's stdin is a pipe whose other end only the parent holds. When the parent dies, by whatever means, the
//! kernel closes that end; the child reads end-of-file and kills its whole process group, itself included. This needs
//! no polling, works for `kill -9`, and reaches grandchildren, which a parent-death signal would not.

use std::io::{self, Read};
use std::thread;

use rustix::process::{Signal, getpgrp, getpid, kill_current_process_group, kill_process};

/// Watches stdin from a thread of its own until it ends.
pub(super) fn hold() -> io::Result<()> {
    thread::Builder::new().name("lifeline".to_owned()).spawn(|| {
        // Nothing is ever written to the pipe; only its end matters.
        let mut buffer = [0_u8; 64];
        let mut stdin = io::stdin().lock();
        loop {
            match stdin.read(&mut buffer) {
                Ok(0) => break,
                Err(error) if error.kind() != io::ErrorKind::Interrupted => break,
                _ => {}
            }
        }
        end_group();
    })?;
    Ok(())
}

/// Kills the own process group when this process leads it, else only this process: called by hand from a shell, the
/// group would be the shell's.
fn end_group() {
    // A process may always signal itself; if not, its work just goes on.
    let _ = if getpgrp() == getpid() {
        kill_current_process_group(Signal::KILL)
    } else {
        kill_process(getpid(), Signal::KILL)
    };
}
