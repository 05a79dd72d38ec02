//! From typed errors to what the user reads and what the shell sees.

use std::io;

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

/// The text of an error, without colours: what, and what to do next.
pub fn render(error: &anyhow::Error) -> String {
    if let Some(errors) = error.downcast_ref::<ConfigErrors>() {
        return errors.render(false);
    }
    let mut text = format!("error: {error}");
    for cause in error.chain().skip(1).map(ToString::to_string) {
        // Many an error already tells its cause.
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    let usage = match error.downcast_ref::<SelectError>() {
        Some(_) => Some("`clinpipe dag` lists the stages; an output, a group or a pipeline file can be named as well"),
        None => error.downcast_ref::<UsageError>().map(|error| error.help.as_str()),
    };
    if let Some(help) = usage.or_else(|| environment_help(error)).filter(|help| !help.is_empty()) {
        text.push_str("\nhelp: ");
        text.push_str(help);
    }
    text
}

/// What to do when the system refused something.
fn environment_help(error: &anyhow::Error) -> Option<&'static str> {
    let cause = error.chain().find_map(|cause| cause.downcast_ref::<io::Error>())?;
    match cause.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Some("make room on that file system and run again; what was recorded so far is kept")
        }
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
            Some("change its permissions or where it is mounted, or work in a copy of the project")
        }
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            Some("something else stands where a directory is needed; move it away")
        }
        _ => None,
    }
}

/// The exit code of an error. What is neither configuration nor usage is the environment.
pub fn exit(error: &anyhow::Error) -> Exit {
    let is_usage = error.is::<UsageError>() || error.is::<ConfigErrors>() || error.is::<SelectError>();
    if is_usage { Exit::Usage } else { Exit::Environment }
}
