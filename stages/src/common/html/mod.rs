//! Pages for people: one self-contained HTML file, readable on a phone, on paper, in light and in dark.
//!
//! [`Html`] is markup that was made by escaping; there is no way to make one of raw text, so nothing that comes from
//! data can become markup. A page holds no script, asks nobody for anything (its content policy forbids it), and its
//! bytes depend on nothing but what was put into it: no time, no path, no random id. What is undefined is shown as such
//! with its reason, never as 0.
//!
//! [`Page`] is the shell, [`Table`] a table with aligned numbers; notes, definition lists and figures are functions.

mod page;
mod table;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

pub use page::Page;
pub use table::{Cell, Column, Table, fixed};

/// Markup that was made by escaping.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Html(String);

/// How a note is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Something to know.
    Note,
    /// Something holds as wanted.
    Good,
    /// Something to look at before the numbers are used.
    Warning,
    /// Something that forbids using the numbers.
    Bad,
}

impl Tone {
    /// Its class, and the word that says it to those who do not see colours.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Note => ("note", "Note"),
            Self::Good => ("good", "Passed"),
            Self::Warning => ("warning", "Warning"),
            Self::Bad => ("bad", "Not passed"),
        }
    }
}

impl Html {
    /// Nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Text, escaped.
    pub fn text(text: impl AsRef<str>) -> Self {
        let text = text.as_ref();
        let mut escaped = String::with_capacity(text.len());
        for character in text.chars() {
            match character {
                '&' => escaped.push_str("&amp;"),
                '<' => escaped.push_str("&lt;"),
                '>' => escaped.push_str("&gt;"),
                '"' => escaped.push_str("&quot;"),
                '\'' => escaped.push_str("&#39;"),
                '\t' | '\n' => escaped.push(character),
                // Not allowed in a document, whatever way they are spelt.
                control if control.is_control() => escaped.push('\u{fffd}'),
                plain => escaped.push(plain),
            }
        }
        Self(escaped)
    }

    /// Text in which what stands between backticks is code.
    pub fn prose(text: impl AsRef<str>) -> Self {
        let mut html = Self::new();
        for (index, piece) in text.as_ref().split('`').enumerate() {
            html.push(if index % 2 == 1 { Self::code(piece) } else { Self::text(piece) });
        }
        html
    }

    /// An element: name and names of attributes are those of the program, values are escaped.
    pub fn element(name: &'static str, attributes: &[(&'static str, &str)], content: impl Into<Html>) -> Self {
        let mut open = format!("<{name}");
        for (attribute, value) in attributes {
            // Writing to a string cannot fail.
            let _ = write!(open, " {attribute}=\"{}\"", Self::text(value).0);
        }
        Self(format!("{open}>{}</{name}>", content.into().0))
    }

    /// An element without attributes.
    pub fn tag(name: &'static str, content: impl Into<Html>) -> Self {
        Self::element(name, &[], content)
    }

    /// A paragraph on a line of its own.
    pub fn paragraph(content: impl Into<Html>) -> Self {
        Self::tag("p", content).line()
    }

    /// Emphasis for those who skim.
    pub fn strong(content: impl Into<Html>) -> Self {
        Self::tag("strong", content)
    }

    /// A name from a file, in the letters of code.
    pub fn code(text: impl AsRef<str>) -> Self {
        Self::tag("code", Self::text(text))
    }

    /// A link to a section of the same page.
    pub fn link(id: &str, text: impl AsRef<str>) -> Self {
        Self::element("a", &[("href", &format!("#{}", slug(id)))], Self::text(text))
    }

    /// A heading below that of the section.
    pub fn heading(text: impl AsRef<str>) -> Self {
        Self::tag("h3", Self::text(text)).line()
    }

    /// A list of points; nothing when there are none.
    pub fn list(items: impl IntoIterator<Item = Html>) -> Self {
        let items: Html = items.into_iter().map(|item| Self::tag("li", item).line()).collect();
        if items.is_empty() { items } else { Self::tag("ul", items).line() }
    }

    /// Terms and what they mean here, side by side.
    pub fn definitions(items: impl IntoIterator<Item = (String, Html)>) -> Self {
        let pair = |(term, meaning): (String, Html)| {
            Self::tag("div", Self::tag("dt", Self::text(term)).and(Self::tag("dd", meaning))).line()
        };
        let items: Html = items.into_iter().map(pair).collect();
        if items.is_empty() { items } else { Self::element("dl", &[("class", "facts")], items).line() }
    }

    /// A box that stands out; its tone is said in a word as well as in a colour.
    pub fn note(tone: Tone, content: impl Into<Html>) -> Self {
        let (class, word) = tone.words();
        let label = Self::element("strong", &[("class", "tone")], Self::text(word));
        Self::element("div", &[("class", &format!("box {class}")), ("role", "note")], label.and(" ").and(content))
            .line()
    }

    /// Content that is folded away until it is asked for.
    pub fn details(summary: impl AsRef<str>, content: impl Into<Html>) -> Self {
        Self::tag("details", Self::tag("summary", Self::text(summary)).and(content)).line()
    }

    /// A picture with its caption below and, folded away, its numbers as a table for those who cannot see it.
    pub fn figure(picture: Html, caption: impl Into<Html>, numbers: Option<Table>) -> Self {
        let numbers = numbers.map(|table| Self::details("The numbers of this picture", table)).unwrap_or_default();
        Self::tag("figure", picture.line().and(Self::tag("figcaption", caption)).line().and(numbers)).line()
    }

    /// Pictures side by side where there is room.
    pub fn side_by_side(figures: impl IntoIterator<Item = Html>) -> Self {
        Self::element("div", &[("class", "pair")], figures.into_iter().collect::<Html>()).line()
    }

    /// A picture that stays a file of its own: it cannot run scripts or reach out, whatever it holds. It scrolls where
    /// it would become too small to read.
    pub fn image(media_type: &'static str, bytes: &[u8], alternative: &str) -> Self {
        let url = format!("data:{media_type};base64,{}", STANDARD.encode(bytes));
        let image = Self(format!("<img src=\"{url}\" alt=\"{}\">", Self::text(alternative).0));
        Self::element(
            "div",
            &[("class", "wide"), ("role", "region"), ("aria-label", alternative), ("tabindex", "0")],
            image,
        )
    }

    /// A drawing of [`crate::common::figure`], which escapes what it draws.
    pub(in crate::common) fn drawing(svg: String) -> Self {
        Self(svg)
    }

    /// This and then that.
    #[must_use]
    pub fn and(mut self, next: impl Into<Html>) -> Self {
        self.push(next);
        self
    }

    /// Appends.
    pub fn push(&mut self, next: impl Into<Html>) {
        self.0.push_str(&next.into().0);
    }

    /// This with a line end, so that two versions of a page can be compared line by line.
    #[must_use]
    pub fn line(mut self) -> Self {
        self.0.push('\n');
        self
    }

    /// Whether there is anything.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The markup.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Html {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<String> for Html {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

impl From<Table> for Html {
    fn from(table: Table) -> Self {
        table.render()
    }
}

impl FromIterator<Html> for Html {
    fn from_iter<T: IntoIterator<Item = Html>>(parts: T) -> Self {
        parts.into_iter().fold(Self::new(), Self::and)
    }
}

/// A name for an id: lower-case letters, digits and hyphens.
fn slug(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    text.chars().map(plain).collect()
}
