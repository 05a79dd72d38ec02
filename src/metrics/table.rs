//! Rows of text as an aligned table or as Markdown. It decides nothing about colour or where it is printed.
//!
//! Invariant: a row is one line, but on a narrow terminal. What in a cell could end it, move the cursor or hide something
//! is written out.

use std::fmt::Write as _;

use comfy_table::{ColumnConstraint, ContentArrangement, TableStyle, Width};
use serde_json::Value;

use crate::util::human::brief;
use crate::util::visible;

/// The length of a time, the longest word that stays whole where cells break.
const UNBROKEN: usize = 24;
/// The least width of a column with a longer word.
const BROKEN: usize = 14;

/// How many decimals a cell has at most, unless said otherwise.
pub const DECIMALS: usize = 5;

/// Longer texts are cut in a cell.
const MAX_TEXT: usize = 40;

/// A table of texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table with its header.
    pub fn new(header: &[&str]) -> Self {
        Self { header: header.iter().map(|&text| text.to_owned()).collect(), rows: Vec::new() }
    }

    /// Adds a row.
    pub fn push(&mut self, row: impl IntoIterator<Item = String>) {
        self.rows.push(row.into_iter().map(|cell| visible::line(&cell).into_owned()).collect());
    }

    /// Whether it has no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// A value as a cell: numbers with at most five decimals, `-` for null, texts without quotes and cut to 40
    /// characters (`--json` has them whole).
    pub fn cell(value: &Value) -> String {
        Self::cell_with(value, DECIMALS)
    }

    /// The same with at most so many decimals.
    pub fn cell_with(value: &Value, decimals: usize) -> String {
        match value {
            Value::Null => "-".to_owned(),
            Value::String(text) => brief(text, MAX_TEXT),
            Value::Number(number) if number.is_f64() => {
                number.as_f64().map_or_else(String::new, |number| short(number, decimals))
            }
            other => brief(&other.to_string(), MAX_TEXT),
        }
    }

    /// Columns aligned with two spaces between them, no trailing spaces.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        let widths = self.widths(self.header.iter().map(|cell| cell.chars().count()).collect());
        for row in std::iter::once(&self.header).chain(&self.rows) {
            let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:<width$}")).collect();
            let _ = writeln!(text, "{}", cells.join("  ").trim_end());
        }
        text
    }

    /// The same on a terminal of so many columns: cells break at words where a line would be wider.
    pub fn to_text_within(&self, width: Option<usize>) -> String {
        let text = self.to_text();
        match width {
            Some(width) if text.lines().any(|line| line.chars().count() > width) => self.wrapped(width),
            _ => text,
        }
    }

    fn wrapped(&self, width: usize) -> String {
        let mut table = comfy_table::Table::new();
        table.load_style(TableStyle::new());
        table.set_content_arrangement(ContentArrangement::Dynamic);
        table.set_width(u16::try_from(width).unwrap_or(u16::MAX));
        table.set_header(self.header.clone());
        table.add_rows(self.rows.clone());
        let last = self.header.len().saturating_sub(1);
        for (index, column) in table.column_iter_mut().enumerate() {
            let gap = if index < last { 2 } else { 0 };
            column.set_padding((0, gap));
            // A digest or a time in two pieces is none; only what is longer than those is broken within a word.
            let cells = std::iter::once(&self.header).chain(&self.rows).filter_map(|row| row.get(index));
            let longest = cells.flat_map(|cell| cell.split_whitespace()).map(|word| word.chars().count()).max();
            let word = longest.filter(|longest| *longest <= UNBROKEN).unwrap_or(BROKEN);
            let least = u16::try_from(word).unwrap_or(u16::MAX).saturating_add(gap);
            column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(least)));
        }
        table.trim_fmt() + "\n"
    }

    /// A Markdown table.
    pub fn to_markdown(&self) -> String {
        let escape = |row: &[String]| row.iter().map(|cell| cell.replace('|', "\\|")).collect();
        let escaped = Self {
            header: escape(&self.header),
            rows: self.rows.iter().map(|row| escape(row)).collect::<Vec<Vec<String>>>(),
        };
        let widths = escaped.widths(escaped.header.iter().map(|cell| cell.chars().count().max(3)).collect());
        let rule: Vec<String> = widths.iter().map(|&width| "-".repeat(width)).collect();
        let mut text = String::new();
        for row in [&escaped.header, &rule].into_iter().chain(&escaped.rows) {
            let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:<width$}")).collect();
            let _ = writeln!(text, "| {} |", cells.join(" | "));
        }
        text
    }

    fn widths(&self, mut widths: Vec<usize>) -> Vec<usize> {
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        widths
    }
}

/// At most so many decimals; what would then read as 0 is written in scientific form.
fn short(number: f64, decimals: usize) -> String {
    let fixed = format!("{number:.decimals$}");
    let text = if fixed.contains('.') { fixed.trim_end_matches('0').trim_end_matches('.') } else { &fixed };
    match text {
        "0" | "-0" if number != 0.0 => format!("{number:.2e}"),
        "-0" => "0".to_owned(),
        text => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn table() -> Table {
        let mut table = Table::new(&["Metric", "New"]);
        table.push(["auroc.value".to_owned(), Table::cell(&json!(0.812_345_6))]);
        table.push(["a|b".to_owned(), Table::cell(&Value::Null)]);
        table
    }

    #[test]
    fn text_is_aligned() {
        assert_eq!(table().to_text(), "Metric       New\nauroc.value  0.81235\na|b          -\n");
    }

    #[test]
    fn cells_break_at_words_where_a_terminal_is_narrow() {
        let mut table = Table::new(&["Rule", "Reason"]);
        table.push(["gate".to_owned(), "all six rules of the gate hold".to_owned()]);
        assert_eq!(table.to_text_within(None), table.to_text());
        assert_eq!(table.to_text_within(Some(80)), table.to_text());
        let narrow = table.to_text_within(Some(24));
        assert!(narrow.lines().count() > 2 && narrow.lines().all(|line| line.chars().count() <= 24), "{narrow}");
        assert!(narrow.starts_with("Rule  Reason\ngate  all") && narrow.ends_with('\n'), "{narrow}");
    }

    #[test]
    fn markdown_escapes_bars() {
        let expected = "| Metric      | New     |\n| ----------- | ------- |\n| auroc.value | 0.81235 |\n\
                        | a\\|b        | -       |\n";
        assert_eq!(table().to_markdown(), expected);
    }

    #[test]
    fn a_cell_cannot_begin_a_row() {
        let mut table = Table::new(&["Who", "What"]);
        table.push(["ana\n0  root".to_owned(), "\u{1b}[2J\u{202e}".to_owned()]);
        assert_eq!(table.to_text(), "Who           What\nana\\n0  root  \\u{1b}[2J\\u{202e}\n");
        assert_eq!(table.to_markdown().lines().count(), 3);
    }

    #[test]
    fn numbers_are_short_but_never_vanish() {
        let cells = [json!(0.1), json!(1e-9), json!(-0.0), json!(12), json!("x"), json!(true)].map(|v| Table::cell(&v));
        assert_eq!(cells, ["0.1", "1.00e-9", "0", "12", "x", "true"]);
        assert_eq!(Table::cell_with(&json!(120.4), 0), "120");
        assert_eq!(Table::cell_with(&json!(0.126), 2), "0.13");
    }
}
