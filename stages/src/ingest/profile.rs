//! `ingest.json`: where the rows came from, how many there are, and what each column looks like.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Source;
use super::cell::Values;
use super::reader::Raw;
use super::sample::Sampled;
use crate::common::schema::{ColumnType, Schema};

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

/// Describes the rows that were read.
pub(super) fn report(
    raw: &Raw,
    schema: &Schema,
    source: Source,
    file: &str,
    blake3: &str,
    sample: Option<Sampled>,
) -> Report {
    let columns = raw.columns.iter().enumerate().map(|(position, (name, values))| {
        let kind = schema.columns.get(name).map(|column| column.kind);
        (name.clone(), profile(kind, position, values))
    });
    let mut unreadable = BTreeMap::new();
    for cell in raw.unread.iter().flatten() {
        *unreadable.entry(cell.column.clone()).or_insert(0) += 1;
    }
    Report {
        schema_version: SCHEMA_VERSION,
        source,
        file: file.to_owned(),
        blake3: blake3.to_owned(),
        rows_read: raw.read,
        rows_kept: raw.row_ids.len() as u64,
        duplicates_dropped: raw.duplicates,
        unreadable,
        sample,
        dropped_columns: raw.dropped_columns.clone(),
        columns: columns.collect(),
    }
}

fn profile(kind: Option<ColumnType>, position: usize, values: &Values) -> ColumnProfile {
    let (rows, present) = match values {
        Values::Integers(all) => (all.len(), all.iter().flatten().count()),
        Values::Numbers(all) => (all.len(), all.iter().filter(|value| !value.is_nan()).count()),
        Values::Texts(all) => (all.len(), all.iter().flatten().count()),
    };
    let numbers = match values {
        Values::Integers(all) => number_profile(all.iter().flatten().map(|&value| value as f64).collect()),
        Values::Numbers(all) => number_profile(all.iter().copied().filter(|value| !value.is_nan()).collect()),
        Values::Texts(_) => None,
    };
    let counts = match values {
        Values::Texts(all) => Some(count(all)),
        _ => None,
    };
    let is_text = kind == Some(ColumnType::Text);
    ColumnProfile {
        kind,
        position,
        missing: (rows - present) as u64,
        missing_share: (rows - present) as f64 / rows.max(1) as f64,
        numbers,
        distinct: counts.as_ref().filter(|_| is_text).map(|counts| counts.len() as u64),
        levels: counts.filter(|_| !is_text),
    }
}

fn count(all: &[Option<String>]) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for text in all.iter().flatten() {
        *counts.entry(text.clone()).or_insert(0) += 1;
    }
    counts
}

fn number_profile(mut values: Vec<f64>) -> Option<NumberProfile> {
    values.sort_by(f64::total_cmp);
    let (min, max) = (*values.first()?, *values.last()?);
    let middle = values.len() / 2;
    let median = if values.len() % 2 == 1 { values[middle] } else { f64::midpoint(values[middle - 1], values[middle]) };
    Some(NumberProfile { min, median, max })
}
