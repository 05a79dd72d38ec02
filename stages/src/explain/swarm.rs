//! The points of one feature in the beeswarm: where each row's point lies and which colour it has.
//!
//! Points whose contributions fall into the same narrow bin are stacked on both sides of the feature's line, in row
//! order; nothing is random. Points that would coincide are drawn once.

use std::collections::BTreeSet;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::figure::{ROW, Subject, WIDTH, font};
use super::summary::Importance;
use crate::common::figure::{Area, Chart, DrawError};
use crate::common::frame::Column;
use crate::common::interval::quantile;

/// Radius of a point and width of a bin, in pixels.
const RADIUS: i32 = 4;
const BIN: i32 = 6;
/// How far a stack may reach from the line, and the most by which points in it lie apart.
const REACH: f64 = ROW as f64 / 2.0 - 5.0;
const APART: f64 = 3.0;
/// Low, middle and high values: blue and vermilion of Okabe and Ito (2008), a light violet-grey between them.
const COLOURS: [[u8; 3]; 3] = [[0, 114, 178], [190, 180, 200], [213, 94, 0]];
/// The greatest length of the scale of colours.
const SCALE: i32 = 420;
/// Categories and missing values.
const GREY: RGBColor = RGBColor(150, 150, 150);

/// Draws the points of one feature around the height `y` of the chart.
pub(super) fn draw(
    area: &Area,
    chart: &Chart,
    subject: &Subject,
    feature: &Importance,
    y: f64,
) -> Result<(), DrawError> {
    let places: Vec<(i32, i32)> =
        subject.explanation.column(feature.place).map(|value| chart.backend_coord(&(value, y))).collect();
    let shades = shades(subject.features.get(&feature.feature), places.len());
    let offsets = stack(&places.iter().map(|(x, _)| x.div_euclid(BIN)).collect::<Vec<_>>());
    let mut drawn = BTreeSet::new();
    for ((&(x, y), shade), offset) in places.iter().zip(shades).zip(offsets) {
        let y = y + offset;
        let colour = shade.map_or(GREY, colour);
        if drawn.insert((x, y, (colour.0, colour.1, colour.2))) {
            area.draw(&Circle::new((x, y), RADIUS, colour.filled()))?;
        }
    }
    Ok(())
}

/// The scale of colours, right of the plot, and what grey means, above it.
pub(super) fn legend(area: &Area, left: i32, top: i32, bottom: i32) -> Result<(), DrawError> {
    let (y, style) = (top / 2, font(20).pos(Pos::new(HPos::Right, VPos::Center)));
    area.draw(&Text::new("category or missing", (WIDTH as i32 - 24, y), style))?;
    area.draw(&Circle::new((WIDTH as i32 - 24 - 206, y), RADIUS + 1, GREY.filled()))?;
    let (middle, half) = (i32::midpoint(top, bottom), ((bottom - top) / 2 - 24).clamp(0, SCALE / 2));
    let (top, bottom) = (middle - half, middle + half);
    for y in top..bottom {
        let shade = f64::from(bottom - 1 - y) / f64::from((bottom - 1 - top).max(1));
        area.draw(&Rectangle::new([(left, y), (left + 14, y + 1)], colour(shade).filled()))?;
    }
    for (text, y, place) in [("high", top - 4, VPos::Bottom), ("low", bottom + 4, VPos::Top)] {
        area.draw(&Text::new(text, (left + 7, y), font(20).pos(Pos::new(HPos::Center, place))))?;
    }
    if bottom - top > 160 {
        let style = font(20).transform(FontTransform::Rotate270).pos(Pos::new(HPos::Center, VPos::Center));
        area.draw(&Text::new("value of the feature", (left + 40, i32::midpoint(top, bottom)), style))?;
    }
    Ok(())
}

/// How far from the line each point lies, in pixels: 0, then alternately above and below, by its turn in its bin.
fn stack(bins: &[i32]) -> Vec<i32> {
    let mut counts = std::collections::BTreeMap::new();
    let turns: Vec<i32> = bins
        .iter()
        .map(|&bin| {
            let count = counts.entry(bin).or_insert(0);
            *count += 1;
            *count - 1
        })
        .collect();
    let tallest = counts.values().max().map_or(0, |count| count / 2);
    let apart = if tallest == 0 { 0.0 } else { (REACH / f64::from(tallest)).min(APART) };
    let offset = |turn: i32| {
        let side = if turn % 2 == 0 { 1.0 } else { -1.0 };
        libm::round(side * f64::from((turn + 1) / 2) * apart) as i32
    };
    turns.into_iter().map(offset).collect()
}

/// Where each row's value lies between the feature's 5th and 95th percentile, from 0 to 1; nothing for a category or a
/// missing value.
fn shades(column: Option<&Column>, rows: usize) -> Vec<Option<f64>> {
    let Some(values) = column.and_then(Column::numbers) else { return vec![None; rows] };
    let mut sorted: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    let at = |q: f64| quantile(&sorted, q).unwrap_or(0.0);
    let (mut low, mut high) = (at(0.05), at(0.95));
    if low >= high {
        (low, high) = (at(0.0), at(1.0));
    }
    let shade = |value: f64| if high > low { ((value - low) / (high - low)).clamp(0.0, 1.0) } else { 0.5 };
    values.iter().map(|&value| value.is_finite().then(|| shade(value))).collect()
}

/// The colour of a shade from 0 (low) to 1 (high).
fn colour(shade: f64) -> RGBColor {
    let (from, part) = if shade < 0.5 { (0, shade * 2.0) } else { (1, shade * 2.0 - 1.0) };
    let mix = |channel: usize| {
        let [a, b] = [COLOURS[from][channel], COLOURS[from + 1][channel]].map(f64::from);
        libm::round(a + (b - a) * part) as u8
    };
    RGBColor(mix(0), mix(1), mix(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stacks_alternate_and_stay_inside_their_row() {
        assert_eq!(stack(&[5, 5, 9, 5, 5]), [0, -3, 0, 3, -6]);
        let crowded = stack(&[1; 1000]);
        assert!(crowded.iter().all(|offset| f64::from(offset.abs()) <= REACH + 0.5));
        assert!(stack(&[]).is_empty());
    }

    #[test]
    fn colours_follow_the_value_and_ignore_outliers() {
        let mut values: Vec<f64> = (0..100).map(f64::from).collect();
        values.extend([1e9, f64::NAN]);
        let shades = shades(Some(&Column::Number(values)), 102);
        assert_eq!((shades[0], shades[100], shades[101]), (Some(0.0), Some(1.0), None));
        assert!(shades[40] < shades[60]);
        assert_eq!(colour(0.0), RGBColor(0, 114, 178));
        assert_eq!(colour(1.0), RGBColor(213, 94, 0));
        assert_eq!(super::shades(Some(&Column::Number(vec![2.0])), 1), [Some(0.5)]);
        assert_eq!(super::shades(None, 1), [None]);
    }
}
