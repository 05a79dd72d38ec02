//! A bundle on disk as the source of a served model, with the bounds that the site decides by.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clinpipe_stages::bundle::{Bundle, BundleError, MANIFEST, Overrides};
use serde_json::Value;

use super::audited::Taken;
use crate::cli::error::UsageError;
use crate::serve::{BundleModel, Loaded, Model, Papers, ServeParams, Source, level_name};

/// Decision bounds that the site sets in place of the bundle's.
#[derive(Debug, Clone)]
pub(super) struct Bounds {
    threshold: Option<f64>,
    levels: BTreeMap<String, f64>,
}

impl Bounds {
    pub(super) fn new(params: &ServeParams) -> Self {
        Self { threshold: params.threshold, levels: params.risk_levels.clone().unwrap_or_default() }
    }

    /// For that bundle: variables spell a level in capitals, and here it gets its name back.
    fn of(&self, bundle: &Bundle) -> Overrides {
        let levels = bundle.tiers().into_iter().flat_map(|tiers| &tiers.levels);
        let names: Vec<&str> = levels.map(|level| level.name.as_str()).collect();
        let named = |(spelled, bound): (&String, &f64)| {
            let name = names.iter().find(|name| level_name(name) == *spelled);
            (name.map_or_else(|| spelled.clone(), |name| (*name).to_owned()), *bound)
        };
        Overrides { threshold: self.threshold, levels: self.levels.iter().map(named).collect() }
    }
}

/// The directory of a bundle, from which the service reads its model again and again.
pub(super) struct BundleSource {
    dir: PathBuf,
    bounds: Bounds,
    taken: Option<Taken>,
}

impl BundleSource {
    pub(super) fn new(dir: &Path, bounds: Bounds) -> Self {
        Self { dir: dir.to_owned(), bounds, taken: None }
    }

    /// The same, with what records each other bundle that it reads.
    pub(super) fn audited(self, taken: Option<Taken>) -> Self {
        Self { taken, ..self }
    }

    /// Where it reads.
    pub(super) fn path(&self) -> String {
        self.dir.display().to_string()
    }

    /// The threshold of the bundle itself.
    pub(super) fn own_threshold(&self) -> Option<f64> {
        load_bundle(&self.dir).ok()?.threshold().map(|threshold| threshold.value)
    }

    /// Its model.
    pub(super) fn read(&self) -> anyhow::Result<Arc<dyn Model>> {
        let Self { dir, bounds, .. } = self;
        let real = resolved(dir);
        let bundle = load_bundle(&real)?;
        let overrides = bounds.of(&bundle);
        let model = BundleModel::new(bundle, &overrides, papers(&real)).map_err(|error| {
            UsageError::new(format!("{} cannot be served so: {error}", dir.display()), "see `clinpipe serve --help`")
        })?;
        Ok(Arc::new(model))
    }
}

impl Source for BundleSource {
    fn load(&self) -> Result<Loaded, String> {
        let model = self.read().map_err(|error| format!("{error:#}"))?;
        if let Some(taken) = &self.taken {
            taken.read(model.info());
        }
        Ok(Loaded { model, remark: rejection(&self.dir) })
    }

    fn stamp(&self) -> Option<String> {
        // A bundle is installed as a whole or file by file; its manifest covers all of them.
        let manifest = fs::metadata(self.dir.join(MANIFEST)).ok()?;
        Some(format!("{}:{}:{}.{}", manifest.ino(), manifest.len(), manifest.ctime(), manifest.ctime_nsec()))
    }
}

/// Where an alias of the registry leads now. All files of a bundle are read from there: the alias may move meanwhile.
fn resolved(dir: &Path) -> PathBuf {
    let is_link = |path: &Path| fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink());
    Some(dir).filter(|dir| is_link(dir)).and_then(|dir| dir.canonicalize().ok()).unwrap_or_else(|| dir.to_owned())
}

/// What to say of a model that the gate beside its bundle did not pass.
pub(in crate::cli) fn rejection(bundle: &Path) -> Option<String> {
    let bundle = resolved(bundle);
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
pub(in crate::cli) fn load_bundle(dir: &Path) -> anyhow::Result<Bundle> {
    Bundle::load(&resolved(dir)).map_err(|error| match error {
        BundleError::Absent(_) => {
            let help = "run `clinpipe repro` to make one, or name another with --bundle";
            UsageError::new(error.to_string(), help).into()
        }
        error => anyhow::Error::new(error).context(format!("refusing the bundle at {}", dir.display())),
    })
}

/// What lies beside the bundle and is shown with it; nothing is needed, and what cannot be read is left out.
fn papers(bundle: &Path) -> Papers {
    let beside = |name: &str| fs::read_to_string(bundle.parent()?.join(name)).ok();
    let json = |name: &str| serde_json::from_str(&beside(name)?).ok();
    Papers { metrics: json("metrics.json"), verdict: json("verdict.json"), card: beside("model_card.md") }
}
