//! Writing: a whole frame, or one row group after the other.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::Path;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray};
use arrow_schema::{DataType as ArrowType, Field, Schema, SchemaRef};
use parquet::arrow::arrow_writer::{ArrowRowGroupWriterFactory, ArrowWriter, ArrowWriterOptions, compute_leaves};
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use polars::prelude::{Column, DataFrame, DataType, PolarsError};
use rayon::prelude::*;

use super::ROW_GROUP;
use crate::common::frame;

const ZSTD_LEVEL: i32 = 3;

/// Writes the frame; other types than the four are an error.
pub(in crate::common) fn write(frame: &DataFrame, path: &Path) -> io::Result<()> {
    let fields = frame.columns().iter().map(field).collect::<Result<Vec<_>, _>>().map_err(io::Error::other)?;
    let mut writer = Writer::create(path, fields)?;
    let mut from = 0;
    while from < frame.height() {
        writer.write(&frame.slice(from as i64, ROW_GROUP), &[])?;
        from += ROW_GROUP;
    }
    writer.finish()
}

/// A file that is written row group by row group; as many rows are in memory.
pub(in crate::common) struct Writer {
    schema: SchemaRef,
    file: SerializedFileWriter<BufWriter<File>>,
    factory: ArrowRowGroupWriterFactory,
    groups: usize,
    /// Whether a row group was not full, so that no other may follow.
    ended: bool,
}

impl Writer {
    /// Opens a file with these columns.
    pub fn create(path: &Path, fields: Vec<Field>) -> io::Result<Self> {
        let properties = WriterProperties::builder()
            .set_created_by("clinpipe".to_owned())
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL).map_err(io::Error::other)?))
            .set_max_row_group_row_count(Some(ROW_GROUP))
            .set_max_row_group_bytes(None)
            .build();
        let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
        let schema = Arc::new(Schema::new(fields));
        let file = BufWriter::new(File::create(path)?);
        let writer = ArrowWriter::try_new_with_options(file, Arc::clone(&schema), options)?;
        let (file, factory) = writer.into_serialized_writer()?;
        Ok(Self { schema, file, factory, groups: 0, ended: false })
    }

    /// Writes one row group: the columns of `frame`, then `more`. All but the last must be full.
    pub fn write(&mut self, frame: &DataFrame, more: &[&frame::Column]) -> io::Result<()> {
        let rows = frame.height();
        if self.ended || rows > ROW_GROUP || frame.width() + more.len() != self.schema.fields().len() {
            return Err(io::Error::other("a table is written in full row groups of its own columns"));
        }
        self.ended = rows < ROW_GROUP;
        if rows == 0 {
            return Ok(());
        }
        let writers = self.factory.create_column_writers(self.groups)?;
        let encode = |(index, mut writer): (usize, parquet::arrow::arrow_writer::ArrowColumnWriter)| {
            let array = match frame.columns().get(index) {
                Some(column) => array(column).map_err(ParquetError::General)?,
                None => new_array(more[index - frame.width()]),
            };
            if array.len() != rows {
                return Err(ParquetError::General(format!("column {index} has {} rows, not {rows}", array.len())));
            }
            for leaf in compute_leaves(self.schema.field(index), &array)? {
                writer.write(&leaf)?;
            }
            writer.close()
        };
        let chunks: Vec<_> = writers.into_par_iter().enumerate().map(encode).collect::<Result<_, ParquetError>>()?;
        let mut group = self.file.next_row_group()?;
        for chunk in chunks {
            chunk.append_to_row_group(&mut group)?;
        }
        group.close()?;
        self.groups += 1;
        Ok(())
    }

    /// Ends the file.
    pub fn finish(self) -> io::Result<()> {
        self.file.close()?;
        Ok(())
    }
}

/// Name and stored type of a column.
pub(in crate::common) fn field(column: &Column) -> Result<Field, String> {
    let kind = match column.dtype() {
        DataType::Int64 => ArrowType::Int64,
        DataType::Float64 => ArrowType::Float64,
        DataType::String => ArrowType::Utf8,
        DataType::Boolean => ArrowType::Boolean,
        other => return Err(format!("column `{}` has the type {other}, which tables do not store", column.name())),
    };
    Ok(Field::new(column.name().as_str(), kind, true))
}

/// The same of a column of a scoring table.
pub(in crate::common) fn new_field(name: &str, column: &frame::Column) -> Field {
    let kind = match column {
        frame::Column::Number(_) => ArrowType::Float64,
        frame::Column::Text(_) => ArrowType::Utf8,
    };
    Field::new(name, kind, true)
}

fn array(column: &Column) -> Result<ArrayRef, String> {
    let text = |error: PolarsError| error.to_string();
    Ok(match column.dtype() {
        DataType::Int64 => Arc::new(column.i64().map_err(text)?.iter().collect::<Int64Array>()),
        DataType::Float64 => {
            let values = column.f64().map_err(text)?.iter().map(|value| value.filter(|value| !value.is_nan()));
            Arc::new(values.collect::<Float64Array>())
        }
        DataType::String => Arc::new(column.str().map_err(text)?.iter().collect::<StringArray>()),
        DataType::Boolean => Arc::new(column.bool().map_err(text)?.iter().collect::<BooleanArray>()),
        other => return Err(format!("column `{}` has the type {other}, which tables do not store", column.name())),
    })
}

/// A column of a scoring table as it is stored: NaN is missing, `-0.0` is `0.0`.
fn new_array(column: &frame::Column) -> ArrayRef {
    match column {
        frame::Column::Number(values) => {
            let stored = |value: &f64| (!value.is_nan()).then_some(if *value == 0.0 { 0.0 } else { *value });
            Arc::new(values.iter().map(stored).collect::<Float64Array>())
        }
        frame::Column::Text(values) => Arc::new(values.iter().collect::<StringArray>()),
    }
}
