//! `-q`: only failures are worth a word.

use std::io::Write;

use super::text::{Style, failure};
use crate::sched::events::{Event, EventSink, Outcome};

/// Writes failures with their details and nothing else.
pub struct QuietConsole {
    out: Box<dyn Write + Send>,
    style: Style,
}

impl QuietConsole {
    /// Writes to `out`.
    pub fn new(out: Box<dyn Write + Send>, style: Style) -> Self {
        Self { out, style }
    }
}

impl EventSink for QuietConsole {
    fn event(&mut self, event: &Event) {
        if let Event::StageFinished { stage, outcome: Outcome::Failed, seconds, detail } = event {
            // Nobody can be told that nobody can be told.
            let _ = writeln!(self.out, "{}", failure(self.style, &stage.0, *seconds, detail));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::text::tests::{Shared, run};
    use super::*;

    #[test]
    fn only_the_failure_is_told() {
        let out = Shared::default();
        let mut console = QuietConsole::new(Box::new(out.clone()), Style::default());
        for event in &run() {
            console.event(event);
        }
        insta::assert_snapshot!(out.text(), @r"
        train: failed after 3m 05s: `python train.py` exited with code 1
            | Traceback
        ");
    }
}
