//! The assignment: a seat for every row, by patients or by time.

use std::collections::BTreeSet;

use super::params::{FoldBy, SplitParams};
use crate::StageError;
use crate::common::folds::{Design, FoldError, Folds, Place, Timeline, Units, distinct};
use crate::common::rng::Stream;

/// Where a row goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seat {
    /// It is trained on.
    Train(Place),
    /// It is tested.
    Test,
    /// It is neither, because it would tell of the test rows or is not known in time.
    Unused,
}

/// Every row's seat.
#[derive(Debug, PartialEq)]
pub(super) struct Assignment {
    pub seats: Vec<Seat>,
    /// Where the test period begins, for the kinds in time.
    pub cutoff: Option<f64>,
    /// Whether folds train only on what was known before what they hold out.
    pub in_time: bool,
}

/// Assigns all rows of a design.
pub(super) fn assign(design: &Design, params: &SplitParams, seed: u64) -> Result<Assignment, StageError> {
    match &design.time {
        None => Ok(by_unit(design, params, seed)),
        Some(line) => by_time(design, line, params, seed),
    }
}

fn by_unit(design: &Design, params: &SplitParams, seed: u64) -> Assignment {
    let units = Units::new(&design.groups, &design.strata);
    let fold_of = units.assign(params.test_share(), params.folds, &mut Stream::new(seed, "split"));
    let seat = |fold: Option<usize>| {
        fold.map_or(Seat::Test, |fold| Seat::Train(Place { held_in: Some(fold), from: 0, apart: Some(fold) }))
    };
    Assignment { seats: fold_of.into_iter().map(seat).collect(), cutoff: None, in_time: false }
}

fn by_time(design: &Design, line: &Timeline, params: &SplitParams, seed: u64) -> Result<Assignment, StageError> {
    let cutoff = match params.cutoff {
        Some(cutoff) => cutoff,
        None => cutoff(&line.times, params.test_share())?,
    };
    let late: Vec<usize> = (0..line.times.len()).filter(|&row| line.times[row] >= cutoff).collect();
    if late.is_empty() {
        let latest = line.times.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        return Err(StageError::failed(format!(
            "no row lies at or after the cutoff {cutoff}; the latest is of {latest}"
        ))
        .with_hint("move split.cutoff"));
    }
    let tested = if line.returning { test_patients(design, &late, params, seed) } else { BTreeSet::new() };
    let is_tested = |row: usize| !line.returning || tested.contains(&design.groups[row]);
    let mut seats = vec![Seat::Unused; line.times.len()];
    for &row in late.iter().filter(|&&row| is_tested(row)) {
        seats[row] = Seat::Test;
    }
    let trains = |&row: &usize| line.times[row] + line.gap < cutoff && !(line.returning && is_tested(row));
    let train: Vec<usize> = (0..seats.len()).filter(trains).collect();
    if train.is_empty() {
        let gap = line.gap;
        return Err(StageError::failed(format!("no row lies more than the gap of {gap} before the cutoff {cutoff}"))
            .with_hint("take a smaller split.gap or a later split.cutoff"));
    }
    let mut stream = Stream::new(seed, "split folds");
    let folds = match params.fold_by {
        FoldBy::Time => design.folds(&train, params.folds, &mut stream),
        FoldBy::Patient => design.folds_by_patient(&train, params.folds, &mut stream),
    };
    let folds = folds.map_err(|error| unfoldable(error, params))?;
    for (position, &row) in train.iter().enumerate() {
        seats[row] = Seat::Train(folds.place(position));
    }
    Ok(Assignment { seats, cutoff: Some(cutoff), in_time: params.fold_by == FoldBy::Time })
}

/// The point in time from which on the share of rows comes nearest to `share`; of two the later.
fn cutoff(times: &[f64], share: f64) -> Result<f64, StageError> {
    let miss = |before: usize| ((times.len() - before) as f64 - share * times.len() as f64).abs();
    let later = distinct(times).into_iter().skip(1);
    let nearest = later.min_by(|a, b| miss(a.before).total_cmp(&miss(b.before)).then(b.before.cmp(&a.before)));
    nearest.map(|moment| moment.time).ok_or_else(|| {
        StageError::failed("all rows are of the same time, so that none comes after another")
            .with_hint("take another split.time or a kind of split without time")
    })
}

/// The patients to test: a share of those seen in the test period, with the outcome there in proportion.
fn test_patients(design: &Design, late: &[usize], params: &SplitParams, seed: u64) -> BTreeSet<usize> {
    let pick = |all: &[usize]| late.iter().map(|&row| all[row]).collect::<Vec<_>>();
    let groups = pick(&design.groups);
    let units = Units::new(&groups, &pick(&design.strata));
    let chosen = units.assign(params.test_share(), 1, &mut Stream::new(seed, "split"));
    groups.into_iter().zip(chosen).filter(|(_, fold)| fold.is_none()).map(|(group, _)| group).collect()
}

/// A failure to fold, as the stage's.
pub(super) fn unfoldable(error: FoldError, params: &SplitParams) -> StageError {
    let hint = match error {
        FoldError::Times { .. } if params.kind.by_patient() => format!("{}, or `fold_by: patient`", error.hint()),
        _ => error.hint().to_owned(),
    };
    StageError::failed(error.to_string()).with_hint(hint)
}

impl Assignment {
    /// Rows of one seat, in table order.
    pub fn rows(&self, wanted: impl Fn(Seat) -> bool) -> Vec<usize> {
        let rows = self.seats.iter().enumerate().filter(|(_, seat)| wanted(**seat));
        rows.map(|(row, _)| row).collect()
    }

    /// The training rows and their folds; row `i` of the folds is `rows[i]`.
    pub fn training(&self, count: usize) -> (Vec<usize>, Folds) {
        let rows = self.rows(|seat| matches!(seat, Seat::Train(_)));
        let places = self.seats.iter().filter_map(|seat| match seat {
            Seat::Train(place) => Some(*place),
            _ => None,
        });
        let folds = Folds::new(count, places);
        (rows, folds)
    }
}

/// Whether there are patients for every part, and whether rows of one may be torn apart by a kind; if not, patients must
/// have one row each.
pub(super) fn check_patients(params: &SplitParams, patients: usize, rows: usize) -> Result<(), StageError> {
    let (kind, parts) = (params.kind, params.folds + 1);
    if patients < parts {
        let whom = if patients == 1 { "1 patient is".to_owned() } else { format!("{patients} patients are") };
        let text = format!("{whom} too few for a test part and {} folds, which need {parts} or more", params.folds);
        return Err(StageError::failed(text).with_hint("bring more patients; with fewer folds a few less will do"));
    }
    if kind.by_patient() || patients == rows {
        return Ok(());
    }
    let instead = if kind.in_time() { "temporal_group" } else { "group" };
    Err(StageError::failed(format!("{rows} rows belong to {patients} patients, who would be torn apart"))
        .with_hint(format!("use `split.kind: {instead}`")))
}
