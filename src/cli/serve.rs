//! `clinpipe serve`: from flags, params and environment to a running service.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::Context;
use clinpipe_stages::bundle::Bundle;

use super::error::UsageError;
use crate::serve::{self, AccessLog, ApiKey, BundleModel, Model, ServeParams, Settings};
use crate::util::utc;

/// The variable that holds the API key.
const KEY_VARIABLE: &str = "CLINPIPE_API_KEY";
/// Where the pipeline writes its bundle.
pub(super) const DEFAULT_BUNDLE: &str = "artifacts/bundle";

/// `serve`.
#[derive(Debug, clap::Args)]
pub struct ServeArgs {
    /// The bundle's directory.
    #[arg(long, value_name = "DIR", default_value = DEFAULT_BUNDLE)]
    pub bundle: PathBuf,
    /// Address to listen at; one that other machines can reach needs the API key in CLINPIPE_API_KEY.
    #[arg(long, value_name = "HOST")]
    pub host: Option<String>,
    /// Port to listen at; 0 lets the system choose.
    #[arg(long)]
    pub port: Option<u16>,
    /// Check the bundle and the settings, then exit.
    #[arg(long)]
    pub check: bool,
}

/// Serves, or with `--check` says whether it would. `root` is the directory that relative paths start from; `params`
/// is `serve` of params.yaml.
pub(super) fn run(args: &ServeArgs, root: &Path, params: &ServeParams) -> anyhow::Result<String> {
    let settings = settings(args, params)?;
    let model = BundleModel::new(load_bundle(&root.join(&args.bundle))?)?;
    if args.check {
        return Ok(describe(model.info(), &settings));
    }
    let clock = || utc::rfc3339(SystemTime::now());
    let (log, writer) = AccessLog::start(Box::new(io::stderr()), clock).context("cannot start the log")?;
    let ended = serve::serve(Arc::new(model), settings, log.clone());
    log.finish(writer);
    ended?;
    Ok(String::new())
}

/// Loads a bundle; one that is not there is the caller's mistake, one that is damaged is not.
pub(super) fn load_bundle(dir: &Path) -> anyhow::Result<Bundle> {
    if !dir.join("bundle.json").is_file() {
        let message = format!("there is no bundle at {}", dir.display());
        return Err(UsageError::new(message, "run `clinpipe repro` to make one, or name another with --bundle").into());
    }
    Bundle::load(dir).with_context(|| format!("refusing the bundle at {}", dir.display()))
}

/// Flags win over params, params over defaults; the key comes from the environment only.
fn settings(args: &ServeArgs, params: &ServeParams) -> anyhow::Result<Settings> {
    let mut params = params.clone();
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
    format!(
        "ok: {} model of bundle {}, trained on {} data, threshold {}; would listen at http://{} {key}\n",
        info.name,
        info.version(),
        info.data,
        info.threshold,
        settings.address(),
    )
}
