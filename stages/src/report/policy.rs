//! How certain the frozen threshold is: its interval, its flat neighbourhood, where it would lie in theory, what it does
//! at other event rates, and the thresholds of strata.

use super::words::{count, estimate, percent, sentence};
use crate::common::html::{Cell, Column, Html, Table, Tone, fixed};
use crate::common::privacy;
use crate::tune_threshold::{Flat, Source, Strata, Theory, Threshold, Uncertainty};

/// What threshold.json says beyond the choice itself.
pub(super) fn section(threshold: &Threshold) -> Html {
    let mut facts = Vec::new();
    if let Some(uncertainty) = &threshold.uncertainty {
        facts.extend(certain(uncertainty));
    }
    let mut html = Html::new();
    if let Some(theory) = &threshold.theory {
        facts.push(("In theory".to_owned(), in_theory(theory)));
        if let Some(note) = theory.note.as_ref().filter(|_| theory.far) {
            html.push(Html::note(Tone::Warning, sentence(note)));
        }
    }
    let strata = threshold.strata.as_ref().map(strata).unwrap_or_default();
    Html::definitions(facts).and(html).and(strata).and(alerts(threshold))
}

fn certain(uncertainty: &Uncertainty) -> Vec<(String, Html)> {
    let resamples = format!("{} resamples of {} patients", uncertainty.resamples, count(uncertainty.patients));
    let chosen = super::words::text(&uncertainty.threshold, 4);
    let mut facts = vec![("Chosen on resamples".to_owned(), Html::text(format!("{chosen}; {resamples}")))];
    if let Some(Flat { within_1_percent: [low, high], within_1_se }) = uncertainty.flat {
        let error = within_1_se
            .map(|[low, high]| format!("; {} to {} are within one standard error", fixed(low, 4), fixed(high, 4)));
        let text =
            format!("{} to {} are at most 1 % worse{}", fixed(low, 4), fixed(high, 4), error.unwrap_or_default());
        facts.push(("About as good".to_owned(), text.into()));
    }
    if let Some(optimism) = uncertainty.optimism {
        let decimals = if optimism.abs() >= 1.0 { 1 } else { 4 };
        let text = format!(
            "{} looks better by {} on the rows that chose the threshold than on others",
            sentence(uncertainty.goal.name()),
            fixed(optimism.abs(), decimals)
        );
        facts.push(("Optimism".to_owned(), text.into()));
    }
    facts
}

fn in_theory(theory: &Theory) -> Html {
    match theory.value {
        Some(value) => Html::text(format!("{}, if risks were calibrated perfectly ({})", fixed(value, 4), theory.law)),
        None => Html::text(sentence(&theory.law)),
    }
}

fn alerts(threshold: &Threshold) -> Html {
    if threshold.alerts.is_empty() {
        return Html::new();
    }
    let names = ["Flagged", "Events among them", "Events missed", "PPV"].map(Column::number);
    let mut table = Table::new(
        "Expected per 1,000 at other event rates, with sensitivity and false alarms as on the training part",
        [Column::text("Event rate")].into_iter().chain(names),
    );
    for row in &threshold.alerts {
        let reason = row.reason.as_deref().unwrap_or("not estimable");
        let number = |value: Option<f64>, decimals: usize| Cell::fixed(value, decimals, reason);
        let counts = [row.flagged_per_1000, row.true_alerts_per_1000, row.missed_per_1000];
        let counts = counts.map(|value| number(value, 1));
        table.push([percent(row.prevalence, 1).into()].into_iter().chain(counts).chain([number(row.ppv, 3)]));
    }
    table.into()
}

fn strata(strata: &Strata) -> Html {
    let cell = |cell: privacy::Cell| cell.known().map_or_else(|| Cell::missing("suppressed"), |n| count(n).into());
    let lead = Html::text("The threshold depends on ").and(Html::code(&strata.column)).and(format!(
        ". Levels with fewer than {} events, or non-events, take the overall threshold, as do missing and unknown ones.",
        count(strata.min_events)
    ));
    let names = ["Threshold", "Interval", "Rows", "Events"].map(Column::number);
    let columns = [Column::text("Level")].into_iter().chain(names).chain([Column::text("Where it comes from")]);
    let mut table = Table::new("Thresholds by level, on the training part", columns);
    for (level, one) in &strata.levels {
        let source = match one.source {
            Source::Given => "given",
            Source::Chosen => "chosen on its rows",
            Source::Overall => "overall threshold",
        };
        let interval =
            one.uncertainty.as_ref().map_or_else(|| Cell::missing(""), |certain| estimate(&certain.threshold, 4));
        let counts = [cell(one.n), cell(one.events), source.into()];
        table.push([level.as_str().into(), fixed(one.value, 4).into(), interval].into_iter().chain(counts));
    }
    Html::paragraph(lead).and(table)
}
