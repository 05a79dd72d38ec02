//! Rows of a table that are scored one by one, like records: cells become values of the schema's types.
//!
//! Cells are read as [`super::read_for_scoring`] reads them. What cannot be read stays text, so that whoever judges the
//! record refuses it by name.

use std::collections::BTreeMap;

use serde_json::Value;

use super::cell::{ColumnReader, Values};
use crate::common::schema::Schema;

/// Reads cells by column.
#[derive(Debug, Clone)]
pub struct RowReader(BTreeMap<String, ColumnReader>);

impl RowReader {
    /// A reader for the columns of a schema; `na` are the cells that mean missing.
    pub fn new(schema: &Schema, na: &[String]) -> Self {
        Self(schema.columns.iter().map(|(name, column)| (name.clone(), ColumnReader::new(column, na))).collect())
    }

    /// Whether the schema has the column.
    pub fn knows(&self, column: &str) -> bool {
        self.0.contains_key(column)
    }

    /// The value of a cell: `null` when it is missing, its text when it cannot be read or the column is unknown.
    pub fn value(&mut self, column: &str, cell: &str) -> Value {
        let Some(reader) = self.0.get_mut(column) else { return Value::from(cell) };
        if reader.push(cell).is_err() {
            reader.clear();
            return Value::from(cell);
        }
        let value = match &reader.values {
            Values::Integers(values) => values.last().copied().flatten().map(Value::from),
            Values::Numbers(values) => values.last().filter(|value| !value.is_nan()).map(|&value| Value::from(value)),
            Values::Texts(values) => values.last().cloned().flatten().map(Value::from),
        };
        reader.clear();
        value.unwrap_or(Value::Null)
    }
}

impl ColumnReader {
    /// Forgets the values taken so far.
    fn clear(&mut self) {
        match &mut self.values {
            Values::Integers(values) => values.clear(),
            Values::Numbers(values) => values.clear(),
            Values::Texts(values) => values.clear(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn cells_become_values_of_their_columns_types() {
        let schema: Schema = serde_json::from_value(json!({
            "target": {"column": "y", "event": "dies"},
            "columns": {"age": {"type": "integer"}, "bmi": {"type": "number"}, "arm": {"type": "category", "levels": ["a", "NA"]},
                "y": {"type": "integer"}},
        }))
        .expect("a schema");
        let mut reader = RowReader::new(&schema, &[String::new(), "NA".to_owned()]);
        assert_eq!(reader.value("age", "69.0"), json!(69));
        assert_eq!(reader.value("age", "69.5"), json!("69.5"));
        assert_eq!(reader.value("bmi", " 1.5 "), json!(1.5));
        assert_eq!(reader.value("bmi", "NA"), Value::Null);
        assert_eq!((reader.value("arm", "NA"), reader.value("arm", "")), (json!("NA"), Value::Null));
        assert!(!reader.knows("weight"));
    }
}
