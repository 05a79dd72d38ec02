//! The shell of a page: head, style, title, contents, sections.

use super::{Html, slug};

/// One sheet for screen, phone, dark and paper. Drawings take their colours from it as well: they are drawn in fixed
/// colours that stand for `ink`, `grid` and the series, so that a drawing taken out of the page is still one.
const STYLE: &str = include_str!("style.css");

/// A page in the making.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    title: String,
    subtitle: String,
    lead: Html,
    sections: Vec<(String, String, Html)>,
}

impl Page {
    /// A page with a title and, below it, what it is about.
    pub fn new(title: impl Into<String>, subtitle: impl Into<String>) -> Self {
        Self { title: title.into(), subtitle: subtitle.into(), lead: Html::new(), sections: Vec::new() }
    }

    /// What stands before the list of contents.
    #[must_use]
    pub fn lead(mut self, content: impl Into<Html>) -> Self {
        self.lead.push(content);
        self
    }

    /// Appends a section; one without content is left out. Ids are made of letters, digits and hyphens.
    #[must_use]
    pub fn section(mut self, id: &str, heading: impl Into<String>, content: impl Into<Html>) -> Self {
        let content = content.into();
        if !content.is_empty() {
            self.sections.push((slug(id), heading.into(), content));
        }
        self
    }

    /// The whole file.
    pub fn render(self) -> String {
        let title = Html::text(&self.title);
        let contents: Html =
            self.sections.iter().map(|(id, heading, _)| Html::tag("li", Html::link(id, heading))).collect();
        let contents = match self.sections.len() {
            0..=2 => Html::new(),
            _ => Html::element("nav", &[("aria-label", "Contents")], Html::tag("ol", contents)).line(),
        };
        let section = |(id, heading, content): (String, String, Html)| {
            let label = format!("{id}-heading");
            let heading = Html::element("h2", &[("id", &label)], Html::text(heading)).line();
            Html::element("section", &[("id", &id), ("aria-labelledby", &label)], heading.and(content)).line()
        };
        let sections: Html = self.sections.into_iter().map(section).collect();
        let header = Html::tag("h1", title.clone()).line().and(if self.subtitle.is_empty() {
            Html::new()
        } else {
            Html::element("p", &[("class", "subtitle")], Html::text(self.subtitle)).line()
        });
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; \
             img-src data:\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n<title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n\
             <body>\n<header>\n{}{}</header>\n{}<main>\n{}</main>\n</body>\n</html>\n",
            title.as_str(),
            header.as_str(),
            self.lead.as_str(),
            contents.as_str(),
            sections.as_str(),
        )
    }
}
