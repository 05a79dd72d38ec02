//! One child process and its group, from start to the last process of the group: how a built-in stage is run.
//!
//! The leader is left a zombie until the rest of the group is killed: as long as it is not reaped, its number cannot
//! be given to another process, so the signal cannot hit a stranger.

use std::io::{self, BufReader};
use std::process::{ChildStdout, Command, ExitStatus};
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use super::Cancel;
use super::protocol::{ChildMessage, listen};
use super::watch::{Ended, Wake, Watch};

/// Starts the command, which must have piped stdin and stdout and lead its own process group, and stays with it.
/// `heard` is called from this thread. The outer error: it could not be started; the inner: not waited for.
pub(super) fn run(
    command: &mut Command,
    timeout: Option<Duration>,
    cancel: &Cancel,
    mut heard: impl FnMut(ChildMessage),
) -> io::Result<io::Result<Ended<ExitStatus>>> {
    let start = Instant::now();
    let mut child = command.spawn()?;
    // Held until the child is reaped: its end is what tells the child that we are gone.
    let lifeline = child.stdin.take();
    let (sender, receiver) = mpsc::channel();
    let stop = sender.clone();
    let subscription = cancel.subscribe(move |request| drop(stop.send(Wake::Stop(request))));
    let group = Pid::from_child(&child);
    let reader = match listen_and_wait(child.stdout.take(), group, sender) {
        Ok(reader) => reader,
        Err(error) => {
            signal(group, Signal::KILL);
            return Ok(child.wait().and(Err(error)));
        }
    };
    let pass_on = |which| signal(group, which);
    let mut watch = Watch::new(&pass_on, timeout.map(|limit| start + limit));
    watch.until_exit(&receiver, &mut heard);
    drop(subscription);
    // What the work left in the background must not go on writing while its outputs are hashed.
    signal(group, Signal::KILL);
    let status = child.wait();
    drop(lifeline);
    // The reader has seen the end of the child; a panic in it has no message left to lose.
    drop(reader.join());
    // The reader may have queued messages before it saw the end.
    for wake in receiver.try_iter() {
        if let Wake::Heard(message) = wake {
            heard(message);
        }
    }
    Ok(status.map(|how| Ended { how, cause: watch.cause, wall: start.elapsed() }))
}

/// Reads the child's messages from a thread of its own, then waits for its end without reaping it.
fn listen_and_wait(
    stdout: Option<ChildStdout>,
    group: Pid,
    sender: Sender<Wake<()>>,
) -> io::Result<thread::JoinHandle<()>> {
    thread::Builder::new().name("child".to_owned()).spawn(move || {
        if let Some(stdout) = stdout {
            // An unreadable pipe says no more than a closed one.
            drop(listen(BufReader::new(stdout), |message| drop(sender.send(Wake::Heard(message)))));
        }
        while let Err(rustix::io::Errno::INTR) =
            waitid(WaitId::Pid(group), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT)
        {}
        drop(sender.send(Wake::Exited(())));
    })
}

/// Signals every process of the group. An empty group is no error: it has ended by itself.
fn signal(group: Pid, which: Signal) {
    let _ = kill_process_group(group, which);
}
