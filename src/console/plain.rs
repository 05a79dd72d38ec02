//! Lines for pipes and logs: one when a stage starts, one when it ends, and now and then one in between.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::{Duration, Instant};

use super::text::{Style, because, finished, one_line, progress};
use crate::config::StageName;
use crate::sched::events::{Event, EventSink};

/// Between two progress lines of the same stage.
const INTERVAL: Duration = Duration::from_secs(10);

/// Writes plain lines.
pub struct PlainConsole {
    out: Box<dyn Write + Send>,
    style: Style,
    clock: Box<dyn Fn() -> Duration + Send>,
    /// When each running stage last got a line.
    last: BTreeMap<StageName, Duration>,
}

impl PlainConsole {
    /// Writes to `out`.
    pub fn new(out: Box<dyn Write + Send>, style: Style) -> Self {
        let start = Instant::now();
        Self::with_clock(out, style, Box::new(move || start.elapsed()))
    }

    fn with_clock(out: Box<dyn Write + Send>, style: Style, clock: Box<dyn Fn() -> Duration + Send>) -> Self {
        Self { out, style, clock, last: BTreeMap::new() }
    }

    fn line(&mut self, text: &str) {
        // Nobody can be told that nobody can be told.
        let _ = writeln!(self.out, "{text}").and_then(|()| self.out.flush());
    }

    fn is_due(&mut self, stage: &StageName) -> bool {
        let now = (self.clock)();
        match self.last.get_mut(stage) {
            Some(last) if now < *last + INTERVAL => false,
            Some(last) => {
                *last = now;
                true
            }
            None => false,
        }
    }
}

impl EventSink for PlainConsole {
    fn event(&mut self, event: &Event) {
        match event {
            Event::RunStarted { .. } | Event::StageRecorded { .. } | Event::RunFinished { .. } => {}
            Event::Waiting { holder } => self.line(&format!("waiting for {}", one_line(holder))),
            Event::StageStarted { stage, reasons, attempt } => {
                self.last.insert(stage.clone(), (self.clock)());
                self.line(&started(stage, &because(self.style, reasons), *attempt));
            }
            Event::StageProgress { stage, done, total, unit, message } => {
                if self.is_due(stage) {
                    let text = progress(*done, *total, unit, message);
                    self.line(&format!("{}: {text}", one_line(&stage.0)));
                }
            }
            Event::StageFinished { stage, outcome, seconds, detail } => {
                self.last.remove(stage);
                if let Some(text) = finished(self.style, &stage.0, *outcome, *seconds, detail) {
                    self.line(&text);
                }
            }
            Event::Note { stage, message } => self.line(&note(stage.as_ref(), message)),
        }
    }
}

/// The line that begins a stage.
pub(super) fn started(stage: &StageName, reason: &str, attempt: u32) -> String {
    let again = if attempt > 1 { format!(", attempt {attempt}") } else { String::new() };
    format!("{}: started{again} ({reason})", one_line(&stage.0))
}

/// A note, with the stage it is about.
pub(super) fn note(stage: Option<&StageName>, message: &str) -> String {
    match stage {
        Some(stage) => format!("{}: note: {}", one_line(&stage.0), one_line(message)),
        None => format!("note: {}", one_line(message)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::text::tests::{Shared, name, run, step};
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[test]
    fn one_line_when_a_stage_starts_and_one_when_it_ends() {
        let out = Shared::default();
        let mut console = PlainConsole::new(Box::new(out.clone()), Style::default());
        for event in &run() {
            console.event(event);
        }
        insta::assert_snapshot!(out.text(), @r"
        waiting for process 4711 (clinpipe repro)
        ingest: started (dependency data/raw.csv has changed and 1 more)
        ingest: done in 1.2s
        split: restored in 0.02s
        train: started, attempt 2 (never run)
        train: note: artifacts/x was edited; saved
        train: failed after 3m 05s: `python train.py` exited with code 1
            | Traceback
        evaluate: skipped
        ");
    }

    #[test]
    fn verbose_tells_every_reason_and_every_fresh_stage() {
        let out = Shared::default();
        let mut console = PlainConsole::new(Box::new(out.clone()), Style { color: false, verbose: true });
        run()[..4].iter().for_each(|event| console.event(event));
        insta::assert_snapshot!(out.text(), @r"
        waiting for process 4711 (clinpipe repro)
        generate: fresh
        ingest: started (dependency data/raw.csv has changed; parameter seed added)
        ");
    }

    #[test]
    fn progress_gets_a_line_every_ten_seconds() {
        let (out, now) = (Shared::default(), Arc::new(AtomicU64::new(0)));
        let time = Arc::clone(&now);
        let clock = Box::new(move || Duration::from_secs(time.load(Ordering::Relaxed)));
        let mut console = PlainConsole::with_clock(Box::new(out.clone()), Style::default(), clock);
        console.event(&Event::StageStarted { stage: name("train"), reasons: vec!["never run".to_owned()], attempt: 1 });
        for second in 0..25 {
            now.store(second, Ordering::Relaxed);
            console.event(&step("train", second));
        }
        insta::assert_snapshot!(out.text(), @r"
        train: started (never run)
        train: tuning gbdt, 10/5 folds
        train: tuning gbdt, 20/5 folds
        ");
    }
}
