//! The request to stop: one flag that a signal, a test or the scheduler raises, and that running jobs hear at once.
//!
//! Raising it again asks more urgently: running processes get less time to end by themselves.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// The signal that asked for the stop; it is passed on to the running processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopSignal {
    /// SIGINT, as from Ctrl-C.
    Interrupt,
    /// SIGTERM, as from a supervisor.
    Terminate,
}

/// What listeners hear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StopRequest {
    /// The latest signal.
    pub signal: StopSignal,
    /// How often a stop was asked for: 1 the first time.
    pub times: u32,
}

/// A clonable handle; all clones share the flag.
#[derive(Clone, Default)]
pub struct Cancel(Arc<Mutex<State>>);

type Listener = Box<dyn Fn(StopRequest) + Send>;

#[derive(Default)]
struct State {
    request: Option<StopRequest>,
    listeners: BTreeMap<u64, Listener>,
    next: u64,
}

impl Cancel {
    /// A flag that is not raised.
    pub fn new() -> Self {
        Self::default()
    }

    /// Raises the flag, or raises it higher, and tells every listener.
    pub fn request(&self, signal: StopSignal) {
        let mut state = self.lock();
        let times = state.request.map_or(0, |request| request.times).saturating_add(1);
        let request = StopRequest { signal, times };
        state.request = Some(request);
        for listener in state.listeners.values() {
            listener(request);
        }
    }

    /// The latest request, if there was one.
    pub fn requested(&self) -> Option<StopRequest> {
        self.lock().request
    }

    /// Whether a stop was asked for.
    pub fn is_requested(&self) -> bool {
        self.requested().is_some()
    }

    /// Calls `listener` at every request until the subscription is dropped, and now if there was one already.
    /// It runs under the flag's lock: it must be quick (send on a channel) and must not use this flag.
    pub fn subscribe(&self, listener: impl Fn(StopRequest) + Send + 'static) -> Subscription {
        let mut state = self.lock();
        if let Some(request) = state.request {
            listener(request);
        }
        let id = state.next;
        state.next += 1;
        state.listeners.insert(id, Box::new(listener));
        Subscription { cancel: self.clone(), id }
    }

    /// Turns SIGINT and SIGTERM of this process into requests, from now on. SIGHUP keeps its disposition, so that
    /// `nohup` works; when it kills clinpipe, running processes die with it.
    pub fn watch_signals(&self) -> io::Result<()> {
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        let cancel = self.clone();
        std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
            for signal in signals.forever() {
                cancel.request(if signal == SIGINT { StopSignal::Interrupt } else { StopSignal::Terminate });
            }
        })?;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Cancel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Cancel").field(&self.requested()).finish()
    }
}

/// Keeps a listener attached.
#[derive(Debug)]
pub struct Subscription {
    cancel: Cancel,
    id: u64,
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.cancel.lock().listeners.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn listeners_hear_every_request_until_they_leave() {
        let cancel = Cancel::new();
        let (sender, receiver) = mpsc::channel();
        let subscription = cancel.subscribe(move |request| sender.send(request.times).unwrap());
        cancel.request(StopSignal::Interrupt);
        cancel.clone().request(StopSignal::Terminate);
        drop(subscription);
        cancel.request(StopSignal::Interrupt);
        assert_eq!(receiver.iter().collect::<Vec<_>>(), [1, 2]);
        assert_eq!(cancel.requested().map(|request| request.times), Some(3));
    }

    #[test]
    fn a_late_listener_hears_what_it_missed() {
        let cancel = Cancel::new();
        cancel.request(StopSignal::Terminate);
        let (sender, receiver) = mpsc::channel();
        let _subscription = cancel.subscribe(move |request| sender.send(request.signal).unwrap());
        assert_eq!(receiver.try_recv(), Ok(StopSignal::Terminate));
    }
}
