//! `ingest.json`: where the rows came from, how many there are, and what each column looks like.

use std::collections::{BTreeMap, HashSet};

use serde::Serialize;

use super::reader::Read;
use super::sample::Sampled;
use super::{Source, UNREAD_COLUMN, unread_cells};
use crate::common::key::{self, Key};
use crate::common::schema::{ColumnType, Schema};
use crate::common::table::Table;
use crate::{StageError, StageFile};

/// The version of the format of `ingest.json`.
const SCHEMA_VERSION: u32 = 1;

/// The report.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    schema_version: u32,
    /// Whether the rows are the study's own or made up.
    source: Source,
    /// The file as the pipeline names it.
    file: String,
    /// BLAKE3 of the file.
    blake3: String,
    rows_read: u64,
    rows_kept: u64,
    duplicates_dropped: u64,
    /// Cells per column that are not of its type, in the kept rows; taken as missing and judged by `validate`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    unreadable: BTreeMap<String, u64>,
    /// Only when a sample was drawn.
    #[serde(skip_serializing_if = "Option::is_none")]
    sample: Option<Sampled>,
    /// Columns of the file that the schema does not know.
    dropped_columns: Vec<String>,
    columns: BTreeMap<String, ColumnProfile>,
}

/// One column of the kept rows.
#[derive(Debug, Serialize)]
struct ColumnProfile {
    #[serde(rename = "type")]
    kind: Option<ColumnType>,
    /// Place in the file, from 0.
    position: usize,
    missing: u64,
    missing_share: f64,
    /// Numbers only; null when all are missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    numbers: Option<NumberProfile>,
    /// Categories only: rows per text, also of texts that are no level.
    #[serde(skip_serializing_if = "Option::is_none")]
    levels: Option<BTreeMap<String, u64>>,
    /// Free text only: how many different texts there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    distinct: Option<u64>,
}

#[derive(Debug, Serialize)]
struct NumberProfile {
    min: f64,
    median: f64,
    max: f64,
}

/// Where the rows came from.
pub(super) struct Origin<'a> {
    pub source: Source,
    /// The file as the pipeline names it.
    pub file: &'a str,
    pub blake3: String,
}

/// Describes the rows that were kept: those of the written `table`, of which one column is in memory at a time.
pub(super) fn report(
    read: Read,
    table: &StageFile,
    schema: &Schema,
    origin: Origin,
    sample: Option<Sampled>,
) -> Result<Report, StageError> {
    let mut unreadable = BTreeMap::new();
    let mut rows_kept = 0;
    for piece in Table::pieces(table, &["row_id", UNREAD_COLUMN])? {
        let piece = piece?;
        rows_kept += piece.rows() as u64;
        for cell in unread_cells(&piece)?.into_iter().flatten() {
            *unreadable.entry(cell.column).or_insert(0) += 1;
        }
    }
    let columns = read.columns.iter().enumerate().map(|(position, name)| {
        let kind = schema.columns.get(name).map(|column| column.kind);
        Ok((name.clone(), profile(table, name, kind, position)?))
    });
    Ok(Report {
        schema_version: SCHEMA_VERSION,
        source: origin.source,
        file: origin.file.to_owned(),
        blake3: origin.blake3,
        rows_read: read.rows,
        rows_kept,
        duplicates_dropped: read.duplicates,
        unreadable,
        sample,
        columns: columns.collect::<Result<_, StageError>>()?,
        dropped_columns: read.dropped_columns,
    })
}

fn profile(
    table: &StageFile,
    name: &str,
    kind: Option<ColumnType>,
    position: usize,
) -> Result<ColumnProfile, StageError> {
    let (mut rows, mut present) = (0_u64, 0_u64);
    let (mut numbers, mut levels, mut distinct) = (Vec::new(), BTreeMap::new(), HashSet::<Key>::new());
    for piece in Table::pieces(table, &[name])? {
        let piece = piece?;
        rows += piece.rows() as u64;
        if matches!(kind, Some(ColumnType::Integer | ColumnType::Number)) {
            let known = numbers.len();
            numbers.extend(piece.floats(name)?.into_iter().filter(|value| !value.is_nan()));
            present += (numbers.len() - known) as u64;
            continue;
        }
        let texts = piece.texts(name)?;
        let mut counts = vec![0_u64; texts.levels().len()];
        texts.codes().flatten().for_each(|code| counts[code] += 1);
        present += counts.iter().sum::<u64>();
        for (level, count) in texts.levels().iter().zip(counts) {
            if kind == Some(ColumnType::Text) {
                distinct.insert(key::of_text(level));
            } else {
                *levels.entry(level.to_string()).or_insert(0) += count;
            }
        }
    }
    let is_text = kind == Some(ColumnType::Text);
    let is_category = kind == Some(ColumnType::Category);
    Ok(ColumnProfile {
        kind,
        position,
        missing: rows - present,
        missing_share: (rows - present) as f64 / rows.max(1) as f64,
        numbers: number_profile(&mut numbers),
        distinct: is_text.then_some(distinct.len() as u64),
        levels: is_category.then_some(levels),
    })
}

fn number_profile(values: &mut [f64]) -> Option<NumberProfile> {
    let middle = values.len() / 2;
    let least = |values: &[f64]| values.iter().copied().min_by(f64::total_cmp);
    let greatest = |values: &[f64]| values.iter().copied().max_by(f64::total_cmp);
    let (min, max) = (least(values)?, greatest(values)?);
    let is_odd = values.len() % 2 == 1;
    let (below, &mut at, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    let median = if is_odd { at } else { f64::midpoint(greatest(below)?, at) };
    Some(NumberProfile { min, median, max })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_of_evenly_many_lies_between_two() {
        let of =
            |values: &[f64]| number_profile(&mut values.to_vec()).map(|found| (found.min, found.median, found.max));
        assert_eq!(of(&[5.0, -1.0, 3.0]), Some((-1.0, 3.0, 5.0)));
        assert_eq!(of(&[5.0, -1.0, 3.0, 4.0]), Some((-1.0, 3.5, 5.0)));
        assert_eq!(of(&[7.0]), Some((7.0, 7.0, 7.0)));
        assert_eq!(of(&[]), None);
    }
}
