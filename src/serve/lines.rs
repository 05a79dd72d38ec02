//! A queue of lines between the threads that answer requests and the one thread that writes a log.
//!
//! Invariants: adding a line never waits for the writer; a line is taken whole or not at all; what was taken comes out
//! once, in order. Lines are kept as one run of bytes, so that a writer gets all that wait in one piece.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Pause between the first line and its writing, in which others join it: one write serves them all.
const GATHER: Duration = Duration::from_millis(2);

/// The queue; shared by reference.
pub(super) struct Lines {
    state: Mutex<State>,
    wake: Condvar,
    /// Bytes that may wait.
    capacity: usize,
}

#[derive(Default)]
struct State {
    bytes: Vec<u8>,
    closed: bool,
    waiting: bool,
}

/// What became of a wait.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub(super) enum Taken {
    /// There are lines.
    Lines,
    /// The time is up.
    Nothing,
    /// The queue is closed and empty.
    Closed,
}

/// The queue has no room.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full;

impl Lines {
    /// A queue for so many bytes. A single line larger than that is taken by an empty queue.
    pub fn new(capacity: usize) -> Self {
        Self { state: Mutex::default(), wake: Condvar::new(), capacity }
    }

    /// Adds lines, all or none.
    pub fn push(&self, lines: &[u8]) -> Result<(), Full> {
        let mut state = self.lock();
        if state.closed || !state.bytes.is_empty() && state.bytes.len() + lines.len() > self.capacity {
            return Err(Full);
        }
        state.bytes.extend_from_slice(lines);
        let wake = state.waiting;
        drop(state);
        if wake {
            self.wake.notify_one();
        }
        Ok(())
    }

    /// Bytes that wait.
    pub fn waiting(&self) -> usize {
        self.lock().bytes.len()
    }

    /// Whether no line will be added any more.
    pub fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Ends the queue: what is in it can still be taken.
    pub fn close(&self) {
        self.lock().closed = true;
        self.wake.notify_all();
    }

    /// Takes all lines into `into`, which must be empty, and waits at most so long for the first.
    pub fn take(&self, into: &mut Vec<u8>, most: Duration) -> Taken {
        let mut state = self.lock();
        if state.bytes.is_empty() && !state.closed {
            state.waiting = true;
            let idle = |state: &mut State| state.bytes.is_empty() && !state.closed;
            state = self.wake.wait_timeout_while(state, most, idle).unwrap_or_else(PoisonError::into_inner).0;
            state.waiting = false;
        }
        if !state.bytes.is_empty() && !state.closed {
            drop(state);
            std::thread::sleep(GATHER);
            state = self.lock();
        }
        std::mem::swap(&mut state.bytes, into);
        match (into.is_empty(), state.closed) {
            (false, _) => Taken::Lines,
            (true, false) => Taken::Nothing,
            (true, true) => Taken::Closed,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Bytes are added by one call that cannot panic half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn lines_of_many_threads_come_out_whole_and_once() {
        let lines = Arc::new(Lines::new(1 << 20));
        let senders: Vec<_> = (0..4)
            .map(|sender| {
                let lines = lines.clone();
                std::thread::spawn(move || {
                    for number in 0..1000 {
                        assert_eq!(lines.push(format!("{sender} {number}\n").as_bytes()), Ok(()));
                    }
                })
            })
            .collect();
        let reader = std::thread::spawn({
            let lines = lines.clone();
            move || {
                let (mut all, mut taken) = (Vec::new(), Vec::new());
                while lines.take(&mut taken, Duration::from_mins(1)) != Taken::Closed {
                    all.append(&mut taken);
                }
                String::from_utf8(all).expect("UTF-8")
            }
        });
        for sender in senders {
            sender.join().expect("no panic");
        }
        lines.close();
        let text = reader.join().expect("no panic");
        assert_eq!(text.lines().count(), 4000);
        for sender in 0..4 {
            let own = text.lines().filter_map(|line| line.strip_prefix(&format!("{sender} ")));
            assert!(own.map(|number| number.parse::<u32>().expect("a number")).eq(0..1000));
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_whole() {
        let lines = Lines::new(10);
        assert_eq!(lines.push(b"a line larger than all\n"), Ok(()), "or it could never be written");
        assert_eq!(lines.push(b"b\n"), Err(Full));
        let mut taken = Vec::new();
        assert_eq!(lines.take(&mut taken, Duration::ZERO), Taken::Lines);
        taken.clear();
        assert_eq!(lines.push(b"12345678\n"), Ok(()));
        assert_eq!((lines.push(b"90\n"), lines.waiting()), (Err(Full), 9));
        lines.close();
        assert_eq!(lines.push(b""), Err(Full));
        assert_eq!((lines.take(&mut taken, Duration::ZERO), taken.as_slice()), (Taken::Lines, &b"12345678\n"[..]));
        taken.clear();
        assert_eq!(lines.take(&mut taken, Duration::ZERO), Taken::Closed);
    }

    #[test]
    fn an_idle_queue_gives_the_writer_its_turn() {
        assert_eq!(Lines::new(10).take(&mut Vec::new(), Duration::from_millis(1)), Taken::Nothing);
    }
}
