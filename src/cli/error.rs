//! From typed errors to what the user reads and what the shell sees.

use crate::cli::exit::Exit;
use crate::config::ConfigErrors;
use crate::graph::SelectError;

/// A mistake in how clinpipe was called.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct UsageError {
    message: String,
    help: String,
}

impl UsageError {
    /// What is wrong, and what to do.
    pub fn new(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { message: message.into(), help: help.into() }
    }
}

/// The text of an error: what, and what to do next.
pub fn render(error: &anyhow::Error, color: bool) -> String {
    if let Some(errors) = error.downcast_ref::<ConfigErrors>() {
        return errors.render(color);
    }
    let mut text = format!("error: {error}");
    for cause in error.chain().skip(1).map(ToString::to_string) {
        // Many an error already tells its cause.
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    if let Some(UsageError { help, .. }) = error.downcast_ref::<UsageError>()
        && !help.is_empty()
    {
        text.push_str("\nhelp: ");
        text.push_str(help);
    }
    text
}

/// The exit code of an error. What is neither configuration nor usage is the environment.
pub fn exit(error: &anyhow::Error) -> Exit {
    let is_usage = error.is::<UsageError>() || error.is::<ConfigErrors>() || error.is::<SelectError>();
    if is_usage { Exit::Usage } else { Exit::Environment }
}
