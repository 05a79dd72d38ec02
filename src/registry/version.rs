//! A version: a bundle with its papers, what it was made of, and which rows it has seen and shall be tested on.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::path::Path;

use clinpipe_stages::bundle::{BundleManifest, DataLineage, MANIFEST, Member};
use clinpipe_stages::evaluate::Evaluated;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::seen::SeenRows;
use crate::key::{ContentRecord, Digest};
use crate::util::{atomic_write, json};

/// The version of the format of version.json.
pub const SCHEMA_VERSION: u32 = 2;
/// The directory of the bundle's members.
pub const BUNDLE: &str = "bundle";
/// The description of the version.
pub const DESCRIPTION: &str = "version.json";
/// The marks of its training rows.
pub const TRAINING_ROWS: &str = "training_rows.bin";

/// What lies beside a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paper {
    /// Its file name in the registry: `metrics.json`, `verdict.json`, `model_card.md`.
    pub name: &'static str,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// What a stage that a model came from was told to do.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecipeStage {
    /// Its commands, or `uses@version`.
    pub cmd: Vec<String>,
    /// Whether it is built in: what it reads from outside the pipeline is then data, otherwise it may be a script.
    pub builtin: bool,
    /// The working directory of its commands.
    pub wdir: String,
    /// The environment that it declares.
    pub env: BTreeMap<String, Option<String>>,
    /// What it reads: the digest of what no stage writes, nothing for what another stage wrote.
    pub deps: BTreeMap<String, Option<Digest>>,
    /// What it writes.
    pub outs: BTreeSet<String>,
    /// Parameter file → dotted key → value.
    pub params: BTreeMap<String, BTreeMap<String, Value>>,
}

/// The stages that a model came from.
pub type Recipe = BTreeMap<String, RecipeStage>;

/// A file as it was when the version was tested.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestFiles {
    /// The path of the table in the project.
    pub table_path: String,
    /// The table.
    pub table: ContentRecord,
    /// The path of the split in the project.
    pub split_path: String,
    /// The split.
    pub split: ContentRecord,
    /// What metrics.json says was evaluated.
    pub evaluated: Evaluated,
}

/// What the pipeline knows of a bundle besides its files.
pub struct Evidence {
    /// metrics.json and what else lies beside the bundle.
    pub papers: Vec<Paper>,
    /// The stages that it came from.
    pub recipe: Recipe,
    /// Its test rows.
    pub test: TestFiles,
    /// The marks of its training rows.
    pub training: SeenRows,
}

/// version.json.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Version {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// BLAKE3 of its bundle.json: its name.
    pub bundle: Digest,
    /// The learner.
    pub learner: String,
    /// The clinpipe that made it.
    pub clinpipe: String,
    /// What it was trained on.
    pub data: DataLineage,
    /// How many rows it was trained on.
    pub trained_on: usize,
    /// The files of the bundle.
    pub members: BTreeMap<String, Member>,
    /// The stages that it came from.
    pub recipe: Recipe,
    /// Its test rows.
    pub test: TestFiles,
    /// File name → BLAKE3 of what lies beside the bundle.
    pub papers: BTreeMap<String, Digest>,
}

impl Version {
    /// The description of a bundle with its evidence.
    pub fn new(bundle: Digest, manifest: &BundleManifest, evidence: &Evidence) -> Self {
        let papers = evidence.papers.iter().map(|paper| (paper.name.to_owned(), Digest::of(&paper.bytes)));
        let rows = (TRAINING_ROWS.to_owned(), Digest::of(&evidence.training.to_bytes()));
        Self {
            schema_version: SCHEMA_VERSION,
            bundle,
            learner: manifest.model.clone(),
            clinpipe: manifest.clinpipe.clone(),
            data: manifest.data.clone(),
            trained_on: manifest.training.rows.n,
            members: manifest.members.clone(),
            recipe: evidence.recipe.clone(),
            test: evidence.test.clone(),
            papers: papers.chain([rows]).collect(),
        }
    }

    /// BLAKE3 of its text, which vouches for its papers.
    ///
    /// # Errors
    /// When it cannot be expressed in JSON.
    pub fn digest(&self) -> serde_json::Result<Digest> {
        Ok(Digest::of(json::canonical(self)?.as_bytes()))
    }

    /// Reads the description in a version's directory and holds the papers against it.
    ///
    /// # Errors
    /// When it cannot be read, or a paper is not the one that it names.
    pub fn read(dir: &Path) -> io::Result<Self> {
        let invalid = |message: String| io::Error::new(io::ErrorKind::InvalidData, message);
        let named = |file: &str, error: &io::Error| io::Error::new(error.kind(), format!("{file}: {error}"));
        let text = fs::read(dir.join(DESCRIPTION)).map_err(|error| named(DESCRIPTION, &error))?;
        let version: Self =
            serde_json::from_slice(&text).map_err(|error| invalid(format!("{DESCRIPTION}: {error}")))?;
        if version.schema_version != SCHEMA_VERSION {
            return Err(invalid(format!("{DESCRIPTION} has the format {}", version.schema_version)));
        }
        for (name, digest) in &version.papers {
            let bytes = fs::read(dir.join(name)).map_err(|error| named(name, &error))?;
            if Digest::of(&bytes) != *digest {
                return Err(invalid(format!("{name} was changed after it was registered")));
            }
        }
        Ok(version)
    }

    /// Writes papers and description into a version's directory, the description last.
    pub(super) fn write(&self, dir: &Path, evidence: &Evidence) -> io::Result<()> {
        for Paper { name, bytes } in &evidence.papers {
            atomic_write::write(&dir.join(name), bytes)?;
        }
        atomic_write::write(&dir.join(TRAINING_ROWS), &evidence.training.to_bytes())?;
        atomic_write::write(&dir.join(DESCRIPTION), json::canonical(self)?.as_bytes())
    }
}

/// Copies a bundle's files, synced; the copy is checked by whoever loads it.
pub(super) fn copy_bundle(from: &Path, manifest: &BundleManifest, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for name in manifest.members.keys().map(String::as_str).chain([MANIFEST]) {
        let target = to.join(name);
        // The content alone: a file of the store is read-only and may be shared.
        fs::write(&target, fs::read(from.join(name))?)?;
        File::open(&target)?.sync_all()?;
    }
    atomic_write::sync_dir(to)
}
