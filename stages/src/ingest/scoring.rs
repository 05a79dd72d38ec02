//! Files to be scored: read as a study's raw files are, but whole, and without a cell that cannot be read.

use super::{ExtraColumns, IngestParams, RawFormat, Unreadable, reader};
use crate::common::frame::Column;
use crate::common::schema::{ColumnType, Schema};
use crate::common::table::Table;
use crate::common::units::Units;
use crate::{StageError, StageFile};

/// Reads a CSV or Parquet file that is to be scored: the columns of `inputs`, and those of `others` and the id if they
/// are there; the rest is ignored. Values are converted to the schema's units, so unit columns of inputs are
/// inputs too. Inputs that may be missing (`nullable`) may also be absent as columns.
pub fn read_for_scoring(
    file: &StageFile,
    schema: &Schema,
    inputs: &[String],
    others: &[String],
    format: &RawFormat,
) -> Result<Table, StageError> {
    let units = Units::new(schema)?;
    let said = units.unit_columns(inputs);
    let inputs = &[inputs, &said].concat();
    let mut wanted = schema.clone();
    wanted.columns.retain(|name, _| inputs.contains(name) || others.contains(name) || schema.id.as_ref() == Some(name));
    let may_lack =
        |name: &str| !inputs.iter().any(|input| input == name) || schema.columns.get(name).is_some_and(|c| c.nullable);
    let RawFormat { na, delimiter } = format.clone();
    // Nothing stands between here and a prediction: a cell that cannot be read is an error.
    let (extra_columns, unreadable) = (ExtraColumns::Drop, Unreadable::Refuse);
    let params = IngestParams { na, extra_columns, unreadable, delimiter, ..IngestParams::default() };
    let mut table: Option<Table> = None;
    reader::Job { file, schema: &wanted, params: &params, may_lack: &may_lack }.read(&|_| {}, &mut |piece| {
        let (rows, _) = piece.into_table()?;
        match &mut table {
            Some(table) => table.append(rows).map(|_| ()),
            none => {
                *none = Some(rows);
                Ok(())
            }
        }
    })?;
    Ok(units.apply_table(table.unwrap_or_else(|| Table::with_rows(0)))?.0)
}

/// The columns `names` of a Parquet file that has them in the schema's types already, so that no cell need be spelled out
/// and read again. `None` where that is not so, a text may mean that nothing is there, or units have to be converted: then
/// [`read_for_scoring`] judges every cell. Columns that the schema does not know may be of any type.
pub fn read_typed(file: &StageFile, schema: &Schema, names: &[&str], format: &RawFormat) -> Option<Table> {
    let is_parquet = file.path.is_file() && file.path.extension().is_some_and(|extension| extension == "parquet");
    // A marker like -9 means that numbers have to be compared with it as texts.
    let is_number = |marker: &String| marker.trim().parse::<f64>().is_ok_and(f64::is_finite);
    if !is_parquet || !Units::new(schema).ok()?.is_empty() || format.na.iter().any(is_number) {
        return None;
    }
    let table = Table::read_columns(file, names).ok()?;
    let is_plain =
        |text: &str| !text.is_empty() && text.trim() == text && !format.na.iter().any(|marker| marker == text);
    let fits = |name: &&str| match schema.columns.get(*name).map(|column| column.kind) {
        None => Some(true),
        Some(kind) => Some(match (table.column_of(name).ok()?, kind) {
            (Column::Number(values), ColumnType::Number) => !values.iter().any(|value| value.is_infinite()),
            (Column::Number(values), ColumnType::Integer) => {
                values.iter().all(|value| value.is_nan() || (value.is_finite() && value.fract() == 0.0))
            }
            // An identifier may be a number; its text is the number's.
            (Column::Number(_), ColumnType::Text) => table.labels(name).is_ok(),
            (Column::Text(texts), ColumnType::Category | ColumnType::Text) => {
                texts.levels().iter().all(|level| is_plain(level))
            }
            (Column::Number(_), ColumnType::Category) | (Column::Text(_), ColumnType::Integer | ColumnType::Number) => {
                false
            }
        }),
    };
    names.iter().map(fits).collect::<Option<Vec<bool>>>()?.into_iter().all(|fits| fits).then_some(table)
}
