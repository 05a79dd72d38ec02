//! A chart as a Vega-Lite version 5 specification, data included.
//!
//! Columns are called `x`, `y`, `rev` and `series` in the data whatever they are called in the file: Vega reads dots and
//! brackets in a column's name as a path.

use serde_json::{Value, json};

use super::chart::{Chart, Picture, Series};
use super::draw::counts;
use super::template::Template;

/// The specification; none for images.
pub fn spec(chart: &Chart) -> Option<Value> {
    let Picture::Points(template, series) = &chart.picture else { return None };
    let mut spec = json!({
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "title": chart.title,
        "data": {"values": values(chart, *template, series)},
    });
    let (x, y) = (chart.x_label.as_str(), chart.y_label.as_str());
    let rest = if template.is_confusion() {
        confusion(*template, x, y)
    } else if template.is_bars() {
        bars(*template, x, y)
    } else {
        lines(*template, series, x, y)
    };
    if let (Some(spec), Value::Object(rest)) = (spec.as_object_mut(), rest) {
        spec.extend(rest);
    }
    Some(spec)
}

fn values(chart: &Chart, template: Template, series: &[Series]) -> Vec<Value> {
    let mut values = Vec::new();
    for one in series {
        let revision = &chart.revisions[one.revision];
        if template.is_confusion() {
            let counted = counts(one).into_iter();
            values.extend(counted.map(|cell| {
                json!({"rev": revision, "series": one.name, "x": cell.x, "y": cell.y, "count": cell.count, "share": cell.share})
            }));
        } else {
            let points = one.thinned().0.into_iter();
            values.extend(points.map(|(x, y)| json!({"rev": revision, "series": one.name, "x": x, "y": y})));
        }
    }
    values
}

fn lines(template: Template, series: &[Series], x: &str, y: &str) -> Value {
    let kind = |numeric: bool| if numeric { "quantitative" } else { "nominal" };
    let points = || series.iter().flat_map(|one| &one.points);
    let (numeric_x, numeric_y) = (points().all(|(x, _)| x.is_number()), points().all(|(_, y)| y.is_number()));
    let mark = match template {
        Template::Scatter => json!({"type": "point", "filled": true, "tooltip": true}),
        Template::Linear => json!({"type": "line", "point": true, "tooltip": true}),
        _ => json!({"type": "line", "tooltip": true}),
    };
    let mut spec = json!({
        "width": 560,
        "height": 340,
        "mark": mark,
        "encoding": {
            "x": {"field": "x", "type": kind(numeric_x), "title": x, "sort": null, "scale": {"zero": false}},
            "y": {"field": "y", "type": kind(numeric_y), "title": y, "sort": null, "scale": {"zero": false}},
            "color": {"field": "rev", "type": "nominal", "sort": null},
        },
    });
    if series.iter().any(|one| !one.name.is_empty()) {
        let channel = if template == Template::Scatter { "shape" } else { "strokeDash" };
        spec["encoding"][channel] = json!({"field": "series", "type": "nominal"});
    }
    if template == Template::Smooth {
        spec["transform"] = json!([{"loess": "y", "on": "x", "groupby": ["rev", "series"], "bandwidth": 0.3}]);
    }
    spec
}

fn bars(template: Template, x: &str, y: &str) -> Value {
    let sort = if template == Template::BarsSorted { json!("-x") } else { Value::Null };
    json!({
        "width": 560,
        "mark": {"type": "bar", "tooltip": true},
        "encoding": {
            "x": {"field": "x", "type": "quantitative", "title": x},
            "y": {"field": "y", "type": "nominal", "title": y, "sort": sort},
            "yOffset": {"field": "rev", "sort": null},
            "color": {"field": "rev", "type": "nominal", "sort": null},
        },
    })
}

fn confusion(template: Template, x: &str, y: &str) -> Value {
    let (field, format) = if template == Template::Confusion { ("count", "d") } else { ("share", ".1%") };
    json!({
        "facet": {"field": "rev", "type": "nominal", "sort": null},
        "spec": {
            "width": 300,
            "height": 300,
            "encoding": {
                "x": {"field": "x", "type": "nominal", "title": x},
                "y": {"field": "y", "type": "nominal", "title": y},
            },
            "layer": [
                {"mark": {"type": "rect", "tooltip": true}, "encoding": {"color": {"field": field, "type": "quantitative"}}},
                {"mark": "text", "encoding": {"text": {"field": field, "type": "quantitative", "format": format}}},
            ],
        },
    })
}
