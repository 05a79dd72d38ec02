//! `clinpipe export mlflow`: a model directory, or a run with a registered version on a tracking server.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clinpipe_stages::bundle::Bundle;
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use serde_json::{Map, Value};

use super::{outside, replaceable, warn};
use crate::cli::args::Global;
use crate::cli::error::UsageError;
use crate::cli::exit::Exit;
use crate::cli::output::Output;
use crate::cli::project::Opened;
use crate::cli::serve::{DEFAULT_BUNDLE, load_bundle};
use crate::export::tracking::{self, Names, Parcel, Published, TrackingError, TrackingServer};
use crate::export::{self, Flavour};
use crate::key::Digest;
use crate::plan::State;
use crate::store::{Held, Store};
use crate::util::http_client::{HttpClient, HttpError};
use crate::util::visible;

/// `export mlflow`.
#[derive(Debug, clap::Args)]
pub struct MlflowArgs {
    /// The bundle's directory.
    #[arg(long, value_name = "DIR", default_value = DEFAULT_BUNDLE)]
    bundle: PathBuf,
    /// The directory to write.
    #[arg(short, long, value_name = "DIR", required_unless_present = "tracking_uri", conflicts_with = "tracking_uri")]
    output: Option<PathBuf>,
    /// Replace an MLflow model that is there already.
    #[arg(long, requires = "output")]
    force: bool,
    /// A tracking server to send everything to: http://HOST:PORT.
    #[arg(long, value_name = "URL")]
    tracking_uri: Option<String>,
    /// The experiment on the server; made when there is none.
    #[arg(long, value_name = "NAME", default_value = "clinpipe", conflicts_with = "output")]
    experiment: String,
    /// The registered model on the server; made when there is none.
    #[arg(long, value_name = "NAME", default_value = "clinpipe", conflicts_with = "output")]
    model: String,
    /// The alias that the registered version gets.
    #[arg(long, value_name = "ALIAS", default_value = "challenger", conflicts_with = "output")]
    alias: String,
    /// Print where it is on the server as one JSON document.
    #[arg(long, conflicts_with = "output")]
    json: bool,
}

/// How long the server may take for one request; a file of the bundle is one.
const LIMIT: Duration = Duration::from_mins(5);

/// Writes the directory, or sends it.
pub(super) fn run(global: &Global, args: &MlflowArgs, output: &Output) -> anyhow::Result<Exit> {
    let bundle = load_bundle(&args.bundle)?;
    match (&args.tracking_uri, &args.output) {
        (Some(uri), _) => send(global, args, uri, &bundle, output),
        (None, Some(target)) => write(args, target, &bundle, output),
        (None, None) => Err(UsageError::new("neither a directory nor a server is named", "name one with -o").into()),
    }
}

fn write(args: &MlflowArgs, target: &Path, bundle: &Bundle, output: &Output) -> anyhow::Result<Exit> {
    outside(target, &args.bundle)?;
    replaceable(target, args.force)?;
    export::write_directory(target, |directory| Flavour::new(bundle, &args.bundle).write(directory))
        .with_context(|| format!("cannot write {}", target.display()))?;
    warn(&args.bundle, output);
    let (path, name) = (target.display(), &bundle.manifest().model);
    output.talk(&format!("wrote the {name} model to {path}; it needs the clinpipe program where it is used"));
    Ok(Exit::Done)
}

fn send(global: &Global, args: &MlflowArgs, uri: &str, bundle: &Bundle, output: &Output) -> anyhow::Result<Exit> {
    let roots = ["MLFLOW_TRACKING_SERVER_CERT_PATH", "SSL_CERT_FILE"].into_iter().find_map(env::var_os);
    let client = HttpClient::new(uri, roots.as_deref().map(Path::new), LIMIT).map_err(|error| refused(error.into()))?;
    let headers = credentials(&client, output)?;
    let server = TrackingServer::new(client.with_headers(headers));
    warn(&args.bundle, output);
    let place = tempfile::tempdir().context("no temporary directory")?;
    // An alias of the registry may move meanwhile.
    let directory = args.bundle.canonicalize().context("cannot find the bundle again")?;
    Flavour::new(bundle, &directory).write(place.path()).context("cannot prepare the model directory")?;
    let parcel = parcel(global, &directory, bundle, place.path(), output);
    let names = Names { experiment: &args.experiment, model: &args.model, alias: &args.alias };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let now = u64::try_from(now).unwrap_or(u64::MAX);
    let held = alone(global, output);
    let published = tracking::publish(&server, &parcel, names, now).map_err(refused)?;
    drop(held);
    if args.json {
        output.json(&published)?;
    }
    let Published { run_id, model, version, alias, known, .. } = &published;
    let what = if *known { "is there already" } else { "is on the server" };
    let told = format!("the bundle {what}: version {version} of {model} ({alias}), run {run_id}");
    output.talk(&visible::line(&told));
    Ok(Exit::Done)
}

/// Waits until no other hand-over of this project is under way: two at once would not know of each other's run. Outside a
/// project, and in one that cannot be written to, there is nothing to wait at.
fn alone(global: &Global, output: &Output) -> Option<Held> {
    let lock = Store::lock_beside(&Opened::load(global, &[]).ok()?.project.pipeline.root, "export-mlflow");
    let free = lock.try_hold().ok()?;
    if free.is_none() {
        output.talk("waiting for another hand-over of this project");
    }
    free.or_else(|| lock.hold().ok())
}

/// What the user can mend by calling otherwise is a matter of usage; the rest is of the environment.
fn refused(error: TrackingError) -> anyhow::Error {
    let hint = error.hint();
    match error {
        TrackingError::Http(HttpError::Address(..)) => UsageError::new(error.to_string(), hint).into(),
        error => anyhow::Error::msg(format!("{error}\nhelp: {hint}")),
    }
}

/// The header by which the server knows its user, from the variables that MLflow's own clients read.
fn credentials(client: &HttpClient, output: &Output) -> anyhow::Result<HeaderMap> {
    let variable = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    let text = match (variable("MLFLOW_TRACKING_TOKEN"), variable("MLFLOW_TRACKING_USERNAME")) {
        (Some(token), _) => format!("Bearer {token}"),
        (None, Some(user)) => {
            let password = variable("MLFLOW_TRACKING_PASSWORD").unwrap_or_default();
            format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
        }
        (None, None) => return Ok(HeaderMap::new()),
    };
    if !client.is_private() {
        output.talk("warning: password or token travel unencrypted; name the server by https");
    }
    let help = "write it without line breaks and other signs that no header can hold";
    let mut value = HeaderValue::from_str(&text).map_err(|_| UsageError::new("the token cannot be sent", help))?;
    value.set_sensitive(true);
    Ok(HeaderMap::from_iter([(AUTHORIZATION, value)]))
}

/// Everything that is known of the bundle in `directory`, a path without links, and vouched for.
fn parcel(global: &Global, directory: &Path, bundle: &Bundle, flavour: &Path, output: &Output) -> Parcel {
    let (digest, manifest) = (bundle.digest().to_owned(), bundle.manifest());
    let papers = Papers::beside(directory, &digest);
    let metrics = papers.json("metrics.json");
    if metrics.is_none() {
        output.talk(
            "warning: no metrics.json beside the bundle is of this bundle; the run gets neither metrics nor reports",
        );
    }
    let params = trained_with(global, directory).unwrap_or_else(|| {
        output.talk("warning: the lock does not vouch for this bundle here, so the run gets no parameters");
        Value::Object(Map::new())
    });
    let verdict = papers.json(tracking::VERDICT).and_then(|verdict| verdict["promotable"].as_bool());
    let mut tags = BTreeMap::from([
        ("clinpipe_version", env!("CARGO_PKG_VERSION").to_owned()),
        ("clinpipe_model", manifest.model.clone()),
        (tracking::PROMOTABLE, verdict.map_or("not judged".to_owned(), |verdict| verdict.to_string())),
    ]);
    let manifest: Option<Value> = serde_json::to_value(manifest).ok();
    if let Some(data) = manifest.as_ref().and_then(|manifest| manifest["data"]["source"].as_str()) {
        tags.insert("clinpipe_data", data.to_owned());
    }
    Parcel {
        name: format!("{}-{}", tags["clinpipe_model"], digest.get(..12).unwrap_or(&digest)),
        tags: tags.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
        params: tracking::params(&params),
        metrics: metrics.as_ref().map(tracking::metrics).unwrap_or_default(),
        flavour: flavour.to_owned(),
        papers: papers.files(),
        digest,
    }
}

/// What lies beside a bundle and is of this bundle: the pipeline writes it later, so that of another may lie there.
struct Papers(BTreeMap<&'static str, (PathBuf, Vec<u8>)>);

impl Papers {
    /// Those of the bundle with this digest in `directory`. Without its metrics there are none.
    fn beside(directory: &Path, digest: &str) -> Self {
        let read = |name: &'static str| {
            let path = directory.parent()?.join(name);
            let bytes = fs::read(&path).ok()?;
            Some((name, (path, bytes)))
        };
        let names = ["metrics.json", tracking::VERDICT, "model_card.md", "report.html"];
        let mut papers = Self(names.into_iter().filter_map(read).collect());
        let evaluated = papers.json("metrics.json").is_some_and(|metrics| metrics["evaluated"]["bundle"] == digest);
        let judged = papers.0.get("metrics.json").map(|(_, bytes)| Digest::of(bytes).to_string());
        let judges =
            papers.json(tracking::VERDICT).is_some_and(|verdict| verdict["metrics"].as_str() == judged.as_deref());
        papers.0.retain(|name, (_, bytes)| {
            evaluated
                && match *name {
                    "metrics.json" => true,
                    tracking::VERDICT => judges,
                    _ => String::from_utf8_lossy(bytes).contains(digest),
                }
        });
        papers
    }

    fn json(&self, name: &str) -> Option<Value> {
        serde_json::from_slice(&self.0.get(name)?.1).ok()
    }

    fn files(self) -> Vec<(String, PathBuf)> {
        self.0.into_iter().map(|(name, (path, _))| (name.to_owned(), path)).collect()
    }
}

/// The parameters of all stages that led to the bundle, when the lock says that it is theirs.
fn trained_with(global: &Global, bundle: &Path) -> Option<Value> {
    let opened = Opened::load(global, &[]).ok()?;
    let root = opened.project.pipeline.root.canonicalize().ok()?;
    let path = bundle.strip_prefix(&root).ok()?.to_str()?;
    let workspace = opened.workspace();
    let lineage = workspace.lineage(&workspace.current_lock().ok()?, path).ok()?;
    if !matches!(lineage.artifact.state, State::Vouched) {
        return None;
    }
    let mut tree = Map::new();
    for (file, keys) in lineage.stages.iter().flat_map(|step| &step.params) {
        let file = if file.as_str() == "params.yaml" { String::new() } else { format!("{file}:") };
        tree.extend(keys.iter().map(|(key, value)| (format!("{file}{key}"), value.clone())));
    }
    Some(Value::Object(tree))
}
