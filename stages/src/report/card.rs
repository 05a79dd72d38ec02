//! model_card.md, with the headings of Mitchell et al. (Model Cards for Model Reporting, 2019).
//!
//! Numbers come from the run's files. What only people can say is shown as they said it, or as not declared, with the
//! key where it belongs; nothing is filled in for them.

use std::fmt::Write as _;

use super::decision::flags;
use super::markdown::{code, table, text};
use super::params::ReportParams;
use super::provenance::{NOT_CAUSAL, limits};
use super::slices;
use super::sources::{Performance, Sources};
use super::study;
use super::words;
use crate::common::html::fixed;
use crate::common::privacy::Cell;
use crate::common::schema::Schema;
use crate::evaluate::{Measure, SliceReport, Status};

/// The whole file.
pub(super) fn render(sources: &Sources, params: &ReportParams, schema: &Schema, title: &str) -> String {
    let mut card = format!("# Model card: {}\n\n", text(title));
    if sources.performance.data() == "synthetic" {
        card += "**Synthetic data.** Every number here describes a made-up cohort and says nothing about patients.\n\n";
    }
    details(&mut card, sources, params);
    use_of_it(&mut card, params, sources);
    section(&mut card, "Factors", &said(params.card.factors.as_deref(), "report.card.factors"));
    metrics(&mut card, sources);
    data(&mut card, sources, schema);
    analyses(&mut card, sources);
    section(&mut card, "Ethical considerations", &said(params.card.ethics.as_deref(), "report.card.ethics"));
    caveats(&mut card, sources, params);
    card
}

fn section(card: &mut String, heading: &str, body: &str) {
    // Writing to a string cannot fail.
    let _ = write!(card, "## {heading}\n\n{}\n\n", body.trim_end());
}

/// What was declared, or that it was not and where it belongs.
fn said(declared: Option<&str>, key: &str) -> String {
    match declared.filter(|declared| !declared.trim().is_empty()) {
        Some(declared) => text(declared),
        None => format!("Not declared. Add {} to params.yaml.", code(key)),
    }
}

fn details(card: &mut String, sources: &Sources, params: &ReportParams) {
    let authors = (!params.authors.is_empty()).then(|| params.authors.join("; "));
    let mut lines = vec![
        format!("- Model: {}", text(sources.performance.model())),
        format!("- Answers for it: {}", said(authors.as_deref(), "report.authors")),
        format!("- Contact: {}", said(params.contact.as_deref(), "report.contact")),
        format!("- Terms: {}", said(params.card.licence.as_deref(), "report.card.licence")),
        format!("- Citation: {}", said(params.card.citation.as_deref(), "report.card.citation")),
    ];
    if let Some(bundle) = &sources.bundle {
        lines.push(format!("- Made by: clinpipe {}", text(&bundle.clinpipe)));
    }
    if let Some(digest) = sources.digest("bundle") {
        lines.push(format!("- Bundle: {}, BLAKE3 {}", code(&digest.name), code(&digest.blake3)));
    }
    section(card, "Model details", &lines.join("\n"));
}

fn use_of_it(card: &mut String, params: &ReportParams, sources: &Sources) {
    let study = study::declared(sources).cloned().unwrap_or_default();
    let not_for = (!study.not_for.is_empty()).then(|| study.not_for.join("; "));
    let lines = [
        format!("- Question: {}", said(study.question.as_deref(), "study.question")),
        format!("- Intended use: {}", said(study.intended_use.as_deref(), "study.intended_use")),
        format!("- Users: {}", said(params.card.users.as_deref(), "report.card.users")),
        format!("- Not for: {}", said(not_for.as_deref(), "study.not_for")),
        format!("- {NOT_CAUSAL}"),
    ];
    section(card, "Intended use", &lines.join("\n"));
}

fn metrics(card: &mut String, sources: &Sources) {
    let (rows, events, patients) = sources.performance.size();
    let intervals = sources.performance.intervals();
    let mut body = format!(
        "Of the test part: {}, {} patients; {} % intervals in brackets.\n\n",
        words::rows_and_events(rows, events),
        words::count(patients),
        fixed(100.0 * intervals.confidence, 0)
    );
    let headlines = sources.performance.headlines();
    let rows =
        headlines.iter().map(|(name, estimate, decimals)| vec![text(name), text(&words::text(estimate, *decimals))]);
    body += &table(&["Measure", "Value"], rows);
    let _ = write!(body, "\n{}", text(&words::sentence(sources.performance.verdict())));
    if let Some(verdict) = &sources.verdict {
        let failed: Vec<String> =
            verdict.rules.iter().filter(|rule| !rule.passed).map(|rule| code(&rule.rule)).collect();
        let said = match failed.len() {
            0 => "Every rule of the gate holds.".to_owned(),
            _ => format!("Rules of the gate that do not hold: {}.", failed.join(", ")),
        };
        let _ = write!(body, "\n\n{said}");
    }
    if let Performance::Events(metrics) = &sources.performance {
        let _ = write!(body, "\n\n### Threshold\n\n{}. ", text(&words::sentence(&flags(&metrics.threshold))));
        if let Some(threshold) = &sources.threshold {
            let _ =
                write!(body, "{}; chosen on {}. ", text(&words::sentence(&threshold.note)), text(&threshold.part_used));
        }
        let at = &metrics.at_threshold;
        let _ = write!(
            body,
            "On the test part: {} flagged per 1,000, sensitivity {}, specificity {}, PPV {}.",
            text(&words::text(&at.flagged_per_1000, 0)),
            text(&words::text(&at.sensitivity, 3)),
            text(&words::text(&at.specificity, 3)),
            text(&words::text(&at.ppv, 3))
        );
    }
    section(card, "Metrics", &body);
}

fn data(card: &mut String, sources: &Sources, schema: &Schema) {
    let mut evaluation = String::new();
    let mut training = String::new();
    if let Some(ingest) = &sources.ingest {
        let _ = writeln!(
            training,
            "- Source: {} data, {}, BLAKE3 {}",
            text(&ingest.source),
            code(&ingest.file),
            code(&ingest.blake3)
        );
    }
    let outcome = &schema.target;
    let meaning = outcome.event.as_deref().map(|event| format!(" (1: {})", text(event)));
    let _ = writeln!(training, "- Outcome: {}{}", code(&outcome.column), meaning.unwrap_or_default());
    if let Some(split) = &sources.split {
        let _ = writeln!(
            training,
            "- Rows: {}, {} patients",
            words::rows_and_events(split.train.n, split.train.events),
            words::count(split.train.groups)
        );
        let _ = writeln!(
            evaluation,
            "- Rows: {}, {} patients; none of them were trained on",
            words::rows_and_events(split.test.n, split.test.events),
            words::count(split.test.groups)
        );
    } else {
        let (rows, events, patients) = sources.performance.size();
        let _ = writeln!(
            evaluation,
            "- Rows: {}, {} patients",
            words::rows_and_events(rows, events),
            words::count(patients)
        );
    }
    section(card, "Evaluation data", &evaluation);
    section(card, "Training data", &training);
}

fn analyses(card: &mut String, sources: &Sources) {
    let mut body = String::new();
    if let Some(cv) = &sources.cv {
        let _ = writeln!(body, "Kept: {}, because it is the {}.\n", text(&cv.chosen), text(&cv.reason));
    }
    if let Some(explain) = &sources.explain {
        for member in &explain.members {
            let top: Vec<String> = member.top.iter().take(5).map(|one| code(&one.feature)).collect();
            let _ = writeln!(body, "The {} attends most to {}.\n", text(&member.member), top.join(", "));
        }
    }
    if let Some(slices) = &sources.slices {
        body += &groups(slices);
    }
    if body.is_empty() {
        body.push_str("No further analyses are bound to this card.");
    }
    section(card, "Quantitative analyses", &body);
}

/// The declared groups in the order they were declared.
fn groups(report: &SliceReport) -> String {
    let shown: Vec<Measure> = slices::shown(report).into_iter().map(|(measure, _)| measure).collect();
    let header: Vec<&str> =
        ["Group", "Rows", "Events"].into_iter().chain(shown.iter().map(|measure| slices::name(*measure))).collect();
    let mut rows = Vec::new();
    for column in &report.slices {
        for slice in &column.levels {
            let count = |cell: Cell| cell.known().map_or_else(|| "suppressed".to_owned(), words::count);
            let events = if report.events.is_some() { count(slice.events) } else { String::new() };
            let mut row = vec![text(&format!("{}: {}", column.column, slice.level)), count(slice.n), events];
            let missing = if slice.status == Status::Insufficient { "insufficient" } else { "suppressed" };
            row.extend(shown.iter().map(|measure| match slice.measures.get(measure) {
                Some(value) => text(&words::text(value, slices::decimals(*measure))),
                None => missing.to_owned(),
            }));
            rows.push(row);
        }
    }
    if rows.is_empty() {
        return "No groups are declared. Add `evaluate.slices` to params.yaml.\n".to_owned();
    }
    format!("Groups, in the order they were declared; nothing is ranked.\n\n{}", table(&header, rows))
}

fn caveats(card: &mut String, sources: &Sources, params: &ReportParams) {
    let mut lines: Vec<String> = limits(sources).iter().map(|limit| format!("- {}", text(limit))).collect();
    lines.push(format!("- {}", said(params.card.caveats.as_deref(), "report.card.caveats")));
    section(card, "Caveats and recommendations", &lines.join("\n"));
}
