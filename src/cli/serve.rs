//! `clinpipe serve`: from flags, params and environment to a running service.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::Context;
use clinpipe_stages::bundle::{Bundle, BundleError, Overrides};
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
use crate::serve::{self, AccessLog, ApiKey, BundleModel, Model, Papers, ServeParams, Settings};
use crate::stage::SERVICE;
use crate::util::{RelPath, utc};

/// The variable that holds the API key.
const KEY_VARIABLE: &str = "CLINPIPE_API_KEY";
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
    /// Check the bundle and the settings, then exit.
    #[arg(long)]
    pub check: bool,
}

/// Serves until a signal, or with `--check` says whether it would.
pub fn run(global: &Global, args: &ServeArgs, output: &Output) -> anyhow::Result<Exit> {
    let declared = Declared::read(global)?;
    let settings = settings(args, declared.params)?;
    let bundle = args.bundle.as_ref().unwrap_or(&declared.bundle);
    let model = BundleModel::new(load_bundle(bundle)?, &overrides(args), papers(bundle)).map_err(|error| {
        UsageError::new(format!("{} cannot be served so: {error}", bundle.display()), "see `clinpipe serve --help`")
    })?;
    if let Some(doubt) = declared.opened.as_ref().map(|opened| doubt(opened, bundle)).transpose()?.flatten() {
        output.talk(&format!("warning: {doubt}"));
    }
    if let Some(warning) = rejection(bundle) {
        output.talk(&warning);
    }
    if args.check {
        output.data(&describe(model.info(), &settings))?;
        return Ok(Exit::Done);
    }
    let clock = || utc::rfc3339(SystemTime::now());
    let (log, writer) = AccessLog::start(Box::new(io::stderr()), clock).context("cannot start the log")?;
    let ended = serve::serve(Arc::new(model), settings, log.clone());
    log.finish(writer);
    ended?;
    Ok(Exit::Done)
}

/// What the pipeline says of its service. A bundle can be served without a pipeline, and then the defaults hold.
struct Declared {
    opened: Option<Opened>,
    bundle: PathBuf,
    params: ServeParams,
}

impl Declared {
    fn read(global: &Global) -> anyhow::Result<Self> {
        let mut declared = Self { opened: None, bundle: PathBuf::from(DEFAULT_BUNDLE), params: ServeParams::default() };
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
        }
        Ok(declared)
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
