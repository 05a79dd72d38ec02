//! Opening a project: from the command line to a loaded pipeline with its graph.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clinpipe_stages::{ParamError, ParamSet};

use super::args::Global;
use super::error::UsageError;
use crate::config::StageName;
use crate::config::{self, Project};
use crate::graph::{Graph, Matching, Selection};
use crate::key::Digest;
use crate::plan::Workspace;
use crate::serve::{ServeParams, Settings};
use crate::stage::{Catalog, SERVICE};
use crate::store::Store;
use crate::util::RelPath;

/// The catalogue of built-ins, with the service's own parameter check.
pub static CATALOG: Catalog = Catalog { check_service };

fn check_service(params: &ParamSet) -> Result<(), ParamError> {
    let params: ServeParams = params.parse_or_default(SERVICE)?;
    Settings::from_params(&params).map(drop).map_err(|error| ParamError::new(SERVICE, error.to_string()))
}

/// A loaded project.
pub struct Opened {
    /// Pipeline and parameters.
    pub project: Project,
    /// Its graph.
    pub graph: Graph,
    /// The environment of this process.
    pub env: BTreeMap<String, String>,
    /// Whether commands are confined to what they declare.
    pub strict: bool,
}

impl Opened {
    /// Loads the project that the global options name. `overrides` are `--set KEY=VALUE`.
    pub fn load(global: &Global, overrides: &[String]) -> anyhow::Result<Self> {
        let overrides = overrides.iter().map(|text| parse_override(text)).collect::<Result<Vec<_>, _>>()?;
        let (root, file) = locate(global)?;
        Self::load_at(&root, &file, &overrides)
    }

    /// Loads the project of a pipeline file below `root`.
    pub fn load_at(root: &Path, file: &RelPath, overrides: &[(String, String)]) -> anyhow::Result<Self> {
        let project = load_kept(root, file, overrides)?;
        let graph = Graph::with_edges(&project.pipeline, &project.edges)?;
        Ok(Self { project, graph, env: environment(), strict: false })
    }

    /// The project with its store and hints.
    pub fn workspace(&self) -> Workspace<'_> {
        let pipeline = &self.project.pipeline;
        let store = Store::new(&pipeline.root).with_link(pipeline.store.link);
        let hints = store.hints();
        let workspace = Workspace::new(&self.project, &self.graph, &CATALOG, &self.env, store, hints);
        Workspace { strict: self.strict, ..workspace }
    }

    /// The stages that targets select, services excluded.
    pub fn select(&self, targets: &[String], selection: Selection) -> anyhow::Result<Vec<StageName>> {
        self.select_matching(targets, selection, Matching::Exact)
    }

    /// The same for targets that may be patterns.
    pub fn select_matching(
        &self,
        targets: &[String],
        selection: Selection,
        matching: Matching,
    ) -> anyhow::Result<Vec<StageName>> {
        let mut selected = self.graph.select(targets, selection, matching)?;
        selected.retain(|name| !self.project.pipeline.stages[name].service);
        Ok(selected)
    }

    /// The stage of that name.
    pub fn stage(&self, name: &str) -> anyhow::Result<StageName> {
        let stage = StageName(name.to_owned());
        if self.graph.contains(&stage) {
            return Ok(stage);
        }
        match self.graph.resolve(name)?.as_slice() {
            [one] => Ok(one.clone()),
            several => {
                let names: Vec<&str> = several.iter().map(|name| name.0.as_str()).collect();
                let help = format!("name one of them: {}", names.join(", "));
                Err(UsageError::new(format!("`{name}` names more than one stage"), help).into())
            }
        }
    }
}

/// From so many stages on, reading a project takes long enough to keep what was read.
const KEPT_FROM: usize = 100;

/// [`config::load`], or the same result from what an earlier command kept of an unchanged large project.
fn load_kept(root: &Path, file: &RelPath, overrides: &[(String, String)]) -> anyhow::Result<Project> {
    let store = Store::new(root);
    let (name, source) = (format!("project-{}", file.as_str()), Digest::of(file.as_str().as_bytes()));
    if overrides.is_empty()
        && let Some(project) =
            store.derived::<config::Kept<'_>>(&name, source).and_then(|kept| kept.project(root, file))
    {
        return Ok(project);
    }
    let project = config::load(root, file, overrides, &CATALOG)?;
    if project.pipeline.stages.len() >= KEPT_FROM
        && let Some(kept) = config::Kept::of(&project)
    {
        store.keep_derived(&name, source, &kept);
    }
    Ok(project)
}

/// How many stages may run at once.
pub fn jobs(given: Option<u16>) -> usize {
    given.map_or_else(|| std::thread::available_parallelism().map_or(1, usize::from), usize::from)
}

/// Bytes of memory of this machine, or of the control group that clinpipe runs in.
pub fn memory() -> Option<u64> {
    let info = rustix::system::sysinfo();
    let machine = info.totalram.checked_mul(u64::from(info.mem_unit))?;
    let limit = std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok().and_then(|text| text.trim().parse().ok());
    Some(limit.map_or(machine, |limit: u64| limit.min(machine)))
}

/// Root and main pipeline file. The root is what `-C` names; else the nearest directory at or above the pipeline file
/// that holds `.dvc` (a DVC project); else the directory of the pipeline file.
fn locate(global: &Global) -> anyhow::Result<(PathBuf, RelPath)> {
    let here = std::env::current_dir().context("cannot tell the current directory")?;
    let (directory, name) = match &global.file {
        None => (here.clone(), PathBuf::from(config::discover(&here)?.as_str())),
        Some(file) => {
            let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty());
            let name = file.file_name().map(PathBuf::from).unwrap_or_default();
            (parent.map_or_else(|| here.clone(), |parent| here.join(parent)), name)
        }
    };
    let directory = directory.canonicalize().map_err(|error| {
        let message = format!("cannot enter {}: {error}", directory.display());
        UsageError::new(message, "name an existing pipeline file with --file")
    })?;
    let root = match global.directory {
        Some(_) => here.canonicalize().context("cannot tell the current directory")?,
        None => directory.ancestors().find(|above| above.join(".dvc").is_dir()).unwrap_or(&directory).to_owned(),
    };
    let file = directory.join(name);
    if file.is_dir() {
        let message = format!("{} is a directory, not a pipeline file", file.display());
        return Err(UsageError::new(message, "name the file with --file, or the directory with -C").into());
    }
    let local = file.strip_prefix(&root).ok().and_then(Path::to_str).and_then(RelPath::parse).ok_or_else(|| {
        let message = format!("the pipeline file {} lies outside the project", file.display());
        UsageError::new(message, "give a path below the project's directory")
    })?;
    Ok((root, local))
}

fn parse_override(text: &str) -> anyhow::Result<(String, String)> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => {
            let help = "write KEY=VALUE, such as --set train.models=[gbdt]";
            Err(UsageError::new(format!("`--set {text}` has no value"), help).into())
        }
    }
}

/// The environment as text; variables that are not UTF-8 cannot be declared and are left out.
fn environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}
