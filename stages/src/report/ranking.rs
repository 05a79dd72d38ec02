//! How well risks rank patients. It stands in the second row on purpose: a good ranking of wrong risks is no help.

use super::curves::thinned;
use super::sources::{Performance, Sources};
use super::words::{estimate, rows_and_events};
use crate::StageError;
use crate::common::figure::{Axis, Mark, Plot, Tone};
use crate::common::html::{Cell, Column, Html, Table, fixed};
use crate::common::privacy::DecisionsTold;

const TABLE_ROWS: usize = 21;

/// AUROC and average precision with their curves.
pub(super) fn section(sources: &Sources) -> Result<Html, StageError> {
    let Performance::Events(metrics) = &sources.performance else { return Ok(Html::new()) };
    let mut table = Table::new(
        format!("Ranking of {}", rows_and_events(metrics.n, Some(metrics.events))),
        [Column::text("Measure"), Column::number("Value"), Column::text("Without information")],
    );
    table.push(["AUROC".into(), estimate(&metrics.auroc, 3), "0.5".into()]);
    let prevalence = format!("{}, the share of events", fixed(metrics.prevalence, 3));
    table.push(["Average precision (AUPRC)".into(), estimate(&metrics.auprc, 3), prevalence.into()]);
    let level = metrics.prevalence;
    let plots = [
        curve(sources, "roc", ["ROC curve", "1 − specificity", "sensitivity"], vec![(0.0, 0.0), (1.0, 1.0)])?,
        curve(sources, "pr", ["Precision-recall curve", "recall", "precision"], vec![(0.0, level), (1.0, level)])?,
    ];
    Ok(Html::from(table).and(Html::side_by_side(plots)))
}

fn curve(
    sources: &Sources,
    name: &str,
    [title, x, y]: [&str; 3],
    reference: Vec<(f64, f64)>,
) -> Result<Html, StageError> {
    let line = sources.curves.line(name);
    if line.is_empty() {
        return Ok(Html::new());
    }
    let description = format!("{y} against {x}; the dashed line is a model without information.");
    let plot = Plot::new(title, description, Axis::new(x, 0.0, 1.0), Axis::new(y, 0.0, 1.0))
        .named("no information", Tone::Quiet, Mark::Line(reference))
        .named("model", Tone::First, Mark::Line(line));
    let mut table = Table::new(title, [Column::number(x), Column::number(y)]);
    for point in thinned(sources.curves.points(name), TABLE_ROWS) {
        table.push([Cell::fixed(Some(point.x), 3, ""), Cell::fixed(point.y, 3, "")]);
    }
    let coarse = match &sources.performance {
        Performance::Events(metrics)
            if sources.privacy.decisions == DecisionsTold::Ranges && !metrics.small_cells.is_empty() =>
        {
            " Only corners are drawn between which many patients lie; the area below is not the AUROC."
        }
        _ => "",
    };
    Ok(Html::figure(plot.draw()?, format!("{title} of the test part.{coarse}"), Some(table)))
}
