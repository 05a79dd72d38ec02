//! A plot with two axes of numbers: lines, bands, points with intervals, bars, and lines to refer to.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::{Area, Chart, DrawError, GRID, INK, LETTERS, Tone, WIDTH, cut, font, letters, picture, short_tick, width};
use crate::common::html::Html;

/// Height of the plot without its legend, and of a line of the legend.
const HEIGHT: u32 = 720;
const LEGEND: u32 = 52;
const BOTTOM: u32 = 118;
const LEFT: u32 = 150;

/// One axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    label: String,
    low: f64,
    high: f64,
}

impl Axis {
    /// From `low` to `high`; bounds that are no range are widened into one.
    pub fn new(label: impl Into<String>, low: f64, high: f64) -> Self {
        let (low, high) = if low.is_finite() && high.is_finite() { (low, high) } else { (0.0, 1.0) };
        let (low, high) =
            if high - low > 1e-12 * low.abs().max(high.abs()) { (low, high) } else { (low - 0.5, low + 0.5) };
        Self { label: label.into(), low, high }
    }

    /// From the least to the greatest of the values, with a little room; those that are not finite do not count.
    pub fn around(label: impl Into<String>, values: impl Iterator<Item = f64>) -> Self {
        let finite = values.filter(|value| value.is_finite());
        let (low, high) =
            finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
        let room = (high - low) * 0.05;
        Self::new(label, low - room, high + room)
    }

    pub(super) fn low(&self) -> f64 {
        self.low
    }

    pub(super) fn high(&self) -> f64 {
        self.high
    }

    fn holds(&self, value: f64) -> bool {
        self.low <= value && value <= self.high
    }
}

/// A point: x, y, and the ends of its interval when it has one.
pub type Measured = (f64, f64, Option<(f64, f64)>);

/// Something on a plot. Points are (x, y); those that are not finite are left out.
#[derive(Debug, Clone, PartialEq)]
pub enum Mark {
    /// A line through points in their order.
    Line(Vec<(f64, f64)>),
    /// The ground between two heights: (x, low, high).
    Band(Vec<(f64, f64, f64)>),
    /// Points with their intervals.
    Points(Vec<Measured>),
    /// Bars that stand on zero: (left, right, height).
    Bars(Vec<(f64, f64, f64)>),
    /// The outline of bars, for a distribution that lies over another.
    Outline(Vec<(f64, f64, f64)>),
    /// A vertical line at x.
    At(f64),
}

/// A plot in the making.
#[derive(Debug, Clone, PartialEq)]
pub struct Plot {
    title: String,
    description: String,
    x: Axis,
    y: Axis,
    marks: Vec<(Tone, Mark)>,
    /// Names of the legend, with the mark they belong to.
    names: Vec<(usize, String)>,
}

impl Plot {
    /// A plot without marks. `title` names it, `description` says what can be seen.
    pub fn new(title: impl Into<String>, description: impl Into<String>, x: Axis, y: Axis) -> Self {
        Self { title: title.into(), description: description.into(), x, y, marks: Vec::new(), names: Vec::new() }
    }

    /// Adds something without a name.
    #[must_use]
    pub fn mark(mut self, tone: Tone, mark: Mark) -> Self {
        self.marks.push((tone, mark));
        self
    }

    /// Adds something with a name in the legend.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>, tone: Tone, mark: Mark) -> Self {
        self.names.push((self.marks.len(), name.into()));
        self.mark(tone, mark)
    }

    /// The picture.
    pub fn draw(&self) -> Result<Html, DrawError> {
        let places = self.legend_places();
        let lines = places.last().map_or(0, |place| place.1 + 1);
        let head = 24 + lines * LEGEND;
        picture(&self.title, &self.description, HEIGHT + head, |area| {
            self.legend(area, &places)?;
            self.chart(area, head)
        })
    }

    /// Where the names of the legend stand: x and line.
    fn legend_places(&self) -> Vec<(i32, u32)> {
        let (mut x, mut line) = (f64::from(LEFT), 0);
        let mut places = Vec::new();
        for (_, name) in &self.names {
            let room = 110.0 + width(name);
            if x + room > f64::from(WIDTH) && x > f64::from(LEFT) {
                (x, line) = (f64::from(LEFT), line + 1);
            }
            places.push((x as i32, line));
            x += room;
        }
        places
    }

    fn legend(&self, area: &Area, places: &[(i32, u32)]) -> Result<(), DrawError> {
        for ((at, name), &(x, line)) in self.names.iter().zip(places) {
            let y = (12 + line * LEGEND + LEGEND / 2) as i32;
            let Some((tone, mark)) = self.marks.get(*at) else { continue };
            let colour = tone.colour();
            match mark {
                Mark::Points(_) => area.draw(&Circle::new((x + 26, y), 11, colour.filled()))?,
                Mark::Bars(_) | Mark::Band(_) => {
                    area.draw(&Rectangle::new([(x + 4, y - 14), (x + 48, y + 14)], colour.mix(0.45).filled()))?;
                }
                _ => area.draw(&PathElement::new([(x, y), (x + 52, y)], colour.stroke_width(7)))?,
            }
            let style = font().pos(Pos::new(HPos::Left, VPos::Center));
            area.draw(&Text::new(cut(name, 48), (x + 66, y), style))?;
        }
        Ok(())
    }

    fn chart(&self, area: &Area, head: u32) -> Result<(), DrawError> {
        let (x, y) = (&self.x, &self.y);
        let mut chart = ChartBuilder::on(area)
            .margin_top(head)
            .margin_right(40)
            .x_label_area_size(BOTTOM)
            .y_label_area_size(LEFT)
            .build_cartesian_2d(x.low..x.high, y.low..y.high)?;
        chart
            .configure_mesh()
            .x_labels(6)
            .y_labels(6)
            .x_label_formatter(&|value| short_tick(*value, x.high - x.low))
            .y_label_formatter(&|value| short_tick(*value, y.high - y.low))
            .x_desc(x.label.as_str())
            .y_desc(y.label.as_str())
            .label_style(font())
            .axis_desc_style(letters(LETTERS + 2, INK))
            .axis_style(INK.stroke_width(2))
            .bold_line_style(GRID.stroke_width(2))
            .light_line_style(TRANSPARENT)
            .draw()?;
        self.marks.iter().try_for_each(|(tone, mark)| self.put(&mut chart, *tone, mark))
    }

    fn put(&self, chart: &mut Chart, tone: Tone, mark: &Mark) -> Result<(), DrawError> {
        let colour = tone.colour();
        let stroke = colour.stroke_width(if tone == Tone::Quiet { 4 } else { 6 });
        match mark {
            Mark::Line(points) => {
                for run in self.inside(points) {
                    chart.draw_series([PathElement::new(run, stroke)])?;
                }
            }
            Mark::Band(points) => {
                let kept = || points.iter().filter(|(x, low, high)| self.x.holds(*x) && low <= high);
                let clamp = |value: f64| value.clamp(self.y.low, self.y.high);
                let upper = kept().map(|&(x, _, high)| (x, clamp(high)));
                let lower = kept().rev().map(|&(x, low, _)| (x, clamp(low)));
                let outline: Vec<(f64, f64)> = upper.chain(lower).collect();
                if outline.len() > 3 {
                    chart.draw_series([Polygon::new(outline, colour.mix(0.2).filled())])?;
                }
            }
            Mark::Points(points) => self.points(chart, tone, points)?,
            Mark::Bars(bars) => {
                let visible = bars.iter().filter(|(left, right, _)| self.x.holds(*left) && self.x.holds(*right));
                let bars = visible.map(|&(left, right, height)| {
                    Rectangle::new(
                        [(left, 0.0), (right, height.clamp(self.y.low, self.y.high))],
                        colour.mix(0.45).filled(),
                    )
                });
                chart.draw_series(bars)?;
            }
            Mark::Outline(bars) => {
                let steps: Vec<(f64, f64)> =
                    bars.iter().flat_map(|&(left, right, height)| [(left, height), (right, height)]).collect();
                for run in self.inside(&steps) {
                    chart.draw_series([PathElement::new(run, stroke)])?;
                }
            }
            Mark::At(x) if self.x.holds(*x) => {
                chart.draw_series([PathElement::new([(*x, self.y.low), (*x, self.y.high)], stroke)])?;
            }
            Mark::At(_) => {}
        }
        Ok(())
    }

    fn points(&self, chart: &mut Chart, tone: Tone, points: &[Measured]) -> Result<(), DrawError> {
        let visible = || points.iter().filter(|(x, y, _)| self.x.holds(*x) && self.y.holds(*y));
        let clamp = |value: f64| value.clamp(self.y.low, self.y.high);
        let whiskers = visible().filter_map(|&(x, _, ends)| {
            let (low, high) = ends.filter(|(low, high)| low <= high)?;
            Some(PathElement::new([(x, clamp(low)), (x, clamp(high))], tone.colour().stroke_width(4)))
        });
        chart.draw_series(whiskers)?;
        chart.draw_series(visible().map(|&(x, y, _)| Circle::new((x, y), 10, tone.colour().filled())))?;
        Ok(())
    }

    /// The parts of a line that lie on the plot, cut where it leaves it above or below.
    fn inside(&self, points: &[(f64, f64)]) -> Vec<Vec<(f64, f64)>> {
        let mut runs = Vec::new();
        let mut run: Vec<(f64, f64)> = Vec::new();
        let mut last: Option<(f64, f64)> = None;
        for &(x, y) in points {
            if !self.x.holds(x) || !y.is_finite() {
                runs.push(std::mem::take(&mut run));
                last = None;
                continue;
            }
            if let Some(before) = last
                && self.y.holds(before.1) != self.y.holds(y)
            {
                run.push(self.crossing(before, (x, y)));
            }
            if self.y.holds(y) {
                run.push((x, y));
            } else {
                runs.push(std::mem::take(&mut run));
            }
            last = Some((x, y));
        }
        runs.push(run);
        runs.retain(|run| run.len() > 1);
        runs
    }

    /// Where the way between two points crosses the edge that one of them lies beyond.
    fn crossing(&self, a: (f64, f64), b: (f64, f64)) -> (f64, f64) {
        let outside = if self.y.holds(a.1) { b.1 } else { a.1 };
        let edge = if outside > self.y.high { self.y.high } else { self.y.low };
        let share = (edge - a.1) / (b.1 - a.1);
        (a.0 + share * (b.0 - a.0), edge)
    }
}
