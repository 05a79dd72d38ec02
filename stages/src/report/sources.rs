//! The documents that the report is made of, read into their types, and the digest of each file.
//!
//! A document that is bound must be readable: a report that silently leaves out a part would say that there is nothing
//! to see. A digest is BLAKE3 of the file's bytes; that of a bundle is its bundle.json's, which covers its members.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::curves::Curves;
use super::decided;
use super::views::{CvView, IngestView, SplitView};
use crate::bundle::{Bundle, BundleManifest, MANIFEST};
use crate::cohort::CohortReport;
use crate::common::canonical_json;
use crate::common::interval::Estimate;
use crate::common::privacy::Privacy;
use crate::evaluate::{
    Evaluation, ExternalReport, Intervals, Metrics, NumberEvaluation, NumberExternal, NumberMetrics, SliceReport,
};
use crate::explain::ExplainReport;
use crate::gate::Verdict;
use crate::leakage;
use crate::stability::Stability;
use crate::train::{CandidateComparison, Card};
use crate::tune_threshold::Threshold;
use crate::validate::ValidationReport;
use crate::{StageContext, StageError, StageFile};

/// The file of the models that says how the kept one was fitted.
const CARD: &str = "card.json";

/// metrics.json, of an event or of a number.
#[derive(Debug)]
pub(super) enum Performance {
    Events(Box<Metrics>),
    Number(Box<NumberMetrics>),
}

impl Performance {
    fn read(file: &StageFile) -> Result<Self, StageError> {
        let value: Value = canonical_json::read(&file.path, &file.name)?;
        let parsed = if value.get("rmse").is_some() {
            serde_json::from_value(value).map(|metrics| Self::Number(Box::new(metrics)))
        } else {
            serde_json::from_value(value).map(|metrics| Self::Events(Box::new(metrics)))
        };
        parsed.map_err(|error| unread(file, &error.to_string()))
    }

    /// `real` or `synthetic`.
    pub fn data(&self) -> &str {
        match self {
            Self::Events(metrics) => &metrics.data,
            Self::Number(metrics) => &metrics.data,
        }
    }

    /// The chosen learner.
    pub fn model(&self) -> &str {
        match self {
            Self::Events(metrics) => &metrics.model,
            Self::Number(metrics) => &metrics.model,
        }
    }

    /// Test rows, events among them, and patients.
    pub fn size(&self) -> (u64, Option<u64>, u64) {
        match self {
            Self::Events(metrics) => (metrics.n, Some(metrics.events), metrics.patients),
            Self::Number(metrics) => (metrics.n, None, metrics.patients),
        }
    }

    pub fn intervals(&self) -> &Intervals {
        match self {
            Self::Events(metrics) => &metrics.intervals,
            Self::Number(metrics) => &metrics.intervals,
        }
    }

    /// What the evaluation says in a sentence or two.
    pub fn verdict(&self) -> &str {
        match self {
            Self::Events(metrics) => &metrics.verdict.text,
            Self::Number(metrics) => &metrics.verdict.text,
        }
    }

    /// Whether the model beats every naive alternative that it can be compared with.
    pub fn beats_all(&self) -> bool {
        let beats = match self {
            Self::Events(metrics) => {
                let verdict = &metrics.verdict;
                vec![verdict.beats_flag_all, verdict.beats_flag_none, verdict.beats_prevalence, verdict.beats_logistic]
            }
            Self::Number(metrics) => vec![metrics.verdict.beats_mean, metrics.verdict.beats_ridge],
        };
        // Without any verdict nothing is beaten.
        beats.iter().any(Option::is_some) && beats.into_iter().flatten().all(|beats| beats)
    }

    /// The measures that lead every report, with the decimals they are shown with.
    pub fn headlines(&self) -> Vec<(&'static str, &Estimate, usize)> {
        match self {
            Self::Events(metrics) => vec![
                ("AUROC", &metrics.auroc, 3),
                ("Calibration slope", &metrics.calibration.slope, 2),
                ("Calibration in the large", &metrics.calibration.intercept, 2),
                ("Net benefit", &metrics.net_benefit, 4),
                ("Brier score", &metrics.brier, 4),
            ],
            Self::Number(metrics) => vec![
                ("RMSE", &metrics.rmse, 3),
                ("MAE", &metrics.mae, 3),
                ("R²", &metrics.r2, 3),
                ("Bias (prediction − outcome)", &metrics.bias, 3),
            ],
        }
    }
}

/// evaluation.json, of an event or of a number.
#[derive(Debug)]
pub(super) enum Detail {
    Events(Box<Evaluation>),
    Number(Box<NumberEvaluation>),
}

impl Detail {
    fn read(file: &StageFile) -> Result<Self, StageError> {
        let value: Value = canonical_json::read(&file.path, &file.name)?;
        let parsed = if value["kind"] == "number" {
            serde_json::from_value(value).map(|detail| Self::Number(Box::new(detail)))
        } else {
            serde_json::from_value(value).map(|detail| Self::Events(Box::new(detail)))
        };
        parsed.map_err(|error| unread(file, &error.to_string()))
    }
}

/// external.json, of an event or of a number.
#[derive(Debug)]
pub(super) enum External {
    Events(Box<ExternalReport>),
    Number(Box<NumberExternal>),
}

impl External {
    fn read(file: &StageFile) -> Result<Self, StageError> {
        let value: Value = canonical_json::read(&file.path, &file.name)?;
        let parsed = if value["kind"] == "number" {
            serde_json::from_value(value).map(|report| Self::Number(Box::new(report)))
        } else {
            serde_json::from_value(value).map(|report| Self::Events(Box::new(report)))
        };
        parsed.map_err(|error| unread(file, &error.to_string()))
    }
}

/// A file that the report was made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Digest {
    /// As the pipeline names it.
    pub name: String,
    /// BLAKE3 in hex.
    pub blake3: String,
}

/// Everything that is bound.
#[derive(Debug)]
pub(super) struct Sources {
    pub performance: Performance,
    /// Which counts are shown, of those that the report takes from documents that hold them all.
    pub privacy: Privacy,
    pub evaluation: Option<Detail>,
    pub external: Option<External>,
    pub curves: Curves,
    pub sweep: Curves,
    pub threshold: Option<Threshold>,
    pub cohort: Option<CohortReport>,
    pub split: Option<SplitView>,
    pub ingest: Option<IngestView>,
    pub cv: Option<CvView>,
    pub card: Option<Card>,
    pub comparison: Option<CandidateComparison>,
    pub stability: Option<Stability>,
    pub validation: Option<ValidationReport>,
    pub leakage: Option<leakage::Report>,
    pub slices: Option<SliceReport>,
    pub explain: Option<ExplainReport>,
    /// Pictures of the explanation: file name and bytes, in name order.
    pub pictures: Vec<(String, Vec<u8>)>,
    pub verdict: Option<Verdict>,
    pub bundle: Option<BundleManifest>,
    /// By role.
    pub digests: BTreeMap<&'static str, Digest>,
}

impl Sources {
    /// Reads what is bound.
    pub fn read(context: &StageContext) -> Result<Self, StageError> {
        let mut sources = Self::exact(context)?;
        decided::protect(&mut sources);
        Ok(sources)
    }

    /// As the documents are.
    fn exact(context: &StageContext) -> Result<Self, StageError> {
        let bundle = context.input_opt("bundle").map(bundle_manifest).transpose()?;
        Ok(Self {
            performance: Performance::read(context.input("metrics")?)?,
            privacy: Privacy::parse(context.params())?,
            evaluation: context.input_opt("evaluation").map(Detail::read).transpose()?,
            external: context.input_opt("external").map(External::read).transpose()?,
            curves: context.input_opt("curves").map_or_else(|| Ok(Curves::default()), Curves::read)?,
            sweep: context.input_opt("sweep").map_or_else(|| Ok(Curves::default()), Curves::read_sweep)?,
            threshold: document(context, "threshold")?,
            cohort: document(context, "cohort")?,
            split: document(context, "split")?,
            ingest: document(context, "ingest")?,
            cv: document(context, "cv")?,
            card: context.input_opt("models").map(card).transpose()?,
            comparison: document(context, "comparison")?,
            stability: document(context, "stability")?,
            validation: document(context, "validation")?,
            leakage: document(context, "leakage")?,
            slices: document(context, "slices")?,
            explain: document(context, "explain")?,
            pictures: pictures(context)?,
            verdict: document(context, "verdict")?,
            bundle,
            digests: digests(context)?,
        })
    }

    /// The file of a role with its digest.
    pub fn digest(&self, role: &str) -> Option<&Digest> {
        self.digests.get(role)
    }
}

fn document<T: DeserializeOwned>(context: &StageContext, role: &str) -> Result<Option<T>, StageError> {
    let Some(file) = context.input_opt(role) else { return Ok(None) };
    let text = fs::read_to_string(&file.path).map_err(|error| StageError::input(&file.name, error.to_string()))?;
    serde_json::from_str(&text).map(Some).map_err(|error| unread(file, &error.to_string()))
}

fn bundle_manifest(file: &StageFile) -> Result<BundleManifest, StageError> {
    // Loading compares every member with its digest: no report is made of a bundle that was changed.
    let bundle = Bundle::load(&file.path).map_err(|error| StageError::input(&file.name, error.to_string()))?;
    Ok(bundle.manifest().clone())
}

fn card(models: &StageFile) -> Result<Card, StageError> {
    let (path, name) = within(models, CARD);
    canonical_json::read(&path, &name)
}

/// A file of a directory.
fn within(directory: &StageFile, file: &str) -> (PathBuf, String) {
    (directory.path.join(file), format!("{}/{file}", directory.name.trim_end_matches('/')))
}

fn unread(file: &StageFile, message: &str) -> StageError {
    StageError::input(&file.name, message)
        .with_hint("bind the role to what its stage writes, and run that stage with this clinpipe")
}

fn pictures(context: &StageContext) -> Result<Vec<(String, Vec<u8>)>, StageError> {
    let Some(directory) = context.input_opt("pictures") else { return Ok(Vec::new()) };
    let fail = |error: std::io::Error| StageError::input(&directory.name, error.to_string());
    let mut pictures = Vec::new();
    for entry in fs::read_dir(&directory.path).map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        if path.extension().is_some_and(|ending| ending == "svg") {
            pictures.push((name, fs::read(&path).map_err(fail)?));
        }
    }
    pictures.sort();
    Ok(pictures)
}

fn digests(context: &StageContext) -> Result<BTreeMap<&'static str, Digest>, StageError> {
    let mut digests = BTreeMap::new();
    for role in super::INPUTS.iter().filter(|role| role.name != "pictures") {
        let Some(file) = context.input_opt(role.name) else { continue };
        let (path, name) = match role.name {
            "bundle" => within(file, MANIFEST),
            "models" => within(file, CARD),
            _ => (file.path.clone(), file.name.clone()),
        };
        let bytes = fs::read(&path).map_err(|error| StageError::input(&name, error.to_string()))?;
        digests.insert(role.name, Digest { name, blake3: blake3::hash(&bytes).to_hex().to_string() });
    }
    Ok(digests)
}
