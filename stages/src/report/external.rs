//! The model on data from elsewhere: as it is, and after the steps of mending it.

use super::sources::{External, Sources};
use super::words::{count, estimate, percent, rows_and_events, sentence};
use crate::common::html::{Cell, Column, Html, Table, fixed};
use crate::evaluate::{CaseMix, ExternalReport, NewData, NumberExternal, Update};

/// The ladder and the case mix.
pub(super) fn section(sources: &Sources) -> Html {
    match &sources.external {
        None => Html::new(),
        Some(External::Events(report)) => events(report),
        Some(External::Number(report)) => numbers(report),
    }
}

fn events(report: &ExternalReport) -> Html {
    let lead = format!(
        "{}. {} of them had the event, {} of the training rows. {}",
        about(&report.data, report.n, Some(report.events), report.patients),
        percent(report.prevalence, 1),
        percent(report.training_prevalence, 1),
        sentence(&report.unseen.text)
    );
    let names = ["AUROC", "Calibration in the large", "Slope", "ICI", "Brier score", "Net benefit"];
    let mut table = ladder(report.folds, &names);
    for rung in &report.ladder {
        let values = [(&rung.auroc, 3), (&rung.intercept, 2), (&rung.slope, 2), (&rung.ici, 4), (&rung.brier, 4)];
        let values = values.into_iter().chain([(&rung.net_benefit, 4)]);
        let values = values.map(|(value, decimals)| estimate(value, decimals));
        table.push([Cell::from(name(rung.update, "Intercept updated"))].into_iter().chain(values));
    }
    let steps = report.ladder.iter().map(|rung| rung.about.as_str());
    let flagged = match &report.by_level {
        Some(levels) => format!("Flagged by the frozen thresholds of {}.", levels.column),
        None => format!("Net benefit is taken at the frozen threshold, {}.", fixed(report.threshold, 4)),
    };
    Html::paragraph(lead)
        .and(table)
        .and(Html::list(steps.map(|about| Html::prose(sentence(about)))))
        .and(Html::paragraph(Html::prose(format!("{} {flagged}", sentence(&report.note)))))
        .and(case_mix(&report.case_mix, "Log odds of the predictions"))
}

fn numbers(report: &NumberExternal) -> Html {
    let lead = format!(
        "{}. The outcome has a mean of {} and a standard deviation of {}; the mean of the training rows is {}. {}",
        about(&report.data, report.n, None, report.patients),
        fixed(report.outcome.mean, 2),
        fixed(report.outcome.sd, 2),
        fixed(report.training_mean, 2),
        sentence(&report.unseen.text)
    );
    let names = ["RMSE", "MAE", "R²", "Calibration in the large (prediction − outcome)", "Slope"];
    let mut table = ladder(report.folds, &names);
    for rung in &report.ladder {
        let values = [(&rung.rmse, 3), (&rung.mae, 3), (&rung.r2, 3), (&rung.bias, 3), (&rung.slope, 2)];
        let values = values.map(|(value, decimals)| estimate(value, decimals));
        table.push([Cell::from(name(rung.update, "Shifted"))].into_iter().chain(values));
    }
    let steps = report.ladder.iter().map(|rung| rung.about.as_str());
    Html::paragraph(lead)
        .and(table)
        .and(Html::list(steps.map(|about| Html::prose(sentence(about)))))
        .and(Html::paragraph(Html::prose(sentence(&report.note))))
        .and(case_mix(&report.case_mix, "Predictions"))
}

fn about(data: &NewData, n: u64, events: Option<u64>, patients: u64) -> String {
    let patients = format!("{} {}", count(patients), if patients == 1 { "patient" } else { "patients" });
    format!("{} data, {}: {}; {patients}", sentence(&data.source), data.file, rows_and_events(n, events))
}

fn ladder(folds: usize, names: &[&str]) -> Table {
    Table::new(
        format!("The ladder: the model as it is, then updated more and more ({folds} folds, cross-fitted)"),
        [Column::text("Model")].into_iter().chain(names.iter().map(|name| Column::number(*name))),
    )
}

fn name(update: Update, first: &'static str) -> &'static str {
    match update {
        Update::AsIs => "As it is",
        Update::Intercept => first,
        Update::InterceptAndSlope => "Intercept and slope updated",
        Update::Refitted => "Refitted",
    }
}

fn case_mix(mix: &CaseMix, what: &str) -> Html {
    let spread = format!(
        "{what}: mean {}, standard deviation {}",
        fixed(mix.linear_predictor.mean, 2),
        fixed(mix.linear_predictor.sd, 2)
    );
    let development = match (&mix.development, &mix.reason) {
        (Some(spread), _) => {
            format!("; in the test part of the development study {} and {}", fixed(spread.mean, 2), fixed(spread.sd, 2))
        }
        (None, Some(reason)) => format!("; not compared with the development study: {reason}"),
        (None, None) => String::new(),
    };
    let names = ["Outside training", "Share", "Missing", "Missing in training"];
    let mut table = Table::new(
        "Features beside those of the training rows",
        [Column::text("Feature")].into_iter().chain(names.map(Column::number)).chain([Column::text("New levels")]),
    );
    for (name, shift) in &mix.features {
        let share =
            |share: Option<f64>| share.map_or_else(|| Cell::missing("suppressed"), |share| percent(share, 1).into());
        let outside = shift.outside.known().map_or_else(|| Cell::missing("suppressed"), |n| count(n).into());
        let levels = shift.new_levels.join(", ");
        let numbers =
            [outside, share(shift.outside_share), share(shift.missing_share), share(shift.training_missing_share)];
        table.push([Html::code(name).into()].into_iter().chain(numbers).chain([levels.into()]));
    }
    Html::paragraph(format!("{spread}{development}.")).and(Html::details("Features", table))
}
