//! The one Parquet writer and its reader.
//!
//! Bytes depend on the values only: row groups have a fixed number of rows, each column of one is encoded from one
//! contiguous array, with one compression level, a fixed `created_by` and no key-value metadata. Columns are encoded and
//! decoded on all threads, which reaches no byte. Types: Int64, Float64, Utf8, Boolean.

mod read;
mod write;

pub(super) use read::{Pieces, names, read};
pub(super) use write::{Writer, field, new_field, write};

/// Rows of a row group: small enough to read in parts, large enough for dictionaries to pay.
pub(super) const ROW_GROUP: usize = 131_072;
