//! The model on data from elsewhere: as it is, and after the steps of mending it.

use super::sources::Sources;
use super::words::{count, estimate, percent, rows_and_events, sentence};
use crate::common::html::{Cell, Column, Html, Table, fixed};
use crate::evaluate::{ExternalReport, Update};

/// The ladder and the case mix.
pub(super) fn section(sources: &Sources) -> Html {
    let Some(report) = &sources.external else { return Html::new() };
    let data = &report.data;
    let lead = format!(
        "{} data, {}: {}; {} patients. {} of them had the event, {} of the training rows. {}",
        sentence(&data.source),
        data.file,
        rows_and_events(report.n, Some(report.events)),
        count(report.patients),
        percent(report.prevalence, 1),
        percent(report.training_prevalence, 1),
        sentence(&report.unseen.text)
    );
    Html::paragraph(lead).and(ladder(report)).and(Html::paragraph(sentence(&report.note))).and(case_mix(report))
}

fn ladder(report: &ExternalReport) -> Html {
    let names = ["AUROC", "Calibration in the large", "Slope", "ICI", "Brier score", "Net benefit"];
    let mut table = Table::new(
        format!("The ladder: the model as it is, then updated more and more ({} folds, cross-fitted)", report.folds),
        [Column::text("Model")].into_iter().chain(names.map(Column::number)),
    );
    for rung in &report.ladder {
        let name = match rung.update {
            Update::AsIs => "As it is",
            Update::Intercept => "Intercept updated",
            Update::InterceptAndSlope => "Intercept and slope updated",
            Update::Refitted => "Refitted",
        };
        let values = [(&rung.auroc, 3), (&rung.intercept, 2), (&rung.slope, 2), (&rung.ici, 4), (&rung.brier, 4)];
        let values = values.into_iter().chain([(&rung.net_benefit, 4)]);
        table.push([Cell::from(name)].into_iter().chain(values.map(|(value, decimals)| estimate(value, decimals))));
    }
    let about = report.ladder.iter().map(|rung| Html::text(sentence(&rung.about)));
    Html::from(table).and(Html::list(about))
}

fn case_mix(report: &ExternalReport) -> Html {
    let mix = &report.case_mix;
    let spread = format!(
        "Log odds of the predictions: mean {}, standard deviation {}",
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
