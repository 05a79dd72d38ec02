//! The outcome and the subgroups with each row's level: a text as it is, a number of many values by quarters.

use super::params::ValidateParams;
use crate::StageError;
use crate::common::folds::quantile_strata;
use crate::common::schema::{ColumnType, Schema};
use crate::common::table::Table;
use crate::common::target::Task;
use crate::common::texts::{Texts, TextsBuilder};

/// A whole number with more values than this is grouped.
const FEW: usize = 12;

/// A column and each row's level of it.
pub(super) struct Group {
    pub column: String,
    pub labels: Texts,
}

/// The columns by which rows are told apart, growing piece by piece.
pub(super) struct Groups(Vec<Growing>);

struct Growing {
    column: String,
    values: Values,
}

enum Values {
    Labels(TextsBuilder),
    /// Whole numbers: levels when they are few.
    Integers(TextsBuilder),
    Numbers(Vec<f64>),
}

impl Groups {
    /// The outcome, then the subgroups, of so many rows.
    pub fn new(schema: &Schema, params: &ValidateParams, rows: usize) -> Self {
        let target = &schema.target;
        let growing = |column: &String| {
            let values = match schema.columns.get(column).map(|column| column.kind) {
                Some(ColumnType::Number) => Values::Numbers(Vec::with_capacity(rows)),
                Some(ColumnType::Integer) if *column != target.column => {
                    Values::Integers(TextsBuilder::with_rows(rows))
                }
                Some(ColumnType::Integer) if target.kind == Task::Continuous => {
                    Values::Numbers(Vec::with_capacity(rows))
                }
                _ => Values::Labels(TextsBuilder::with_rows(rows)),
            };
            Growing { column: column.clone(), values }
        };
        Self([&target.column].into_iter().chain(&params.subgroups).map(growing).collect())
    }

    /// Adds the next rows.
    pub fn add(&mut self, table: &Table) -> Result<(), StageError> {
        for Growing { column, values } in &mut self.0 {
            match values {
                Values::Numbers(values) => values.extend(table.floats(column)?),
                Values::Labels(labels) | Values::Integers(labels) => labels.extend(&table.labels(column)?),
            }
        }
        Ok(())
    }

    /// The level of every row.
    pub fn finish(self) -> Vec<Group> {
        let group = |Growing { column, values }| {
            let labels = match values {
                Values::Labels(labels) => labels.finish(),
                Values::Numbers(values) => quarters(&values),
                Values::Integers(labels) => few_or_quarters(labels.finish()),
            };
            Group { column, labels }
        };
        self.0.into_iter().map(group).collect()
    }
}

fn few_or_quarters(labels: Texts) -> Texts {
    if labels.levels().len() <= FEW {
        return labels;
    }
    let numbers: Vec<f64> = labels.levels().iter().map(|level| level.parse().unwrap_or(f64::NAN)).collect();
    quarters(&labels.codes().map(|code| code.map_or(f64::NAN, |code| numbers[code])).collect::<Vec<_>>())
}

fn quarters(values: &[f64]) -> Texts {
    const NAMES: [&str; 4] = ["quarter 1", "quarter 2", "quarter 3", "quarter 4"];
    let known: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    let mut quarters = quantile_strata(&known, NAMES.len()).into_iter();
    let quarter = |value: &f64| if value.is_finite() { NAMES.get(quarters.next()?).copied() } else { None };
    values.iter().map(quarter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_quarters_and_few_whole_numbers_are_levels() {
        let found = quarters(&[3.0, f64::NAN, 1.0, 2.0, 4.0]);
        assert_eq!(
            found,
            vec![Some("quarter 3"), None, Some("quarter 1"), Some("quarter 2"), Some("quarter 4")].into()
        );
        let whole = |count: i64| -> Texts { (0..count).map(|value| Some(value.to_string())).collect() };
        assert_eq!(few_or_quarters(whole(12)), whole(12));
        let grouped = few_or_quarters(whole(13));
        assert_eq!((grouped.get(0), grouped.get(12)), (Some("quarter 1"), Some("quarter 4")));
    }
}
