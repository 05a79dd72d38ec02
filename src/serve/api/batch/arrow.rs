//! Batches as Arrow IPC streams.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{ArrowError, DataType};
use serde_json::{Map, Value, json};

use super::outcome::{Cells, columns};
use super::table::{Header, problem, with_past};
use super::{Answered, TableForm};
use crate::serve::errors::{ApiError, FieldProblem};
use crate::serve::record_json::Item;

/// Reads at most one record more than `most`.
pub(super) fn read(table: &TableForm, body: &[u8], most: usize) -> Result<Vec<Item>, Vec<FieldProblem>> {
    let unread = |error: ArrowError| vec![problem("", format!("the body is no Arrow stream: {error}"), "arrow")];
    let stream = StreamReader::try_new(body, None).map_err(unread)?;
    let schema = stream.schema();
    let header = Header::new(table, schema.fields().iter().map(|field| field.name().as_str()))?;
    let mut records: Vec<Map<String, Value>> = Vec::new();
    for batch in stream {
        let batch = batch.map_err(unread)?;
        let columns = (0..batch.num_columns()).map(|at| match header.name(at) {
            Some(name) => cells(name, batch.column(at)),
            None => Ok(vec![Value::Null; batch.num_rows()]),
        });
        let columns = columns.collect::<Result<Vec<_>, _>>().map_err(|problem| vec![problem])?;
        for row in 0..batch.num_rows() {
            if records.len() > most {
                break;
            }
            records.push(header.record(columns.iter().map(|column| column[row].clone())));
        }
    }
    Ok(with_past(table, records).into_iter().map(Ok).collect())
}

/// The cells of a column; a NaN counts as missing, a boolean stays one.
fn cells(name: &str, column: &ArrayRef) -> Result<Vec<Value>, FieldProblem> {
    macro_rules! numbers {
        ($kind:ty) => {
            column.as_primitive::<$kind>().iter().map(|value| json!(value)).collect()
        };
    }
    let texts = |texts: &mut dyn Iterator<Item = Option<&str>>| texts.map(|text| json!(text)).collect();
    Ok(match column.data_type() {
        DataType::Int8 => numbers!(Int8Type),
        DataType::Int16 => numbers!(Int16Type),
        DataType::Int32 => numbers!(Int32Type),
        DataType::Int64 => numbers!(Int64Type),
        DataType::UInt8 => numbers!(UInt8Type),
        DataType::UInt16 => numbers!(UInt16Type),
        DataType::UInt32 => numbers!(UInt32Type),
        DataType::UInt64 => numbers!(UInt64Type),
        DataType::Float32 => {
            column.as_primitive::<Float32Type>().iter().map(|value| json!(value.map(f64::from))).collect()
        }
        DataType::Float64 => numbers!(Float64Type),
        DataType::Boolean => column.as_boolean().iter().map(|value| json!(value)).collect(),
        DataType::Utf8 => texts(&mut column.as_string::<i32>().iter()),
        DataType::LargeUtf8 => texts(&mut column.as_string::<i64>().iter()),
        DataType::Utf8View => texts(&mut column.as_string_view().iter()),
        DataType::Null => vec![Value::Null; column.len()],
        DataType::Dictionary(_, _) => {
            let dictionary = column.as_any_dictionary();
            let levels = cells(name, dictionary.values())?;
            let keys = dictionary.normalized_keys();
            let level = |(row, key): (usize, usize)| {
                if column.is_null(row) { Value::Null } else { levels.get(key).cloned().unwrap_or_default() }
            };
            keys.into_iter().enumerate().map(level).collect()
        }
        other => return Err(problem(name, format!("is of the type {other}; numbers and texts are taken"), "type")),
    })
}

pub(super) fn write(answered: &Answered) -> Result<Vec<u8>, ApiError> {
    let named = columns(answered).into_iter().map(|column| (column.name, column.cells.array(), true));
    let stream = || -> Result<Vec<u8>, ArrowError> {
        let batch = RecordBatch::try_from_iter_with_nullable(named)?;
        let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema())?;
        writer.write(&batch)?;
        writer.into_inner()
    };
    stream().map_err(|error| ApiError::internal(error.to_string()))
}

impl Cells {
    fn array(self) -> ArrayRef {
        match self {
            Self::Numbers(values) => Arc::new(Float64Array::from(values)),
            Self::Integers(values) => Arc::new(Int64Array::from(values)),
            Self::Texts(values) => Arc::new(StringArray::from(values)),
        }
    }
}
