//! Turns the events of a run, and its result, into text.
//!
//! Invariants: a console only listens; nothing it does, and no failure to write, can change a result. It writes to
//! what it is given and never to stdout or stderr by itself. All text that comes from a stage is shown on one line,
//! with what moves a cursor or cannot be seen written out.

mod fanout;
mod json;
mod lines;
mod openlineage;
mod plain;
mod quiet;
mod study;
mod summary;
mod text;
mod tty;

pub use fanout::Fanout;
pub use json::JsonConsole;
pub use lines::Lines;
pub use openlineage::{Clock, Job, Namespace, OpenLineageConsole};
pub use plain::PlainConsole;
pub use quiet::QuietConsole;
pub use study::{Estimate, GateResult, Headline, StudyFiles, StudySummary};
pub use summary::{RunSummary, StageResult};
pub use text::Style;
pub use tty::TtyConsole;
