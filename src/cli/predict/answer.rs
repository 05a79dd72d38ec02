//! What `predict` writes: named columns, one value a scored row, as CSV for people or Parquet for programs.

use std::fmt::Write as _;

use clinpipe_stages::common::table::Table;
use clinpipe_stages::common::texts::Texts;

/// The answer to a table: its columns in the order in which they are written.
#[derive(Debug, Default)]
pub(super) struct Answer {
    rows: usize,
    columns: Vec<(String, Values)>,
}

/// The values of a column.
#[derive(Debug)]
pub(super) enum Values {
    /// Row numbers, from 0.
    Rows,
    /// Texts; a missing one is an empty field.
    Texts(Texts),
    /// Numbers, with all their digits.
    Numbers(Vec<f64>),
    /// Numbers of which CSV shows so many decimals.
    Rounded(Vec<f64>, u8),
    /// 1 or 0 in CSV.
    Flags(Vec<bool>),
}

impl Answer {
    /// An answer for so many rows that begins with their numbers.
    pub(super) fn new(rows: usize) -> Self {
        Self { rows, columns: vec![("row_id".to_owned(), Values::Rows)] }
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Adds a column at the end; it must have one value a row.
    pub(super) fn push(&mut self, name: impl Into<String>, values: Values) {
        self.columns.push((name.into(), values));
    }

    pub(super) fn csv(&self) -> String {
        let names: Vec<String> = self.columns.iter().map(|(name, _)| quoted(name)).collect();
        let mut text = names.join(",");
        text.push('\n');
        for row in 0..self.rows {
            for (at, (_, values)) in self.columns.iter().enumerate() {
                text.push_str(if at > 0 { "," } else { "" });
                values.write(row, &mut text);
            }
            text.push('\n');
        }
        text
    }

    /// The answer's bytes as a Parquet file.
    pub(super) fn parquet(&self) -> anyhow::Result<Vec<u8>> {
        let mut table = Table::with_rows(self.rows);
        for (name, values) in &self.columns {
            match values {
                Values::Rows => table.push_ints(name, (0..self.rows).map(|row| i64::try_from(row).ok()).collect())?,
                Values::Texts(texts) => table.push_texts(name, texts)?,
                Values::Numbers(numbers) | Values::Rounded(numbers, _) => table.push_floats(name, numbers.clone())?,
                Values::Flags(flags) => table.push_bools(name, flags.iter().copied().map(Some).collect())?,
            };
        }
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("answer.parquet");
        table.write(&path)?;
        Ok(std::fs::read(&path)?)
    }
}

impl Values {
    fn write(&self, row: usize, text: &mut String) {
        // Writing to a String cannot fail; adding 0.0 gives -0.0 and 0.0 one spelling.
        let _ = match self {
            Self::Rows => write!(text, "{row}"),
            Self::Texts(texts) => write!(text, "{}", texts.get(row).map(quoted).unwrap_or_default()),
            Self::Numbers(numbers) => write!(text, "{}", numbers[row] + 0.0),
            Self::Rounded(numbers, decimals) => write!(text, "{}", rounded(numbers[row], *decimals)),
            Self::Flags(flags) => write!(text, "{}", u8::from(flags[row])),
        };
    }
}

/// A number with so many decimals; what rounds to zero has no sign.
fn rounded(value: f64, decimals: u8) -> String {
    let text = format!("{value:.*}", usize::from(decimals));
    match text.strip_prefix('-') {
        Some(rest) if rest.bytes().all(|byte| matches!(byte, b'0' | b'.')) => rest.to_owned(),
        _ => text,
    }
}

/// A CSV field.
fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use clinpipe_stages::StageFile;

    use super::*;

    fn answer() -> Answer {
        let mut answer = Answer::new(2);
        answer.push("id", Values::Texts(vec![Some("P,\"1\""), None].into()));
        answer.push("p", Values::Numbers(vec![0.1, 1e-7]));
        answer.push("prediction", Values::Rounded(vec![1.25, -0.001], 1));
        answer.push("flagged", Values::Flags(vec![false, true]));
        answer.push("shap:a,b", Values::Numbers(vec![-0.0, 0.25]));
        answer
    }

    #[test]
    fn fields_are_quoted_and_numbers_keep_every_bit_unless_decimals_are_set() {
        let expected = "row_id,id,p,prediction,flagged,\"shap:a,b\"\n\
                        0,\"P,\"\"1\"\"\",0.1,1.2,0,0\n1,,0.0000001,0.0,1,0.25\n";
        assert_eq!(answer().csv(), expected);
    }

    #[test]
    fn parquet_holds_the_same_columns_in_full() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("answer.parquet");
        std::fs::write(&path, answer().parquet().expect("bytes")).expect("written");
        let table = Table::read(&StageFile { path, name: "answer".to_owned() }).expect("a table");
        assert_eq!(table.names(), ["row_id", "id", "p", "prediction", "flagged", "shap:a,b"]);
        assert_eq!(table.floats("prediction").expect("numbers"), [1.25, -0.001]);
        assert_eq!(table.floats("shap:a,b").expect("numbers"), [0.0, 0.25]);
        assert_eq!(table.bools("flagged").expect("booleans"), [Some(false), Some(true)]);
    }
}
