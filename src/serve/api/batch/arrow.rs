//! Batches as Arrow IPC streams.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{ArrowError, DataType};
use serde_json::{Value, json};

use super::outcome::{Cells, columns};
use super::table::{Header, Row, items, problem};
use super::{Answered, TableForm};
use crate::serve::errors::{ApiError, FieldProblem};
use crate::serve::record_json::Item;

/// Reads at most one record more than `most`; no cell of any other row is made, however many the stream announces.
pub(super) fn read(table: &TableForm, body: &[u8], most: usize) -> Result<Vec<Item>, Vec<FieldProblem>> {
    // The reader trusts offsets inside the stream and panics at those that lead nowhere; nothing outlives it.
    catch_unwind(AssertUnwindSafe(|| read_rows(table, body, most)))
        .unwrap_or_else(|_panic| Err(vec![problem("", "the body is no Arrow stream: its buffers do not fit", "arrow")]))
}

fn read_rows(table: &TableForm, body: &[u8], most: usize) -> Result<Vec<Item>, Vec<FieldProblem>> {
    let unread = |error: ArrowError| vec![problem("", format!("the body is no Arrow stream: {error}"), "arrow")];
    let stream = StreamReader::try_new(body, None).map_err(unread)?;
    let schema = stream.schema();
    let header = Header::new(table, schema.fields().iter().map(|field| field.name().as_str()))?;
    let mut rows: Vec<Row> = Vec::new();
    for batch in stream {
        let batch = batch.map_err(unread)?;
        let count = batch.num_rows().min(most.saturating_add(1) - rows.len());
        let batch = batch.slice(0, count);
        let mut columns = Vec::new();
        for at in 0..batch.num_columns() {
            let read = header.name(at).map(|name| cells(name, batch.column(at))).transpose();
            columns.push(read.map_err(|problem| vec![problem])?);
        }
        for row in 0..count {
            let cell = |column: &Option<Vec<Value>>| column.as_ref().map_or(Value::Null, |cells| cells[row].clone());
            let record = header.record(columns.iter().map(cell));
            rows.push(Row { record, fault: infinite(&batch, &header, row) });
        }
        if rows.len() > most {
            break;
        }
    }
    items(table, rows)
}

/// The cells of a row that are numbers without end. They are no gaps, so a record with one has no score.
fn infinite(batch: &RecordBatch, header: &Header, row: usize) -> Option<Vec<FieldProblem>> {
    let is_infinite = |column: &ArrayRef| match column.data_type() {
        DataType::Float32 => column.as_primitive::<Float32Type>().value(row).is_infinite(),
        DataType::Float64 => column.as_primitive::<Float64Type>().value(row).is_infinite(),
        _ => false,
    };
    let found = (0..batch.num_columns()).filter(|&at| {
        let column = batch.column(at);
        header.name(at).is_some() && column.is_valid(row) && is_infinite(column)
    });
    let problems: Vec<_> =
        found.filter_map(|at| Some(problem(header.name(at)?, "must be a finite number", "type"))).collect();
    (!problems.is_empty()).then_some(problems)
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
            let (levels, keys) = (dictionary.values(), dictionary.normalized_keys());
            // Only the levels of these rows: a dictionary may be any size.
            let level = |(row, key): (usize, usize)| {
                if column.is_null(row) || key >= levels.len() {
                    return Ok(Value::Null);
                }
                cells(name, &levels.slice(key, 1)).map(|mut one| one.pop().unwrap_or_default())
            };
            keys.into_iter().enumerate().map(level).collect::<Result<_, _>>()?
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

#[cfg(test)]
mod tests {
    use arrow_array::{BooleanArray, NullArray};

    use super::*;
    use crate::serve::test_app::table_form;

    fn stream(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
        let batch =
            RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true)));
        let batch = batch.expect("columns of one length");
        let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).expect("a stream");
        writer.write(&batch).expect("in memory");
        writer.into_inner().expect("in memory")
    }

    #[test]
    fn rows_beyond_the_limit_are_never_made() {
        // Both announce far more rows than any memory has room for.
        let rows = 1_000_000_000_000;
        let body = stream(vec![("risk", Arc::new(NullArray::new(rows)))]);
        assert!(body.len() < 1000);
        assert_eq!(read(&table_form(), &body, 10).map(|items| items.len()), Ok(11));
        let body = stream(vec![("risk", Arc::new(BooleanArray::from(vec![true; 100_000])))]);
        assert_eq!(read(&table_form(), &body, 10).map(|items| items.len()), Ok(11));
    }

    #[test]
    fn a_number_without_end_is_no_gap() {
        let values =
            Float64Array::from(vec![Some(f64::INFINITY), Some(f64::NAN), None, Some(f64::NEG_INFINITY), Some(0.5)]);
        let items = read(&table_form(), &stream(vec![("risk", Arc::new(values))]), 10).expect("a table");
        let kinds: Vec<_> =
            items.iter().map(|item| item.as_ref().map_err(|problems| problems[0].kind).map(|_| ())).collect();
        assert_eq!(kinds, [Err("type"), Ok(()), Ok(()), Err("type"), Ok(())]);
    }

    #[test]
    fn bytes_that_are_no_stream_are_a_problem_and_no_panic() {
        let values = Float64Array::from(vec![0.25, 0.5]);
        let body = stream(vec![("risk", Arc::new(values))]);
        for at in 0..body.len() {
            for bit in [1, 0x80] {
                let mut changed = body.clone();
                changed[at] ^= bit;
                let _answered = read(&table_form(), &changed, 10);
            }
        }
    }
}
