//! The parts that the report shows of documents whose own types belong to their stages.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::split::SplitKind;

/// ingest.json.
#[derive(Debug, Deserialize)]
pub(super) struct IngestView {
    /// `real` or `synthetic`.
    pub source: String,
    pub file: String,
    pub blake3: String,
    pub rows_read: u64,
    pub rows_kept: u64,
    pub columns: BTreeMap<String, ColumnView>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ColumnView {
    pub missing: u64,
    pub missing_share: f64,
}

/// split.json.
#[derive(Debug, Deserialize)]
pub(super) struct SplitView {
    pub kind: SplitKind,
    pub n: u64,
    pub events: Option<u64>,
    pub groups: u64,
    pub train: PartView,
    pub test: PartView,
    pub unused: Option<PartView>,
    pub time: Option<TimeView>,
    pub folds: Vec<PartView>,
}

#[derive(Debug, Deserialize)]
pub(super) struct PartView {
    pub n: u64,
    pub events: Option<u64>,
    pub groups: u64,
    pub time: Option<[f64; 2]>,
}

#[derive(Debug, Deserialize)]
pub(super) struct TimeView {
    pub column: String,
    pub cutoff: f64,
    pub gap: f64,
    /// `patient` when the folds do not follow time.
    pub fold_by: Option<String>,
}

/// cv.json.
#[derive(Debug, Deserialize)]
pub(super) struct CvView {
    pub metric: String,
    pub one_standard_error: bool,
    pub folds: usize,
    pub n: u64,
    pub events: Option<u64>,
    pub candidates: BTreeMap<String, ScoresView>,
    pub baselines: BTreeMap<String, ScoresView>,
    pub chosen: String,
    pub reason: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct ScoresView {
    pub mean: BTreeMap<String, f64>,
    pub se: BTreeMap<String, f64>,
}
