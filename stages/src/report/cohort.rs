//! Who is in the study, as cohort.json tells it: the flow from rows read to parts, who was not watched long enough, and
//! whether there are enough.

use super::words::{count, percent};
use crate::StageError;
use crate::cohort::{CohortReport, FollowUp, SampleSize, Step};
use crate::common::figure::{Flow, Step as Drawn};
use crate::common::html::{Cell, Column, Html, Table, Tone, fixed};

/// Steps that divide the rows before them, instead of leaving some out.
const PARTS: [&str; 3] = ["train", "test", "unused"];

/// The flow of participants, follow-up and sample size.
pub(super) fn section(report: &CohortReport) -> Result<Html, StageError> {
    let warnings = Html::list(report.warnings.iter().map(Html::text));
    let warnings = if warnings.is_empty() { warnings } else { Html::note(Tone::Warning, warnings) };
    let follow_up = match &report.follow_up {
        Some(follow_up) => censored(follow_up),
        None => Html::paragraph(
            "No column says how long patients were watched, so nobody knows how many were lost before the horizon.",
        ),
    };
    Ok(warnings.and(flow(report)?).and(follow_up).and(sample_size(&report.sample_size)))
}

fn name(step: &str) -> String {
    match step {
        "read" => "Raw file".to_owned(),
        "deduplicated" => "Without duplicates".to_owned(),
        "sampled" => "In the sample".to_owned(),
        "validated" => "Kept every rule".to_owned(),
        "train" => "Training part".to_owned(),
        "test" => "Test part".to_owned(),
        "unused" => "Not used".to_owned(),
        other => super::words::sentence(other),
    }
}

fn size(step: &Step) -> String {
    super::words::rows_and_events(step.rows, step.events)
}

fn flow(report: &CohortReport) -> Result<Html, StageError> {
    let mut drawn: Vec<Drawn> = Vec::new();
    let mut parts = Vec::new();
    let mut before: Option<u64> = None;
    let columns = ["Rows", "Left out", "Patients", "Events"].map(Column::number);
    let mut table = Table::new("Flow of participants", [Column::text("Step")].into_iter().chain(columns));
    let mut reasons = Vec::new();
    for step in &report.attrition {
        let part = PARTS.contains(&step.step.as_str());
        let left = before.filter(|_| !part).and_then(|before| before.checked_sub(step.rows)).filter(|rows| *rows > 0);
        let text = left.map(|rows| format!("{} left out", count(rows)));
        let one = Drawn { name: name(&step.step), count: size(step), left: text };
        if part {
            parts.push(one);
        } else {
            drawn.push(one);
        }
        let number = |n: Option<u64>| n.map_or_else(|| Cell::missing("not told"), |n| count(n).into());
        let left = left.map_or_else(|| Cell::missing(""), |rows| count(rows).into());
        table.push([
            name(&step.step).into(),
            count(step.rows).into(),
            left,
            number(step.patients),
            number(step.events),
        ]);
        if let Some(reason) = &step.reason {
            reasons.push(Html::text(format!("{}: {reason}.", name(&step.step))));
        }
        if !part {
            before = Some(step.rows);
        }
    }
    let flow = Flow { title: "Flow of participants".to_owned(), steps: drawn, parts };
    Ok(Html::figure(flow.draw()?, "Flow of participants.", Some(table))
        .and(Html::details("What is not told", Html::list(reasons))))
}

fn censored(follow_up: &FollowUp) -> Html {
    let unit = serde_json::to_value(follow_up.unit).ok().and_then(|unit| unit.as_str().map(str::to_owned));
    Html::paragraph(
        Html::text(format!(
            "{} rows without the event were not watched up to the horizon of {} {}, and {} do not say how long ({} of all \
             rows); they count as having had no event. Follow-up is in ",
            count(follow_up.censored),
            fixed(follow_up.horizon, 0),
            unit.unwrap_or_default(),
            count(follow_up.unknown),
            percent(follow_up.share, 1)
        ))
        .and(Html::code(&follow_up.column))
        .and("."),
    )
}

fn sample_size(size: &SampleSize) -> Html {
    let have = super::words::rows_and_events(size.n, size.events);
    let parameters = size.parameters.map_or_else(|| "an unknown number of".to_owned(), count);
    let lead =
        format!("The training part has {have} for {parameters} candidate parameters (criteria of Riley et al.).");
    let mut table =
        Table::new("Patients needed", [Column::text("Criterion"), Column::text("Asks for"), Column::number("Needed")]);
    for criterion in &size.criteria {
        let reason = criterion.reason.as_deref().unwrap_or("not told");
        let needed = criterion.n.map_or_else(|| Cell::missing(reason), |n| count(n).into());
        table.push([
            super::words::sentence(&criterion.name.replace('_', " ")).into(),
            criterion.asks.as_str().into(),
            needed,
        ]);
    }
    let required = size.required.map(|n| super::words::rows_and_events(n, size.required_events));
    let note = match (size.enough, required) {
        (Some(true), Some(required)) => Html::note(Tone::Good, format!("Needed are {required}; there are enough.")),
        (Some(false), Some(required)) => Html::note(Tone::Warning, format!("Needed are {required}; there are fewer.")),
        _ => {
            let open = || size.criteria.iter().find_map(|criterion| criterion.reason.as_deref());
            let reason = size.reason.as_deref().or_else(open).unwrap_or("no reason given");
            Html::paragraph(format!("Whether that is enough cannot be told: {reason}."))
        }
    };
    Html::heading("Sample size").and(Html::paragraph(lead)).and(note).and(Html::details("Criteria", table))
}
