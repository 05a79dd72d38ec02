//! The study question beside what was done with it: who is in, who was lost, and whether they are enough.
//!
//! It fits nothing and drops no row. What is not declared is reported as not declared, and the study is then called
//! technical.

mod attrition;
mod document;
mod params;
mod sample_size;
#[cfg(test)]
mod tests;

pub use document::{CohortReport, FollowUp, Kind, SCHEMA_VERSION, SampleSize, Step};
pub use params::{PriorOutcome, RiskWindow, StudyParams, TimeUnit};
pub use sample_size::{AssumedR2, Criterion};

use self::attrition::{IngestReport, People};
use crate::common::canonical_json;
use crate::common::schema::Schema;
use crate::common::table::Table;
use crate::common::target::Task;
use crate::featurize::{FeatureSpec, HistoryColumn};
use crate::validate::ValidationReport;
use crate::{ParamError, ParamSet, Role, Stage, StageContext, StageError, StageFile};

/// Share of patients lost before the horizon from which a warning is due.
const MANY_LOST: f64 = 0.05;
/// Events, and rows without, below which no criterion makes a study sound.
const FEW_EVENTS: u64 = 100;

/// The stage `cohort`.
pub struct Cohort;

impl Stage for Cohort {
    fn name(&self) -> &'static str {
        "cohort"
    }

    fn version(&self) -> u32 {
        1
    }

    fn about(&self) -> &'static str {
        "sets the study question beside who is left of whom, who was lost, and whether there are enough"
    }

    fn inputs(&self) -> &'static [Role] {
        const {
            &[
                Role::required("table", "the validated table"),
                Role::optional("ingest", "the ingest report, for what was read"),
                Role::optional("ingested", "the ingested table, for patients and events before validation"),
                Role::optional("validation", "the validation report"),
                Role::optional("split", "parts and folds, for the training part"),
                Role::optional("spec", "the features, for the parameters considered"),
            ]
        }
    }

    fn outputs(&self) -> &'static [Role] {
        const { &[Role::required("report", "the question, attrition, follow-up, sample size")] }
    }

    fn params(&self) -> &'static [Role] {
        const {
            &[
                Role::required("schema", "the columns of the raw table"),
                Role::optional("study", "the question: population, index time, outcome, risk window"),
            ]
        }
    }

    fn check(&self, params: &ParamSet) -> Result<(), ParamError> {
        parse(params).map(|_| ())
    }

    fn run(&self, context: &StageContext) -> Result<(), StageError> {
        let (schema, study) = parse(context.params())?;
        let table = context.input("table")?;
        let people = People::read(table, &schema)?;
        let ingest: Option<IngestReport> = report(context, "ingest")?;
        let validation: Option<ValidationReport> = report(context, "validation")?;
        let spec: Option<FeatureSpec> = report(context, "spec")?;
        let mut attrition = attrition::steps(context, &schema, &people, ingest.as_ref(), validation.as_ref())?;
        let parts = attrition::parts(context, &people)?;
        let mut training = people.all();
        if let Some(mut parts) = parts {
            attrition.extend(
                ["train", "test", "unused"].iter().filter_map(|part| Some(people.step(part, parts.get(*part)?))),
            );
            training = parts.remove("train").unwrap_or_default();
        }
        let follow_up = follow_up(&study, table, &people)?;
        let sample_size = sample_size(&study, &schema, spec.as_ref(), &people, &training);
        let undeclared: Vec<String> = study.undeclared().into_iter().map(str::to_owned).collect();
        let mut report = CohortReport {
            schema_version: SCHEMA_VERSION,
            kind: if undeclared.is_empty() { Kind::Clinical } else { Kind::Technical },
            undeclared,
            study,
            source: ingest.map(|report| report.source),
            attrition,
            follow_up,
            sample_size,
            warnings: Vec::new(),
        };
        report.warnings = warnings(&report);
        for warning in &report.warnings {
            context.log(&format!("warning: {warning}"));
        }
        canonical_json::write(context.output("report")?, &report)
    }
}

fn parse(params: &ParamSet) -> Result<(Schema, StudyParams), ParamError> {
    let schema: Schema = params.parse("schema")?;
    schema.check()?;
    let study = StudyParams::parse(params, &schema)?;
    Ok((schema, study))
}

fn report<T: serde::de::DeserializeOwned>(context: &StageContext, role: &str) -> Result<Option<T>, StageError> {
    context.input_opt(role).map(|file| canonical_json::read(&file.path, &file.name)).transpose()
}

/// Rows without the event that were not watched to the end of the risk window.
fn follow_up(study: &StudyParams, table: &StageFile, people: &People) -> Result<Option<FollowUp>, StageError> {
    let (Some(column), Some(window)) = (&study.follow_up, study.risk_window) else { return Ok(None) };
    let watched = Table::read_floats(table, column)?;
    let without = || people.y.iter().zip(&watched).filter(|(y, _)| **y == 0.0);
    let censored = without().filter(|(_, watched)| **watched < window.end).count() as u64;
    let unknown = without().filter(|(_, watched)| watched.is_nan()).count() as u64;
    let share = (censored + unknown) as f64 / people.y.len().max(1) as f64;
    Ok(Some(FollowUp { column: column.clone(), horizon: window.end, unit: window.unit, censored, unknown, share }))
}

/// Parameters of a regression on the features: what is considered, before any selection.
fn parameters(spec: &FeatureSpec, schema: &Schema) -> u64 {
    let mut gaps: std::collections::BTreeSet<&str> =
        schema.columns.iter().filter(|(_, column)| column.nullable).map(|(name, _)| name.as_str()).collect();
    // A past may be missing in any row; a count of rows never is.
    let past = spec.history.iter().flat_map(|history| &history.columns);
    gaps.extend(past.filter(|column| !matches!(column, HistoryColumn::EarlierRows { .. })).map(HistoryColumn::name));
    // Derivations stand in the order of their computation, so gaps are passed on along chains.
    for step in &spec.derive {
        if step.sources().iter().any(|(_, source)| gaps.contains(source)) {
            gaps.insert(step.name());
        }
    }
    let of = |feature: &crate::featurize::Feature| {
        let own = (feature.levels.len() as u64).saturating_sub(1).max(1);
        own + u64::from(gaps.contains(feature.name.as_str()))
    };
    spec.features.iter().map(of).sum()
}

fn sample_size(
    study: &StudyParams,
    schema: &Schema,
    spec: Option<&FeatureSpec>,
    people: &People,
    training: &[usize],
) -> SampleSize {
    let have = people.step("train", training);
    let n = have.patients.unwrap_or(have.rows);
    let counted = spec.map(|spec| (parameters(spec, schema), "features"));
    let (parameters, counted) = study.candidate_parameters.map(|given| (given, "declared")).or(counted).unzip();
    let share = have.events.map(|events| events as f64 / have.rows.max(1) as f64);
    let spread = if schema.target.kind == Task::Continuous { spread(people, training) } else { None };
    let found = match (parameters, share, spread) {
        (None, _, _) => Err("bind `spec`, or declare `study.candidate_parameters`".to_owned()),
        (Some(p), Some(share), _) if share > 0.0 && share < 1.0 => Ok(sample_size::binary(p, share, study.expected_r2)),
        (Some(p), None, Some(spread)) => Ok(sample_size::continuous(p, spread, study.expected_r2)),
        _ => Err("all outcomes of the training part are the same".to_owned()),
    };
    let (assumed_r2, criteria, reason) = match found {
        Ok((assumed, criteria)) => (Some(assumed), criteria, None),
        Err(reason) => (None, Vec::new(), Some(reason)),
    };
    let required = criteria.iter().filter_map(|criterion| criterion.n).max();
    let all_told = criteria.iter().all(|criterion| criterion.n.is_some());
    // Too few for one criterion is too few; enough needs all of them.
    let enough = required.and_then(|required| if n < required { Some(false) } else { all_told.then_some(true) });
    SampleSize {
        parameters,
        counted: counted.map(str::to_owned),
        n,
        events: have.events,
        prevalence: share,
        outcome: spread.map(|(mean, sd)| [mean, sd]),
        assumed_r2,
        criteria,
        required,
        required_events: required.zip(share).map(|(required, share)| (required as f64 * share).ceil() as u64),
        per_parameter: parameters.map(|p| have.events.unwrap_or(n) as f64 / p as f64),
        enough,
        reason,
    }
}

/// Mean and standard deviation (divisor n − 1) of the outcome, when it varies.
fn spread(people: &People, rows: &[usize]) -> Option<(f64, f64)> {
    let known = || rows.iter().map(|&row| people.y[row]).filter(|y| y.is_finite());
    let n = known().count() as f64;
    let mean = known().sum::<f64>() / n;
    let sd = (known().map(|y| (y - mean) * (y - mean)).sum::<f64>() / (n - 1.0)).sqrt();
    (n > 1.0 && sd > 0.0 && sd.is_finite()).then_some((mean, sd))
}

fn warnings(report: &CohortReport) -> Vec<String> {
    let mut warnings = Vec::new();
    if !report.undeclared.is_empty() {
        let keys = report.undeclared.join(", ");
        warnings.push(format!("technical only: the study does not declare {keys}; see `study` in params.yaml"));
    }
    if let Some(FollowUp { column, horizon, censored, unknown, share, .. }) = &report.follow_up
        && *share > MANY_LOST
    {
        warnings.push(format!(
            "{censored} rows without the event were watched for less than {horizon} by {column}, and {unknown} do not \
             say how long: {:.1} % of all. They count as having had no event, which makes risks too low",
            100.0 * share
        ));
    }
    let SampleSize { n, events, required, enough, parameters, .. } = &report.sample_size;
    if let (Some(false), Some(required), Some(parameters)) = (enough, required, parameters) {
        warnings.push(format!(
            "{n} training patients are fewer than the {required} that {parameters} parameters ask for: predictions \
             will be too extreme for new patients"
        ));
    }
    let rarer = events.map(|events| events.min(n.saturating_sub(events)));
    if let Some(rarer) = rarer.filter(|rarer| *rarer < FEW_EVENTS) {
        warnings.push(format!("the rarer outcome has {rarer} training rows, fewer than {FEW_EVENTS}"));
    }
    warnings
}
