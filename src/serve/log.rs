//! The log: one JSON object a line, written by its own thread through a bounded queue.
//!
//! Invariants: a slow or dead reader of the log never slows a request (lines that do not fit are dropped and their
//! number is reported with the next line that does); lines carry route templates, codes and request ids, never a
//! path, a body, a key or an identifier of a patient.

use std::io::Write;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::Value;

use super::lines::{Lines, Taken};

/// How long the last lines of an ending service wait for a reader.
const LAST_LINES: Duration = Duration::from_secs(1);
/// Bytes that may wait for the writer: some thousands of lines.
const QUEUE: usize = 1 << 20;

/// How much an operator needs to hear of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// What happens all day: a request and its answer, the start, a new model.
    Info,
    /// What the service copes with, and somebody should look at.
    Warning,
    /// What failed inside.
    Error,
    /// Nothing is as grave as this: a log at this level is silent.
    Off,
}

impl FromStr for Level {
    type Err = ();

    /// Reads the names that the Python services know as well, in any case.
    fn from_str(text: &str) -> Result<Self, ()> {
        Ok(match text.to_ascii_lowercase().as_str() {
            "debug" | "info" => Self::Info,
            "warn" | "warning" => Self::Warning,
            "error" | "critical" => Self::Error,
            "off" => Self::Off,
            _ => return Err(()),
        })
    }
}

/// The sending side; cheap to clone.
#[derive(Clone)]
pub struct AccessLog {
    lines: Option<Arc<Lines>>,
    dropped: Arc<Dropped>,
    clock: fn() -> String,
    level: Level,
}

#[derive(Default)]
struct Dropped {
    /// Since the last line that was taken.
    untold: AtomicU64,
    total: AtomicU64,
}

/// Waits for the last lines.
pub struct LogWriter(JoinHandle<()>);

impl AccessLog {
    /// A log that writes to `output`; `clock` gives the time of a line as text.
    ///
    /// # Errors
    /// When the writer's thread cannot be started.
    pub fn start(output: Box<dyn Write + Send>, clock: fn() -> String) -> std::io::Result<(Self, LogWriter)> {
        let lines = Arc::new(Lines::new(QUEUE));
        let source = lines.clone();
        let writer = Builder::new().name("log".to_owned()).spawn(move || write_lines(&source, output))?;
        Ok((Self { lines: Some(lines), dropped: Arc::default(), clock, level: Level::Info }, LogWriter(writer)))
    }

    /// A log that forgets every line.
    pub fn disabled() -> Self {
        Self { lines: None, dropped: Arc::default(), clock: String::new, level: Level::Off }
    }

    /// The same log without the lines below a level.
    pub fn at(self, level: Level) -> Self {
        Self { level, ..self }
    }

    /// How it tells the time.
    pub fn clock(&self) -> fn() -> String {
        self.clock
    }

    /// Whether lines of a level are written.
    pub fn tells(&self, level: Level) -> bool {
        self.lines.is_some() && level >= self.level
    }

    /// Lines that were dropped since the start.
    pub fn lost(&self) -> u64 {
        self.dropped.total.load(Ordering::Relaxed)
    }

    /// Writes an event with its fields, which must be a JSON object.
    pub fn event(&self, event: &str, fields: Value) {
        self.line(Level::Info, event, &fields);
    }

    /// Writes an event of a level with its fields, which must become a JSON object.
    pub fn line(&self, level: Level, event: &str, fields: &impl Serialize) {
        let Some(lines) = self.lines.as_ref().filter(|_| self.tells(level)) else { return };
        let untold = self.dropped.untold.swap(0, Ordering::Relaxed);
        let head = Head { time: &(self.clock)(), level, event, lines_dropped: (untold > 0).then_some(untold) };
        let line = joined(&head, fields);
        if line.is_none_or(|line| lines.push(&line).is_err()) {
            self.dropped.untold.fetch_add(untold + 1, Ordering::Relaxed);
            self.dropped.total.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Ends the log: waits until every accepted line is written, or until it is plain that nobody reads them.
    pub fn finish(self, writer: LogWriter) {
        if let Some(lines) = self.lines {
            lines.close();
        }
        let begun = Instant::now();
        while !writer.0.is_finished() && begun.elapsed() < LAST_LINES {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

#[derive(Serialize)]
struct Head<'a> {
    time: &'a str,
    level: Level,
    event: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    lines_dropped: Option<u64>,
}

/// One object of the members of two, as a line. None when one of them is no object.
fn joined(head: &Head, fields: &impl Serialize) -> Option<Vec<u8>> {
    let mut line = Vec::with_capacity(320);
    serde_json::to_writer(&mut line, head).ok()?;
    let end = line.len();
    serde_json::to_writer(&mut line, fields).ok()?;
    let empty = match line.get(end..)? {
        b"{}" => true,
        [b'{', ..] => false,
        _ => return None,
    };
    if empty {
        line.truncate(end);
    } else {
        // `}{` between the two becomes `,`.
        line[end] = b',';
        line.remove(end - 1);
    }
    line.push(b'\n');
    Some(line)
}

fn write_lines(lines: &Lines, mut output: Box<dyn Write + Send>) {
    let mut taken = Vec::new();
    loop {
        match lines.take(&mut taken, Duration::from_hours(1)) {
            // A log that cannot be written (a closed pipe) must not end the service.
            Taken::Lines => drop(output.write_all(&taken).and_then(|()| output.flush())),
            Taken::Nothing => {}
            Taken::Closed => return,
        }
        taken.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Mutex;
    use std::sync::mpsc::Receiver;

    use serde_json::json;

    use super::*;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Shared {
        fn lines(&self) -> Vec<Value> {
            let text = String::from_utf8(self.0.lock().expect("no panic").clone()).expect("UTF-8");
            text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
        }
    }

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
        log.event("bare", json!({}));
        log.finish(writer);
        let lines = output.lines();
        assert_eq!(lines.len(), 101);
        assert_eq!(lines[7], json!({"time": "now", "level": "info", "event": "request", "number": 7}));
        assert_eq!(lines[100], json!({"time": "now", "level": "info", "event": "bare"}));
    }

    #[test]
    fn lines_below_the_level_are_left_out() {
        let output = Shared::default();
        let (log, writer) = AccessLog::start(Box::new(output.clone()), String::new).expect("a thread");
        let log = log.at("WARN".parse().expect("a level"));
        log.event("quiet", json!({}));
        log.line(Level::Error, "loud", &json!({}));
        assert!(!log.tells(Level::Info) && log.tells(Level::Warning));
        log.finish(writer);
        assert_eq!(output.lines().iter().map(|line| &line["event"]).collect::<Vec<_>>(), ["loud"]);
        assert!("chatty".parse::<Level>().is_err());
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
        let text = "x".repeat(QUEUE / 8);
        for _ in 0..40 {
            log.event("request", json!({"text": text}));
        }
        // The writer may have taken what fitted at first, and then what fitted again; no more.
        assert!(log.lost() >= 40 - 16, "{}", log.lost());
        drop(release);
        log.finish(writer);
    }
}
