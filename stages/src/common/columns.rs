//! Columns by name, whichever table keeps them: the small one that is scored ([`Frame`]) or the large one that is learned
//! from ([`Packed`]).
//!
//! Both give the same values to the bit. Nothing here knows what they are for.

mod packed;

use super::frame::{Column, Frame};
use super::texts::Texts;

pub use packed::{Coded, Packed, PackedBuilder};

/// A table of equally long columns, looked up by name.
pub trait Columns: Sync + std::fmt::Debug {
    /// Number of rows.
    fn rows(&self) -> usize;
    /// A column by name.
    fn column(&self, name: &str) -> Option<Values<'_>>;
    /// The columns' names, sorted.
    fn names(&self) -> Vec<&str>;
}

/// The values of a column.
#[derive(Debug, Clone, Copy)]
pub enum Values<'a> {
    /// Integers and floats.
    Numbers(Numbers<'a>),
    /// Categories and strings.
    Texts(&'a Texts),
}

/// The numbers of a column; NaN = missing.
#[derive(Debug, Clone, Copy)]
pub enum Numbers<'a> {
    /// One after the other.
    Plain(&'a [f64]),
    /// Every distinct one once.
    Coded(&'a Coded),
}

impl Numbers<'_> {
    /// The number of a row.
    pub fn get(&self, row: usize) -> f64 {
        match self {
            Self::Plain(values) => values[row],
            Self::Coded(values) => values.get(row),
        }
    }
}

impl Columns for Frame {
    fn rows(&self) -> usize {
        Self::rows(self)
    }

    fn column(&self, name: &str) -> Option<Values<'_>> {
        self.get(name).map(|column| match column {
            Column::Number(values) => Values::Numbers(Numbers::Plain(values)),
            Column::Text(values) => Values::Texts(values),
        })
    }

    fn names(&self) -> Vec<&str> {
        self.columns().map(|(name, _)| name).collect()
    }
}
