//! `drift.html`: drift.json for people, what to do first.
//!
//! It shows what the report holds and computes nothing; what the report leaves out for being small stays out.

use super::document::{
    Bins, ColumnDrift, Distribution, DriftReport, Measures, Performance, PerformanceStatus, Severity, Verdict,
};
use crate::common::figure::{Axis, DrawError, Mark, Plot, Tone as Ink};
use crate::common::html::{Cell, Column, Html, Page, Table, Tone, fixed};
use crate::common::interval::Estimate;
use crate::common::text::grouped;

/// The page of a report with at most so many pictures.
pub(super) fn page(report: &DriftReport, pictures: usize) -> Result<String, DrawError> {
    let n = grouped(usize::try_from(report.current.n).unwrap_or(usize::MAX));
    let as_of = report.as_of.as_deref().map(|day| format!(" as of {day}")).unwrap_or_default();
    let short = report.bundle.get(..12).unwrap_or(&report.bundle);
    let subtitle = format!("{n} current rows{as_of}, compared with the training rows of model {short}");
    Ok(Page::new("Drift", subtitle)
        .lead(lead(report))
        .section("columns", "Columns", columns(report))
        .section("pictures", "What moved most", worst(report, pictures)?)
        .section("performance", "Performance", performance(&report.performance))
        .section("rules", "How this was judged", rules(report))
        .render())
}

fn lead(report: &DriftReport) -> Html {
    let alert = &report.alert;
    let mut lead = if alert.triggered {
        let tone = if alert.severity == Severity::Low { Tone::Warning } else { Tone::Bad };
        let whom = alert.escalation.as_ref().map_or_else(String::new, |entry| {
            format!(" Severity {}: {}, within {} hours.", name_of(alert.severity), entry.to, entry.within_hours)
        });
        let head = Html::paragraph(Html::strong(format!("Something has drifted.{whom} To do: {}.", alert.action)));
        let told = alert.alerts.iter().map(|alarm| Html::code(&alarm.subject).and(format!(": {}", alarm.message)));
        Html::note(tone, head.and(Html::list(told)))
    } else {
        let compared = report.dataset.compared;
        let tone = if compared > 0 { Tone::Good } else { Tone::Warning };
        Html::note(tone, format!("No alarm: {} of {compared} compared columns drift.", report.dataset.drifted))
    };
    if report.performance.status == PerformanceStatus::Unknown {
        let reason = report.performance.reason.as_deref().unwrap_or("no outcomes");
        lead.push(Html::note(Tone::Warning, format!("Performance is unknown: {reason}.")));
    }
    if !report.notes.is_empty() {
        lead.push(Html::note(Tone::Note, Html::list(report.notes.iter().map(Html::text))));
    }
    lead
}

fn name_of(severity: Severity) -> &'static str {
    match severity {
        Severity::None => "none",
        Severity::Low => "low",
        Severity::High => "high",
        Severity::Critical => "critical",
    }
}

fn verdict(verdict: Verdict) -> Cell {
    match verdict {
        Verdict::Drifted => Cell::new("drifted").marked(false),
        Verdict::Stable => Cell::new("stable").marked(true),
        Verdict::Small => Cell::new("small"),
        Verdict::Uncertain => Cell::new("uncertain"),
        Verdict::TooFew => Cell::new("too few rows"),
        Verdict::NotCompared => Cell::new("not compared"),
    }
}

/// The order of verdicts for those who read from the top.
fn rank(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Drifted => 0,
        Verdict::Uncertain => 1,
        Verdict::Small => 2,
        Verdict::TooFew => 3,
        Verdict::Stable => 4,
        Verdict::NotCompared => 5,
    }
}

/// The columns, the worst first.
fn sorted(report: &DriftReport) -> Vec<&ColumnDrift> {
    let mut columns: Vec<&ColumnDrift> = report.columns.iter().collect();
    let psi = |column: &ColumnDrift| column.distribution.as_ref().and_then(|one| one.psi).unwrap_or(0.0);
    columns.sort_by(|a, b| rank(a.verdict).cmp(&rank(b.verdict)).then(psi(b).total_cmp(&psi(a))));
    columns
}

fn p_value(p: Option<f64>, reason: Option<&String>) -> Cell {
    match p {
        Some(p) if p < 0.0001 => Cell::new("< 0.0001"),
        p => Cell::fixed(p, 4, reason.map_or("", String::as_str)),
    }
}

fn columns(report: &DriftReport) -> Html {
    let headings = [
        Column::text("Column"),
        Column::text("Verdict"),
        Column::number("PSI"),
        Column::number("KS"),
        Column::number("Wasserstein, SD"),
        Column::number("Jensen–Shannon"),
        Column::number("p, adjusted"),
        Column::number("Missing"),
        Column::number("Attention"),
        Column::text("Why"),
    ];
    let mut table = Table::new("Every raw column that the model reads, and the scores", headings);
    let cells = |found: &Distribution| {
        // A category has no distances of numbers; what a kind has and is not there is left out.
        let by_bins = if found.reason.is_some() { "few" } else { "" };
        let of_values = if matches!(found.bins, Bins::Edges(_)) { by_bins } else { "" };
        [
            Cell::fixed(found.psi, 3, by_bins),
            Cell::fixed(found.ks, 3, of_values),
            Cell::fixed(found.wasserstein, 3, of_values),
            Cell::fixed(found.jensen_shannon, 3, by_bins),
            p_value(found.test.adjusted, found.test.reason.as_ref()),
        ]
    };
    let none = || [(); 5].map(|()| Cell::missing(""));
    if let Some(scores) = &report.scores {
        let head = [Cell::new(Html::strong("scores")), verdict(scores.verdict)];
        let tail = [Cell::missing(""), Cell::missing(""), Cell::new(scores.reasons.join("; "))];
        table.push_strong(head.into_iter().chain(cells(&scores.distribution)).chain(tail));
    }
    for column in sorted(report) {
        let name = Html::code(&column.name).and(if column.critical { " (critical)" } else { "" });
        let missing = column.missing.as_ref().map_or_else(
            || Cell::missing(""),
            |missing| match missing.current {
                Some(share) => Cell::bar(share, format!("{:.1} %", 100.0 * share)),
                None => Cell::missing("few"),
            },
        );
        let head = [Cell::new(name), verdict(column.verdict)];
        let tail = [missing, Cell::fixed(column.importance, 3, ""), Cell::new(column.reasons.join("; "))];
        table.push(head.into_iter().chain(column.distribution.as_ref().map_or_else(none, cells)).chain(tail));
    }
    let few = report.columns.iter().filter_map(|column| column.distribution.as_ref()).any(|one| one.reason.is_some());
    let note = Html::paragraph(
        "few: of so few rows that it is not told (`privacy.min_cell`). Verdicts come from all rows; where shares of some \
         bins or levels are left out, PSI and Jensen–Shannon count these as one.",
    );
    if few { Html::from(table).and(note) } else { table.into() }
}

fn worst(report: &DriftReport, pictures: usize) -> Result<Html, DrawError> {
    let scores = report.scores.iter().map(|scores| ("scores", &scores.distribution));
    let columns =
        sorted(report).into_iter().filter_map(|column| Some((column.name.as_str(), column.distribution.as_ref()?)));
    let figures: Result<Vec<Html>, DrawError> =
        scores.chain(columns).take(pictures).map(|(name, found)| picture(name, found)).collect();
    Ok(Html::side_by_side(figures?))
}

/// Shares then and now, a bar for each bin or level of the reference.
fn picture(name: &str, found: &Distribution) -> Result<Html, DrawError> {
    let shares = |shares: &[Option<f64>]| -> Vec<(f64, f64, f64)> {
        let bars = shares.iter().enumerate();
        bars.filter_map(|(at, share)| Some((at as f64 + 0.08, at as f64 + 0.92, (*share)?))).collect()
    };
    let (then, now) = (shares(&found.reference.shares), shares(&found.current.shares));
    let most = then.iter().chain(&now).map(|bar| bar.2).fold(0.0, f64::max);
    let bins = found.reference.shares.len().max(1) as f64;
    let of = match &found.bins {
        Bins::Edges(_) => "bin of the reference, from low to high",
        Bins::Levels(_) => "level, in the order of the table below",
    };
    let description = format!("Shares of {name} in the reference as bars, in the current rows as lines.");
    let plot = Plot::new(name, description, Axis::new(of, 0.0, bins), Axis::new("share of rows", 0.0, most * 1.1))
        .named("reference", Ink::Quiet, Mark::Bars(then))
        .named(
            "current",
            Ink::First,
            Mark::Bars(now.iter().map(|&(left, right, share)| (left + 0.22, right - 0.22, share)).collect()),
        );
    let mut table = Table::new(
        format!("Shares of {name}"),
        [Column::text("Values"), Column::number("Reference"), Column::number("Current")],
    );
    for (at, label) in labels(&found.bins).into_iter().enumerate() {
        let share = |shares: &[Option<f64>]| Cell::fixed(shares.get(at).copied().flatten(), 3, "few");
        table.push([Cell::new(label), share(&found.reference.shares), share(&found.current.shares)]);
    }
    Ok(Html::figure(plot.draw()?, Html::code(name), Some(table)))
}

fn labels(bins: &Bins) -> Vec<String> {
    match bins {
        Bins::Levels(levels) => levels.iter().cloned().chain(["all others".to_owned()]).collect(),
        Bins::Edges(edges) => {
            let Some((first, last)) = edges.first().zip(edges.last()) else { return vec!["all".to_owned()] };
            let inner = edges.windows(2).map(|pair| format!("{} to {}", pair[0], pair[1]));
            [format!("up to {first}")].into_iter().chain(inner).chain([format!("above {last}")]).collect()
        }
    }
}

fn estimate(estimate: &Estimate) -> Cell {
    match (estimate.value, estimate.low, estimate.high) {
        (Some(value), Some(low), Some(high)) => {
            Cell::new(format!("{} ({} to {})", fixed(value, 3), fixed(low, 3), fixed(high, 3)))
        }
        (Some(value), ..) => Cell::new(format!("{} (no interval)", fixed(value, 3))),
        _ => Cell::missing(estimate.reason.as_deref().unwrap_or("")),
    }
}

/// One measure of several.
type Pick = fn(&Measures) -> &Estimate;

fn performance(performance: &Performance) -> Html {
    let Performance { predictions, labelled, unlabelled, .. } = performance;
    let counts = format!("{predictions} predictions: {labelled} with a known outcome, {unlabelled} without.");
    let headings = [
        Column::text("Measure"),
        Column::text("Measured now"),
        Column::text("At evaluation"),
        Column::number("Expected without outcomes"),
    ];
    let mut table = Table::new("Performance with intervals", headings);
    let expected = performance.estimated.as_ref();
    let missing = performance.estimated_reason.as_deref();
    let rows: [(&str, Pick, Option<f64>); 6] = [
        ("AUROC", |one| &one.auroc, expected.and_then(|one| one.auroc)),
        ("Calibration intercept", |one| &one.calibration_intercept, None),
        ("Calibration slope", |one| &one.calibration_slope, None),
        ("Brier score", |one| &one.brier, expected.map(|one| one.brier)),
        ("Net benefit", |one| &one.net_benefit, expected.and_then(|one| one.net_benefit)),
        ("Sensitivity", |one| &one.sensitivity, expected.and_then(|one| one.sensitivity)),
    ];
    for (name, pick, expected) in rows {
        let cell = |measures: Option<&Measures>| measures.map_or_else(|| Cell::missing(""), |one| estimate(pick(one)));
        table.push([
            Cell::new(name),
            cell(performance.measured.as_ref()),
            cell(performance.reference.as_ref()),
            Cell::fixed(expected, 3, missing.unwrap_or_default()),
        ]);
    }
    let assumption = expected.map_or_else(Html::new, |one| {
        Html::paragraph(format!("What is expected without outcomes holds only if {}.", one.assumption))
    });
    Html::paragraph(counts).and(table).and(assumption)
}

fn rules(report: &DriftReport) -> Html {
    let rules = &report.rules;
    let limits = &rules.limits;
    let items = [
        (
            "An alarm needs".to_owned(),
            Html::text(format!(
                "an effect beyond its limit, an adjusted p below {}, and {} rows; {} tests were adjusted together \
                 (Benjamini and Hochberg)",
                rules.alpha, rules.min_rows, rules.tests
            )),
        ),
        (
            "Limits".to_owned(),
            Html::text(format!(
                "Wasserstein {} SD (numbers), Jensen–Shannon {} (categories), PSI {}, missing {}, new levels {}",
                limits.wasserstein, limits.jensen_shannon, limits.psi, limits.missing, limits.unseen
            )),
        ),
        (
            "The table".to_owned(),
            Html::text(format!(
                "more than {} of columns or of the model's attention; scores beyond PSI {}",
                rules.dataset.share, rules.dataset.prediction
            )),
        ),
    ];
    Html::definitions(items)
}
