//! Flags, environment, settings file and params to the settings of the service, and which of them said what.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::ServeArgs;
use crate::cli::error::UsageError;
use crate::config::{self, ConfigErrors};
use crate::serve::{Layers, ServeParams, Settings, SettingsError, Variables};

/// What was set, by whom, and what it comes to.
pub struct Chosen {
    /// As read.
    pub params: ServeParams,
    /// As understood.
    pub settings: Settings,
    layers: Layers,
    /// The variable that held the API key.
    key_from: Option<&'static str>,
    /// What to tell the user.
    pub warnings: Vec<String>,
}

impl Chosen {
    /// `declared` is what the pipeline's params say, with the directory that relative paths in it start at.
    pub fn read(args: &ServeArgs, declared: Option<(&Value, &Path)>) -> anyhow::Result<Self> {
        let read = || -> Result<_, SettingsError> {
            let layers = match declared {
                Some((value, root)) => Layers::file(value, "params.yaml", root)?,
                None => Layers::default(),
            };
            let variables =
                Variables::read(std::env::vars_os().filter_map(|(name, value)| {
                    Some((name.into_string().ok()?, value.to_string_lossy().into_owned()))
                }))?;
            Ok((layers, variables))
        };
        let (layers, variables) = read().map_err(usage)?;
        let file = args.settings.as_deref().map(from_file).transpose()?.unwrap_or_default();
        let layers = layers.under(file).under(variables.aliases).under(variables.own).under(from_flags(args));
        let params = layers.params().map_err(usage)?;
        let (key_from, key) = variables.key.unzip();
        let settings = Settings::load(&params, key.as_deref()).map_err(|error| match (&error, key_from) {
            (SettingsError::Keys(_), Some(name)) if params.keys.is_none() => {
                usage(SettingsError::Value(name.to_owned(), error.to_string()))
            }
            _ => usage(error),
        })?;
        settings.check().map_err(usage)?;
        let unknown = |(name, near): &(String, Option<String>)| {
            let near = near.as_ref().map(|near| format!("; did you mean {near}?")).unwrap_or_default();
            format!("warning: {name} is no setting of clinpipe{near}")
        };
        let mut warnings: Vec<String> = variables.unknown.iter().map(unknown).collect();
        warnings.extend(settings.warnings().iter().map(|warning| format!("warning: {warning}")));
        Ok(Self { params, settings, layers, key_from, warnings })
    }

    /// A line for every setting that does not keep its default, with its source.
    pub fn told(&self) -> String {
        let mut text = String::new();
        for (key, value, origin) in self.layers.told() {
            // Writing to a String cannot fail.
            let _written = writeln!(text, "  {key} = {value}  ({origin})");
        }
        if let Some(name) = self.key_from {
            let _written = writeln!(text, "  an API key  ({name})");
        }
        text
    }
}

fn usage(error: SettingsError) -> anyhow::Error {
    UsageError::new(error.to_string(), "see `clinpipe serve --help` and docs/serving.md").into()
}

fn from_flags(args: &ServeArgs) -> Layers {
    let path = |path: &Option<PathBuf>| path.as_ref().map(|path| json!(path.to_string_lossy()));
    let mut layers = Layers::default();
    layers.flag("bundle", path(&args.bundle));
    layers.flag("host", args.host.as_ref().map(|host| json!(host)));
    layers.flag("port", args.port.map(|port| json!(port)));
    layers.flag("threshold", args.threshold.map(|threshold| json!(threshold)));
    layers.flag("canary.bundle", path(&args.canary));
    layers.flag("canary.share", args.canary_share.map(|share| json!(share)));
    layers.flag("reload_poll", args.reload_poll.map(|seconds| json!(seconds)));
    layers.flag("predictions.file", path(&args.predictions));
    layers.flag("keys", path(&args.keys));
    layers.flag("allow_open", args.allow_open.then_some(Value::Bool(true)));
    layers
}

/// A file of settings; relative paths in it start at its directory.
fn from_file(path: &Path) -> anyhow::Result<Layers> {
    let name = path.display().to_string();
    let text = fs::read_to_string(path).map_err(|error| {
        UsageError::new(format!("cannot read the settings: {name}: {error}"), "name another file with --settings")
    })?;
    let content = config::parse_value(&text, &name).map_err(|errors: ConfigErrors| anyhow::Error::new(errors))?;
    let content = if content.is_null() { json!({}) } else { content };
    let base = path.parent().unwrap_or(Path::new(""));
    Layers::file(&content, &name, base).map_err(usage)
}
