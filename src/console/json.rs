//! Events as JSON lines, for `--events FILE` and for programs.

use super::lines::Lines;
use crate::sched::events::{Event, EventSink};

/// Writes one JSON object per event and line.
#[derive(Clone)]
pub struct JsonConsole(Lines);

impl JsonConsole {
    /// Writes to `lines`.
    pub fn new(lines: Lines) -> Self {
        Self(lines)
    }
}

impl EventSink for JsonConsole {
    fn event(&mut self, event: &Event) {
        self.0.write(event);
    }
}

#[cfg(test)]
mod tests {
    use super::super::text::tests::{Shared, run};
    use super::*;

    #[test]
    fn one_object_per_line() {
        let out = Shared::default();
        let mut console = JsonConsole::new(Lines::new(Box::new(out.clone())));
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
    }
}
