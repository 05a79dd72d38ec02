//! What the checks look at. Outcomes are kept for training rows only, so that no check can look at one of the test part.

use crate::common::canonical_json;
use crate::common::folds::{Folds, number};
use crate::common::frame::Frame;
use crate::common::schema::Schema;
use crate::common::table::Table;
use crate::common::target::Task;
use crate::featurize::FeatureSpec;
use crate::train::training_rows;
use crate::{StageContext, StageError};

use super::auroc::Evidence;

/// The tables, matched by row.
pub(super) struct Data {
    pub schema: Schema,
    pub spec: FeatureSpec,
    /// Ids of all rows.
    pub row_ids: Vec<i64>,
    /// The patient of each row, as an index in the order of their first rows.
    pub patients: Vec<usize>,
    /// The `schema.id` of each row, if there is one.
    pub ids: Option<Vec<String>>,
    /// The `schema.group` of each row, if there is one.
    pub groups: Option<Vec<String>>,
    /// What the model sees, of all rows.
    pub features: Frame,
    /// The raw columns that the features are made of, of all rows.
    pub raw: Frame,
    /// Places of the training rows.
    pub train: Vec<usize>,
    /// Places of the test rows.
    pub test: Vec<usize>,
    /// The outer folds of the training rows.
    pub folds: Folds,
    /// When each training row was observed, where the split follows time.
    pub times: Option<Vec<f64>>,
    /// The outcome of each training row; a number counts as an event when it lies above the training rows' median.
    pub y: Vec<bool>,
}

impl Data {
    /// Reads the inputs of the stage.
    pub fn load(context: &StageContext, schema: Schema) -> Result<Self, StageError> {
        let (spec_file, split_file) = (context.input("spec")?, context.input("split")?);
        let spec: FeatureSpec = canonical_json::read(&spec_file.path, &spec_file.name)?;
        let table = Table::read(context.input("table")?)?;
        let features_file = context.input("features")?;
        let features = Table::read(features_file)?;
        let split = Table::read(split_file)?;
        let row_ids = features.ints_full("row_id")?;
        if table.ints_full("row_id")? != row_ids {
            return Err(StageError::input(&features_file.name, "does not have the rows of the table in their order")
                .with_hint("bind the table that `featurize` reads"));
        }
        let (train, folds, time) = training_rows(&features, &split, &split_file.name)?;
        let part = split.texts("part")?;
        let test = (0..part.len()).filter(|&row| part.get(row) == Some("test")).collect();
        let labels = |column: &Option<String>| -> Result<Option<Vec<String>>, StageError> {
            let labels = column.as_ref().map(|column| table.labels(column)).transpose()?;
            Ok(labels.map(|labels| labels.to_vec().into_iter().map(Option::unwrap_or_default).collect()))
        };
        let names = features.texts("group")?;
        let y = outcomes(&features, schema.target.kind, &train)?;
        Ok(Self {
            patients: number(names.iter().map(Option::unwrap_or_default)),
            ids: labels(&schema.id)?,
            groups: labels(&schema.group)?,
            raw: table.frame_of(spec.inputs.iter().map(String::as_str))?,
            features: features.frame_of(spec.features.iter().map(|feature| feature.name.as_str()))?,
            times: time.map(|line| line.times),
            schema,
            spec,
            row_ids,
            train,
            test,
            folds,
            y,
        })
    }

    /// The patient of a training row, by its place among them.
    pub fn patient(&self, at: usize) -> usize {
        self.patients[self.train[at]]
    }

    /// Row ids of training rows, by their places among them; the first few.
    pub fn train_ids(&self, at: impl IntoIterator<Item = usize>) -> Vec<i64> {
        at.into_iter().take(EXAMPLES).map(|at| self.row_ids[self.train[at]]).collect()
    }

    /// Patients with the event in any training row of `among`, and those without.
    pub fn evidence(&self, among: impl Iterator<Item = usize>) -> Evidence {
        let mut event = vec![None; self.patients.iter().max().map_or(0, |last| last + 1)];
        for at in among {
            let seen = &mut event[self.patient(at)];
            *seen = Some(seen.unwrap_or(false) || self.y[at]);
        }
        let count = |wanted| event.iter().filter(|seen| **seen == Some(wanted)).count();
        Evidence { events: count(true), others: count(false) }
    }
}

/// How many rows are named as examples.
pub(super) const EXAMPLES: usize = 6;

/// Outcomes of the training rows; those of other rows are not read into anything.
fn outcomes(table: &Table, task: Task, train: &[usize]) -> Result<Vec<bool>, StageError> {
    let all = table.floats("y")?;
    let y: Vec<f64> = train.iter().map(|&row| all[row]).collect();
    if task == Task::Binary {
        return Ok(y.into_iter().map(|y| y > 0.5).collect());
    }
    let mut sorted = y.clone();
    sorted.sort_by(f64::total_cmp);
    let median = sorted.get(sorted.len() / 2).copied().unwrap_or_default();
    // Above the median, or at it and above when the upper half is all one value.
    let above = |y: f64| if sorted.last().is_some_and(|last| *last == median) { y >= median } else { y > median };
    Ok(y.into_iter().map(above).collect())
}
