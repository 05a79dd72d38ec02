//! The two streams: stdout is data, stderr is talk.

use std::io::{self, IsTerminal, Write};

use anstream::{AutoStream, ColorChoice};

use super::args::{Color, Global};

/// Where commands write.
#[derive(Debug, Clone)]
pub struct Output {
    color: Color,
    quiet: bool,
    verbose: bool,
}

impl Output {
    /// As the global options say.
    pub fn new(global: &Global) -> Self {
        Self { color: global.color, quiet: global.quiet, verbose: global.verbose }
    }

    /// Writes data. A reader that has gone away is not an error.
    pub fn data(&self, text: &str) -> anyhow::Result<()> {
        let mut stdout = AutoStream::new(io::stdout().lock(), self.choice());
        let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
        match written {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Writes one JSON document.
    pub fn json<T: serde::Serialize>(&self, value: &T) -> anyhow::Result<()> {
        self.data(&crate::util::json::canonical(value)?)
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
