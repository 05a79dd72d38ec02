//! Reading: a whole file, or one piece of it after the other.

use std::fs::File;
use std::io;
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType as ArrowType, Field, FieldRef};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use polars::prelude::{Column, DataFrame, Float64Chunked, IntoSeries};
use rayon::prelude::*;

use super::ROW_GROUP;

/// Reads a whole file, as many columns at a time as there are threads, so that few are in memory twice. Missing floats
/// become NaN.
pub(in crate::common) fn read(path: &Path) -> Result<DataFrame, String> {
    let opened = Opened::new(path)?;
    let columns = opened.fields().into_par_iter().enumerate().map(|(index, field)| {
        let batches = opened.column(index)?.collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())?;
        let parts: Vec<&ArrayRef> = batches.iter().map(|batch| batch.column(0)).collect();
        column(&field, &parts)
    });
    let columns = columns.collect::<Result<Vec<_>, String>>()?;
    DataFrame::new(opened.rows()?, columns).map_err(|error| error.to_string())
}

/// The names of a file's columns, in its order.
pub(in crate::common) fn names(path: &Path) -> Result<Vec<String>, String> {
    Ok(Opened::new(path)?.fields().iter().map(|field| field.name().clone()).collect())
}

/// A file's description.
struct Opened<'a> {
    path: &'a Path,
    metadata: ArrowReaderMetadata,
}

impl<'a> Opened<'a> {
    fn new(path: &'a Path) -> Result<Self, String> {
        let file = File::open(path).map_err(told)?;
        let metadata = ArrowReaderMetadata::load(&file, ArrowReaderOptions::default()).map_err(not_parquet)?;
        Ok(Self { path, metadata })
    }

    fn rows(&self) -> Result<usize, String> {
        let rows = self.metadata.metadata().file_metadata().num_rows();
        usize::try_from(rows).map_err(|error| error.to_string())
    }

    fn fields(&self) -> Vec<FieldRef> {
        self.metadata.schema().fields().iter().cloned().collect()
    }

    /// A reader of one column, in pieces of as many rows as a row group has.
    fn column(&self, index: usize) -> Result<ParquetRecordBatchReader, String> {
        // Opened again: threads that share a file share its position.
        let file = File::open(self.path).map_err(told)?;
        let mask = ProjectionMask::roots(self.metadata.metadata().file_metadata().schema_descr(), [index]);
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.metadata.clone());
        builder.with_projection(mask).with_batch_size(ROW_GROUP).build().map_err(not_parquet)
    }
}

/// The rows of a file, piece by piece in their order; a piece has as many rows as a row group, the last one the rest.
pub(in crate::common) struct Pieces {
    columns: Vec<(FieldRef, ParquetRecordBatchReader)>,
    left: usize,
}

impl Pieces {
    /// Opens a file and chooses the columns whose names `wanted` accepts.
    pub fn open(path: &Path, wanted: impl Fn(&str) -> bool) -> Result<Self, String> {
        let opened = Opened::new(path)?;
        let fields = opened.fields().into_iter().enumerate().filter(|(_, field)| wanted(field.name()));
        let columns = fields.map(|(index, field)| Ok((field, opened.column(index)?))).collect::<Result<_, String>>()?;
        Ok(Self { columns, left: opened.rows()? })
    }

    /// How many rows are still to come.
    pub fn left(&self) -> usize {
        self.left
    }

    /// The next piece; nothing after the last.
    pub fn next(&mut self) -> Option<Result<DataFrame, String>> {
        let rows = self.left.min(ROW_GROUP);
        self.left -= rows;
        (rows > 0).then(|| {
            let columns = self.columns.par_iter_mut().map(|(field, reader)| {
                let batch = reader.next().ok_or_else(|| "ends before its last row".to_owned())?;
                let batch = batch.map_err(|error| error.to_string())?;
                column(field, &[batch.column(0)])
            });
            let columns = columns.collect::<Result<Vec<_>, String>>()?;
            // Refuses columns of different lengths.
            DataFrame::new(rows, columns).map_err(|error| error.to_string())
        })
    }
}

fn told(error: io::Error) -> String {
    error.to_string()
}

fn not_parquet(error: parquet::errors::ParquetError) -> String {
    format!("is not a readable Parquet file: {error}")
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
