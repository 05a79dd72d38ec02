//! The graph as one line per stage, with a rail for each stage whose outputs are still needed further down.
//!
//! A rail starts at `●`, turns off at `├` to feed a later stage, and ends at `╰` or `╯` in the last one it feeds.
//! Behind each name stand the stages that feed it, so that the drawing also reads without following lines.

use std::fmt::Write as _;

use super::build::Graph;
use crate::config::StageName;

/// Beyond so many rails nobody can follow a line; only the names are written.
const MAX_RAILS: usize = 24;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Cell {
    Empty,
    Passing,
    Feeding,
    Ending,
    Node,
}

/// Draws stages, given in topological order, and the edges between them.
pub(super) fn draw(graph: &Graph, stages: &[StageName]) -> String {
    let mut rails: Vec<Option<&StageName>> = Vec::new();
    let mut rows = Vec::new();
    for (at, stage) in stages.iter().enumerate() {
        let later = &stages[at + 1..];
        let feeds = graph.producers(stage);
        let needed = |name: &StageName| graph.consumers(name).iter().any(|consumer| later.contains(consumer));
        let mut cells: Vec<Cell> = rails
            .iter()
            .map(|rail| match rail {
                None => Cell::Empty,
                Some(name) if !feeds.contains(name) => Cell::Passing,
                Some(name) if needed(name) => Cell::Feeding,
                Some(_) => Cell::Ending,
            })
            .collect();
        let free = |cell: &Cell| matches!(cell, Cell::Ending | Cell::Empty);
        let ending = cells.iter().position(|cell| *cell == Cell::Ending);
        let home = ending.or_else(|| cells.iter().position(free)).unwrap_or(cells.len());
        if home == cells.len() {
            cells.push(Cell::Empty);
            rails.push(None);
        }
        for (rail, cell) in rails.iter_mut().zip(&cells) {
            if *cell == Cell::Ending {
                *rail = None;
            }
        }
        cells[home] = Cell::Node;
        rails[home] = needed(stage).then_some(stage);
        let feeds: Vec<&str> =
            feeds.into_iter().filter(|name| stages.contains(name)).map(|name| name.0.as_str()).collect();
        rows.push((line(&cells, home), stage, feeds));
    }
    let width = rows.iter().map(|(line, ..)| line.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for (line, stage, feeds) in rows {
        if width <= 2 * MAX_RAILS {
            let _ = write!(text, "{line:width$} ");
        }
        text.push_str(&stage.0);
        if !feeds.is_empty() {
            let _ = write!(text, "  ← {}", feeds.join(", "));
        }
        text.push('\n');
    }
    text
}

/// One row of rails; a horizontal line joins the node with everything that feeds it.
fn line(cells: &[Cell], home: usize) -> String {
    let joined = |cell: &Cell| matches!(cell, Cell::Node | Cell::Feeding | Cell::Ending);
    let first = cells.iter().position(joined).unwrap_or(home);
    let last = cells.iter().rposition(joined).unwrap_or(home);
    let mut text = String::new();
    for (at, cell) in cells.iter().enumerate() {
        let crossed = first < at && at < last;
        text.push(match cell {
            Cell::Empty if crossed => '─',
            Cell::Empty => ' ',
            Cell::Passing => '│',
            Cell::Feeding if at < home => '├',
            Cell::Feeding => '┤',
            Cell::Ending if at < home => '╰',
            Cell::Ending if crossed => '┴',
            Cell::Ending => '╯',
            Cell::Node => '●',
        });
        text.push(if first <= at && at < last { '─' } else { ' ' });
    }
    text.trim_end().to_owned()
}
