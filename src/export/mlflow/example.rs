//! An example of a row, made of the schema alone: no patient's row leaves the study.

use clinpipe_stages::bundle::{Bundle, Profile, parse_record};
use clinpipe_stages::common::schema::{ColumnSchema, ColumnType};
use serde_json::{Map, Value};

/// Where between the ends of its range a number is tried.
const PLACES: [f64; 3] = [0.5, 0.0, 1.0];

/// A record with every input, the first in [`PLACES`] that the bundle's rules take; `None` when they take none.
pub fn record(bundle: &Bundle) -> Option<Map<String, Value>> {
    PLACES.iter().map(|&place| at(bundle, place)).find(|record| parse_record(bundle, record).is_ok())
}

fn at(bundle: &Bundle, place: f64) -> Map<String, Value> {
    let columns = bundle.inputs().iter().filter_map(|name| Some((name, bundle.schema().columns.get(name)?)));
    columns.map(|(name, column)| (name.clone(), value(bundle, name, column, place))).collect()
}

fn value(bundle: &Bundle, name: &str, column: &ColumnSchema, place: f64) -> Value {
    if let Some(level) = column.levels.first() {
        return level.clone();
    }
    if !column.is_numeric() {
        return Value::from("text");
    }
    let (low, high) = match (column.range, bundle.reference().features.get(name)) {
        (Some([low, high]), _) => (low, high),
        (None, Some(Profile::Number { min: Some(min), max: Some(max), .. })) => (*min, *max),
        (None, _) => (0.0, 1.0),
    };
    let number = low + place * (high - low);
    if column.kind == ColumnType::Integer { Value::from(number.floor() as i64) } else { Value::from(number) }
}
