//! What the checks look at. Outcomes are kept for training rows only, so that no check can look at one of the test part.
//!
//! In memory is what all checks need of every row: who it belongs to, where the split put it. Features and raw columns are
//! read one at a time, by the check that looks at them.

use crate::common::canonical_json;
use crate::common::folds::{Folds, number_codes};
use crate::common::frame::{Column, Frame};
use crate::common::schema::Schema;
use crate::common::table::Table;
use crate::common::target::Task;
use crate::common::texts::Texts;
use crate::featurize::FeatureSpec;
use crate::train::training_rows;
use crate::{StageContext, StageError, StageFile};

use super::auroc::Evidence;

/// The tables, matched by row.
pub(super) struct Data {
    pub schema: Schema,
    pub spec: FeatureSpec,
    /// Ids of all rows.
    pub row_ids: Vec<i64>,
    /// The patient of each row, as an index in the order of their first rows.
    pub patients: Vec<usize>,
    /// Number of patients.
    pub patient_count: usize,
    /// The `schema.id` of each row, if there is one; empty where it is missing.
    pub ids: Option<Texts>,
    /// The `schema.group` of each row, if there is one; empty where it is missing.
    pub groups: Option<Texts>,
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
    /// What the model sees.
    features: StageFile,
    /// The raw columns.
    table: StageFile,
}

impl Data {
    /// Reads the inputs of the stage.
    pub fn load(context: &StageContext, schema: Schema) -> Result<Self, StageError> {
        let (spec_file, split_file) = (context.input("spec")?, context.input("split")?);
        let spec: FeatureSpec = canonical_json::read(&spec_file.path, &spec_file.name)?;
        let (table, features) = (context.input("table")?.clone(), context.input("features")?.clone());
        let row_ids = Table::read_ints_full(&features, "row_id")?;
        if Table::read_ints_full(&table, "row_id")? != row_ids {
            return Err(StageError::input(&features.name, "does not have the rows of the table in their order")
                .with_hint("bind the table that `featurize` reads"));
        }
        let split = Table::read(split_file)?;
        let rows = Table::read_columns(&features, &["row_id"])?;
        let (train, folds, time) = training_rows(&rows, &split, &split_file.name)?;
        let part = split.texts("part")?;
        let test = (0..part.len()).filter(|&row| part.get(row) == Some("test")).collect();
        let patients = number_codes(named(&Table::read_labels(&features, "group")?).codes().flatten());
        let labels = |column: &Option<String>| -> Result<Option<Texts>, StageError> {
            let labels = column.as_ref().map(|column| Table::read_labels(&table, column)).transpose()?;
            Ok(labels.map(|labels| named(&labels)))
        };
        Ok(Self {
            patient_count: patients.iter().max().map_or(0, |last| last + 1),
            patients,
            ids: labels(&schema.id)?,
            groups: labels(&schema.group)?,
            times: time.map(|line| line.times),
            y: outcomes(&Table::read_floats(&features, "y")?, schema.target.kind, &train),
            schema,
            spec,
            row_ids,
            train,
            test,
            folds,
            features,
            table,
        })
    }

    /// A feature, of all rows.
    pub fn feature(&self, name: &str) -> Result<Column, StageError> {
        Table::read_column(&self.features, name)
    }

    /// A raw column, of all rows.
    pub fn raw(&self, name: &str) -> Result<Column, StageError> {
        Table::read_column(&self.table, name)
    }

    /// All features of some rows, given ascending.
    pub fn features_of(&self, rows: &[usize]) -> Result<Frame, StageError> {
        let names: Vec<&str> = self.spec.features.iter().map(|feature| feature.name.as_str()).collect();
        Table::read_rows(&self.features, &names, rows)?.frame_of(names)
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
        let mut event = vec![None; self.patient_count];
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

/// The texts with an empty one in the place of each that is missing.
fn named(texts: &Texts) -> Texts {
    texts.iter().map(|text| Some(text.unwrap_or_default())).collect()
}

/// Outcomes of the training rows; those of other rows are not read into anything.
fn outcomes(all: &[f64], task: Task, train: &[usize]) -> Vec<bool> {
    let y = || train.iter().map(|&row| all[row]);
    if task == Task::Binary {
        return y().map(|y| y > 0.5).collect();
    }
    let mut sorted: Vec<f64> = y().collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let median = sorted.get(sorted.len() / 2).copied().unwrap_or_default();
    // Above the median, or at it and above when the upper half is all one value.
    let above = |y: f64| if sorted.last().is_some_and(|last| *last == median) { y >= median } else { y > median };
    y().map(above).collect()
}
