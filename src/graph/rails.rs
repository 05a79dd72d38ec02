//! A drawing as one line per node, with a rail for each node that is still needed further down.
//!
//! A rail starts at `●`, turns off at `├` to feed a later node, and ends at `╰` or `╯` in the last one it feeds.
//! Behind each name stand the nodes that feed it, so that the drawing also reads without following lines.

use std::fmt::Write as _;

use super::drawing::Drawing;

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

/// Draws the nodes, in their order, and the edges between them.
pub(super) fn draw(drawing: &Drawing) -> String {
    let all_feeds = drawing.feeds();
    let mut last_fed = vec![0; drawing.nodes.len()];
    for &(from, to) in &drawing.edges {
        last_fed[from] = to.max(last_fed[from]);
    }
    let mut rails: Vec<Option<usize>> = Vec::new();
    let mut rows = Vec::new();
    for (at, name) in drawing.nodes.iter().enumerate() {
        let feeds = &all_feeds[at];
        let needed = |node: usize| last_fed[node] > at;
        let mut cells: Vec<Cell> = rails
            .iter()
            .map(|rail| match rail {
                None => Cell::Empty,
                Some(node) if !feeds.contains(node) => Cell::Passing,
                Some(node) if needed(*node) => Cell::Feeding,
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
        rails[home] = needed(at).then_some(at);
        let feeds: Vec<&str> = feeds.iter().map(|&node| drawing.nodes[node].as_str()).collect();
        rows.push((line(&cells, home), name, feeds));
    }
    let width = rows.iter().map(|(line, ..)| line.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for (line, name, feeds) in rows {
        if width <= 2 * MAX_RAILS {
            let _ = write!(text, "{line:width$} ");
        }
        text.push_str(name);
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
