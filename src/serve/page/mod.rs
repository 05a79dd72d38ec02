//! What the service shows in a browser: the page at `/` and the reader of its API at `/docs`.
//!
//! Invariants: the files are fixed at build time and know no study; everything shown comes from the service's own
//! answers. They ask no other host and hold no inline script or style, so the policy they are sent with can be strict.

use axum::extract::Path;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};

use super::errors::ApiError;

/// Scripts, styles and requests of the service itself; nothing else, and no frame around it.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'",
);

/// A file under `/page/`, from one of the folders of this module.
macro_rules! files {
    ($($name:literal from $path:literal),* $(,)?) => {
        [$(($name, include_str!($path))),*]
    };
}

/// The parts of both pages by name.
const FILES: [(&str, &str); 17] = files![
    "api.js" from "api.js",
    "batch.js" from "batch.js",
    "docs.css" from "../docs/docs.css",
    "docs.js" from "../docs/docs.js",
    "dom.js" from "dom.js",
    "form.js" from "form.js",
    "icon.svg" from "icon.svg",
    "main.js" from "main.js",
    "markdown.js" from "markdown.js",
    "meter.js" from "meter.js",
    "model.js" from "model.js",
    "page.css" from "page.css",
    "record.js" from "record.js",
    "result.js" from "result.js",
    "schema.js" from "../docs/schema.js",
    "waterfall.js" from "waterfall.js",
    "whatif.js" from "whatif.js",
];

/// The names of the parts under `/page/`.
pub(super) fn parts() -> Vec<&'static str> {
    FILES.iter().map(|(name, _)| *name).collect()
}

/// `GET /`: the form, its answer, what-if, batches and the model.
pub(super) async fn index() -> Response {
    sent("text/html; charset=utf-8", include_str!("index.html"))
}

/// `GET /docs`: the API for reading and trying.
pub(super) async fn docs() -> Response {
    sent("text/html; charset=utf-8", include_str!("../docs/docs.html"))
}

/// `GET /page/{file}`: the scripts, styles and pictures of both.
pub(super) async fn file(Path(name): Path<String>) -> Result<Response, ApiError> {
    let found = FILES.iter().find(|(file, _)| *file == name);
    let (file, text) = found.ok_or_else(|| ApiError::not_found("the page has no such part"))?;
    let kind = match file.rsplit_once('.') {
        Some((_, "css")) => "text/css; charset=utf-8",
        Some((_, "svg")) => "image/svg+xml",
        _ => "text/javascript; charset=utf-8",
    };
    Ok(sent(kind, text))
}

fn sent(kind: &'static str, text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static(kind)), (header::CONTENT_SECURITY_POLICY, POLICY)], text)
        .into_response()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use regex::Regex;

    use super::*;

    /// Every part that another part names is served, and every served part is named.
    #[test]
    fn the_parts_fit_together() {
        let named = Regex::new(r#"(?:from '\./|(?:src|href)="page/)([a-z.]+)['"]"#).expect("a pattern");
        let pages = [include_str!("index.html"), include_str!("../docs/docs.html")];
        let texts = FILES.iter().map(|(_, text)| *text).chain(pages);
        let wanted: BTreeSet<&str> =
            texts.flat_map(|text| named.captures_iter(text).filter_map(|one| Some(one.get(1)?.as_str()))).collect();
        let served: BTreeSet<&str> = FILES.iter().map(|(name, _)| *name).collect();
        assert_eq!(wanted, served);
    }

    /// The policy forbids all of this; a browser would only complain when it meets it.
    #[test]
    fn no_part_breaks_the_policy_or_names_another_host() {
        let bad = Regex::new(
            r#"(?i)<script>|<style|\sstyle=|\son[a-z]+="|innerHTML|insertAdjacentHTML|document\.write|eval\(|https?://"#,
        );
        let bad = bad.expect("a pattern");
        let pages = [("index", include_str!("index.html")), ("docs", include_str!("../docs/docs.html"))];
        for (name, text) in FILES.iter().chain(&pages) {
            let found: Vec<&str> = bad.find_iter(text).map(|one| one.as_str()).collect();
            // The name space of SVG is no address that anybody asks.
            let harmless = text.matches("http://www.w3.org/2000/svg").count();
            assert_eq!(found.len(), harmless, "{name}: {found:?}");
        }
    }
}
