//! The one Parquet writer and its reader.
//!
//! Bytes depend on the values only: every column is written from one contiguous batch, with fixed row groups, one
//! compression level, a fixed `created_by` and no key-value metadata. Types: Int64, Float64, Utf8, Boolean.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{
    Array, ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, RecordBatchOptions, StringArray,
};
use arrow_schema::{DataType as ArrowType, Field, Schema};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::arrow::arrow_writer::{ArrowWriter, ArrowWriterOptions};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use polars::prelude::{Column, DataFrame, DataType, Float64Chunked, IntoSeries, PolarsError};
use rayon::prelude::*;

/// Rows of a row group: small enough to read in parts, large enough for dictionaries to pay.
const ROW_GROUP: usize = 131_072;
const ZSTD_LEVEL: i32 = 3;

/// Writes the frame; other types than the four are an error.
pub(super) fn write(frame: &DataFrame, path: &Path) -> io::Result<()> {
    let batch = to_batch(frame).map_err(io::Error::other)?;
    let properties = WriterProperties::builder()
        .set_created_by("clinpipe".to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL).map_err(io::Error::other)?))
        .set_max_row_group_row_count(Some(ROW_GROUP))
        .set_max_row_group_bytes(None)
        .build();
    let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
    let mut writer = ArrowWriter::try_new_with_options(File::create(path)?, batch.schema(), options)?;
    writer.write(&batch)?;
    writer.close()?;
    Ok(())
}

fn to_batch(frame: &DataFrame) -> Result<RecordBatch, String> {
    let text = |error: PolarsError| error.to_string();
    let mut fields = Vec::with_capacity(frame.width());
    let mut arrays: Vec<ArrayRef> = Vec::with_capacity(frame.width());
    for column in frame.columns() {
        let array: ArrayRef = match column.dtype() {
            DataType::Int64 => Arc::new(column.i64().map_err(text)?.iter().collect::<Int64Array>()),
            DataType::Float64 => {
                let values = column.f64().map_err(text)?.iter().map(|value| value.filter(|value| !value.is_nan()));
                Arc::new(values.collect::<Float64Array>())
            }
            DataType::String => Arc::new(column.str().map_err(text)?.iter().collect::<StringArray>()),
            DataType::Boolean => Arc::new(column.bool().map_err(text)?.iter().collect::<BooleanArray>()),
            other => return Err(format!("column `{}` has the type {other}, which tables do not store", column.name())),
        };
        fields.push(Field::new(column.name().as_str(), array.data_type().clone(), true));
        arrays.push(array);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(frame.height()));
    let batch = RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options);
    batch.map_err(|error| error.to_string())
}

/// Reads a whole file, as many columns at a time as there are threads, so that few are in memory twice. Missing floats
/// become NaN.
pub(super) fn read(path: &Path) -> Result<DataFrame, String> {
    let text = |error: io::Error| error.to_string();
    let not_parquet = |error: parquet::errors::ParquetError| format!("is not a readable Parquet file: {error}");
    let file = File::open(path).map_err(text)?;
    let metadata = ArrowReaderMetadata::load(&file, ArrowReaderOptions::default()).map_err(not_parquet)?;
    let rows = usize::try_from(metadata.metadata().file_metadata().num_rows()).map_err(|error| error.to_string())?;
    let columns = metadata.schema().fields().par_iter().enumerate().map(|(index, field)| {
        // Opened again: threads that share a file share its position.
        let file = File::open(path).map_err(text)?;
        let mask = ProjectionMask::roots(metadata.metadata().file_metadata().schema_descr(), [index]);
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata.clone());
        let reader = builder.with_projection(mask).with_batch_size(ROW_GROUP).build().map_err(not_parquet)?;
        let batches = reader.collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())?;
        let parts: Vec<&ArrayRef> = batches.iter().map(|batch| batch.column(0)).collect();
        column(field, &parts)
    });
    let columns = columns.collect::<Result<Vec<_>, String>>()?;
    DataFrame::new(rows, columns).map_err(|error| error.to_string())
}

fn column(field: &Field, parts: &[&ArrayRef]) -> Result<Column, String> {
    let name = field.name().as_str().into();
    match field.data_type() {
        ArrowType::Int64 => {
            let values = parts.iter().flat_map(|part| part.as_primitive::<Int64Type>().iter());
            Ok(Column::new(name, values.collect::<Vec<_>>()))
        }
        ArrowType::Float64 => {
            let mut values = Vec::with_capacity(parts.iter().map(Array::len).sum());
            for part in parts {
                let (array, from) = (part.as_primitive::<Float64Type>(), values.len());
                values.extend_from_slice(array.values());
                if let Some(nulls) = array.nulls() {
                    for row in (0..array.len()).filter(|&row| nulls.is_null(row)) {
                        values[from + row] = f64::NAN;
                    }
                }
            }
            Ok(Float64Chunked::from_vec(name, values).into_series().into())
        }
        ArrowType::Utf8 => {
            let values = parts.iter().flat_map(|part| part.as_string::<i32>().iter());
            Ok(Column::new(name, values.collect::<Vec<_>>()))
        }
        ArrowType::Boolean => {
            let values = parts.iter().flat_map(|part| part.as_boolean().iter());
            Ok(Column::new(name, values.collect::<Vec<_>>()))
        }
        other => Err(format!("column `{}` has the type {other}, which tables do not store", field.name())),
    }
}
