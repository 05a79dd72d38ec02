//! What is wrong in a file that a person wrote: file, line, column, the offending line, and what to do.
//!
//! The text without colour is stable; scripts and tests may compare it. Nothing here prints.

use std::fmt;
use std::ops::Range;
use std::path::Path;

use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet};

use super::pipeline::Span;
use crate::util::RelPath;

/// One fault of a pipeline, params or rules file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The file, relative to the project; `--set` for a fault of that option.
    pub file: String,
    /// Where, if the fault has a place.
    pub span: Option<Span>,
    /// The line at that place.
    pub line: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl ConfigError {
    /// A fault of a whole file.
    pub fn of_file(file: impl Into<String>, message: impl Into<String>) -> Self {
        Self { file: file.into(), span: None, line: None, message: message.into(), help: None }
    }

    /// Adds what to do.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(text.into());
        self
    }

    /// Adds which word was probably meant, if there is one.
    #[must_use]
    pub fn did_you_mean(self, nearest: Option<&str>) -> Self {
        match nearest {
            Some(word) => self.help(format!("did you mean `{word}`?")),
            None => self,
        }
    }

    /// The fault as text, with ANSI colours if `color`.
    pub fn render(&self, color: bool) -> String {
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        let title = Level::ERROR.primary_title(self.message.as_str());
        let main = match (&self.span, &self.line) {
            (Some(span), Some(line)) => title.element(
                Snippet::source(line.as_str())
                    .path(self.file.as_str())
                    .line_start(span.line.max(1))
                    .annotation(AnnotationKind::Primary.span(token(line, span.column))),
            ),
            (Some(span), None) => {
                title.element(Origin::path(self.file.as_str()).line(span.line).char_column(span.column))
            }
            (None, _) => title.element(Origin::path(self.file.as_str())),
        };
        match &self.help {
            Some(help) => renderer.render(&[main, Level::HELP.secondary_title(help.as_str()).elements(NOTHING)]),
            None => renderer.render(&[main]),
        }
    }
}

const NOTHING: [Origin<'static>; 0] = [];

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.render(false))
    }
}

impl std::error::Error for ConfigError {}

/// How many faults are shown at once: nobody reads more, and a damaged file may have thousands.
const MOST_SHOWN: usize = 50;

/// All faults found in one go; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl ConfigErrors {
    /// The faults as text, with ANSI colours if `color`; the first [`MOST_SHOWN`] of them and how many more there are.
    pub fn render(&self, color: bool) -> String {
        let mut shown: Vec<String> = self.0.iter().take(MOST_SHOWN).map(|error| error.render(color)).collect();
        if self.0.len() > MOST_SHOWN {
            shown.push(format!("… and {} more errors", self.0.len() - MOST_SHOWN));
        }
        shown.join("\n\n")
    }
}

impl From<ConfigError> for ConfigErrors {
    fn from(error: ConfigError) -> Self {
        Self(vec![error])
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.render(false))
    }
}

impl std::error::Error for ConfigErrors {}

/// A file's text under the name that messages use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Relative to the project.
    pub name: String,
    /// The text, without a byte order mark.
    pub text: String,
}

impl Source {
    /// Wraps a text.
    pub fn new(name: impl Into<String>, text: &str) -> Self {
        Self { name: name.into(), text: text.strip_prefix('\u{feff}').unwrap_or(text).to_owned() }
    }

    /// Reads a file below `root`. `Ok(None)` when nothing has its name.
    pub fn read(root: &Path, file: &RelPath) -> Result<Option<Self>, ConfigError> {
        let bytes = match std::fs::read(file.under(root)) {
            Ok(bytes) => bytes,
            // A link whose target is gone is no absence that anybody meant.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => match file.under(root).read_link() {
                Err(_) => return Ok(None),
                Ok(target) => {
                    let message = format!("is a link to {}, which is not there", target.display());
                    let help = "mend the link, or remove it";
                    return Err(ConfigError::of_file(file.as_str(), message).help(help));
                }
            },
            Err(error) => return Err(ConfigError::of_file(file.as_str(), format!("cannot be read: {error}"))),
        };
        match std::str::from_utf8(&bytes) {
            Ok(text) => Ok(Some(Self::new(file.as_str(), text))),
            Err(error) => {
                let good = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
                let start = good.rfind('\n').map_or(0, |at| at + 1);
                let span = Span { line: good.matches('\n').count() + 1, column: good[start..].chars().count() + 1 };
                let mut fault = ConfigError::of_file(file.as_str(), "this byte is not UTF-8 text");
                fault.span = Some(span);
                fault.line = Some(good[start..].to_owned());
                Err(fault.help("save the file as UTF-8"))
            }
        }
    }

    /// A fault at a place of this file.
    pub fn error(&self, span: Span, message: impl Into<String>) -> ConfigError {
        ConfigError {
            file: self.name.clone(),
            span: Some(span),
            line: self.text.lines().nth(span.line.saturating_sub(1)).map(str::to_owned),
            message: message.into(),
            help: None,
        }
    }
}

/// The byte range in `line` of the word that starts at the 1-based character `column`: up to its closing quote, or to
/// what ends a plain YAML scalar.
fn token(line: &str, column: usize) -> Range<usize> {
    let start = line.char_indices().nth(column.saturating_sub(1)).map_or(line.len(), |(at, _)| at);
    let rest = &line[start..];
    let length = match rest.chars().next() {
        Some(quote @ ('"' | '\'')) => rest[1..].find(quote).map_or(rest.trim_end().len(), |at| at + 2),
        Some('[' | '{') => 1,
        Some('$') => rest.find('}').map_or(rest.trim_end().len(), |at| at + 1),
        _ => [": ", " #", ", ", "]", "}", ",\n"]
            .iter()
            .filter_map(|end| rest.find(end))
            .chain([rest.trim_end().trim_end_matches([':', ',']).len()])
            .min()
            .unwrap_or(0),
    };
    let length = if length == 0 { rest.chars().next().map_or(0, char::len_utf8) } else { length };
    start..start + length
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_that_leads_nowhere_is_not_an_absent_file() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = RelPath::parse("pccp.yaml").expect("a path");
        assert_eq!(Source::read(dir.path(), &file), Ok(None));
        std::os::unix::fs::symlink("gone.yaml", dir.path().join("pccp.yaml")).expect("linked");
        let error = Source::read(dir.path(), &file).expect_err("a fault");
        assert!(error.file == "pccp.yaml" && error.message.contains("gone.yaml, which is not there"), "{error}");
        std::fs::write(dir.path().join("gone.yaml"), "a: 1\n").expect("written");
        assert!(matches!(Source::read(dir.path(), &file), Ok(Some(_))));
    }

    #[test]
    fn a_fault_shows_file_line_column_caret_and_help() {
        let source = Source::new("pipeline.yaml", "stages:\n  a:\n    dep: [x]\n");
        let error =
            source.error(Span { line: 3, column: 5 }, "unknown key `dep` in stage `a`").did_you_mean(Some("deps"));
        insta::assert_snapshot!(error, @r"
        error: unknown key `dep` in stage `a`
         --> pipeline.yaml:3:5
          |
        3 |     dep: [x]
          |     ^^^
          |
        help: did you mean `deps`?
        ");
    }

    #[test]
    fn the_caret_covers_one_word() {
        let word = |line: &str, column| line[token(line, column)].to_owned();
        assert_eq!(word("  deps: [a.csv, b.csv]", 9), "[");
        assert_eq!(word("  deps: [a.csv, b.csv]", 10), "a.csv");
        assert_eq!(word("  deps: [a.csv, b.csv]", 17), "b.csv");
        assert_eq!(word("  deps:", 3), "deps");
        assert_eq!(word("  cmd: \"a b\" # c", 8), "\"a b\"");
        assert_eq!(word("ab", 9), "");
        assert_eq!(word("é: ü", 4), "ü");
    }

    #[test]
    fn a_place_outside_the_text_is_no_panic() {
        let source = Source::new("p", "a");
        for line in [0, 1, 2, 9] {
            for column in [0, 1, 2, 9] {
                assert!(source.error(Span { line, column }, "m").to_string().contains("error: m"));
            }
        }
    }
}
