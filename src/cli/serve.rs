//! `clinpipe serve`: from flags, params and environment to a running service.

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::Context;
use clinpipe_stages::bundle::{Bundle, BundleError, MANIFEST, Overrides};
use serde::Deserialize;
use serde_json::Value;

use super::args::Global;
use super::error::UsageError;
use super::exit::Exit;
use super::output::Output;
use super::project::Opened;
use crate::config::{self, Project};
use crate::graph::Selection;
use crate::plan::{Plan, PlanOptions};
use crate::serve::{
    self, AccessLog, ApiKey, BundleModel, CanaryParams, Lineup, Loaded, LogKey, LogWriter, Logs, Model, Papers,
    PredictionLog, PredictionParams, RecordWriter, Seat, ServeParams, Settings, Source,
};
use crate::stage::SERVICE;
use crate::util::{RelPath, utc};

/// The variable that holds the API key.
const KEY_VARIABLE: &str = "CLINPIPE_API_KEY";
/// The variable that holds the key of the pseudonyms in the log of predictions.
const LOG_KEY_VARIABLE: &str = "CLINPIPE_LOG_KEY";
/// Where the pipeline writes its bundle.
pub(super) const DEFAULT_BUNDLE: &str = "artifacts/bundle";

/// `serve`.
#[derive(Debug, clap::Args)]
pub struct ServeArgs {
    /// The bundle's directory; otherwise what the service in the pipeline names, else artifacts/bundle.
    #[arg(long, value_name = "DIR")]
    pub bundle: Option<PathBuf>,
    /// Address to listen at; one that other machines can reach needs the API key in CLINPIPE_API_KEY.
    #[arg(long, value_name = "HOST")]
    pub host: Option<String>,
    /// Port to listen at; 0 lets the system choose.
    #[arg(long)]
    pub port: Option<u16>,
    /// Probability from which a patient is flagged, in place of the bundle's threshold; answers say that it was set here.
    #[arg(long, value_name = "P")]
    pub threshold: Option<f64>,
    /// A second bundle, on trial: it answers for --canary-share of the patients and for who asks for it.
    #[arg(long, value_name = "DIR")]
    pub canary: Option<PathBuf>,
    /// Share of the patients that the bundle on trial answers for, from 0 to 1.
    #[arg(long, value_name = "SHARE", requires = "canary")]
    pub canary_share: Option<f64>,
    /// Seconds between two looks whether a served bundle has changed on disk; SIGHUP loads it at any time.
    #[arg(long, value_name = "SECONDS")]
    pub reload_poll: Option<f64>,
    /// File to which every prediction is recorded as a line of JSON; CLINPIPE_LOG_KEY is the key of its pseudonyms.
    #[arg(long, value_name = "FILE")]
    pub predictions: Option<PathBuf>,
    /// Check the bundle and the settings, then exit.
    #[arg(long)]
    pub check: bool,
}

/// Serves until a signal, or with `--check` says whether it would.
pub fn run(global: &Global, args: &ServeArgs, output: &Output) -> anyhow::Result<Exit> {
    let declared = Declared::read(global)?;
    let settings = settings(args, declared.params)?;
    let bundle = args.bundle.as_ref().unwrap_or(&declared.bundle);
    let champion = BundleSource::new(bundle, args);
    let served = champion.read()?;
    if let Some(doubt) = declared.opened.as_ref().map(|opened| doubt(opened, bundle)).transpose()?.flatten() {
        output.talk(&format!("warning: {doubt}"));
    }
    if let Some(warning) = rejection(bundle) {
        output.talk(&warning);
    }
    let canary = settings.canary.as_ref().map(|canary| (BundleSource::new(&canary.bundle, args), canary.share));
    let challenger = match canary {
        Some((source, share)) => {
            let model = source.read()?;
            Some((Seat { model, source: Some(Arc::new(source)) }, share))
        }
        None => None,
    };
    if args.check {
        // The file itself may be in the hands of the service that runs.
        log_key(declared.log_key.as_deref())?;
        output.data(&describe(served.info(), &settings))?;
        return Ok(Exit::Done);
    }
    let lineup = Lineup { champion: Seat { model: served, source: Some(Arc::new(champion)) }, challenger };
    let (logs, writers) = open_logs(&settings, declared.log_key.as_deref(), output)?;
    let ended = serve::serve(lineup, settings, logs.clone());
    writers.finish(logs);
    ended?;
    Ok(Exit::Done)
}

/// The directory of a bundle, from which the service reads its model again and again.
struct BundleSource {
    dir: PathBuf,
    overrides: Overrides,
}

impl BundleSource {
    fn new(dir: &Path, args: &ServeArgs) -> Self {
        Self { dir: dir.to_owned(), overrides: overrides(args) }
    }

    fn read(&self) -> anyhow::Result<Arc<dyn Model>> {
        let Self { dir, overrides } = self;
        let model = BundleModel::new(load_bundle(dir)?, overrides, papers(dir)).map_err(|error| {
            UsageError::new(format!("{} cannot be served so: {error}", dir.display()), "see `clinpipe serve --help`")
        })?;
        Ok(Arc::new(model))
    }
}

impl Source for BundleSource {
    fn load(&self) -> Result<Loaded, String> {
        let model = self.read().map_err(|error| format!("{error:#}"))?;
        Ok(Loaded { model, remark: rejection(&self.dir) })
    }

    fn stamp(&self) -> Option<String> {
        // A bundle is installed as a whole or file by file; its manifest covers all of them.
        let manifest = fs::metadata(self.dir.join(MANIFEST)).ok()?;
        Some(format!("{}:{}:{}.{}", manifest.ino(), manifest.len(), manifest.ctime(), manifest.ctime_nsec()))
    }
}

/// The threads that write the logs.
struct Writers {
    service: LogWriter,
    predictions: Option<RecordWriter>,
}

impl Writers {
    /// Waits for the last lines; the predictions first, since their writer may have something to tell.
    fn finish(self, logs: Logs) {
        if let Some(writer) = self.predictions {
            logs.predictions.finish(writer);
        }
        logs.service.finish(self.service);
    }
}

fn open_logs(settings: &Settings, key_file: Option<&Path>, output: &Output) -> anyhow::Result<(Logs, Writers)> {
    let clock = || utc::rfc3339(SystemTime::now());
    let (service, writer) = AccessLog::start(Box::new(io::stderr()), clock).context("cannot start the log")?;
    let service = service.at(settings.log_level);
    let mut logs = Logs { service, predictions: PredictionLog::default() };
    let mut writers = Writers { service: writer, predictions: None };
    if let Some(recording) = &settings.predictions {
        let key = log_key(key_file)?.map_or_else(|| ephemeral_key(output), Ok)?;
        let started = PredictionLog::start(recording, key, logs.service.clone());
        let (predictions, writer) = started.map_err(|error| {
            let help = "name a file in a directory that can be written to, for this service alone";
            UsageError::new(format!("cannot record predictions in {}: {error}", recording.file.display()), help)
        })?;
        (logs.predictions, writers.predictions) = (predictions, Some(writer));
    }
    Ok((logs, writers))
}

/// The key of the pseudonyms, from the environment or else a file.
fn log_key(file: Option<&Path>) -> anyhow::Result<Option<LogKey>> {
    let (name, secret) = match (std::env::var_os(LOG_KEY_VARIABLE), file) {
        (Some(text), _) => (LOG_KEY_VARIABLE.to_owned(), text.into_encoded_bytes()),
        (None, Some(file)) => {
            let help = "write a key of at least 16 bytes to it, readable by the service alone";
            let unread =
                |error| UsageError::new(format!("cannot read the key of the log in {}: {error}", file.display()), help);
            (file.display().to_string(), fs::read(file).map_err(unread)?)
        }
        (None, None) => return Ok(None),
    };
    let weak = || UsageError::new(format!("{name} holds no usable key"), "a key has at least 16 bytes");
    Ok(Some(LogKey::new(&secret).ok_or_else(weak)?))
}

/// A key for this run only.
fn ephemeral_key(output: &Output) -> anyhow::Result<LogKey> {
    let mut secret = [0; 32];
    fs::File::open("/dev/urandom").and_then(|mut random| random.read_exact(&mut secret)).context("no random key")?;
    output.talk(&format!(
        "warning: {LOG_KEY_VARIABLE} is not set; the log's pseudonyms of patients hold for this run only, so its lines \
         cannot be joined with those before or after"
    ));
    // As text, since white space at the ends of a key does not count.
    LogKey::new(blake3::hash(&secret).to_hex().as_bytes()).context("no random key")
}

/// What the pipeline says of its service. A bundle can be served without a pipeline, and then the defaults hold.
struct Declared {
    opened: Option<Opened>,
    bundle: PathBuf,
    params: ServeParams,
    /// The key file of the log of predictions.
    log_key: Option<PathBuf>,
}

impl Declared {
    fn read(global: &Global) -> anyhow::Result<Self> {
        let (bundle, params) = (PathBuf::from(DEFAULT_BUNDLE), ServeParams::default());
        let mut declared = Self { opened: None, bundle, params, log_key: None };
        if global.file.is_none() && config::discover(Path::new(".")).is_err() {
            return Ok(declared);
        }
        let opened = declared.opened.insert(Opened::load(global, &[])?);
        let Project { pipeline, params, .. } = &opened.project;
        let Some(service) = pipeline.stages.values().find(|stage| stage.service) else { return Ok(declared) };
        if let Some(dep) = service.deps.iter().find(|dep| dep.role.as_deref() == Some("bundle")) {
            declared.bundle = dep.path.under(&pipeline.root);
        }
        if let Some(value) = params.builtin_params(service).get(SERVICE) {
            declared.params = ServeParams::deserialize(value)?;
            declared.log_key = anchor(&mut declared.params, &pipeline.root);
        }
        Ok(declared)
    }
}

/// Paths in params.yaml are those of the project, wherever the service is started. Returns the key file.
fn anchor(params: &mut ServeParams, root: &Path) -> Option<PathBuf> {
    if let Some(canary) = &mut params.canary {
        canary.bundle = root.join(&canary.bundle);
    }
    let predictions = params.predictions.as_mut()?;
    predictions.file = root.join(&predictions.file);
    Some(root.join(predictions.key_file.as_ref()?))
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

/// What to say of a model that the gate beside its bundle did not pass.
pub(super) fn rejection(bundle: &Path) -> Option<String> {
    let verdict = fs::read(bundle.parent()?.join("verdict.json")).ok()?;
    let verdict: Value = serde_json::from_slice(&verdict).ok()?;
    if verdict["promotable"] != Value::Bool(false) {
        return None;
    }
    let failed = verdict["rules"].as_array()?.iter().find(|rule| rule["passed"] == Value::Bool(false));
    let reason = failed.and_then(|rule| rule["reason"].as_str()).unwrap_or("see verdict.json");
    Some(format!("warning: the gate did not pass this model: {reason}"))
}

/// Loads a bundle; one that is not there is the caller's mistake, one that is damaged is not.
pub(super) fn load_bundle(dir: &Path) -> anyhow::Result<Bundle> {
    Bundle::load(dir).map_err(|error| match error {
        BundleError::Absent(_) => {
            let help = "run `clinpipe repro` to make one, or name another with --bundle";
            UsageError::new(error.to_string(), help).into()
        }
        error => anyhow::Error::new(error).context(format!("refusing the bundle at {}", dir.display())),
    })
}

/// Decision bounds that the site sets in place of the bundle's.
fn overrides(args: &ServeArgs) -> Overrides {
    Overrides { threshold: args.threshold, ..Overrides::default() }
}

/// What lies beside the bundle and is shown with it; nothing is needed, and what cannot be read is left out.
fn papers(bundle: &Path) -> Papers {
    let beside = |name: &str| fs::read_to_string(bundle.parent()?.join(name)).ok();
    let json = |name: &str| serde_json::from_str(&beside(name)?).ok();
    Papers { metrics: json("metrics.json"), verdict: json("verdict.json"), card: beside("model_card.md") }
}

/// Flags win over params, params over defaults; the key comes from the environment only.
fn settings(args: &ServeArgs, mut params: ServeParams) -> anyhow::Result<Settings> {
    params.host = args.host.clone().or(params.host);
    params.port = args.port.or(params.port);
    params.reload_poll = args.reload_poll.or(params.reload_poll);
    if let Some(bundle) = &args.canary {
        let share = args.canary_share.or(params.canary.as_ref().map(|canary| canary.share)).unwrap_or(0.0);
        params.canary = Some(CanaryParams { bundle: bundle.clone(), share });
    }
    if let Some(file) = &args.predictions {
        match &mut params.predictions {
            Some(predictions) => predictions.file.clone_from(file),
            None => params.predictions = Some(PredictionParams::in_file(file.clone())),
        }
    }
    let usage = |message: String| UsageError::new(message, "see `clinpipe serve --help`");
    let mut settings = Settings::from_params(&params).map_err(|error| usage(error.to_string()))?;
    settings.api_key = match std::env::var_os(KEY_VARIABLE) {
        None => None,
        Some(text) => {
            let key = text.to_str().and_then(ApiKey::new);
            Some(key.ok_or_else(|| usage(format!("{KEY_VARIABLE} is set but holds no usable key")))?)
        }
    };
    settings.check().map_err(|error| usage(error.to_string()))?;
    Ok(settings)
}

fn describe(info: &serve::ModelInfo, settings: &Settings) -> String {
    let key = if settings.api_key.is_some() { "with an API key" } else { "without an API key" };
    let decision = match &info.decision {
        Some(decision) => format!("threshold {} ({})", decision.threshold, decision.threshold_version),
        None => "predicts a number".to_owned(),
    };
    format!(
        "ok: {} model of bundle {}, trained on {} data, {decision}, answers as {}; would listen at http://{} {key}\n",
        info.name,
        info.version(),
        info.data,
        info.profile.name,
        settings.address(),
    )
}
