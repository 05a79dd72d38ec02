//! Which rows are trained on, in which fold, and which are the test rows.
//!
//! Patients never cross: neither from train to test nor between folds; in time, nothing is trained on that was not
//! known by more than the gap before what is held out, by the test part always and by a fold unless the study folds by
//! patient. The stage proves both on its own result. A part or fold that is empty, or in which all outcomes are the
//! same, is an error, because no score exists on it.

mod assign;
mod params;
mod report;
#[cfg(test)]
mod temporal_tests;
#[cfg(test)]
mod tests;

pub use params::{FoldBy, SplitKind, SplitParams};

use std::path::Path;

use self::assign::{Assignment, Seat};
use self::params::parse;
use self::report::Outcomes;
use crate::common::canonical_json;
use crate::common::folds::{Design, Place, Timeline, number_codes, quantile_strata};
use crate::common::schema::Schema;
use crate::common::table::{Table, TableAppender, TableWriter};
use crate::common::target::Task;
use crate::{ParamError, ParamSet, Role, Stage, StageContext, StageError, StageFile};

/// Strata of a continuous outcome: bins of about equally many rows, so that every fold has low and high values.
const MAX_STRATA: usize = 10;

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
                Role::required(
                    "split",
                    "row_id, part, fold; in time also when, and for folds in time which of them may train on a row",
                ),
                Role::required("report", "rows, events and patients of each part and fold"),
            ]
        }
    }

    fn params(&self) -> &'static [Role] {
        const {
            &[
                Role::required("seed", "the study's seed"),
                Role::required("schema", "the columns of the raw table"),
                Role::required("split", "kind, test share, folds, time"),
            ]
        }
    }

    fn check(&self, params: &ParamSet) -> Result<(), ParamError> {
        params.parse::<u64>("seed")?;
        parse(params).map(|_| ())
    }

    fn run(&self, context: &StageContext) -> Result<(), StageError> {
        let (schema, params) = parse(context.params())?;
        let table = context.input("table")?;
        let row_ids = Table::read_ints_full(table, "row_id")?;
        let y = outcomes(table, &schema, &row_ids)?;
        let design = design(table, &schema, &params, &row_ids, &y)?;
        let assignment = assign::assign(&design, &params, context.seed()?)?;
        let report = report::report(&assignment, &design, &Outcomes { task: schema.target.kind, y: &y }, &params)?;
        context.progress(row_ids.len() as u64, Some(row_ids.len() as u64), "rows", "rows assigned");
        write(&assignment, &row_ids, &design, context.output("split")?)?;
        canonical_json::write(context.output("report")?, &report)
    }
}

/// Patients, strata and times of all rows.
fn design(
    table: &StageFile,
    schema: &Schema,
    params: &SplitParams,
    row_ids: &[i64],
    y: &[f64],
) -> Result<Design, StageError> {
    let groups = match &schema.group {
        Some(column) => patients(table, column, row_ids)?,
        None => (0..row_ids.len()).collect(),
    };
    let patients = groups.iter().max().map_or(0, |last| last + 1);
    assign::check_patients(params, patients, row_ids.len())?;
    let strata = match (params.kind, schema.target.kind) {
        (SplitKind::Random, _) => vec![0; y.len()],
        (_, Task::Binary) => y.iter().map(|&y| usize::from(y > 0.5)).collect(),
        (_, Task::Continuous) => quantile_strata(y, (patients / (2 * (params.folds + 1))).clamp(1, MAX_STRATA)),
    };
    let time = match params.time.as_ref().filter(|_| params.kind.in_time()) {
        None => None,
        Some(column) => Some(Timeline {
            times: finite(table, column, row_ids, "time")?,
            gap: params.gap.unwrap_or_default(),
            returning: params.kind == SplitKind::TemporalGroup,
        }),
    };
    Ok(Design { groups, strata, time })
}

fn outcomes(table: &StageFile, schema: &Schema, row_ids: &[i64]) -> Result<Vec<f64>, StageError> {
    let target = &schema.target.column;
    if schema.target.kind == Task::Continuous {
        return finite(table, target, row_ids, "outcome");
    }
    let mut y = Vec::with_capacity(row_ids.len());
    for piece in Table::column_pieces(table, &[target])? {
        for value in piece?.ints(target)? {
            y.push(match value {
                Some(0) => 0.0,
                Some(1) => 1.0,
                other => return Err(no_event(target, row_ids[y.len()], other)),
            });
        }
    }
    Ok(y)
}

fn no_event(target: &str, row_id: i64, found: Option<i64>) -> StageError {
    let found = found.map_or_else(|| "nothing".to_owned(), |value| value.to_string());
    StageError::failed(format!("row_id {row_id}: the outcome `{target}` must be 0 or 1, found {found}"))
        .with_hint("declare its levels [0, 1] and nullable: false, so that validate sets such rows aside")
}

/// The patient of each row, numbered as they appear.
fn patients(table: &StageFile, column: &str, row_ids: &[i64]) -> Result<Vec<usize>, StageError> {
    let labels = Table::read_labels(table, column)?;
    if let Some(row) = labels.codes().position(|code| code.is_none()) {
        return Err(StageError::failed(format!("row_id {} has no patient in `{column}`", row_ids[row])));
    }
    Ok(number_codes(labels.codes().flatten()))
}

/// A column in which every row must have a number.
fn finite(table: &StageFile, column: &str, row_ids: &[i64], what: &str) -> Result<Vec<f64>, StageError> {
    let values = Table::read_floats(table, column)?;
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(values),
        Some(row) => Err(StageError::failed(format!("row_id {} has no {what} in `{column}`", row_ids[row]))
            .with_hint("declare it nullable: false, so that validate sets such rows aside")),
    }
}

fn write(assignment: &Assignment, row_ids: &[i64], design: &Design, path: &Path) -> Result<(), StageError> {
    let mut file = TableAppender::new(path);
    let mut from = 0;
    for ids in row_ids.chunks(TableWriter::PIECE) {
        file.append(rows(assignment, ids, design, from)?)?;
        from += ids.len();
    }
    file.finish()
}

/// The rows of the split table from one on.
fn rows(assignment: &Assignment, row_ids: &[i64], design: &Design, from: usize) -> Result<Table, StageError> {
    let mut table = Table::with_rows(row_ids.len());
    let own = from..from + row_ids.len();
    let seats = &assignment.seats[own.clone()];
    let part = |seat: &Seat| match seat {
        Seat::Train(_) => "train",
        Seat::Test => "test",
        Seat::Unused => "unused",
    };
    let place = |pick: fn(Place) -> Option<usize>| {
        let value = |seat: &Seat| match seat {
            Seat::Train(place) => pick(*place).map(|value| value as i64),
            _ => None,
        };
        seats.iter().map(value).collect::<Vec<_>>()
    };
    table.push_ints("row_id", row_ids.iter().copied().map(Some).collect())?;
    table.push_texts("part", seats.iter().map(|seat| Some(part(seat))))?;
    table.push_ints("fold", place(|place| place.held_in))?;
    if let Some(line) = &design.time {
        table.push_floats("time", line.times[own].to_vec())?;
        table.push_floats("gap", vec![line.gap; row_ids.len()])?;
    }
    // Without these a fold trains on all rows that it does not hold out.
    if assignment.in_time {
        table.push_ints("train_from", place(|place| Some(place.from)))?;
        table.push_ints("apart", place(|place| place.apart))?;
    }
    Ok(table)
}
