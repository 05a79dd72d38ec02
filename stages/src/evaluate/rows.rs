//! The test rows: which they are, and that the model never saw them.
//!
//! The bundle names the rows it was trained on by a fingerprint. It must be that of the split's training part, and the
//! test part must share neither rows nor patients with that part; otherwise the stage fails and no number is made.

use crate::bundle::Bundle;
use crate::common::frame::Frame;
use crate::common::schema::Schema;
use crate::common::table::Table;
use crate::common::target::Task;
use crate::common::texts::Texts;
use crate::train::Fingerprint;
use crate::{StageError, StageFile};

/// The test rows, in table order.
pub struct TestRows {
    /// Their ids.
    pub row_ids: Vec<i64>,
    /// The patient of each.
    pub patients: Vec<String>,
    /// The outcomes; 0 or 1 when they are events.
    pub y: Vec<f64>,
    /// The raw columns, and what is made of their patients' earlier rows.
    pub raw: Frame,
}

impl TestRows {
    /// Finds and checks the test rows.
    pub fn load(table: &StageFile, split: &StageFile, bundle: &Bundle) -> Result<Self, StageError> {
        let parts = Parts::read(&Table::read_columns(split, &["row_id", "part"])?, &split.name)?;
        let schema = bundle.schema();
        let keys: Vec<&str> = schema.group.as_deref().into_iter().chain(["row_id"]).collect();
        let keys = Table::read_columns(table, &keys)?;
        if keys.ints_full("row_id")? != parts.row_ids {
            let message = format!("its rows are not those of {}", table.name);
            return Err(StageError::input(&split.name, message).with_hint("run the stage `split` again"));
        }
        parts.check_unseen(&bundle.manifest().training.rows, &names(&keys, schema)?)?;
        drop(keys);
        let (own, raw) = bundle.read_rows(table, &parts.test)?;
        let row_ids = own.ints_full("row_id")?;
        let (patients, y) = (patients(&own, schema, &row_ids)?, outcomes(&own, schema, &table.name)?);
        Ok(Self { row_ids, patients, y, raw })
    }
}

/// The parts of the split, as row positions.
struct Parts {
    row_ids: Vec<i64>,
    train: Vec<usize>,
    test: Vec<usize>,
}

impl Parts {
    fn read(split: &Table, name: &str) -> Result<Self, StageError> {
        let row_ids = split.ints_full("row_id")?;
        let parts = split.texts("part")?;
        let rows = |wanted: &str| -> Vec<usize> {
            let wanted = Some(wanted);
            (0..parts.len()).filter(|&row| parts.get(row) == wanted).collect()
        };
        let (train, test) = (rows("train"), rows("test"));
        if test.is_empty() {
            return Err(StageError::input(name, "has no test rows"));
        }
        Ok(Self { row_ids, train, test })
    }

    fn check_unseen(&self, fitted_on: &Fingerprint, patients: &Texts) -> Result<(), StageError> {
        let trained = Fingerprint::new(self.train.iter().map(|&row| self.row_ids[row]));
        if trained != *fitted_on {
            let message = "the bundle was not trained on the training part of this split: the test rows may not be new";
            return Err(StageError::failed(message).with_hint("train and bundle again on the present split"));
        }
        let mut ids: Vec<i64> = self.train.iter().map(|&row| self.row_ids[row]).collect();
        ids.sort_unstable();
        let mut known = vec![false; patients.levels().len()];
        self.train.iter().filter_map(|&row| patients.code(row)).for_each(|patient| known[patient] = true);
        let seen = |&&row: &&usize| {
            ids.binary_search(&self.row_ids[row]).is_ok() || patients.code(row).is_some_and(|patient| known[patient])
        };
        match self.test.iter().filter(seen).count() {
            0 => Ok(()),
            count => Err(StageError::failed(format!(
                "{count} test rows are, or belong to patients of, training rows: their scores would mean nothing"
            ))
            .with_hint("use `split.kind: group`, or `temporal_group` for a split in time")),
        }
    }
}

/// The name of each row's patient, where it has one.
fn names(table: &Table, schema: &Schema) -> Result<Texts, StageError> {
    schema.group.as_ref().map_or_else(|| Ok(Texts::repeat(None, table.rows())), |column| table.labels(column))
}

/// The patient of each row; a row without one is its own.
pub(super) fn patients(table: &Table, schema: &Schema, row_ids: &[i64]) -> Result<Vec<String>, StageError> {
    let labels = names(table, schema)?;
    // The prefixes keep a patient called 7 apart from the row 7.
    let name = |(label, id): (Option<&str>, &i64)| label.map_or_else(|| format!("row {id}"), |l| format!("id {l}"));
    Ok(labels.iter().zip(row_ids).map(name).collect())
}

pub(super) fn outcomes(table: &Table, schema: &Schema, name: &str) -> Result<Vec<f64>, StageError> {
    let column = &schema.target.column;
    if schema.target.kind == Task::Continuous {
        let y = table.floats(column)?;
        let complete = y.iter().all(|y| y.is_finite());
        let absent = || StageError::input(name, format!("a test row has no outcome in `{column}`"));
        return complete.then_some(y).ok_or_else(absent);
    }
    let y: Option<Vec<f64>> = table
        .ints(column)?
        .into_iter()
        .map(|value| match value {
            Some(0) => Some(0.0),
            Some(1) => Some(1.0),
            _ => None,
        })
        .collect();
    y.ok_or_else(|| StageError::input(name, format!("the outcome `{column}` of a test row is neither 0 nor 1")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(train: &[usize], test: &[usize]) -> Parts {
        Parts { row_ids: vec![10, 11, 12, 13], train: train.to_vec(), test: test.to_vec() }
    }

    fn patients(names: [&str; 4]) -> Texts {
        names.map(Some).into_iter().collect()
    }

    #[test]
    fn new_rows_of_new_patients_pass() {
        let fitted_on = Fingerprint::new([10, 12]);
        assert!(parts(&[0, 2], &[1, 3]).check_unseen(&fitted_on, &patients(["a", "b", "a", "c"])).is_ok());
    }

    #[test]
    fn a_patient_on_both_sides_fails() {
        let fitted_on = Fingerprint::new([10, 12]);
        let error = parts(&[0, 2], &[1, 3]).check_unseen(&fitted_on, &patients(["a", "b", "c", "a"]));
        assert!(error.expect_err("patient a").to_string().starts_with("1 test rows"));
    }

    #[test]
    fn a_row_on_both_sides_fails() {
        let fitted_on = Fingerprint::new([10, 12]);
        assert!(parts(&[0, 2], &[2, 3]).check_unseen(&fitted_on, &patients(["a", "b", "c", "d"])).is_err());
    }

    #[test]
    fn a_bundle_trained_on_other_rows_fails() {
        let fitted_on = Fingerprint::new([10, 11]);
        let error = parts(&[0, 2], &[1, 3]).check_unseen(&fitted_on, &patients(["a", "b", "c", "d"]));
        assert!(error.expect_err("row 11").to_string().contains("not trained on the training part"));
    }
}
