//! combinations.json: which combinations of values the training rows have.
//!
//! A combination is judged only where all of its values are present; a missing value is the matter of `nullable`. It
//! says what was seen, not what is possible: a lawful combination may be absent from few rows, which is why a rule
//! only warns unless it is told to refuse.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use super::{Fingerprint, PreprocessError};
use crate::common::columns::{Columns, Values};
use crate::common::frame::Frame;
use crate::train::params::CombinationRule;
use crate::validate::Level;

/// combinations.json.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CombinationsFile {
    /// Version of this format: 1.
    pub schema_version: u32,
    /// The learned rules, in the order of the parameters.
    pub rules: Vec<SeenCombinations>,
    /// The rows they were learned on.
    pub fitted_on: Fingerprint,
}

/// A learned combination rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeenCombinations {
    /// Its name.
    pub name: String,
    /// The columns.
    pub columns: Vec<String>,
    /// What an unseen combination means.
    pub level: Level,
    /// The complete combinations of the training rows, each in the order of `columns`, sorted.
    pub seen: Vec<Vec<Cell>>,
}

/// One value of a combination.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Cell {
    /// A finite number; never −0.
    Number(f64),
    /// A level.
    Text(String),
}

impl Cell {
    fn of(column: Values, row: usize) -> Option<Self> {
        match column {
            Values::Numbers(values) => Some(values.get(row)).filter(|v| v.is_finite()).map(|v| Self::Number(v + 0.0)),
            Values::Texts(values) => values.get(row).map(|text| Self::Text(text.to_owned())),
        }
    }

    fn order(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) => a.total_cmp(b),
            (Self::Number(_), Self::Text(_)) => Ordering::Less,
            (Self::Text(_), Self::Number(_)) => Ordering::Greater,
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
        }
    }
}

fn order(a: &[Cell], b: &[Cell]) -> Ordering {
    let different = a.iter().zip(b).map(|(a, b)| a.order(b)).find(|order| order.is_ne());
    different.unwrap_or_else(|| a.len().cmp(&b.len()))
}

impl SeenCombinations {
    /// Learns a rule from all rows. `unchanged` says which features are columns of the raw table as they are. `at` is
    /// the rule's place in the parameters.
    pub fn fit(
        rule: &CombinationRule,
        at: usize,
        features: &dyn Columns,
        unchanged: impl Fn(&str) -> bool,
    ) -> Result<Self, PreprocessError> {
        for (index, name) in rule.columns.iter().enumerate() {
            let path = format!("combinations.{at}.columns.{index}");
            if features.column(name).is_none() {
                return Err(PreprocessError::no_feature(path, name, features));
            }
            if !unchanged(name) {
                let message = format!("`{name}` is derived; only raw columns can be compared when a row comes in");
                return Err(PreprocessError::Setting { path, message });
            }
        }
        let mut learned =
            Self { name: rule.name.clone(), columns: rule.columns.clone(), level: rule.level, seen: Vec::new() };
        let mut seen: Vec<Vec<Cell>> = (0..features.rows()).filter_map(|row| learned.cells(features, row)).collect();
        seen.sort_by(|a, b| order(a, b));
        seen.dedup();
        learned.seen = seen;
        Ok(learned)
    }

    /// Whether it can be searched: what was read is sorted and every combination complete.
    pub fn is_sound(&self) -> bool {
        self.columns.len() > 1
            && self.seen.iter().all(|cells| cells.len() == self.columns.len())
            && self.seen.windows(2).all(|pair| order(&pair[0], &pair[1]).is_lt())
    }

    /// The rows (ascending) of a raw table whose combination is complete and was never seen. Nothing when a column is
    /// absent.
    pub fn unseen(&self, table: &Frame) -> Vec<usize> {
        let is_new = |row: &usize| {
            self.cells(table, *row)
                .is_some_and(|cells| self.seen.binary_search_by(|known| order(known, &cells)).is_err())
        };
        (0..table.rows()).filter(is_new).collect()
    }

    /// What an unseen combination is told.
    pub fn message(&self) -> String {
        format!("breaks the rule `{}`: no training row has this combination of {}", self.name, self.columns.join(", "))
    }

    fn cells(&self, table: &dyn Columns, row: usize) -> Option<Vec<Cell>> {
        self.columns.iter().map(|name| Cell::of(table.column(name)?, row)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::frame::Column;

    fn rule(columns: &[&str]) -> CombinationRule {
        let columns = columns.iter().map(|name| (*name).to_owned()).collect();
        CombinationRule { name: "known therapy".to_owned(), columns, level: Level::Warning }
    }

    fn table(drugs: &[Option<&str>], doses: &[f64]) -> Frame {
        let mut frame = Frame::with_rows(doses.len());
        frame.insert("drug", Column::Text(drugs.iter().copied().collect()));
        frame.insert("dose", Column::Number(doses.to_vec()));
        frame
    }

    #[test]
    fn what_no_training_row_has_is_told_and_gaps_are_not_judged() {
        let seen = table(&[Some("b"), Some("a"), Some("a"), None, Some("a")], &[10.0, 0.0, 10.0, 5.0, 0.0]);
        let learned = SeenCombinations::fit(&rule(&["drug", "dose"]), 0, &seen, |_| true).expect("both are there");
        assert_eq!(learned.seen.len(), 3);
        let text = serde_json::to_string(&learned).expect("JSON");
        let learned: SeenCombinations = serde_json::from_str(&text).expect("its own JSON");
        assert!(learned.is_sound());
        let new =
            table(&[Some("b"), Some("b"), Some("a"), None, Some("c"), Some("a")], &[10.0, 0.0, -0.0, 7.0, 0.0, 9.0]);
        assert_eq!(learned.unseen(&new), [1, 4, 5]);
        assert_eq!(learned.unseen(&seen), Vec::<usize>::new());
        assert_eq!(learned.unseen(&Frame::with_rows(2)), Vec::<usize>::new());
    }

    #[test]
    fn only_raw_columns_can_be_combined() {
        let seen = table(&[None], &[1.0]);
        let fault = |names: &[&str], raw: bool| {
            SeenCombinations::fit(&rule(names), 2, &seen, |_| raw).expect_err("a fault").to_string()
        };
        assert!(fault(&["drug", "dos"], true).contains("combinations.2.columns.1`: `dos` is not a feature"));
        assert!(fault(&["drug", "dose"], false).contains("is derived"));
    }
}
