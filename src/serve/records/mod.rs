//! The log of predictions: every answer and every refused record as a line of JSON, for audits and for the watch on drift.
//!
//! Invariants: an answer leaves the service only once its line is in the queue; under [`WhenFull::Refuse`] nothing is
//! predicted while lines cannot be written; the lines hold no identifier (see [`line`]); a request waits for no disk.

mod file;
pub(super) mod line;
mod pseudonym;
mod writer;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{Builder, JoinHandle};

use serde_json::{Map, Value};

use self::line::{Origin, Style, Subject};
pub use self::pseudonym::LogKey;
use super::AccessLog;
use super::errors::ApiError;
use super::lines::Lines;
use super::model::{Scored, ScoringError};
use super::models::Served;

/// Bytes that may wait for the disk: more than ten thousand lines.
const QUEUE: usize = 8 << 20;

/// When a log file is set aside and a new one begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rotation {
    /// Somebody else's business; SIGHUP opens the file anew.
    Never,
    /// At midnight UTC.
    Daily,
    /// Before it outgrows so many bytes.
    Size(u64),
}

/// What happens to predictions that cannot be recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenFull {
    /// They are not made: 503 until lines can be written again.
    Refuse,
    /// They are answered, and the lost lines counted.
    Drop,
}

/// How predictions are recorded.
#[derive(Debug, Clone)]
pub struct Recording {
    /// The file.
    pub file: PathBuf,
    /// Whether lines hold the inputs too, without what names a patient.
    pub inputs: bool,
    /// When the file is set aside.
    pub rotation: Rotation,
    /// How many files set aside are kept; all by default.
    pub keep: Option<usize>,
    /// What happens when lines cannot be written.
    pub when_full: WhenFull,
}

/// The sending side; cheap to clone. Without a file it forgets every line.
#[derive(Clone, Default)]
pub struct PredictionLog(Option<Arc<Shared>>);

/// Waits for the last lines.
pub struct RecordWriter(JoinHandle<()>);

struct Shared {
    lines: Lines,
    style: Style,
    when_full: WhenFull,
    state: State,
}

/// What the writer and the senders tell each other.
#[derive(Default)]
struct State {
    /// The last attempt to write failed.
    failing: AtomicBool,
    /// The file shall be opened anew.
    reopen: AtomicBool,
    written: AtomicU64,
    lost: AtomicU64,
}

/// The numbers of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RecordCounts {
    pub written: u64,
    pub lost: u64,
    pub waiting_bytes: usize,
    pub failing: bool,
}

impl PredictionLog {
    /// Opens the file and starts the writer, which tells `log` of trouble.
    ///
    /// # Errors
    /// When the file cannot be written to, or another service writes to it.
    pub fn start(recording: &Recording, key: LogKey, log: AccessLog) -> std::io::Result<(Self, RecordWriter)> {
        let file = file::LogFile::open(&recording.file)?;
        let style = Style { key, inputs: recording.inputs };
        let (lines, when_full) = (Lines::new(QUEUE), recording.when_full);
        let shared = Arc::new(Shared { lines, style, when_full, state: State::default() });
        let writer = writer::Writer::new(shared.clone(), recording, file, log);
        let thread = Builder::new().name("predictions".to_owned()).spawn(move || writer.run())?;
        Ok((Self(Some(shared)), RecordWriter(thread)))
    }

    /// Whether predictions may be made: not while they could not be recorded and must be.
    pub(super) fn is_ready(&self) -> bool {
        let refuses = |shared: &Shared| shared.when_full == WhenFull::Refuse;
        !self.0.as_deref().is_some_and(|shared| refuses(shared) && shared.state.failing.load(Ordering::Relaxed))
    }

    /// Records a prediction; an error means that it must not be answered.
    pub(super) fn prediction(
        &self,
        origin: &Origin,
        served: &Served,
        record: &Map<String, Value>,
        scored: &Scored,
    ) -> Result<(), ApiError> {
        let Some(shared) = self.0.as_deref() else { return Ok(()) };
        let mut lines = Vec::with_capacity(768);
        let subject = Subject { served, index: None, record: Some(record) };
        line::prediction(&shared.style, origin, subject, scored, &mut lines);
        shared.add(&lines, 1)
    }

    /// Records that a record got no prediction. That it may be lost changes nothing for the client.
    pub(super) fn refusal(&self, origin: &Origin, served: &Served, record: &Map<String, Value>, error: &ScoringError) {
        let Some(shared) = self.0.as_deref() else { return };
        let mut lines = Vec::with_capacity(512);
        let subject = Subject { served, index: None, record: Some(record) };
        line::refusal(&shared.style, origin, subject, error, &mut lines);
        let _counted = shared.add(&lines, 1);
    }

    /// Records that a request held no record.
    pub(super) fn failure(&self, origin: &Origin, served: &Served, error: &ApiError) {
        let Some(shared) = self.0.as_deref() else { return };
        let mut lines = Vec::with_capacity(512);
        line::failure(&shared.style, origin, served, error.report().0, &mut lines);
        let _counted = shared.add(&lines, 1);
    }

    /// The lines of a batch, to be added at once.
    pub(super) fn batch<'a>(&'a self, served: &'a Served) -> BatchLines<'a> {
        BatchLines { shared: self.0.as_deref(), served, bytes: Vec::new(), count: 0 }
    }

    /// Lets the writer open its file anew: somebody has moved it.
    pub(super) fn reopen(&self) {
        if let Some(shared) = &self.0 {
            shared.state.reopen.store(true, Ordering::Relaxed);
        }
    }

    /// The numbers for the metrics; none without a log.
    pub(super) fn counts(&self) -> Option<RecordCounts> {
        let Shared { lines, state, .. } = self.0.as_deref()?;
        Some(RecordCounts {
            written: state.written.load(Ordering::Relaxed),
            lost: state.lost.load(Ordering::Relaxed),
            waiting_bytes: lines.waiting(),
            failing: state.failing.load(Ordering::Relaxed),
        })
    }

    /// Ends the log: waits until every accepted line is on the disk, or cannot be brought there.
    pub fn finish(self, writer: RecordWriter) {
        if let Some(shared) = self.0 {
            shared.lines.close();
        }
        let _panicked = writer.0.join();
    }
}

impl Shared {
    fn add(&self, lines: &[u8], count: u64) -> Result<(), ApiError> {
        let fails = self.when_full == WhenFull::Refuse && self.state.failing.load(Ordering::Relaxed);
        if !fails && self.lines.push(lines).is_ok() {
            return Ok(());
        }
        match self.when_full {
            WhenFull::Refuse => Err(ApiError::unrecorded()),
            WhenFull::Drop => {
                self.state.lost.fetch_add(count, Ordering::Relaxed);
                Ok(())
            }
        }
    }
}

/// Collects the lines of a batch.
pub(super) struct BatchLines<'a> {
    shared: Option<&'a Shared>,
    served: &'a Served,
    bytes: Vec<u8>,
    count: u64,
}

impl BatchLines<'_> {
    /// Adds the line of one record; `record` is none when there was no object at its place.
    pub fn add(
        &mut self,
        origin: &Origin,
        index: usize,
        record: Option<&Map<String, Value>>,
        result: &Result<Scored, ScoringError>,
    ) {
        let Some(shared) = self.shared else { return };
        let subject = Subject { served: self.served, index: Some(index), record };
        match result {
            Ok(scored) => line::prediction(&shared.style, origin, subject, scored, &mut self.bytes),
            Err(error) => line::refusal(&shared.style, origin, subject, error, &mut self.bytes),
        }
        self.count += 1;
    }

    /// Records them; an error means that the batch must not be answered.
    pub fn finish(self) -> Result<(), ApiError> {
        self.shared.map_or(Ok(()), |shared| shared.add(&self.bytes, self.count))
    }
}
