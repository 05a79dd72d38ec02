//! Tables: a caption, aligned numbers, a heading on every row, and a scroll bar of their own on narrow screens.

use super::Html;

/// One column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    heading: String,
    numeric: bool,
}

impl Column {
    /// A column of words, aligned left.
    pub fn text(heading: impl Into<String>) -> Self {
        Self { heading: heading.into(), numeric: false }
    }

    /// A column of numbers, aligned right with digits of equal width.
    pub fn number(heading: impl Into<String>) -> Self {
        Self { heading: heading.into(), numeric: true }
    }
}

/// One cell.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cell {
    content: Html,
    class: Option<&'static str>,
    /// Percent of a bar behind the number, to a tenth.
    bar: Option<String>,
}

impl Cell {
    /// Whatever it holds.
    pub fn new(content: impl Into<Html>) -> Self {
        Self { content: content.into(), ..Self::default() }
    }

    /// A number with fixed decimals; without one, [`Cell::missing`] for `reason`.
    pub fn fixed(value: Option<f64>, decimals: usize, reason: &str) -> Self {
        match value.filter(|value| value.is_finite()) {
            Some(value) => Self::new(fixed(value, decimals)),
            None => Self::missing(reason),
        }
    }

    /// Something that is not known: why, in soft letters; a dash when nothing is said.
    pub fn missing(reason: &str) -> Self {
        Self { class: Some("none"), ..Self::new(if reason.is_empty() { "–" } else { reason }) }
    }

    /// Text with a bar as long as the share, which lies between 0 and 1.
    pub fn bar(share: f64, text: impl Into<String>) -> Self {
        let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
        Self { bar: Some(format!("{:.1}%", 100.0 * share)), ..Self::new(text.into()) }
    }

    /// The cell set apart as good news or bad.
    #[must_use]
    pub fn marked(mut self, good: bool) -> Self {
        self.class = Some(if good { "yes" } else { "no" });
        self
    }
}

impl<T: Into<Html>> From<T> for Cell {
    fn from(content: T) -> Self {
        Self::new(content)
    }
}

/// A table; its first column names the rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    caption: String,
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
    /// Rows that are emphasised.
    strong: Vec<usize>,
}

impl Table {
    /// A table without rows.
    pub fn new(caption: impl Into<String>, columns: impl IntoIterator<Item = Column>) -> Self {
        Self { caption: caption.into(), columns: columns.into_iter().collect(), rows: Vec::new(), strong: Vec::new() }
    }

    /// Appends a row; cells that are missing stay empty, cells too many are dropped.
    #[must_use]
    pub fn row(mut self, cells: impl IntoIterator<Item = Cell>) -> Self {
        self.push(cells);
        self
    }

    /// Appends a row, as [`Table::row`].
    pub fn push(&mut self, cells: impl IntoIterator<Item = Cell>) {
        let mut cells: Vec<Cell> = cells.into_iter().take(self.columns.len()).collect();
        cells.resize(self.columns.len(), Cell::default());
        self.rows.push(cells);
    }

    /// Appends a row that stands out from the others.
    pub fn push_strong(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.strong.push(self.rows.len());
        self.push(cells);
    }

    /// Whether it has no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(super) fn render(self) -> Html {
        let heading = |column: &Column| {
            let class: &[(&'static str, &str)] =
                if column.numeric { &[("scope", "col"), ("class", "number")] } else { &[("scope", "col")] };
            Html::element("th", class, column.heading.as_str())
        };
        let head = Html::tag("thead", Html::tag("tr", self.columns.iter().map(heading).collect::<Html>())).line();
        let mut body = Html::new();
        for (at, row) in self.rows.into_iter().enumerate() {
            let cells: Html = row.into_iter().zip(&self.columns).enumerate().map(cell).collect();
            let class: &[(&'static str, &str)] = if self.strong.contains(&at) { &[("class", "strong")] } else { &[] };
            body.push(Html::element("tr", class, cells).line());
        }
        // The piece inside can be as narrow as the screen when the table is not.
        let caption = Html::tag("caption", Html::tag("span", self.caption.as_str())).line();
        let table = Html::tag("table", caption.and(head).and(Html::tag("tbody", body)));
        // It scrolls by itself, so those without a mouse must be able to reach it.
        let region = [("class", "wide"), ("role", "region"), ("aria-label", self.caption.as_str()), ("tabindex", "0")];
        Html::element("div", &region, table).line()
    }
}

fn cell((at, (cell, column)): (usize, (Cell, &Column))) -> Html {
    let mut classes: Vec<&str> = Vec::new();
    if column.numeric {
        classes.push("number");
    }
    classes.extend(cell.class);
    let joined = classes.join(" ");
    let mut attributes: Vec<(&'static str, &str)> = Vec::new();
    if at == 0 {
        attributes.push(("scope", "row"));
    }
    if !joined.is_empty() {
        attributes.push(("class", &joined));
    }
    let content = match &cell.bar {
        Some(percent) => {
            Html::element("span", &[("class", "bar"), ("style", &format!("--share:{percent}"))], cell.content)
        }
        None => cell.content,
    };
    Html::element(if at == 0 { "th" } else { "td" }, &attributes, content)
}

/// A number with fixed decimals, thousands set apart, a true minus sign and no sign before zero.
pub fn fixed(value: f64, decimals: usize) -> String {
    let text = format!("{:.decimals$}", value.abs());
    let (whole, rest) = text.split_once('.').map_or((text.as_str(), None), |(whole, rest)| (whole, Some(rest)));
    let mut grouped = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    if let Some(rest) = rest {
        grouped.push('.');
        grouped.push_str(rest);
    }
    let zero = text.bytes().all(|byte| matches!(byte, b'0' | b'.'));
    if value < 0.0 && !zero { format!("−{grouped}") } else { grouped }
}
