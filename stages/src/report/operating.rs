//! The tables of evaluation.json: thresholds, what decisions cost, other prevalences, the plain logistic regression on
//! the same rows, and the numbers that are often asked for and say little.

use super::decided::{LR_NEGATIVE, LR_POSITIVE, NPV, PPV, SCREENED, SENSITIVITY, SPECIFICITY, cost_per_1000};
use super::sources::{Detail, Performance, Sources};
use super::words::{count, estimate, p_value, percent, rows_and_events, sentence, text};
use crate::common::html::{Cell, Column, Html, Table, fixed};
use crate::common::privacy::Privacy;
use crate::common::privacy::decisions::Told;
use crate::evaluate::{Costs, Deployment, Evaluation, ThresholdRow};

/// Rows of the table of thresholds, beside the frozen one.
const THRESHOLDS: usize = 20;

/// Tables that belong to the threshold.
pub(super) fn section(sources: &Sources) -> Html {
    let Some(Detail::Events(evaluation)) = &sources.evaluation else { return Html::new() };
    let costs = evaluation.costs.as_ref().map(|one| costs(one, sources.privacy)).unwrap_or_default();
    let others = Html::details("What other thresholds would do", thresholds(evaluation, sources.privacy));
    frozen(evaluation).and(costs).and(others).and(prevalences(evaluation))
}

/// The model beside the plain logistic regression.
pub(super) fn comparison(sources: &Sources) -> Html {
    let Some(Detail::Events(evaluation)) = &sources.evaluation else { return Html::new() };
    let one = &evaluation.comparison;
    let test = match (one.auroc_test.z, one.auroc_test.p) {
        (Some(z), Some(p)) => format!(", z = {}, p {}", fixed(z, 2), p_value(p)),
        _ => String::new(),
    };
    Html::paragraph(format!(
        "Paired with the {} on the same rows, the model's AUROC differs by {}{test}, its Brier score by {}, its net benefit \
         by {}.",
        one.with.replace('_', " "),
        text(&one.auroc, 4),
        text(&one.brier, 5),
        text(&one.net_benefit, 5)
    ))
}

/// What stands last, of an event: measures that a worse model can win by.
pub(super) fn appendix(sources: &Sources) -> Html {
    let Performance::Events(metrics) = &sources.performance else { return Html::new() };
    let at = &metrics.at_threshold;
    let caption = format!("At the frozen threshold, of {}", rows_and_events(at.n, Some(at.events)));
    let mut table = Table::new(caption, [Column::text("Measure"), Column::number("Value")]);
    table.push([format!("F-beta (beta {})", at.beta).into(), estimate(&at.fbeta, 3)]);
    let mut note = "These are often asked for and say little: none of them is a proper measure of a risk.".to_owned();
    if let Some(Detail::Events(evaluation)) = &sources.evaluation {
        let appendix = &evaluation.appendix;
        note = sentence(&appendix.note);
        table.push(["F1".into(), estimate(&appendix.f1, 3)]);
        table.push(["Accuracy".into(), estimate(&appendix.accuracy, 3)]);
        let majority = fixed(appendix.accuracy_of_majority, 3);
        table.push(["Accuracy of always giving the more frequent class".into(), majority.into()]);
    }
    Html::paragraph(note).and(table)
}

/// Residuals and the calibration line of a model that predicts a number.
pub(super) fn residuals(sources: &Sources) -> Html {
    let Some(Detail::Number(evaluation)) = &sources.evaluation else { return Html::new() };
    let caption = format!("Outcome on prediction, and what is left, of {}", rows_and_events(evaluation.n, None));
    let mut table = Table::new(caption, [Column::text("Measure"), Column::number("Value")]);
    table.push(["Calibration intercept".into(), estimate(&evaluation.calibration.intercept, 3)]);
    table.push(["Calibration slope".into(), estimate(&evaluation.calibration.slope, 3)]);
    let residuals = &evaluation.residuals;
    table.push(["Mean of prediction − outcome".into(), fixed(residuals.mean, 3).into()]);
    table.push(["Standard deviation".into(), fixed(residuals.sd, 3).into()]);
    table.push(["Median of the absolute values".into(), fixed(residuals.median_absolute, 3).into()]);
    for quantile in &residuals.quantiles {
        let name = format!("{} of the rows are below", percent(quantile.q, 0));
        table.push([name.into(), fixed(quantile.value, 3).into()]);
    }
    table.into()
}

fn size(evaluation: &Evaluation) -> String {
    rows_and_events(evaluation.n, Some(evaluation.events))
}

fn frozen(evaluation: &Evaluation) -> Html {
    let at = &evaluation.at_threshold;
    let mut table = Table::new(
        format!("Further measures at the frozen threshold, of {}", size(evaluation)),
        [Column::text("Measure"), Column::number("Value")],
    );
    table.push(["Likelihood ratio of a flag".into(), estimate(&at.lr_positive, 2)]);
    table.push(["Likelihood ratio of no flag".into(), estimate(&at.lr_negative, 3)]);
    table.push(["Number needed to screen (1 / PPV)".into(), estimate(&at.number_needed_to_screen, 1)]);
    table.push(["Youden's index".into(), estimate(&at.youden, 3)]);
    table.into()
}

fn thresholds(evaluation: &Evaluation, privacy: Privacy) -> Html {
    let names = ["Flagged", "TP", "FP", "FN", "TN", "Sensitivity", "Specificity", "PPV", "NPV", "LR+", "LR−", "NNS"];
    let names = names.into_iter().chain(["Net benefit", "Cost per 1,000"]);
    let mut table = Table::new(
        format!("Thresholds on the test part: {}", size(evaluation)),
        [Column::text("Threshold")].into_iter().chain(names.map(Column::number)),
    );
    let step = evaluation.thresholds.len().div_ceil(THRESHOLDS).max(1);
    let rows = evaluation.thresholds.iter().enumerate().filter(|(at, row)| row.frozen || at % step == 0);
    let rows: Vec<(&ThresholdRow, Told)> =
        rows.map(|(_, row)| (row, privacy.decisions(&row.counts, !row.small_cells.is_empty()))).collect();
    for (row, told) in &rows {
        // What is told exactly must not narrow what is not.
        let alone = !told.is_exact() || rows.iter().all(|(_, other)| other.admits(&row.counts));
        let hidden = Told::nothing(privacy);
        let levels = evaluation.threshold.by_level.as_ref().filter(|_| row.frozen);
        let by = levels.map(|levels| levels.column.as_str());
        let cells = threshold(row, by, if alone { told } else { &hidden });
        if row.frozen { table.push_strong(cells) } else { table.push(cells) }
    }
    table.into()
}

/// A row of the table; `by` names the column that the frozen decision depends on.
fn threshold(row: &ThresholdRow, by: Option<&str>, told: &Told) -> Vec<Cell> {
    let name = match by {
        Some(column) => format!("by {column} (frozen)"),
        None if row.frozen => format!("{} (frozen)", fixed(row.threshold, 4)),
        None => fixed(row.threshold, 3),
    };
    let hidden = || Cell::missing("suppressed");
    let flagged = if told.shows_flagged() { count(row.flagged).into() } else { hidden() };
    let counts =
        [row.counts.true_positive, row.counts.false_positive, row.counts.false_negative, row.counts.true_negative];
    let counts = counts.map(|n| if told.is_exact() { count(n).into() } else { hidden() });
    let shares = [
        (row.sensitivity, SENSITIVITY, 3),
        (row.specificity, SPECIFICITY, 3),
        (row.ppv, PPV, 3),
        (row.npv, NPV, 3),
        (row.lr_positive, LR_POSITIVE, 2),
        (row.lr_negative, LR_NEGATIVE, 3),
        (row.number_needed_to_screen, SCREENED, 1),
    ];
    let shares = shares.map(|(value, of, decimals)| match (told.is_exact(), told.range(of)) {
        (true, _) => Cell::fixed(value, decimals, "–"),
        (false, Some([low, high])) => format!("{} to {}", fixed(low, decimals), fixed(high, decimals)).into(),
        (false, None) => hidden(),
    });
    let rest = [(row.net_benefit, 4), (row.cost_per_1000, 0)];
    let rest = rest.map(|(value, decimals)| if told.is_exact() { Cell::fixed(value, decimals, "–") } else { hidden() });
    [name.into(), flagged].into_iter().chain(counts).chain(shares).chain(rest).collect()
}

fn costs(costs: &Costs, privacy: Privacy) -> Html {
    let cells = &costs.table;
    let lead = format!(
        "Per patient: {} for acting in vain, {} for an event that nobody acted on, {} for acting on an event, {} for \
         leaving alone; acting prevents {} of the events it is meant for. {}",
        fixed(cells.false_positive, 0),
        fixed(cells.false_negative, 0),
        fixed(cells.true_positive, 0),
        fixed(cells.true_negative, 0),
        percent(cells.effect, 0),
        sentence(&costs.assumption)
    );
    let names = ["Flagged", "Prevented", "Acting on events", "Events in spite of it", "Acting in vain"];
    let names = names.into_iter().chain(["Missed events", "Left alone", "Total", "Saved"]);
    let mut table = Table::new(
        "Cost per 1,000 patients, cell by cell; saved is against flagging no one",
        [Column::text("Decision")].into_iter().chain(names.map(Column::number)),
    );
    for one in &costs.strategies {
        let told = privacy.decisions(&one.counts, !one.small_cells.is_empty());
        let shown = |value: f64, told: bool| {
            if told { Cell::from(fixed(value, 0)) } else { Cell::missing("suppressed") }
        };
        let parts = [one.prevented, one.true_positive, one.failed, one.false_positive];
        let parts = parts.into_iter().chain([one.false_negative, one.true_negative]);
        let parts = parts.map(|value| shown(value, told.is_exact()));
        let parts = [shown(one.flagged, told.shows_flagged())].into_iter().chain(parts);
        let total = told.estimate(&one.total, cost_per_1000(cells));
        let ends = [estimate(&total, 0), shown(one.saved, told.is_exact())];
        let row: Vec<Cell> =
            [Cell::from(sentence(&one.name.replace('_', " ")))].into_iter().chain(parts).chain(ends).collect();
        if one.name == "model" { table.push_strong(row) } else { table.push(row) }
    }
    let optimum = match costs.calibrated_optimum {
        Some(value) => format!("With perfectly calibrated risks the cheapest threshold would be {}.", fixed(value, 4)),
        None => {
            "By these costs acting never pays, or always does: no threshold between 0 and 1 is the cheapest.".to_owned()
        }
    };
    Html::paragraph(lead).and(table).and(Html::paragraph(optimum))
}

fn prevalences(evaluation: &Evaluation) -> Html {
    if evaluation.prevalences.rows.is_empty() {
        return Html::new();
    }
    let names = ["Alerts per 1,000", "PPV", "NPV", "Net benefit"];
    let mut table = Table::new(
        "The same model where the event is more or less frequent",
        [Column::text("Prevalence"), Column::text("Model")].into_iter().chain(names.map(Column::number)),
    );
    for row in &evaluation.prevalences.rows {
        let share = percent(row.prevalence, 1);
        let shift = row.shift.map_or_else(String::new, |shift| format!(" (intercept {})", signed(shift)));
        for (what, at) in [("as is".to_owned(), &row.as_is), (format!("updated{shift}"), &row.updated)] {
            table.push([share.as_str().into(), what.into()].into_iter().chain(deployment(at)));
        }
    }
    Html::heading("At other prevalences").and(Html::paragraph(sentence(&evaluation.prevalences.assumption))).and(table)
}

fn deployment(at: &Deployment) -> Vec<Cell> {
    let reason = at.reason.as_deref().unwrap_or("not estimable");
    let numbers = [(at.alerts_per_1000, 0), (at.ppv, 3), (at.npv, 3), (at.net_benefit, 4)];
    numbers.into_iter().map(|(value, decimals)| Cell::fixed(value, decimals, reason)).collect()
}

fn signed(value: f64) -> String {
    if value > 0.0 { format!("+{}", fixed(value, 2)) } else { fixed(value, 2) }
}
