//! What was found in the data, and who answers for what was let pass.

use super::sources::Sources;
use super::words::{count, p_value, percent};
use crate::common::html::{Cell, Column, Html, Table, Tone, fixed};
use crate::common::privacy;
use crate::leakage;
use crate::validate::{Level, RuleRecord, Selection, Status, ValidationReport};

/// Leakage, then the rules of validation.
pub(super) fn section(sources: &Sources) -> Html {
    let leakage = sources.leakage.as_ref().map(leaks).unwrap_or_default();
    let validation = sources.validation.as_ref().map(validation).unwrap_or_default();
    leakage.and(validation)
}

fn leaks(report: &leakage::Report) -> Html {
    let heading = Html::heading("Leakage");
    let tested: usize = report.checks.iter().map(|record| record.tested).sum();
    let looked = format!(
        "{} checks looked at {} columns and parts of the data, at a family-wise level of {}.",
        report.checks.len(),
        count(tested as u64),
        report.level
    );
    let open = report.findings.iter().filter(|finding| finding.waived.is_none()).count();
    let note = match (open, report.findings.len()) {
        (0, 0) => Html::note(Tone::Good, "No leak was found."),
        (0, waived) => Html::note(Tone::Warning, format!("{waived} findings, each waived by a person named below.")),
        (open, _) => Html::note(Tone::Bad, format!("{open} findings that nobody answers for.")),
    };
    let mut found = Table::new(
        "Findings and warnings, with who answers for them and why",
        [Column::text("Check"), Column::text("Subject"), Column::text("What it means"), Column::number("Effect")]
            .into_iter()
            .chain([Column::number("Bound"), Column::number("p (Holm)"), Column::text("Waived by, because")]),
    );
    let warned = report.warnings.iter().map(|warning| (warning, " (warning)"));
    for (finding, kind) in report.findings.iter().map(|finding| (finding, "")).chain(warned) {
        let p =
            finding.p_value.map_or_else(|| Cell::missing("a count"), |p| p_value(p).trim_start_matches("= ").into());
        let waived = match &finding.waived {
            Some(waived) => Cell::new(format!("{}: {}", waived.who, waived.why)),
            None => Cell::missing("not waived"),
        };
        let check = format!("{}{kind}", finding.check.as_str().replace('_', " "));
        let effect = fixed(finding.effect, 3);
        let subject = Html::code(&finding.subject);
        let text = finding.text.as_str();
        found.push([
            check.into(),
            subject.into(),
            text.into(),
            effect.into(),
            fixed(finding.bound, 3).into(),
            p,
            waived,
        ]);
    }
    let found = if found.is_empty() { Html::new() } else { found.into() };
    let mut checks = Table::new(
        "What was looked at",
        [Column::text("Check"), Column::number("Subjects"), Column::number("Tested"), Column::text("Why not all")],
    );
    for record in &report.checks {
        let reason = record.reason.as_deref().map_or_else(|| Cell::missing(""), Cell::from);
        let name = record.check.as_str().replace('_', " ");
        checks.push([name.into(), count(record.subjects as u64).into(), count(record.tested as u64).into(), reason]);
    }
    heading.and(note).and(Html::paragraph(looked)).and(found).and(Html::details("All checks", checks))
}

fn validation(report: &ValidationReport) -> Html {
    let passed = report.rules.iter().filter(|rule| rule.status == Status::Passed).count();
    let lead = format!(
        "{} rows were read; {} kept every rule and {} were set aside. {} of {} rules were broken by no row.",
        count(report.read as u64),
        count(report.passed as u64),
        count(report.quarantined as u64),
        passed,
        report.rules.len()
    );
    let warnings = Html::list(report.warnings.iter().map(Html::text));
    let warnings = if warnings.is_empty() { warnings } else { Html::note(Tone::Warning, warnings) };
    let mut html = Html::heading("Validation").and(Html::paragraph(lead)).and(warnings);
    html.push(rules(report));
    if !report.converted.is_empty() {
        let said = report.converted.iter().map(|one| {
            Html::code(&one.column).and(format!(": {} values from {} to {}", count(one.rows as u64), one.from, one.to))
        });
        html.push(Html::paragraph("Converted units:").and(Html::list(said)));
    }
    let selections = [&report.by_outcome].into_iter().chain(&report.by_subgroup);
    let tables: Html = selections.map(|selection| set_aside(selection, report.min_cell)).collect();
    html.and(Html::details("Who was set aside", tables))
}

fn rules(report: &ValidationReport) -> Html {
    let columns =
        [Column::text("Rule"), Column::text("Subject"), Column::text("Level"), Column::text("Rows that break it")];
    let columns =
        columns.into_iter().chain([Column::number("Judged"), Column::text("Tolerated"), Column::text("Outcome")]);
    let mut table = Table::new("Rules that some row breaks", columns);
    for rule in report.rules.iter().filter(|rule| rule.status != Status::Passed) {
        let share = rule.fraction.unwrap_or(0.0);
        let broken = Cell::bar(share, format!("{} ({})", count(rule.n_failed as u64), percent(share, 2)));
        table.push([
            rule.rule.as_str().into(),
            Html::code(&rule.subject).into(),
            level(rule.level).into(),
            broken,
            count(rule.n_evaluated as u64).into(),
            tolerance(rule).into(),
            status(rule.status),
        ]);
    }
    if table.is_empty() { Html::paragraph("No rule is broken by any row.") } else { table.into() }
}

fn level(level: Level) -> &'static str {
    match level {
        Level::Warning => "warning",
        Level::Error => "error",
        Level::Critical => "critical",
    }
}

fn tolerance(rule: &RuleRecord) -> String {
    format!("{} or {} rows", percent(rule.max_fail, 1), count(rule.max_rows))
}

fn status(status: Status) -> Cell {
    match status {
        Status::Passed => Cell::new("passed").marked(true),
        Status::Tolerated => Cell::new("tolerated"),
        Status::Warning => Cell::new("warning").marked(false),
        Status::Failed => Cell::new("failed").marked(false),
    }
}

fn set_aside(selection: &Selection, min_cell: u64) -> Html {
    let test = match (selection.p_value, selection.gap) {
        (Some(p), Some(gap)) => format!("gap {}, p {}", percent(gap, 2), p_value(p)),
        _ => selection.reason.clone().unwrap_or_else(|| "no test".to_owned()),
    };
    let mut table = Table::new(
        format!("Set aside by {}: {test}", selection.column),
        [Column::text("Level"), Column::number("Read"), Column::number("Set aside"), Column::number("Share")],
    );
    let suppressed = format!("fewer than {min_cell}, or would reveal such a count");
    for level in &selection.levels {
        let number = |cell: privacy::Cell| cell.known().map_or_else(|| Cell::missing(&suppressed), |n| count(n).into());
        let rate = level.rate.map_or_else(|| Cell::missing("suppressed"), |rate| percent(rate, 2).into());
        table.push([level.level.as_str().into(), number(level.read), number(level.quarantined), rate]);
    }
    table.into()
}
