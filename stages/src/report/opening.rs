//! What comes first: what the model is for, what is said of it, whether the data are real, and the headline numbers
//! beside the naive alternatives.

use super::sources::{Performance, Sources};
use super::words::{count, estimate, rows_and_events, sentence};
use crate::common::html::{Cell, Column, Html, Table, Tone, fixed};
use crate::common::interval::Estimate;
use crate::evaluate::{Metrics, NumberMetrics};
use crate::gate::GateMode;

/// The verdict and the gate, before anything else.
pub(super) fn verdict(sources: &Sources) -> Html {
    let performance = &sources.performance;
    let mut html = Html::new();
    if performance.data() == "synthetic" {
        let text = "The data are synthetic. Every number below describes a made-up cohort and says nothing about patients; \
                    it shows that the method runs.";
        html.push(Html::note(Tone::Warning, Html::strong("Synthetic data. ").and(text)));
    }
    let promotable = sources.verdict.as_ref().map(|verdict| verdict.promotable);
    let tone = match (performance.beats_all(), promotable) {
        (_, Some(false)) => Tone::Bad,
        (false, _) => Tone::Warning,
        (true, Some(true)) => Tone::Good,
        (true, None) => Tone::Note,
    };
    html.push(Html::note(tone, Html::text(sentence(performance.verdict()))));
    let Some(verdict) = &sources.verdict else {
        return html.and(Html::paragraph("No gate was run: nothing was required of these numbers beforehand."));
    };
    let said = match (verdict.promotable, verdict.mode) {
        (true, _) => "Every rule of the gate holds: the model may be promoted.",
        (false, GateMode::Mark) => "Not every rule of the gate holds: the model is kept, but may not be promoted.",
        (false, GateMode::Enforce) => "Not every rule of the gate holds, and the gate is enforced.",
    };
    let columns = [Column::text("Rule"), Column::text("Holds"), Column::number("Actual"), Column::number("Limit")];
    let mut table = Table::new(format!("The gate: {} rules", verdict.rules.len()), columns);
    for rule in &verdict.rules {
        let holds = Cell::new(if rule.passed { "yes" } else { "no" }).marked(rule.passed);
        let number = |value: Option<f64>| match value {
            Some(value) => Cell::new(shown(value)),
            None => Cell::missing(&rule.reason),
        };
        table.push([Html::code(&rule.rule).into(), holds, number(rule.actual), number(rule.limit)]);
    }
    html.and(Html::paragraph(said)).and(table)
}

/// A number of any size with the digits that a comparison needs.
fn shown(value: f64) -> String {
    fixed(value, if value.abs() >= 1000.0 { 0 } else { 4 })
}

/// The headline numbers beside the naive alternatives, on the same rows.
pub(super) fn headlines(sources: &Sources) -> Html {
    let (rows, events, patients) = sources.performance.size();
    let intervals = sources.performance.intervals();
    let lead = format!(
        "All numbers are of the test part ({}, {} {}), which was not used to fit, calibrate or choose anything.",
        rows_and_events(rows, events),
        count(patients),
        if patients == 1 { "patient" } else { "patients" }
    );
    let how = format!(
        "In brackets are {} % intervals, by {}.",
        fixed(100.0 * intervals.confidence, 0),
        if intervals.one_row_per_patient {
            format!(
                "DeLong's method (AUROC), Wilson's (shares) and {} bootstrap resamples of patients (all others)",
                count(intervals.resamples as u64)
            )
        } else {
            format!("{} bootstrap resamples of patients", count(intervals.resamples as u64))
        }
    );
    let tables = match &sources.performance {
        Performance::Events(metrics) => event_tables(metrics),
        Performance::Number(metrics) => number_tables(metrics),
    };
    Html::paragraph(format!("{lead} {how}")).and(tables)
}

fn event_tables(metrics: &Metrics) -> Html {
    let all = &metrics.baselines;
    let baselines = [&all.flag_all, &all.flag_none, &all.prevalence, &all.logistic];
    let names = ["Flag all", "Flag none", "Prevalence", "Plain logistic"];
    let columns = [Column::text("Measure"), Column::number(format!("Model ({})", metrics.model))];
    let columns = || columns.iter().cloned().chain(names.map(Column::number));
    let mut table = Table::new("The model beside naive alternatives, on the same rows", columns());
    let size = |rows: u64, events: u64| Cell::new(format!("{} / {}", count(rows), count(events)));
    let sizes = baselines.iter().map(|baseline| size(baseline.n, baseline.events));
    table.push([Cell::from("Rows / events"), size(metrics.n, metrics.events)].into_iter().chain(sizes));
    let cost = &metrics.expected_cost;
    let costly = cost.value.or(cost.low).is_some();
    let cost = Estimate {
        value: cost.value,
        low: cost.low,
        high: cost.high,
        reason: cost.reason.clone(),
        ..Estimate::default()
    };
    let rows: [(&str, &Estimate, [Option<f64>; 4], usize); 5] = [
        ("AUROC", &metrics.auroc, baselines.map(|baseline| baseline.auroc), 3),
        ("Calibration slope", &metrics.calibration.slope, baselines.map(|baseline| baseline.calibration_slope), 2),
        ("Net benefit at the threshold", &metrics.net_benefit, baselines.map(|baseline| baseline.net_benefit), 4),
        ("Brier score", &metrics.brier, baselines.map(|baseline| baseline.brier), 4),
        ("Cost per 1,000", &cost, baselines.map(|baseline| baseline.expected_cost), 0),
    ];
    for (name, model, others, decimals) in rows.into_iter().filter(|row| row.0 != "Cost per 1,000" || costly) {
        let others = others.iter().map(|value| Cell::fixed(*value, decimals, ""));
        table.push([Cell::from(name), estimate(model, decimals)].into_iter().chain(others));
    }
    let reasons = names
        .iter()
        .zip(baselines)
        .filter_map(|(name, baseline)| baseline.reason.as_ref().map(|reason| Html::text(format!("{name}: {reason}."))));
    Html::from(table)
        .and(Html::details("Why some cells are empty", Html::list(reasons)))
        .and(event_differences(metrics))
}

/// The model minus each naive alternative.
fn event_differences(metrics: &Metrics) -> Html {
    let all = &metrics.baselines;
    let baselines = [
        ("Flag all", &all.flag_all),
        ("Flag none", &all.flag_none),
        ("Prevalence", &all.prevalence),
        ("Plain logistic", &all.logistic),
    ];
    let mut differences = vec!["AUROC", "Brier score", "Net benefit"];
    if metrics.expected_cost.value.or(metrics.expected_cost.low).is_some() {
        differences.push("Cost per 1,000");
    }
    let mut paired = Table::new(
        "Model minus alternative, on the same rows: higher AUROC and net benefit, lower Brier score and cost speak for the \
         model",
        [Column::text("Difference to")].into_iter().chain(differences.into_iter().map(Column::number)),
    );
    for (name, baseline) in baselines {
        let difference = &baseline.difference;
        let cells = [(&difference.auroc, 3), (&difference.brier, 4), (&difference.net_benefit, 4)];
        let cells = cells.into_iter().chain([(&difference.expected_cost, 0)]);
        paired.push([Cell::from(name)].into_iter().chain(cells.map(|(value, decimals)| estimate(value, decimals))));
    }
    paired.into()
}

fn number_tables(metrics: &NumberMetrics) -> Html {
    let baselines = [("Training mean", &metrics.baselines.mean), ("Plain ridge", &metrics.baselines.ridge)];
    let columns = [Column::text("Measure"), Column::number(format!("Model ({})", metrics.model))];
    let columns = columns.into_iter().chain(baselines.iter().map(|(name, _)| Column::number(*name)));
    let mut table = Table::new("The model beside naive alternatives, on the same rows, in the outcome's unit", columns);
    table.push(
        [Cell::from("Size"), rows_and_events(metrics.n, None).into()]
            .into_iter()
            .chain(baselines.iter().map(|(_, baseline)| rows_and_events(baseline.n, None).into())),
    );
    let rows = [
        ("RMSE", &metrics.rmse, baselines.map(|(_, baseline)| Some(baseline.rmse))),
        ("MAE", &metrics.mae, baselines.map(|(_, baseline)| Some(baseline.mae))),
        ("R²", &metrics.r2, baselines.map(|(_, baseline)| baseline.r2)),
        ("Bias (prediction − outcome)", &metrics.bias, [None, None]),
    ];
    for (name, model, others) in rows {
        let others = others.iter().map(|value| Cell::fixed(*value, 3, ""));
        table.push([Cell::from(name), estimate(model, 3)].into_iter().chain(others));
    }
    let mut paired = Table::new(
        "Model minus alternative, on the same resamples: negative speaks for the model",
        [Column::text("Difference to"), Column::number("RMSE"), Column::number("MAE")],
    );
    for (name, baseline) in baselines {
        paired.push([name.into(), estimate(&baseline.difference.rmse, 3), estimate(&baseline.difference.mae, 3)]);
    }
    let outcome = &metrics.outcome;
    let spread = format!(
        "Outcomes of the test part: mean {}, standard deviation {}, from {} to {}.",
        fixed(outcome.mean, 2),
        fixed(outcome.sd, 2),
        fixed(outcome.min, 2),
        fixed(outcome.max, 2)
    );
    Html::from(table).and(paired).and(Html::paragraph(spread))
}
