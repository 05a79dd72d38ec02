//! Several consoles at once: a terminal and an event file, say.

use crate::sched::events::{Event, EventSink};

/// Hands every event to each sink, in order.
#[derive(Default)]
pub struct Fanout(Vec<Box<dyn EventSink + Send>>);

impl Fanout {
    /// A sink made of these.
    pub fn new(sinks: Vec<Box<dyn EventSink + Send>>) -> Self {
        Self(sinks)
    }
}

impl EventSink for Fanout {
    fn event(&mut self, event: &Event) {
        for sink in &mut self.0 {
            sink.event(event);
        }
    }
}
