//! The clock of one attempt: waits for whatever comes first of a message, the end, a request to stop and the time
//! limit.
//!
//! Work that is to stop gets a signal, then time to end by itself, then SIGKILL. Whom a signal reaches is the caller's
//! business; this module only decides which one and when.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::protocol::ChildMessage;
use super::{StopRequest, StopSignal};

/// How long the work may take to end after the first signal.
const GRACE: Duration = Duration::from_secs(5);
/// How long it may still take after the second.
const SHORT_GRACE: Duration = Duration::from_secs(1);

/// How the work ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ended<E> {
    /// As its watcher tells it.
    pub how: E,
    /// Why it was told to stop, if it was.
    pub cause: Option<Cause>,
    /// From start to end.
    pub wall: Duration,
}

/// Why work was told to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// Its time was up.
    TimedOut,
    /// The run was cancelled.
    Cancelled,
}

/// What can happen to running work.
pub(super) enum Wake<E> {
    /// It said something.
    Heard(ChildMessage),
    /// It is to stop.
    Stop(StopRequest),
    /// It ended.
    Exited(E),
}

/// What is known of running work.
pub(super) struct Watch<'a> {
    signal: &'a dyn Fn(Signal),
    timeout: Option<Instant>,
    kill: Option<Instant>,
    /// Why it was told to stop, if it was.
    pub cause: Option<Cause>,
}

impl<'a> Watch<'a> {
    /// Watches work that `signal` reaches and that may run until `timeout`.
    pub(super) fn new(signal: &'a dyn Fn(Signal), timeout: Option<Instant>) -> Self {
        Self { signal, timeout, kill: None, cause: None }
    }

    /// Stays until the work ends; `None` when whoever would tell is gone.
    pub(super) fn until_exit<E>(
        &mut self,
        receiver: &Receiver<Wake<E>>,
        heard: &mut impl FnMut(ChildMessage),
    ) -> Option<E> {
        loop {
            match self.next(receiver) {
                Ok(Wake::Heard(message)) => heard(message),
                Ok(Wake::Stop(request)) => self.stop(request),
                Ok(Wake::Exited(how)) => return Some(how),
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => self.time_is_up(),
            }
        }
    }

    fn next<E>(&self, receiver: &Receiver<Wake<E>>) -> Result<Wake<E>, RecvTimeoutError> {
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
            (self.signal)(Signal::KILL);
            self.kill = None;
        }
    }

    fn end_within(&mut self, passed_on: Signal, grace: Duration) {
        (self.signal)(passed_on);
        let kill = Instant::now() + grace;
        self.kill = Some(self.kill.map_or(kill, |earlier| earlier.min(kill)));
    }
}
