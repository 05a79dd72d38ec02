//! How the service ends: it serves, drains, and cuts what is left.
//!
//! Invariants: the phase only moves forward; the first signal starts the drain, the second ends the service at once.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// Where the service is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Takes requests.
    Serving,
    /// Finishes the requests it has and takes no new connections.
    Draining,
    /// Drops every connection.
    Cut,
}

/// The handle by which the service is asked to end; clones share one phase.
#[derive(Debug, Clone)]
pub struct Shutdown(watch::Sender<Phase>);

impl Default for Shutdown {
    fn default() -> Self {
        Self(watch::Sender::new(Phase::Serving))
    }
}

impl Shutdown {
    /// The current phase.
    pub fn phase(&self) -> Phase {
        *self.0.borrow()
    }

    /// Moves one phase on: the first call drains, the second cuts.
    pub fn advance(&self) {
        self.0.send_modify(|phase| {
            *phase = if *phase == Phase::Serving { Phase::Draining } else { Phase::Cut };
        });
    }

    /// Ends once the phase is `phase` or later.
    pub async fn reached(&self, phase: Phase) {
        let mut receiver = self.0.subscribe();
        // The sender lives in `self`, so waiting cannot fail.
        let _closed = receiver.wait_for(|current| *current >= phase).await;
    }

    /// Advances with every SIGTERM and SIGINT, for as long as the runtime lives.
    ///
    /// # Errors
    /// When the handlers cannot be installed.
    pub fn follow_signals(&self) -> io::Result<()> {
        let terminate = signal(SignalKind::terminate())?;
        let interrupt = signal(SignalKind::interrupt())?;
        tokio::spawn(follow(self.clone(), terminate));
        tokio::spawn(follow(self.clone(), interrupt));
        Ok(())
    }
}

async fn follow(shutdown: Shutdown, mut signals: Signal) {
    while signals.recv().await.is_some() {
        shutdown.advance();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_call_drains_and_the_second_cuts() {
        let shutdown = Shutdown::default();
        let other = shutdown.clone();
        shutdown.advance();
        other.reached(Phase::Draining).await;
        assert_eq!(other.phase(), Phase::Draining);
        other.advance();
        other.advance();
        shutdown.reached(Phase::Cut).await;
        assert_eq!(shutdown.phase(), Phase::Cut);
    }
}
