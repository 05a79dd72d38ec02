//! The version that shall be promoted: from the pipeline, with everything the registry has to know of it, or from the
//! registry itself.

use std::collections::BTreeMap;
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
use crate::config::{StageDef, Work};
use crate::graph::Selection;
use crate::key::{ContentRecord, Digest, hash};
use crate::plan::{Plan, PlanOptions};
use crate::registry::{
    Evidence, Paper, Recipe, RecipeStage, Registry, RowMarks, Ruling, SeenRows, Side, TestFiles, Version,
};
use crate::store::{Lock, Store};
use crate::util::RelPath;

/// A version with its bundle, loaded.
pub(super) struct Loaded {
    pub digest: Digest,
    pub version: Version,
    pub bundle: Bundle,
    pub seen: SeenRows,
    /// metrics.json and verdict.json, as registered.
    pub metrics: Value,
    pub verdict: Value,
}

impl Loaded {
    pub(super) fn of(registry: &Registry, digest: Digest) -> anyhow::Result<Self> {
        let version = registry.version(digest)?;
        let (bundle, seen) = registry.load(digest)?;
        let dir = registry.version_dir(digest);
        let paper = |name: &str| {
            let listed = version.papers.contains_key(name);
            let read = || serde_json::from_slice(&fs::read(dir.join(name)).ok()?).ok();
            if listed { read().unwrap_or(Value::Null) } else { Value::Null }
        };
        let (metrics, verdict) = (paper("metrics.json"), paper("verdict.json"));
        Ok(Self { digest, version, bundle, seen, metrics, verdict })
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

/// Adds the pipeline's bundle to the registry, with the conditions that the pipeline can tell of.
pub(super) fn register(opened: &Opened, registry: &Registry, dir: &Path) -> anyhow::Result<(Digest, Vec<Ruling>)> {
    let stages = Stages::of(opened, dir)?;
    let bundle = load_bundle(dir)?;
    let workspace = opened.workspace();
    let lock = workspace.current_lock()?;
    let up_to_date = stages.up_to_date(opened, &lock)?;
    let evidence = stages.evidence(opened, registry, &lock, &bundle)?;
    let held = registry.lock()?;
    let digest = held.add(dir, &bundle, &evidence)?;
    // What the chain does not tell of, the condition `registered` refuses.
    let recorded = record::registered(opened, registry, &registry.version(digest)?);
    drop(held);
    let failed = recorded.err().map(|error| Ruling::new("registered", false, error.to_string()));
    Ok((digest, [up_to_date].into_iter().chain(failed).collect()))
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
            ("metrics.json", out(self.evaluate, "metrics")),
            ("verdict.json", self.gate.and_then(|gate| out(gate, "verdict"))),
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
        let file = |path: &RelPath| StageFile { path: path.under(root), name: path.to_string() };
        let data = &bundle.manifest().data.blake3;
        let marks =
            RowMarks::read(&registry.row_key()?, &file(&table_path), &file(&split_path), bundle.schema(), data)?;
        let test = TestFiles {
            table_path: table_path.to_string(),
            table,
            split_path: split_path.to_string(),
            split,
            evaluated,
        };
        Ok(Evidence { papers, recipe: self.recipe(opened, lock)?, test, training: marks.training() })
    }

    /// What the stages up to the bundle were told to do, from their locks.
    fn recipe(&self, opened: &Opened, lock: &Lock) -> anyhow::Result<Recipe> {
        let mut recipe = Recipe::new();
        for name in opened.select(std::slice::from_ref(&self.bundle.name.0), Selection::Upstream)? {
            let Some(record) = lock.stages.get(&name) else { continue };
            let manifest = &record.manifest;
            let params = manifest.params.iter().map(|(file, keys)| (file.to_string(), keys.clone()));
            recipe
                .insert(name.0, RecipeStage { cmd: manifest.cmd.clone(), params: params.collect::<BTreeMap<_, _>>() });
        }
        Ok(recipe)
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
