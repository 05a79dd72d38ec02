//! A project's files to a checked [`Project`].

use std::collections::BTreeMap;
use std::path::Path;

use super::diagnostic::{ConfigError, ConfigErrors, Source};
use super::overlap::OutputIndex;
use super::params::ParamFiles;
use super::pipeline::{BuiltinCatalog, Pipeline, StageDef, StageName, Work};
use super::report::Report;
use super::schema::{Top, read_stage, read_top};
use super::template::{Context, Surroundings, expand, load_vars};
use super::validate::validate;
use super::yaml::{self, Node};
use crate::util::{RelPath, nearest};

/// File names that [`discover`] looks for, in order.
const NAMES: [&str; 2] = ["pipeline.yaml", "dvc.yaml"];

/// A loaded and checked project.
#[derive(Debug, Clone)]
pub struct Project {
    /// Its stages.
    pub pipeline: Pipeline,
    /// The parameter files they read.
    pub params: ParamFiles,
}

/// The pipeline file of a directory: `pipeline.yaml`, else `dvc.yaml`.
pub fn discover(root: &Path) -> Result<RelPath, ConfigErrors> {
    let found = NAMES.iter().filter(|name| root.join(name).is_file()).find_map(|name| RelPath::parse(name));
    found.ok_or_else(|| {
        ConfigError::of_file(NAMES[0], "there is neither pipeline.yaml nor dvc.yaml in this directory")
            .help("start a project with `clinpipe init`, or name the file with `--file`")
            .into()
    })
}

/// Loads a pipeline file and the parameter files it names, and checks everything that needs no run. `overrides` are
/// the `--set key=value` pairs, in order. Paths in the file are relative to its directory.
pub fn load(
    root: &Path,
    file: &RelPath,
    overrides: &[(String, String)],
    catalog: &dyn BuiltinCatalog,
) -> Result<Project, ConfigErrors> {
    let Some(source) = Source::read(root, file)? else {
        return Err(ConfigError::of_file(file.as_str(), "the pipeline file does not exist").into());
    };
    let tree = yaml::parse(&source)?;
    let base = file.as_str().rsplit_once('/').and_then(|(dir, _)| RelPath::parse(dir)).unwrap_or_default();
    let main = RelPath::resolve(&base, "params.yaml").unwrap_or_default();
    let mut params = ParamFiles::new(root, main)?;
    for (key, value) in overrides {
        params.set(key, value)?;
    }
    let mut report = Report::new(&source);
    let mut context = Context::new(&params);
    if let Some(vars) = tree.get("vars") {
        load_vars(&mut context, vars, (root, &base), &mut params, &mut report);
    }
    let (top, entries) = read_top(&tree, &context, &base, &mut report);
    let mut stages: BTreeMap<StageName, StageDef> = BTreeMap::new();
    let mut order = Vec::new();
    for entry in entries {
        let mut around = Surroundings { root, base: &base, params: &mut params };
        for expanded in expand(entry, &context, &mut around, &mut report) {
            let Some(mut stage) = read_stage(&expanded, &base, &mut report) else { continue };
            check_names(&stage, &expanded.body, &top, catalog, &mut report);
            if let Work::Builtin(uses) = &stage.work {
                stage.service = catalog.spec(uses).is_some_and(|spec| spec.service);
            }
            if stages.contains_key(&stage.name) {
                report.fault(stage.span, format!("there are two stages called `{}`", stage.name));
                continue;
            }
            order.push(stage.name.clone());
            stages.insert(stage.name.clone(), stage);
        }
    }
    let pipeline = Pipeline {
        root: root.to_owned(),
        file: file.clone(),
        stages,
        order,
        pools: top.pools,
        metrics: top.metrics,
        store: top.store,
        params: top.params,
        plots: top.plots,
    };
    load_params(&pipeline, &mut params, &mut report);
    if report.is_clean() {
        validate(&pipeline, &params, catalog, &mut report);
    }
    report.finish()?;
    Ok(Project { pipeline, params })
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
fn load_params(pipeline: &Pipeline, params: &mut ParamFiles, report: &mut Report) {
    let index = OutputIndex::new(pipeline);
    let mut failed: Vec<&RelPath> = Vec::new();
    for source in pipeline.stages.values().flat_map(|stage| &stage.params) {
        if failed.contains(&&source.file) {
            continue;
        }
        if let Err(errors) = params.load(&pipeline.root, &source.file) {
            failed.push(&source.file);
            if index.touching(&source.file).is_empty() {
                report.extend(errors.0);
            }
        }
    }
}
