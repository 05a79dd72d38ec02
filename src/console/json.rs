//! Events as JSON lines, for `--events FILE` and for programs.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use crate::sched::events::{Event, EventSink};

/// Writes one JSON object per event and line. Clones share the writer, so that one can be asked for its error after
/// the other was given away.
#[derive(Clone)]
pub struct JsonConsole(Arc<Mutex<State>>);

struct State {
    out: Box<dyn Write + Send>,
    error: Option<io::Error>,
}

impl JsonConsole {
    /// Writes to `out`, flushed after each line so that a reader can follow.
    pub fn new(out: Box<dyn Write + Send>) -> Self {
        Self(Arc::new(Mutex::new(State { out, error: None })))
    }

    /// The first error of a write; after it nothing more was written.
    pub fn take_error(&self) -> Option<io::Error> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).error.take()
    }
}

impl EventSink for JsonConsole {
    fn event(&mut self, event: &Event) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.error.is_some() {
            return;
        }
        let written = serde_json::to_vec(event).map_err(io::Error::from).and_then(|mut line| {
            line.push(b'\n');
            state.out.write_all(&line)?;
            state.out.flush()
        });
        state.error = written.err();
    }
}

#[cfg(test)]
mod tests {
    use super::super::text::tests::{Shared, run};
    use super::*;

    #[test]
    fn one_object_per_line() {
        let out = Shared::default();
        let mut console = JsonConsole::new(Box::new(out.clone()));
        for event in &run() {
            console.event(event);
        }
        let text = out.text();
        let first = text.lines().next().unwrap();
        assert_eq!(first, r#"{"event":"run_started","stages":5,"jobs":2}"#);
        assert_eq!(text.lines().count(), run().len());
        for line in text.lines() {
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            assert!(value["event"].is_string());
        }
        assert!(console.take_error().is_none());
    }

    #[test]
    fn the_first_error_is_kept_for_who_asks() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let console = JsonConsole::new(Box::new(Full));
        let mut sink = console.clone();
        for event in &run() {
            sink.event(event);
        }
        assert_eq!(console.take_error().map(|error| error.kind()), Some(io::ErrorKind::StorageFull));
    }
}
