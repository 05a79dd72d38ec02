//! `drift`: whether the patients of today are still those that the model learned from, and what it is worth on them.
//!
//! It compares the raw columns that the model reads and its scores with a profile frozen in the bundle, or with a table.
//! docs/monitoring.md says what each number means.
//!
//! Invariants: bins and levels are those of the reference; an alarm needs an effect and significance; performance without
//! outcomes is unknown; nothing is fitted, changed or deployed; no clock is read, `as_of` says the day.

mod alert;
mod compare;
mod current;
mod document;
mod importance;
mod judge;
mod labels;
mod log;
mod page;
mod params;
mod performance;
#[cfg(test)]
pub(crate) mod tests;
mod told;

use std::collections::BTreeMap;

use rayon::prelude::*;

pub use document::{
    Alarm, Alert, Bins, ColumnDrift, CurrentKind, CurrentRows, Dataset, Distribution, DriftReport, Estimated, Measures,
    Missing, Performance, PerformanceStatus, Reference, ReferenceKind, Rules, ScoreDrift, Severity, Side, Test, Unseen,
    Verdict,
};
pub use params::{Bound, DatasetLimits, DriftParams, EffectLimits, Escalation, EscalationTable, Window};

use self::compare::{CurrentLevels, Moved, NumberReference};
use self::current::Current;
use self::judge::Compared;
use self::labels::Labels;
use crate::bundle::{Bundle, CategoryCounts, InputProfile, NumberSketch};
use crate::common::canonical_json;
use crate::common::frame::{Column, Frame};
use crate::common::privacy::{self, Privacy};
use crate::common::target::Task;
use crate::common::text::suggestion;
use crate::common::two_sample::Sample;
use crate::{ParamError, ParamSet, Role, Stage, StageContext, StageError};

/// The stage `drift`.
pub struct Drift;

impl Stage for Drift {
    fn name(&self) -> &'static str {
        "drift"
    }

    fn version(&self) -> u32 {
        2
    }

    fn about(&self) -> &'static str {
        "compares current rows, scores and outcomes with those that the model learned from"
    }

    fn inputs(&self) -> &'static [Role] {
        const {
            &[
                Role::required("bundle", "the bundle, with the frozen profile of its training rows"),
                Role::required("current", "a table of raw rows, or the log of predictions (.jsonl, or its directory)"),
                Role::optional(
                    "reference",
                    "a table to compare with in place of the frozen profile; all its rows count",
                ),
                Role::optional("labels", "outcomes that have come in: the id column and the outcome"),
                Role::optional("importance", "importance.csv of `explain`, to weigh columns"),
                Role::optional("metrics", "metrics.json of the model, to show beside what is measured now"),
            ]
        }
    }

    fn outputs(&self) -> &'static [Role] {
        const {
            &[
                Role::required("drift", "the report, with the alert"),
                Role::optional("html", "the same for people, as one page"),
            ]
        }
    }

    fn params(&self) -> &'static [Role] {
        const {
            &[
                Role::required("seed", "the study's seed, for the intervals of performance"),
                Role::optional("drift", "limits, the window of rows, critical columns, escalation"),
                Role::optional(privacy::KEY, "the smallest count that is published"),
            ]
        }
    }

    fn check(&self, params: &ParamSet) -> Result<(), ParamError> {
        params.parse::<u64>("seed")?;
        Privacy::parse(params)?;
        DriftParams::parse(params).map(|_| ())
    }

    fn run(&self, context: &StageContext) -> Result<(), StageError> {
        let params = DriftParams::parse(context.params())?;
        let file = context.input("bundle")?;
        let bundle = Bundle::load(&file.path).map_err(|error| StageError::input(&file.name, error.to_string()))?;
        check_critical(&params, &bundle)?;
        let pool = rayon::ThreadPoolBuilder::new().num_threads(context.threads()).build();
        let pool = pool.map_err(|error| StageError::failed(format!("cannot start threads: {error}")))?;
        let report = pool.install(|| report(context, &bundle, &params))?;
        canonical_json::write(context.output("drift")?, &report)?;
        let Some(path) = context.output_opt("html") else { return Ok(()) };
        std::fs::write(path, page::page(&report, params.pictures)?).map_err(|error| StageError::output(path, error))
    }
}

fn check_critical(params: &DriftParams, bundle: &Bundle) -> Result<(), StageError> {
    let inputs = &bundle.features().inputs;
    match params.critical.iter().find(|name| !inputs.contains(name)) {
        None => Ok(()),
        Some(name) => {
            let near = suggestion(name, inputs.iter().map(String::as_str));
            Err(StageError::failed(format!("`drift.critical` names `{name}`, which the model does not read{near}"))
                .with_hint(format!("it reads: {}", inputs.join(", "))))
        }
    }
}

/// What the current rows are compared with.
enum Frozen<'a> {
    Profile(&'a BTreeMap<String, InputProfile>, u64),
    Table(Frame),
}

impl<'a> Frozen<'a> {
    fn load(context: &StageContext, bundle: &'a Bundle) -> Result<Self, StageError> {
        if let Some(file) = context.input_opt("reference") {
            return Ok(Self::Table(current::read_reference(file, bundle)?));
        }
        let n = bundle.reference().n as u64;
        let profile = bundle.reference().inputs.as_ref().map(|inputs| Self::Profile(inputs, n));
        profile.ok_or_else(|| {
            StageError::input(
                context.input("bundle").map(|file| file.name.clone()).unwrap_or_default(),
                "holds no profile of the raw columns",
            )
            .with_hint(
                "bind `clean` under the deps of the stage `bundle`, or give `drift` a table in the role `reference`",
            )
        })
    }

    fn describe(&self) -> Reference {
        match self {
            Self::Profile(_, n) => Reference { columns: ReferenceKind::Bundle, n: *n },
            Self::Table(frame) => Reference { columns: ReferenceKind::Table, n: frame.rows() as u64 },
        }
    }
}

/// The current rows, of which there is at least one.
fn read_current(context: &StageContext, bundle: &Bundle, params: &DriftParams) -> Result<Current, StageError> {
    let file = context.input("current")?;
    context.progress(0, None, "rows", "reading the current rows");
    let current = match log::files(file)? {
        Some(files) => Current::of_log(&files, bundle, params.window.as_ref())?,
        None => Current::of_table(file, bundle, params.window.as_ref())?,
    };
    if current.n == 0 {
        return Err(current::nothing(file, current.kind, current.read, &current.left_aside, params.window.as_ref()));
    }
    Ok(current)
}

fn report(context: &StageContext, bundle: &Bundle, params: &DriftParams) -> Result<DriftReport, StageError> {
    let privacy = Privacy::parse(context.params())?;
    let frozen = Frozen::load(context, bundle)?;
    let current = read_current(context, bundle, params)?;
    let mut notes = Vec::new();
    let attention =
        context.input_opt("importance").map(|file| importance::read(file, bundle.features())).transpose()?;
    context.progress(0, Some(bundle.features().inputs.len() as u64), "columns", "comparing");
    let mut columns = bundle
        .features()
        .inputs
        .par_iter()
        .map(|name| compared(name, &frozen, &current, bundle))
        .collect::<Result<Vec<Compared>, StageError>>()?;
    for compared in &mut columns {
        let column = &mut compared.column;
        column.critical = params.critical.contains(&column.name);
        column.importance = attention.as_ref().and_then(|shares| shares.get(&column.name).copied());
    }
    if current.inputs.is_none() {
        notes.push("the log has no inputs, so columns cannot be compared: set `serve.predictions.inputs`".to_owned());
    }
    let mut moved = moved_scores(bundle, &current);
    if moved.is_none() {
        notes.push("the bundle holds no profile of scores: bind `oof` under the deps of the stage `bundle`".to_owned());
    }
    let tests = judge::adjust(&mut columns, moved.as_mut());
    for column in &mut columns {
        told::column(column, privacy);
        judge::column(column, params);
    }
    let scores = moved.as_ref().map(|moved| {
        let mut scores = scores(moved, bundle, &current, privacy);
        judge::scores(moved, &mut scores, params);
        scores
    });
    let columns: Vec<ColumnDrift> = columns.into_iter().map(|compared| compared.column).collect();
    let labels =
        context.input_opt("labels").map(|file| labels::join(file, bundle, &current, labels::key)).transpose()?;
    notes.extend(labels.iter().filter_map(Labels::note));
    let outcomes = labels.as_ref().map(|labels| labels.outcomes.as_slice());
    let performance = performance::performance(context, bundle, &current, outcomes, params.bootstrap, privacy)?;
    let dataset = alert::dataset(&columns, scores.as_ref());
    let shift = moved.and_then(|moved| moved.psi);
    let alert = alert::alert(&columns, scores.as_ref(), shift, &dataset, params);
    Ok(DriftReport {
        schema_version: 1,
        as_of: params.as_of.clone(),
        bundle: bundle.digest().to_owned(),
        reference: frozen.describe(),
        current: described(&current, params),
        rules: rules(params, tests),
        columns,
        scores,
        dataset,
        performance,
        alert,
        notes,
    })
}

fn described(current: &Current, params: &DriftParams) -> CurrentRows {
    CurrentRows {
        kind: current.kind,
        window: params.window.clone(),
        read: current.read,
        n: current.n,
        scored: current.scores.iter().filter(|score| score.is_finite()).count() as u64,
        left_aside: current.left_aside.clone(),
    }
}

fn rules(params: &DriftParams, tests: usize) -> Rules {
    Rules {
        alpha: params.alpha,
        adjustment: "benjamini-hochberg".to_owned(),
        tests,
        min_rows: params.min_rows,
        limits: params.limits,
        dataset: params.dataset,
        critical: params.critical.clone(),
    }
}

/// One column, compared and not yet judged.
fn compared(name: &str, frozen: &Frozen, current: &Current, bundle: &Bundle) -> Result<Compared, StageError> {
    let now = current.inputs.as_ref().and_then(|frame| frame.get(name));
    let own;
    let then = match frozen {
        Frozen::Profile(profiles, _) => profiles.get(name),
        Frozen::Table(frame) => {
            // A table is counted in full: nobody but this report sees its counts.
            let all = Privacy { min_cell: 0, ..Privacy::default() };
            own = frame.get(name).map(|column| InputProfile::new(column, all));
            own.as_ref()
        }
    };
    let mut found = Compared { column: blank(name), rows: 0, moved: None, gaps: None, unseen: None };
    let (Some(then), Some(now)) = (then, now) else {
        let side = if now.is_none() { "the current rows do not have it" } else { "the reference does not have it" };
        found.column.reasons.push(side.to_owned());
        return Ok(found);
    };
    found.rows = now.len() as u64;
    let (gaps_then, gaps_now) = match (then, now) {
        (InputProfile::Number(sketch), Column::Number(values)) => {
            let exact = match frozen {
                Frozen::Table(frame) => frame.get(name).and_then(Column::numbers),
                Frozen::Profile(..) => None,
            };
            let frozen_edges = bundle.reference().inputs.as_ref().and_then(|inputs| edges_of(inputs.get(name)?));
            let reference = match exact {
                Some(all) => NumberReference::Exact(Sample::new(all), frozen_edges.unwrap_or(&sketch.edges).to_vec()),
                None => NumberReference::Sketch(sound(sketch, name)?),
            };
            let moved = compare::number(&reference, values);
            let gaps = now.len() as u64 - moved.current.n;
            found.moved = Some(moved);
            ([sketch.missing, sketch.missing + sketch.n], [gaps, found.rows])
        }
        (InputProfile::Category(counts), Column::Text(texts)) => {
            let levels = CurrentLevels::new(texts);
            found.moved = Some(compare::category(counts, &levels));
            found.unseen = compare::unseen(counts, &levels);
            (gaps_of(counts), [levels.missing(), found.rows])
        }
        _ => {
            found.column.reasons.push("it is a number on one side and a text on the other".to_owned());
            return Ok(found);
        }
    };
    found.gaps = Some(compare::missing(gaps_then, gaps_now));
    Ok(found)
}

fn gaps_of(counts: &CategoryCounts) -> [u64; 2] {
    [counts.missing, counts.missing + counts.n]
}

fn edges_of(profile: &InputProfile) -> Option<&[f64]> {
    match profile {
        InputProfile::Number(sketch) => Some(&sketch.edges),
        InputProfile::Category(_) => None,
    }
}

fn sound<'a>(sketch: &'a NumberSketch, name: &str) -> Result<&'a NumberSketch, StageError> {
    let fault = || StageError::failed(format!("the bundle's profile of `{name}` is no distribution"));
    sketch.is_sound().then_some(sketch).ok_or_else(fault)
}

fn blank(name: &str) -> ColumnDrift {
    ColumnDrift {
        name: name.to_owned(),
        verdict: Verdict::NotCompared,
        reasons: Vec::new(),
        critical: false,
        importance: None,
        distribution: None,
        missing: None,
        unseen: None,
    }
}

/// The scores beside those of the training rows when they were left out.
fn moved_scores(bundle: &Bundle, current: &Current) -> Option<Moved> {
    let sketch = bundle.reference().scores.as_ref().filter(|sketch| sketch.is_sound())?;
    Some(compare::number(&NumberReference::Sketch(sketch), &current.scores))
}

/// What is told of scores, not yet judged. How many rows are flagged describes the model, and is exact unless `privacy`
/// asks for ranges.
fn scores(moved: &Moved, bundle: &Bundle, current: &Current, privacy: Privacy) -> ScoreDrift {
    let distribution = told::scores(moved, privacy);
    let flagged = current.flagged.iter().filter(|flagged| **flagged).count() as u64;
    let hidden = privacy.hides(current.n) || performance::hides_decisions(privacy, &[flagged, current.n - flagged]);
    let told = (bundle.task() == Task::Binary && !hidden).then(|| 1000.0 * flagged as f64 / current.n as f64);
    ScoreDrift {
        verdict: Verdict::NotCompared,
        reasons: Vec::new(),
        mean_difference: distribution.current.mean.zip(distribution.reference.mean).map(|(now, then)| now - then),
        flagged_per_1000_reference: bundle.threshold().map(|threshold| threshold.expected.flagged_per_1000),
        flagged_per_1000: told,
        reason: if hidden { Some(privacy.reason()) } else { distribution.reason.clone() },
        distribution,
    }
}
