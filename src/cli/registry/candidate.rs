//! The version that shall be promoted: from the pipeline, with everything the registry has to know of it, or from the
//! registry itself.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clinpipe_stages::StageFile;
use clinpipe_stages::bundle::Bundle;
use clinpipe_stages::evaluate::Evaluated;
use serde_json::Value;

use super::record;
use crate::cli::error::UsageError;
use crate::cli::project::Opened;
use crate::cli::serve::load_bundle;
use crate::config::{StageDef, StageName, Work};
use crate::graph::Selection;
use crate::key::{ContentRecord, Digest, Manifest, hash};
use crate::plan::{Plan, PlanOptions};
use crate::registry::{
    Evidence, Paper, Recipe, RecipeStage, Registry, RowMarks, Ruling, SeenRows, Side, State, TestFiles, Version,
    changes,
};
use crate::store::{Lock, Store};
use crate::util::RelPath;

/// What the evaluation measured.
const METRICS: &str = "metrics.json";
/// What the gate says of it.
const VERDICT: &str = "verdict.json";

/// A version with its bundle, loaded.
pub(super) struct Loaded {
    pub digest: Digest,
    pub version: Version,
    pub bundle: Bundle,
    pub seen: SeenRows,
    /// metrics.json, and BLAKE3 of its bytes.
    pub metrics: Value,
    pub judged: Digest,
    /// verdict.json.
    pub verdict: Value,
}

impl Loaded {
    pub(super) fn of(registry: &Registry, digest: Digest) -> anyhow::Result<Self> {
        let version = registry.version(digest)?;
        let (bundle, seen) = registry.load(digest)?;
        let dir = registry.version_dir(digest);
        let bytes = |name: &str| {
            let listed = version.papers.contains_key(name);
            listed.then(|| fs::read(dir.join(name)).ok()).flatten().unwrap_or_default()
        };
        let (metrics, verdict) = (bytes(METRICS), bytes(VERDICT));
        let judged = Digest::of(&metrics);
        let read = |bytes: &[u8]| serde_json::from_slice(bytes).unwrap_or(Value::Null);
        let (metrics, verdict) = (read(&metrics), read(&verdict));
        Ok(Self { digest, version, bundle, seen, metrics, judged, verdict })
    }

    /// It as one side of a comparison.
    pub(super) fn side(&self) -> Side<'_> {
        Side { bundle: &self.bundle, seen: &self.seen }
    }
}

/// The registry that a bundle belongs to, by its path or by what it predicts; and the version that it is there already.
pub(super) fn place(opened: &Opened, dir: &Path, model: Option<&str>) -> anyhow::Result<(Registry, Option<Digest>)> {
    let root = &opened.project.pipeline.root;
    let bundle = load_bundle(dir)?;
    let real = dir.canonicalize().with_context(|| format!("cannot find {}", dir.display()))?;
    for name in Registry::models(root)? {
        let registry = Registry::new(root, &name)?;
        for version in registry.versions()? {
            if registry.version_dir(version).canonicalize().is_ok_and(|own| real.starts_with(own)) {
                if model.is_some_and(|model| model != name) {
                    let message = format!("{} is a version of the model {name}", dir.display());
                    return Err(UsageError::new(message, "leave --model out").into());
                }
                return Ok((registry, Some(version)));
            }
        }
    }
    let name = model.unwrap_or(&bundle.schema().target.column);
    let registry =
        Registry::new(root, name).map_err(|error| UsageError::new(error.to_string(), "name it with --model"))?;
    Ok((registry, None))
}

/// The pipeline's bundle with everything that a registry has to know of it.
pub(super) struct Fresh {
    pub loaded: Loaded,
    dir: PathBuf,
    evidence: Evidence,
}

/// The pipeline's bundle; or the condition that fails when the lock does not vouch for it, its numbers and its verdict.
/// Then nothing is known of it that could be judged or kept.
pub(super) fn of_pipeline(
    opened: &Opened,
    registry: &Registry,
    dir: &Path,
) -> anyhow::Result<Result<(Fresh, Ruling), Ruling>> {
    let stages = Stages::of(opened, dir)?;
    let bundle = load_bundle(dir)?;
    let lock = opened.workspace().current_lock()?;
    let up_to_date = stages.up_to_date(opened, &lock)?;
    if !up_to_date.passed {
        return Ok(Err(up_to_date));
    }
    let evidence = stages.evidence(opened, registry, &lock, &bundle)?;
    let digest = digest_of(&bundle, dir)?;
    let version = Version::new(digest, bundle.manifest(), &evidence);
    let paper = |name: &str| {
        let found = evidence.papers.iter().find(|paper| paper.name == name);
        found.and_then(|paper| serde_json::from_slice(&paper.bytes).ok()).unwrap_or(Value::Null)
    };
    let judged =
        Digest::of(evidence.papers.iter().find(|paper| paper.name == METRICS).map_or(&[], |paper| &paper.bytes));
    let loaded = Loaded {
        digest,
        version,
        bundle,
        seen: evidence.training.clone(),
        metrics: paper(METRICS),
        judged,
        verdict: paper(VERDICT),
    };
    Ok(Ok((Fresh { loaded, dir: dir.to_owned(), evidence }, up_to_date)))
}

/// The digest of the bundle in a directory.
pub(super) fn digest(dir: &Path) -> anyhow::Result<Digest> {
    digest_of(&load_bundle(dir)?, dir)
}

fn digest_of(bundle: &Bundle, dir: &Path) -> anyhow::Result<Digest> {
    bundle.digest().parse().map_err(|_| anyhow::anyhow!("{}: the bundle has no digest", dir.display()))
}

impl Fresh {
    /// Adds it to the registry and to the audit chain; the condition that fails when that must not or cannot be.
    ///
    /// What a version was made of decides what its successor may change, so its recipe stays as it was once it had a role.
    pub(super) fn register(&self, opened: &Opened, registry: &Registry) -> anyhow::Result<Option<Ruling>> {
        let version = &self.loaded.version;
        let fail = |reason: String| Ok(Some(Ruling::new("registered", false, reason)));
        let held = registry.lock()?;
        let history = record::history(opened, registry)?;
        let roles = history.now().map(State::roles).unwrap_or_default();
        let told = record::papers(opened, registry, version.bundle)?;
        if told != Some(version.digest()?) && roles.contains(&version.bundle) {
            let known = registry.version(version.bundle).ok().filter(|known| known.digest().ok() == told);
            let Some(known) = known else {
                return fail(format!(
                    "{} is damaged in the registry, and had a role: restore it",
                    version.bundle.short()
                ));
            };
            if let Some(change) = changes(version, &known).first().filter(|_| known.recipe != version.recipe) {
                let told = change.told();
                return fail(format!("{} had a role and was made otherwise then: {told}", version.bundle.short()));
            }
        }
        held.add(&self.dir, &self.loaded.bundle, &self.evidence)?;
        Ok(record::registered(opened, registry, version)
            .err()
            .map(|error| Ruling::new("registered", false, error.to_string())))
    }
}

/// The stages of a pipeline that a bundle comes from and goes to.
struct Stages<'a> {
    bundle: &'a StageDef,
    evaluate: &'a StageDef,
    gate: Option<&'a StageDef>,
}

fn uses(stage: &StageDef, name: &str) -> bool {
    matches!(&stage.work, Work::Builtin(uses) if uses == name)
}

fn dep<'a>(stage: &'a StageDef, role: &str) -> Option<&'a RelPath> {
    stage.deps.iter().find(|dep| dep.role.as_deref() == Some(role)).map(|dep| &dep.path)
}

fn out<'a>(stage: &'a StageDef, role: &str) -> Option<&'a RelPath> {
    stage.outs.iter().find(|out| out.role.as_deref() == Some(role)).map(|out| &out.path)
}

impl<'a> Stages<'a> {
    fn of(opened: &'a Opened, dir: &Path) -> anyhow::Result<Self> {
        let root = &opened.project.pipeline.root;
        let absolute = std::path::absolute(dir).with_context(|| format!("cannot find {}", dir.display()))?;
        let path = absolute.strip_prefix(root).ok().and_then(|path| RelPath::parse(path.to_str()?));
        let all = || opened.project.pipeline.stages.values();
        let unknown = |what: &str| {
            let message = format!("{} {what}, so nobody knows what it was made of and tested on", dir.display());
            UsageError::new(
                message,
                "name the bundle that a stage of this pipeline writes, or a version of the registry",
            )
        };
        let bundle =
            all().find(|stage| uses(stage, "bundle") && path.is_some() && out(stage, "bundle") == path.as_ref());
        let bundle = bundle.ok_or_else(|| unknown("is written by no stage `bundle` of this pipeline"))?;
        let tests = |stage: &&StageDef| {
            uses(stage, "evaluate") && dep(stage, "bundle") == path.as_ref() && dep(stage, "split").is_some()
        };
        let evaluate = all().find(tests).ok_or_else(|| unknown("is evaluated on no test part"))?;
        let metrics = out(evaluate, "metrics");
        let gate = all().find(|stage| uses(stage, "gate") && metrics.is_some() && dep(stage, "metrics") == metrics);
        Ok(Self { bundle, evaluate, gate })
    }

    /// Whether bundle, metrics and verdict are what the lock vouches for.
    fn up_to_date(&self, opened: &Opened, lock: &Lock) -> anyhow::Result<Ruling> {
        let last = self.gate.unwrap_or(self.evaluate);
        let selected = opened.select(std::slice::from_ref(&last.name.0), Selection::Upstream)?;
        let workspace = opened.workspace();
        let plan = Plan::new(&workspace, lock, &selected, PlanOptions::default())?;
        let stale = plan.stages.iter().find(|stage| stage.is_stale());
        let reason = stale.and_then(|stage| Some((stage, stage.reasons.first()?)));
        Ok(match reason {
            Some((stage, reason)) => {
                Ruling::new("up_to_date", false, format!("{}: {reason}; run `clinpipe repro` first", stage.name))
            }
            None => {
                Ruling::new("up_to_date", true, format!("{} stages are what the lock vouches for", plan.stages.len()))
            }
        })
    }

    fn evidence(&self, opened: &Opened, registry: &Registry, lock: &Lock, bundle: &Bundle) -> anyhow::Result<Evidence> {
        let root = &opened.project.pipeline.root;
        let absent = || UsageError::new("the bundle was not evaluated yet", "run `clinpipe repro`");
        let record = lock.stages.get(&self.evaluate.name).ok_or_else(absent)?;
        let input = |role: &str| -> Option<(RelPath, ContentRecord)> {
            let path = dep(self.evaluate, role)?;
            Some((path.clone(), record.manifest.deps.get(path)?.clone()?))
        };
        let ((table_path, table), (split_path, split)) = input("table").zip(input("split")).ok_or_else(absent)?;
        let mut papers = Vec::new();
        let card = opened
            .project
            .pipeline
            .stages
            .values()
            .filter(|stage| uses(stage, "report"))
            .find_map(|stage| out(stage, "card"));
        let named = [
            (METRICS, out(self.evaluate, "metrics")),
            (VERDICT, self.gate.and_then(|gate| out(gate, "verdict"))),
            ("model_card.md", card),
        ];
        for (name, path) in named {
            if let Some(bytes) = path.and_then(|path| fs::read(path.under(root)).ok()) {
                papers.push(Paper { name, bytes });
            }
        }
        let metrics: Value =
            papers.first().and_then(|paper| serde_json::from_slice(&paper.bytes).ok()).unwrap_or_default();
        let evaluated: Evaluated = serde_json::from_value(metrics["evaluated"].clone()).map_err(|_| absent())?;
        let test = TestFiles {
            table_path: table_path.to_string(),
            table,
            split_path: split_path.to_string(),
            split,
            evaluated,
        };
        let data = &bundle.manifest().data.blake3;
        let files = Files::of(opened, &test)?;
        let marks = RowMarks::read(&registry.row_key()?, &files.table, &files.split, bundle.schema(), data)?;
        Ok(Evidence { papers, recipe: self.recipe(opened, lock)?, test, training: marks.training() })
    }

    /// What the stages up to the bundle were told to do, from their locks.
    fn recipe(&self, opened: &Opened, lock: &Lock) -> anyhow::Result<Recipe> {
        let selected = opened.select(std::slice::from_ref(&self.bundle.name.0), Selection::Upstream)?;
        let recorded = |name| Some((name, &lock.stages.get(name)?.manifest));
        let stages: Vec<(&StageName, &Manifest)> = selected.iter().filter_map(recorded).collect();
        let is_written =
            |path: &RelPath| stages.iter().any(|(_, stage)| stage.outs.iter().any(|out| path.is_within(out)));
        let text = |path: &RelPath| path.to_string();
        let of = |(name, manifest): &(&StageName, &Manifest)| {
            let builtin =
                opened.project.pipeline.stages.get(*name).is_some_and(|stage| matches!(stage.work, Work::Builtin(_)));
            let read = manifest.deps.iter().filter_map(|(path, found)| Some((path, found.as_ref()?)));
            let stage = RecipeStage {
                cmd: manifest.cmd.clone(),
                builtin,
                wdir: text(&manifest.wdir),
                env: manifest.env.clone().unwrap_or_default(),
                deps: read.map(|(path, found)| (text(path), (!is_written(path)).then_some(found.digest))).collect(),
                outs: manifest.outs.iter().map(text).collect(),
                params: manifest.params.iter().map(|(file, keys)| (text(file), keys.clone())).collect(),
            };
            (name.0.clone(), stage)
        };
        Ok(stages.iter().map(of).collect())
    }
}

/// A version's table and split: the files of the project while they are the same, else from the store.
pub(super) struct Files {
    pub table: StageFile,
    pub split: StageFile,
    _dir: tempfile::TempDir,
}

impl Files {
    pub(super) fn of(opened: &Opened, test: &TestFiles) -> anyhow::Result<Self> {
        let root = &opened.project.pipeline.root;
        let store = Store::new(root);
        let dir = tempfile::tempdir().context("cannot make a temporary directory")?;
        let find = |path: &str, record: &ContentRecord, name: &str| -> anyhow::Result<StageFile> {
            let own = root.join(path);
            if own.metadata().is_ok_and(|found| found.len() == record.size) && hash::hash_file(&own)? == record.digest {
                return Ok(StageFile { path: own, name: path.to_owned() });
            }
            let copy: PathBuf = dir.path().join(name);
            store.cas().restore(record, &copy).with_context(|| {
                format!("the version was tested with a {path} that neither the project nor the store has any more")
            })?;
            Ok(StageFile { path: copy, name: path.to_owned() })
        };
        let table = find(&test.table_path, &test.table, "table.parquet")?;
        let split = find(&test.split_path, &test.split, "split.parquet")?;
        Ok(Self { table, split, _dir: dir })
    }
}
