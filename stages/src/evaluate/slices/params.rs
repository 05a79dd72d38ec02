//! `evaluate.slices` and `evaluate.over_time` in params.yaml.

use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::ParamError;
use crate::common::schema::{ColumnSchema, ColumnType, Schema};
use crate::common::text::suggestion;

/// One way to slice the rows: a column's name, or `{column: age, bins: [40, 65]}`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum SliceBy {
    /// A column of the raw table, whether or not the model uses it; one slice a level. Numbers need few different
    /// values.
    Column(String),
    /// A column of numbers, divided into intervals.
    Bins(SliceBins),
}

/// A column of numbers and where to cut it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SliceBins {
    /// A column of the raw table.
    pub column: String,
    /// Inner edges, ascending. Intervals include their right end: `[40, 65]` gives ≤ 40, > 40 to 65, > 65.
    pub bins: Vec<f64>,
}

impl<'de> Deserialize<'de> for SliceBy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(column) => Ok(Self::Column(column)),
            object @ Value::Object(_) => serde_json::from_value(object).map(Self::Bins).map_err(D::Error::custom),
            other => Err(D::Error::custom(format!("{other} is neither a column nor {{column: …, bins: […]}}"))),
        }
    }
}

/// `evaluate.over_time`: how the model fares as time goes by.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OverTime {
    /// The column of the raw table that says when: a number (a year, a day number), or a text that starts with an
    /// ISO date (`2024-05-31`).
    pub column: String,
    /// The periods. Absent: one a value of a number; for dates, years.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bins: Option<TimeBins>,
}

/// Periods of time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum TimeBins {
    /// Of dates.
    Calendar(Calendar),
    /// Inner edges of a number, ascending; periods include their right end.
    Edges(Vec<f64>),
}

/// Periods of dates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Calendar {
    /// One a year.
    Years,
    /// One a month.
    Months,
}

impl SliceBy {
    /// The column it cuts.
    pub fn column(&self) -> &str {
        match self {
            Self::Column(column) | Self::Bins(SliceBins { column, .. }) => column,
        }
    }

    /// Inner edges, if it has any.
    pub fn bins(&self) -> Option<&[f64]> {
        match self {
            Self::Column(_) => None,
            Self::Bins(bins) => Some(&bins.bins),
        }
    }
}

/// Checks what can be said against the slices without data or schema.
pub(in crate::evaluate) fn check(slices: &[SliceBy], over_time: Option<&OverTime>) -> Result<(), ParamError> {
    for (at, slice) in slices.iter().enumerate() {
        let path = format!("evaluate.slices.{at}");
        // Two cuts of one column would let readers take one small slice from another.
        if slices[..at].iter().any(|other| other.column() == slice.column()) {
            return Err(ParamError::new(path, format!("`{}` is sliced twice; give one set of bins", slice.column())));
        }
        if let Some(edges) = slice.bins() {
            check_edges(&format!("{path}.bins"), edges)?;
        }
    }
    match over_time.and_then(|time| time.bins.as_ref()) {
        Some(TimeBins::Edges(edges)) => check_edges("evaluate.over_time.bins", edges),
        _ => Ok(()),
    }
}

/// Checks the columns against the schema of the rows.
pub(in crate::evaluate) fn check_columns(
    slices: &[SliceBy],
    over_time: Option<&OverTime>,
    schema: &Schema,
) -> Result<(), ParamError> {
    for (at, slice) in slices.iter().enumerate() {
        let path = format!("evaluate.slices.{at}");
        let column = known(&path, slice.column(), schema)?;
        let identity = [schema.id.as_deref(), schema.group.as_deref()];
        if slice.column() == schema.target.column || identity.contains(&Some(slice.column())) {
            let message = format!("`{}` is the outcome or names a patient; slice by another column", slice.column());
            return Err(ParamError::new(path, message));
        }
        if slice.bins().is_some() && !column.is_numeric() {
            let message = format!("`{}` holds texts; bins are for numbers", slice.column());
            return Err(ParamError::new(format!("{path}.bins"), message));
        }
    }
    over_time.map_or(Ok(()), |time| check_time(time, schema))
}

fn check_time(time: &OverTime, schema: &Schema) -> Result<(), ParamError> {
    let column = known("evaluate.over_time.column", &time.column, schema)?;
    let fits = match (&time.bins, column.kind) {
        (None | Some(TimeBins::Calendar(_)), ColumnType::Text) => true,
        (None | Some(TimeBins::Edges(_)), _) => column.is_numeric(),
        _ => false,
    };
    if fits {
        return Ok(());
    }
    let message =
        format!("`{}` does not fit: years and months are for texts with dates, edges for numbers", time.column);
    Err(ParamError::new("evaluate.over_time", message))
}

fn known<'a>(path: &str, name: &str, schema: &'a Schema) -> Result<&'a ColumnSchema, ParamError> {
    schema.columns.get(name).ok_or_else(|| {
        let near = suggestion(name, schema.columns.keys().map(String::as_str));
        ParamError::new(path, format!("`{name}` is not under schema.columns{near}"))
    })
}

fn check_edges(path: &str, edges: &[f64]) -> Result<(), ParamError> {
    if edges.is_empty() || edges.iter().any(|edge| !edge.is_finite()) {
        return Err(ParamError::new(path, "give one or more finite numbers"));
    }
    if edges.windows(2).any(|pair| pair[0] >= pair[1]) {
        return Err(ParamError::new(path, "must ascend"));
    }
    Ok(())
}
