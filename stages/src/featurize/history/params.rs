//! `featurize.history` of params.yaml: lists of columns and what is to be made of their past, resolved one by one.
//!
//! Columns are named by what they are: `{column}_rolling_{statistic}_{length}{unit}`, followed by `_gap_{gap}{unit}`
//! where there is a gap; `{column}_lag_{by}{unit}`; `{column}_last_known`; `earlier_rows`; `since_previous`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{HistoryColumn, HistorySpec, SameTime, Statistic};
use crate::ParamError;
use crate::common::schema::{ColumnType, Schema};
use crate::common::text::suggestion;

/// Where the parameters stand.
const AT: &str = "featurize.history";

/// What is made of a patient's earlier rows.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HistoryParams {
    /// The column that tells when a row was observed: a number that may not be missing.
    pub time: String,
    /// The column that tells whose past it is. Absent: `schema.group`. Another one must be finer: all rows of an entity
    /// belong to one patient.
    #[serde(default)]
    pub entity: Option<String>,
    /// The unit of `time` in the names of new columns: `y` gives `bmi_lag_1y`.
    #[serde(default)]
    pub unit: String,
    /// What two rows of one entity at the same time mean.
    #[serde(default)]
    pub same_time: SameTime,
    /// Statistics of what was observed within a window.
    #[serde(default)]
    pub rolling: Vec<RollingParams>,
    /// What was observed exactly so long ago.
    #[serde(default)]
    pub lags: Vec<LagParams>,
    /// Columns whose latest known value before the row is a new column.
    #[serde(default)]
    pub last_known: Vec<String>,
    /// Whether the number of earlier rows is a new column, `earlier_rows`.
    #[serde(default)]
    pub earlier_rows: bool,
    /// Whether the time since the previous row is a new column, `since_previous`.
    #[serde(default)]
    pub since_previous: bool,
}

/// Statistics of what was observed at times in (t − gap − length, t − gap], t being the row's time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RollingParams {
    /// The columns; numbers.
    pub of: Vec<String>,
    /// Length of the window, in units of the time column. 3 in years: this year's row and those of the two years before.
    pub length: f64,
    /// How long before the row the window ends; with 0 the row itself counts.
    #[serde(default)]
    pub gap: f64,
    /// What sums a window up.
    #[serde(default = "default_stats")]
    pub stats: Vec<Statistic>,
    /// With fewer known values in the window the result is missing; a spread or slope needs 2 in any case.
    #[serde(default = "default_min_values")]
    pub min_values: u32,
}

/// What was observed exactly so long ago.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LagParams {
    /// The columns; numbers.
    pub of: Vec<String>,
    /// How long ago, in units of the time column; each gives a column.
    pub by: Vec<f64>,
}

fn default_stats() -> Vec<Statistic> {
    vec![Statistic::Mean, Statistic::Std, Statistic::Min, Statistic::Max, Statistic::Trend]
}

fn default_min_values() -> u32 {
    1
}

impl HistoryParams {
    /// Checks entity and time against the schema and lists the new columns, each with the key it comes from. Whether a
    /// source may be a feature is judged by the caller.
    pub(in crate::featurize) fn resolve(&self, schema: &Schema) -> Result<(HistorySpec, Vec<String>), ParamError> {
        let entity = self.entity(schema)?;
        self.check_time(schema)?;
        let mut columns = Vec::new();
        let mut keys = Vec::new();
        let mut push = |column: HistoryColumn, key: String| {
            columns.push(column);
            keys.push(format!("{AT}.{key}"));
        };
        for (index, rolling) in self.rolling.iter().enumerate() {
            rolling.check().map_err(|(key, text)| fault(&format!("rolling.{index}.{key}"), text))?;
            for (at, of) in rolling.of.iter().enumerate() {
                for stat in &rolling.stats {
                    push(rolling.column(of, *stat, &self.unit), format!("rolling.{index}.of.{at}"));
                }
            }
        }
        for (index, LagParams { of, by }) in self.lags.iter().enumerate() {
            if by.is_empty() || of.is_empty() {
                let key = if of.is_empty() { "of" } else { "by" };
                return Err(fault(&format!("lags.{index}.{key}"), "is empty"));
            }
            if let Some(at) = by.iter().position(|by| !(by.is_finite() && *by > 0.0)) {
                return Err(fault(&format!("lags.{index}.by.{at}"), "must be a time above 0"));
            }
            for (at, of) in of.iter().enumerate() {
                for by in by {
                    let name = format!("{of}_lag_{by}{}", self.unit);
                    push(HistoryColumn::Lag { name, of: of.clone(), by: *by }, format!("lags.{index}.of.{at}"));
                }
            }
        }
        for (at, of) in self.last_known.iter().enumerate() {
            let name = format!("{of}_last_known");
            push(HistoryColumn::LastKnown { name, of: of.clone() }, format!("last_known.{at}"));
        }
        if self.earlier_rows {
            push(HistoryColumn::EarlierRows { name: "earlier_rows".to_owned() }, "earlier_rows".to_owned());
        }
        if self.since_previous {
            push(HistoryColumn::SincePrevious { name: "since_previous".to_owned() }, "since_previous".to_owned());
        }
        if columns.is_empty() {
            return Err(ParamError::new(AT, "asks for no column: give `rolling`, `lags` or `last_known`"));
        }
        Ok((HistorySpec { entity, time: self.time.clone(), same_time: self.same_time, columns }, keys))
    }

    fn entity(&self, schema: &Schema) -> Result<String, ParamError> {
        let Some(group) = &schema.group else {
            let text = "needs `schema.group`, the patient column: rows that share a past must not cross the split";
            return Err(ParamError::new(AT, text));
        };
        match &self.entity {
            None => Ok(group.clone()),
            Some(name) if schema.columns.contains_key(name) => Ok(name.clone()),
            Some(name) => Err(unknown("entity", name, schema)),
        }
    }

    fn check_time(&self, schema: &Schema) -> Result<(), ParamError> {
        let column = schema.columns.get(&self.time).ok_or_else(|| unknown("time", &self.time, schema))?;
        let name = &self.time;
        if !matches!(column.kind, ColumnType::Integer | ColumnType::Number) {
            return Err(fault("time", format!("`{name}` must be a number, such as a year or a day")));
        }
        if column.nullable {
            return Err(fault("time", format!("`{name}` may be missing; declare it nullable: false")));
        }
        if schema.columns.contains_key(HISTORY_FIELD) {
            let text = format!("a request gives earlier rows as `{HISTORY_FIELD}`; rename the column of that name");
            return Err(ParamError::new(format!("schema.columns.{HISTORY_FIELD}"), text));
        }
        Ok(())
    }
}

/// The field of a request that holds the patient's earlier rows.
pub const HISTORY_FIELD: &str = "history";

impl RollingParams {
    fn check(&self) -> Result<(), (&'static str, String)> {
        if !(self.length.is_finite() && self.length > 0.0) {
            return Err(("length", "must be a time above 0".to_owned()));
        }
        if !(self.gap.is_finite() && self.gap >= 0.0) {
            return Err(("gap", "must be a time, 0 or above".to_owned()));
        }
        if self.min_values == 0 {
            return Err(("min_values", "must be at least 1: nothing has no mean".to_owned()));
        }
        let empty = [("of", self.of.is_empty()), ("stats", self.stats.is_empty())];
        empty.into_iter().find(|(_, empty)| *empty).map_or(Ok(()), |(key, _)| Err((key, "is empty".to_owned())))
    }

    fn column(&self, of: &str, stat: Statistic, unit: &str) -> HistoryColumn {
        let Self { length, gap, min_values, .. } = *self;
        let window = format!("{of}_rolling_{}_{length}{unit}", stat.as_str());
        let name = if gap == 0.0 { window } else { format!("{window}_gap_{gap}{unit}") };
        HistoryColumn::Rolling { name, of: of.to_owned(), stat, length, gap, min_values }
    }
}

fn unknown(key: &str, name: &str, schema: &Schema) -> ParamError {
    let near = suggestion(name, schema.columns.keys().map(String::as_str));
    fault(key, format!("`{name}` is not a column of the schema{near}"))
}

fn fault(key: &str, message: impl Into<String>) -> ParamError {
    ParamError::new(format!("{AT}.{key}"), message)
}
