//! `split.json`, and the proof that the assignment is what it claims to be.

use serde::Serialize;

use super::assign::{Assignment, Seat, unfoldable};
use super::params::{FoldBy, SplitKind, SplitParams};
use crate::StageError;
use crate::common::folds::{Design, Folds};
use crate::common::target::Task;

/// The version of the format of `split.json`.
const SCHEMA_VERSION: u32 = 1;

/// `split.json`.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    schema_version: u32,
    kind: SplitKind,
    n: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    events: Option<usize>,
    groups: usize,
    train: Part,
    test: Part,
    #[serde(skip_serializing_if = "Option::is_none")]
    unused: Option<Part>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<Time>,
    folds: Vec<Fold>,
    /// Patients on both sides of a split or fold; always 0, or the stage fails.
    groups_in_several: usize,
}

/// How time was divided.
#[derive(Debug, Serialize)]
struct Time {
    column: String,
    cutoff: f64,
    gap: f64,
    /// Only when folds do not follow it.
    #[serde(skip_serializing_if = "Option::is_none")]
    fold_by: Option<FoldBy>,
}

/// Rows, rows with the event, and patients.
#[derive(Debug, Serialize)]
struct Part {
    n: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    events: Option<usize>,
    /// Mean and standard deviation (divisor n) of an outcome that is a number; null without rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<Spread>,
    groups: usize,
    /// Earliest and latest time.
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<[f64; 2]>,
}

/// What a fold holds out and, when that is not simply the rest, what it trains on.
#[derive(Debug, Serialize)]
struct Fold {
    #[serde(flatten)]
    held: Part,
    #[serde(skip_serializing_if = "Option::is_none")]
    fit: Option<Part>,
}

#[derive(Debug, Serialize)]
struct Spread {
    mean: Option<f64>,
    sd: Option<f64>,
}

/// The outcomes of all rows.
pub(super) struct Outcomes<'a> {
    pub task: Task,
    pub y: &'a [f64],
}

/// What is counted.
struct Counts<'a> {
    design: &'a Design,
    outcomes: &'a Outcomes<'a>,
}

/// Counts every part and fold; fails when a patient crosses, a row trains on what comes later, or a part is of no use.
pub(super) fn report(
    assignment: &Assignment,
    design: &Design,
    outcomes: &Outcomes,
    params: &SplitParams,
) -> Result<Report, StageError> {
    let counts = Counts { design, outcomes };
    let all: Vec<usize> = (0..outcomes.y.len()).collect();
    let test = assignment.rows(|seat| seat == Seat::Test);
    let (train, folds) = assignment.training(params.folds);
    counts.prove(&train, &folds, &test, params)?;
    let in_time = design.time.is_some();
    let fold = |fold: usize| {
        let (fit, held) = folds.parts_of(fold, &train);
        Fold { held: counts.part(&held), fit: in_time.then(|| counts.part(&fit)) }
    };
    let Part { n, events, groups, .. } = counts.part(&all);
    let report = Report {
        schema_version: SCHEMA_VERSION,
        kind: params.kind,
        n,
        events,
        groups,
        train: counts.part(&train),
        test: counts.part(&test),
        unused: in_time.then(|| counts.part(&assignment.rows(|seat| seat == Seat::Unused))),
        time: assignment.cutoff.map(|cutoff| Time {
            column: params.time.clone().unwrap_or_default(),
            cutoff,
            gap: params.gap.unwrap_or_default(),
            fold_by: Some(params.fold_by).filter(|by| *by != FoldBy::Time),
        }),
        folds: (0..params.folds).map(fold).collect(),
        groups_in_several: 0,
    };
    check(&report.test, "the test part", report.kind)?;
    for (index, fold) in report.folds.iter().enumerate() {
        check(&fold.held, &format!("fold {index}"), report.kind)?;
        if let Some(fit) = &fold.fit {
            check(fit, &format!("the training part of fold {index}"), report.kind)?;
        }
    }
    Ok(report)
}

impl Counts<'_> {
    fn part(&self, rows: &[usize]) -> Part {
        let y = || rows.iter().map(|&row| self.outcomes.y[row]);
        let (events, outcome) = match self.outcomes.task {
            Task::Binary => (Some(y().filter(|&y| y > 0.5).count()), None),
            Task::Continuous => {
                let mean = |sum: f64| (!rows.is_empty()).then(|| sum / rows.len() as f64);
                let centre = mean(y().sum());
                let sd = centre.and_then(|centre| mean(y().map(|y| (y - centre) * (y - centre)).sum())).map(libm::sqrt);
                (None, Some(Spread { mean: centre, sd }))
            }
        };
        let span = |times: &[f64]| {
            let of = |start: f64, pick: fn(f64, f64) -> f64| rows.iter().map(|&row| times[row]).fold(start, pick);
            (!rows.is_empty()).then(|| [of(f64::INFINITY, f64::min), of(f64::NEG_INFINITY, f64::max)])
        };
        let time = self.design.time.as_ref().and_then(|line| span(&line.times));
        let groups = self.patients(rows).into_iter().filter(|&seen| seen).count();
        Part { n: rows.len(), events, outcome, groups, time }
    }

    /// For each patient's number whether one of the rows is theirs.
    fn patients(&self, rows: &[usize]) -> Vec<bool> {
        let mut seen = vec![false; self.design.groups.iter().max().map_or(0, |last| last + 1)];
        for &row in rows {
            seen[self.design.groups[row]] = true;
        }
        seen
    }

    /// Patients never cross, and nothing is trained on that was not yet known.
    fn prove(&self, train: &[usize], folds: &Folds, test: &[usize], params: &SplitParams) -> Result<(), StageError> {
        self.prove_apart(train, test, "the test part")?;
        self.prove_known(train, test, "the test part")?;
        folds.check().map_err(|error| unfoldable(error, params))?;
        for fold in 0..folds.count() {
            let (fit, held) = folds.parts_of(fold, train);
            let what = format!("fold {fold}");
            self.prove_apart(&fit, &held, &what)?;
            if params.fold_by == FoldBy::Time {
                self.prove_known(&fit, &held, &what)?;
            }
        }
        Ok(())
    }

    fn prove_apart(&self, fit: &[usize], held: &[usize], what: &str) -> Result<(), StageError> {
        let crossing = self.patients(fit).iter().zip(self.patients(held)).filter(|(fit, held)| **fit && *held).count();
        if crossing > 0 {
            return Err(StageError::failed(format!("{crossing} patients of {what} would be trained on as well")));
        }
        Ok(())
    }

    fn prove_known(&self, fit: &[usize], held: &[usize], what: &str) -> Result<(), StageError> {
        let Some(line) = &self.design.time else { return Ok(()) };
        let latest = fit.iter().map(|&row| line.times[row]).fold(f64::NEG_INFINITY, f64::max);
        let earliest = held.iter().map(|&row| line.times[row]).fold(f64::INFINITY, f64::min);
        if latest + line.gap < earliest {
            return Ok(());
        }
        Err(StageError::failed(format!("{what} begins at {earliest} and would be trained on rows of {latest}")))
    }
}

fn check(part: &Part, what: &str, kind: SplitKind) -> Result<(), StageError> {
    let n = part.n;
    let found = match (part.events, &part.outcome) {
        (Some(events), _) if events > 0 && events < n => return Ok(()),
        (_, Some(outcome)) if outcome.sd.is_some_and(|sd| sd > 0.0) => return Ok(()),
        (Some(events), _) => format!("of which {events} have the event"),
        (None, _) => {
            return Err(StageError::failed(format!("{what} has {n} rows whose outcomes do not differ")).with_hint(
                "nothing can be learned where the outcome is a constant; look at its column, or take fewer folds",
            ));
        }
    };
    // Only a random split leaves the outcome to chance: all others without time keep it in proportion already.
    let hint = match kind {
        SplitKind::Random => {
            "take fewer folds, another test share, or `kind: stratified`; with too few events no split can work"
        }
        SplitKind::Stratified | SplitKind::Group => {
            "take fewer folds or another test share; with too few events no split can work"
        }
        SplitKind::Temporal | SplitKind::TemporalGroup => {
            "take fewer folds, a larger test share or an earlier cutoff, or a smaller gap; with too few events no split \
             can work"
        }
    };
    Err(StageError::failed(format!("{what} has {n} rows {found}")).with_hint(hint))
}
