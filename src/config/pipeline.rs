//! The typed pipeline: what every other room reads instead of YAML.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::plot::PlotDef;
use super::storage::StoreSettings;
use crate::util::RelPath;

/// The address of a stage, unique in its project: its name, preceded by `FILE:` when it does not stand in the project's
/// main pipeline file (`train`, `sub/dvc.yaml:train`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StageName(pub String);

impl fmt::Display for StageName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A place in a text file; lines and columns count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Span {
    /// Line.
    pub line: usize,
    /// Column, in characters.
    pub column: usize,
}

/// A loaded, valid project: the main pipeline file and all others below the root. Paths are relative to `root`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Pipeline {
    /// The project: the absolute directory of the pipeline file, or what `-C` names.
    #[serde(skip)]
    pub root: PathBuf,
    /// The main pipeline file, as `pipeline.yaml`: what commands without a target mean.
    pub file: RelPath,
    /// The pipeline files of other directories, in path order.
    pub others: Vec<RelPath>,
    /// All stages by address. Iteration is in address order; `order` keeps that of the files.
    pub stages: BTreeMap<StageName, StageDef>,
    /// Stage addresses in the order of the files, those of the main file first.
    pub order: Vec<StageName>,
    /// Named pools; they bound the whole run, whichever file declares them.
    pub pools: BTreeMap<String, Pool>,
    /// Top-level `metrics:` files, in addition to the stages' metrics.
    pub metrics: Vec<RelPath>,
    /// How the store is used, and where its remotes are.
    pub store: StoreSettings,
    /// Top-level `params:` files, shown by `params diff` in addition to those of the stages.
    pub params: Vec<RelPath>,
    /// Top-level `plots:`, in addition to the stages' plots.
    pub plots: Vec<PlotDef>,
}

impl Pipeline {
    /// All pipeline files, the main one first.
    pub fn files(&self) -> impl Iterator<Item = &RelPath> {
        std::iter::once(&self.file).chain(&self.others)
    }

    /// The address of the stage that a pipeline file calls `name`.
    pub fn address(&self, file: &RelPath, name: &str) -> StageName {
        StageName(if *file == self.file { name.to_owned() } else { format!("{file}:{name}") })
    }
}

/// How many stages of a pool may run at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pool {
    /// At least 1.
    pub slots: u32,
}

impl StageDef {
    /// The directory of its pipeline file.
    pub fn base(&self) -> RelPath {
        self.file.parent()
    }
}

/// What a stage executes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Work {
    /// Shell commands, run in order, each in its own shell.
    Command(Vec<String>),
    /// A built-in stage by name.
    Builtin(String),
}

/// One stage as declared.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StageDef {
    /// Its address in the project.
    pub name: StageName,
    /// The pipeline file that declares it.
    pub file: RelPath,
    /// Its name in that file.
    pub local: String,
    /// Where its name stands in that file.
    pub span: Span,
    /// What it executes.
    pub work: Work,
    /// Where a command runs; paths below are already resolved against it.
    pub wdir: RelPath,
    /// What it reads, in declared order.
    pub deps: Vec<Dep>,
    /// Which parameters it sees.
    pub params: Vec<ParamSource>,
    /// What it writes, in declared order: outs, metrics, plots.
    pub outs: Vec<Output>,
    /// Declared environment variables; `None`: the whole environment is inherited and none is tracked.
    pub env: Option<Vec<String>>,
    /// Limits and scheduling; not part of the key.
    pub resources: Resources,
    /// The command is killed after this time.
    pub timeout: Option<Duration>,
    /// How often a failed attempt is repeated.
    pub retries: u32,
    /// The pool that bounds how many run at once.
    pub pool: Option<String>,
    /// Never run; its outputs are taken as they are.
    pub frozen: bool,
    /// Run every time.
    pub always_changed: bool,
    /// A service (`uses: serve`): in the graph, never run by `repro`.
    pub service: bool,
    /// Free text.
    pub desc: Option<String>,
}

/// One input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dep {
    /// Its role, for built-in stages.
    pub role: Option<String>,
    /// File or directory.
    pub path: RelPath,
    /// Whether it may be absent; absence is part of the key.
    pub optional: bool,
    /// Where it is declared.
    pub span: Span,
}

/// Parameters of one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParamSource {
    /// The file, usually `params.yaml`.
    pub file: RelPath,
    /// Dotted keys; `None` = the whole file.
    pub keys: Option<Vec<String>>,
    /// Where it is declared.
    pub span: Span,
}

/// What an output is for; not part of the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OutClass {
    /// Under `outs:`.
    Out,
    /// Under `metrics:`; read by the `metrics` commands.
    Metric,
    /// Under `plots:`.
    Plot,
}

/// One output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// Its role, for built-in stages.
    pub role: Option<String>,
    /// File or directory.
    pub path: RelPath,
    /// Whether it was written with a trailing `/` (a directory).
    pub directory: bool,
    /// What it is for.
    pub class: OutClass,
    /// Whether the store keeps its bytes.
    pub cache: bool,
    /// Whether the previous content stays in place before a run.
    pub persist: bool,
    /// Whether `push` and `fetch` concern it.
    pub push: bool,
    /// Where it is declared.
    pub span: Span,
    /// How a plot is drawn, once for each drawing; empty for other outputs.
    pub plots: Vec<PlotDef>,
}

impl Output {
    /// Whether the store keeps its bytes. Metrics and plots are small and always kept, whatever their flag says: a
    /// command that reads them from an older lock needs them.
    pub fn is_stored(&self) -> bool {
        self.cache || self.class != OutClass::Out
    }
}

/// What a stage may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Resources {
    /// Threads; the default for built-ins is the run's `-j`.
    pub threads: Option<usize>,
    /// Bytes of address space.
    pub memory: Option<u64>,
}

/// What a built-in stage declares; the engine's side of `clinpipe_stages::Stage`.
#[derive(Debug, Clone)]
pub struct BuiltinSpec {
    /// The version that is part of the action key.
    pub version: u32,
    /// Input roles.
    pub inputs: Vec<BuiltinRole>,
    /// Output roles.
    pub outputs: Vec<BuiltinRole>,
    /// Top-level keys of params.yaml.
    pub params: Vec<BuiltinRole>,
    /// Whether it is a service, started by its own command.
    pub service: bool,
}

/// A role or a parameter key of a built-in stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuiltinRole {
    /// Its name.
    pub name: String,
    /// Whether it must be bound.
    pub required: bool,
    /// What it is.
    pub about: String,
}

/// What the loader asks about built-in stages; implemented by `stage/`.
pub trait BuiltinCatalog {
    /// All names, in pipeline order.
    fn names(&self) -> Vec<String>;
    /// The declaration of one.
    fn spec(&self, uses: &str) -> Option<BuiltinSpec>;
    /// Checks its parameters (top-level key → value). The error is a dotted path and a message.
    fn check_params(
        &self,
        uses: &str,
        params: &serde_json::Map<String, serde_json::Value>,
    ) -> Result<(), (String, String)>;
}
