//! A flow of participants: a box for every step, and at its side who left there.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::{CARD, DrawError, INK, LETTERS, Tone, WIDTH, cut, font, letters, picture};
use crate::common::html::Html;

const BOX: i32 = 112;
const GAP: i32 = 46;
const SPLIT: i32 = 560;

/// One step of the flow.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Step {
    /// What those who are left have in common.
    pub name: String,
    /// How many they are, in words: `9,950 rows, 5,310 events`.
    pub count: String,
    /// Who left before this step, and how many: `50 set aside`.
    pub left: Option<String>,
}

/// A flow in the making.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flow {
    /// Names the picture.
    pub title: String,
    /// The steps, one below the other.
    pub steps: Vec<Step>,
    /// What the last step is divided into, side by side.
    pub parts: Vec<Step>,
}

impl Flow {
    /// The picture.
    pub fn draw(&self) -> Result<Html, DrawError> {
        let rows = self.steps.len() + usize::from(!self.parts.is_empty());
        let height = 8 + rows as i32 * (BOX + GAP) - GAP + 8;
        let said: Vec<String> =
            self.steps.iter().chain(&self.parts).map(|step| format!("{}: {}", step.name, step.count)).collect();
        picture(&self.title, &said.join("; "), height.max(BOX) as u32, |area| {
            let middle = SPLIT / 2 + 8;
            for (at, step) in self.steps.iter().enumerate() {
                let top = 8 + at as i32 * (BOX + GAP);
                if at > 0 {
                    arrow(area, (middle, top - GAP), (middle, top))?;
                }
                if let Some(left) = &step.left {
                    let y = top - GAP / 2;
                    arrow(area, (middle, y), (SPLIT + 20, y))?;
                    let style = letters(LETTERS - 4, INK).pos(Pos::new(HPos::Left, VPos::Center));
                    area.draw(&Text::new(cut(left, 26), (SPLIT + 32, y), style))?;
                }
                boxed(area, (8, top), SPLIT, step)?;
            }
            self.divided(area, middle)
        })
    }

    fn divided(&self, area: &super::Area, middle: i32) -> Result<(), DrawError> {
        let top = 8 + self.steps.len() as i32 * (BOX + GAP);
        let room = (WIDTH as i32 - 16) / self.parts.len().max(1) as i32;
        for (at, part) in self.parts.iter().enumerate() {
            let left = 8 + at as i32 * room;
            let (width, centre) = (room - 24, left + (room - 24) / 2);
            if !self.steps.is_empty() {
                let turn = top - GAP / 2;
                let line = [(middle, top - GAP), (middle, turn), (centre, turn)];
                area.draw(&PathElement::new(line, INK.stroke_width(3)))?;
                arrow(area, (centre, turn), (centre, top))?;
            }
            boxed(area, (left, top), width, part)?;
        }
        Ok(())
    }
}

fn boxed(area: &super::Area, (left, top): (i32, i32), width: i32, step: &Step) -> Result<(), DrawError> {
    let corners = [(left, top), (left + width, top + BOX)];
    area.draw(&Rectangle::new(corners, CARD.filled()))?;
    area.draw(&Rectangle::new(corners, Tone::First.colour().stroke_width(3)))?;
    let (middle, most) = (left + width / 2, (f64::from(width) / super::LETTER) as usize);
    let style = font().pos(Pos::new(HPos::Center, VPos::Center));
    area.draw(&Text::new(cut(&step.name, most.max(2)), (middle, top + BOX / 3 - 4), style.clone()))?;
    area.draw(&Text::new(cut(&step.count, most.max(2)), (middle, top + BOX * 3 / 4 - 4), style))?;
    Ok(())
}

/// A straight arrow, to the right or downwards.
fn arrow(area: &super::Area, from: (i32, i32), to: (i32, i32)) -> Result<(), DrawError> {
    area.draw(&PathElement::new([from, to], INK.stroke_width(3)))?;
    let head = if from.1 == to.1 {
        [to, (to.0 - 14, to.1 - 8), (to.0 - 14, to.1 + 8)]
    } else {
        [to, (to.0 - 8, to.1 - 14), (to.0 + 8, to.1 - 14)]
    };
    area.draw(&Polygon::new(head.to_vec(), INK.filled()))?;
    Ok(())
}
