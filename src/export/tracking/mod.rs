//! A bundle on an MLflow tracking server, by plain HTTP: run, parameters, metrics, files, version and alias.
//!
//! Invariants: a bundle has one run an experiment, found again by its digest, so repeating a hand-over adds nothing, and of
//! two at once that do not know of each other one withdraws; a
//! version is registered only after the server has listed every file with its size; a run that could not be completed
//! is marked as failed and taken up by the next try. Nothing here reads the clock or the environment.

mod server;
mod values;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

pub use self::server::TrackingServer;
pub use self::values::{metrics, params};
use crate::util::http_client::HttpError;
use crate::util::visible;

/// The tag by which a bundle's run is found again.
const BUNDLE_TAG: &str = "clinpipe_bundle";
/// Where in the run's files the model lies.
const MODEL: &str = "model";
/// Most metrics, and most parameters, that the server takes at once.
/// The tag that tells whether the gate passed the bundle, and the paper that it is from.
pub const PROMOTABLE: &str = "clinpipe_promotable";
/// The gate's verdict among a run's files.
pub const VERDICT: &str = "verdict.json";
const METRICS_AT_ONCE: usize = 1000;
const PARAMS_AT_ONCE: usize = 100;

/// Why a bundle did not reach the server.
#[derive(Debug, thiserror::Error)]
pub enum TrackingError {
    /// No answer.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// An answer that says no.
    #[error("{server} refuses {call} ({}): {message}", format!("{status} {code}").trim_end())]
    Refused {
        /// The server.
        server: String,
        /// What was asked.
        call: String,
        /// The status code.
        status: u16,
        /// MLflow's word for it.
        code: String,
        /// Its explanation.
        message: String,
    },
    /// An answer that lacks what it must have.
    #[error("{server} answers {call} without {what}; is it an MLflow tracking server?")]
    Odd {
        /// The server.
        server: String,
        /// What was asked.
        call: String,
        /// What is missing.
        what: &'static str,
    },
    /// Files go somewhere else than through the server.
    #[error("the experiment keeps its files at {}, which only a client with access to that place can write to", visible::line(.0))]
    NotProxied(String),
    /// Somebody else sends the same bundle.
    #[error("the same bundle is being handed over from elsewhere, in run {}; nothing was sent", visible::line(.0))]
    Elsewhere(String),
    /// A file did not arrive.
    #[error("the server does not list {path} with its {size} bytes after it was sent; nothing was registered")]
    Lost {
        /// Its path among the files of the run.
        path: String,
        /// Its length.
        size: u64,
    },
    /// A file to be sent cannot be read.
    #[error("cannot read {0}: {1}")]
    Unread(PathBuf, io::Error),
}

impl TrackingError {
    fn is_refused(&self, with: &str) -> bool {
        matches!(self, Self::Refused { code, .. } if code == with)
    }

    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Refused { status: 401, .. } => {
                "set MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
            }
            Self::Refused { status: 403, .. } => {
                "where the server does not know the name it was asked by, start it with `--allowed-hosts NAME:PORT`; \
                 else this user may not do it"
            }
            Self::NotProxied(_) => {
                "name another --experiment on a server that was started with `--artifacts-destination`"
            }
            Self::Elsewhere(_) => "repeat the command when that one has ended: it finds the run and its version",
            Self::Lost { .. } => "look at the server's log, make room, and repeat the command",
            Self::Unread(..) => "repeat the command when the pipeline is at rest",
            Self::Odd { .. } | Self::Http(_) => {
                "see whether --tracking-uri is what `mlflow server` printed at its start"
            }
            Self::Refused { .. } => "see the server's log; the command can be repeated and goes on where it stopped",
        }
    }
}

/// What is handed over.
#[derive(Debug)]
pub struct Parcel {
    /// The bundle's digest.
    pub digest: String,
    /// The run's name.
    pub name: String,
    /// What else is said of it.
    pub tags: BTreeMap<String, String>,
    /// Parameters, as [`params`] makes them.
    pub params: BTreeMap<String, String>,
    /// Metrics, as [`metrics`] makes them.
    pub metrics: BTreeMap<String, f64>,
    /// The directory of the MLflow flavour.
    pub flavour: PathBuf,
    /// Further files: their name among those of the run, and where they are.
    pub papers: Vec<(String, PathBuf)>,
}

/// Under which names.
#[derive(Debug, Clone, Copy)]
pub struct Names<'a> {
    /// The experiment; made when there is none.
    pub experiment: &'a str,
    /// The registered model; made when there is none.
    pub model: &'a str,
    /// The alias that the version gets.
    pub alias: &'a str,
}

/// Where the bundle is now.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Published {
    /// The experiment.
    pub experiment_id: String,
    /// The run.
    pub run_id: String,
    /// The registered model.
    pub model: String,
    /// Its version.
    pub version: String,
    /// The alias that names it.
    pub alias: String,
    /// Whether run and version were there already.
    pub known: bool,
}

/// A run on the server.
struct Run {
    id: String,
    artifacts: String,
    finished: bool,
}

/// Hands a bundle over. `now` is the time in milliseconds since 1970.
pub fn publish(
    server: &TrackingServer,
    parcel: &Parcel,
    names: Names<'_>,
    now: u64,
) -> Result<Published, TrackingError> {
    let experiment = experiment(server, names.experiment)?;
    let run = match find(server, &experiment, &parcel.digest)? {
        Some(run) => run,
        None => settled(server, &experiment, parcel, create(server, &experiment, parcel, now)?)?,
    };
    let logged = if run.finished { judged(server, &run, parcel) } else { log(server, &run, parcel, now) };
    if let Err(error) = logged {
        // Best effort: the first error is the one to tell.
        let failed = json!({"run_id": run.id, "status": "FAILED", "end_time": now});
        drop(server.post("runs/update", &failed));
        return Err(error);
    }
    let (version, new) = version(server, &run, names.model, parcel)?;
    let alias = json!({"name": names.model, "alias": names.alias, "version": version});
    server.post("registered-models/alias", &alias)?;
    let (model, alias) = (names.model.to_owned(), names.alias.to_owned());
    Ok(Published { experiment_id: experiment, run_id: run.id, model, version, alias, known: run.finished && !new })
}

/// The id of the experiment of that name.
fn experiment(server: &TrackingServer, name: &str) -> Result<String, TrackingError> {
    let known = || {
        let found = server.get("experiments/get-by-name", &[("experiment_name", name)])?;
        server.text(&found, "experiments/get-by-name", "/experiment/experiment_id", "an experiment_id")
    };
    match known() {
        Err(error) if error.is_refused("RESOURCE_DOES_NOT_EXIST") => {
            match server.post("experiments/create", &json!({"name": name})) {
                Ok(made) => server.text(&made, "experiments/create", "/experiment_id", "an experiment_id"),
                // Somebody else was faster.
                Err(error) if error.is_refused("RESOURCE_ALREADY_EXISTS") => known(),
                Err(error) => Err(error),
            }
        }
        known => known,
    }
}

/// The run of that bundle, finished or not.
fn find(server: &TrackingServer, experiment: &str, digest: &str) -> Result<Option<Run>, TrackingError> {
    let filter = format!("tags.{BUNDLE_TAG} = '{digest}'");
    let asked = json!({"experiment_ids": [experiment], "filter": filter, "max_results": 1, "order_by": ["attributes.start_time ASC"]});
    let found = server.post("runs/search", &asked)?;
    found.pointer("/runs/0/info").map(|info| run(server, "runs/search", info)).transpose()
}

fn create(server: &TrackingServer, experiment: &str, parcel: &Parcel, now: u64) -> Result<Run, TrackingError> {
    let mut tags = parcel.tags.clone();
    tags.insert(BUNDLE_TAG.to_owned(), parcel.digest.clone());
    tags.insert("mlflow.source.name".to_owned(), "clinpipe".to_owned());
    let tags: Vec<Value> = tags.iter().map(|(key, value)| json!({"key": key, "value": value})).collect();
    let asked = json!({"experiment_id": experiment, "run_name": parcel.name, "start_time": now, "tags": tags});
    let made = server.post("runs/create", &asked)?;
    let info = made.pointer("/run/info").unwrap_or(&Value::Null);
    run(server, "runs/create", info)
}

/// The run just made, if it is the bundle's oldest. Another hand-over that began at the same time elsewhere has made one
/// too, and goes on with it; this one takes its own back.
fn settled(server: &TrackingServer, experiment: &str, parcel: &Parcel, made: Run) -> Result<Run, TrackingError> {
    match find(server, experiment, &parcel.digest)? {
        Some(oldest) if oldest.id != made.id => {
            // Best effort: an empty run that is not the oldest misleads nobody.
            drop(server.post("runs/delete", &json!({"run_id": made.id})));
            Err(TrackingError::Elsewhere(oldest.id))
        }
        _ => Ok(made),
    }
}

fn run(server: &TrackingServer, call: &str, info: &Value) -> Result<Run, TrackingError> {
    Ok(Run {
        id: server.text(info, call, "/run_id", "a run_id")?,
        artifacts: server.text(info, call, "/artifact_uri", "an artifact_uri")?,
        finished: info["status"] == "FINISHED",
    })
}

/// Everything of a run, and its end.
fn log(server: &TrackingServer, run: &Run, parcel: &Parcel, now: u64) -> Result<(), TrackingError> {
    let place = server::proxied(&run.artifacts).ok_or_else(|| TrackingError::NotProxied(run.artifacts.clone()))?;
    let pairs: Vec<_> = parcel.params.iter().map(|(key, value)| json!({"key": key, "value": value})).collect();
    for part in pairs.chunks(PARAMS_AT_ONCE) {
        server.post("runs/log-batch", &json!({"run_id": run.id, "params": part}))?;
    }
    let point = |(key, value)| json!({"key": key, "value": value, "timestamp": now, "step": 0});
    let points: Vec<_> = parcel.metrics.iter().map(point).collect();
    for part in points.chunks(METRICS_AT_ONCE) {
        server.post("runs/log-batch", &json!({"run_id": run.id, "metrics": part}))?;
    }
    let mut sent: BTreeMap<String, u64> = BTreeMap::new();
    let files =
        files_below(&parcel.flavour, MODEL).map_err(|error| TrackingError::Unread(parcel.flavour.clone(), error))?;
    for (name, file) in files.iter().chain(&parcel.papers) {
        let bytes = fs::read(file).map_err(|error| TrackingError::Unread(file.clone(), error))?;
        sent.insert(name.clone(), bytes.len() as u64);
        server.upload(&format!("{place}/{name}"), bytes)?;
    }
    arrived(server, &run.id, &sent)?;
    server.post("runs/update", &json!({"run_id": run.id, "status": "FINISHED", "end_time": now}))?;
    Ok(())
}

/// What may have become known of the same bundle since: the verdict.
fn judged(server: &TrackingServer, run: &Run, parcel: &Parcel) -> Result<(), TrackingError> {
    let place = server::proxied(&run.artifacts).ok_or_else(|| TrackingError::NotProxied(run.artifacts.clone()))?;
    for (name, file) in parcel.papers.iter().filter(|(name, _)| name == VERDICT) {
        let bytes = fs::read(file).map_err(|error| TrackingError::Unread(file.clone(), error))?;
        server.upload(&format!("{place}/{name}"), bytes)?;
    }
    for (key, value) in parcel.tags.iter().filter(|(key, _)| *key == PROMOTABLE) {
        server.post("runs/set-tag", &json!({"run_id": run.id, "key": key, "value": value}))?;
    }
    Ok(())
}

/// Asks the server for every directory that was sent, and compares sizes.
fn arrived(server: &TrackingServer, run: &str, sent: &BTreeMap<String, u64>) -> Result<(), TrackingError> {
    let directory = |path: &str| path.rsplit_once('/').map_or(String::new(), |(directory, _)| directory.to_owned());
    let mut listed: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    for (path, &size) in sent {
        let within = directory(path);
        if !listed.contains_key(&within) {
            listed.insert(within.clone(), server.list(run, &within)?);
        }
        if listed[&within].get(path) != Some(&size) {
            return Err(TrackingError::Lost { path: path.clone(), size });
        }
    }
    Ok(())
}

/// The version of the registered model that this run is, made when there is none; and whether it was made.
fn version(server: &TrackingServer, run: &Run, model: &str, parcel: &Parcel) -> Result<(String, bool), TrackingError> {
    match server.post("registered-models/create", &json!({"name": model})) {
        Err(TrackingError::Refused { code, .. }) if code == "RESOURCE_ALREADY_EXISTS" => {}
        made => drop(made?),
    }
    let call = "model-versions/search";
    let found = server.get(call, &[("filter", &format!("run_id='{}'", run.id)), ("max_results", "1000")])?;
    let versions = found["model_versions"].as_array().map(Vec::as_slice).unwrap_or_default();
    if let Some(known) = versions.iter().find(|version| version["name"] == model) {
        return Ok((server.text(known, call, "/version", "a version")?, false));
    }
    let asked = json!({
        "name": model,
        "source": format!("{}/{MODEL}", run.artifacts.trim_end_matches('/')),
        "run_id": run.id,
        "tags": [{"key": BUNDLE_TAG, "value": parcel.digest}],
    });
    let made = server.post("model-versions/create", &asked)?;
    Ok((server.text(&made, "model-versions/create", "/model_version/version", "a version")?, true))
}

/// Every file below a directory, as `prefix/…`, in the order of names.
fn files_below(directory: &Path, prefix: &str) -> io::Result<Vec<(String, PathBuf)>> {
    let mut entries = fs::read_dir(directory)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    let mut files = Vec::new();
    for entry in entries {
        let name = format!("{prefix}/{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            files.extend(files_below(&entry.path(), &name)?);
        } else {
            files.push((name, entry.path()));
        }
    }
    Ok(files)
}
