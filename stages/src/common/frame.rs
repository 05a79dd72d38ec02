//! The scoring table: named columns of numbers or text, small enough that one row costs nothing.
//!
//! Features, preprocessing and models see this type only, in training as in serving. Missing numbers are NaN; texts
//! know their own gaps.

use super::texts::Texts;

/// One column of a [`Frame`].
#[derive(Debug, Clone, PartialEq)]
pub enum Column {
    /// Integers and floats; NaN = missing.
    Number(Vec<f64>),
    /// Categories and strings.
    Text(Texts),
}

impl Column {
    /// Number of rows.
    pub fn len(&self) -> usize {
        match self {
            Self::Number(values) => values.len(),
            Self::Text(values) => values.len(),
        }
    }

    /// Whether it has no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The rows at `index`, in that order.
    #[must_use]
    pub fn take(&self, index: &[usize]) -> Self {
        match self {
            Self::Number(values) => Self::Number(index.iter().map(|&i| values[i]).collect()),
            Self::Text(values) => Self::Text(values.take(index)),
        }
    }

    /// The numbers, if it is a column of numbers.
    pub fn numbers(&self) -> Option<&[f64]> {
        match self {
            Self::Number(values) => Some(values),
            Self::Text(_) => None,
        }
    }

    /// The texts, if it is a column of texts.
    pub fn texts(&self) -> Option<&Texts> {
        match self {
            Self::Text(values) => Some(values),
            Self::Number(_) => None,
        }
    }
}

/// A table of equally long columns, looked up by name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Frame {
    rows: usize,
    /// In name order: a list, because one row is read and made far more often than a wide table, and costs half a map.
    columns: Vec<(String, Column)>,
}

impl Frame {
    /// An empty table that will hold `rows` rows.
    pub fn with_rows(rows: usize) -> Self {
        Self { rows, columns: Vec::new() }
    }

    /// An empty table with room for so many columns.
    pub fn with_capacity(rows: usize, columns: usize) -> Self {
        Self { rows, columns: Vec::with_capacity(columns) }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Adds or replaces a column.
    ///
    /// # Panics
    /// When the column has another number of rows: a defect of the caller, never of data.
    pub fn insert(&mut self, name: impl Into<String>, column: Column) {
        assert_eq!(column.len(), self.rows, "a column must have as many rows as its frame");
        let name = name.into();
        match self.place(&name) {
            Ok(at) => self.columns[at].1 = column,
            Err(at) => self.columns.insert(at, (name, column)),
        }
    }

    /// A column by name.
    pub fn get(&self, name: &str) -> Option<&Column> {
        self.place(name).ok().map(|at| &self.columns[at].1)
    }

    /// Keeps the columns whose names are wanted.
    pub fn retain(&mut self, wanted: impl Fn(&str) -> bool) {
        self.columns.retain(|(name, _)| wanted(name));
    }

    /// The place of a column, else the one where it belongs.
    fn place(&self, name: &str) -> Result<usize, usize> {
        // Columns mostly arrive in name order.
        match self.columns.last() {
            Some((last, _)) if last.as_str() < name => Err(self.columns.len()),
            _ => self.columns.binary_search_by(|(known, _)| known.as_str().cmp(name)),
        }
    }

    /// All columns in name order.
    pub fn columns(&self) -> impl Iterator<Item = (&str, &Column)> {
        self.columns.iter().map(|(name, column)| (name.as_str(), column))
    }

    /// All columns, in name order.
    pub fn into_columns(self) -> impl Iterator<Item = (String, Column)> {
        self.columns.into_iter()
    }

    /// The rows at `index`, in that order.
    #[must_use]
    pub fn take(&self, index: &[usize]) -> Self {
        let columns = self.columns.iter().map(|(name, column)| (name.clone(), column.take(index))).collect();
        Self { rows: index.len(), columns }
    }
}
