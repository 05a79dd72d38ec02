//! `validation.json`, `quarantine.csv`, and the table of failures in the error of a run that is over its tolerance.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use serde::Serialize;

use super::params::Level;
use super::rules::Outcome;
use crate::StageError;
use crate::common::table::Table;

/// The version of the format of `validation.json`.
const SCHEMA_VERSION: u32 = 1;
/// How many rows a record names.
const EXAMPLES: usize = 5;

/// The report: one record per rule and column.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    schema_version: u32,
    read: usize,
    passed: usize,
    quarantined: usize,
    /// Rows read and set aside per value of the outcome: setting aside one side more than the other is bias.
    by_outcome: BTreeMap<String, Counts>,
    rules: Vec<Record>,
}

#[derive(Debug, Default, Serialize)]
struct Counts {
    read: usize,
    quarantined: usize,
}

#[derive(Debug, Serialize)]
struct Record {
    rule: String,
    subject: String,
    level: Level,
    n_evaluated: usize,
    n_failed: usize,
    fraction: f64,
    max_fail: f64,
    example_row_ids: Vec<i64>,
    status: Status,
}

/// How a rule came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    /// No row breaks it.
    Passed,
    /// Some do, within the tolerance.
    Tolerated,
    /// Too many do, but it is only a warning.
    Warning,
    /// Too many do.
    Failed,
}

/// Describes the outcomes.
pub(super) fn report(
    outcomes: &[Outcome],
    row_ids: &[i64],
    labels: &[Option<String>],
    broken: &BTreeMap<usize, Vec<String>>,
) -> Report {
    let mut by_outcome: BTreeMap<String, Counts> = BTreeMap::new();
    for (row, label) in labels.iter().enumerate() {
        let counts = by_outcome.entry(label.clone().unwrap_or_else(|| "missing".to_owned())).or_default();
        counts.read += 1;
        counts.quarantined += usize::from(broken.contains_key(&row));
    }
    Report {
        schema_version: SCHEMA_VERSION,
        read: row_ids.len(),
        passed: row_ids.len() - broken.len(),
        quarantined: broken.len(),
        by_outcome,
        rules: outcomes.iter().map(|outcome| record(outcome, row_ids)).collect(),
    }
}

fn record(outcome: &Outcome, row_ids: &[i64]) -> Record {
    let n_failed = outcome.failed.len();
    let fraction = n_failed as f64 / outcome.evaluated.max(1) as f64;
    let status = match (n_failed, fraction <= outcome.max_fail, outcome.level) {
        (0, _, _) => Status::Passed,
        (_, true, _) => Status::Tolerated,
        (_, false, Level::Warning) => Status::Warning,
        (_, false, Level::Error) => Status::Failed,
    };
    Record {
        rule: outcome.rule.clone(),
        subject: outcome.subject.clone(),
        level: outcome.level,
        n_evaluated: outcome.evaluated,
        n_failed,
        fraction,
        max_fail: outcome.max_fail,
        example_row_ids: outcome.failed.iter().take(EXAMPLES).map(|&row| row_ids[row]).collect(),
        status,
    }
}

impl Report {
    /// An error with all failed rules when any is over its tolerance. Outputs of a failed stage are not kept, so the
    /// message has to tell what the report would have told.
    pub fn verdict(&self, file: &str) -> Result<(), StageError> {
        let failed: Vec<&Record> = self.rules.iter().filter(|record| record.status == Status::Failed).collect();
        if failed.is_empty() {
            return Ok(());
        }
        let mut text = format!("{} of {} rules are broken by more rows than tolerated", failed.len(), self.rules.len());
        for record in failed {
            let Record { rule, subject, n_failed, n_evaluated, max_fail, .. } = record;
            let (share, limit) = (100.0 * record.fraction, 100.0 * max_fail);
            let rows: Vec<String> = record.example_row_ids.iter().map(i64::to_string).collect();
            let rows = rows.join(", ");
            let _ = write!(
                text,
                "\n  {rule} ({subject}): {n_failed} of {n_evaluated} rows ({share:.2} %, tolerated {limit:.2} %), \
                 for example row_id {rows}"
            );
        }
        let hint = "row_id 0 is the first row below the header; mend the data, correct the schema, or raise \
                    `max_fail` under validate.columns when setting such rows aside is right";
        Err(StageError::input(file, text).with_hint(hint))
    }

    /// Proves that no row was lost.
    pub fn balance(&self, passed: usize, quarantined: usize) -> Result<(), StageError> {
        if passed + quarantined == self.read && quarantined == self.quarantined {
            return Ok(());
        }
        Err(StageError::failed(format!("{passed} rows passed and {quarantined} were set aside, of {} read", self.read)))
    }
}

/// Writes the rows that were set aside: their columns as read, the rules they break, their `row_id`. Returns how many.
pub(super) fn write_quarantine(
    table: &Table,
    broken: &BTreeMap<usize, Vec<String>>,
    path: &Path,
) -> Result<usize, StageError> {
    let names: Vec<&str> = table.names().into_iter().filter(|name| *name != "row_id").collect();
    let columns = names.iter().map(|name| table.labels(name)).collect::<Result<Vec<_>, _>>()?;
    let row_ids = table.ints_full("row_id")?;
    let write = || -> Result<usize, csv::Error> {
        let mut writer = csv::Writer::from_path(path)?;
        writer.write_record(names.iter().copied().chain(["_rule", "_row"]))?;
        for (&row, rules) in broken {
            let cells = columns.iter().map(|column| column[row].as_deref().unwrap_or(""));
            let (rules, row_id) = (rules.join("; "), row_ids[row].to_string());
            writer.write_record(cells.chain([rules.as_str(), row_id.as_str()]))?;
        }
        writer.flush()?;
        Ok(broken.len())
    };
    write().map_err(|error| StageError::output(path, error.into()))
}
