//! CSV, for plots, people and `ingest`: a header, rows of text, `\n` line ends, shortest round-trip numbers, empty for undefined.

use std::path::Path;

use crate::StageError;

/// A number as a CSV cell; empty when it is undefined or not finite.
pub fn number(value: Option<f64>) -> String {
    // Adding 0.0 gives -0.0 and 0.0 one spelling.
    value.filter(|value| value.is_finite()).map_or_else(String::new, |value| (value + 0.0).to_string())
}

/// Writes a header and rows.
pub fn write<R>(path: &Path, header: &[impl AsRef<[u8]>], rows: impl Iterator<Item = R>) -> Result<(), StageError>
where
    R: IntoIterator<Item: AsRef<[u8]>>,
{
    let fail = |error: csv::Error| StageError::output(path, error.into());
    let mut writer = csv::Writer::from_path(path).map_err(fail)?;
    writer.write_record(header).map_err(fail)?;
    for row in rows {
        writer.write_record(row).map_err(fail)?;
    }
    writer.flush().map_err(|error| StageError::output(path, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn undefined_numbers_are_empty_and_zero_has_one_spelling() {
        assert_eq!([number(None), number(Some(f64::NAN)), number(Some(-0.0)), number(Some(0.1))], ["", "", "0", "0.1"]);
    }

    #[test]
    fn rows_end_with_a_newline() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("a.csv");
        write(&path, &["x", "y"], [vec!["1".to_owned(), "a,b".to_owned()]].into_iter()).expect("written");
        assert_eq!(std::fs::read_to_string(&path).expect("readable"), "x,y\n1,\"a,b\"\n");
    }
}
