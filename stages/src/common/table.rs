//! The training-side table: whole columns in memory, read from and written to Parquet.
//!
//! Four types only: integers, floats, texts, booleans. A missing float is NaN in memory and null in the file, so that
//! one state has one spelling. `parquet_file` owns the bytes; nothing else may write Parquet.
//! Predictions never pass through here: they use [`Frame`].

mod append;
mod columns;
mod pieces;

use std::path::Path;

use polars::prelude::{
    Column as PolarsColumn, DataFrame, DataType, IdxSize, IntoSeries, NewChunkedArray, StringChunked,
};

use super::frame::{Column, Frame};
use super::parquet_file;
use super::schema::Schema;
use super::texts::Texts;
use crate::{StageError, StageFile};

pub use append::TableAppender;
pub use pieces::{TablePieces, TableWriter};

/// A table of equally long, uniquely named columns in a fixed order.
#[derive(Debug, Clone)]
pub struct Table {
    frame: DataFrame,
    name: String,
}

impl Table {
    /// A table without columns that will hold `rows` rows.
    pub fn with_rows(rows: usize) -> Self {
        Self { frame: DataFrame::empty_with_height(rows), name: "table".to_owned() }
    }

    /// Reads a Parquet file that a stage wrote.
    pub fn read(file: &StageFile) -> Result<Self, StageError> {
        let frame = parquet_file::read(&file.path).map_err(|error| StageError::input(&file.name, error))?;
        Ok(Self { frame, name: file.name.clone() })
    }

    /// Writes the table as Parquet; equal tables give equal bytes.
    pub fn write(&self, path: &Path) -> Result<(), StageError> {
        parquet_file::write(&self.frame, path).map_err(|error| StageError::output(path, error))
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.frame.height()
    }

    /// Column names in table order.
    pub fn names(&self) -> Vec<&str> {
        self.frame.columns().iter().map(|column| column.name().as_str()).collect()
    }

    /// Whether there is a column of that name.
    pub fn has(&self, name: &str) -> bool {
        self.frame.column(name).is_ok()
    }

    /// A column of integers; `None` = missing.
    pub fn ints(&self, name: &str) -> Result<Vec<Option<i64>>, StageError> {
        let values = self.column(name)?.i64().map_err(|_| self.wrong_type(name, "integers"))?;
        Ok(values.iter().collect())
    }

    /// A column of integers without missing values.
    pub fn ints_full(&self, name: &str) -> Result<Vec<i64>, StageError> {
        let values = self.ints(name)?.into_iter().collect::<Option<Vec<_>>>();
        values.ok_or_else(|| self.fault(format!("column `{name}` has missing values where none may be")))
    }

    /// A column of integers, floats or booleans as floats; NaN = missing.
    pub fn floats(&self, name: &str) -> Result<Vec<f64>, StageError> {
        let column = self.column(name)?;
        match column.dtype() {
            DataType::Float64 => column.f64().ok().map(|all| match all.cont_slice() {
                Ok(values) => values.to_vec(),
                Err(_) => all.iter().map(|v| v.unwrap_or(f64::NAN)).collect(),
            }),
            DataType::Int64 => {
                column.i64().ok().map(|all| all.iter().map(|v| v.map_or(f64::NAN, |v| v as f64)).collect())
            }
            DataType::Boolean => {
                column.bool().ok().map(|all| all.iter().map(|v| v.map_or(f64::NAN, f64::from)).collect())
            }
            _ => None,
        }
        .ok_or_else(|| self.wrong_type(name, "numbers"))
    }

    /// A column of texts.
    pub fn texts(&self, name: &str) -> Result<Texts, StageError> {
        let values = self.column(name)?.str().map_err(|_| self.wrong_type(name, "texts"))?;
        Ok(values.iter().collect())
    }

    /// A column of booleans; `None` = missing.
    pub fn bools(&self, name: &str) -> Result<Vec<Option<bool>>, StageError> {
        let values = self.column(name)?.bool().map_err(|_| self.wrong_type(name, "booleans"))?;
        Ok(values.iter().collect())
    }

    /// Any column as texts, as identifiers need it: integers in decimal.
    pub fn labels(&self, name: &str) -> Result<Texts, StageError> {
        match self.column(name)?.dtype() {
            DataType::String => self.texts(name),
            DataType::Int64 => Ok(self.ints(name)?.into_iter().map(|v| v.map(|v| v.to_string())).collect()),
            DataType::Boolean => Ok(self.bools(name)?.into_iter().map(|v| v.map(|v| v.to_string())).collect()),
            _ => Ok(self.floats(name)?.into_iter().map(|v| (!v.is_nan()).then(|| v.to_string())).collect()),
        }
    }

    /// Adds a column of integers at the end.
    pub fn push_ints(&mut self, name: &str, values: Vec<Option<i64>>) -> Result<&mut Self, StageError> {
        self.push(PolarsColumn::new(name.into(), values))
    }

    /// Adds a column of floats at the end; NaN becomes missing, `-0.0` becomes `0.0`.
    pub fn push_floats(&mut self, name: &str, values: Vec<f64>) -> Result<&mut Self, StageError> {
        let canonical = |value: f64| if value == 0.0 { 0.0 } else { value };
        let values: Vec<Option<f64>> = values.into_iter().map(|v| (!v.is_nan()).then_some(canonical(v))).collect();
        self.push(PolarsColumn::new(name.into(), values))
    }

    /// Adds a column of texts at the end.
    pub fn push_texts<S: AsRef<str>>(
        &mut self,
        name: &str,
        values: impl IntoIterator<Item = Option<S>>,
    ) -> Result<&mut Self, StageError> {
        let values = StringChunked::from_iter_options(name.into(), values.into_iter());
        self.push(values.into_series().into())
    }

    /// Adds a column of booleans at the end.
    pub fn push_bools(&mut self, name: &str, values: Vec<Option<bool>>) -> Result<&mut Self, StageError> {
        self.push(PolarsColumn::new(name.into(), values))
    }

    /// Adds a column of numbers or texts at the end.
    pub fn push_column(&mut self, name: &str, column: &Column) -> Result<&mut Self, StageError> {
        match column {
            Column::Number(values) => self.push_floats(name, values.clone()),
            Column::Text(values) => self.push_texts(name, values),
        }
    }

    /// Puts another column of the same length in the place of the one of that name.
    pub fn replace(&mut self, name: &str, column: &Column) -> Result<&mut Self, StageError> {
        let mut alone = Self::with_rows(self.rows());
        alone.push_column(name, column)?;
        let column = alone.column(name)?.clone();
        self.frame.with_column(column).map_err(|error| StageError::input(&self.name, error.to_string()))?;
        Ok(self)
    }

    /// The rows at `index`, in that order, with all columns.
    pub fn take(&self, index: &[usize]) -> Result<Self, StageError> {
        let index: Vec<IdxSize> = index.iter().map(|&row| row as IdxSize).collect();
        let columns = self.frame.columns().iter().map(|column| column.take_slice(&index)).collect::<Result<_, _>>();
        let frame = columns.and_then(|columns| DataFrame::new(index.len(), columns));
        let frame = frame.map_err(|error| self.fault(error.to_string()))?;
        Ok(Self { frame, name: self.name.clone() })
    }

    /// The table without a column; as it is when it has none of that name.
    #[must_use]
    pub fn without(&self, name: &str) -> Self {
        Self { frame: self.frame.drop(name).unwrap_or_else(|_| self.frame.clone()), name: self.name.clone() }
    }

    /// The schema's columns as a scoring table: integers and numbers become numbers, categories and texts become texts.
    /// Every column of the schema must be in the table.
    pub fn to_frame(&self, schema: &Schema) -> Result<Frame, StageError> {
        self.frame_of(schema.columns.keys().map(String::as_str))
    }

    /// The named columns as a scoring table; numbers and booleans become numbers.
    pub fn frame_of<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Result<Frame, StageError> {
        let mut frame = Frame::with_rows(self.rows());
        for name in names {
            frame.insert(name, self.column_of(name)?);
        }
        Ok(frame)
    }

    /// A column as a scoring table has it.
    pub fn column_of(&self, name: &str) -> Result<Column, StageError> {
        Ok(match self.column(name)?.dtype() {
            DataType::String => Column::Text(self.texts(name)?),
            _ => Column::Number(self.floats(name)?),
        })
    }

    fn push(&mut self, column: PolarsColumn) -> Result<&mut Self, StageError> {
        if column.len() != self.rows() {
            let (name, got, rows) = (column.name(), column.len(), self.rows());
            return Err(self.fault(format!("column `{name}` has {got} rows, the table has {rows}")));
        }
        // A duplicate name is the one thing left that polars can refuse.
        self.frame = self.frame.hstack(&[column]).map_err(|error| self.fault(error.to_string()))?;
        Ok(self)
    }

    fn column(&self, name: &str) -> Result<&PolarsColumn, StageError> {
        self.frame.column(name).map_err(|_| {
            let names = self.names().join(", ");
            self.fault(format!("has no column `{name}`")).with_hint(format!("its columns are: {names}"))
        })
    }

    fn wrong_type(&self, name: &str, wanted: &str) -> StageError {
        let found = self.frame.column(name).map_or_else(|_| "nothing".to_owned(), |column| column.dtype().to_string());
        self.fault(format!("column `{name}` should hold {wanted}, but holds {found}"))
    }

    fn fault(&self, message: String) -> StageError {
        StageError::input(&self.name, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn sample() -> Table {
        let mut table = Table::with_rows(3);
        let texts = vec![Some("a".to_owned()), None, Some(String::new())];
        table
            .push_ints("n", vec![Some(1), None, Some(-3)])
            .and_then(|t| t.push_floats("x", vec![-0.0, f64::NAN, 2.5]))
            .and_then(|t| t.push_texts("s", texts))
            .and_then(|t| t.push_bools("b", vec![Some(true), Some(false), None]))
            .expect("columns of equal length");
        table
    }

    fn file(path: &Path) -> StageFile {
        StageFile { path: path.to_owned(), name: "t.parquet".to_owned() }
    }

    #[test]
    fn a_file_gives_back_what_was_written() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("t.parquet");
        sample().write(&path).expect("written");
        let back = Table::read(&file(&path)).expect("readable");
        assert_eq!(back.names(), ["n", "x", "s", "b"]);
        assert_eq!(back.ints("n").expect("ints"), [Some(1), None, Some(-3)]);
        let x = back.floats("x").expect("floats");
        assert!(x[0].is_sign_positive() && x[1].is_nan() && x[2] == 2.5);
        assert_eq!(back.texts("s").expect("texts"), vec![Some("a"), None, Some("")].into());
        assert_eq!(back.bools("b").expect("bools"), [Some(true), Some(false), None]);
        assert!(back.texts("n").is_err() && back.ints("absent").is_err());
    }

    #[test]
    fn bytes_do_not_follow_the_chunks() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (one, two) = (dir.path().join("one"), dir.path().join("two"));
        let whole = sample();
        let parts = whole.take(&[0]).expect("one row").frame.vstack(&whole.take(&[1, 2]).expect("two rows").frame);
        let parts = Table { frame: parts.expect("same columns"), name: String::new() };
        assert!(parts.frame.columns().iter().any(|column| column.n_chunks() == 2));
        whole.write(&one).expect("written");
        parts.write(&two).expect("written");
        assert_eq!(fs::read(one).expect("read"), fs::read(two).expect("read"));
    }

    /// More than two row groups, so that their borders are met.
    fn long() -> Table {
        let rows = 300_000;
        let mut table = Table::with_rows(rows);
        let texts = (0..rows).map(|row| (row % 7 != 0).then(|| format!("P{}", row / 3)));
        let floats = (0..rows).map(|row| if row % 11 == 0 { f64::NAN } else { (row % 1000) as f64 / 8.0 }).collect();
        table
            .push_ints("n", (0..rows as i64).map(Some).collect())
            .and_then(|t| t.push_texts("s", texts))
            .and_then(|t| t.push_floats("x", floats))
            .expect("columns of equal length");
        table
    }

    #[test]
    fn pieces_make_the_bytes_of_the_whole() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (one, two) = (dir.path().join("one"), dir.path().join("two"));
        long().write(&one).expect("written");
        let digest = blake3::hash(&fs::read(&one).expect("read")).to_hex();
        let frozen = "6938a57ce84fd222";
        assert_eq!(&digest[..16], frozen, "Parquet bytes moved: raise VERSION of every stage that writes a table");
        let mut writer = TableWriter::new(&two);
        let mut sizes = Vec::new();
        for piece in Table::pieces(&file(&one), &["x", "s", "n"]).expect("readable") {
            let piece = piece.expect("a piece");
            sizes.push(piece.rows());
            let frame = piece.frame_of(["s", "x"]).expect("columns");
            writer.write(&piece.without("x").without("s"), &frame, &["s", "x"]).expect("written");
        }
        writer.finish().expect("ended");
        assert_eq!(sizes, [131_072, 131_072, 37_856]);
        assert_eq!(fs::read(one).expect("read"), fs::read(two).expect("read"));
    }

    #[test]
    fn a_short_piece_is_the_last() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut writer = TableWriter::new(&dir.path().join("t"));
        let nothing = Frame::with_rows(3);
        writer.write(&sample(), &nothing, &[]).expect("the first piece");
        assert!(writer.write(&sample(), &nothing, &[]).is_err());
        assert!(TableWriter::new(&dir.path().join("u")).finish().is_err());
    }

    #[test]
    fn the_format_is_frozen() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("t.parquet");
        sample().write(&path).expect("written");
        let digest = blake3::hash(&fs::read(path).expect("read")).to_hex();
        assert_eq!(
            &digest[..16],
            "2b1f48524bb23cb1",
            "Parquet bytes moved: raise VERSION of every stage that writes a table"
        );
    }
}
