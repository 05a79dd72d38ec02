//! Slices: how the model fares in each level of declared columns, beside all other rows, and nothing more than the
//! numbers can carry.
//!
//! Invariants: every row is in one level of a column; a level with few events, non-events or patients says
//! `insufficient` and shows no number but n; no count of few patients is published or can be worked out; the order of
//! levels is never that of a result; all gaps are paired, tested and adjusted together. Nothing here fits or chooses.

pub(super) mod cut;
mod document;
mod gaps;
pub(super) mod levels;
mod params;
mod part;
#[cfg(test)]
mod tests;
pub(super) mod trend;

use std::path::Path;

pub use document::{DecisionCells, Gap, Measure, Slice, SliceReport, SliceRules, SlicedColumn, Status, TestFamily};
pub use params::{Calendar, OverTime, SliceBins, SliceBy, TimeBins};
pub(super) use params::{check, check_columns};

pub(super) use gaps::two_sided;
pub(super) use part::Answers;

use self::cut::{Cut, Draw};
use self::levels::Level;
use super::bootstrap::{Clusters, resample};
use super::document::Intervals;
use super::over_time::Periods;
use super::{EvaluateParams, profiles};
use crate::bundle::Bundle;
use crate::common::canonical_json;
use crate::common::folds::number;
use crate::common::frame::Frame;
use crate::common::privacy::Privacy;
use crate::common::privacy::levels::{Decided, LevelCells, LevelRows, distinct, publish};
use crate::{StageContext, StageError};

/// Fewer events, non-events or patients than this are not enough for a conclusion.
const SUFFICIENT_FROM: u64 = 20;

/// Rows with what the model said of them.
pub(super) struct Judged<'a> {
    pub bundle: &'a Bundle,
    /// `real` or `synthetic`.
    pub source: &'a str,
    pub raw: &'a Frame,
    pub patients: &'a [String],
    pub answers: Answers,
}

/// What all cuts of the same rows share.
pub(super) struct Setting<'a> {
    pub answers: &'a Answers,
    pub privacy: Privacy,
    pub confidence: f64,
    /// Whether every patient has one row.
    pub single_rows: bool,
    /// The patient of each row.
    pub patient: &'a [usize],
}

impl Setting<'_> {
    /// The published counts of levels.
    pub fn publish(&self, levels: &[Level]) -> Vec<LevelCells> {
        let decided = match self.answers {
            Answers::Events { y, flagged, .. } => Some(Decided { y, flagged }),
            Answers::Numbers { .. } => None,
        };
        let rows: Vec<LevelRows> =
            levels.iter().map(|level| LevelRows { rows: &level.rows, printed: self.is_enough(&level.rows) }).collect();
        publish(self.privacy, &rows, decided, self.patient)
    }

    /// From how many events, non-events and patients on rows are enough.
    pub fn sufficient_from(&self) -> u64 {
        SUFFICIENT_FROM.max(self.privacy.min_cell)
    }

    /// Whether rows are enough for a conclusion.
    pub fn is_enough(&self, rows: &[usize]) -> bool {
        let enough = |count: u64| count >= self.sufficient_from();
        let classes = self.answers.counts(rows);
        enough(distinct(rows, self.patient))
            && classes.is_none_or(|counts| enough(counts.events()) && enough(counts.rows() - counts.events()))
    }

    /// Why rows are not enough.
    pub fn too_few(&self) -> String {
        match self.answers {
            Answers::Events { .. } => format!("fewer than {} events, non-events or patients", self.sufficient_from()),
            Answers::Numbers { .. } => format!("fewer than {} patients", self.sufficient_from()),
        }
    }
}

/// One resample: the draws of every slice, of every period, and the trend.
struct Resample {
    slices: Vec<Vec<Draw>>,
    periods: Vec<Draw>,
    trend: f64,
}

/// Measures the slices, profiles and periods that the parameters ask for and writes slices.json.
pub(super) fn write(
    context: &StageContext,
    path: &Path,
    params: &EvaluateParams,
    judged: &Judged,
) -> Result<(), StageError> {
    let schema = judged.bundle.schema();
    let clusters = Clusters::new(judged.patients);
    let patient = number(judged.patients.iter().map(String::as_str));
    let setting = Setting {
        answers: &judged.answers,
        privacy: Privacy::parse(context.params())?,
        confidence: params.confidence,
        single_rows: clusters.single_rows(),
        patient: &patient,
    };
    let mut cuts = Vec::new();
    for (at, slice) in params.slices.iter().enumerate() {
        cuts.push(Cut::new(&setting, levels::of_slice(slice, at, schema, judged.raw)?, true));
    }
    let periods = params.over_time.as_ref().map(|time| Periods::new(&setting, time, judged.raw)).transpose()?;
    let resamples = resample(context, &clusters, context.seed()?, params.bootstrap, |weights| Resample {
        slices: cuts.iter().map(|cut| cut.draw(weights)).collect(),
        periods: periods.as_ref().map(|periods| periods.cut.draw(weights)).unwrap_or_default(),
        trend: periods.as_ref().map_or(f64::NAN, |periods| periods.trend(weights)),
    })?;
    let report = report(judged, params, &setting, &clusters, &cuts, periods.as_ref(), &resamples);
    canonical_json::write(path, &report)
}

fn report(
    judged: &Judged,
    params: &EvaluateParams,
    setting: &Setting,
    clusters: &Clusters,
    cuts: &[Cut],
    periods: Option<&Periods>,
    resamples: &[Resample],
) -> SliceReport {
    let bundle = judged.bundle;
    let mut slices: Vec<SlicedColumn> = Vec::new();
    for (at, (slice, cut)) in params.slices.iter().zip(cuts).enumerate() {
        let draws: Vec<&[Draw]> = resamples.iter().map(|resample| resample.slices[at].as_slice()).collect();
        slices.push(SlicedColumn {
            column: slice.column().to_owned(),
            used_by_model: bundle.inputs().iter().any(|input| input == slice.column()),
            bins: slice.bins().map(<[f64]>::to_vec),
            levels: cut.report(setting, &draws),
        });
    }
    let mirrored: Vec<bool> = cuts.iter().map(|cut| cut.mirrored).collect();
    let tests = gaps::adjust(&mut slices, &mirrored);
    let all: Vec<usize> = (0..setting.answers.rows()).collect();
    SliceReport {
        schema_version: 1,
        data: judged.source.to_owned(),
        model: bundle.manifest().model.clone(),
        n: all.len() as u64,
        events: setting.answers.counts(&all).map(|counts| counts.events()),
        patients: clusters.count() as u64,
        threshold: bundle.threshold().map(|threshold| threshold.value),
        intervals: Intervals {
            confidence: params.confidence,
            resamples: resamples.len(),
            one_row_per_patient: setting.single_rows,
        },
        rules: SliceRules {
            min_cell: setting.privacy.min_cell,
            reason: setting.privacy.reason(),
            sufficient_from: setting.sufficient_from(),
        },
        tests,
        slices,
        profiles: profiles::of(setting, bundle.schema(), judged.raw, &params.slices),
        over_time: periods.map(|periods| {
            let draws: Vec<&[Draw]> = resamples.iter().map(|resample| resample.periods.as_slice()).collect();
            let trends: Vec<f64> = resamples.iter().map(|resample| resample.trend).collect();
            periods.report(setting, &draws, &trends)
        }),
    }
}
