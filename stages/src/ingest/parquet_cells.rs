//! The cells of somebody's Parquet file, as the texts that a CSV file would hold.
//!
//! So both formats meet the same schema, markers, duplicates and messages. Floats are spelled so that they read back as
//! the same number; null and NaN are missing. Types are the file's own, not those that a writer's metadata adds.

use std::fs::File;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};

use crate::{StageError, StageFile};

/// Rows that are spelled out at a time.
const BATCH: usize = 8192;

/// An open Parquet file.
pub(super) struct ParquetCells<'a> {
    name: &'a str,
    builder: ParquetRecordBatchReaderBuilder<File>,
}

/// Opens a file and reads its description.
pub(super) fn open(file: &StageFile) -> Result<ParquetCells<'_>, StageError> {
    let opened = File::open(&file.path).map_err(|error| StageError::input(&file.name, error.to_string()))?;
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(opened, options);
    let builder = builder.map_err(|error| unreadable(&file.name, &error))?;
    Ok(ParquetCells { name: &file.name, builder })
}

fn unreadable(name: &str, error: &dyn std::error::Error) -> StageError {
    StageError::input(name, format!("is not readable as Parquet: {error}"))
        .with_hint("write it uncompressed or with snappy or zstd")
}

impl ParquetCells<'_> {
    /// The names of the columns.
    pub fn header(&self) -> Vec<String> {
        self.builder.schema().fields().iter().map(|field| field.name().clone()).collect()
    }

    /// Gives each row's cells; those of columns that are not `known` are missing.
    pub fn for_each_row(
        self,
        known: impl Fn(&str) -> bool,
        mut take: impl FnMut(&[Option<&[u8]>]) -> Result<(), StageError>,
    ) -> Result<(), StageError> {
        let (name, fields) = (self.name, self.builder.schema().fields().clone());
        let reader = self.builder.with_batch_size(BATCH).build().map_err(|error| unreadable(name, &error))?;
        for batch in reader {
            let batch = batch.map_err(|error| unreadable(name, &error))?;
            let columns = fields.iter().zip(batch.columns()).map(|(field, array)| {
                if !known(field.name()) {
                    return Ok(vec![None; batch.num_rows()]);
                }
                spell(array).map_err(|kind| StageError::Input {
                    file: name.to_owned(),
                    row: None,
                    column: Some(field.name().clone()),
                    message: format!("has the type {kind}, which is neither numbers nor texts"),
                    hint: "store it as integers, floats or texts".to_owned(),
                })
            });
            let columns = columns.collect::<Result<Vec<_>, _>>()?;
            for row in 0..batch.num_rows() {
                let cells: Vec<Option<&[u8]>> =
                    columns.iter().map(|column| column[row].as_deref().map(str::as_bytes)).collect();
                take(&cells)?;
            }
        }
        Ok(())
    }
}

/// The values of a column as texts; the error names a type that has none.
fn spell(array: &ArrayRef) -> Result<Vec<Option<String>>, String> {
    Ok(match array.data_type() {
        DataType::Int8 => integers::<Int8Type>(array),
        DataType::Int16 => integers::<Int16Type>(array),
        DataType::Int32 => integers::<Int32Type>(array),
        DataType::Int64 => integers::<Int64Type>(array),
        DataType::UInt8 => integers::<UInt8Type>(array),
        DataType::UInt16 => integers::<UInt16Type>(array),
        DataType::UInt32 => integers::<UInt32Type>(array),
        DataType::UInt64 => integers::<UInt64Type>(array),
        DataType::Float32 => array.as_primitive::<Float32Type>().iter().map(|v| float(v.map(f64::from))).collect(),
        DataType::Float64 => array.as_primitive::<Float64Type>().iter().map(float).collect(),
        DataType::Utf8 => array.as_string::<i32>().iter().map(|text| text.map(str::to_owned)).collect(),
        DataType::LargeUtf8 => array.as_string::<i64>().iter().map(|text| text.map(str::to_owned)).collect(),
        DataType::Boolean => array.as_boolean().iter().map(|value| value.map(|value| value.to_string())).collect(),
        DataType::Null => vec![None; array.len()],
        other => return Err(other.to_string()),
    })
}

fn integers<T: ArrowPrimitiveType>(array: &ArrayRef) -> Vec<Option<String>>
where
    T::Native: ToString,
{
    array.as_primitive::<T>().iter().map(|value| value.map(|value| value.to_string())).collect()
}

fn float(value: Option<f64>) -> Option<String> {
    value.filter(|value| !value.is_nan()).map(|value| value.to_string())
}
