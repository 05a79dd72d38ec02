//! Columns that come from a patient's past: rolling windows, lags, what was last known, how many rows came before.
//!
//! Invariants: a row sees itself and rows of the same entity at strictly earlier times, nothing else; where the past
//! says nothing the value is missing, never 0; a value is computed from its own window in the order of time, with no
//! running sums, so its bits do not depend on the rows around it, on where a table is cut, or on threads. The same code
//! serves the training table, a table to be scored and one patient with the history of a request.

mod compute;
mod params;
#[cfg(test)]
mod reference_tests;
#[cfg(test)]
mod tests;
mod timeline;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub(super) use self::compute::History;
pub use self::params::{HISTORY_FIELD, HistoryParams, LagParams, RollingParams};
pub(super) use self::timeline::Entities;
pub use self::timeline::HistoryError;

use super::spec::FeatureError;
use crate::common::frame::{Column, Frame};
use crate::common::tagged;

/// Which past becomes which columns, as `features.json` holds it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HistorySpec {
    /// The column that tells whose past it is.
    pub entity: String,
    /// The column that tells when a row was observed.
    pub time: String,
    /// What two rows of one entity at the same time mean.
    pub same_time: SameTime,
    /// The new columns.
    pub columns: Vec<HistoryColumn>,
}

/// What two rows of one entity at the same time mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SameTime {
    /// A mistake: the run stops and names the rows.
    #[default]
    Refuse,
    /// Rows that do not see each other; later rows see all of them. Where one value is asked for (lag, last known), that
    /// of the row further down the table counts.
    Apart,
}

/// A number that sums a window up. Missing values are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Statistic {
    /// Arithmetic mean.
    Mean,
    /// Standard deviation with the divisor n − 1; needs two values.
    Std,
    /// Smallest value.
    Min,
    /// Largest value.
    Max,
    /// Slope of the least-squares line on time, per unit of time; needs values at two times.
    Trend,
    /// How many values are known.
    Count,
}

impl Statistic {
    /// Its name, as in parameters and column names.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::Std => "std",
            Self::Min => "min",
            Self::Max => "max",
            Self::Trend => "trend",
            Self::Count => "count",
        }
    }
}

/// One column made of the past; t is the row's time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "snake_case", deny_unknown_fields)]
pub enum HistoryColumn {
    /// A statistic of the values at times in (t − gap − length, t − gap]; the row itself counts when `gap` is 0.
    Rolling {
        /// The new column.
        name: String,
        /// The column.
        of: String,
        /// What sums the window up.
        stat: Statistic,
        /// Length of the window, in units of time.
        length: f64,
        /// How long before t the window ends.
        gap: f64,
        /// With fewer known values the result is missing.
        min_values: u32,
    },
    /// The value at exactly t − by.
    Lag {
        /// The new column.
        name: String,
        /// The column.
        of: String,
        /// How long ago.
        by: f64,
    },
    /// The latest known value before t.
    LastKnown {
        /// The new column.
        name: String,
        /// The column.
        of: String,
    },
    /// How many rows of the entity lie before t; 0 is a count.
    EarlierRows {
        /// The new column.
        name: String,
    },
    /// Time since the entity's previous row.
    SincePrevious {
        /// The new column.
        name: String,
    },
}

/// The operation stands under the key `op`.
const TAG: &str = "op";

impl<'de> Deserialize<'de> for HistoryColumn {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        tagged::read(deserializer, TAG, |plain| Self::deserialize(plain))
    }
}

impl Serialize for HistoryColumn {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        tagged::write(serializer, TAG, Self::serialize(self, serde_json::value::Serializer))
    }
}

impl HistoryColumn {
    /// The name of the new column.
    pub fn name(&self) -> &str {
        match self {
            Self::Rolling { name, .. }
            | Self::Lag { name, .. }
            | Self::LastKnown { name, .. }
            | Self::EarlierRows { name }
            | Self::SincePrevious { name } => name,
        }
    }

    /// The column whose past values it reads, if any.
    pub fn source(&self) -> Option<&str> {
        match self {
            Self::Rolling { of, .. } | Self::Lag { of, .. } | Self::LastKnown { of, .. } => Some(of),
            Self::EarlierRows { .. } | Self::SincePrevious { .. } => None,
        }
    }
}

impl HistorySpec {
    /// The columns whose past values are read, in name order.
    pub fn sources(&self) -> Vec<&str> {
        let mut sources: Vec<&str> = self.columns.iter().filter_map(HistoryColumn::source).collect();
        sources.sort_unstable();
        sources.dedup();
        sources
    }

    /// Whether a table has the columns already, because they were computed where its rows stood among others.
    pub(super) fn is_in(&self, frame: &Frame) -> bool {
        self.columns.iter().all(|column| frame.get(column.name()).is_some())
    }

    /// The columns for the rows `rows` of a panel, whose past is the panel.
    pub fn of_panel(&self, panel: &Frame, rows: &[usize]) -> Result<Vec<(String, Column)>, FeatureError> {
        let entity = panel.get(&self.entity).ok_or_else(|| self.missing(&self.entity))?;
        let mut entities = Entities::default();
        entities.extend(entity);
        self.columns_of(panel, entities, rows)
    }

    /// The columns for the row `row` of a table that holds one patient only.
    pub fn of_patient(&self, patient: &Frame, row: usize) -> Result<Vec<(String, Column)>, FeatureError> {
        self.columns_of(patient, Entities::one(patient.rows()), &[row])
    }

    fn columns_of(
        &self,
        frame: &Frame,
        entities: Entities,
        rows: &[usize],
    ) -> Result<Vec<(String, Column)>, FeatureError> {
        let numbers = |name: &str| -> Result<Vec<f64>, FeatureError> {
            let column = frame.get(name).ok_or_else(|| self.missing(name))?;
            let wrong = || FeatureError::WrongType {
                column: name.to_owned(),
                wanted: "numbers",
                feature: self.user_of(name).to_owned(),
            };
            Ok(column.numbers().ok_or_else(wrong)?.to_vec())
        };
        let sources = self.sources().into_iter().map(|name| Ok((name.to_owned(), numbers(name)?)));
        let sources = sources.collect::<Result<_, FeatureError>>()?;
        let history = History::new(self, entities, numbers(&self.time)?, sources)?;
        let columns = history.columns(rows).into_iter();
        Ok(columns.map(|(name, values)| (name, Column::Number(values))).collect())
    }

    fn missing(&self, column: &str) -> FeatureError {
        FeatureError::MissingColumn { column: column.to_owned(), feature: self.user_of(column).to_owned() }
    }

    /// A new column that needs the raw one, for errors.
    fn user_of(&self, source: &str) -> &str {
        let user = self.columns.iter().find(|column| column.source().is_none_or(|of| of == source));
        user.or(self.columns.first()).map_or("the history", HistoryColumn::name)
    }
}
