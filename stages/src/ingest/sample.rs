//! A random part of the patients, each with all rows.
//!
//! Which patients stay depends on the seed and on who is in the file, not on the order of the rows.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Serialize;

use super::sheet::{Sheet, file};
use super::unread::COLUMN;
use crate::StageError;
use crate::common::rng::Stream;
use crate::common::schema::Schema;
use crate::common::table::Table;

/// What the report says of the sample.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Sampled {
    /// Share of the patients that was asked for.
    groups: f64,
    groups_read: usize,
    groups_kept: usize,
    rows_left_out: usize,
}

/// A patient; a row without one is its own, after all others.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Patient {
    Named(Box<str>),
    Row(i64),
}

/// Writes the rows of `share` of the patients (rounded, at least one) of the table `all` to the table `kept`.
pub(super) fn draw(all: &Path, kept: &Path, schema: &Schema, share: f64, seed: u64) -> Result<Sampled, StageError> {
    let all = file(all);
    let group = schema.group.as_deref();
    let mut patients = BTreeSet::new();
    let needed: Vec<&str> = ["row_id"].into_iter().chain(group).collect();
    for piece in Table::pieces(&all, &needed)? {
        patients.extend(of(&piece?, group)?);
    }
    let patients: Vec<Patient> = patients.into_iter().collect();
    let mut order: Vec<usize> = (0..patients.len()).collect();
    Stream::new(seed, "ingest/sample").shuffle(&mut order);
    let groups_kept = ((share * patients.len() as f64).round() as usize).clamp(1, patients.len().max(1));
    let mut stays = vec![false; patients.len()];
    order.into_iter().take(groups_kept).for_each(|patient| stays[patient] = true);
    let mut sheet = Sheet::new(kept);
    let mut rows_left_out = 0;
    for piece in Table::all_pieces(&all)? {
        let piece = piece?;
        let stays = |patient: &Patient| patients.binary_search(patient).is_ok_and(|place| stays[place]);
        let rows: Vec<usize> =
            of(&piece, group)?.iter().enumerate().filter(|(_, patient)| stays(patient)).map(|(row, _)| row).collect();
        rows_left_out += piece.rows() - rows.len();
        let piece = piece.take(&rows)?;
        let unread = if piece.has(COLUMN) { Some(piece.texts(COLUMN)?.to_vec()) } else { None };
        sheet.add(piece.without(COLUMN), unread.filter(|unread| unread.iter().any(Option::is_some)))?;
    }
    sheet.finish()?;
    Ok(Sampled { groups: share, groups_read: patients.len(), groups_kept, rows_left_out })
}

/// The patient of each row.
fn of(piece: &Table, group: Option<&str>) -> Result<Vec<Patient>, StageError> {
    let row_ids = piece.ints_full("row_id")?;
    let names = group.filter(|group| piece.has(group)).map(|group| piece.labels(group)).transpose()?;
    let name = |row: usize| names.as_ref().and_then(|names| names.get(row));
    let patient = |(row, &id): (usize, &i64)| name(row).map_or(Patient::Row(id), |name| Patient::Named(name.into()));
    Ok(row_ids.iter().enumerate().map(patient).collect())
}
