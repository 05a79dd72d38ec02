//! Decisions, versions and histories as text or JSON.

use std::fmt::Write as _;

use super::promote::Decision;
use crate::cli::output::Output;
use crate::metrics::Table;
use crate::registry::{Comparison, State};
use crate::util::{human, visible};

/// Tells a decision: the document, or tables on stdout and each failed rule on stderr.
pub(super) fn decision(decision: &Decision, json: bool, output: &Output) -> anyhow::Result<()> {
    if json {
        output.json(decision)?;
    } else {
        let mut text = String::new();
        if let Some(comparison) = &decision.comparison {
            text.push_str(&compared(comparison));
            text.push('\n');
        }
        let mut table = Table::new(&["", "Rule", "Reason"]);
        for rule in &decision.rules {
            let verdict = if rule.passed { "pass" } else { "FAIL" };
            table.push([verdict.to_owned(), rule.rule.clone(), rule.reason.clone()]);
        }
        text.push_str(&table.to_text_within(Output::width()));
        output.data(&text)?;
    }
    for rule in decision.rules.iter().filter(|rule| !rule.passed) {
        output.error(&format!("error: not promoted: {}: {}", rule.rule, visible::line(&rule.reason)));
    }
    let name = decision.candidate.short();
    let (model, to) = (&decision.model, decision.to);
    if decision.promoted {
        output
            .talk(&format!("{name} is the {to} of {model}; serve it with `--bundle artifacts/registry/{model}/{to}`"));
    } else if decision.dry_run && decision.holds() {
        let with = decision.champion_before.map_or_else(|| "none".to_owned(), |champion| champion.short());
        output.talk(&format!("{name} may become the {to} of {model}; promote it with `--compared-with {with}`"));
    }
    Ok(())
}

fn compared(comparison: &Comparison) -> String {
    let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.4}"));
    let mut table = Table::new(&["Measure", "Candidate", "Champion", "Difference"]);
    for (name, measure) in &comparison.measures {
        let difference = &measure.difference;
        let told = match (difference.value, difference.low, difference.high) {
            (Some(value), Some(low), Some(high)) => format!("{value:.4} ({low:.4} to {high:.4})"),
            (value, ..) => number(value),
        };
        table.push([name.clone(), number(measure.candidate), number(measure.champion), told]);
    }
    let rows = &comparison.rows;
    let mut text = format!("{} of {} test rows, {} patients", rows.used, rows.test, rows.patients);
    if rows.used < rows.test {
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "; left out {} that the candidate and {} that the champion was trained on",
            rows.seen_by_candidate, rows.seen_by_champion
        );
    }
    format!("{text}\n\n{}", table.to_text_within(Output::width()))
}

/// The states of a registry, the latest last.
pub(super) fn history(states: &[State]) -> String {
    let mut table = Table::new(&["State", "When", "Act", "Version", "Author", "Approver", "Reason"]);
    for state in states {
        let version = if state.act == crate::registry::Act::Challenge { state.challenger } else { state.champion };
        table.push([
            state.seq.to_string(),
            state.utc.clone(),
            serde_json::to_value(state.act).unwrap_or_default().as_str().unwrap_or_default().to_owned(),
            version.map(|version| version.short()).unwrap_or_default(),
            human::brief(&state.author, 24),
            state.approver.as_deref().map(|approver| human::brief(approver, 24)).unwrap_or_default(),
            human::brief(&state.reason, 60),
        ]);
    }
    table.to_text_within(Output::width())
}
