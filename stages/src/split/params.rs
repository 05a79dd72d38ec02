//! `split` in params.yaml, and what can be said against it without data.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::common::schema::Schema;
use crate::{ParamError, ParamSet};

/// Share of the rows that become test rows when none is given.
const TEST_SHARE: f64 = 0.2;

/// `split` in params.yaml.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SplitParams {
    /// What is kept together, what is kept in proportion, and whether the test rows are the latest ones.
    pub kind: SplitKind,
    /// Share of the rows that become test rows; 0.2 when absent. In time, the latest rows, nearest to this share, and
    /// not beside `cutoff`. For `temporal_group` also the share of the patients seen in the test period who are
    /// tested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<f64>,
    /// Folds of the training rows.
    #[serde(default = "default_folds")]
    pub folds: usize,
    /// The column that says when a row was observed: a year, a day number. For the kinds in time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// The time at which the test period begins; when absent, it follows from `test`. For the kinds in time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cutoff: Option<f64>,
    /// How much must have passed before a row is known, in the unit of the time column: rows train only on what is
    /// earlier than the first held-out row by more than this. For the kinds in time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gap: Option<f64>,
    /// What divides the training rows of the kinds in time: consecutive periods (when absent), or patients at random,
    /// where there are too few periods. The test part lies in the future either way, while the scores of the folds, the
    /// calibration and the threshold are then those of other patients in the same years.
    #[serde(default, skip_serializing_if = "FoldBy::is_time")]
    pub fold_by: FoldBy,
}

/// What divides the training rows of a split in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FoldBy {
    /// Periods: a fold holds one out and trains on what was known before it.
    #[default]
    Time,
    /// Patients, whole and with the outcome in proportion, whatever the time of their rows.
    Patient,
}

impl FoldBy {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference to it")]
    fn is_time(&self) -> bool {
        *self == Self::Time
    }
}

/// How rows are assigned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SplitKind {
    /// Rows, at random.
    Random,
    /// Rows, with the outcome in proportion.
    Stratified,
    /// Patients (`schema.group`), with patients who have the event in proportion.
    Group,
    /// The latest rows are tested; folds are consecutive periods, each after training on earlier rows only. One row a
    /// patient.
    Temporal,
    /// As `temporal` for patients who return: the test rows are of the last period and of patients never trained on,
    /// and each fold holds a period of its own patients, trained on earlier rows of others.
    TemporalGroup,
}

impl SplitKind {
    pub(super) fn in_time(self) -> bool {
        matches!(self, Self::Temporal | Self::TemporalGroup)
    }

    pub(super) fn by_patient(self) -> bool {
        matches!(self, Self::Group | Self::TemporalGroup)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Random => "random",
            Self::Stratified => "stratified",
            Self::Group => "group",
            Self::Temporal => "temporal",
            Self::TemporalGroup => "temporal_group",
        }
    }
}

impl SplitParams {
    /// Share of the test rows, or of the test patients.
    pub fn test_share(&self) -> f64 {
        self.test.unwrap_or(TEST_SHARE)
    }

    fn check(&self, schema: &Schema) -> Result<(), ParamError> {
        let at = |key: &str, message: String| Err(ParamError::new(format!("split.{key}"), message));
        let test = self.test_share();
        if !(test > 0.0 && test < 1.0) {
            return at("test", format!("{test} is not a share between 0 and 1"));
        }
        if !(2..=100).contains(&self.folds) {
            return at("folds", format!("{} is not between 2 and 100", self.folds));
        }
        if self.kind.by_patient() && schema.group.is_none() {
            return at("kind", format!("`{}` needs `schema.group`, the patient column", self.kind.name()));
        }
        if self.kind.in_time() { self.check_time(schema) } else { self.check_timeless() }
    }

    fn check_timeless(&self) -> Result<(), ParamError> {
        let given = [
            ("time", self.time.is_some()),
            ("cutoff", self.cutoff.is_some()),
            ("gap", self.gap.is_some()),
            ("fold_by", !self.fold_by.is_time()),
        ];
        given.into_iter().filter(|(_, given)| *given).try_for_each(|(key, _)| {
            let message = format!("`{}` knows no time; take `temporal` or `temporal_group`", self.kind.name());
            Err(ParamError::new(format!("split.{key}"), message))
        })
    }

    fn check_time(&self, schema: &Schema) -> Result<(), ParamError> {
        let at = |key: &str, message: String| Err(ParamError::new(format!("split.{key}"), message));
        let Some(time) = &self.time else {
            let message = format!("`{}` needs `split.time`, the column that says when", self.kind.name());
            return at("kind", message);
        };
        match schema.columns.get(time) {
            None => return at("time", format!("`{time}` is not under schema.columns")),
            Some(column) if !column.is_numeric() => {
                return at("time", format!("`{time}` must be of the type integer or number: a year, a day number"));
            }
            Some(_) => {}
        }
        if self.cutoff.is_some_and(|cutoff| !cutoff.is_finite()) {
            return at("cutoff", "is not a finite number".to_owned());
        }
        if self.kind == SplitKind::Temporal && self.cutoff.is_some() && self.test.is_some() {
            return at("test", "the test period begins at `cutoff`; leave one of the two out".to_owned());
        }
        match self.gap {
            Some(gap) if !(gap >= 0.0 && gap.is_finite()) => at("gap", format!("{gap} is no length of time")),
            _ => Ok(()),
        }
    }
}

fn default_folds() -> usize {
    5
}

/// The schema and the stage's own parameters.
pub(super) fn parse(params: &ParamSet) -> Result<(Schema, SplitParams), ParamError> {
    let schema: Schema = params.parse("schema")?;
    schema.check()?;
    let split: SplitParams = params.parse("split")?;
    split.check(&schema)?;
    Ok((schema, split))
}
