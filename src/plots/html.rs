//! One HTML page with everything in it: no script that runs, no font, no image from elsewhere, so that it opens without
//! a network and under any content policy. Each chart carries its Vega-Lite specification as data.

use std::fmt::Write as _;

use serde_json::Value;

use super::chart::{Chart, Picture};
use super::draw::{color, dash, svg};
use super::spec::spec;

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1a1a1a;--soft:#5c5c5c;--grid:#e2e2e2;--paper:#fff;--card:#fafafa}
@media(prefers-color-scheme:dark){:root{--ink:#ececec;--soft:#a8a8a8;--grid:#3a3a3a;--paper:#161616;--card:#1e1e1e}}
body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
main{max-width:60rem;margin:0 auto;padding:1.5rem}
h1{font-size:1.4rem}h2{font-size:1.05rem;margin:0}
figure{margin:0 0 1.5rem;padding:1rem;background:var(--card);border:1px solid var(--grid);border-radius:.5rem}
svg,img{display:block;max-width:100%;height:auto}
svg [fill=\"#010101\"]{fill:var(--ink)}svg [stroke=\"#010101\"]{stroke:var(--ink)}
svg [fill=\"#E0E0E1\"]{fill:var(--grid)}svg [stroke=\"#E0E0E1\"]{stroke:var(--grid)}
ul{list-style:none;margin:.5rem 0 0;padding:0;color:var(--soft)}
.legend{display:flex;flex-wrap:wrap;gap:.25rem 1.25rem}
.legend i{display:inline-block;width:.8em;height:.8em;border-radius:.2em;margin-right:.4em}
.images{display:grid;grid-template-columns:repeat(auto-fit,minmax(18rem,1fr));gap:1rem}
.images img{background:#fff}
.id{color:var(--soft);font-family:ui-monospace,monospace;font-size:.85rem}
@media print{figure{break-inside:avoid}}
";

/// The page of some charts.
pub fn page(charts: &[Chart]) -> String {
    let mut page = String::from("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    page.push_str("<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n<title>Plots</title>\n");
    // Writing to a string cannot fail.
    let _ = write!(page, "<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>Plots</h1>\n");
    if charts.is_empty() {
        page.push_str("<p>There is nothing to draw.</p>\n");
    }
    for (at, chart) in charts.iter().enumerate() {
        figure(&mut page, chart, at + 1);
    }
    page.push_str("</main>\n</body>\n</html>\n");
    page
}

fn figure(page: &mut String, chart: &Chart, number: usize) {
    let _ = writeln!(page, "<figure id=\"plot-{number}\" aria-labelledby=\"title-{number}\">");
    let _ = writeln!(page, "<figcaption><h2 id=\"title-{number}\">{}</h2>", escape(&chart.title));
    if chart.id != chart.title {
        let _ = writeln!(page, "<span class=\"id\">{}</span>", escape(&chart.id));
    }
    page.push_str("</figcaption>\n");
    let mut notes = chart.all_notes();
    match &chart.picture {
        Picture::Images(_) => images(page, chart),
        Picture::Points(template, series) => {
            match svg(chart) {
                Ok(Some(text)) => {
                    let about = format!("{} chart of {} by {}", template.name(), chart.y_label, chart.x_label);
                    let attributes = format!("<svg role=\"img\" aria-label=\"{}\" ", escape(about.trim()));
                    page.push_str(&text.replacen("<svg ", &attributes, 1));
                }
                Ok(None) => notes.push("there are no points to draw".to_owned()),
                Err(error) => notes.push(error.to_string()),
            }
            if series.len() > 1 || chart.revisions.len() > 1 {
                legend(page, chart);
            }
        }
    }
    if !notes.is_empty() {
        page.push_str("<ul class=\"notes\">");
        for note in &notes {
            let _ = write!(page, "<li>{}</li>", escape(note));
        }
        page.push_str("</ul>\n");
    }
    if let Some(spec) = spec(chart) {
        let _ = writeln!(page, "<script type=\"application/json\" class=\"vega-lite\">{}</script>", script(&spec));
    }
    page.push_str("</figure>\n");
}

fn images(page: &mut String, chart: &Chart) {
    let Picture::Images(images) = &chart.picture else { return };
    page.push_str("<div class=\"images\">\n");
    for image in images {
        let revision = escape(&chart.revisions[image.revision]);
        let _ = writeln!(
            page,
            "<div><img src=\"{}\" alt=\"{} of {revision}\">{revision}</div>",
            escape(&image.url),
            escape(&chart.title)
        );
    }
    page.push_str("</div>\n");
}

fn legend(page: &mut String, chart: &Chart) {
    let Picture::Points(template, series) = &chart.picture else { return };
    page.push_str("<ul class=\"legend\">");
    for (at, one) in series.iter().enumerate() {
        let plotters::style::RGBColor(r, g, b) = color(chart, series, at);
        let dashed = template.is_line() && dash(chart, series, at).is_some();
        let name = [chart.revisions[one.revision].as_str(), &one.name, if dashed { "(dashed)" } else { "" }].join(" ");
        let _ = write!(page, "<li><i style=\"background:#{r:02x}{g:02x}{b:02x}\"></i>{}</li>", escape(name.trim()));
    }
    page.push_str("</ul>\n");
}

/// Text inside an element or a quoted attribute.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            plain => escaped.push(plain),
        }
    }
    escaped
}

/// JSON inside a script element: in JSON these characters stand in texts only, where they may be spelt by number.
fn script(value: &Value) -> String {
    let text = value.to_string();
    text.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}
