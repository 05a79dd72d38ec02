//! A project's files to a checked [`Project`].

use std::collections::BTreeMap;
use std::path::Path;

use super::diagnostic::{ConfigError, ConfigErrors, Source};
use super::discover::others;
use super::dvc_config::{DvcConfig, FlagStyle};
use super::kept::{Fingerprint, fingerprint};
use super::overlap::{OutputIndex, edges};
use super::params::ParamFiles;
use super::pipeline::{BuiltinCatalog, Pipeline, Pool, StageDef, Work};
use super::report::Report;
use super::schema::{Top, read_stage, read_top};
use super::storage::StoreSettings;
use super::template::{Context, Surroundings, expand, load_vars};
use super::validate::validate;
use super::yaml::{self, Node};
use crate::util::{RelPath, nearest};

/// The parameter file of a pipeline file's directory.
const PARAMS: &str = "params.yaml";

/// A loaded and checked project.
#[derive(Debug, Clone)]
pub struct Project {
    /// Its stages.
    pub pipeline: Pipeline,
    /// The parameter files they read.
    pub params: ParamFiles,
    /// Which stage reads from which: (producer, consumer) by their places in `pipeline.order`.
    pub edges: Vec<(usize, usize)>,
    /// The other files that were looked at.
    pub(super) sources: BTreeMap<RelPath, Fingerprint>,
}

/// Loads a project: its main pipeline file, those of other directories below `root`, and the parameter files they name;
/// and checks everything that needs no run. `overrides` are the `--set key=value` pairs, in order. Paths in a pipeline
/// file are relative to its directory.
pub fn load(
    root: &Path,
    file: &RelPath,
    overrides: &[(String, String)],
    catalog: &dyn BuiltinCatalog,
) -> Result<Project, ConfigErrors> {
    let main = RelPath::resolve(&file.parent(), PARAMS).unwrap_or_default();
    let mut params = ParamFiles::new(root, main)?;
    for (key, value) in overrides {
        params.set(root, key, value)?;
    }
    let pipeline = Pipeline {
        root: root.to_owned(),
        file: file.clone(),
        others: others(root, file),
        stages: BTreeMap::new(),
        order: Vec::new(),
        pools: BTreeMap::new(),
        metrics: Vec::new(),
        store: StoreSettings::default(),
        params: Vec::new(),
        plots: Vec::new(),
    };
    let mut sources = BTreeMap::new();
    let flags = DvcConfig::read_noting(root, &mut sources)?.flags;
    let mut loader = Loader { catalog, flags, params, pipeline, sources, report: Report::default() };
    loader.read(file)?;
    for other in loader.pipeline.others.clone() {
        // A fault of this file must not hide those of the next.
        if let Err(errors) = loader.read(&other) {
            loader.report.extend(errors.0);
        }
    }
    loader.finish()
}

/// A project while it is read.
struct Loader<'a> {
    catalog: &'a dyn BuiltinCatalog,
    /// How mappings in commands are written.
    flags: FlagStyle,
    params: ParamFiles,
    pipeline: Pipeline,
    sources: BTreeMap<RelPath, Fingerprint>,
    report: Report,
}

impl Loader<'_> {
    /// Reads one pipeline file. Faults of its content go to the report.
    fn read(&mut self, file: &RelPath) -> Result<(), ConfigErrors> {
        let root = self.pipeline.root.clone();
        let Some(source) = Source::read(&root, file)? else {
            return Err(ConfigError::of_file(file.as_str(), "the pipeline file does not exist").into());
        };
        self.sources.insert(file.clone(), fingerprint(Some(&source)));
        let tree = yaml::parse(&source)?;
        let base = file.parent();
        let main = RelPath::resolve(&base, PARAMS).unwrap_or_default();
        self.params.load(&root, &main)?;
        self.report.open(source);
        let mut context = Context::new(&self.params, &main, self.flags);
        if let Some(vars) = tree.get("vars") {
            load_vars(&mut context, vars, (&root, &base), &mut self.params, &mut self.report);
        }
        let (top, entries) = read_top(&tree, &context, &base, &mut self.report);
        for entry in entries {
            let mut around = Surroundings { root: &root, base: &base, params: &mut self.params };
            for expanded in expand(entry, &context, &mut around, &mut self.report) {
                let Some(stage) = read_stage(&expanded, &base, &mut self.report) else { continue };
                check_names(&stage, &expanded.body, &top, self.catalog, &mut self.report);
                self.add(stage, file);
            }
        }
        let pipeline = &mut self.pipeline;
        pipeline.metrics.extend(top.metrics);
        pipeline.params.extend(top.params);
        pipeline.plots.extend(top.plots);
        // There is one store, so only the main file says how it is used.
        if *file == pipeline.file {
            pipeline.store = top.store;
        }
        self.add_pools(top.pools, &tree);
        Ok(())
    }

    fn add(&mut self, mut stage: StageDef, file: &RelPath) {
        stage.name = self.pipeline.address(file, &stage.local);
        stage.file = file.clone();
        if let Work::Builtin(uses) = &stage.work {
            stage.service = self.catalog.spec(uses).is_some_and(|spec| spec.service);
        }
        if self.pipeline.stages.contains_key(&stage.name) {
            self.report.fault(stage.span, format!("there are two stages called `{}`", stage.name));
            return;
        }
        self.pipeline.order.push(stage.name.clone());
        self.pipeline.stages.insert(stage.name.clone(), stage);
    }

    /// Pools of equal name are one pool, so the files that declare it must agree.
    fn add_pools(&mut self, pools: BTreeMap<String, Pool>, tree: &Node) {
        for (name, pool) in pools {
            match self.pipeline.pools.get(&name) {
                Some(known) if *known != pool => {
                    let span = tree.get("pools").map_or(tree.span, |node| node.place(&name));
                    let slots = known.slots;
                    let message = format!("pool `{name}` has {slots} slots in another pipeline file of this project");
                    self.report.fault_with_help(span, message, "give it the same number everywhere, or another name");
                }
                _ => drop(self.pipeline.pools.insert(name, pool)),
            }
        }
    }

    fn finish(mut self) -> Result<Project, ConfigErrors> {
        load_params(&self.pipeline, &mut self.params, &mut self.report);
        if self.report.is_clean() {
            validate(&self.pipeline, &self.params, self.catalog, &mut self.report);
        }
        self.report.finish()?;
        let edges = edges(&self.pipeline);
        Ok(Project { pipeline: self.pipeline, params: self.params, edges, sources: self.sources })
    }
}

/// The built-in and the pool that a stage names exist.
fn check_names(stage: &StageDef, body: &Node, top: &Top, catalog: &dyn BuiltinCatalog, report: &mut Report) {
    let place = |key: &str| body.get(key).map_or(stage.span, |node| node.span);
    if let Work::Builtin(uses) = &stage.work
        && catalog.spec(uses).is_none()
    {
        let names = catalog.names();
        let message = format!("stage `{}` uses `{uses}`, which is not a built-in stage", stage.name);
        let near = nearest(uses, names.iter().map(String::as_str));
        let all = || format!("built-in stages are {}", names.join(", "));
        report.fault_with_help(place("uses"), message, near.map_or_else(all, |word| format!("did you mean `{word}`?")));
    }
    if let Some(pool) = stage.pool.as_ref().filter(|pool| !top.pools.contains_key(*pool)) {
        let message = format!("stage `{}` names the pool `{pool}`, which `pools` does not have", stage.name);
        let near = nearest(pool, top.pools.keys().map(String::as_str));
        let add = || format!("add `pools: {{{pool}: 1}}` at the top level");
        report.fault_with_help(place("pool"), message, near.map_or_else(add, |word| format!("did you mean `{word}`?")));
    }
}

/// Loads what stages list under `params`. Files that stages write are read too if they are there, whatever their
/// state; a fault in those is for the run to find.
pub(super) fn load_params(pipeline: &Pipeline, params: &mut ParamFiles, report: &mut Report) {
    if pipeline.stages.values().all(|stage| stage.params.is_empty()) {
        return;
    }
    let index = OutputIndex::new(pipeline);
    let mut failed: Vec<&RelPath> = Vec::new();
    for source in pipeline.stages.values().flat_map(|stage| &stage.params) {
        if failed.contains(&&source.file) {
            continue;
        }
        if !index.touching(&source.file).is_empty() {
            params.mark_generated(&source.file);
        }
        if let Err(errors) = params.load(&pipeline.root, &source.file) {
            failed.push(&source.file);
            if index.touching(&source.file).is_empty() {
                report.extend(errors.0);
            }
        }
    }
}
