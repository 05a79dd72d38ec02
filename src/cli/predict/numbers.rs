//! Predictions of a number: one column, in full for programs, with the study's decimals in CSV.

use std::fmt::Write as _;

use clinpipe_stages::bundle::Bundle;
use clinpipe_stages::common::table::Table;

use super::{Input, quoted};

/// A predicted number for every row.
pub(super) struct Numbers {
    /// The rows' ids, when the input had the study's id column.
    ids: Option<Vec<Option<String>>>,
    values: Vec<f64>,
    /// How many decimals a person is shown; all when absent.
    decimals: Option<u8>,
}

impl Numbers {
    /// Predicts every row of the input.
    pub(super) fn score(bundle: &Bundle, input: &Input) -> anyhow::Result<Self> {
        let values = bundle.predict_numbers(&input.frame)?;
        Ok(Self { ids: input.ids(bundle)?, values, decimals: bundle.schema().target.decimals })
    }

    pub(super) fn rows(&self) -> usize {
        self.values.len()
    }

    pub(super) fn csv(&self) -> String {
        let mut text = String::from(if self.ids.is_some() { "row_id,id,prediction\n" } else { "row_id,prediction\n" });
        for (row, &value) in self.values.iter().enumerate() {
            let id = self.ids.as_ref().map(|ids| format!("{},", quoted(ids[row].as_deref()))).unwrap_or_default();
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{row},{id}{}", shown(value, self.decimals));
        }
        text
    }

    pub(super) fn table(&self) -> anyhow::Result<Table> {
        let mut table = Table::with_rows(self.values.len());
        table.push_ints("row_id", (0..self.values.len()).map(|row| i64::try_from(row).ok()).collect())?;
        if let Some(ids) = &self.ids {
            table.push_texts("id", ids.clone())?;
        }
        table.push_floats("prediction", self.values.clone())?;
        Ok(table)
    }
}

/// A number with so many decimals; what rounds to zero has no sign.
fn shown(value: f64, decimals: Option<u8>) -> String {
    let text = decimals.map_or_else(|| value.to_string(), |decimals| format!("{value:.*}", usize::from(decimals)));
    match text.strip_prefix('-') {
        Some(rest) if rest.bytes().all(|byte| matches!(byte, b'0' | b'.')) => rest.to_owned(),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_has_the_decimals_and_the_table_all() {
        let mut numbers = Numbers {
            ids: Some(vec![Some("a,b".to_owned()), None, Some("c".to_owned())]),
            values: vec![1.25, -0.001, 12.0],
            decimals: Some(1),
        };
        assert_eq!(numbers.csv(), "row_id,id,prediction\n0,\"a,b\",1.2\n1,,0.0\n2,c,12.0\n");
        assert_eq!(numbers.table().expect("a table").floats("prediction").expect("numbers"), [1.25, -0.001, 12.0]);
        numbers.decimals = None;
        numbers.ids = None;
        assert_eq!(numbers.csv(), "row_id,prediction\n0,1.25\n1,-0.001\n2,12\n");
    }
}
