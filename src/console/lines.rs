//! A file of JSON lines that someone may follow.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

/// Writes one JSON object a line. Clones share the file, so that one can be asked for its error after the other was
/// given away.
#[derive(Clone)]
pub struct Lines(Arc<Mutex<State>>);

struct State {
    out: Box<dyn Write + Send>,
    error: Option<io::Error>,
}

impl Lines {
    /// Writes to `out`, flushed after each line so that a reader can follow.
    pub fn new(out: Box<dyn Write + Send>) -> Self {
        Self(Arc::new(Mutex::new(State { out, error: None })))
    }

    /// The first error of a write; after it nothing more was written.
    pub fn take_error(&self) -> Option<io::Error> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).error.take()
    }

    pub(super) fn write(&self, value: &impl Serialize) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.error.is_some() {
            return;
        }
        let written = serde_json::to_vec(value).map_err(io::Error::from).and_then(|mut line| {
            line.push(b'\n');
            state.out.write_all(&line)?;
            state.out.flush()
        });
        state.error = written.err();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let lines = Lines::new(Box::new(Full));
        lines.clone().write(&1);
        lines.write(&2);
        assert_eq!(lines.take_error().map(|error| error.kind()), Some(io::ErrorKind::StorageFull));
    }
}
