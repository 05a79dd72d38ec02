//! The two streams: stdout is data, stderr is talk.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anstream::{AutoStream, ColorChoice};

use super::args::{Color, Global};

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

    /// Writes data. A reader that has gone away is not an error.
    pub fn data(&self, text: &str) -> anyhow::Result<()> {
        let mut stdout = AutoStream::new(io::stdout().lock(), self.choice());
        let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
        match written {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(anyhow::Error::new(error).context("cannot write to stdout"))
            }
            _ => Ok(()),
        }
    }

    /// Writes one JSON document.
    pub fn json<T: serde::Serialize>(&self, value: &T) -> anyhow::Result<()> {
        let text = crate::util::json::canonical(value)?;
        self.answered.store(true, Ordering::Relaxed);
        self.data(&text)
    }

    /// Writes the JSON document of a command that ended without its own: `{"error": {"exit_code", "message"}}`.
    pub fn json_failure(message: &str, exit_code: u8) -> anyhow::Result<()> {
        let document = serde_json::json!({"error": {"exit_code": exit_code, "message": message.trim_end()}});
        let mut stdout = io::stdout().lock();
        Ok(stdout.write_all(crate::util::json::canonical(&document)?.as_bytes()).and_then(|()| stdout.flush())?)
    }

    /// Whether a JSON document was written.
    pub fn has_answered(&self) -> bool {
        self.answered.load(Ordering::Relaxed)
    }

    /// Tells the user something, unless quiet.
    pub fn talk(&self, text: &str) {
        if !self.quiet {
            self.stderr(text);
        }
    }

    /// Tells the user what went wrong.
    pub fn error(&self, text: &str) {
        self.stderr(text);
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

    fn choice(&self) -> ColorChoice {
        match self.color {
            Color::Auto => AutoStream::choice(&io::stdout()),
            Color::Always => ColorChoice::Always,
            Color::Never => ColorChoice::Never,
        }
    }

    fn stderr(&self, text: &str) {
        let choice = if self.colors_stderr() { ColorChoice::Always } else { ColorChoice::Never };
        let mut stderr = AutoStream::new(io::stderr().lock(), choice);
        // Nobody is left to tell when stderr is closed.
        drop(writeln!(stderr, "{text}"));
    }
}
