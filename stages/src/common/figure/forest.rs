//! A forest plot: one row a group, its estimate with interval beside a line to compare with. Rows keep the order they
//! are given in; nothing is ranked.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::{Area, Axis, DrawError, GRID, INK, LETTERS, Tone, WIDTH, cut, font, letters, picture, significant, tick};
use crate::common::html::Html;
use crate::common::interval::Estimate;

const ROW: u32 = 58;
const BOTTOM: u32 = 118;
/// Room for names on the left and for numbers on the right.
const LEFT: i32 = 330;
const RIGHT: i32 = 300;

/// One row.
#[derive(Debug, Clone, PartialEq)]
pub struct ForestRow {
    /// Its name.
    pub name: String,
    /// What is drawn; without a value, its reason stands there instead.
    pub estimate: Estimate,
    /// A heading over the rows that follow; it has no estimate.
    pub heading: bool,
}

/// A forest plot in the making.
#[derive(Debug, Clone, PartialEq)]
pub struct Forest {
    /// Names the picture.
    pub title: String,
    /// Says what can be seen.
    pub description: String,
    /// The measure and its unit.
    pub label: String,
    /// Where the line to compare with stands.
    pub reference: Option<f64>,
    /// The rows, from top to bottom.
    pub rows: Vec<ForestRow>,
}

impl Forest {
    /// The picture.
    pub fn draw(&self) -> Result<Html, DrawError> {
        let ends = self.rows.iter().flat_map(|row| [row.estimate.value, row.estimate.low, row.estimate.high]);
        let axis = Axis::around(&self.label, ends.chain([self.reference]).flatten());
        let rows = self.rows.len() as u32;
        picture(&self.title, &self.description, 16 + rows * ROW + BOTTOM, |area| {
            let plot = Scale { low: axis.low(), high: axis.high() };
            let bottom = (16 + rows * ROW) as i32;
            plot.axis(area, bottom, &self.label)?;
            if let Some(x) = self.reference.map(|value| plot.at(value)) {
                area.draw(&PathElement::new([(x, 16), (x, bottom)], Tone::Quiet.colour().stroke_width(4)))?;
            }
            self.rows.iter().enumerate().try_for_each(|(at, row)| {
                let y = (16 + at as u32 * ROW + ROW / 2) as i32;
                plot.row(area, row, y)
            })
        })
    }
}

/// Numbers to places.
struct Scale {
    low: f64,
    high: f64,
}

impl Scale {
    fn at(&self, value: f64) -> i32 {
        let span = f64::from(WIDTH as i32 - RIGHT - LEFT);
        let share = ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0);
        LEFT + libm::round(share * span) as i32
    }

    /// The axis with ticks at round numbers.
    fn axis(&self, area: &Area, bottom: i32, label: &str) -> Result<(), DrawError> {
        for value in round_numbers(self.low, self.high) {
            let x = self.at(value);
            area.draw(&PathElement::new([(x, 16), (x, bottom)], GRID.stroke_width(2)))?;
            let style = font().pos(Pos::new(HPos::Center, VPos::Top));
            area.draw(&Text::new(tick(value, self.high - self.low), (x, bottom + 12), style))?;
        }
        let ends = [(LEFT, bottom), (WIDTH as i32 - RIGHT, bottom)];
        area.draw(&PathElement::new(ends, INK.stroke_width(2)))?;
        let middle = i32::midpoint(LEFT, WIDTH as i32 - RIGHT);
        let style = letters(LETTERS + 2, INK).pos(Pos::new(HPos::Center, VPos::Top));
        area.draw(&Text::new(cut(label, 48), (middle, bottom + 62), style))?;
        Ok(())
    }

    fn row(&self, area: &Area, row: &ForestRow, y: i32) -> Result<(), DrawError> {
        if row.heading {
            let style = font().pos(Pos::new(HPos::Left, VPos::Center));
            area.draw(&Text::new(cut(&row.name, 40), (8, y), style))?;
            return Ok(());
        }
        let style = font().pos(Pos::new(HPos::Right, VPos::Center));
        area.draw(&Text::new(cut(&row.name, 19), (LEFT - 18, y), style))?;
        let right = font().pos(Pos::new(HPos::Left, VPos::Center));
        let place = (WIDTH as i32 - RIGHT + 18, y);
        let Some(value) = row.estimate.value else {
            area.draw(&Text::new("not estimated", place, right))?;
            return Ok(());
        };
        let colour = Tone::First.colour();
        let mut text = significant(value);
        if let (Some(low), Some(high)) = (row.estimate.low, row.estimate.high) {
            area.draw(&PathElement::new([(self.at(low), y), (self.at(high), y)], colour.stroke_width(5)))?;
            text = format!("{text} ({}–{})", significant(low), significant(high));
        }
        area.draw(&Circle::new((self.at(value), y), 11, colour.filled()))?;
        area.draw(&Text::new(text, place, letters(LETTERS - 6, INK).pos(Pos::new(HPos::Left, VPos::Center))))?;
        Ok(())
    }
}

/// At most six multiples of 1, 2 or 5 times a power of ten within the bounds.
fn round_numbers(low: f64, high: f64) -> Vec<f64> {
    let span = high - low;
    let mut unit = 1.0;
    while unit * 10.0 < span && unit < 1e15 {
        unit *= 10.0;
    }
    while unit > span && unit > 1e-15 {
        unit /= 10.0;
    }
    let step = [0.1, 0.2, 0.5, 1.0, 2.0, 5.0].into_iter().map(|part| part * unit).find(|step| span / step <= 4.5);
    let step = step.unwrap_or(span);
    let first = libm::ceil(low / step) as i64;
    (first..).take(12).map(|at| at as f64 * step).take_while(|value| *value <= high).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_few() {
        assert_eq!(round_numbers(0.0, 1.0), [0.0, 0.5, 1.0]);
        assert_eq!(round_numbers(-3.0, 8.0), [0.0, 5.0]);
        for (low, high) in [(0.61, 0.79), (0.0, 1e-9), (-1e9, 1e9), (12.0, 13.0)] {
            let ticks = round_numbers(low, high);
            assert!((2..=6).contains(&ticks.len()), "{low} {high}: {ticks:?}");
            assert!(ticks.iter().all(|tick| low <= *tick && *tick <= high));
        }
    }
}
