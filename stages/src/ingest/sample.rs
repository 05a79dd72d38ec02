//! A random part of the patients, each with all rows.
//!
//! Which patients stay depends on the seed and on who is in the file, not on the order of the rows.

use std::collections::BTreeSet;

use serde::Serialize;

use super::reader::Raw;
use crate::common::rng::Stream;
use crate::common::schema::Schema;

/// What the report says of the sample.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Sampled {
    /// Share of the patients that was asked for.
    groups: f64,
    groups_read: usize,
    groups_kept: usize,
    rows_left_out: usize,
}

/// Leaves `share` of the patients (rounded, at least one) in `raw`. A row without a patient is its own.
pub(super) fn draw(raw: &mut Raw, schema: &Schema, share: f64, seed: u64) -> Sampled {
    let patients = schema.group.as_ref().and_then(|group| raw.columns.iter().find(|(name, _)| name == group));
    let label = |(row, row_id): (usize, &u64)| match patients.and_then(|(_, values)| values.label(row)) {
        Some(patient) => (0_u8, patient),
        None => (1, format!("{row_id:020}")),
    };
    let labels: Vec<(u8, String)> = raw.row_ids.iter().enumerate().map(label).collect();
    let groups: BTreeSet<&(u8, String)> = labels.iter().collect();
    let mut order: Vec<&(u8, String)> = groups.into_iter().collect();
    let groups_read = order.len();
    Stream::new(seed, "ingest/sample").shuffle(&mut order);
    let groups_kept = ((share * groups_read as f64).round() as usize).clamp(1, groups_read.max(1));
    let kept: BTreeSet<&(u8, String)> = order.into_iter().take(groups_kept).collect();
    let keep: Vec<bool> = labels.iter().map(|label| kept.contains(label)).collect();
    let rows_left_out = keep.iter().filter(|keep| !**keep).count();
    let mut row = keep.iter();
    raw.row_ids.retain(|_| row.next().copied().unwrap_or(false));
    let mut row = keep.iter();
    raw.unread.retain(|_| row.next().copied().unwrap_or(false));
    for (_, values) in &mut raw.columns {
        values.retain(&keep);
    }
    Sampled { groups: share, groups_read, groups_kept, rows_left_out }
}
