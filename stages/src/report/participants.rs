//! Who is in the study: from the rows of the raw file to the parts that were trained on and tested.

use std::fmt::Write as _;

use super::cohort;
use super::sources::Sources;
use super::words::{count, percent, rows_and_events};
use crate::StageError;
use crate::common::figure::{Flow, Step};
use crate::common::html::{Cell, Column, Html, Table, fixed};

/// The flow of participants as a picture and a table, and what is missing.
pub(super) fn section(sources: &Sources) -> Result<Html, StageError> {
    let mut html = source(sources);
    html.push(match &sources.cohort {
        Some(cohort) => cohort::section(cohort)?,
        None => flow(sources)?,
    });
    html.push(split(sources));
    html.push(missing(sources));
    Ok(html)
}

fn source(sources: &Sources) -> Html {
    let Some(ingest) = &sources.ingest else { return Html::new() };
    let file = Html::text(format!("{} data, ", ingest.source)).and(Html::code(&ingest.file));
    Html::definitions([("Source".to_owned(), file), ("BLAKE3 of the file".to_owned(), Html::code(&ingest.blake3))])
}

fn flow(sources: &Sources) -> Result<Html, StageError> {
    let Some(split) = &sources.split else { return Ok(Html::new()) };
    let mut steps = Vec::new();
    if let Some(ingest) = &sources.ingest {
        steps.push(Step { name: "Raw file".to_owned(), count: rows_and_events(ingest.rows_read, None), left: None });
        let dropped = ingest.rows_read.saturating_sub(ingest.rows_kept);
        let kept = rows_and_events(ingest.rows_kept, None);
        let left = format!("{} left out", count(dropped));
        steps.push(Step { name: "Taken in".to_owned(), count: kept, left: (dropped > 0).then_some(left) });
    }
    let before = sources.ingest.as_ref().map_or(split.n, |ingest| ingest.rows_kept);
    let left = before.checked_sub(split.n).filter(|rows| *rows > 0).map(|rows| format!("{} set aside", count(rows)));
    steps.push(Step { name: "Analysed".to_owned(), count: rows_and_events(split.n, split.events), left });
    let part = |name: &str, part: &super::views::PartView| Step {
        name: name.to_owned(),
        count: rows_and_events(part.n, part.events),
        left: None,
    };
    let mut parts = vec![part("Training part", &split.train), part("Test part", &split.test)];
    if let Some(unused) = split.unused.as_ref().filter(|unused| unused.n > 0) {
        parts.push(part("Not used", unused));
    }
    let flow = Flow { title: "Flow of participants".to_owned(), steps, parts };
    let mut table =
        Table::new("Flow of participants", [Column::text("Step"), Column::number("Left"), Column::number("Size")]);
    for step in flow.steps.iter().chain(&flow.parts) {
        let left = step.left.as_deref().map_or_else(|| Cell::missing(""), Cell::from);
        table.push([step.name.as_str().into(), left, step.count.as_str().into()]);
    }
    Ok(Html::figure(flow.draw()?, "Flow of participants.", Some(table)))
}

fn split(sources: &Sources) -> Html {
    let Some(split) = &sources.split else { return Html::new() };
    let kind = serde_json::to_value(split.kind).ok().and_then(|kind| kind.as_str().map(|kind| kind.replace('_', " ")));
    let mut text = format!(
        "Split ({}): {} in the test part; the others train, in {} folds. Of {} patients, none is on both sides.",
        kind.unwrap_or_default(),
        rows_and_events(split.test.n, split.test.events),
        split.folds.len(),
        count(split.groups)
    );
    if let Some(time) = &split.time {
        let (cutoff, gap) = (fixed(time.cutoff, 0), fixed(time.gap, 0));
        // Writing to a string cannot fail.
        let _ = write!(text, " The test period begins at {} = {cutoff}, after a gap of {gap}.", time.column);
        if let Some(by) = &time.fold_by {
            let _ = write!(text, " The folds are by {by} and do not follow time.");
        }
    }
    let columns = ["Patients", "Rows", "Events", "From", "To"].map(Column::number);
    let mut table = Table::new("The parts", [Column::text("Part")].into_iter().chain(columns));
    let folds = split.folds.iter().enumerate().map(|(at, fold)| (format!("Fold {} (held out)", at + 1), fold));
    let parts = [("Training".to_owned(), &split.train), ("Test".to_owned(), &split.test)];
    for (name, part) in parts.into_iter().chain(folds) {
        let time = |at: usize| part.time.map_or_else(|| Cell::missing(""), |time| fixed(time[at], 0).into());
        let events = part.events.map_or_else(|| Cell::missing(""), |events| count(events).into());
        table.push([name.into(), count(part.groups).into(), count(part.n).into(), events, time(0), time(1)]);
    }
    Html::paragraph(text).and(Html::details("Sizes of parts and folds", table))
}

fn missing(sources: &Sources) -> Html {
    let Some(ingest) = &sources.ingest else { return Html::new() };
    let mut table = Table::new(
        format!("Missing values in {} rows taken in; columns without any are not listed", count(ingest.rows_kept)),
        [Column::text("Column"), Column::number("Missing"), Column::text("Share")],
    );
    for (name, column) in ingest.columns.iter().filter(|(_, column)| column.missing > 0) {
        // How complete a column is says something of the data, not of a group of patients.
        let cells = [count(column.missing).into(), Cell::bar(column.missing_share, percent(column.missing_share, 1))];
        table.push([Html::code(name).into()].into_iter().chain(cells));
    }
    if table.is_empty() { Html::paragraph("No value is missing.") } else { table.into() }
}
