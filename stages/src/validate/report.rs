//! From what the rules found to `validation.json`, and to the error of a run that is over its tolerance.

use std::fmt::Write as _;

use super::document::{RuleRecord, Status, ValueCount};
use super::params::Level;
use super::tally::{EXAMPLES, Outcome};
use crate::StageError;
use crate::common::privacy::Privacy;

/// Describes what a rule found.
pub(super) fn record(outcome: &Outcome, privacy: Privacy) -> RuleRecord {
    let n_failed = outcome.failed;
    let allowed = outcome.tolerance.allows(n_failed, outcome.evaluated);
    let status = match (n_failed, allowed, outcome.level) {
        (0, _, _) => Status::Passed,
        (_, true, _) => Status::Tolerated,
        (_, false, Level::Warning) => Status::Warning,
        (_, false, Level::Error | Level::Critical) => Status::Failed,
    };
    RuleRecord {
        rule: outcome.rule.clone(),
        subject: outcome.subject.clone(),
        level: outcome.level,
        n_evaluated: outcome.evaluated,
        n_failed,
        fraction: (outcome.evaluated > 0).then(|| n_failed as f64 / outcome.evaluated as f64),
        max_fail: outcome.tolerance.share,
        max_rows: outcome.tolerance.rows,
        example_row_ids: outcome.examples.clone(),
        example_values: values(outcome, privacy),
        note: outcome.note.clone(),
        status,
    }
}

/// The values that break a rule in many rows; one that few rows have could tell who they are.
fn values(outcome: &Outcome, privacy: Privacy) -> Vec<ValueCount> {
    let told = outcome.values.iter().filter(|(_, rows)| !privacy.hides(**rows));
    let mut counts: Vec<ValueCount> = told.map(|(value, &rows)| ValueCount { value: value.clone(), rows }).collect();
    // The order of names holds among equals, so it is the same every time.
    counts.sort_by_key(|count| std::cmp::Reverse(count.rows));
    counts.truncate(EXAMPLES);
    counts
}

/// An error with all failed rules when any is over its tolerance. Outputs of a failed stage are not kept, so the
/// message has to tell what the report would have told.
pub(super) fn verdict(records: &[RuleRecord], outcomes: &[Outcome], file: &str) -> Result<(), StageError> {
    let all = records.iter().zip(outcomes);
    let failed: Vec<(&RuleRecord, &Outcome)> = all.filter(|(record, _)| record.status == Status::Failed).collect();
    if failed.is_empty() {
        return Ok(());
    }
    let mut text = format!("{} of {} rules are broken by more rows than tolerated", failed.len(), records.len());
    for (record, outcome) in failed {
        let RuleRecord { rule, subject, n_failed, n_evaluated, example_row_ids, .. } = record;
        let share = 100.0 * record.fraction.unwrap_or(1.0);
        let limit = match (record.level, record.max_rows) {
            (Level::Critical, _) => "critical: none is tolerated".to_owned(),
            (_, 0 | 1) => format!("tolerated {:.2} %", 100.0 * record.max_fail),
            (_, rows) => format!("tolerated {:.2} % or {rows} rows", 100.0 * record.max_fail),
        };
        let examples: Vec<String> = example_row_ids.iter().map(i64::to_string).collect();
        let examples = examples.join(", ");
        let _ = write!(
            text,
            "\n  {rule} ({subject}): {n_failed} of {n_evaluated} rows ({share:.2} %, {limit}), for example row_id \
             {examples}"
        );
        if let Some(place) = &outcome.place {
            let _ = write!(text, " ({place})");
        }
        let suspicion = |other: &&RuleRecord| other.rule == "unit" && rule == "range" && other.subject == *subject;
        let note = record.note.as_ref().or_else(|| records.iter().find(suspicion)?.note.as_ref());
        if let Some(note) = note {
            let _ = write!(text, "\n    {note}");
        }
    }
    let hint = "row_id 0 is the first row below the header; mend the data, correct the schema, or raise `max_fail` \
                under validate.columns when setting such rows aside is right";
    Err(StageError::input(file, text).with_hint(hint))
}

/// What a reader should look at, of the rules.
pub(super) fn warnings(records: &[RuleRecord]) -> Vec<String> {
    let sentence = |record: &RuleRecord| {
        let RuleRecord { rule, subject, n_failed, n_evaluated, level, status, note, .. } = record;
        let rows = format!("{n_failed} of {n_evaluated} rows break {rule} ({subject})");
        let fate = match (status, level) {
            (Status::Passed, _) | (Status::Tolerated, Level::Warning) => return None,
            (Status::Warning, _) => "more than tolerated; they were kept, as the rule is a warning",
            _ => "they were set aside",
        };
        let note = note.as_ref().map(|note| format!(": {note}")).unwrap_or_default();
        Some(format!("{rows}; {fate}{note}"))
    };
    records.iter().filter_map(sentence).collect()
}
