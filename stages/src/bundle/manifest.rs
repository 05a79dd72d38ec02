//! bundle.json: what a bundle is made of and where it comes from.
//!
//! The digest of this file identifies the bundle: it covers every member's digest, so it covers everything.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::common::target::Task;
use crate::leakage;
use crate::train::Fingerprint;

/// The manifest's own file name.
pub const MANIFEST: &str = "bundle.json";
/// The version of the bundle's format.
pub const SCHEMA_VERSION: u32 = 1;

/// bundle.json.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BundleManifest {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The clinpipe that assembled it.
    pub clinpipe: String,
    /// The learner of its model.
    pub model: String,
    /// What the model was trained on.
    pub data: DataLineage,
    /// The training rows.
    pub training: TrainingRows,
    /// What was found when leaks were looked for; absent when nobody looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leakage: Option<LeakageRecord>,
    /// Every other file of the bundle by its path.
    pub members: BTreeMap<String, Member>,
}

/// Where the training data come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataLineage {
    /// `real` or `synthetic`.
    pub source: String,
    /// The raw file as the pipeline names it.
    pub file: String,
    /// BLAKE3 of the raw file, in hex.
    pub blake3: String,
}

/// The rows a model was trained on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingRows {
    /// Which rows.
    pub rows: Fingerprint,
    /// Events among them, when the outcome is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<u64>,
}

/// The search for leaks behind a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeakageRecord {
    /// BLAKE3 of leakage.json, in hex.
    pub blake3: String,
    /// The findings that somebody answers for.
    pub waived: Vec<WaivedFinding>,
}

/// A finding that somebody answers for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WaivedFinding {
    /// Which check found it.
    pub check: leakage::Check,
    /// The column, or the part of the data.
    pub subject: String,
    /// Who answers for it, and why.
    pub waived: leakage::Waived,
}

/// A file of the bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// BLAKE3 of its bytes, in hex.
    pub blake3: String,
    /// Its length in bytes.
    pub size: u64,
}

impl Member {
    /// The entry of a file with these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self { blake3: blake3::hash(bytes).to_hex().to_string(), size: bytes.len() as u64 }
    }
}

/// Why a bundle cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// There is no bundle.
    #[error("{} is not a bundle: it has no {MANIFEST}", .0.display())]
    Absent(PathBuf),
    /// A file cannot be read.
    #[error("cannot read {}: {source}", file.display())]
    Io {
        /// Which.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The files are not those of the manifest.
    #[error("the bundle was changed after it was made: {0}")]
    Tampered(String),
    /// The files are intact but cannot be understood by this clinpipe.
    #[error("{member}: {message}")]
    Format {
        /// The file.
        member: String,
        /// What is wrong with it.
        message: String,
    },
    /// A column that scoring needs is absent.
    #[error("column `{0}` is required")]
    MissingColumn(String),
    /// A column of the wrong type.
    #[error("column `{column}` should hold {wanted}")]
    WrongType {
        /// The column.
        column: String,
        /// `numbers` or `texts`.
        wanted: &'static str,
    },
    /// The bundle answers with something else than was asked for.
    #[error("the bundle predicts {found}, not {wanted}")]
    Outcome {
        /// What it predicts.
        found: Task,
        /// What was asked for.
        wanted: Task,
    },
    /// The features do not fit the model.
    #[error("{0}")]
    Features(String),
}

/// The files of a bundle, read once and found to be those of its manifest.
pub(super) struct Files {
    pub(super) manifest: BundleManifest,
    pub(super) digest: String,
    members: BTreeMap<String, Vec<u8>>,
}

impl Files {
    pub(super) fn read(directory: &Path) -> Result<Self, BundleError> {
        let path = directory.join(MANIFEST);
        let bytes = match std::fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(BundleError::Absent(directory.to_path_buf()));
            }
            read => read.map_err(|source| BundleError::Io { file: path, source })?,
        };
        let manifest: BundleManifest = parse(MANIFEST, &bytes)?;
        if manifest.schema_version != SCHEMA_VERSION {
            let message = format!("has format {}, this clinpipe reads {SCHEMA_VERSION}", manifest.schema_version);
            return Err(BundleError::Format { member: MANIFEST.to_owned(), message });
        }
        for name in present(directory)? {
            if name != MANIFEST && !manifest.members.contains_key(&name) {
                return Err(BundleError::Tampered(format!("{name} is not listed in {MANIFEST}")));
            }
        }
        let mut members = BTreeMap::new();
        for (name, member) in &manifest.members {
            members.insert(name.clone(), read_member(directory, name, member)?);
        }
        let digest = blake3::hash(&bytes).to_hex().to_string();
        Ok(Self { manifest, digest, members })
    }

    /// A member that must be there.
    pub(super) fn json<T: serde::de::DeserializeOwned>(&self, name: &str) -> Result<T, BundleError> {
        let absent = || BundleError::Format { member: name.to_owned(), message: "is missing".to_owned() };
        parse(name, self.members.get(name).ok_or_else(absent)?)
    }

    /// A member that may be absent.
    pub(super) fn json_opt<T: serde::de::DeserializeOwned>(&self, name: &str) -> Result<Option<T>, BundleError> {
        self.members.get(name).map(|bytes| parse(name, bytes)).transpose()
    }
}

fn parse<T: serde::de::DeserializeOwned>(name: &str, bytes: &[u8]) -> Result<T, BundleError> {
    serde_json::from_slice(bytes)
        .map_err(|error| BundleError::Format { member: name.to_owned(), message: error.to_string() })
}

/// The names of a directory's entries; a directory in it is an entry too.
fn present(directory: &Path) -> Result<Vec<String>, BundleError> {
    let io = |source| BundleError::Io { file: directory.to_path_buf(), source };
    let mut names = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(io)? {
        names.push(entry.map_err(io)?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

fn read_member(directory: &Path, name: &str, member: &Member) -> Result<Vec<u8>, BundleError> {
    // A manifest could name a file outside the bundle; members are plain file names.
    if name.contains(['/', '\\']) || name == ".." {
        return Err(BundleError::Tampered(format!("{name} is not a plain file name")));
    }
    let path = directory.join(name);
    let bytes = match std::fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(BundleError::Tampered(format!("{name} is missing")));
        }
        read => read.map_err(|source| BundleError::Io { file: path, source })?,
    };
    if Member::of(&bytes) != *member {
        return Err(BundleError::Tampered(format!("{name} does not have the digest listed in {MANIFEST}")));
    }
    Ok(bytes)
}
