//! From columns to an alarm: how much of the table drifted, how bad that is, and who hears of it.

use super::document::{Alarm, Alert, ColumnDrift, Dataset, ScoreDrift, Severity, Verdict};
use super::params::DriftParams;

/// The table as a whole.
pub(super) fn dataset(columns: &[ColumnDrift], scores: Option<&ScoreDrift>) -> Dataset {
    let can = |column: &&ColumnDrift| !matches!(column.verdict, Verdict::NotCompared | Verdict::TooFew);
    let has = |column: &&ColumnDrift| column.verdict == Verdict::Drifted;
    let compared = columns.iter().filter(can).count() as u64;
    let drifted = columns.iter().filter(has).count() as u64;
    let attention = |column: &ColumnDrift| column.importance;
    let all: Option<f64> = columns.iter().filter(can).map(attention).sum();
    let moved: Option<f64> = columns.iter().filter(has).map(attention).sum();
    Dataset {
        compared,
        drifted,
        share: (compared > 0).then(|| drifted as f64 / compared as f64),
        weighted_share: moved.zip(all).filter(|(_, all)| *all > 0.0).map(|(moved, all)| moved / all),
        prediction_shift: scores.and_then(|scores| scores.distribution.psi),
    }
}

/// The alarms of a report; `shift` is the PSI of the scores, of all rows.
pub(super) fn alert(
    columns: &[ColumnDrift],
    scores: Option<&ScoreDrift>,
    shift: Option<f64>,
    dataset: &Dataset,
    params: &DriftParams,
) -> Alert {
    let mut alerts: Vec<Alarm> = Vec::new();
    let mut add = |rule: &str, subject: &str, severity: Severity, message: String| {
        alerts.push(Alarm { rule: rule.to_owned(), subject: subject.to_owned(), severity, message });
    };
    for column in columns.iter().filter(|column| column.verdict == Verdict::Drifted) {
        let (rule, severity) =
            if column.critical { ("critical_column", Severity::Critical) } else { ("column", Severity::Low) };
        add(rule, &column.name, severity, column.reasons.join("; "));
    }
    let limit = params.dataset.share;
    if let Some(share) = dataset.share.filter(|share| *share > limit) {
        let message = format!("{} of {} columns drift: {share:.2} (limit {limit})", dataset.drifted, dataset.compared);
        add("dataset", "table", Severity::High, message);
    }
    if let Some(share) = dataset.weighted_share.filter(|share| *share > limit) {
        let message = format!("columns with {share:.2} of the model's attention drift (limit {limit})");
        add("attention", "table", Severity::High, message);
    }
    if let Some(scores) = scores.filter(|scores| scores.verdict == Verdict::Drifted) {
        // A share beyond the limit of the whole is worse than one beyond that of a column.
        let far = shift.is_some_and(|psi| psi > params.dataset.prediction);
        let severity = if far { Severity::High } else { Severity::Low };
        add("prediction", "scores", severity, scores.reasons.join("; "));
    }
    alerts.sort_by_key(|alarm| std::cmp::Reverse(alarm.severity));
    let severity = alerts.first().map_or(Severity::None, |worst| worst.severity);
    let escalation = params.escalation.of(severity).cloned();
    let action = escalation.as_ref().map_or("none: keep watching", |escalation| escalation.action.as_str()).to_owned();
    Alert { triggered: !alerts.is_empty(), alerts, severity, action, escalation }
}
