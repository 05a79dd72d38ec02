//! What decisions by the model are worth: the decision curve, the frozen threshold with its policy, and the cost.

use serde_json::Value;

use super::curves::thinned;
use super::policy;
use super::sources::{Detail, Performance, Sources};
use super::words::{count, estimate, rows_and_events, sentence};
use crate::StageError;
use crate::common::figure::{Axis, Mark, Plot, Tone};
use crate::common::html::{self, Cell, Column, Html, Table, fixed};
use crate::common::privacy::Privacy;
use crate::evaluate::{ByLevel, FrozenThreshold, Metrics};
use crate::tune_threshold::{Decision, Threshold};

/// Rows of a table that stands for a picture.
const TABLE_ROWS: usize = 21;

/// The decision curve with flagging everyone and no one.
pub(super) fn curve(sources: &Sources) -> Result<Html, StageError> {
    let Performance::Events(metrics) = &sources.performance else { return Ok(Html::new()) };
    let curves = &sources.curves;
    let model = curves.line("decision");
    if model.is_empty() {
        return Ok(Html::new());
    }
    let all = curves.line("decision_flag_all");
    let top = model.iter().chain(&all).map(|at| at.1).fold(0.01, f64::max);
    let last = model.iter().map(|at| at.0).fold(0.0, f64::max);
    let plot = Plot::new(
        "Decision curve",
        "Net benefit per patient over thresholds, for the model, for flagging everyone and for flagging no one.",
        Axis::new("threshold probability", 0.0, last),
        Axis::new("net benefit per patient", -0.25 * top, 1.05 * top),
    )
    .mark(Tone::First, Mark::Band(curves.band("decision")))
    .named("model", Tone::First, Mark::Line(model))
    .named("flag all", Tone::Second, Mark::Line(all))
    .named("flag none", Tone::Third, Mark::Line(vec![(0.0, 0.0), (last, 0.0)]));
    // Where levels have thresholds of their own, none of them is the frozen one.
    let frozen = Some(metrics.threshold.value).filter(|_| metrics.threshold.by_level.is_none());
    let plot = match frozen {
        Some(value) => plot.mark(Tone::Quiet, Mark::At(value)),
        None => plot,
    };
    let mut table = Table::new(
        "Net benefit per patient by threshold; flagging no one has 0",
        [Column::text("Threshold")].into_iter().chain(["Model", "Low", "High", "Flag all"].map(Column::number)),
    );
    let flag_all = curves.points("decision_flag_all");
    for point in thinned(curves.points("decision"), TABLE_ROWS) {
        let others = flag_all.iter().find(|other| other.x == point.x).and_then(|other| other.y);
        let cells = [point.y, point.low, point.high, others].map(|value| Cell::fixed(value, 4, ""));
        table.push([Cell::from(fixed(point.x, 2))].into_iter().chain(cells));
    }
    let lead = "The model is worth using at thresholds where its line lies above both others. A threshold of 0.1 stands for \
                the opinion that one missed event is as bad as nine needless alerts.";
    let dashed = if frozen.is_some_and(|value| value > 0.0 && value <= last) {
        " The dashed vertical line is the frozen threshold."
    } else {
        ""
    };
    let size = rows_and_events(metrics.n, Some(metrics.events));
    let caption = format!("Decision curve with the bootstrap band of the model: {size}.{dashed}");
    let said = match &sources.evaluation {
        Some(Detail::Events(evaluation)) => Html::paragraph(sentence(&evaluation.decision_curve.text)),
        _ => Html::new(),
    };
    Ok(Html::paragraph(lead).and(said).and(Html::figure(plot.draw()?, caption, Some(table))))
}

/// The frozen threshold: how it was chosen, and what it does on the test part.
pub(super) fn threshold(sources: &Sources) -> Result<Html, StageError> {
    let Performance::Events(metrics) = &sources.performance else { return Ok(Html::new()) };
    let chosen = sources.threshold.as_ref().map(|threshold| chosen(threshold).and(policy::section(threshold)));
    let chosen = chosen.unwrap_or_default();
    // evaluation.json has the same costs cell by cell.
    let costs = match &sources.evaluation {
        Some(Detail::Events(evaluation)) if evaluation.costs.is_some() => Html::new(),
        _ => cost_table(metrics),
    };
    Ok(chosen.and(at_threshold(metrics, sources.privacy)).and(cost_curve(sources)?).and(costs))
}

fn chosen(threshold: &Threshold) -> Html {
    let note = sentence(&threshold.note);
    let on = format!("{} ({})", threshold.part_used, rows_and_events(threshold.n, Some(threshold.events)));
    let mut facts = vec![
        ("Threshold".to_owned(), sentence(&flags(&FrozenThreshold::new(threshold))).into()),
        ("Chosen on".to_owned(), on.into()),
        ("Why this one".to_owned(), format!("{note}.").into()),
    ];
    let policy = serde_json::to_value(&threshold.policy).unwrap_or_default();
    let mut keys = Vec::new();
    leaves("", &policy, &mut keys);
    if !keys.is_empty() {
        let keys = keys.iter().map(|(key, value)| Html::code(format!("{key}: {value}")));
        let keys = keys.enumerate().map(|(at, key)| if at == 0 { key } else { Html::text(", ").and(key) });
        facts.push(("Policy".to_owned(), keys.collect()));
    }
    let lead = "The threshold is part of the bundle: it was frozen before the test part was scored.";
    Html::paragraph(lead).and(Html::definitions(facts))
}

/// Who is flagged, in words.
pub(super) fn flags(threshold: &FrozenThreshold) -> String {
    let value = threshold.value;
    match (threshold.decision, &threshold.by_level) {
        (Decision::Cutoff, Some(by_level)) => by_levels(by_level, value),
        (decision, _) => overall(decision, value),
    }
}

/// Who is flagged where the threshold depends on a column.
fn by_levels(by_level: &ByLevel, value: f64) -> String {
    let of = |value: f64| match value {
        value if value <= 0.0 => "everyone".to_owned(),
        value if value > 1.0 => "no one".to_owned(),
        value => format!("from a risk of {} on", fixed(value, 4)),
    };
    let levels: Vec<String> = by_level.levels.iter().map(|(name, &value)| format!("{name}: {}", of(value))).collect();
    format!("who is flagged depends on {} ({}; any other: {})", by_level.column, levels.join("; "), of(value))
}

fn overall(decision: Decision, value: f64) -> String {
    match decision {
        Decision::Cutoff => format!("flagged when the risk is at least {}", fixed(value, 4)),
        Decision::FlagAll => "everyone is flagged".to_owned(),
        Decision::FlagNone => "no one is flagged".to_owned(),
    }
}

/// The settings of a policy by dotted key, without those that are not set.
fn leaves(prefix: &str, value: &Value, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let key = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
                leaves(&key, value, found);
            }
        }
        Value::Null => {}
        Value::String(text) => found.push((prefix.to_owned(), text.clone())),
        other => found.push((prefix.to_owned(), other.to_string())),
    }
}

fn at_threshold(metrics: &Metrics, privacy: Privacy) -> Html {
    let at = &metrics.at_threshold;
    let mut counts = Table::new(
        format!("Decisions on the test part: {}", rows_and_events(at.n, Some(at.events))),
        [Column::text(""), Column::number("Event"), Column::number("No event")],
    );
    let matrix =
        [[at.counts.true_positive, at.counts.false_positive], [at.counts.false_negative, at.counts.true_negative]];
    let few = metrics.small_cells.iter().any(|path| path.starts_with("at_threshold."));
    let told = privacy.decisions(&at.counts, few).is_exact();
    for (name, row) in ["Flagged", "Not flagged"].into_iter().zip(matrix) {
        let cell = |n: u64| if told { count(n).into() } else { Cell::missing("suppressed") };
        counts.push([Cell::from(name)].into_iter().chain(row.map(cell)));
    }
    let why = format!(
        "A cell has fewer than {} patients. With it, the others and every share would follow, so shares are told as the \
         range that such a cell allows; curves are drawn in steps of about as many.",
        privacy.min_cell
    );
    let why = if told { Html::new() } else { Html::note(html::Tone::Note, Html::text(why)) };
    let mut shares = Table::new("The same as shares", [Column::text("Measure"), Column::number("Value")]);
    let rows = [
        ("Flagged per 1,000", estimate(&at.flagged_per_1000, 0)),
        ("Sensitivity (flagged among events)", estimate(&at.sensitivity, 3)),
        ("Specificity (unflagged among non-events)", estimate(&at.specificity, 3)),
        ("PPV (events among flagged)", estimate(&at.ppv, 3)),
        ("NPV (non-events among unflagged)", estimate(&at.npv, 3)),
        ("Net benefit per patient", estimate(&metrics.net_benefit, 4)),
    ];
    for (name, value) in rows {
        shares.push([name.into(), value]);
    }
    Html::side_by_side([Html::from(counts), Html::from(shares)]).and(why)
}

fn cost_curve(sources: &Sources) -> Result<Html, StageError> {
    let sweep = &sources.sweep;
    let inside = |points: Vec<(f64, f64)>| -> Vec<(f64, f64)> {
        points.into_iter().filter(|at| (0.0..=1.0).contains(&at.0)).collect()
    };
    let cost = inside(sweep.line("cost"));
    let level = |curve: &str| sweep.line(curve).first().map(|at| vec![(0.0, at.1), (1.0, at.1)]);
    let chosen = sources.threshold.as_ref().filter(|threshold| threshold.strata.is_none());
    // Without costs, or where the choice is to flag everyone, the policy's own table still has the numbers.
    if cost.len() < 2 {
        return Ok(Html::new());
    }
    let all = sources.threshold.as_ref().and_then(|threshold| threshold.expected.flag_all_cost_per_1000);
    let none = sources.threshold.as_ref().and_then(|threshold| threshold.expected.flag_none_cost_per_1000);
    let all = all.map(|cost| vec![(0.0, cost), (1.0, cost)]).or_else(|| level("flag_all")).unwrap_or_default();
    let none = none.map(|cost| vec![(0.0, cost), (1.0, cost)]).or_else(|| level("flag_none")).unwrap_or_default();
    let heights = cost.iter().chain(&all).chain(&none).map(|at| at.1);
    let mut plot = Plot::new(
        "Cost over thresholds",
        "Cost per 1,000 training patients by threshold, beside flagging everyone and no one.",
        Axis::new("threshold", 0.0, 1.0),
        Axis::around("cost per 1,000", heights.chain([0.0])),
    )
    .named("by the model", Tone::First, Mark::Line(cost))
    .named("flag all", Tone::Second, Mark::Line(all))
    .named("flag none", Tone::Third, Mark::Line(none));
    if let Some(chosen) = chosen {
        plot = plot.mark(Tone::Quiet, Mark::At(chosen.value));
    }
    let mut table = Table::new("Cost per 1,000 by threshold", [Column::text("Threshold"), Column::number("Cost")]);
    for point in thinned(sweep.points("cost"), TABLE_ROWS) {
        table.push([fixed(point.x, 3).into(), Cell::fixed(point.y, 0, "")]);
    }
    let caption = "Cost per 1,000 on the cross-fitted training predictions that the threshold was chosen on.";
    Ok(Html::figure(plot.draw()?, caption, Some(table)))
}

fn cost_table(metrics: &Metrics) -> Html {
    let cost = &metrics.expected_cost;
    if let (None, Some(low), Some(high)) = (cost.value, cost.low, cost.high) {
        let range = format!("between {} and {}", fixed(low, 0), fixed(high, 0));
        return Html::paragraph(format!("Expected cost per {} test patients: {range}.", count(u64::from(cost.per))));
    }
    let Some(model) = cost.value else {
        let reason = cost.reason.as_deref().unwrap_or("no cost table");
        return Html::paragraph(format!("Costs are not estimated: {reason}."));
    };
    let mut table = Table::new(
        format!("Expected cost per {} test patients, in the unit of the cost table", count(u64::from(cost.per))),
        [Column::text("Decision"), Column::number("Cost"), Column::number("Model minus this")],
    );
    let interval = match (cost.low, cost.high) {
        (Some(low), Some(high)) => format!("{} ({} to {})", fixed(model, 0), fixed(low, 0), fixed(high, 0)),
        _ => fixed(model, 0),
    };
    table.push_strong(["By the model".into(), interval.into(), Cell::missing("")]);
    let all = &metrics.baselines;
    for (name, baseline) in
        [("Flag all", &all.flag_all), ("Flag none", &all.flag_none), ("Plain logistic", &all.logistic)]
    {
        let difference = estimate(&baseline.difference.expected_cost, 0);
        table.push([name.into(), Cell::fixed(baseline.expected_cost, 0, "not estimated"), difference]);
    }
    table.into()
}
