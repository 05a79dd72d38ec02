//! `validation.html`: the same as validation.json for people, what to look at first.
//!
//! It shows what the report holds and computes nothing; what the report leaves out for being small stays out.

use super::document::{RuleRecord, Selection, Status, ValidationReport};
use super::params::Level;
use crate::common::html::{Cell, Column, Html, Page, Table, Tone};
use crate::common::privacy::Privacy;
use crate::common::text::grouped;

/// The page of a report.
pub(super) fn page(report: &ValidationReport) -> String {
    let ValidationReport { read, passed, quarantined, .. } = report;
    let subtitle =
        format!("{} rows read, {} passed, {} set aside", grouped(*read), grouped(*passed), grouped(*quarantined));
    let broken: Vec<&RuleRecord> = report.rules.iter().filter(|rule| rule.status != Status::Passed).collect();
    Page::new("Data quality", subtitle)
        .lead(lead(report))
        .section("summary", "Rows", summary(report))
        .section("broken", "Rules that rows break", rules("Rules that rows break", &broken))
        .section("selection", "Who was set aside", selections(report))
        .section("units", "Converted units", converted(report))
        .section("rules", "All rules", rules("All rules by column", &report.rules.iter().collect::<Vec<_>>()))
        .render()
}

fn lead(report: &ValidationReport) -> Html {
    if report.warnings.is_empty() {
        return Html::note(Tone::Good, "Every row keeps every rule.");
    }
    Html::note(Tone::Warning, Html::list(report.warnings.iter().map(Html::text)))
}

fn summary(report: &ValidationReport) -> Html {
    let share = |rows: usize| rows as f64 / report.read.max(1) as f64;
    let row = |name: &str, rows: usize| {
        [Cell::new(name), Cell::new(grouped(rows)), Cell::bar(share(rows), format!("{:.2} %", 100.0 * share(rows)))]
    };
    let columns = [Column::text("Rows"), Column::number("Number"), Column::number("Share")];
    let mut table = Table::new("Rows read, passed and set aside", columns)
        .row(row("Read", report.read))
        .row(row("Passed", report.passed))
        .row(row("Set aside", report.quarantined));
    if let Some(events) = report.events {
        table.push(row("Passed, with the event", events));
    }
    Html::from(table)
        .and(Html::paragraph("Rows that are set aside stand in the quarantine file with the rules they break."))
}

fn rules(caption: &str, records: &[&RuleRecord]) -> Html {
    let columns = [
        Column::text("Column or rule"),
        Column::text("Rule"),
        Column::text("Level"),
        Column::number("Judged"),
        Column::number("Broken"),
        Column::number("Share"),
        Column::number("Tolerated"),
        Column::text("Rows, values, remarks"),
        Column::text("Result"),
    ];
    let mut table = Table::new(caption, columns);
    for record in records {
        let share = match record.fraction {
            Some(share) => Cell::bar(share, format!("{:.2} %", 100.0 * share)),
            None => Cell::missing("not judged on any row"),
        };
        let tolerated = match (record.level, record.max_rows) {
            (Level::Critical, _) => "none".to_owned(),
            (_, 0) => format!("{:.2} %", 100.0 * record.max_fail),
            (_, rows) => format!("{:.2} % or {rows}", 100.0 * record.max_fail),
        };
        table.push([
            Cell::new(Html::code(&record.subject)),
            Cell::new(record.rule.as_str()),
            Cell::new(level(record.level)),
            Cell::new(grouped(record.n_evaluated)),
            Cell::new(grouped(record.n_failed)),
            share,
            Cell::new(tolerated),
            Cell::new(examples(record)),
            result(record.status),
        ]);
    }
    if table.is_empty() { Html::new() } else { table.into() }
}

fn level(level: Level) -> &'static str {
    match level {
        Level::Warning => "warning",
        Level::Error => "error",
        Level::Critical => "critical",
    }
}

fn result(status: Status) -> Cell {
    match status {
        Status::Passed => Cell::new("passed").marked(true),
        Status::Tolerated => Cell::new("within tolerance"),
        Status::Warning => Cell::new("warning").marked(false),
        Status::Failed => Cell::new("failed").marked(false),
    }
}

/// Where to look in the file, and which values were found there; values that few rows have are not in the report.
fn examples(record: &RuleRecord) -> Html {
    let mut parts = Vec::new();
    if !record.example_row_ids.is_empty() {
        let rows: Vec<String> = record.example_row_ids.iter().map(i64::to_string).collect();
        let more = if record.n_failed > rows.len() { " …" } else { "" };
        parts.push(Html::text(format!("row_id {}{more}", rows.join(", "))));
    }
    for value in &record.example_values {
        parts.push(Html::code(&value.value).and(format!(" in {} rows", value.rows)));
    }
    parts.extend(record.note.as_ref().map(Html::text));
    let mut joined = Html::new();
    for (at, part) in parts.into_iter().enumerate() {
        if at > 0 {
            joined.push("; ");
        }
        joined.push(part);
    }
    joined
}

fn selections(report: &ValidationReport) -> Html {
    if report.quarantined == 0 {
        return Html::paragraph("No row was set aside.");
    }
    let privacy = Privacy { min_cell: report.min_cell, ..Privacy::default() };
    [&report.by_outcome]
        .into_iter()
        .chain(&report.by_subgroup)
        .map(|selection| one_selection(selection, privacy))
        .collect()
}

fn one_selection(selection: &Selection, privacy: Privacy) -> Html {
    let columns =
        [Column::text(&selection.column), Column::number("Read"), Column::number("Set aside"), Column::number("Share")];
    let mut table = Table::new(format!("Set aside by {}", selection.column), columns);
    for level in &selection.levels {
        let count = |cell: crate::common::privacy::Cell| match cell.known() {
            Some(count) => Cell::new(grouped(usize::try_from(count).unwrap_or(usize::MAX))),
            None => Cell::missing(&privacy.reason()),
        };
        let share = match level.rate {
            Some(rate) => Cell::bar(rate, format!("{:.2} %", 100.0 * rate)),
            None => Cell::missing(""),
        };
        table.push([Cell::new(level.level.as_str()), count(level.read), count(level.quarantined), share]);
    }
    let verdict = match (selection.p_value, selection.gap) {
        (Some(p), Some(gap)) => format!(
            "The shares lie {:.2} points apart; p {} ({}).",
            100.0 * gap,
            if p < 0.0001 { "< 0.0001".to_owned() } else { format!("= {p:.4}") },
            selection.method.as_deref().unwrap_or_default()
        ),
        _ if selection.selective => {
            "The shares lie more than 2 points apart; p < 0.01. The numbers would tell of few patients.".to_owned()
        }
        _ => selection.reason.clone().unwrap_or_else(|| "No two levels are large enough to compare.".to_owned()),
    };
    Html::from(table).and(Html::paragraph(verdict))
}

fn converted(report: &ValidationReport) -> Html {
    let columns = [Column::text("Column"), Column::text("From"), Column::text("To"), Column::number("Rows")];
    let mut table = Table::new("Values converted to the schema's units", columns);
    for one in &report.converted {
        let texts = [one.column.as_str(), one.from.as_str(), one.to.as_str()];
        table.push(texts.map(Cell::new).into_iter().chain([Cell::new(grouped(one.rows))]));
    }
    if table.is_empty() { Html::new() } else { table.into() }
}
