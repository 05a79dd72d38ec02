//! `report`: what a reviewer reads. report.html, one self-contained file; model_card.md; tripod_ai.md.
//!
//! It computes nothing: every number is one that a stage wrote, shown with its interval and its n, or with the reason
//! why there is none. What is null stays null, never 0. Parts appear when their input is bound; a bound file that
//! cannot be read is an error. How often the test part was looked at is not in these files, because it changes without
//! them (`clinpipe audit show` tells).

mod calibration;
mod card;
mod checks;
mod cohort;
mod curves;
mod decided;
mod decision;
mod external;
mod markdown;
mod opening;
mod operating;
mod params;
mod participants;
mod policy;
mod provenance;
mod ranking;
mod slices;
mod sources;
mod stability;
mod study;
#[cfg(test)]
mod tests;
mod training;
mod tripod;
mod views;
mod words;

use std::fs;
use std::path::Path;

pub use params::{CardText, ReportParams};

use self::sources::Sources;
use crate::common::html::{Html, Page};
use crate::common::privacy::{self, Privacy};
use crate::common::schema::Schema;
use crate::{ParamError, ParamSet, Role, Stage, StageContext, StageError};

/// What can be bound; digests are listed in the order of names.
const INPUTS: &[Role] = &[
    Role::required("metrics", "metrics.json of `evaluate`"),
    Role::optional("curves", "curves.csv of `evaluate`: the plots"),
    Role::optional("evaluation", "evaluation.json of `evaluate`: threshold and cost tables"),
    Role::optional("slices", "slices.json of `evaluate`: performance by group"),
    Role::optional("external", "external.json of an evaluation on new data"),
    Role::optional("stability", "stability.json of `stability`"),
    Role::optional("comparison", "comparison.json of `train`: candidates on the same rows"),
    Role::optional("threshold", "threshold.json of `tune_threshold`"),
    Role::optional("sweep", "sweep.csv of `tune_threshold`: costs over thresholds"),
    Role::optional("validation", "validation.json of `validate`"),
    Role::optional("leakage", "leakage.json of `leakage`"),
    Role::optional("cohort", "cohort.json of `cohort`"),
    Role::optional("split", "split.json of `split`"),
    Role::optional("ingest", "ingest.json of `ingest`"),
    Role::optional("cv", "cv.json of `train`"),
    Role::optional("models", "the models of `train`, for their card.json"),
    Role::optional("explain", "explain.json of `explain`"),
    Role::optional("pictures", "the pictures of `explain`"),
    Role::optional("verdict", "verdict.json of `gate`"),
    Role::optional("bundle", "the bundle"),
];

/// The stage `report`.
pub struct Report;

impl Stage for Report {
    fn name(&self) -> &'static str {
        "report"
    }

    fn version(&self) -> u32 {
        5
    }

    fn about(&self) -> &'static str {
        "writes what a reviewer reads: report.html, model_card.md, tripod_ai.md"
    }

    fn inputs(&self) -> &'static [Role] {
        INPUTS
    }

    fn outputs(&self) -> &'static [Role] {
        const {
            &[
                Role::required("page", "report.html: one file, no script, nothing from elsewhere"),
                Role::optional("card", "model_card.md"),
                Role::optional("tripod", "tripod_ai.md: where each item of TRIPOD+AI is answered"),
            ]
        }
    }

    fn params(&self) -> &'static [Role] {
        const {
            &[
                Role::required("seed", "the study's seed"),
                Role::required("schema", "the outcome and the columns"),
                Role::optional(privacy::KEY, "the smallest count that is shown"),
                Role::optional("report", "what only people can say: title, authors, parts of the model card"),
            ]
        }
    }

    fn check(&self, params: &ParamSet) -> Result<(), ParamError> {
        params.parse::<u64>("seed")?;
        params.parse::<Schema>("schema")?.check()?;
        Privacy::parse(params)?;
        ReportParams::parse(params).map(|_| ())
    }

    fn run(&self, context: &StageContext) -> Result<(), StageError> {
        let params = ReportParams::parse(context.params())?;
        let schema: Schema = context.param("schema")?;
        let sources = Sources::read(context)?;
        let title = params.title.clone().unwrap_or_else(|| title(&schema));
        write(context.output("page")?, &page(&sources, &schema, &title, context.seed()?)?)?;
        if let Some(path) = context.output_opt("card") {
            write(path, &card::render(&sources, &params, &schema, &title))?;
        }
        match context.output_opt("tripod") {
            Some(path) => write(path, &tripod::render(&sources, &params, &|item| study::tripod(&sources, item))),
            None => Ok(()),
        }
    }
}

/// The page, calibration before ranking.
fn page(sources: &Sources, schema: &Schema, title: &str, seed: u64) -> Result<String, StageError> {
    let (rows, events, _) = sources.performance.size();
    let subtitle = format!(
        "Model {} for {}; tested on {}",
        sources.performance.model(),
        outcome(schema),
        words::rows_and_events(rows, events)
    );
    let limits = Html::list(provenance::limits(sources).iter().map(Html::text));
    let page = Page::new(title, subtitle)
        .section("verdict", "Verdict", opening::verdict(sources))
        .section("purpose", "What the model is for", study::section(sources))
        .section("participants", "Participants", participants::section(sources)?)
        .section("headline", "Headline numbers", opening::headlines(sources).and(operating::comparison(sources)))
        .section("calibration", "Calibration", calibration::section(sources)?.and(operating::residuals(sources)))
        .section("decision", "Decision curve", decision::curve(sources)?)
        .section("threshold", "Threshold and costs", decision::threshold(sources)?.and(operating::section(sources)))
        .section("ranking", "Ranking", ranking::section(sources)?)
        .section("slices", "Groups", slices::section(sources)?)
        .section("checks", "Checks of the data", checks::section(sources))
        .section("stability", "Stability", stability::section(sources)?)
        .section("explanation", "Explanation", training::explanation(sources))
        .section("training", "How it was trained", training::candidates(sources))
        .section("external", "On other data", external::section(sources))
        .section("reproducibility", "Reproducibility", provenance::reproducibility(sources, seed))
        .section("limits", "Limits", limits)
        .section("appendix", "Numbers that say little", operating::appendix(sources));
    Ok(page.render())
}

/// A title made of the outcome.
fn title(schema: &Schema) -> String {
    format!("Prediction of {}", schema.target.column)
}

/// The outcome in words.
fn outcome(schema: &Schema) -> String {
    match &schema.target.event {
        Some(event) => format!("the event “{event}”"),
        None => schema.target.column.clone(),
    }
}

fn write(path: &Path, text: &str) -> Result<(), StageError> {
    fs::write(path, text).map_err(|error| StageError::output(path, error))
}
