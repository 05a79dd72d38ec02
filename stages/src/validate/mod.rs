//! Every rule on every row: which rows may be learned from, and what is wrong with the others.
//!
//! All failures are collected before anything is judged. Rows that break a rule of the level `error` are set aside in
//! the quarantine, with their reasons; the run fails when a rule is broken by more rows than it tolerates. One bad row
//! never stops a run unless a rule says so. No row is lost: passed + quarantined = read. Values in declared other units
//! are converted before they are judged, by the same code as rows to be scored; no other value is changed. Rows pass by
//! twice in pieces, to be judged and to be parted (`pass`), so that memory does not grow with the table but for a few
//! bytes a row.

mod compare;
mod cross;
mod document;
mod groups;
mod ordinal;
mod page;
mod params;
mod pass;
mod quarantine;
mod report;
mod rules;
mod selection;
mod tally;
#[cfg(test)]
mod tests;
mod units;

pub use compare::Comparison;
pub use cross::{Direction, Monotone};
pub use document::{LevelCount, RuleRecord, SCHEMA_VERSION, Selection, Status, ValidationReport, ValueCount};
pub use params::{CrossRule, Level, Strictness, ValidateParams};

use self::pass::Judged;
use self::selection::Counts;
use crate::common::canonical_json;
use crate::common::privacy::Privacy;
use crate::common::schema::Schema;
use crate::common::target::Task;
use crate::{ParamError, ParamSet, Role, Stage, StageContext, StageError};

/// The stage `validate`.
pub struct Validate;

impl Stage for Validate {
    fn name(&self) -> &'static str {
        "validate"
    }

    fn version(&self) -> u32 {
        5
    }

    fn about(&self) -> &'static str {
        "checks every rule on every row and sets broken rows aside"
    }

    fn inputs(&self) -> &'static [Role] {
        const { &[Role::required("table", "the ingested table")] }
    }

    fn outputs(&self) -> &'static [Role] {
        const {
            &[
                Role::required("table", "the rows that keep every rule"),
                Role::required("quarantine", "the others, with the rules they break"),
                Role::required("report", "one record per rule and column"),
                Role::optional("page", "the report for people, as HTML"),
            ]
        }
    }

    fn params(&self) -> &'static [Role] {
        const {
            &[
                Role::required("schema", "the columns of the raw table and their rules"),
                Role::optional("validate", "tolerances and rules across columns"),
                Role::optional("privacy", "how small a count of patients may be told"),
            ]
        }
    }

    fn check(&self, params: &ParamSet) -> Result<(), ParamError> {
        Privacy::parse(params)?;
        parse(params).map(|_| ())
    }

    fn run(&self, context: &StageContext) -> Result<(), StageError> {
        let (schema, params) = parse(context.params())?;
        let privacy = Privacy::parse(context.params())?;
        let input = context.input("table")?;
        let judged = pass::judge(context, input, &schema, &params)?;
        let records: Vec<RuleRecord> = judged.outcomes.iter().map(|outcome| report::record(outcome, privacy)).collect();
        report::verdict(&records, &judged.outcomes, &input.name)?;
        let broken = tally::broken(&judged.outcomes);
        let aside = broken.chunk_by(|a, b| a.0 == b.0).count();
        if aside == judged.rows {
            return Err(StageError::input(&input.name, "no row keeps every rule")
                .with_hint("compare the schema in params.yaml with the file"));
        }
        let report = assemble(&judged, &broken, aside, records, schema.target.kind, privacy);
        let (passed, quarantined) = pass::part(context, input, &schema, &judged, &broken)?;
        balance(&report, passed, quarantined)?;
        for warning in &report.warnings {
            context.log(&format!("warning: {warning}"));
        }
        if let Some(path) = context.output_opt("page") {
            std::fs::write(path, page::page(&report)).map_err(|error| StageError::output(path, error))?;
        }
        canonical_json::write(context.output("report")?, &report)
    }
}

/// Rows of each level of the outcome, then of the subgroups, that stay and that are set aside.
fn by_group(judged: &Judged, broken: &[(usize, usize)]) -> Vec<(String, Counts)> {
    let mut aside = vec![false; judged.rows];
    for &(row, _) in broken {
        aside[row] = true;
    }
    let counts = |group: &groups::Group| {
        let is_own = |at: usize| judged.outcomes[at].column.as_deref() == Some(&group.column);
        let mut unusable: Vec<usize> = broken.iter().filter(|(_, at)| is_own(*at)).map(|(row, _)| *row).collect();
        unusable.dedup();
        (group.column.clone(), selection::counts(&group.labels, &aside, &unusable))
    };
    judged.groups.iter().map(counts).collect()
}

fn assemble(
    judged: &Judged,
    broken: &[(usize, usize)],
    aside: usize,
    records: Vec<RuleRecord>,
    task: Task,
    privacy: Privacy,
) -> ValidationReport {
    let groups = by_group(judged, broken);
    let select = |(column, counts): &(String, Counts), privacy| selection::selection(column, counts, privacy);
    // The flow of participants tells rows and events before and after; hiding their difference would hide nothing.
    let by_outcome = select(&groups[0], Privacy { min_cell: 0, ..privacy });
    let selections: Vec<Selection> = groups[1..].iter().map(|group| select(group, privacy)).collect();
    let events = || groups[0].1.get(&Some("1".to_owned())).map_or(0, |count| count[0] as usize);
    let mut warnings: Vec<String> = report::warnings(&records);
    warnings.extend([&by_outcome].into_iter().chain(&selections).filter_map(selection::warning));
    ValidationReport {
        schema_version: SCHEMA_VERSION,
        read: judged.rows,
        passed: judged.rows - aside,
        quarantined: aside,
        events: (task == Task::Binary).then(events),
        warnings,
        min_cell: privacy.min_cell,
        by_outcome,
        by_subgroup: selections,
        converted: judged.converted.clone(),
        rules: records,
    }
}

/// Proves that no row was lost.
fn balance(report: &ValidationReport, passed: usize, quarantined: usize) -> Result<(), StageError> {
    let whole = passed + quarantined == report.read && passed == report.passed && quarantined == report.quarantined;
    if whole {
        return Ok(());
    }
    let read = report.read;
    Err(StageError::failed(format!("{passed} rows passed and {quarantined} were set aside, of {read} read")))
}

/// Reads and checks `schema` and `validate` of the declared parameters.
pub(crate) fn parse(params: &ParamSet) -> Result<(Schema, ValidateParams), ParamError> {
    let schema: Schema = params.parse("schema")?;
    schema.check()?;
    let validate: ValidateParams = params.parse_or_default("validate")?;
    validate.check(&schema)?;
    Ok((schema, validate))
}
