//! A chart as SVG, by plotters. The text stays text; ink and grid have colours of their own that the page's style sheet
//! replaces by those of the reader's scheme.

use std::collections::{BTreeMap, BTreeSet};

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use serde_json::Value;

use super::axis::{Axis, cut, name};
use super::chart::{Chart, Picture, Series};
use super::loess::smooth;
use super::template::Template;

/// What the style sheet takes for text and axes.
const INK: RGBColor = RGBColor(1, 1, 1);
/// What the style sheet takes for grid lines.
const GRID: RGBColor = RGBColor(224, 224, 225);
/// Colours of series, told apart in either scheme and by the colour-blind (after Okabe and Ito 2008).
pub(super) const PALETTE: [RGBColor; 8] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(150, 120, 20),
    RGBColor(128, 128, 128),
];
const WIDTH: u32 = 720;
const HEIGHT: u32 = 420;
/// More labels on an axis than these are not drawn as a confusion matrix or bars.
const MAX_NAMES: usize = 60;

/// A chart that cannot be drawn.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DrawError(String);

impl<E: std::error::Error + Send + Sync> From<DrawingAreaErrorKind<E>> for DrawError {
    fn from(error: DrawingAreaErrorKind<E>) -> Self {
        Self(error.to_string())
    }
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// The picture of a chart's points; none when there are no points.
pub(super) fn svg(chart: &Chart) -> Result<Option<String>, DrawError> {
    let Picture::Points(template, series) = &chart.picture else { return Ok(None) };
    if series.iter().all(|one| one.points.is_empty()) {
        return Ok(None);
    }
    let mut text = String::new();
    let height = if template.is_bars() { bars_height(series) } else { HEIGHT };
    {
        let area = SVGBackend::with_string(&mut text, (WIDTH, height)).into_drawing_area();
        if template.is_confusion() {
            confusion(&area, chart, *template, series)?;
        } else if template.is_bars() {
            bars(&area, chart, *template, series)?;
        } else {
            lines(&area, chart, *template, series)?;
        }
        area.present()?;
    }
    Ok(Some(text))
}

/// The colour of a series: that of its state, or one of its own when there is one state only.
pub(super) fn color(chart: &Chart, series: &[Series], at: usize) -> RGBColor {
    let revisions: BTreeSet<usize> = series.iter().map(|one| one.revision).collect();
    let index = if chart.revisions.len() > 1 || revisions.len() > 1 { series[at].revision } else { at };
    PALETTE[index % PALETTE.len()]
}

/// The length of a series' dashes: the second and later series of a state share its colour. None for a whole line.
pub(super) fn dash(chart: &Chart, series: &[Series], at: usize) -> Option<u32> {
    let earlier = series[..at].iter().filter(|other| other.revision == series[at].revision).count();
    (chart.revisions.len() > 1 && earlier > 0).then(|| (12 / earlier as u32).max(2))
}

fn font(size: u32) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&INK)
}

fn lines(area: &Area<'_>, chart: &Chart, template: Template, series: &[Series]) -> Result<(), DrawError> {
    let points = || series.iter().flat_map(|one| &one.points);
    let x = Axis::of(points().map(|(x, _)| x));
    let y = Axis::of(points().map(|(_, y)| y)).with_room();
    let mut context = ChartBuilder::on(area)
        .margin(12)
        .x_label_area_size(44)
        .y_label_area_size(70)
        .build_cartesian_2d(x.range(), y.range())?;
    context
        .configure_mesh()
        .x_labels(x.labels(8))
        .y_labels(y.labels(8))
        .x_label_formatter(&|at| x.label(*at))
        .y_label_formatter(&|at| y.label(*at))
        .x_desc(cut(&chart.x_label))
        .y_desc(cut(&chart.y_label))
        .label_style(font(15))
        .axis_desc_style(font(17))
        .axis_style(INK)
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .draw()?;
    for (at, one) in series.iter().enumerate() {
        let color = color(chart, series, at);
        let mut places: Vec<(f64, f64)> =
            one.thinned().0.into_iter().filter_map(|(px, py)| Some((x.at(px)?, y.at(py)?))).collect();
        match template {
            Template::Scatter => {
                context.draw_series(places.iter().map(|&place| Circle::new(place, 3, color.mix(0.7).filled())))?;
                continue;
            }
            Template::Smooth => places = smooth(&places),
            _ if matches!(x, Axis::Numbers(..)) => places.sort_by(|a, b| a.0.total_cmp(&b.0)),
            _ => {}
        }
        if template == Template::Linear && places.len() <= 40 {
            context.draw_series(places.iter().map(|&place| Circle::new(place, 3, color.filled())))?;
        }
        let style = color.stroke_width(2);
        match dash(chart, series, at) {
            None => drop(context.draw_series(LineSeries::new(places, style))?),
            Some(length) => drop(context.draw_series(DashedLineSeries::new(places, length, 4, style))?),
        }
    }
    Ok(())
}

fn bars_height(series: &[Series]) -> u32 {
    let names: BTreeSet<String> = series.iter().flat_map(|one| &one.points).map(|(_, y)| name(y)).collect();
    80 + 14 * (names.len().min(MAX_NAMES) * series.len().clamp(1, 8) + names.len().min(MAX_NAMES)) as u32
}

fn bars(area: &Area<'_>, chart: &Chart, template: Template, series: &[Series]) -> Result<(), DrawError> {
    let points = || series.iter().flat_map(|one| &one.points);
    let mut names: Vec<String> = Vec::new();
    for (_, y) in points() {
        let name = name(y);
        if !names.contains(&name) {
            names.push(name);
        }
        if names.len() > MAX_NAMES {
            return Err(DrawError(format!(
                "more than {MAX_NAMES} bars are not drawn; the data are in the specification"
            )));
        }
    }
    if template == Template::BarsSorted {
        let longest = |wanted: &String| {
            points()
                .filter(|(_, y)| name(y) == *wanted)
                .filter_map(|(x, _)| x.as_f64())
                .fold(f64::NEG_INFINITY, f64::max)
        };
        names.sort_by(|a, b| longest(b).total_cmp(&longest(a)).then(a.cmp(b)));
    }
    // The y axis of a chart grows upwards; the first bar belongs on top.
    names.reverse();
    let y = Axis::Names(names);
    let Axis::Numbers(low, high) = Axis::numbers(points().filter_map(|(x, _)| x.as_f64()).chain([0.0])) else {
        return Ok(());
    };
    let span = high - low;
    let mut context = ChartBuilder::on(area)
        .margin(12)
        .x_label_area_size(44)
        .y_label_area_size(150)
        .build_cartesian_2d(low..high + span * 0.02, y.range())?;
    let x = Axis::Numbers(low, high);
    context
        .configure_mesh()
        .disable_y_mesh()
        .x_labels(8)
        .y_labels(y.labels(MAX_NAMES))
        .x_label_formatter(&|at| x.label(*at))
        .y_label_formatter(&|at| y.label(*at))
        .x_desc(cut(&chart.x_label))
        .label_style(font(15))
        .axis_desc_style(font(17))
        .axis_style(INK)
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .draw()?;
    let height = 0.8 / series.len() as f64;
    for (at, one) in series.iter().enumerate() {
        let color = color(chart, series, at);
        let top = 0.4 - height * at as f64;
        let places = one.points.iter().filter_map(|(px, py)| Some((px.as_f64()?, y.at(py)?)));
        context.draw_series(places.map(|(value, place)| {
            Rectangle::new([(0.0, place + top - height * 0.9), (value, place + top)], color.filled())
        }))?;
    }
    Ok(())
}

/// How often a pair of labels occurs.
pub(super) struct Cell {
    pub(super) x: String,
    pub(super) y: String,
    pub(super) count: u64,
    /// Of all with the same `y`.
    pub(super) share: f64,
}

/// The pairs of labels of a series, by y, then x.
pub(super) fn counts(series: &Series) -> Vec<Cell> {
    let mut pairs: BTreeMap<(String, String), u64> = BTreeMap::new();
    let mut rows: BTreeMap<String, u64> = BTreeMap::new();
    for (x, y) in &series.points {
        *pairs.entry((name(y), name(x))).or_default() += 1;
        *rows.entry(name(y)).or_default() += 1;
    }
    let cell = |((y, x), count): ((String, String), u64)| {
        let share = count as f64 / rows.get(&y).copied().unwrap_or(1) as f64;
        Cell { x, y, count, share }
    };
    pairs.into_iter().map(cell).collect()
}

fn confusion(area: &Area<'_>, chart: &Chart, template: Template, series: &[Series]) -> Result<(), DrawError> {
    let labels = |pick: &dyn Fn(&(Value, Value)) -> String| -> Vec<String> {
        series.iter().flat_map(|one| &one.points).map(pick).collect::<BTreeSet<_>>().into_iter().collect()
    };
    let (x, mut y) = (labels(&|point| name(&point.0)), labels(&|point| name(&point.1)));
    if x.len().max(y.len()) > MAX_NAMES {
        return Err(DrawError(format!(
            "more than {MAX_NAMES} labels are not drawn; the data are in the specification"
        )));
    }
    y.reverse();
    let (x, y) = (Axis::Names(x), Axis::Names(y));
    let columns = series.len().min(2);
    let areas = area.split_evenly((series.len().div_ceil(columns), columns));
    for (at, (one, area)) in series.iter().zip(&areas).enumerate() {
        let heading = [chart.revisions[one.revision].as_str(), &one.name].join(" ");
        let mut context = ChartBuilder::on(area)
            .margin(10)
            .caption(cut(heading.trim()), font(17))
            .x_label_area_size(40)
            .y_label_area_size(70)
            .build_cartesian_2d(x.range(), y.range())?;
        context
            .configure_mesh()
            .disable_mesh()
            .x_labels(x.labels(MAX_NAMES))
            .y_labels(y.labels(MAX_NAMES))
            .x_label_formatter(&|at| x.label(*at))
            .y_label_formatter(&|at| y.label(*at))
            .x_desc(cut(&chart.x_label))
            .y_desc(cut(&chart.y_label))
            .label_style(font(14))
            .axis_desc_style(font(15))
            .axis_style(INK)
            .draw()?;
        let cells = counts(one);
        let most = cells.iter().map(|cell| cell.count).max().unwrap_or(1) as f64;
        let color = color(chart, series, at);
        for cell in &cells {
            let place = (x.at(&cell.x.as_str().into()), y.at(&cell.y.as_str().into()));
            let (Some(cx), Some(cy)) = place else { continue };
            let (strength, text) = match template {
                Template::Confusion => (cell.count as f64 / most, cell.count.to_string()),
                _ => (cell.share, format!("{:.1}%", cell.share * 100.0)),
            };
            let corners = [(cx - 0.49, cy - 0.49), (cx + 0.49, cy + 0.49)];
            context.draw_series([Rectangle::new(corners, color.mix(0.1 + 0.5 * strength).filled())])?;
            let style = font(15).pos(Pos::new(HPos::Center, VPos::Center));
            context.draw_series([Text::new(text, (cx, cy), style)])?;
        }
    }
    Ok(())
}
