//! `clinpipe serve`: from flags, params and environment to a running service.

mod audited;
mod key;
mod logs;
mod probe;
mod settings;
mod source;

use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::Access;
use serde_json::{Value, json};

use self::audited::{ServiceAudit, Taken};
use self::logs::{Writers, log_key, open_logs};
use self::settings::Chosen;
use self::source::{Bounds, BundleSource};
pub(in crate::cli) use self::source::{load_bundle, rejection};
use super::args::Global;
use super::error::UsageError;
use super::exit::Exit;
use super::output::Output;
use super::project::Opened;
use crate::config::{self, Project};
use crate::graph::Selection;
use crate::plan::{Plan, PlanOptions};
use crate::serve::{self, Level, Lineup, Logs, Model, Seat, Settings, same_question};
use crate::stage::SERVICE;
use crate::util::RelPath;

/// Where the pipeline writes its bundle.
pub(super) const DEFAULT_BUNDLE: &str = "artifacts/bundle";

/// `serve`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct ServeArgs {
    #[command(subcommand)]
    command: Option<ServeCommand>,
    /// The bundle's directory; otherwise what the service in the pipeline names, else artifacts/bundle.
    #[arg(long, value_name = "DIR")]
    bundle: Option<PathBuf>,
    /// File of settings, with the keys of `serve` in params.yaml; wins over those, and the environment wins over it.
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
    /// Address to listen at; one that other machines can reach needs a key.
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
    /// Port to listen at; 0 lets the system choose.
    #[arg(long)]
    port: Option<u16>,
    /// Probability from which a patient is flagged, in place of the bundle's threshold; answers say that it was set here.
    #[arg(long, value_name = "P")]
    threshold: Option<f64>,
    /// A second bundle, on trial: it answers for --canary-share of the patients and for who asks for it.
    #[arg(long, value_name = "DIR")]
    canary: Option<PathBuf>,
    /// Share of the patients that the bundle on trial answers for, from 0 to 1.
    #[arg(long, value_name = "SHARE")]
    canary_share: Option<f64>,
    /// Seconds between two looks whether a served bundle has changed on disk; SIGHUP loads it at any time.
    #[arg(long, value_name = "SECONDS")]
    reload_poll: Option<f64>,
    /// File to which every prediction is recorded as a line of JSON; CLINPIPE_LOG_KEY is the key of its pseudonyms.
    #[arg(long, value_name = "FILE")]
    predictions: Option<PathBuf>,
    /// File of API keys: names, hashes and scopes. `clinpipe serve key new` makes an entry.
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,
    /// Serve an address that other machines can reach without any key.
    #[arg(long)]
    allow_open: bool,
    /// Why the threshold is not the bundle's, for the audit chain.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Check the bundle, the settings and the files they name, then exit.
    #[arg(long)]
    check: bool,
}

/// What else `serve` does.
#[derive(Debug, clap::Subcommand)]
enum ServeCommand {
    /// API keys.
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// Ask a running service whether it is ready; exit 0 when it is, 1 when not.
    Probe(probe::ProbeArgs),
}

/// Serves until a signal, or with `--check` says whether it would.
pub fn run(global: &Global, args: &ServeArgs, output: &Output) -> anyhow::Result<Exit> {
    match &args.command {
        Some(ServeCommand::Key(command)) => return key::run(command, output),
        Some(ServeCommand::Probe(args)) => return probe::run(args, output),
        None => {}
    }
    let declared = Declared::read(global)?;
    let chosen = Chosen::read(args, declared.params())?;
    for warning in &chosen.warnings {
        output.talk(warning);
    }
    let bundle = chosen.params.bundle.as_ref().unwrap_or(&declared.bundle);
    let bounds = Bounds::new(&chosen.params);
    let champion = BundleSource::new(bundle, bounds.clone());
    let served = champion.read()?;
    if let Some(doubt) = declared.opened.as_ref().map(|opened| doubt(opened, bundle)).transpose()?.flatten() {
        output.talk(&format!("warning: {doubt}"));
    }
    if let Some(warning) = rejection(bundle) {
        output.talk(&warning);
    }
    let canary = chosen.settings.canary.as_ref();
    let canary = canary.map(|canary| (BundleSource::new(&canary.bundle, bounds), canary.share));
    let challenger = match canary {
        Some((source, share)) => {
            let model = source.read()?;
            same_question(served.info(), model.info()).map_err(|cause| {
                UsageError::new(format!("the challenger: {cause}"), "name a bundle of the same study")
            })?;
            Some((source, model, share))
        }
        None => None,
    };
    let key_file = chosen.params.predictions.as_ref().and_then(|predictions| predictions.key_file.as_deref());
    if args.check {
        // The file itself may be in the hands of the service that runs.
        log_key(key_file)?;
        try_directory(&chosen.settings)?;
        if let Some(remark) = try_address(&chosen.settings)? {
            output.talk(&remark);
        }
        output.data(&format!("{}{}", describe(served.info(), &chosen.settings), chosen.told()))?;
        return Ok(Exit::Done);
    }
    let audit =
        declared.opened.as_ref().map(|opened| Arc::new(ServiceAudit::new(opened, args.reason.as_ref(), output)));
    let models = Models { champion: (champion, served), challenger };
    let started = open_logs(&chosen.settings, key_file, output)?;
    answer(models, chosen.settings, started, audit.as_ref())?;
    Ok(Exit::Done)
}

/// Where models come from, and as they are now; the one on trial with its share.
struct Models {
    champion: (BundleSource, Arc<dyn Model>),
    challenger: Option<(BundleSource, Arc<dyn Model>, f64)>,
}

/// Serves until a signal, and records that it did.
fn answer(
    models: Models,
    settings: Settings,
    (logs, writers): (Logs, Writers),
    audit: Option<&Arc<ServiceAudit>>,
) -> Result<(), serve::ServeError> {
    let Models { champion: (champion, served), challenger } = models;
    let log = logs.service.clone();
    // The payload may hold anything; the place is enough to find the defect.
    std::panic::set_hook(Box::new(move |panic| {
        log.line(Level::Error, "panic", &json!({"place": panic.location().map(ToString::to_string)}));
    }));
    let path = champion.path();
    if let Some(audit) = audit {
        let one = |source: &BundleSource, model: &Arc<dyn Model>| {
            (source.path(), model.info().clone(), source.own_threshold())
        };
        let on_trial = challenger.as_ref().map(|(source, model, _)| one(source, model));
        audit.started(&std::iter::once(one(&champion, &served)).chain(on_trial).collect::<Vec<_>>());
    }
    let seat = |source: BundleSource, model: Arc<dyn Model>| {
        let taken = audit.map(|audit| Taken::new(audit, &source.path(), model.info()));
        Seat { model, source: Some(Arc::new(source.audited(taken))) }
    };
    let challenger = challenger.map(|(source, model, share)| (seat(source, model), share));
    let ended = serve::serve(Lineup { champion: seat(champion, served), challenger }, settings, logs.clone());
    writers.finish(logs);
    if let Some(audit) = audit {
        audit.stopped(&path);
    }
    ended.map(drop)
}

/// What the pipeline says of its service. A bundle can be served without a pipeline, and then the defaults hold.
struct Declared {
    opened: Option<Opened>,
    bundle: PathBuf,
    params: Option<Value>,
}

impl Declared {
    fn read(global: &Global) -> anyhow::Result<Self> {
        let mut declared = Self { opened: None, bundle: PathBuf::from(DEFAULT_BUNDLE), params: None };
        if global.file.is_none() && config::discover(Path::new(".")).is_err() {
            return Ok(declared);
        }
        let opened = declared.opened.insert(Opened::load(global, &[])?);
        let Project { pipeline, params, .. } = &opened.project;
        let Some(service) = pipeline.stages.values().find(|stage| stage.service) else { return Ok(declared) };
        if let Some(dep) = service.deps.iter().find(|dep| dep.role.as_deref() == Some("bundle")) {
            declared.bundle = dep.path.under(&pipeline.root);
        }
        declared.params = params.builtin_params(service).get(SERVICE).cloned();
        Ok(declared)
    }

    /// The settings in params.yaml, with the directory that relative paths in them start at.
    fn params(&self) -> Option<(&Value, &Path)> {
        Some((self.params.as_ref()?, &self.opened.as_ref()?.project.pipeline.root))
    }
}

/// Why a bundle may not be the one that the pipeline stands for: nothing is brought up to date behind the user's back.
fn doubt(opened: &Opened, bundle: &Path) -> anyhow::Result<Option<String>> {
    let root = &opened.project.pipeline.root;
    let Ok(bundle) = std::path::absolute(bundle) else { return Ok(None) };
    let Some(path) = bundle.strip_prefix(root).ok().and_then(|path| RelPath::parse(path.to_str()?)) else {
        return Ok(None);
    };
    let mut stages = opened.project.pipeline.stages.values();
    let Some(stage) = stages.find(|stage| stage.outs.iter().any(|out| out.path == path)) else { return Ok(None) };
    let selected = opened.select(std::slice::from_ref(&stage.name.0), Selection::Upstream)?;
    let workspace = opened.workspace();
    let plan = Plan::new(&workspace, &workspace.current_lock()?, &selected, PlanOptions::default())?;
    let planned = plan.stages.iter().find(|planned| planned.name == stage.name);
    Ok(planned
        .and_then(|planned| planned.reasons.first())
        .map(|reason| format!("{path} is not up to date: {reason}; `clinpipe repro` brings it up to date")))
}

/// Whether predictions can be recorded where they shall be.
fn try_directory(settings: &Settings) -> anyhow::Result<()> {
    let Some(recording) = &settings.predictions else { return Ok(()) };
    let dir = recording.file.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    rustix::fs::access(dir, Access::WRITE_OK | Access::EXEC_OK).map_err(|error| {
        let message = format!("cannot record predictions in {}: {error}", recording.file.display());
        UsageError::new(message, "name a file in a directory that can be written to, for this service alone").into()
    })
}

/// Whether the address is this machine's to listen at; a remark when its port is taken, as it is while the service that
/// is to be replaced still runs.
fn try_address(settings: &Settings) -> anyhow::Result<Option<String>> {
    let address = settings.address();
    match TcpListener::bind(address) {
        Ok(_free) => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Ok(Some(format!("warning: {address} is in use now"))),
        Err(error) => Err(anyhow::Error::new(error).context(format!("cannot listen at {address}"))),
    }
}

fn describe(info: &serve::ModelInfo, settings: &Settings) -> String {
    let key = if settings.keyed() { "with an API key" } else { "without an API key" };
    let scheme = if settings.tls.is_some() { "https" } else { "http" };
    let decision = match &info.decision {
        Some(decision) => format!("threshold {} ({})", decision.threshold, decision.threshold_version),
        None => "predicts a number".to_owned(),
    };
    format!(
        "ok: {} model of bundle {}, trained on {} data, {decision}, answers as {}; would listen at {scheme}://{} {key}\n",
        info.name,
        info.version(),
        info.data,
        info.profile.name,
        settings.address(),
    )
}
