//! Performance by declared groups, as forest plots and tables: in the order they were declared, never ranked. What is
//! suppressed or insufficient is said to be so.

use super::sources::Sources;
use super::words::{count, estimate, p_value, sentence};
use crate::StageError;
use crate::common::figure::{Forest, ForestRow};
use crate::common::html::{Cell, Column, Html, Table, Tone, fixed};
use crate::common::interval::Estimate;
use crate::common::privacy;
use crate::evaluate::{ColumnProfile, Group, GroupProfile, Measure, Profiles, Slice, SliceReport, Status, TimeReport};

/// Slices, profiles and periods.
pub(super) fn section(sources: &Sources) -> Result<Html, StageError> {
    let Some(report) = &sources.slices else { return Ok(Html::new()) };
    let lead = format!(
        "Groups are shown in the order they were declared; nothing is ranked. Groups with fewer than {} events, \
         non-events or patients are insufficient and have no numbers. Counts below {} are suppressed. {} gaps were tested \
         together, adjusted by Holm's procedure.",
        report.rules.sufficient_from,
        report.rules.min_cell,
        count(report.tests.count as u64)
    );
    let mut html = Html::paragraph(lead);
    if report.slices.is_empty() {
        html.push(Html::note(
            Tone::Note,
            Html::text("No groups are declared. Add ").and(Html::code("evaluate.slices")).and(" to params.yaml."),
        ));
    } else {
        let pictures = shown(report).into_iter().map(|(measure, reference)| forest(report, measure, reference));
        html.push(Html::side_by_side(pictures.collect::<Result<Vec<_>, _>>()?));
        for column in &report.slices {
            let used = if column.used_by_model { "read by the model" } else { "not read by the model" };
            html.push(levels(&format!("By {} ({used})", column.column), &column.levels, report));
        }
        html.push(Html::details("Gaps: each group minus all others", gaps(report)));
    }
    if let Some(time) = &report.over_time {
        html.push(over_time(time, report)?);
    }
    if let Some(profiles) = &report.profiles {
        html.push(Html::heading("Who is missed, and who is flagged in vain").and(differences(profiles)));
    }
    Ok(html)
}

/// The measures of the pictures, with the value to compare with.
pub(super) fn shown(report: &SliceReport) -> Vec<(Measure, Option<f64>)> {
    match report.events {
        Some(_) => vec![(Measure::ObservedExpected, Some(1.0)), (Measure::Auroc, None)],
        None => vec![(Measure::Bias, Some(0.0)), (Measure::Rmse, None)],
    }
}

pub(super) fn name(measure: Measure) -> &'static str {
    match measure {
        Measure::Auroc => "AUROC",
        Measure::Intercept => "Calibration in the large",
        Measure::Slope => "Calibration slope",
        Measure::ObservedExpected => "Observed / expected",
        Measure::Sensitivity => "Sensitivity",
        Measure::FalsePositiveRate => "False positive rate",
        Measure::Ppv => "PPV",
        Measure::FlaggedPer1000 => "Flagged per 1,000",
        Measure::Rmse => "RMSE",
        Measure::Mae => "MAE",
        Measure::Bias => "Bias",
    }
}

pub(super) fn decimals(measure: Measure) -> usize {
    match measure {
        Measure::FlaggedPer1000 => 0,
        Measure::Intercept | Measure::Slope | Measure::ObservedExpected => 2,
        _ => 3,
    }
}

fn forest(report: &SliceReport, measure: Measure, reference: Option<f64>) -> Result<Html, StageError> {
    let mut rows = Vec::new();
    for column in &report.slices {
        rows.push(ForestRow { name: column.column.clone(), estimate: Estimate::default(), heading: true });
        rows.extend(column.levels.iter().map(|level| row(level, measure)));
    }
    picture(rows, measure, reference, "group")
}

fn row(slice: &Slice, measure: Measure) -> ForestRow {
    let estimate = slice.measures.get(&measure).cloned().unwrap_or_default();
    ForestRow { name: slice.level.clone(), estimate, heading: false }
}

fn picture(rows: Vec<ForestRow>, measure: Measure, reference: Option<f64>, of: &str) -> Result<Html, StageError> {
    if rows.iter().all(|row| row.estimate.value.is_none()) {
        let text =
            "is not drawn: every one of them has too few patients, or its value would tell how many events few have.";
        return Ok(Html::paragraph(format!("{} by {of} {text}", name(measure))));
    }
    let title = format!("{} by {of}", name(measure));
    let drawing = Forest {
        description: format!("{} of each {of} with its interval.", name(measure)),
        label: name(measure).to_owned(),
        title: title.clone(),
        reference,
        rows,
    };
    let line = if reference.is_some() { " The dashed line is the perfect value." } else { "" };
    Ok(Html::figure(
        drawing.draw()?,
        format!("{title}, with intervals.{line} The numbers are in the tables below."),
        None,
    ))
}

fn cell(cell: privacy::Cell) -> Cell {
    cell.known().map_or_else(|| Cell::missing("suppressed"), |n| count(n).into())
}

fn measures(slices: &[Slice]) -> Vec<Measure> {
    let mut all: Vec<Measure> = slices.iter().flat_map(|slice| slice.measures.keys().copied()).collect();
    all.sort();
    all.dedup();
    all
}

fn levels(caption: &str, slices: &[Slice], report: &SliceReport) -> Html {
    let measures = measures(slices);
    let mut columns = vec![Column::text("Group"), Column::number("Rows")];
    if report.events.is_some() {
        columns.push(Column::number("Events"));
    }
    columns.extend(measures.iter().map(|measure| Column::number(name(*measure))));
    let mut table = Table::new(caption, columns);
    let mut reasons = Vec::new();
    for slice in slices {
        let mut cells = vec![Cell::from(slice.level.as_str()), cell(slice.n)];
        if report.events.is_some() {
            cells.push(cell(slice.events));
        }
        let insufficient = slice.status == Status::Insufficient;
        cells.extend(measures.iter().map(|measure| match slice.measures.get(measure) {
            Some(value) if value.value.is_none() && value.reason.as_ref() == Some(&report.rules.reason) => {
                Cell::missing("suppressed")
            }
            Some(value) => estimate(value, decimals(*measure)),
            None if insufficient => Cell::missing("insufficient"),
            None => Cell::missing("suppressed"),
        }));
        if let Some(reason) = &slice.reason {
            reasons.push(Html::text(format!("{}: {reason}.", slice.level)));
        }
        table.push(cells);
    }
    Html::from(table).and(Html::list(reasons))
}

fn gaps(report: &SliceReport) -> Html {
    let columns = [Column::text("Group"), Column::text("Measure"), Column::number("Gap")];
    let columns = columns.into_iter().chain([Column::number("p"), Column::number("p (Holm)")]);
    let mut table = Table::new("Each group minus all other rows, on the same resamples", columns);
    for column in &report.slices {
        for slice in &column.levels {
            for (measure, gap) in &slice.gaps {
                let p = |p: Option<f64>| {
                    p.map_or_else(|| Cell::missing("no test"), |p| p_value(p).trim_start_matches("= ").into())
                };
                let group = format!("{}: {}", column.column, slice.level);
                let difference = estimate(&gap.difference, decimals(*measure));
                table.push([group.into(), name(*measure).into(), difference, p(gap.p), p(gap.p_holm)]);
            }
        }
    }
    Html::paragraph(sentence(&report.tests.note)).and(table)
}

fn over_time(time: &TimeReport, report: &SliceReport) -> Result<Html, StageError> {
    let mut html = Html::heading(format!("Over time ({})", time.column));
    let pictures = shown(report).into_iter().map(|(measure, reference)| {
        picture(time.periods.iter().map(|period| row(period, measure)).collect(), measure, reference, "period")
    });
    html.push(Html::side_by_side(pictures.collect::<Result<Vec<_>, _>>()?));
    html.push(levels(&format!("By period of {}", time.column), &time.periods, report));
    let p = time.trend.p.map(|p| format!(", p {}", p_value(p))).unwrap_or_default();
    let slope = super::words::text(&time.trend.slope, 4);
    Ok(html.and(Html::paragraph(format!("Trend of the {} per {}: {slope}{p}.", time.trend.of, time.trend.per))))
}

/// The columns in which wrong decisions differ most from right ones.
fn differences(profiles: &Profiles) -> Html {
    let known = |group: Group| match profiles.groups.get(&group).and_then(|cell| cell.known()) {
        Some(n) => count(n),
        None => "suppressed".to_owned(),
    };
    let lead = format!(
        "Missed events: {}; found events: {}; needless alerts: {}; rightly left alone: {}. Standardised differences \
         describe the columns in which these groups differ most.",
        known(Group::Fn),
        known(Group::Tp),
        known(Group::Fp),
        known(Group::Tn)
    );
    let missed = &profiles.most_different.fn_vs_tp;
    let alarmed = &profiles.most_different.fp_vs_tn;
    let side = |caption: &str, names: &[String], pair: [Group; 2], difference: fn(&ColumnProfile) -> Option<f64>| {
        let [wrong, right] = pair.map(label);
        let columns = [Column::text("Column"), Column::number("Difference"), Column::text(wrong), Column::text(right)];
        let mut table = Table::new(caption, columns);
        for name in names {
            let Some(profile) = profiles.columns.iter().find(|profile| profile.column == *name) else { continue };
            let unit = profile.unit.as_deref().map(|unit| format!(" ({unit})")).unwrap_or_default();
            let values = pair.map(|group| summary(profile.groups.get(&group)));
            let difference = Cell::fixed(difference(profile), 2, "suppressed");
            table.push([Html::code(name).and(unit).into(), difference].into_iter().chain(values));
        }
        if table.is_empty() { Html::new() } else { Html::from(table) }
    };
    let missed = side("Missed against found events", missed, [Group::Fn, Group::Tp], |one| one.difference.fn_vs_tp);
    let alarmed = side("Needless alerts against rightly left alone", alarmed, [Group::Fp, Group::Tn], |one| {
        one.difference.fp_vs_tn
    });
    Html::paragraph(lead).and(missed).and(alarmed)
}

fn label(group: Group) -> &'static str {
    match group {
        Group::Tp => "Found events",
        Group::Fp => "Needless alerts",
        Group::Fn => "Missed events",
        Group::Tn => "Rightly left alone",
    }
}

/// A column in one group: median and quartiles, or the shares of its levels.
fn summary(profile: Option<&GroupProfile>) -> Cell {
    match profile {
        Some(GroupProfile::Number { quartiles: Some([low, middle, high]), .. }) => {
            Cell::new(format!("{} ({}–{})", fixed(*middle, 1), fixed(*low, 1), fixed(*high, 1)))
        }
        Some(GroupProfile::Category(levels)) => {
            let shares = levels.iter().map(|level| match level.share {
                Some(share) => format!("{} {}", level.level, super::words::percent(share, 0)),
                None => format!("{} suppressed", level.level),
            });
            Cell::new(shares.collect::<Vec<_>>().join(", "))
        }
        _ => Cell::missing("suppressed"),
    }
}
