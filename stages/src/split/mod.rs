//! Which rows are trained on, in which fold, and which are the test rows.
//!
//! Patients never cross: neither from train to test nor between folds; the stage proves it on its own result. A part
//! or fold that is empty, or in which nobody or everybody has the event, is an error, because no score exists on it.

mod assign;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::assign::{Assignment, Units};
use crate::common::canonical_json;
use crate::common::schema::Schema;
use crate::common::table::Table;
use crate::{ParamError, ParamSet, Role, Stage, StageContext, StageError};

/// The version of the format of `split.json`.
const SCHEMA_VERSION: u32 = 1;

/// `split` in params.yaml.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SplitParams {
    /// What is kept together and what is kept in proportion.
    pub kind: SplitKind,
    /// Share of the rows that become test rows.
    #[serde(default = "default_test")]
    pub test: f64,
    /// Folds of the training rows.
    #[serde(default = "default_folds")]
    pub folds: usize,
}

/// How rows are assigned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SplitKind {
    /// Rows, at random.
    Random,
    /// Rows, with the outcome in proportion.
    Stratified,
    /// Patients (`schema.group`), with patients who have the event in proportion.
    Group,
}

fn default_test() -> f64 {
    0.2
}

fn default_folds() -> usize {
    5
}

/// The stage `split`.
pub struct Split;

impl Stage for Split {
    fn name(&self) -> &'static str {
        "split"
    }

    fn version(&self) -> u32 {
        1
    }

    fn about(&self) -> &'static str {
        "assigns rows to train, test and folds; patients never cross"
    }

    fn inputs(&self) -> &'static [Role] {
        const { &[Role::required("table", "the validated table")] }
    }

    fn outputs(&self) -> &'static [Role] {
        const {
            &[
                Role::required("split", "row_id, part, fold"),
                Role::required("report", "rows, events and patients of each part and fold"),
            ]
        }
    }

    fn params(&self) -> &'static [Role] {
        const {
            &[
                Role::required("seed", "the study's seed"),
                Role::required("schema", "the columns of the raw table"),
                Role::required("split", "kind, test share, folds"),
            ]
        }
    }

    fn check(&self, params: &ParamSet) -> Result<(), ParamError> {
        params.parse::<u64>("seed")?;
        parse(params).map(|_| ())
    }

    fn run(&self, context: &StageContext) -> Result<(), StageError> {
        let (schema, params) = parse(context.params())?;
        let input = context.input("table")?;
        let table = Table::read(input)?;
        let row_ids = table.ints_full("row_id")?;
        let events = events(&table, &schema.target.column, &row_ids)?;
        let groups = match &schema.group {
            Some(column) => labels(&table, column, &row_ids)?,
            None => row_ids.iter().map(i64::to_string).collect(),
        };
        let units = Units::new(&groups, &events, params.kind != SplitKind::Random);
        if params.kind != SplitKind::Group && units.len() < row_ids.len() {
            let (patients, rows) = (units.len(), row_ids.len());
            return Err(StageError::failed(format!(
                "{rows} rows belong to {patients} patients, who would be torn apart"
            ))
            .with_hint("use `split.kind: group`"));
        }
        let assignment = units.assign(params.test, params.folds, context.seed()?);
        let report = report(&assignment, &groups, &events, &params)?;
        context.progress(row_ids.len() as u64, Some(row_ids.len() as u64), "rows", "rows assigned");
        write(&assignment, row_ids)?.write(context.output("split")?)?;
        canonical_json::write(context.output("report")?, &report)
    }
}

fn parse(params: &ParamSet) -> Result<(Schema, SplitParams), ParamError> {
    let schema: Schema = params.parse("schema")?;
    schema.check()?;
    let split: SplitParams = params.parse("split")?;
    if !(split.test > 0.0 && split.test < 1.0) {
        return Err(ParamError::new("split.test", format!("{} is not a share between 0 and 1", split.test)));
    }
    if !(2..=100).contains(&split.folds) {
        return Err(ParamError::new("split.folds", format!("{} is not between 2 and 100", split.folds)));
    }
    if split.kind == SplitKind::Group && schema.group.is_none() {
        return Err(ParamError::new("split.kind", "`group` needs `schema.group`, the patient column"));
    }
    Ok((schema, split))
}

fn events(table: &Table, target: &str, row_ids: &[i64]) -> Result<Vec<bool>, StageError> {
    let values = table.ints(target)?;
    let read = values.iter().zip(row_ids).map(|(value, row_id)| match value {
        Some(0) => Ok(false),
        Some(1) => Ok(true),
        other => {
            let found = other.map_or_else(|| "nothing".to_owned(), |value| value.to_string());
            Err(StageError::failed(format!("row_id {row_id}: the outcome `{target}` must be 0 or 1, found {found}"))
                .with_hint("declare its levels [0, 1] and nullable: false, so that validate sets such rows aside"))
        }
    });
    read.collect()
}

fn labels(table: &Table, column: &str, row_ids: &[i64]) -> Result<Vec<String>, StageError> {
    let labels = table.labels(column)?.into_iter().zip(row_ids).map(|(label, row_id)| {
        label.ok_or_else(|| StageError::failed(format!("row_id {row_id} has no patient in `{column}`")))
    });
    labels.collect()
}

fn write(assignment: &Assignment, row_ids: Vec<i64>) -> Result<Table, StageError> {
    let mut table = Table::with_rows(row_ids.len());
    let part = |fold: &Option<usize>| Some(if fold.is_some() { "train" } else { "test" }.to_owned());
    table.push_ints("row_id", row_ids.into_iter().map(Some).collect())?;
    table.push_texts("part", assignment.folds.iter().map(part).collect())?;
    table.push_ints("fold", assignment.folds.iter().map(|fold| fold.map(|fold| fold as i64)).collect())?;
    Ok(table)
}

/// `split.json`.
#[derive(Debug, Serialize)]
struct Report {
    schema_version: u32,
    kind: SplitKind,
    n: usize,
    events: usize,
    groups: usize,
    train: Part,
    test: Part,
    folds: Vec<Part>,
    /// Patients with rows in more than one part or fold; always 0, or the stage fails.
    groups_in_several: usize,
}

/// Rows, rows with the event, and patients.
#[derive(Debug, Serialize)]
struct Part {
    n: usize,
    events: usize,
    groups: usize,
}

fn report(
    assignment: &Assignment,
    groups: &[String],
    events: &[bool],
    params: &SplitParams,
) -> Result<Report, StageError> {
    let part = |wanted: &dyn Fn(Option<usize>) -> bool| {
        let rows = || assignment.folds.iter().enumerate().filter(|(_, fold)| wanted(**fold)).map(|(row, _)| row);
        let patients: BTreeSet<&str> = rows().map(|row| groups[row].as_str()).collect();
        Part { n: rows().count(), events: rows().filter(|&row| events[row]).count(), groups: patients.len() }
    };
    let all = part(&|_| true);
    let report = Report {
        schema_version: SCHEMA_VERSION,
        kind: params.kind,
        n: all.n,
        events: all.events,
        groups: all.groups,
        train: part(&|fold| fold.is_some()),
        test: part(&|fold| fold.is_none()),
        folds: (0..params.folds).map(|index| part(&|fold| fold == Some(index))).collect(),
        groups_in_several: 0,
    };
    let apart = report.folds.iter().map(|fold| fold.groups).sum::<usize>() + report.test.groups;
    if apart != report.groups {
        let several = apart - report.groups;
        return Err(StageError::failed(format!("{several} patients would be in more than one part or fold")));
    }
    check(&report.test, "the test part")?;
    for (index, fold) in report.folds.iter().enumerate() {
        check(fold, &format!("fold {index}"))?;
    }
    Ok(report)
}

fn check(part: &Part, what: &str) -> Result<(), StageError> {
    let Part { n, events, .. } = part;
    if *events > 0 && events < n {
        return Ok(());
    }
    let hint = "take fewer folds, another test share, or `kind: stratified`; with too few events no split can work";
    Err(StageError::failed(format!("{what} has {n} rows of which {events} have the event")).with_hint(hint))
}
