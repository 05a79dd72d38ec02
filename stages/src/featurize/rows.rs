//! The feature table, piece by piece: what is in memory does not grow with the table, but for the columns whose past is
//! used (8 bytes a value), and 24 bytes a row for whose it is and when.

use std::collections::BTreeMap;

use super::history::{Entities, History, HistoryError};
use super::{FeatureSpec, HistorySpec, KEY_COLUMNS};
use crate::common::frame::Column;
use crate::common::schema::Schema;
use crate::common::table::{Table, TableWriter};
use crate::common::target::Task;
use crate::common::texts::Texts;
use crate::{StageContext, StageError, StageFile};

/// Reads the table and writes its keys and features.
pub(super) fn write(context: &StageContext, schema: &Schema, spec: &FeatureSpec) -> Result<(), StageError> {
    let input = context.input("table")?;
    let past = spec.history.as_ref().map(|history| past(input, history, schema)).transpose()?;
    let names: Vec<&str> = spec.features.iter().map(|feature| feature.name.as_str()).collect();
    let keys = [Some("row_id"), schema.id.as_deref(), schema.group.as_deref(), Some(&schema.target.column)];
    let wanted: Vec<&str> = keys.into_iter().flatten().chain(spec.inputs.iter().map(String::as_str)).collect();
    let mut pieces = Table::pieces(input, &wanted)?;
    let (total, mut done) = (pieces.left(), 0);
    let mut out = TableWriter::new(context.output("table")?);
    // An empty table has columns, too.
    let empty = (total == 0).then(|| Table::read(input));
    for piece in empty.into_iter().chain(&mut pieces) {
        let piece = piece?;
        let mut raw = piece.frame_of(spec.inputs.iter().map(String::as_str))?;
        if let Some(past) = &past {
            let rows: Vec<usize> = (done..done + piece.rows()).collect();
            for (name, values) in past.columns(&rows) {
                raw.insert(name, Column::Number(values));
            }
        }
        let features = spec.apply(&raw).map_err(|error| StageError::input(&input.name, error.to_string()))?;
        out.write(&key_columns(&piece, schema)?, &features, &names)?;
        done += piece.rows();
        context.progress(done as u64, Some(total as u64), "rows", "features computed");
    }
    out.finish()
}

/// The whole table's past, as far as it is used.
fn past(input: &StageFile, spec: &HistorySpec, schema: &Schema) -> Result<History, StageError> {
    let sources = spec.sources();
    let other = schema.group.as_ref().filter(|group| **group != spec.entity);
    let wanted = [spec.entity.as_str(), spec.time.as_str()].into_iter().chain(other.map(String::as_str));
    let wanted: Vec<&str> = wanted.chain(sources.iter().copied()).collect();
    let (mut entities, mut groups, mut times) = (Entities::default(), Entities::default(), Vec::new());
    let mut values: BTreeMap<String, Vec<f64>> = sources.iter().map(|name| ((*name).to_owned(), Vec::new())).collect();
    for piece in Table::pieces(input, &wanted)? {
        let piece = piece?;
        let names = |table: &Table, name: &str| -> Result<Column, StageError> {
            table.frame_of([name])?.get(name).cloned().ok_or_else(|| StageError::failed(format!("`{name}` is absent")))
        };
        entities.extend(&names(&piece, &spec.entity)?);
        if let Some(group) = other {
            groups.extend(&names(&piece, group)?);
        }
        times.extend(piece.floats(&spec.time)?);
        for (name, values) in &mut values {
            values.extend(piece.floats(name)?);
        }
    }
    if let Some(group) = other {
        check_nested(input, spec, group, &entities, &groups)?;
    }
    History::new(spec, entities, times, values).map_err(|error| unordered(input, spec, &error))
}

/// All rows of an entity must belong to one patient: what shares a past must not cross the split.
fn check_nested(
    input: &StageFile,
    spec: &HistorySpec,
    group: &str,
    entities: &Entities,
    groups: &Entities,
) -> Result<(), StageError> {
    let mut owner: BTreeMap<u32, u32> = BTreeMap::new();
    for (row, (entity, patient)) in entities.codes().iter().zip(groups.codes()).enumerate() {
        if owner.entry(*entity).or_insert(*patient) != patient {
            let entity = &spec.entity;
            let message = format!("{}: its `{entity}` occurs under another `{group}`, too", row_name(input)(row));
            return Err(StageError::input(&input.name, message).with_hint(format!(
                "leave `featurize.history.entity` out to use `{group}`, or name a column that is finer than it"
            )));
        }
    }
    Ok(())
}

fn unordered(input: &StageFile, spec: &HistorySpec, error: &HistoryError) -> StageError {
    let message = format!("`{}`, `{}`: {}", spec.entity, spec.time, error.tell(row_name(input)));
    StageError::input(&input.name, message).with_hint(error.hint())
}

/// Names rows by `row_id`; by their place when the file does not tell.
fn row_name(input: &StageFile) -> impl Fn(usize) -> String {
    let ids = Table::pieces(input, &["row_id"]).ok().and_then(|pieces| {
        let ids = pieces.map(|piece| piece.and_then(|piece| piece.ints_full("row_id")));
        ids.collect::<Result<Vec<_>, _>>().ok()
    });
    let ids: Vec<i64> = ids.into_iter().flatten().flatten().collect();
    move |row| ids.get(row).map_or_else(|| format!("row {}", row + 1), |id| format!("row_id {id}"))
}

/// `row_id`, the row's name, its patient (its own `row_id` when the study has no patients) and the outcome.
fn key_columns(table: &Table, schema: &Schema) -> Result<Table, StageError> {
    let [row_id, id, group, y] = KEY_COLUMNS;
    let mut out = Table::with_rows(table.rows());
    let row_ids = table.ints("row_id")?;
    let own = || Ok(row_ids.iter().map(|id| id.map(|id| id.to_string())).collect());
    let groups = schema.group.as_ref().map_or_else(own, |column| table.labels(column))?;
    let ids =
        schema.id.as_ref().map_or_else(|| Ok(Texts::repeat(None, table.rows())), |column| table.labels(column))?;
    let target = &schema.target.column;
    let (events, numbers) = match schema.target.kind {
        Task::Binary => (table.ints(target)?, Vec::new()),
        Task::Continuous => (Vec::new(), table.floats(target)?),
    };
    let absent = events.iter().position(Option::is_none).or_else(|| numbers.iter().position(|y| !y.is_finite()));
    if let Some(row) = absent {
        let row_id = row_ids[row].unwrap_or_default();
        return Err(StageError::failed(format!("row_id {row_id} has no outcome in `{}`", schema.target.column))
            .with_hint("mark the outcome as not nullable in the schema, so that validate sets such rows aside"));
    }
    out.push_ints(row_id, row_ids)?.push_texts(id, &ids)?.push_texts(group, &groups)?;
    match schema.target.kind {
        Task::Binary => out.push_ints(y, events)?,
        Task::Continuous => out.push_floats(y, numbers)?,
    };
    Ok(out)
}
