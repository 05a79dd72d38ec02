//! The pictures as SVG, by plotters: mean |SHAP value| as bars, and every row's values as a swarm.
//!
//! Text stays text. Sizes are those of a figure of 180 mm width whose smallest letters are 7 points, as journals ask.
//! Equal input gives equal bytes: coordinates are whole pixels computed without transcendental functions.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::summary::Importance;
use super::swarm;
use crate::bundle::Explanation;
use crate::common::figure::{Area, Chart, DrawError, cut, letters, significant, tick};
use crate::common::frame::Frame;

pub(super) const WIDTH: u32 = 1280;
/// Height of one feature's row.
pub(super) const ROW: u32 = 44;
/// Above the first row, and below the last one for the axis.
const HEAD: u32 = 56;
const FOOT: u32 = 78;
/// Right of the plot: room for the colour scale of the swarm.
const SIDE: u32 = 120;
const INK: RGBColor = RGBColor(30, 30, 30);
const GRID: RGBColor = RGBColor(222, 222, 222);
/// Blue of Okabe and Ito (2008).
const BAR: RGBColor = RGBColor(0, 114, 178);
/// The longest feature name shown whole.
const NAME: usize = 32;

/// What both pictures show.
pub(super) struct Subject<'a> {
    pub explanation: &'a Explanation,
    pub features: &'a Frame,
    /// The features to show, the most important first.
    pub shown: &'a [Importance],
    /// `1,000 test rows`.
    pub rows: String,
}

/// Mean |SHAP value| of the shown features as horizontal bars, as the text of an SVG file.
pub(super) fn bar(subject: &Subject) -> Result<String, DrawError> {
    let title = format!("Mean |SHAP value|: {}, {}", subject.explanation.learner.as_str(), subject.rows);
    let most = subject.shown.iter().map(|one| one.mean_abs_contribution).fold(0.0, f64::max);
    let x = format!("mean |contribution to the margin| ({})", subject.explanation.scale.as_str());
    draw(subject, &title, &x, (0.0, if most > 0.0 { most * 1.1 } else { 1.0 }), |area, chart| {
        chart.draw_series(subject.shown.iter().enumerate().map(|(at, one)| {
            let y = -(at as f64);
            Rectangle::new([(0.0, y - 0.34), (one.mean_abs_contribution, y + 0.34)], BAR.filled())
        }))?;
        for (at, one) in subject.shown.iter().enumerate() {
            let (x, y) = chart.backend_coord(&(one.mean_abs_contribution, -(at as f64)));
            let style = font(20).pos(Pos::new(HPos::Left, VPos::Center));
            area.draw(&Text::new(significant(one.mean_abs_contribution), (x + 8, y), style))?;
        }
        Ok(())
    })
}

/// The SHAP values of every row and shown feature as a swarm of points, coloured by the feature's value.
pub(super) fn beeswarm(subject: &Subject) -> Result<String, DrawError> {
    let title = format!("SHAP values: {}, {}", subject.explanation.learner.as_str(), subject.rows);
    let values = || subject.shown.iter().flat_map(|one| subject.explanation.column(one.place));
    let (low, high) = values().fold((0.0_f64, 0.0_f64), |(low, high), value| (low.min(value), high.max(value)));
    let room = if high > low { (high - low) * 0.04 } else { 1.0 };
    let x = format!("contribution to the margin ({})", subject.explanation.scale.as_str());
    draw(subject, &title, &x, (low - room, high + room), |area, chart| {
        let (zero, top) = chart.backend_coord(&(0.0, 0.5));
        let bottom = top + (subject.shown.len() as u32 * ROW) as i32;
        area.draw(&PathElement::new([(zero, top), (zero, bottom)], INK.stroke_width(1)))?;
        for (at, one) in subject.shown.iter().enumerate() {
            swarm::draw(area, chart, subject, one, -(at as f64))?;
        }
        swarm::legend(area, (WIDTH - SIDE + 28) as i32, top, bottom)
    })
}

/// The frame of both pictures: title, names of the features, grid and horizontal axis; `body` draws the rest.
fn draw(
    subject: &Subject,
    title: &str,
    x: &str,
    (low, high): (f64, f64),
    body: impl Fn(&Area, &mut Chart) -> Result<(), DrawError>,
) -> Result<String, DrawError> {
    let rows = subject.shown.len() as u32;
    let names: Vec<String> = subject.shown.iter().map(|one| cut(&one.feature, NAME)).collect();
    let longest = names.iter().map(|name| name.chars().count()).max().unwrap_or(0) as u32;
    let left = 40 + longest.max(6) * 12;
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, (WIDTH, HEAD + rows * ROW + FOOT)).into_drawing_area();
        area.fill(&WHITE)?;
        let style = font(24).pos(Pos::new(HPos::Left, VPos::Center));
        area.draw(&Text::new(title.to_owned(), (left as i32, HEAD as i32 / 2), style))?;
        let mut chart = ChartBuilder::on(&area)
            .margin_top(HEAD)
            .margin_right(SIDE)
            .x_label_area_size(FOOT)
            .y_label_area_size(left)
            .build_cartesian_2d(low..high, 0.5 - f64::from(rows)..0.5)?;
        chart
            .configure_mesh()
            .disable_y_mesh()
            .y_labels(0)
            .x_labels(8)
            .x_label_formatter(&|value| tick(*value, high - low))
            .x_desc(x)
            .label_style(font(20))
            .axis_desc_style(font(22))
            .axis_style(INK)
            .bold_line_style(GRID)
            .light_line_style(TRANSPARENT)
            .draw()?;
        for (at, name) in names.iter().enumerate() {
            let (_, y) = chart.backend_coord(&(low, -(at as f64)));
            let style = font(22).pos(Pos::new(HPos::Right, VPos::Center));
            area.draw(&Text::new(name.clone(), (left as i32 - 14, y), style))?;
        }
        body(&area, &mut chart)?;
        area.present()?;
    }
    Ok(text)
}

pub(super) fn font(size: u32) -> TextStyle<'static> {
    letters(size, INK)
}
