//! Collects the faults of a project's files while they are read, with the questions that typed reading asks again and
//! again.

use super::diagnostic::{ConfigError, ConfigErrors, Source};
use super::pipeline::Span;
use super::yaml::{Entry, Kind, Node};
use crate::util::{RelPath, nearest};

/// The faults so far. Places belong to the pipeline file that was turned to last.
#[derive(Default)]
pub(super) struct Report {
    sources: Vec<Source>,
    current: usize,
    errors: Vec<ConfigError>,
}

impl Report {
    /// Turns to another pipeline file.
    pub(super) fn open(&mut self, source: Source) {
        self.current = self.sources.len();
        self.sources.push(source);
    }

    /// Turns back to a file that has been opened.
    pub(super) fn turn_to(&mut self, file: &RelPath) {
        if let Some(at) = self.position(file) {
            self.current = at;
        }
    }

    /// The place of a file in the order in which they were opened.
    pub(super) fn position(&self, file: &RelPath) -> Option<usize> {
        self.sources.iter().position(|source| source.name == file.as_str())
    }

    fn error(&self, span: Span, message: impl Into<String>) -> ConfigError {
        match self.sources.get(self.current) {
            Some(source) => source.error(span, message),
            None => ConfigError::of_file("", message),
        }
    }

    /// Adds a fault.
    pub(super) fn fault(&mut self, span: Span, message: impl Into<String>) {
        self.errors.push(self.error(span, message));
    }

    /// Adds a fault and what to do about it.
    pub(super) fn fault_with_help(&mut self, span: Span, message: impl Into<String>, help: impl Into<String>) {
        self.errors.push(self.error(span, message).help(help));
    }

    /// Adds a fault and the word that was probably meant.
    pub(super) fn fault_near(&mut self, span: Span, message: impl Into<String>, near: Option<&str>) {
        self.errors.push(self.error(span, message).did_you_mean(near));
    }

    /// Adds faults of other files.
    pub(super) fn extend(&mut self, errors: impl IntoIterator<Item = ConfigError>) {
        self.errors.extend(errors);
    }

    pub(super) fn is_clean(&self) -> bool {
        self.errors.is_empty()
    }

    /// Ends the collection: `Err` if there is any fault.
    ///
    /// The faults of a pipeline file come in the order of its lines, then those of other files.
    pub(super) fn finish(mut self) -> Result<(), ConfigErrors> {
        let names: Vec<&str> = self.sources.iter().map(|source| source.name.as_str()).collect();
        self.errors.sort_by_key(|error| {
            let at = error.span.map_or((0, 0), |span| (span.line, span.column));
            match names.iter().position(|name| *name == error.file) {
                Some(file) => (file, at),
                None => (names.len(), (0, 0)),
            }
        });
        if self.errors.is_empty() { Ok(()) } else { Err(ConfigErrors(self.errors)) }
    }

    /// Where `words` stand within the value that starts at `span`: the first occurrence in the next few lines, else
    /// the value itself.
    pub(super) fn within(&self, span: Span, words: &str) -> Span {
        let text = self.sources.get(self.current).map_or("", |source| source.text.as_str());
        let lines = text.lines().enumerate().skip(span.line.saturating_sub(1)).take(40);
        for (at, line) in lines {
            let skip = if at + 1 == span.line { span.column.saturating_sub(1) } else { 0 };
            let start = line.char_indices().nth(skip).map_or(line.len(), |(byte, _)| byte);
            if let Some(found) = line[start..].find(words) {
                return Span { line: at + 1, column: line[..start + found].chars().count() + 1 };
            }
        }
        span
    }

    /// Says that a value has the wrong type.
    pub(super) fn expected(&mut self, node: &Node, what: &str, expected: &str) {
        let message = format!("{what} must be {expected}, found {}", node.describe());
        match &node.kind {
            Kind::Number(_) | Kind::Bool(_) if expected.contains("text") || expected.contains("path") => {
                self.fault_with_help(node.span, message, "put it in quotes if text is meant");
            }
            _ => self.fault(node.span, message),
        }
    }

    /// The entries of a mapping, after a fault for each key that is not known.
    pub(super) fn mapping<'n>(&mut self, node: &'n Node, what: &str, known: &[&str]) -> Option<&'n [Entry]> {
        let Kind::Map(entries) = &node.kind else {
            self.expected(node, what, "a mapping");
            return None;
        };
        for entry in entries.iter().filter(|entry| !known.contains(&entry.key.as_str())) {
            let message = format!("unknown key `{}` in {what}", entry.key);
            let near = nearest(&entry.key, known.iter().copied());
            let help = near.map_or_else(
                || format!("known keys are {}", known.join(", ")),
                |word| format!("did you mean `{word}`?"),
            );
            self.fault_with_help(entry.key_span, message, help);
        }
        Some(entries)
    }

    /// The entries of a mapping with free keys; none after a fault for anything else.
    pub(super) fn entries<'n>(&mut self, node: &'n Node, what: &str, expected: &str) -> &'n [Entry] {
        match &node.kind {
            Kind::Map(entries) => entries,
            Kind::Null => &[],
            _ => {
                self.expected(node, what, expected);
                &[]
            }
        }
    }

    pub(super) fn text<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n str> {
        if let Kind::Text(text) = &node.kind {
            return Some(text);
        }
        self.expected(node, what, "text");
        None
    }

    pub(super) fn flag(&mut self, node: &Node, what: &str) -> Option<bool> {
        if let Kind::Bool(value) = &node.kind {
            return Some(*value);
        }
        self.expected(node, what, "true or false");
        None
    }

    /// A whole number within bounds.
    pub(super) fn count(&mut self, node: &Node, what: &str, least: u64, most: u64) -> Option<u64> {
        match &node.kind {
            Kind::Number(number) if number.as_u64().is_some_and(|value| (least..=most).contains(&value)) => {
                number.as_u64()
            }
            Kind::Number(number) => {
                self.fault(node.span, format!("{what} must be a whole number from {least} to {most}, found {number}"));
                None
            }
            _ => {
                self.expected(node, what, &format!("a whole number from {least} to {most}"));
                None
            }
        }
    }

    /// The items of a list; for `null`, as in an empty `deps:`, none.
    pub(super) fn list<'n>(&mut self, node: &'n Node, what: &str, of: &str) -> &'n [Node] {
        match &node.kind {
            Kind::List(items) => items,
            Kind::Null => &[],
            _ => {
                self.expected(node, what, &format!("a list of {of}"));
                &[]
            }
        }
    }

    /// A path of the project, read relative to `base`.
    pub(super) fn path(&mut self, base: &RelPath, text: &str, span: Span) -> Option<RelPath> {
        if text.trim().is_empty() {
            self.fault(span, "a path is empty");
            return None;
        }
        if text.starts_with("ds://") {
            let message = format!("`{text}` is a dataset of `datasets:`, which only DVC can bring here");
            self.fault_with_help(span, message, "place the data in the project and depend on the file or directory");
            return None;
        }
        if text.contains("://") {
            let message = format!("`{text}` is a URL; only files of the project can be named here");
            self.fault_with_help(span, message, "fetch it in a stage of its own and depend on the file");
            return None;
        }
        if text.starts_with('/') {
            let message = format!("`{text}` is an absolute path");
            self.fault_with_help(span, message, "name it relative to the project, so that it is the same everywhere");
            return None;
        }
        let path = RelPath::resolve(base, text);
        if path.is_none() {
            let message = format!("`{text}` lies outside the project");
            self.fault_with_help(
                span,
                message,
                "copy the file into the project, or start clinpipe with `-C` at a directory that holds both",
            );
        }
        path
    }
}
