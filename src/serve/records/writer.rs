//! The thread that writes the log of predictions.
//!
//! Invariants: lines are written in one call for all that wait, and synced to the disk at most [`SYNC`] later, when it is
//! also seen whether the file is still there; lines that cannot be written are kept and tried again, so that a disk that gets room loses none.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use std::{io, thread};

use serde_json::json;

use super::file::LogFile;
use super::{Recording, Rotation, Shared};
use crate::serve::AccessLog;
use crate::serve::lines::Taken;
use crate::serve::log::Level;

/// A machine that loses power loses the lines of this time at most; a killed service those of the last milliseconds.
const SYNC: Duration = Duration::from_secs(1);
/// Pause before a failed write is tried again.
const RETRY: Duration = Duration::from_millis(200);

pub(super) struct Writer {
    shared: Arc<Shared>,
    path: PathBuf,
    rotation: Rotation,
    keep: Option<usize>,
    /// None when it must be opened before it can be written to.
    file: Option<LogFile>,
    synced: Instant,
    log: AccessLog,
    clock: fn() -> String,
}

impl Writer {
    pub fn new(shared: Arc<Shared>, recording: &Recording, file: LogFile, log: AccessLog) -> Self {
        let Recording { rotation, keep, .. } = *recording;
        let clock = log.clock();
        let (path, file, synced) = (recording.file.clone(), Some(file), Instant::now());
        Self { shared, path, rotation, keep, file, synced, log, clock }
    }

    /// Writes until the queue is closed and empty.
    pub fn run(mut self) {
        let mut lines = Vec::new();
        loop {
            let taken = self.shared.lines.take(&mut lines, SYNC);
            if self.shared.state.reopen.swap(false, Ordering::Relaxed) {
                self.sync();
                self.file = None;
            }
            if taken == Taken::Lines {
                self.persist(&lines);
                lines.clear();
            }
            if taken != Taken::Lines || self.synced.elapsed() >= SYNC {
                self.sync();
            }
            if taken == Taken::Closed {
                return;
            }
        }
    }

    fn sync(&mut self) {
        let mut synced = self.file.as_mut().map_or(Ok(()), LogFile::sync);
        self.synced = Instant::now();
        if self.file.as_ref().is_some_and(|file| !file.is_in_place()) {
            self.log.line(Level::Warning, "predictions_file_gone", &json!({}));
            self.file = None;
            synced = LogFile::open(&self.path).map(|file| self.file = Some(file));
        }
        self.told(synced);
    }

    /// Writes lines, however long it takes; once the service ends, tries only once more.
    fn persist(&mut self, lines: &[u8]) {
        let count = lines.split_inclusive(|&byte| byte == b'\n').count() as u64;
        loop {
            let is_last = self.shared.lines.is_closed();
            let written = self.write(lines);
            if self.told(written) {
                self.shared.state.written.fetch_add(count, Ordering::Relaxed);
                return;
            }
            if is_last {
                self.shared.state.lost.fetch_add(count, Ordering::Relaxed);
                self.log.line(Level::Error, "predictions_lost", &json!({"lines": count}));
                return;
            }
            thread::sleep(RETRY);
        }
    }

    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        let now = (self.clock)();
        let mut file = match self.file.take() {
            Some(file) => file,
            None => LogFile::open(&self.path)?,
        };
        if file.is_due(self.rotation, lines.len(), &now) {
            file = file.rotate(self.rotation, self.keep, &now)?;
        }
        file.append(lines, &now)?;
        self.file = Some(file);
        Ok(())
    }

    /// Tells the senders, and the service's log when it changes, whether writing works. Returns whether it does.
    fn told(&mut self, result: io::Result<()>) -> bool {
        let works = result.is_ok();
        let failed = self.shared.state.failing.swap(!works, Ordering::Relaxed);
        match result {
            Err(error) if !failed => {
                let cause = json!({"cause": error.to_string()});
                self.log.line(Level::Error, "predictions_unwritable", &cause);
            }
            Ok(()) if failed => self.log.line(Level::Warning, "predictions_written_again", &json!({})),
            _ => {}
        }
        works
    }
}
