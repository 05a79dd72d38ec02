//! The log: one JSON object a line, written by its own thread through a bounded queue.
//!
//! Invariants: a slow or dead reader of the log never slows a request (lines that do not fit are dropped and their
//! number is reported with the next line that does); lines carry route templates, codes and request ids, never a
//! path, a body, a key or an identifier of a patient.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{Builder, JoinHandle};

use serde_json::{Map, Value, json};

/// Lines that may wait for the writer.
const QUEUE: usize = 4096;

/// The sending side; cheap to clone.
#[derive(Clone)]
pub struct AccessLog {
    queue: Option<SyncSender<Message>>,
    dropped: Arc<AtomicU64>,
    clock: fn() -> String,
}

/// Waits for the last lines.
pub struct LogWriter(JoinHandle<()>);

enum Message {
    Line(String),
    Stop,
}

impl AccessLog {
    /// A log that writes to `output`; `clock` gives the time of a line as text.
    ///
    /// # Errors
    /// When the writer's thread cannot be started.
    pub fn start(output: Box<dyn Write + Send>, clock: fn() -> String) -> std::io::Result<(Self, LogWriter)> {
        let (sender, receiver) = sync_channel(QUEUE);
        let writer = Builder::new().name("log".to_owned()).spawn(move || write_lines(&receiver, output))?;
        Ok((Self { queue: Some(sender), dropped: Arc::default(), clock }, LogWriter(writer)))
    }

    /// A log that forgets every line.
    pub fn disabled() -> Self {
        Self { queue: None, dropped: Arc::default(), clock: String::new }
    }

    /// How it tells the time.
    pub fn clock(&self) -> fn() -> String {
        self.clock
    }

    /// Writes an event with its fields, which must be a JSON object.
    pub fn event(&self, event: &str, fields: Value) {
        let Some(queue) = &self.queue else { return };
        let mut line = Map::new();
        line.insert("time".to_owned(), Value::from((self.clock)()));
        line.insert("event".to_owned(), Value::from(event));
        if let Value::Object(fields) = fields {
            line.extend(fields);
        }
        let lost = self.dropped.swap(0, Ordering::Relaxed);
        if lost > 0 {
            line.insert("lines_dropped".to_owned(), json!(lost));
        }
        let line = Message::Line(format!("{}\n", Value::Object(line)));
        if matches!(queue.try_send(line), Err(TrySendError::Full(_))) {
            self.dropped.fetch_add(lost + 1, Ordering::Relaxed);
        }
    }

    /// Ends the log: waits until every accepted line is written.
    pub fn finish(self, writer: LogWriter) {
        if let Some(queue) = self.queue {
            // A send fails when the writer is gone, and then there is nothing to wait for.
            let _gone = queue.send(Message::Stop);
        }
        let _panicked = writer.0.join();
    }
}

fn write_lines(receiver: &Receiver<Message>, mut output: Box<dyn Write + Send>) {
    while let Ok(Message::Line(line)) = receiver.recv() {
        // A log that cannot be written (a closed pipe) must not end the service.
        let _unwritten = output.write_all(line.as_bytes()).and_then(|()| output.flush());
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Mutex;

    use super::*;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no panic while held").write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_are_json_and_complete_at_the_end() {
        let output = Shared::default();
        let (log, writer) = AccessLog::start(Box::new(output.clone()), || "now".to_owned()).expect("a thread");
        for number in 0..100 {
            log.event("request", json!({"number": number}));
        }
        log.finish(writer);
        let text = String::from_utf8(output.0.lock().expect("no panic").clone()).expect("UTF-8");
        let numbers: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!(numbers.len(), 100);
        assert_eq!(numbers[7], json!({"time": "now", "event": "request", "number": 7}));
    }

    #[test]
    fn a_stuck_reader_costs_lines_not_time() {
        struct Stuck(Receiver<()>);
        impl Write for Stuck {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                let _ended = self.0.recv();
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (release, gate) = std::sync::mpsc::channel();
        let (log, writer) = AccessLog::start(Box::new(Stuck(gate)), String::new).expect("a thread");
        for _ in 0..QUEUE + 50 {
            log.event("request", json!({}));
        }
        // By now the writer has taken its one line, so at most one more fits.
        std::thread::sleep(std::time::Duration::from_millis(100));
        for _ in 0..10 {
            log.event("request", json!({}));
        }
        assert!(log.dropped.load(Ordering::Relaxed) >= 9);
        drop(release);
        log.finish(writer);
    }
}
