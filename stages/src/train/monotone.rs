//! `train.gbdt.monotone`: which way predictions may go with a feature, told to the learner column by column.

use std::collections::BTreeMap;

use super::params::Direction;
use crate::ParamError;
use crate::common::columns::{Columns, Values};
use crate::common::text::suggestion;

/// Checks that each name is a feature and holds numbers; categories have no order to rise in.
pub(super) fn check(monotone: &BTreeMap<String, Direction>, features: &dyn Columns) -> Result<(), ParamError> {
    for name in monotone.keys() {
        let message = match features.column(name) {
            Some(Values::Numbers(_)) => continue,
            Some(Values::Texts(_)) => {
                format!("`{name}` holds categories, which have no order; only numbers can be named")
            }
            None => {
                let near = suggestion(name, features.names());
                format!("`{name}` is not a feature{near}")
            }
        };
        return Err(ParamError::new(format!("train.gbdt.monotone.{name}"), message));
    }
    Ok(())
}

/// The sign of each encoded column. A number's column bears its feature's name; its missing flag has no direction.
pub(super) fn directions(monotone: &BTreeMap<String, Direction>, columns: &[String]) -> Vec<i8> {
    if monotone.is_empty() {
        return Vec::new();
    }
    columns.iter().map(|column| monotone.get(column).map_or(0, |direction| direction.sign())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::frame::{Column, Frame};
    use crate::common::texts::Texts;

    #[test]
    fn names_become_signs_and_wrong_ones_are_told() {
        let monotone =
            BTreeMap::from([("age".to_owned(), Direction::Increasing), ("lab".to_owned(), Direction::Decreasing)]);
        let columns = ["lab", "lab:missing", "age", "sex=F"].map(str::to_owned);
        assert_eq!(directions(&monotone, &columns), [-1, 0, 1, 0]);
        assert!(directions(&BTreeMap::new(), &columns).is_empty());
        let mut frame = Frame::with_rows(1);
        frame.insert("age", Column::Number(vec![1.0]));
        let error = check(&monotone, &frame).expect_err("no lab");
        assert_eq!(error.path, "train.gbdt.monotone.lab");
        frame.insert("lab", Column::Text(Texts::repeat(None, 1)));
        assert!(check(&monotone, &frame).expect_err("categories").to_string().contains("no order"));
        frame.insert("lab", Column::Number(vec![1.0]));
        assert!(check(&monotone, &frame).is_ok());
    }
}
