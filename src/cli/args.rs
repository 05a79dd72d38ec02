//! The command line as typed.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::audit::AuditCommand;
use super::cache::CacheCommand;
use super::check_claims::CheckClaimsArgs;
use super::checkout::CheckoutArgs;
use super::commit::CommitArgs;
use super::compare::CompareArgs;
use super::completions::CompletionsArgs;
use super::dag::DagArgs;
use super::decision::DecisionArgs;
use super::export::ExportCommand;
use super::freeze::FreezeArgs;
use super::lineage::LineageArgs;
use super::man::ManArgs;
use super::params::ParamsCommand;
use super::plots::PlotsCommand;
use super::predict::PredictArgs;
use super::registry::{PromoteArgs, RegistryCommand};
use super::remote::{FetchArgs, PullArgs, PushArgs};
use super::schema::SchemaArgs;
use super::serve::ServeArgs;

/// Reproducible pipelines for clinical risk models.
#[derive(Debug, Parser)]
#[command(name = "clinpipe", version, about, max_term_width = 100, subcommand_required = true)]
pub struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the help calls the options of every command.
const GLOBAL: &str = "Options of every command";

/// Options that every command takes.
#[derive(Debug, Args)]
pub struct Global {
    /// Work in this directory.
    #[arg(short = 'C', long = "directory", value_name = "DIR", global = true, help_heading = GLOBAL)]
    pub directory: Option<PathBuf>,
    /// The pipeline file; otherwise pipeline.yaml, else dvc.yaml.
    #[arg(long, value_name = "FILE", global = true, help_heading = GLOBAL)]
    pub file: Option<PathBuf>,
    /// When to use colours.
    #[arg(long, value_enum, default_value_t, global = true, help_heading = GLOBAL)]
    pub color: Color,
    /// Say nothing but errors.
    #[arg(short, long, global = true, help_heading = GLOBAL)]
    pub quiet: bool,
    /// Say more: every fresh stage, every reason.
    #[arg(short, long, global = true, help_heading = GLOBAL, conflicts_with = "quiet")]
    pub verbose: bool,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write a ready project.
    Init(InitArgs),
    /// Bring stages up to date.
    Repro(ReproArgs),
    /// Tell which stages are stale, and why.
    Status(StatusArgs),
    /// Show everything that identifies a stage's work, and what has changed.
    Why(WhyArgs),
    /// Show the graph.
    Dag(DagArgs),
    /// Show or compare metrics; gate on them.
    #[command(subcommand)]
    Metrics(MetricsCommand),
    /// Compare parameters.
    #[command(subcommand)]
    Params(ParamsCommand),
    /// Execute everything again in an empty place and compare every byte with the lock.
    Verify(VerifyArgs),
    /// Bring outputs as the lock has them from the store.
    Checkout(CheckoutArgs),
    /// Record outputs as they are, without running.
    Commit(CommitArgs),
    /// Keep stages from running: take their outputs as they are.
    Freeze(FreezeArgs),
    /// Let frozen stages run again.
    Unfreeze(FreezeArgs),
    /// Measure, clean or check the store.
    #[command(subcommand)]
    Cache(CacheCommand),
    /// Send what the lock names to a remote.
    Push(PushArgs),
    /// Get what the lock names from a remote into the store.
    Fetch(FetchArgs),
    /// Get what the lock names from a remote, and check it out.
    Pull(PullArgs),
    /// Print what a stage wrote to its log when it last ran.
    Log(LogArgs),
    /// Score a table with a bundle.
    Predict(PredictArgs),
    /// Hand a bundle's model over to another library.
    #[command(subcommand)]
    Export(ExportCommand),
    /// Host a bundle as an HTTP service.
    Serve(ServeArgs),
    /// Make a version the champion or the challenger, if it may be.
    Promote(PromoteArgs),
    /// List, show or roll back the versions of models.
    #[command(subcommand)]
    Registry(RegistryCommand),
    /// Show, check, sign, anchor or export the audit chain.
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Tell which reported numbers cannot be true together.
    CheckClaims(CheckClaimsArgs),
    /// Say what `decide` has decided about a model in use.
    Decision(DecisionArgs),
    /// Follow an artifact back to the raw data.
    Lineage(LineageArgs),
    /// Draw the plots of the workspace, or of several revisions together.
    #[command(subcommand)]
    Plots(PlotsCommand),
    /// Print the JSON Schema of a file that people write.
    Schema(SchemaArgs),
    /// Print a script that completes commands in a shell.
    Completions(CompletionsArgs),
    /// Print the manual page, or write one for every command.
    Man(ManArgs),
}

/// `init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// Where; created when missing.
    #[arg(default_value = ".")]
    pub dir: PathBuf,
    /// Which study.
    #[arg(long, value_enum, default_value_t)]
    pub study: Study,
}

/// The embedded studies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Study {
    /// Trial dropout, with a threshold by cost.
    #[default]
    Dropout,
    /// Trial dropout from dated events, by a landmark day.
    DropoutVisits,
    /// Treatment outcome, a number.
    Outcome,
    /// Stroke risk, with a threshold by F2.
    Stroke,
    /// Yearly risk of patients with a past, split in time.
    PatientYear,
    /// A pipeline of one command, to start from.
    Empty,
}

/// `repro`.
#[derive(Debug, Args)]
pub struct ReproArgs {
    /// Stages, groups, outputs or pipeline files; the stages of the main pipeline file when none is given.
    pub targets: Vec<String>,
    /// How many stages may run at once; the number of cores when absent.
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: Option<u16>,
    /// Run even what is fresh, without asking the action cache.
    #[arg(short, long)]
    pub force: bool,
    /// Only the named stages, in the order given, not what they need.
    #[arg(short, long, requires = "targets", conflicts_with_all = ["pipeline", "all_pipelines", "downstream"])]
    pub single_item: bool,
    /// Everything connected with the targets, in either direction.
    #[arg(short, long, conflicts_with_all = ["all_pipelines", "downstream"])]
    pub pipeline: bool,
    /// Every stage of every pipeline file below the root.
    #[arg(short = 'P', long, conflicts_with = "downstream")]
    pub all_pipelines: bool,
    /// The targets and what needs them, instead of what they need.
    #[arg(long)]
    pub downstream: bool,
    /// Run what reads the outputs of a stage that ran, even if they have not changed.
    #[arg(long)]
    pub force_downstream: bool,
    /// Take files that are not there for what the lock says of them.
    #[arg(long)]
    pub allow_missing: bool,
    /// Read the targets as shell patterns over stage names.
    #[arg(long, requires = "targets")]
    pub glob: bool,
    /// After a failure, go on with what does not depend on it.
    #[arg(short, long, conflicts_with = "ignore_errors")]
    pub keep_going: bool,
    /// After a failure, try what depends on it as well; its results are not recorded.
    #[arg(long)]
    pub ignore_errors: bool,
    /// Record results in the lock, but keep neither them nor their bytes in the store.
    #[arg(long)]
    pub no_commit: bool,
    /// Show what would run, and why; change nothing.
    #[arg(long, visible_alias = "dry")]
    pub dry_run: bool,
    /// With --dry-run: exit 1 when something would run.
    #[arg(long, requires = "dry_run")]
    pub check: bool,
    /// Replace a parameter for this run; FILE:KEY=VALUE for another file than params.yaml.
    #[arg(short = 'S', long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Fail if an output differs from the committed lock; leave the lock as it is.
    #[arg(long)]
    pub locked: bool,
    /// Do not take results from the action cache.
    #[arg(long)]
    pub no_run_cache: bool,
    /// Confine commands to the workspace files they declare (Linux), in a bare environment.
    #[arg(long)]
    pub strict: bool,
    /// Print the result as one JSON document.
    #[arg(long)]
    pub json: bool,
    /// Write every event as a line of JSON.
    #[arg(long, value_name = "FILE")]
    pub events: Option<PathBuf>,
    /// Write the run's lineage as OpenLineage events, a line of JSON each; OPENLINEAGE_NAMESPACE names the project.
    #[arg(long, value_name = "FILE")]
    pub openlineage: Option<PathBuf>,
}

/// `status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Stages, groups, outputs or pipeline files; the stages of the main pipeline file when none is given.
    pub targets: Vec<String>,
    /// Every stage of every pipeline file below the root.
    #[arg(short = 'P', long)]
    pub all_pipelines: bool,
    /// Exit 1 when something is stale; --quiet implies it.
    #[arg(long)]
    pub check: bool,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
}

/// `why`.
#[derive(Debug, Args)]
pub struct WhyArgs {
    /// The stage.
    pub stage: String,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
}

/// `metrics`.
#[derive(Debug, Subcommand)]
pub enum MetricsCommand {
    /// Print all metrics.
    Show(MetricsShowArgs),
    /// Compare metrics between two git revisions, or one and the workspace.
    Diff(MetricsDiffArgs),
}

/// `metrics show`.
#[derive(Debug, Args)]
pub struct MetricsShowArgs {
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
    /// Print a Markdown table.
    #[arg(long, conflicts_with = "json")]
    pub md: bool,
}

/// `metrics diff`.
#[derive(Debug, Args)]
pub struct MetricsDiffArgs {
    /// What is compared, and how it is shown.
    #[command(flatten)]
    pub compare: CompareArgs,
    /// Rules to enforce; exit 1 when one fails.
    #[arg(long, value_name = "FILE")]
    pub gate: Option<PathBuf>,
}

/// `verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// Stages, groups, outputs or pipeline files; the stages of the main pipeline file when none is given.
    pub targets: Vec<String>,
    /// How many stages may run at once; the number of cores when absent.
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: Option<u16>,
    /// Print the result as one JSON document.
    #[arg(long)]
    pub json: bool,
}

/// `log`.
#[derive(Debug, Args)]
pub struct LogArgs {
    /// The stage.
    pub stage: String,
}
