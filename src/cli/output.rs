//! The two streams: stdout is data, stderr is talk.
//!
//! What people read is cleaned here, whoever wrote it: nothing reaches a terminal that moves its cursor, turns the
//! direction of writing or cannot be seen. What programs read is exact ([`Output::exact`]) or JSON.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anstream::{AutoStream, ColorChoice};

use super::args::{Color, Global};
use super::error;
use crate::config::ConfigErrors;
use crate::util::visible;

/// On a terminal that is narrower lines break in a way of its own.
const NARROWEST: usize = 40;

/// Where commands write.
#[derive(Debug, Clone)]
pub struct Output {
    color: Color,
    quiet: bool,
    verbose: bool,
    /// Whether a JSON document was written: there is never a second one.
    answered: Arc<AtomicBool>,
}

impl Output {
    /// As the global options say.
    pub fn new(global: &Global) -> Self {
        Self { color: global.color, quiet: global.quiet, verbose: global.verbose, answered: Arc::default() }
    }

    /// Writes lines and tables for people, cleaned. A reader that has gone away is not an error.
    pub fn data(&self, text: &str) -> anyhow::Result<()> {
        self.exact(visible::lines(text).as_bytes())
    }

    /// Writes data for programs as they are. A reader that has gone away is not an error.
    #[expect(clippy::unused_self, reason = "stdout is written to by this type alone")]
    pub fn exact(&self, bytes: &[u8]) -> anyhow::Result<()> {
        written(io::stdout().lock(), bytes)
    }

    /// Writes what a command wrote, with its colours where they are wanted.
    pub fn styled(&self, text: &str) -> anyhow::Result<()> {
        let choice = match self.color {
            Color::Auto => AutoStream::choice(&io::stdout()),
            Color::Always => ColorChoice::Always,
            Color::Never => ColorChoice::Never,
        };
        written(AutoStream::new(io::stdout().lock(), choice), visible::styled(text).as_bytes())
    }

    /// Writes one JSON document.
    pub fn json<T: serde::Serialize>(&self, value: &T) -> anyhow::Result<()> {
        let text = crate::util::json::canonical(value)?;
        self.answered.store(true, Ordering::Relaxed);
        self.exact(visible::json(&text).as_bytes())
    }

    /// Writes the JSON document of a command that ended without its own: `{"error": {"exit_code", "message"}}`.
    pub fn json_failure(message: &str, exit_code: u8) -> anyhow::Result<()> {
        let document = serde_json::json!({"error": {"exit_code": exit_code, "message": message.trim_end()}});
        written(io::stdout().lock(), visible::json(&crate::util::json::canonical(&document)?).as_bytes())
    }

    /// Whether a JSON document was written.
    pub fn has_answered(&self) -> bool {
        self.answered.load(Ordering::Relaxed)
    }

    /// Tells the user something, unless quiet.
    pub fn talk(&self, text: &str) {
        if !self.quiet {
            self.error(text);
        }
    }

    /// Tells the user what went wrong.
    #[expect(clippy::unused_self, reason = "stderr is written to by this type alone")]
    pub fn error(&self, text: &str) {
        stderr(&visible::lines(text));
    }

    /// Tells the user why a command ended.
    pub fn failure(&self, error: &anyhow::Error) {
        match error.downcast_ref::<ConfigErrors>() {
            // Its renderer leaves no escape sequence but its own colours.
            Some(errors) => stderr(&visible::styled(&errors.render(self.colors_stderr()))),
            None => self.error(&error::render(error)),
        }
    }

    /// The columns of the terminal that data go to; none when they go elsewhere or it does not know its size.
    pub fn width() -> Option<usize> {
        let stdout = io::stdout();
        let size = rustix::termios::tcgetwinsize(&stdout).ok().filter(|size| size.ws_col > 0 && stdout.is_terminal());
        size.map(|size| usize::from(size.ws_col).max(NARROWEST))
    }

    /// Whether only errors are wanted.
    pub fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Whether more is wanted.
    pub fn is_verbose(&self) -> bool {
        self.verbose
    }

    /// Whether stderr shows colours.
    pub fn colors_stderr(&self) -> bool {
        match self.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => AutoStream::choice(&io::stderr()) != ColorChoice::Never,
        }
    }

    /// Whether stderr is a terminal that can show live lines.
    pub fn is_live(&self) -> bool {
        io::stderr().is_terminal() && self.color != Color::Never
    }
}

fn written(mut stdout: impl Write, bytes: &[u8]) -> anyhow::Result<()> {
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(anyhow::Error::new(error).context("cannot write to stdout"))
        }
        _ => Ok(()),
    }
}

fn stderr(text: &str) {
    // Nobody is left to tell when stderr is closed.
    drop(writeln!(io::stderr().lock(), "{text}"));
}
