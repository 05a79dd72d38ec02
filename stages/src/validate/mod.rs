//! Every rule on every row: which rows may be learned from, and what is wrong with the others.
//!
//! All failures are collected before anything is judged. Rows that break a rule of the level `error` are set aside in
//! the quarantine, with their reasons; the run fails when a rule is broken by more rows than it tolerates. One bad row
//! never stops a run unless a rule says so. No row is lost: passed + quarantined = read. Values in declared other units
//! are converted before they are judged, by the same code as rows to be scored; no other value is changed.

mod compare;
mod cross;
mod document;
mod ordinal;
mod page;
mod params;
mod quarantine;
mod report;
mod rules;
mod selection;
#[cfg(test)]
mod tests;
mod units;

pub use compare::Comparison;
pub use cross::{Direction, Monotone};
pub use document::{LevelCount, RuleRecord, SCHEMA_VERSION, Selection, Status, ValidationReport, ValueCount};
pub use params::{CrossRule, Level, Strictness, ValidateParams};

use std::collections::BTreeMap;

use crate::common::canonical_json;
use crate::common::folds::quantile_strata;
use crate::common::privacy::Privacy;
use crate::common::schema::{ColumnType, Schema};
use crate::common::table::Table;
use crate::common::target::Task;
use crate::common::units::{Converted, Units};
use crate::ingest::{UNREAD_COLUMN, unread_cells};
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
        let raw = Table::read(input)?;
        let (table, converted) = Units::new(&schema)?.apply_table(raw.clone())?;
        let (frame, unread) = (table.to_frame(&schema)?, unread_cells(&table)?);
        let rows = rules::Rows { frame: &frame, unread: &unread };
        let outcomes = rules::evaluate(rows, &schema, &params, &|done| {
            context.progress(done as u64, None, "rules", format!("{} rows", table.rows()));
        })?;
        let broken = rules::broken(&outcomes);
        let row_ids = table.ints_full("row_id")?;
        let records: Vec<RuleRecord> =
            outcomes.iter().map(|outcome| report::record(outcome, rows, &row_ids, privacy)).collect();
        report::verdict(&records, rows, &row_ids, &input.name)?;
        let kept: Vec<usize> = (0..table.rows()).filter(|row| !broken.contains_key(row)).collect();
        if kept.is_empty() {
            return Err(StageError::input(&input.name, "no row keeps every rule")
                .with_hint("compare the schema in params.yaml with the file"));
        }
        let mut groups = groups(&table, &schema, &params)?;
        let labels = groups[0].1.clone();
        for (column, labels) in &mut groups {
            selection::forget_unusable(column, labels, &outcomes);
        }
        let found = Found {
            rows: table.rows(),
            kept: &kept,
            broken: &broken,
            groups: &groups,
            privacy,
            schema: &schema,
            converted: &converted,
        };
        let report = assemble(&found, records);
        let clean = table.without(UNREAD_COLUMN).take(&kept)?;
        let quarantined = quarantine::write(&raw, &unread, &labels, &broken, context.output("quarantine")?)?;
        balance(&report, clean.rows(), quarantined)?;
        for warning in &report.warnings {
            context.log(&format!("warning: {warning}"));
        }
        if let Some(path) = context.output_opt("page") {
            std::fs::write(path, page::page(&report)).map_err(|error| StageError::output(path, error))?;
        }
        clean.write(context.output("table")?)?;
        canonical_json::write(context.output("report")?, &report)
    }
}

/// A column and each row's level of it.
type Group = (String, Vec<Option<String>>);

/// What is known when all rules have been judged.
struct Found<'a> {
    rows: usize,
    kept: &'a [usize],
    broken: &'a BTreeMap<usize, Vec<String>>,
    /// The outcome, then the subgroups.
    groups: &'a [Group],
    privacy: Privacy,
    schema: &'a Schema,
    converted: &'a [Converted],
}

fn assemble(found: &Found, records: Vec<RuleRecord>) -> ValidationReport {
    let aside: Vec<bool> = (0..found.rows).map(|row| found.broken.contains_key(&row)).collect();
    let select =
        |group: &(String, Vec<Option<String>>), privacy| selection::selection(&group.0, &group.1, &aside, privacy);
    // The flow of participants tells rows and events before and after; hiding their difference would hide nothing.
    let by_outcome = select(&found.groups[0], Privacy { min_cell: 0, ..found.privacy });
    let selections: Vec<Selection> = found.groups[1..].iter().map(|group| select(group, found.privacy)).collect();
    let events = || found.kept.iter().filter(|&&row| found.groups[0].1[row].as_deref() == Some("1")).count();
    let mut warnings: Vec<String> = report::warnings(&records);
    warnings.extend([&by_outcome].into_iter().chain(&selections).filter_map(selection::warning));
    ValidationReport {
        schema_version: SCHEMA_VERSION,
        read: found.rows,
        passed: found.kept.len(),
        quarantined: found.broken.len(),
        events: (found.schema.target.kind == Task::Binary).then(events),
        warnings,
        min_cell: found.privacy.min_cell,
        by_outcome,
        by_subgroup: selections,
        converted: found.converted.to_vec(),
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

/// The outcome and the subgroups with each row's level: a text as it is, a number of many values by quarters.
fn groups(table: &Table, schema: &Schema, params: &ValidateParams) -> Result<Vec<Group>, StageError> {
    let mut groups = vec![(schema.target.column.clone(), levels(table, schema, &schema.target.column)?)];
    for name in &params.subgroups {
        groups.push((name.clone(), levels(table, schema, name)?));
    }
    Ok(groups)
}

fn levels(table: &Table, schema: &Schema, name: &str) -> Result<Vec<Option<String>>, StageError> {
    /// A whole number with more values than this is grouped.
    const FEW: usize = 12;
    let labels = table.labels(name)?.to_vec();
    let kind = schema.columns.get(name).map(|column| column.kind);
    let several = || labels.iter().flatten().collect::<std::collections::BTreeSet<_>>().len() > FEW;
    let outcome = *name == schema.target.column;
    let grouped = match kind {
        Some(ColumnType::Number) => true,
        Some(ColumnType::Integer) if outcome => schema.target.kind == Task::Continuous,
        Some(ColumnType::Integer) => several(),
        _ => false,
    };
    if !grouped {
        return Ok(labels);
    }
    let values = table.floats(name)?;
    let known: Vec<usize> = (0..values.len()).filter(|&row| values[row].is_finite()).collect();
    let mut labels = vec![None; values.len()];
    let quarters = quantile_strata(&known.iter().map(|&row| values[row]).collect::<Vec<_>>(), 4);
    for (row, quarter) in known.into_iter().zip(quarters) {
        labels[row] = Some(format!("quarter {}", quarter + 1));
    }
    Ok(labels)
}

/// Reads and checks `schema` and `validate` of the declared parameters.
pub(crate) fn parse(params: &ParamSet) -> Result<(Schema, ValidateParams), ParamError> {
    let schema: Schema = params.parse("schema")?;
    schema.check()?;
    let validate: ValidateParams = params.parse_or_default("validate")?;
    validate.check(&schema)?;
    Ok((schema, validate))
}
