//! The training rows in memory: features, outcomes, patients and folds. Test rows are dropped here and cannot be seen
//! by anything that trains.

use std::collections::BTreeSet;

use super::preprocess::Fingerprint;
use crate::common::canonical_json;
use crate::common::folds::{Design, Folds, Place, Timeline, number, quantile_strata};
use crate::common::frame::Frame;
use crate::common::table::Table;
use crate::common::target::Task;
use crate::featurize::FeatureSpec;
use crate::{StageContext, StageError};

/// Strata in which a continuous outcome is kept in proportion between inner folds.
const STRATA: usize = 10;
/// No split has as many folds.
const MOST_FOLDS: i64 = 10_000;

/// The training rows, in table order.
pub(super) struct Study {
    /// Features, in the order of the specification.
    pub names: Vec<String>,
    /// Those among them that are columns of the raw table, unchanged.
    pub raw: BTreeSet<String>,
    /// Their values.
    pub features: Frame,
    /// Ids of the raw rows.
    pub row_ids: Vec<i64>,
    /// The kind of the outcome.
    pub task: Task,
    /// Outcomes; 0 or 1 when they are events.
    pub y: Vec<f64>,
    /// The patients' names.
    pub group_names: Vec<String>,
    /// The patient of each row, as an index.
    pub groups: Vec<usize>,
    /// The outer folds.
    pub folds: Folds,
    /// What inner folds of these rows must respect: patients, the outcome's proportion, time.
    pub design: Design,
}

impl Study {
    pub(super) fn load(context: &StageContext) -> Result<Self, StageError> {
        let spec_file = context.input("spec")?;
        let spec: FeatureSpec = canonical_json::read(&spec_file.path, &spec_file.name)?;
        let table = Table::read(context.input("table")?)?;
        let split = context.input("split")?;
        let (rows, folds, time) = training_rows(&table, &Table::read(split)?, &split.name)?;
        let table = table.take(&rows)?;
        let names: Vec<String> = spec.features.iter().map(|feature| feature.name.clone()).collect();
        if names.is_empty() {
            return Err(StageError::input(&spec_file.name, "names no feature to learn from"));
        }
        let (task, y) = outcomes(&table)?;
        let group_names: Vec<String> =
            table.texts("group")?.to_vec().into_iter().map(Option::unwrap_or_default).collect();
        let groups = number(group_names.iter().map(String::as_str));
        let strata = match task {
            Task::Binary => y.iter().map(|&y| usize::from(y > 0.5)).collect(),
            Task::Continuous => quantile_strata(&y, STRATA),
        };
        let design = Design { groups: groups.clone(), strata, time };
        let study = Self {
            features: table.frame_of(names.iter().map(String::as_str))?,
            raw: names.iter().filter(|name| !spec.computes(name)).cloned().collect(),
            names,
            row_ids: table.ints_full("row_id")?,
            task,
            y,
            groups,
            group_names,
            folds,
            design,
        };
        study.check(&split.name)?;
        Ok(study)
    }

    pub(super) fn rows(&self) -> usize {
        self.y.len()
    }

    /// Rows with the event; none when the outcome is a number.
    pub(super) fn events(&self) -> Option<usize> {
        (self.task == Task::Binary).then(|| self.y.iter().filter(|&&y| y > 0.5).count())
    }

    pub(super) fn fingerprint(&self) -> Fingerprint {
        Fingerprint::new(self.row_ids.iter().copied())
    }

    fn check(&self, split: &str) -> Result<(), StageError> {
        let count = self.folds.count();
        if count < 2 {
            return Err(StageError::input(split, format!("has {count} folds; cross-validation needs at least 2")));
        }
        let checked = self.folds.check_outcomes(&self.y);
        checked.map_err(|error| StageError::input(split, error.to_string()).with_hint(error.hint()))
    }
}

/// The kind of the outcomes and their values: events are stored as integers.
fn outcomes(table: &Table) -> Result<(Task, Vec<f64>), StageError> {
    if let Ok(events) = table.ints_full("y") {
        return Ok((Task::Binary, events.into_iter().map(|y| f64::from(u8::from(y != 0))).collect()));
    }
    let y = table.floats("y")?;
    match y.iter().position(|y| !y.is_finite()) {
        Some(row) => Err(StageError::failed(format!("row {row} of the training rows has no outcome"))),
        None => Ok((Task::Continuous, y)),
    }
}

/// Positions of the training rows in the feature table, their folds, and time where the split follows it.
pub(crate) fn training_rows(
    table: &Table,
    split: &Table,
    name: &str,
) -> Result<(Vec<usize>, Folds, Option<Timeline>), StageError> {
    if table.ints_full("row_id")? != split.ints_full("row_id")? {
        return Err(StageError::input(name, "does not list the rows of the feature table in their order"));
    }
    let part = split.texts("part")?;
    let rows: Vec<usize> = (0..part.len()).filter(|&row| part.get(row) == Some("train")).collect();
    let cell = |row: usize, column, what| StageError::cell(name, row as u64 + 2, column, what);
    let read = |column: &'static str| -> Result<Vec<Option<usize>>, StageError> {
        let values = split.ints(column)?;
        let value = |row: usize| match values[row] {
            None => Ok(None),
            Some(fold) if (0..=MOST_FOLDS).contains(&fold) => Ok(Some(fold as usize)),
            Some(fold) => Err(cell(row, column, format!("{fold} is no fold"))),
        };
        rows.iter().map(|&row| value(row)).collect()
    };
    let held = read("fold")?;
    let count = held.iter().flatten().max().map_or(0, |last| last + 1);
    if !split.has("train_from") {
        let missing = || StageError::input(name, "a training row has no fold");
        let held = held.into_iter().collect::<Option<Vec<usize>>>().ok_or_else(missing)?;
        return Ok((rows, Folds::partition(count, held), None));
    }
    let (from, apart) = (read("train_from")?, read("apart")?);
    let (times, gap) = (split.floats("time")?, split.floats("gap")?);
    let place = |at: usize| Place { held_in: held[at], from: from[at].unwrap_or(usize::MAX), apart: apart[at] };
    let time = Timeline {
        times: rows.iter().map(|&row| times[row]).collect(),
        gap: rows.first().map_or(0.0, |&row| gap[row]),
        returning: apart.iter().any(Option::is_some),
    };
    let folds = Folds::new(count, (0..rows.len()).map(place));
    Ok((rows, folds, Some(time)))
}
