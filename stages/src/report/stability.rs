//! How much the predictions of the same patients depend on who happened to be in the training part, and whether more
//! patients would help.

use super::sources::Sources;
use super::words::{count, metric_name, percent, rows_and_events};
use crate::StageError;
use crate::common::figure::{Axis, Mark, Measured, Plot, Tone};
use crate::common::html::{Cell, Column, Html, Table, Tone as Said, fixed};
use crate::stability::{CurvePoint, Distribution, Flips, Part, Stability};

/// Refits, flips and the learning curve.
pub(super) fn section(sources: &Sources) -> Result<Html, StageError> {
    let Some(report) = &sources.stability else { return Ok(Html::new()) };
    let part = match report.instability.part {
        Part::Test => "test",
        Part::Train => "training",
    };
    let lead = format!(
        "The whole recipe ({}) was fitted again on {} bootstrap samples of the patients of the training part ({}), {}. Each \
         refit predicted the same {} rows of the {part} part.",
        report.model,
        report.refits,
        rows_and_events(report.training.n, report.training.events),
        if report.retuned {
            "each with a search for settings of its own"
        } else {
            "all with the settings of the model"
        },
        count(report.instability.n)
    );
    let mut html = Html::paragraph(lead);
    if !report.enough_refits {
        html.push(Html::note(
            Said::Warning,
            "These are fewer than the 200 refits that Riley and Collins (2023) advise.",
        ));
    }
    if let Some(failure) = &report.failure {
        html.push(Html::note(Said::Warning, format!("{} refits could not be made: {failure}.", report.failed)));
    }
    html.push(movement(report));
    if let Some(flips) = &report.instability.flips {
        html.push(sides(flips));
    }
    if let Some(curve) = &report.learning_curve {
        html.push(Html::heading("Learning curve").and(learning(curve)?));
    }
    Ok(html)
}

fn movement(report: &Stability) -> Html {
    let names = ["Mean", "Median", "95th percentile", "Largest"].map(Column::number);
    let mut table = Table::new(
        "How far the predictions of one patient lie apart, over patients",
        [Column::text("Per patient")].into_iter().chain(names),
    );
    let row = |name: &str, of: &Distribution| {
        let numbers = [of.mean, of.median, of.p95, of.max].map(|value| Cell::from(fixed(value, 3)));
        [Cell::from(name)].into_iter().chain(numbers).collect::<Vec<_>>()
    };
    table.push(row("Mean |refit − model| (MAPE)", &report.instability.mape));
    table.push(row("Width of the middle 95 % of refits", &report.instability.spread));
    table.into()
}

fn sides(flips: &Flips) -> Html {
    let lead = format!(
        "{} of the rows change sides at the threshold in a mean refit; {} do so in at least one refit of twenty.",
        percent(flips.mean_share, 1),
        percent(flips.unsettled_share, 1)
    );
    let names = ["Rows", "Risk from", "To", "MAPE"].map(Column::number);
    let columns = [Column::text("Tenth by risk")].into_iter().chain(names).chain([Column::text("Change sides")]);
    let mut table = Table::new("By tenths of predicted risk, lowest first", columns);
    for one in &flips.deciles {
        let numbers = [fixed(one.low, 3), fixed(one.high, 3), fixed(one.mape, 3)].map(Cell::from);
        let row = [Cell::from(one.decile.to_string()), count(one.n).into()].into_iter().chain(numbers);
        table.push(row.chain([Cell::bar(one.flip_share, percent(one.flip_share, 1))]));
    }
    Html::paragraph(lead).and(table)
}

fn learning(curve: &[CurvePoint]) -> Result<Html, StageError> {
    let mut scores: Vec<&String> = curve.iter().flat_map(|point| point.scores.keys()).collect();
    scores.sort();
    scores.dedup();
    let columns = [Column::text("Share of the patients"), Column::number("Rows"), Column::number("Events")];
    let columns =
        columns.into_iter().chain(scores.iter().map(|score| Column::number(format!("{} (SD)", metric_name(score)))));
    let mut table = Table::new("Performance by the number of training patients", columns);
    for point in curve {
        let number = |value: Option<f64>| Cell::fixed(value, 0, "");
        let cells = scores.iter().map(|score| match point.scores.get(*score).map(|one| (one.mean, one.sd)) {
            Some((Some(mean), Some(sd))) => Cell::new(format!("{} ({})", fixed(mean, 4), fixed(sd, 4))),
            Some((Some(mean), None)) => Cell::new(fixed(mean, 4)),
            _ => Cell::missing("not defined"),
        });
        let start = [Cell::from(percent(point.fraction, 0)), number(point.n), number(point.events)];
        table.push(start.into_iter().chain(cells));
    }
    let score = ["auroc", "rmse"].into_iter().find(|score| curve.iter().any(|point| point.scores.contains_key(*score)));
    let Some(score) = score else { return Ok(table.into()) };
    let points: Vec<Measured> = curve
        .iter()
        .filter_map(|point| {
            let one = point.scores.get(score)?;
            let mean = one.mean?;
            Some((point.events.or(point.n)?, mean, one.sd.map(|sd| (mean - sd, mean + sd))))
        })
        .collect();
    let of = if curve.iter().any(|point| point.events.is_some()) { "events" } else { "rows" };
    let name = if score == "auroc" { "AUROC" } else { "RMSE" };
    let line = points.iter().map(|point| (point.0, point.1)).collect();
    let heights =
        points.iter().flat_map(|point| [Some(point.1), point.2.map(|ends| ends.0), point.2.map(|ends| ends.1)]);
    let plot = Plot::new(
        "Learning curve",
        format!("{name} on held-out folds by the number of {of} that were learned from."),
        Axis::around(format!("{of} learned from"), points.iter().map(|point| point.0)),
        Axis::around(name, heights.flatten()),
    )
    .mark(Tone::First, Mark::Line(line))
    .mark(Tone::First, Mark::Points(points));
    Ok(Html::figure(plot.draw()?, "Learning curve: means over repeats, with one standard deviation.", Some(table)))
}
