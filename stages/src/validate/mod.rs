//! Every rule on every row: which rows may be learned from, and what is wrong with the others.
//!
//! All failures are collected before anything is judged. Rows that break a rule of the level `error` are set aside in
//! the quarantine, with their reasons; the run fails when a rule is broken by more rows than it tolerates. No value is
//! changed and no row is lost: passed + quarantined = read.

mod compare;
mod params;
mod report;
mod rules;
#[cfg(test)]
mod tests;

pub use compare::Comparison;
pub use params::{CrossRule, Level, Strictness, ValidateParams};

use crate::common::canonical_json;
use crate::common::folds::quantile_strata;
use crate::common::schema::Schema;
use crate::common::table::Table;
use crate::common::target::Task;
use crate::{ParamError, ParamSet, Role, Stage, StageContext, StageError};

/// The stage `validate`.
pub struct Validate;

impl Stage for Validate {
    fn name(&self) -> &'static str {
        "validate"
    }

    fn version(&self) -> u32 {
        1
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
            ]
        }
    }

    fn params(&self) -> &'static [Role] {
        const {
            &[
                Role::required("schema", "the columns of the raw table and their rules"),
                Role::optional("validate", "tolerances and rules across columns"),
            ]
        }
    }

    fn check(&self, params: &ParamSet) -> Result<(), ParamError> {
        parse(params).map(|_| ())
    }

    fn run(&self, context: &StageContext) -> Result<(), StageError> {
        let (schema, params) = parse(context.params())?;
        let input = context.input("table")?;
        let table = Table::read(input)?;
        let frame = table.to_frame(&schema)?;
        let rules = rules::evaluate(&frame, &schema, &params, &|done| {
            context.progress(done as u64, None, "rules", format!("{} rows", table.rows()));
        })?;
        let broken = rules::broken(&rules);
        let report = report::report(&rules, &table.ints_full("row_id")?, &outcomes(&table, &schema)?, &broken);
        report.verdict(&input.name)?;
        let kept: Vec<usize> = (0..table.rows()).filter(|row| !broken.contains_key(row)).collect();
        if kept.is_empty() {
            return Err(StageError::input(&input.name, "no row keeps every rule")
                .with_hint("compare the schema in params.yaml with the file"));
        }
        let clean = table.take(&kept)?;
        let quarantined = report::write_quarantine(&table, &broken, context.output("quarantine")?)?;
        report.balance(clean.rows(), quarantined)?;
        clean.write(context.output("table")?)?;
        canonical_json::write(context.output("report")?, &report)
    }
}

/// The outcome of each row as the report groups it: an event's value, a number's quarter of the rows.
fn outcomes(table: &Table, schema: &Schema) -> Result<Vec<Option<String>>, StageError> {
    if schema.target.kind == Task::Binary {
        return table.labels(&schema.target.column);
    }
    let values = table.floats(&schema.target.column)?;
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
