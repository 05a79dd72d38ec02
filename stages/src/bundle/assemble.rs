//! The stage that assembles a bundle from what training, calibration and tuning wrote.
//!
//! It fits nothing. Files that other stages wrote are copied byte for byte; bundle.json is written last, from the
//! digests of what was written. The result is loaded once as a check before the stage ends.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::intake::Intake;
use super::manifest::{
    BundleManifest, DataLineage, LeakageRecord, MANIFEST, Member, SCHEMA_VERSION, TrainingRows, WaivedFinding,
};
use super::profile::AnswerProfile;
use super::reference::{Profile, Reference};
use super::score::Bundle;
use super::sketch::{InputProfile, NumberSketch};
use super::tiers::Tiers;
use crate::calibrate::CalibratorFile;
use crate::common::canonical_json;
use crate::common::privacy::{self, Privacy};
use crate::common::schema::Schema;
use crate::common::table::Table;
use crate::common::target::Task;
use crate::featurize::{Feature, FeatureSpec};
use crate::train::{COMBINATIONS, Card, Fingerprint};
use crate::{ParamError, ParamSet, Role, Stage, StageContext, StageError, StageFile};
use crate::{ingest, leakage, validate};

/// Files of the `models` directory that become members under the same name; the card goes into the manifest.
const MODEL_FILES: [&str; 4] = ["model.json", "preprocessor.json", "baseline_linear.json", "baseline_constant.json"];

/// The stage `bundle`.
pub struct Assemble;

/// What is needed of the ingest report; the rest of it is for people.
#[derive(Deserialize)]
struct IngestReport {
    source: String,
    file: String,
    blake3: String,
}

impl Stage for Assemble {
    fn name(&self) -> &'static str {
        "bundle"
    }

    fn version(&self) -> u32 {
        5
    }

    fn about(&self) -> &'static str {
        "assembles the one directory that serve, predict and evaluate read"
    }

    fn inputs(&self) -> &'static [Role] {
        const {
            &[
                Role::required("models", "the kept model and the baselines"),
                Role::required("spec", "how the features are computed"),
                Role::optional("calibrator", "the fitted calibrator, for events"),
                Role::optional("threshold", "the decision threshold, for events"),
                Role::required("table", "the feature table, for the profile of the training rows"),
                Role::required("split", "parts and folds"),
                Role::required("ingest", "the ingest report, for the lineage to the raw data"),
                Role::optional("leakage", "the leakage report; no bundle is made of a run with a leak"),
                Role::optional(
                    "clean",
                    "the validated table, for the profile of the raw columns that `drift` compares",
                ),
                Role::optional("oof", "out-of-fold predictions, for the profile of the scores"),
            ]
        }
    }

    fn outputs(&self) -> &'static [Role] {
        const { &[Role::required("bundle", "directory of the bundle")] }
    }

    fn params(&self) -> &'static [Role] {
        const {
            &[
                Role::required("schema", "the columns of the raw table"),
                Role::required("ingest", "how raw files are written, for those to be scored"),
                Role::required("validate", "rules across columns, for rows to be scored"),
                Role::optional("tiers", "risk levels with actions and costs"),
                Role::optional("profile", "how answers are named"),
                Role::optional(privacy::KEY, "the smallest count that is kept of a raw column"),
            ]
        }
    }

    fn check(&self, params: &ParamSet) -> Result<(), ParamError> {
        parse(params).map(|_| ())
    }

    fn run(&self, context: &StageContext) -> Result<(), StageError> {
        let Settings { schema, intake, tiers, profile, privacy } = parse(context.params())?;
        let directory = context.output("bundle")?;
        let mut files = Files { directory, members: BTreeMap::new() };
        let models = context.input("models")?;
        for name in MODEL_FILES {
            files.copy(&inside(models, name), name)?;
        }
        // Only a study with rules on combinations has it.
        let combinations = inside(models, COMBINATIONS);
        if combinations.path.exists() {
            files.copy(&combinations, COMBINATIONS)?;
        }
        files.copy(context.input("spec")?, "features.json")?;
        for (role, name) in [("calibrator", "calibrator.json"), ("threshold", "threshold.json")] {
            if let Some(file) = decision_file(context, &schema, role)? {
                files.copy(file, name)?;
            }
        }
        files.write("schema.json", &schema)?;
        files.write("intake.json", &intake)?;
        if let Some(tiers) = &tiers {
            files.write("tiers.json", tiers)?;
        }
        if let Some(profile) = &profile {
            files.write("profile.json", profile)?;
        }
        let (reference, rows) = reference(context, privacy)?;
        files.write("reference.json", &reference)?;
        let card_file = inside(models, "card.json");
        let card: Card = canonical_json::read(&card_file.path, &card_file.name)?;
        if card.training_rows != rows {
            let text = "was trained on other rows than the split's training part";
            return Err(StageError::input(&card_file.name, text).with_hint("run train again on this split"));
        }
        let leakage = context.input_opt("leakage").map(|file| leakage_record(file, &rows)).transpose()?;
        let manifest = BundleManifest { leakage, ..manifest(context.input("ingest")?, &card, files.members)? };
        canonical_json::write(&directory.join(MANIFEST), &manifest)?;
        Bundle::load(directory).map_err(|error| StageError::failed(format!("the bundle is not sound: {error}")))?;
        Ok(())
    }
}

/// What params.yaml says of a bundle.
struct Settings {
    schema: Schema,
    intake: Intake,
    tiers: Option<Tiers>,
    profile: Option<AnswerProfile>,
    privacy: Privacy,
}

fn parse(params: &ParamSet) -> Result<Settings, ParamError> {
    let (_, ingest) = ingest::parse(params)?;
    let (schema, validate) = validate::parse(params)?;
    let intake = Intake::new(ingest.format(), &validate.rules, &schema);
    let tiers: Option<Tiers> = params.parse_or_default("tiers")?;
    if let Some(tiers) = &tiers {
        tiers.check()?;
        if schema.target.kind == Task::Continuous {
            return Err(ParamError::new("tiers", "risk levels are of probabilities, and this outcome is a number"));
        }
    }
    let profile: Option<AnswerProfile> = params.parse_or_default("profile")?;
    if let Some(profile) = &profile {
        profile.check(schema.target.kind, tiers.as_ref())?;
    }
    Ok(Settings { schema, intake, tiers, profile, privacy: Privacy::parse(params)? })
}

/// The file of a role that events need and numbers cannot have.
fn decision_file<'a>(
    context: &'a StageContext,
    schema: &Schema,
    role: &str,
) -> Result<Option<&'a StageFile>, StageError> {
    match (schema.target.kind, context.input_opt(role)) {
        (Task::Binary, None) => Err(StageError::failed(format!(
            "input role `{role}` is not bound to an existing file"
        ))
        .with_hint(format!("bind `{role}` under the deps of this stage, or say `schema.target.kind: continuous`"))),
        (Task::Continuous, Some(file)) => {
            Err(StageError::input(&file.name, format!("is a {role}, and the outcome of this study is a number"))
                .with_hint(format!("leave `{role}` out of the deps of this stage")))
        }
        (_, file) => Ok(file),
    }
}

fn manifest(ingest: &StageFile, card: &Card, members: BTreeMap<String, Member>) -> Result<BundleManifest, StageError> {
    let report: IngestReport = canonical_json::read(&ingest.path, &ingest.name)?;
    Ok(BundleManifest {
        schema_version: SCHEMA_VERSION,
        clinpipe: env!("CARGO_PKG_VERSION").to_owned(),
        model: card.model.as_str().to_owned(),
        data: DataLineage { source: report.source, file: report.file, blake3: report.blake3 },
        training: TrainingRows { rows: card.training_rows.clone(), events: card.events },
        leakage: None,
        members,
    })
}

/// What the leakage report says of the training rows; an error when nobody answers for a finding.
fn leakage_record(file: &StageFile, rows: &Fingerprint) -> Result<LeakageRecord, StageError> {
    let bytes = std::fs::read(&file.path).map_err(|error| StageError::input(&file.name, error.to_string()))?;
    let report: leakage::Report = canonical_json::read(&file.path, &file.name)?;
    if report.training_rows != *rows {
        let text = "is about other rows than the split's training part";
        return Err(StageError::input(&file.name, text).with_hint("run leakage again on this split"));
    }
    let open = report.findings.iter().filter(|finding| finding.waived.is_none()).count();
    if open > 0 || !report.clean {
        return Err(StageError::input(&file.name, format!("has {open} findings that nobody answers for"))
            .with_hint("mend the leaks, or waive them in `leakage.waivers` with who and why"));
    }
    let waived = report.findings.into_iter().filter_map(|finding| {
        Some(WaivedFinding { check: finding.check, subject: finding.subject, waived: finding.waived? })
    });
    Ok(LeakageRecord { blake3: blake3::hash(&bytes).to_hex().to_string(), waived: waived.collect() })
}

/// The profile and the fingerprint of the training rows.
fn reference(context: &StageContext, privacy: Privacy) -> Result<(Reference, Fingerprint), StageError> {
    let spec_file = context.input("spec")?;
    let spec: FeatureSpec = canonical_json::read(&spec_file.path, &spec_file.name)?;
    let (table, split_file) = (context.input("table")?, context.input("split")?);
    let split = Table::read_columns(split_file, &["row_id", "part"])?;
    let ids = split.ints_full("row_id")?;
    if ids != Table::read_ints_full(table, "row_id")? {
        return Err(StageError::input(&split_file.name, "does not list the rows of the feature table in their order"));
    }
    let part = split.texts("part")?;
    let rows: Vec<usize> = (0..ids.len()).filter(|&row| part.get(row) == Some("train")).collect();
    // Column by column: together they may not fit into memory.
    let profile = |feature: &Feature| {
        let name = feature.name.as_str();
        let column = Table::read_rows(table, &[name], &rows)?.column_of(name)?;
        Ok((name.to_owned(), Profile::new(&column)))
    };
    let features = spec.features.iter().map(profile).collect::<Result<_, StageError>>()?;
    let inputs = context.input_opt("clean").map(|file| inputs(file, &spec, (&ids, &rows), privacy)).transpose()?;
    let fingerprint = Fingerprint::new(rows.iter().map(|&row| ids[row]));
    let scores = context.input_opt("oof").map(|file| scores(context, file, (&ids, &rows), privacy)).transpose()?;
    Ok((Reference { schema_version: 2, n: rows.len(), features, inputs, scores }, fingerprint))
}

/// The profiles of the raw columns in the training rows: those that features are made of.
fn inputs(
    clean: &StageFile,
    spec: &FeatureSpec,
    (ids, rows): (&[i64], &[usize]),
    privacy: Privacy,
) -> Result<BTreeMap<String, InputProfile>, StageError> {
    if ids != Table::read_ints_full(clean, "row_id")? {
        return Err(StageError::input(&clean.name, "does not list the rows of the split in their order")
            .with_hint("give the table that was split"));
    }
    let profile = |name: &String| {
        let column = Table::read_rows(clean, &[name.as_str()], rows)?.column_of(name)?;
        Ok((name.clone(), InputProfile::new(&column, privacy)))
    };
    spec.inputs.iter().map(profile).collect()
}

/// The profile of the scores: what the final calibrator makes of the out-of-fold predictions of the training rows, or
/// those predictions where a number is predicted. Cross-fitted probabilities would not do: each fold's isotonic steps lie
/// elsewhere, so new scores of the very same patients would seem to have moved.
fn scores(
    context: &StageContext,
    out_of_fold: &StageFile,
    (ids, rows): (&[i64], &[usize]),
    privacy: Privacy,
) -> Result<NumberSketch, StageError> {
    let table = Table::read(out_of_fold)?;
    let training: BTreeSet<i64> = rows.iter().map(|&row| ids[row]).collect();
    // In time-ordered folds the earliest rows are never predicted.
    if !table.ints_full("row_id")?.iter().all(|id| training.contains(id)) {
        let text = "is about other rows than the split's training part";
        return Err(StageError::input(&out_of_fold.name, text).with_hint("run train again on this split"));
    }
    let Some(file) = context.input_opt("calibrator") else {
        return Ok(NumberSketch::new(&table.floats("prediction")?, privacy));
    };
    let CalibratorFile { calibrator, .. } = canonical_json::read(&file.path, &file.name)?;
    let scores: Vec<f64> = table.floats("p_raw")?.into_iter().map(|p_raw| calibrator.apply(p_raw)).collect();
    Ok(NumberSketch::new(&scores, privacy))
}

fn inside(directory: &StageFile, name: &str) -> StageFile {
    let label = format!("{}/{name}", directory.name.trim_end_matches('/'));
    StageFile { path: directory.path.join(name), name: label }
}

/// The members written so far.
struct Files<'a> {
    directory: &'a Path,
    members: BTreeMap<String, Member>,
}

impl Files<'_> {
    fn copy(&mut self, from: &StageFile, name: &str) -> Result<(), StageError> {
        let bytes = std::fs::read(&from.path).map_err(|error| StageError::input(&from.name, error.to_string()))?;
        self.add(name, &bytes)
    }

    fn write<T: serde::Serialize>(&mut self, name: &str, value: &T) -> Result<(), StageError> {
        let text = canonical_json::to_string(value);
        let text = text.map_err(|error| StageError::failed(format!("{name}: {error}")))?;
        self.add(name, text.as_bytes())
    }

    fn add(&mut self, name: &str, bytes: &[u8]) -> Result<(), StageError> {
        let path: PathBuf = self.directory.join(name);
        std::fs::write(&path, bytes).map_err(|error| StageError::output(&path, error))?;
        self.members.insert(name.to_owned(), Member::of(bytes));
        Ok(())
    }
}
