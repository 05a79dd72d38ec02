//! A picture that was drawn elsewhere, taken into the page so that it follows the reader's colours.
//!
//! Inside a page a drawing could reach out or bring its own style. Only what plotters writes is taken: shapes and letters
//! with plain attributes. Anything else must stay a file of its own ([`Html::image`]).

use super::Html;

/// The elements of a drawing.
const ELEMENTS: [&str; 9] = ["svg", "g", "rect", "circle", "line", "polyline", "polygon", "path", "text"];
/// Their attributes.
const ATTRIBUTES: [&str; 31] = [
    "width",
    "height",
    "viewBox",
    "xmlns",
    "x",
    "y",
    "x1",
    "y1",
    "x2",
    "y2",
    "dx",
    "dy",
    "cx",
    "cy",
    "r",
    "d",
    "points",
    "fill",
    "stroke",
    "stroke-width",
    "stroke-opacity",
    "fill-opacity",
    "opacity",
    "transform",
    "font-family",
    "font-size",
    "font-weight",
    "font-style",
    "text-anchor",
    "dominant-baseline",
    "alignment-baseline",
];

/// The drawing as a part of a page that is at least as wide as its letters need, or nothing when it holds anything but
/// shapes and letters. `title` names it, `description` says what can be seen.
pub fn taken(svg: &str, title: &str, description: &str) -> Option<Html> {
    let text = svg.trim();
    let body = text.strip_suffix("</svg>")?;
    let (head, inside) = body.split_once('>')?;
    if !head.starts_with("<svg ") || !text.split('<').skip(1).all(is_plain) || text.contains('&') && !entities(text) {
        return None;
    }
    let size = head.split_once("viewBox=\"")?.1.split_once('"')?.0;
    let escaped = |text: &str| Html::text(text).as_str().to_owned();
    let open = format!("<svg class=\"taken\" viewBox=\"{size}\" role=\"img\" aria-label=\"{}\">", escaped(title));
    let words = format!("<title>{}</title>\n<desc>{}</desc>", escaped(title), escaped(description));
    let drawing = Html::drawing(format!("{open}\n{words}{inside}</svg>"));
    let region = [("class", "wide"), ("role", "region"), ("aria-label", title), ("tabindex", "0")];
    Some(Html::element("div", &region, drawing))
}

/// What follows a `<`: a known element with known attributes in double quotes, and text.
fn is_plain(piece: &str) -> bool {
    let Some((tag, _)) = piece.split_once('>') else { return false };
    if let Some(name) = tag.strip_prefix('/') {
        return ELEMENTS.contains(&name);
    }
    let tag = tag.trim_end_matches('/').trim_end();
    let (name, mut rest) = tag.split_once(char::is_whitespace).unwrap_or((tag, ""));
    if !ELEMENTS.contains(&name) {
        return false;
    }
    while !rest.trim().is_empty() {
        let Some((attribute, after)) = rest.split_once("=\"") else { return false };
        let Some((value, after)) = after.split_once('"') else { return false };
        if !ATTRIBUTES.contains(&attribute.trim()) || value.contains("url") {
            return false;
        }
        rest = after;
    }
    true
}

/// Whether every `&` begins an escaped letter.
fn entities(text: &str) -> bool {
    let known = ["amp;", "lt;", "gt;", "quot;", "apos;", "#39;"];
    text.split('&').skip(1).all(|piece| known.iter().any(|entity| piece.starts_with(entity)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAWN: &str = "<svg width=\"9\" height=\"5\" viewBox=\"0 0 9 5\" xmlns=\"http://www.w3.org/2000/svg\">\n\
        <rect x=\"0\" y=\"0\" width=\"9\" height=\"5\" opacity=\"1\" fill=\"#FFFFFF\" stroke=\"none\"/>\n\
        <text x=\"1\" y=\"2\" fill=\"#1E1E1E\">\na &lt; b\n</text>\n</svg>\n";

    #[test]
    fn shapes_and_letters_are_taken_with_their_words() {
        let html = taken(DRAWN, "A \"title\"", "what it shows").expect("plain").as_str().to_owned();
        assert!(html.contains("viewBox=\"0 0 9 5\"") && html.contains("<desc>what it shows</desc>"), "{html}");
        assert!(html.contains("a &lt; b") && !html.contains("xmlns"), "{html}");
    }

    #[test]
    fn anything_else_is_not() {
        let hostile = [
            DRAWN.replace("<text x", "<script/><text x"),
            DRAWN.replace("<text x", "<text onload=\"x\" x"),
            DRAWN.replace("<text x", "<text style=\"x\" x"),
            DRAWN.replace("fill=\"#1E1E1E\"", "fill=\"url(http://x)\""),
            DRAWN.replace("<text x=\"1\"", "<text x='1'"),
            DRAWN.replace("<text x", "<a href=\"x\"></a><text x"),
            DRAWN.replace("<text x", "<image href=\"x\"/><text x"),
            DRAWN.replace("&lt;", "&x;"),
            DRAWN.replace("</svg>", "</svg><script></script>"),
            "<!DOCTYPE svg><svg viewBox=\"0 0 1 1\"></svg>".to_owned(),
            String::new(),
        ];
        for svg in hostile {
            assert!(taken(&svg, "", "").is_none(), "{svg}");
        }
    }
}
