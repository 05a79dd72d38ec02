//! One child process and its group, from start to the last process of the group.
//!
//! The loop owns the clock of an attempt: it waits for whatever comes first of a message, the end, a request to stop
//! and the time limit. A group that is to stop gets a signal, then time to end by itself, then SIGKILL. The leader is
//! left a zombie until the rest of the group is killed: as long as it is not reaped, its number cannot be given to
//! another process, so the signal cannot hit a stranger.

use std::io::{self, BufReader};
use std::process::{ChildStdout, Command, ExitStatus};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use super::protocol::{ChildMessage, listen};
use super::{Cancel, StopRequest, StopSignal};

/// How long a group may take to end after the first signal.
const GRACE: Duration = Duration::from_secs(5);
/// How long it may still take after the second.
const SHORT_GRACE: Duration = Duration::from_secs(1);

/// How the child ended.
#[derive(Debug)]
pub(super) struct Ended {
    /// As the system tells it.
    pub status: ExitStatus,
    /// Why it was told to stop, if it was.
    pub cause: Option<Cause>,
    /// From start to end.
    pub wall: Duration,
}

/// Why a child was told to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// Its time was up.
    TimedOut,
    /// The run was cancelled.
    Cancelled,
}

enum Wake {
    Heard(ChildMessage),
    Stop(StopRequest),
    Exited,
}

/// Starts the command, which must have piped stdin and stdout and lead its own process group, and stays with it.
/// `heard` is called from this thread. The outer error: it could not be started; the inner: not waited for.
pub(super) fn run(
    command: &mut Command,
    timeout: Option<Duration>,
    cancel: &Cancel,
    mut heard: impl FnMut(ChildMessage),
) -> io::Result<io::Result<Ended>> {
    let start = Instant::now();
    let mut child = command.spawn()?;
    // Held until the child is reaped: its end is what tells the child that we are gone.
    let lifeline = child.stdin.take();
    let (sender, receiver) = mpsc::channel();
    let stop = sender.clone();
    let subscription = cancel.subscribe(move |request| drop(stop.send(Wake::Stop(request))));
    let group = Pid::from_child(&child);
    let reader = match watch(child.stdout.take(), group, sender) {
        Ok(reader) => reader,
        Err(error) => {
            signal(group, Signal::KILL);
            return Ok(child.wait().and(Err(error)));
        }
    };
    let mut watch = Watch { group, timeout: timeout.map(|limit| start + limit), kill: None, cause: None };
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
    Ok(status.map(|status| Ended { status, cause: watch.cause, wall: start.elapsed() }))
}

/// Reads the child's messages from a thread of its own, then waits for its end without reaping it.
fn watch(stdout: Option<ChildStdout>, group: Pid, sender: Sender<Wake>) -> io::Result<thread::JoinHandle<()>> {
    thread::Builder::new().name("child".to_owned()).spawn(move || {
        if let Some(stdout) = stdout {
            // An unreadable pipe says no more than a closed one.
            drop(listen(BufReader::new(stdout), |message| drop(sender.send(Wake::Heard(message)))));
        }
        while let Err(rustix::io::Errno::INTR) =
            waitid(WaitId::Pid(group), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT)
        {}
        drop(sender.send(Wake::Exited));
    })
}

/// What is known of a running child.
struct Watch {
    group: Pid,
    timeout: Option<Instant>,
    kill: Option<Instant>,
    cause: Option<Cause>,
}

impl Watch {
    fn until_exit(&mut self, receiver: &Receiver<Wake>, heard: &mut impl FnMut(ChildMessage)) {
        loop {
            match self.next(receiver) {
                Ok(Wake::Heard(message)) => heard(message),
                Ok(Wake::Stop(request)) => self.stop(request),
                Ok(Wake::Exited) | Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => self.time_is_up(),
            }
        }
    }

    fn next(&self, receiver: &Receiver<Wake>) -> Result<Wake, RecvTimeoutError> {
        let limit = if self.cause.is_some() { self.kill } else { self.timeout };
        match limit {
            Some(limit) => receiver.recv_timeout(limit.saturating_duration_since(Instant::now())),
            None => receiver.recv().map_err(|_| RecvTimeoutError::Disconnected),
        }
    }

    fn stop(&mut self, request: StopRequest) {
        // A command that ignores Ctrl-C may still listen to SIGTERM, so the second request is that.
        let (passed_on, grace) = match (request.times, request.signal) {
            (..=1, StopSignal::Interrupt) => (Signal::INT, GRACE),
            (..=1, StopSignal::Terminate) => (Signal::TERM, GRACE),
            (2, _) => (Signal::TERM, SHORT_GRACE),
            (_, _) => (Signal::TERM, Duration::ZERO),
        };
        self.cause = Some(Cause::Cancelled);
        self.end_within(passed_on, grace);
    }

    fn time_is_up(&mut self) {
        if self.cause.is_none() {
            self.cause = Some(Cause::TimedOut);
            self.end_within(Signal::TERM, GRACE);
        } else {
            signal(self.group, Signal::KILL);
            self.kill = None;
        }
    }

    fn end_within(&mut self, passed_on: Signal, grace: Duration) {
        signal(self.group, passed_on);
        let kill = Instant::now() + grace;
        self.kill = Some(self.kill.map_or(kill, |earlier| earlier.min(kill)));
    }
}

/// Signals every process of the group. An empty group is no error: it has ended by itself.
fn signal(group: Pid, which: Signal) {
    let _ = kill_process_group(group, which);
}
