//! The training rows in memory: features, outcomes, patients and folds. Test rows are dropped here and cannot be seen
//! by anything that trains.

use std::collections::BTreeSet;

use super::preprocess::Fingerprint;
use crate::common::canonical_json;
use crate::common::columns::{Packed, PackedBuilder};
use crate::common::folds::{Design, Folds, Place, Timeline, number_codes, quantile_strata};
use crate::common::table::Table;
use crate::common::target::Task;
use crate::common::texts::{Texts, TextsBuilder};
use crate::featurize::FeatureSpec;
use crate::{StageContext, StageError, StageFile};

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
    pub features: Packed,
    /// Ids of the raw rows.
    pub row_ids: Vec<i64>,
    /// The kind of the outcome.
    pub task: Task,
    /// Outcomes; 0 or 1 when they are events.
    pub y: Vec<f64>,
    /// The patients' names.
    pub group_names: Texts,
    /// The outer folds.
    pub folds: Folds,
    /// What inner folds of these rows must respect: patients, the outcome's proportion, time.
    pub design: Design,
}

impl Study {
    pub(super) fn load(context: &StageContext) -> Result<Self, StageError> {
        let spec_file = context.input("spec")?;
        let spec: FeatureSpec = canonical_json::read(&spec_file.path, &spec_file.name)?;
        let (table, split) = (context.input("table")?, context.input("split")?);
        let (ids, parts) = (Table::read_columns(table, &["row_id"])?, Table::read(split)?);
        let (rows, folds, time) = training_rows(&ids, &parts, &split.name)?;
        // Where the outer folds do not follow time, inner ones do not either.
        let time = time.filter(|_| parts.has("train_from"));
        drop((ids, parts));
        let names: Vec<String> = spec.features.iter().map(|feature| feature.name.clone()).collect();
        if names.is_empty() {
            return Err(StageError::input(&spec_file.name, "names no feature to learn from"));
        }
        let (task, y) = outcomes(&Table::read_rows(table, &["y"], &rows)?)?;
        let (features, row_ids, group_names) = columns(table, &names, &rows)?;
        let groups = numbered(&group_names);
        let strata = match task {
            Task::Binary => y.iter().map(|&y| usize::from(y > 0.5)).collect(),
            Task::Continuous => quantile_strata(&y, STRATA),
        };
        let study = Self {
            features,
            raw: names.iter().filter(|name| !spec.computes(name)).cloned().collect(),
            names,
            row_ids,
            task,
            y,
            group_names,
            folds,
            design: Design { groups, strata, time },
        };
        study.check(&split.name)?;
        Ok(study)
    }

    pub(super) fn rows(&self) -> usize {
        self.y.len()
    }

    /// The patient of each row, as an index.
    pub(super) fn groups(&self) -> &[usize] {
        &self.design.groups
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

/// The features, ids and patients of some rows of the feature table, read piece by piece.
fn columns(table: &StageFile, names: &[String], rows: &[usize]) -> Result<(Packed, Vec<i64>, Texts), StageError> {
    let wanted: Vec<&str> = names.iter().map(String::as_str).chain(["row_id", "group"]).collect();
    let mut features = PackedBuilder::new(names.iter().map(String::as_str), rows.len());
    let (mut row_ids, mut groups) = (Vec::with_capacity(rows.len()), TextsBuilder::with_rows(rows.len()));
    let (mut left, mut from) = (rows, 0);
    for piece in Table::pieces(table, &wanted)? {
        let piece = piece?;
        let (here, later) = left.split_at(left.partition_point(|&row| row < from + piece.rows()));
        let here: Vec<usize> = here.iter().map(|row| row - from).collect();
        (left, from) = (later, from + piece.rows());
        features.add(&piece, &here)?;
        let ids = piece.ints_full("row_id")?;
        row_ids.extend(here.iter().map(|&row| ids[row]));
        groups.extend_from(&piece.texts("group")?, &here);
    }
    Ok((features.finish(), row_ids, groups.finish()))
}

/// Numbers patients in the order of their first appearance; one without a name is the one called nothing.
fn numbered(names: &Texts) -> Vec<usize> {
    let nameless = names.levels().iter().position(|name| name.is_empty()).unwrap_or(names.levels().len());
    number_codes(names.codes().map(|code| code.unwrap_or(nameless)))
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
    let line = |returning: bool| -> Result<Timeline, StageError> {
        let (times, gap) = (split.floats("time")?, split.floats("gap")?);
        let times = rows.iter().map(|&row| times[row]).collect();
        Ok(Timeline { times, gap: rows.first().map_or(0.0, |&row| gap[row]), returning })
    };
    if !split.has("train_from") {
        let time = if split.has("time") { Some(line(true)?) } else { None };
        let missing = || StageError::input(name, "a training row has no fold");
        let held = held.into_iter().collect::<Option<Vec<usize>>>().ok_or_else(missing)?;
        return Ok((rows, Folds::partition(count, held), time));
    }
    let (from, apart) = (read("train_from")?, read("apart")?);
    let place = |at: usize| Place { held_in: held[at], from: from[at].unwrap_or(usize::MAX), apart: apart[at] };
    let time = line(apart.iter().any(Option::is_some))?;
    let folds = Folds::new(count, (0..rows.len()).map(place));
    Ok((rows, folds, Some(time)))
}
