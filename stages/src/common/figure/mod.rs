//! Drawings as SVG, by plotters: what the stages share to draw, and the pictures of the report.
//!
//! Text stays text. Coordinates are whole units of a canvas that is much finer than a screen, so equal input gives equal
//! bytes and lines look smooth. A drawing of the report is made in the few fixed colours below; the page's style sheet
//! replaces them by those of the reader's scheme (`common/html/style.css`), and a drawing that is taken out of the page
//! is still a picture. Every drawing says in words what it shows.

mod flow;
mod forest;
mod plot;
mod taken;
#[cfg(test)]
mod tests;

pub use flow::{Flow, Step};
pub use forest::{Forest, ForestRow};
pub use plot::{Axis, Mark, Measured, Plot};
pub use taken::taken;

use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

use crate::StageError;
use crate::common::html::Html;

/// Where is drawn.
pub(crate) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
/// The same with two axes of numbers.
pub(crate) type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// Text and axes.
const INK: RGBColor = RGBColor(1, 1, 1);
/// Grid lines.
const GRID: RGBColor = RGBColor(224, 224, 225);
/// The ground of boxes.
const CARD: RGBColor = RGBColor(246, 247, 249);
/// Width of every drawing in units; letters are about a thirtieth of it, readable on a phone.
const WIDTH: u32 = 1000;
/// Size of letters.
const LETTERS: u32 = 38;
/// Mean width of a letter.
const LETTER: f64 = 16.5;

/// Who a line or point belongs to; told apart in either scheme and by the colour-blind (after Okabe and Ito 2008).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tone {
    /// The subject of the drawing.
    First,
    /// What it is compared with.
    Second,
    /// Another.
    Third,
    /// And another.
    Fourth,
    /// A reference: soft, and dashed where it is a line.
    Quiet,
}

impl Tone {
    fn colour(self) -> RGBColor {
        match self {
            Self::First => RGBColor(0, 114, 178),
            Self::Second => RGBColor(192, 79, 0),
            Self::Third => RGBColor(0, 121, 90),
            Self::Fourth => RGBColor(154, 79, 133),
            Self::Quiet => RGBColor(122, 130, 140),
        }
    }
}

/// A picture that plotters could not draw.
#[derive(Debug, thiserror::Error)]
#[error("a picture cannot be drawn: {0}")]
pub struct DrawError(String);

impl<E: std::error::Error + Send + Sync> From<DrawingAreaErrorKind<E>> for DrawError {
    fn from(error: DrawingAreaErrorKind<E>) -> Self {
        Self(error.to_string())
    }
}

impl From<DrawError> for StageError {
    fn from(error: DrawError) -> Self {
        Self::failed(error.to_string())
    }
}

/// Draws on a canvas of the report's width and makes it part of a page. `title` names the picture, `description` says
/// what can be seen in it.
fn picture(
    title: &str,
    description: &str,
    height: u32,
    body: impl FnOnce(&Area) -> Result<(), DrawError>,
) -> Result<Html, DrawError> {
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, (WIDTH, height)).into_drawing_area();
        body(&area)?;
        area.present()?;
    }
    let escaped = |text: &str| Html::text(text).as_str().to_owned();
    let open = format!("<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{}\">", escaped(title));
    let words = format!("<title>{}</title>\n<desc>{}</desc>", escaped(title), escaped(description));
    let drawn = text.split_once('>').map_or("", |(_, drawn)| drawn);
    Ok(Html::drawing(format!("{open}\n{words}{drawn}")))
}

/// Letters of a size and colour.
pub(crate) fn letters(size: u32, ink: RGBColor) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&ink)
}

fn font() -> TextStyle<'static> {
    letters(LETTERS, INK)
}

/// How wide a text will be, about.
fn width(text: &str) -> f64 {
    text.chars().count() as f64 * LETTER
}

/// A text that fits `most` letters, with its end replaced by `…` when it is longer.
pub(crate) fn cut(text: &str, most: usize) -> String {
    let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    if text.chars().count() <= most { plain.collect() } else { plain.take(most - 1).chain(['…']).collect() }
}

/// A tick's label where numbers may be large: thousands as k, millions as M.
fn short_tick(value: f64, span: f64) -> String {
    match span {
        span if span >= 2e6 => tick(value / 1e6, span / 1e6) + if value == 0.0 { "" } else { "M" },
        span if span >= 2e4 => tick(value / 1e3, span / 1e3) + if value == 0.0 { "" } else { "k" },
        span => tick(value, span),
    }
}

/// A tick's label: as many decimals as a sixth of the axis needs; there are eight ticks at most, at round numbers.
pub(crate) fn tick(value: f64, span: f64) -> String {
    let text = format!("{value:.*}", decimals(span / 6.0));
    // A minus sign before zero says nothing.
    if text.chars().all(|c| matches!(c, '-' | '0' | '.')) { text.replace('-', "") } else { text }
}

/// Three significant digits.
pub(crate) fn significant(value: f64) -> String {
    format!("{value:.*}", decimals(value.abs() / 100.0))
}

/// Decimals that show a number of this size with one digit at least.
fn decimals(size: f64) -> usize {
    let mut unit = 1.0;
    let mut count = 0;
    while size < unit && count < 12 && size > 0.0 {
        unit /= 10.0;
        count += 1;
    }
    count
}
