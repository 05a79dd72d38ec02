//! A table for many rows: numbers of few distinct values take two bytes a row, texts four.
//!
//! Measurements are rounded when they are taken, so a column of millions has hundreds of values. A column with more than
//! a code can name is kept as it is. The values are those that were put in, to the bit.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};

use rayon::prelude::*;

use super::{Columns, Numbers, Values};
use crate::StageError;
use crate::common::frame::{Column, Frame};
use crate::common::table::Table;
use crate::common::texts::{Texts, TextsBuilder};

/// Distinct values that a code can name.
const MOST: usize = 1 << 16;

/// A table of equally long columns that cannot be changed.
#[derive(Debug, Clone, Default)]
pub struct Packed {
    rows: usize,
    columns: BTreeMap<String, Stored>,
}

#[derive(Debug, Clone)]
enum Stored {
    Plain(Vec<f64>),
    Coded(Coded),
    Texts(Texts),
}

/// Numbers of which every distinct one is kept once.
#[derive(Debug, Clone, Default)]
pub struct Coded {
    codes: Vec<u16>,
    values: Vec<f64>,
}

impl Coded {
    /// The number of a row.
    pub fn get(&self, row: usize) -> f64 {
        self.values[self.code(row)]
    }

    /// The place of a row's number among [`Coded::values`].
    pub fn code(&self, row: usize) -> usize {
        usize::from(self.codes[row])
    }

    /// The distinct numbers, in no meaningful order.
    pub fn values(&self) -> &[f64] {
        &self.values
    }
}

impl Packed {
    /// The rows at `index`, in that order, as a table to be scored.
    pub fn take(&self, index: &[usize]) -> Frame {
        let mut frame = Frame::with_rows(index.len());
        for (name, column) in &self.columns {
            let taken = match column {
                Stored::Plain(values) => Column::Number(index.iter().map(|&row| values[row]).collect()),
                Stored::Coded(values) => Column::Number(index.iter().map(|&row| values.get(row)).collect()),
                Stored::Texts(values) => Column::Text(values.take(index)),
            };
            frame.insert(name, taken);
        }
        frame
    }
}

impl From<Frame> for Packed {
    fn from(frame: Frame) -> Self {
        let rows = frame.rows();
        let store = |(name, column)| match column {
            Column::Number(values) => (name, Stored::Plain(values)),
            Column::Text(values) => (name, Stored::Texts(values)),
        };
        Self { rows, columns: frame.into_columns().map(store).collect() }
    }
}

impl Columns for Packed {
    fn rows(&self) -> usize {
        self.rows
    }

    fn column(&self, name: &str) -> Option<Values<'_>> {
        self.columns.get(name).map(|column| match column {
            Stored::Plain(values) => Values::Numbers(Numbers::Plain(values)),
            Stored::Coded(values) => Values::Numbers(Numbers::Coded(values)),
            Stored::Texts(values) => Values::Texts(values),
        })
    }

    fn names(&self) -> Vec<&str> {
        self.columns.keys().map(String::as_str).collect()
    }
}

/// Collects a [`Packed`] from the pieces of a file.
#[derive(Debug)]
pub struct PackedBuilder {
    expected: usize,
    rows: usize,
    columns: Vec<(String, Option<Growing>)>,
}

impl PackedBuilder {
    /// A table that will have these columns and about so many rows.
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>, rows: usize) -> Self {
        let columns = names.into_iter().map(|name| (name.to_owned(), None)).collect();
        Self { expected: rows, rows: 0, columns }
    }

    /// Adds the rows at `index` of the next piece, which has all the columns.
    pub fn add(&mut self, piece: &Table, index: &[usize]) -> Result<(), StageError> {
        let expected = self.expected;
        self.columns.par_iter_mut().try_for_each(|(name, growing)| {
            let column = piece.column_of(name)?;
            let growing = growing.get_or_insert_with(|| Growing::new(&column, expected));
            growing.extend(&column, index).then_some(()).ok_or_else(|| {
                StageError::failed(format!("column `{name}` holds numbers in one piece and texts in another"))
            })
        })?;
        self.rows += index.len();
        Ok(())
    }

    /// The table.
    pub fn finish(self) -> Packed {
        let columns = self.columns.into_iter().filter_map(|(name, column)| Some((name, column?.finish())));
        Packed { rows: self.rows, columns: columns.collect() }
    }
}

/// A column that grows.
#[derive(Debug)]
enum Growing {
    Plain(Vec<f64>),
    Coded { column: Coded, known: HashMap<u64, u16, BuildHasherDefault<Mix>> },
    Texts(TextsBuilder),
}

impl Growing {
    fn new(column: &Column, rows: usize) -> Self {
        match column {
            Column::Number(_) => {
                let column = Coded { codes: Vec::with_capacity(rows), values: Vec::new() };
                Self::Coded { column, known: HashMap::default() }
            }
            Column::Text(_) => Self::Texts(TextsBuilder::with_rows(rows)),
        }
    }

    /// Whether the column is of its kind and was added.
    fn extend(&mut self, column: &Column, index: &[usize]) -> bool {
        match (self, column) {
            (Self::Texts(builder), Column::Text(texts)) => builder.extend_from(texts, index),
            (Self::Texts(_), _) | (_, Column::Text(_)) => return false,
            (growing, Column::Number(values)) => {
                for &row in index {
                    growing.push(values[row]);
                }
            }
        }
        true
    }

    fn push(&mut self, value: f64) {
        if let Self::Coded { column, known } = self {
            let next = known.len();
            let code = match known.get(&value.to_bits()) {
                Some(&code) => code,
                None if next < MOST => {
                    known.insert(value.to_bits(), next as u16);
                    column.values.push(value);
                    next as u16
                }
                None => {
                    let mut plain = Vec::with_capacity(column.codes.capacity());
                    plain.extend((0..column.codes.len()).map(|row| column.get(row)));
                    *self = Self::Plain(plain);
                    return self.push(value);
                }
            };
            column.codes.push(code);
        } else if let Self::Plain(values) = self {
            values.push(value);
        }
    }

    fn finish(self) -> Stored {
        match self {
            Self::Plain(values) => Stored::Plain(values),
            Self::Coded { column, .. } => Stored::Coded(column),
            Self::Texts(builder) => Stored::Texts(builder.finish()),
        }
    }
}

/// A hash of one number, quickly: multiplication carries every bit upwards, the shift brings them down again.
#[derive(Debug, Default)]
struct Mix(u64);

impl Hasher for Mix {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }

    fn write_u64(&mut self, bits: u64) {
        let mixed = (self.0 ^ bits ^ (bits >> 32)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0 = mixed ^ (mixed >> 32);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Few values with gaps and both zeros, many values, texts.
    fn table(rows: usize) -> Table {
        let mut table = Table::with_rows(rows);
        let few = (0..rows).map(|row| if row % 5 == 0 { f64::NAN } else { (row % 7) as f64 / 10.0 });
        table
            .push_floats("few", few.collect())
            .and_then(|table| table.push_floats("many", (0..rows).map(|row| row as f64 / 3.0).collect()))
            .and_then(|table| {
                table.push_texts("text", (0..rows).map(|row| (row % 3 > 0).then(|| (row % 11).to_string())))
            })
            .expect("columns of equal length");
        table
    }

    #[test]
    fn a_packed_table_gives_back_the_rows_it_was_given() {
        let piece = table(50_000);
        let picked: Vec<usize> = (0..piece.rows()).filter(|row| row % 4 != 1).collect();
        let mut builder = PackedBuilder::new(piece.names(), 2 * picked.len());
        builder.add(&piece, &picked).and_then(|()| builder.add(&piece, &picked)).expect("all columns are there");
        // So that the column of many values outgrows its codes in the middle of a piece.
        let other = table(200_000);
        builder.add(&other, &[150_000, 199_999, 60_001]).expect("all columns are there");
        let every: Vec<usize> = (100_000..other.rows()).collect();
        builder.add(&other, &every).expect("all columns are there");
        let packed = builder.finish();
        assert!(
            matches!(packed.column("few"), Some(Values::Numbers(Numbers::Coded(coded))) if coded.values().len() == 8)
        );
        assert!(matches!(packed.column("many"), Some(Values::Numbers(Numbers::Plain(_)))));
        assert_eq!(packed.names(), ["few", "many", "text"]);
        let whole = piece.frame_of(["few", "many", "text"]).expect("columns");
        let bits = |frame: &Frame, name: &str| {
            let column = frame.get(name).and_then(Column::numbers).expect("numbers");
            column.iter().map(|value| value.to_bits()).collect::<Vec<_>>()
        };
        let second: Vec<usize> = (picked.len()..2 * picked.len()).collect();
        let (taken, expected) = (packed.take(&second), whole.take(&picked));
        assert_eq!(taken.get("text"), expected.get("text"));
        assert!(["few", "many"].iter().all(|name| bits(&taken, name) == bits(&expected, name)));
        let last = packed.take(&[2 * picked.len() + 1, packed.rows() - 1]);
        assert_eq!(last.get("many"), Some(&Column::Number(vec![199_999.0 / 3.0; 2])));
    }
}
