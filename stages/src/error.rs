//! What can go wrong in a stage, in the words of the person who has to mend it.

use std::path::Path;

use crate::ParamError;

/// The failure of a stage. Every variant says where, what, and (as `hint`) what to do next.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// An input file is missing, malformed or does not fit the schema.
    #[error("{}", locate(file, *row, column.as_deref(), message))]
    Input {
        /// The file as the pipeline names it.
        file: String,
        /// 1-based line of the file (header = 1), if the fault has one.
        row: Option<u64>,
        /// The column's name, if the fault has one.
        column: Option<String>,
        /// What is wrong.
        message: String,
        /// What to do next; may be empty.
        hint: String,
    },
    /// A parameter has the wrong type or value.
    #[error(transparent)]
    Params(#[from] ParamError),
    /// An output could not be written.
    #[error("cannot write {file}: {source}")]
    Output {
        /// The file as the pipeline names it.
        file: String,
        /// The cause.
        source: std::io::Error,
    },
    /// The data are readable but the stage cannot do its work on them.
    #[error("{message}")]
    Failed {
        /// What is wrong.
        message: String,
        /// What to do next; may be empty.
        hint: String,
    },
}

impl StageError {
    /// A fault of a whole input file.
    pub fn input(file: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Input { file: file.into(), row: None, column: None, message: message.into(), hint: String::new() }
    }

    /// A fault of one cell of an input file; `row` is the 1-based line, header included.
    pub fn cell(file: impl Into<String>, row: u64, column: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Input {
            file: file.into(),
            row: Some(row),
            column: Some(column.into()),
            message: message.into(),
            hint: String::new(),
        }
    }

    /// Work that cannot be done on these data.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::Failed { message: message.into(), hint: String::new() }
    }

    /// A failed write.
    pub fn output(file: &Path, source: std::io::Error) -> Self {
        Self::Output { file: file.display().to_string(), source }
    }

    /// Adds what to do next.
    #[must_use]
    pub fn with_hint(mut self, text: impl Into<String>) -> Self {
        if let Self::Input { hint, .. } | Self::Failed { hint, .. } = &mut self {
            *hint = text.into();
        }
        self
    }

    /// What to do next, if known.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Input { hint, .. } | Self::Failed { hint, .. } if !hint.is_empty() => Some(hint),
            _ => None,
        }
    }
}

fn locate(file: &str, row: Option<u64>, column: Option<&str>, message: &str) -> String {
    match (row, column) {
        (Some(row), Some(column)) => format!("{file}: row {row}, column {column}: {message}"),
        (Some(row), None) => format!("{file}: row {row}: {message}"),
        (None, Some(column)) => format!("{file}: column {column}: {message}"),
        (None, None) => format!("{file}: {message}"),
    }
}
