//! The training rows in memory: features, outcomes, patients and folds. Test rows are dropped here and cannot be seen
//! by anything that trains.

use std::collections::BTreeMap;

use super::preprocess::Fingerprint;
use crate::common::canonical_json;
use crate::common::frame::Frame;
use crate::common::table::Table;
use crate::common::target::Task;
use crate::featurize::FeatureSpec;
use crate::{StageContext, StageError};

/// The training rows, in table order.
pub(super) struct Study {
    /// Features, in the order of the specification.
    pub names: Vec<String>,
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
    /// The outer fold of each row.
    pub fold: Vec<usize>,
    /// Number of outer folds.
    pub folds: usize,
}

impl Study {
    pub(super) fn load(context: &StageContext) -> Result<Self, StageError> {
        let spec_file = context.input("spec")?;
        let spec: FeatureSpec = canonical_json::read(&spec_file.path, &spec_file.name)?;
        let table = Table::read(context.input("table")?)?;
        let split = context.input("split")?;
        let (rows, fold) = training_rows(&table, &Table::read(split)?, &split.name)?;
        let table = table.take(&rows)?;
        let names: Vec<String> = spec.features.iter().map(|feature| feature.name.clone()).collect();
        if names.is_empty() {
            return Err(StageError::input(&spec_file.name, "names no feature to learn from"));
        }
        let (task, y) = outcomes(&table)?;
        let group_names: Vec<String> = table.texts("group")?.into_iter().map(Option::unwrap_or_default).collect();
        let study = Self {
            features: table.frame_of(names.iter().map(String::as_str))?,
            names,
            row_ids: table.ints_full("row_id")?,
            task,
            y,
            groups: number(&group_names),
            group_names,
            folds: fold.iter().max().map_or(0, |last| last + 1),
            fold,
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

    /// Rows outside and inside an outer fold, in table order.
    pub(super) fn parts(&self, fold: usize) -> (Vec<usize>, Vec<usize>) {
        (0..self.rows()).partition(|&row| self.fold[row] != fold)
    }

    pub(super) fn fingerprint(&self) -> Fingerprint {
        Fingerprint::new(self.row_ids.iter().copied())
    }

    fn check(&self, split: &str) -> Result<(), StageError> {
        if self.folds < 2 {
            return Err(StageError::input(
                split,
                format!("has {} folds; cross-validation needs at least 2", self.folds),
            ));
        }
        for fold in 0..self.folds {
            let (fit, held) = self.parts(fold);
            for (rows, part) in [(fit, "outside"), (held, "in")] {
                let first = rows.first().map_or(0.0, |&row| self.y[row]);
                if rows.iter().all(|&row| self.y[row] == first) {
                    let n = rows.len();
                    let text = format!("the {n} rows {part} fold {fold} are all of one outcome ({first})");
                    return Err(StageError::input(split, text).with_hint("use fewer folds or a stratified split"));
                }
            }
        }
        Ok(())
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

/// Positions of the training rows in the feature table, and their folds.
fn training_rows(table: &Table, split: &Table, name: &str) -> Result<(Vec<usize>, Vec<usize>), StageError> {
    if table.ints_full("row_id")? != split.ints_full("row_id")? {
        return Err(StageError::input(name, "does not list the rows of the feature table in their order"));
    }
    let (part, fold) = (split.texts("part")?, split.ints("fold")?);
    let (mut rows, mut folds) = (Vec::new(), Vec::new());
    for (row, (part, fold)) in part.iter().zip(fold).enumerate() {
        if part.as_deref() == Some("train") {
            let fold = fold.and_then(|fold| usize::try_from(fold).ok());
            let fold =
                fold.ok_or_else(|| StageError::cell(name, row as u64 + 2, "fold", "a training row has no fold"))?;
            rows.push(row);
            folds.push(fold);
        }
    }
    Ok((rows, folds))
}

/// Numbers names in the order of their first appearance.
fn number(names: &[String]) -> Vec<usize> {
    let mut known = BTreeMap::new();
    let numbered = names.iter().map(|name| {
        let next = known.len();
        *known.entry(name.as_str()).or_insert(next)
    });
    numbered.collect()
}
