//! Files to be scored: read as a study's raw files are, but whole, and without a cell that cannot be read.

use super::{ExtraColumns, IngestParams, RawFormat, Unreadable, reader};
use crate::common::schema::Schema;
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
