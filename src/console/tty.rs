//! A terminal: a live line per running stage, and above them what has ended.

use std::collections::BTreeMap;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::plain::note;
use super::text::{Style, because, finished, one_line, progress};
use crate::config::StageName;
use crate::sched::events::{Event, EventSink};

/// How often a live line is drawn, so that elapsed time moves while a stage is silent.
const TICK: Duration = Duration::from_millis(120);

/// The line of a running stage.
const RUNNING: &str = "{spinner} {prefix} {elapsed:>4}  {wide_msg}";
/// The line of the whole run.
const TOTAL: &str = "{pos}/{len} stages, {elapsed}";

/// Draws live lines. They are cleared when the run ends or the console is dropped.
pub struct TtyConsole {
    lines: MultiProgress,
    style: Style,
    running: BTreeMap<StageName, ProgressBar>,
    total: Option<ProgressBar>,
}

impl TtyConsole {
    /// Draws on `target`, usually `ProgressDrawTarget::stderr()`.
    pub fn new(target: ProgressDrawTarget, style: Style) -> Self {
        let lines = MultiProgress::with_draw_target(target);
        Self { lines, style, running: BTreeMap::new(), total: None }
    }

    fn line(&self, text: &str) {
        // Nobody can be told that nobody can be told.
        let _ = self.lines.println(text);
    }

    fn start(&mut self, stage: &StageName, reason: &str, attempt: u32) {
        let spinner = ProgressBar::new_spinner();
        // Above the count of all stages, which stays the last line.
        let bar = match &self.total {
            Some(total) => self.lines.insert_before(total, spinner),
            None => self.lines.add(spinner),
        };
        bar.set_style(template(RUNNING));
        bar.set_prefix(format!("{:<14}", one_line(&stage.0)));
        let again = if attempt > 1 { format!("attempt {attempt}, ") } else { String::new() };
        bar.set_message(format!("{again}{reason}"));
        bar.enable_steady_tick(TICK);
        if let Some(old) = self.running.insert(stage.clone(), bar) {
            self.lines.remove(&old);
        }
    }

    fn end(&mut self, stage: &StageName) {
        if let Some(bar) = self.running.remove(stage) {
            bar.disable_steady_tick();
            bar.finish_and_clear();
            self.lines.remove(&bar);
        }
        if let Some(total) = &self.total {
            total.inc(1);
        }
    }

    fn clear(&mut self) {
        for bar in std::mem::take(&mut self.running).into_values().chain(self.total.take()) {
            bar.disable_steady_tick();
            bar.finish_and_clear();
            self.lines.remove(&bar);
        }
        let _ = self.lines.clear();
    }
}

impl EventSink for TtyConsole {
    fn event(&mut self, event: &Event) {
        match event {
            Event::RunStarted { stages, .. } => {
                let total = self.lines.add(ProgressBar::new(*stages as u64));
                total.set_style(template(TOTAL));
                total.enable_steady_tick(TICK);
                self.total = Some(total);
            }
            Event::Waiting { holder } => self.line(&format!("waiting for {}", one_line(holder))),
            Event::StageStarted { stage, reasons, attempt } => {
                self.start(stage, &because(self.style, reasons), *attempt);
            }
            Event::StageProgress { stage, done, total, unit, message } => {
                if let Some(bar) = self.running.get(stage) {
                    bar.set_message(progress(*done, *total, unit, message));
                }
            }
            Event::StageFinished { stage, outcome, seconds, detail } => {
                self.end(stage);
                if let Some(text) = finished(self.style, &stage.0, *outcome, *seconds, detail) {
                    self.line(&text);
                }
            }
            Event::StageRecorded { .. } => {}
            Event::Note { stage, message } => self.line(&note(stage.as_ref(), message)),
            Event::RunFinished { .. } => self.clear(),
        }
    }
}

impl Drop for TtyConsole {
    fn drop(&mut self) {
        self.clear();
    }
}

/// The templates are constants of this file; were one malformed, the lines would only look different.
fn template(text: &str) -> ProgressStyle {
    ProgressStyle::with_template(text).unwrap_or_else(|_| ProgressStyle::default_spinner())
}

#[cfg(test)]
mod tests {
    use super::super::text::tests::{Shared, run};
    use super::*;
    use indicatif::TermLike;
    use std::io::{self, Write};

    /// A terminal of 80 columns that records what is written and forgets where.
    #[derive(Debug)]
    struct Paper(Shared);

    impl Paper {
        fn put(&self, text: &str) -> io::Result<()> {
            self.0.clone().write_all(text.as_bytes())
        }
    }

    impl TermLike for Paper {
        fn width(&self) -> u16 {
            80
        }
        fn move_cursor_up(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_down(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_right(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_left(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn write_line(&self, text: &str) -> io::Result<()> {
            self.put(&format!("{text}\n"))
        }
        fn write_str(&self, text: &str) -> io::Result<()> {
            self.put(text)
        }
        fn clear_line(&self) -> io::Result<()> {
            Ok(())
        }
        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_has_ended_stays_and_what_runs_is_live() {
        let out = Shared::default();
        let target = ProgressDrawTarget::term_like(Box::new(Paper(out.clone())));
        let mut console = TtyConsole::new(target, Style::default());
        for event in &run() {
            console.event(event);
        }
        drop(console);
        let text = out.text();
        for part in ["ingest: done in 1.2s", "train: failed after 3m 05s", "| Traceback", "attempt 2, never run"] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(text.contains("waiting for process 4711") && text.contains("evaluate: skipped"), "{text}");
    }

    #[test]
    fn every_template_is_well_formed() {
        for text in [RUNNING, TOTAL] {
            assert!(ProgressStyle::with_template(text).is_ok(), "{text}");
        }
    }
}
