//! How the model came about: the candidates and why one was kept, and what it attends to.

use super::sources::Sources;
use super::words::{count, metric_name, p_value, rows_and_events, said, sentence};
use crate::common::figure::taken;
use crate::common::html::{Cell, Column, Html, Table, fixed};
use crate::explain::{Direction, MemberReport};
use crate::train::{CandidateComparison, Card, Imbalance};

/// Features of the table of importance.
const FEATURES: usize = 20;

/// Candidates, their scores over the folds, and the choice.
pub(super) fn candidates(sources: &Sources) -> Html {
    let Some(cv) = &sources.cv else { return Html::new() };
    let lead = format!(
        "Candidates were compared by their mean {} over {} folds of the training part ({}). Kept: {}, because it is the {}.",
        metric_name(&cv.metric),
        cv.folds,
        rows_and_events(cv.n, cv.events),
        cv.chosen,
        cv.reason
    );
    let rule = if cv.one_standard_error {
        "The simplest candidate within one standard error of the best is kept."
    } else {
        "The best mean is kept."
    };
    let names: Vec<&String> =
        cv.candidates.values().chain(cv.baselines.values()).flat_map(|one| one.mean.keys()).collect();
    let mut scores: Vec<&String> = Vec::new();
    for name in names {
        if !scores.contains(&name) {
            scores.push(name);
        }
    }
    let columns = [Column::text("Candidate")].into_iter();
    let columns = columns.chain(scores.iter().map(|name| Column::number(format!("{} (SE)", metric_name(name)))));
    let mut table = Table::new("Mean scores over the folds with their standard errors", columns);
    let baselines = cv.baselines.iter().map(|(name, scores)| (format!("{name} (baseline)"), scores, false));
    let candidates = cv.candidates.iter().map(|(name, scores)| (name.clone(), scores, *name == cv.chosen));
    for (name, summary, chosen) in candidates.chain(baselines) {
        let cells = scores.iter().map(|score| match (summary.mean.get(*score), summary.se.get(*score)) {
            (Some(mean), Some(se)) => Cell::new(format!("{} ({})", fixed(*mean, 4), fixed(*se, 4))),
            (Some(mean), None) => Cell::new(fixed(*mean, 4)),
            _ => Cell::missing("undefined in a fold"),
        });
        let row = [Cell::from(if chosen { format!("{name} (kept)") } else { name })].into_iter().chain(cells);
        if chosen { table.push_strong(row) } else { table.push(row) }
    }
    let fitted = sources.card.as_ref().map(fitted).unwrap_or_default();
    Html::paragraph(format!("{lead} {rule}"))
        .and(table)
        .and(fitted)
        .and(sources.comparison.as_ref().map(pairs).unwrap_or_default())
}

/// How the kept model was fitted.
fn fitted(card: &Card) -> Html {
    let rows = rows_and_events(card.training_rows.n as u64, card.events);
    let mut facts = vec![("Fitted on".to_owned(), Html::text(rows))];
    facts.push(("Encoded columns".to_owned(), count(card.columns as u64).into()));
    if let Some(rounds) = card.rounds {
        facts.push(("Boosting rounds".to_owned(), count(rounds as u64).into()));
    }
    let balance = match card.imbalance {
        None | Some(Imbalance::None) => "as they are: nothing was weighted, drawn again or made up",
        Some(Imbalance::Weights) => "weighted; calibration gave the risks their level back",
        Some(Imbalance::Smote) => "with made-up events in the fits; calibration gave the risks their level back",
    };
    facts.push(("Events and non-events".to_owned(), balance.into()));
    Html::definitions(facts)
}

/// Every pair of candidates on the same rows.
fn pairs(report: &CandidateComparison) -> Html {
    let mut scores: Vec<&String> = report.pairs.iter().flat_map(|pair| pair.differences.keys()).collect();
    scores.sort();
    scores.dedup();
    let caption = format!(
        "Pairs on the same out-of-fold rows ({}): first minus second, with p adjusted by Holm's procedure",
        rows_and_events(report.n, report.events)
    );
    let columns =
        [Column::text("Pair")].into_iter().chain(scores.iter().map(|score| Column::number(metric_name(score))));
    let mut table = Table::new(caption, columns);
    for pair in &report.pairs {
        let cells = scores.iter().map(|score| {
            let Some(one) = pair.differences.get(*score) else { return Cell::missing("") };
            let p = one.p_holm.map(|p| format!("; p {}", p_value(p))).unwrap_or_default();
            match said(&one.estimate, 4) {
                Ok(text) => Cell::new(text + &p),
                Err(reason) => Cell::missing(&reason),
            }
        });
        let name = |name: &str| name.replace("baseline_", "plain ");
        table.push([Cell::from(format!("{} − {}", name(&pair.a), name(&pair.b)))].into_iter().chain(cells));
    }
    let caution =
        "The kept candidate was chosen on these rows, so its advantages are flattered; the test part decides.";
    Html::details("Candidates pair by pair", Html::paragraph(caution).and(table))
}

/// What the model attends to.
pub(super) fn explanation(sources: &Sources) -> Html {
    let Some(report) = &sources.explain else { return Html::new() };
    let mut html = Html::paragraph(format!(
        "SHAP values of {} of {} rows of the {} part. They describe the model, not the disease: a feature that stands in \
         for another takes its credit, and none of it says what would happen if a value were changed.",
        count(report.rows as u64),
        count(report.rows_available as u64),
        report.part.as_str()
    ));
    for member in &report.members {
        html.push(importance(member));
    }
    let swarms = sources.pictures.iter().filter(|(name, _)| name.contains("beeswarm"));
    for (name, bytes) in swarms {
        let (title, about) = ("SHAP values", "SHAP values of each row, one line a feature");
        let drawn = std::str::from_utf8(bytes).ok().and_then(|svg| taken(svg, title, about));
        let picture = drawn.unwrap_or_else(|| Html::image("image/svg+xml", bytes, about));
        html.push(Html::figure(
            picture,
            Html::text("Every point is a row. File ").and(Html::code(name)).and("."),
            None,
        ));
    }
    html
}

fn importance(member: &MemberReport) -> Html {
    let most = member.top.iter().map(|one| one.mean_abs_contribution).fold(0.0, f64::max);
    let caption = format!(
        "{}: mean |contribution to the margin| ({}); base {}",
        sentence(&member.member),
        member.scale.as_str(),
        fixed(member.base, 3)
    );
    let columns = [Column::text("Feature"), Column::text("Mean |contribution|"), Column::text("Higher values")];
    let mut table = Table::new(caption, columns);
    for one in member.top.iter().take(FEATURES) {
        let share = if most > 0.0 { one.mean_abs_contribution / most } else { 0.0 };
        let direction = match one.direction {
            Some(Direction::Up) => Cell::new("raise the prediction"),
            Some(Direction::Down) => Cell::new("lower the prediction"),
            None => Cell::missing("no single direction"),
        };
        table.push([Html::code(&one.feature).into(), Cell::bar(share, fixed(one.mean_abs_contribution, 4)), direction]);
    }
    table.into()
}
