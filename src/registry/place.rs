//! Where a registry is: `artifacts/registry/<model>/` with its versions, its states and its aliases.
//!
//! `current` is a link to the directory of the present state, which holds the state's document and a link for each role
//! to the bundle that has it; `champion`, `challenger` and `archived` lead through `current`. Renaming a new link over
//! `current` therefore moves all of them at once. This module reads; changing is [`Held`]'s, which needs the lock.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use clinpipe_stages::bundle::{Bundle, BundleError};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::aliases;
use super::commit::Held;
use super::seen::{RowKey, SeenRows};
use super::state::{SCHEMA_VERSION, State};
use super::version::{self, BUNDLE, Version};
use crate::key::Digest;

/// Where registries are, below the project's root.
const BASE: &str = "artifacts/registry";
/// The alias of the model in use.
pub const CHAMPION: &str = "champion";
/// The alias of the model on trial.
pub(super) const CHALLENGER: &str = "challenger";
/// The alias of the version that lost its role last.
pub(super) const ARCHIVED: &str = "archived";
/// The link to the present state.
pub(super) const CURRENT: &str = "current";
/// Where the states are.
pub(super) const STATES: &str = "states";
/// The document of a state.
pub(super) const DOCUMENT: &str = "state.json";

/// Why a registry cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// A file cannot be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// `read`, `write` …
        action: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A document is not what clinpipe wrote.
    #[error("{}: {message}", path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// A bundle cannot be used.
    #[error(
        "the bundle at {}: {source}\nhelp: restore it from a copy; or make it again with `clinpipe repro`, and `clinpipe promote` \
         puts the same bundle in its place",
        path.display()
    )]
    Bundle {
        /// Which.
        path: PathBuf,
        /// Why.
        source: BundleError,
    },
    /// A name that is no directory's.
    #[error("`{0}` cannot name a model: use letters, digits, `.`, `_` and `-`")]
    Name(String),
    /// Nothing has this digest.
    #[error("the registry has no version {0}")]
    NoVersion(String),
    /// Another process changed the champion meanwhile.
    #[error("the champion is {now} now, and the candidate was compared with {then}")]
    Moved {
        /// The present champion.
        now: String,
        /// The one of the comparison.
        then: String,
    },
    /// A document cannot be expressed.
    #[error("cannot express the state: {0}")]
    Json(#[from] serde_json::Error),
}

pub(super) fn io_at<'a>(action: &'static str, path: &'a Path) -> impl Fn(io::Error) -> RegistryError + 'a {
    move |source| RegistryError::Io { action, path: path.to_owned(), source }
}

/// The registry of a model.
#[derive(Debug, Clone)]
pub struct Registry {
    pub(super) dir: PathBuf,
    model: String,
}

impl Registry {
    /// The registry of a model below the project's root.
    ///
    /// # Errors
    /// When the name is none.
    pub fn new(root: &Path, model: &str) -> Result<Self, RegistryError> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if model.is_empty() || model.starts_with('.') || !model.chars().all(is_plain) {
            return Err(RegistryError::Name(model.to_owned()));
        }
        Ok(Self { dir: root.join(BASE).join(model), model: model.to_owned() })
    }

    /// The models that have a registry below the project's root.
    ///
    /// # Errors
    /// When the directory cannot be listed.
    pub fn models(root: &Path) -> Result<Vec<String>, RegistryError> {
        let base = root.join(BASE);
        let entries = match fs::read_dir(&base) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(io_at("list", &base))?,
        };
        let mut models = Vec::new();
        for entry in entries {
            let name = entry.map_err(io_at("list", &base))?.file_name();
            models.extend(
                name.to_str().filter(|name| Self::new(root, name).is_ok_and(|own| own.dir.is_dir())).map(str::to_owned),
            );
        }
        models.sort();
        Ok(models)
    }

    /// The model's name.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// The path of an alias, below the project's root.
    pub fn alias(&self, role: &str) -> String {
        format!("{BASE}/{}/{role}", self.model)
    }

    /// The model of the registry that an alias belongs to, from its path below the project's root.
    pub fn model_of(alias: &str) -> Option<&str> {
        let (model, role) = alias.strip_prefix(BASE)?.strip_prefix('/')?.split_once('/')?;
        (!role.contains('/')).then_some(model)
    }

    /// The directory of a version.
    pub fn version_dir(&self, bundle: Digest) -> PathBuf {
        self.dir.join("versions").join(bundle.to_string())
    }

    /// The present state, its aliases found to lead where it says; none before the first promotion.
    ///
    /// # Errors
    /// When it cannot be read, an alias was changed, or `current` is gone.
    pub fn state(&self) -> Result<Option<State>, RegistryError> {
        let current = self.dir.join(CURRENT);
        let damaged = |message: String| RegistryError::Damaged { path: current.clone(), message };
        // Read once: another process may move it meanwhile.
        let place = match fs::read_link(&current) {
            Ok(place) => place,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return match self.last_numbered()? {
                    // A process that was killed at its first promotion leaves the first state without `current`.
                    None | Some(1) => Ok(None),
                    Some(last) => Err(damaged(format!(
                        "is gone, and nobody knows which state holds; `ln -sfn {} {}` takes the last",
                        state_name(last),
                        current.display()
                    ))),
                };
            }
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                return Err(damaged("is no link to a state".to_owned()));
            }
            Err(error) => return Err(io_at("read", &current)(error)),
        };
        let dir = self.dir.join(&place);
        let state = read_state(&dir.join(DOCUMENT))?;
        if place != Path::new(&state_name(state.seq)) {
            return Err(damaged(format!("leads to {}, which holds the state {}", place.display(), state.seq)));
        }
        aliases::check(&state, &dir, &self.dir)?;
        Ok(Some(state))
    }

    /// The greatest number of a state's directory.
    fn last_numbered(&self) -> Result<Option<u64>, RegistryError> {
        let dir = self.dir.join(STATES);
        let entries = match fs::read_dir(&dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            entries => entries.map_err(io_at("list", &dir))?,
        };
        let mut last = None;
        for entry in entries {
            let name = entry.map_err(io_at("list", &dir))?.file_name();
            last = last.max(name.to_str().and_then(|name| name.parse().ok()));
        }
        Ok(last)
    }

    /// Every state, the first first, each found to name the one before.
    ///
    /// # Errors
    /// When one cannot be read, or does not follow the one before.
    pub fn history(&self) -> Result<Vec<State>, RegistryError> {
        let Some(last) = self.state()? else { return Ok(Vec::new()) };
        let mut states = Vec::new();
        for seq in 1..=last.seq {
            let damaged = |message: &str| RegistryError::Damaged {
                path: self.state_dir(seq).join(DOCUMENT),
                message: message.to_owned(),
            };
            let state = self.numbered(seq)?;
            let before = states.last().map(State::digest).transpose()?;
            if state.seq != seq || state.before != before {
                return Err(damaged("does not follow the state before it: one of them was changed"));
            }
            states.push(state);
        }
        match states.last() {
            Some(state) if *state == last => Ok(states),
            _ => Err(RegistryError::Damaged {
                path: self.dir.join(CURRENT),
                message: "is not the last state of the history".to_owned(),
            }),
        }
    }

    /// The state of a number that is in place, whether or not it holds yet.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn numbered(&self, seq: u64) -> Result<State, RegistryError> {
        read_state(&self.state_dir(seq).join(DOCUMENT))
    }

    /// The digests of all versions.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub fn versions(&self) -> Result<Vec<Digest>, RegistryError> {
        let dir = self.dir.join("versions");
        let entries = match fs::read_dir(&dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(io_at("list", &dir))?,
        };
        let mut versions = Vec::new();
        for entry in entries {
            let name = entry.map_err(io_at("list", &dir))?.file_name();
            versions.extend(name.to_str().and_then(|name| name.parse::<Digest>().ok()));
        }
        versions.sort();
        Ok(versions)
    }

    /// The version whose digest begins so, or that has this role.
    ///
    /// # Errors
    /// When there is none, or more than one.
    pub fn find(&self, name: &str) -> Result<Digest, RegistryError> {
        let state = self.state()?;
        let role = match name {
            CHAMPION => state.as_ref().and_then(|state| state.champion),
            CHALLENGER => state.as_ref().and_then(|state| state.challenger),
            ARCHIVED => state.as_ref().and_then(|state| state.archived.first().copied()),
            _ => None,
        };
        if let Some(role) = role {
            return Ok(role);
        }
        let mut found = self.versions()?.into_iter().filter(|version| version.to_string().starts_with(name));
        match (found.next(), found.next()) {
            (Some(version), None) if name.len() >= 4 => Ok(version),
            _ => Err(RegistryError::NoVersion(name.to_owned())),
        }
    }

    /// The description of a version, its papers found to be those that it names.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn version(&self, bundle: Digest) -> Result<Version, RegistryError> {
        let dir = self.version_dir(bundle);
        Version::read(&dir).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound if !dir.exists() => RegistryError::NoVersion(bundle.to_string()),
            _ => RegistryError::Damaged { path: dir, message: error.to_string() },
        })
    }

    /// The bundle of a version, found to have its digest, and what it was trained on.
    ///
    /// # Errors
    /// When either cannot be read.
    pub fn load(&self, bundle: Digest) -> Result<(Bundle, SeenRows), RegistryError> {
        let path = self.version_dir(bundle).join(BUNDLE);
        let loaded = Bundle::load(&path).map_err(|source| RegistryError::Bundle { path: path.clone(), source })?;
        if loaded.digest() != bundle.to_string() {
            let message = format!("is the bundle {}", loaded.digest());
            return Err(RegistryError::Damaged { path, message });
        }
        let rows = self.version_dir(bundle).join(version::TRAINING_ROWS);
        let seen = SeenRows::read(&rows).map_err(io_at("read", &rows))?;
        Ok((loaded, seen))
    }

    /// The secret under which training rows are marked; made where there is none.
    ///
    /// # Errors
    /// When it cannot be read or made.
    pub fn row_key(&self) -> Result<RowKey, RegistryError> {
        fs::create_dir_all(&self.dir).map_err(io_at("write", &self.dir))?;
        let path = self.dir.join("rows.key");
        RowKey::open(&path).map_err(io_at("use", &path))
    }

    /// Waits for the lock of the registry, which ends with what it gives.
    ///
    /// # Errors
    /// When it cannot be taken.
    pub fn lock(&self) -> Result<Held<'_>, RegistryError> {
        for dir in [self.dir.clone(), self.dir.join("versions"), self.dir.join(STATES)] {
            fs::create_dir_all(&dir).map_err(io_at("write", &dir))?;
        }
        let path = self.dir.join("lock");
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
        let file = file.map_err(io_at("write", &path))?;
        while let Err(error) = flock(&file, FlockOperation::LockExclusive) {
            if error != Errno::INTR {
                return Err(io_at("lock", &path)(error.into()));
            }
        }
        Ok(Held::new(self, file))
    }

    pub(super) fn state_dir(&self, seq: u64) -> PathBuf {
        self.dir.join(state_name(seq))
    }
}

/// The directory of a state, below the registry's.
pub(super) fn state_name(seq: u64) -> String {
    format!("{STATES}/{seq:06}")
}

fn read_state(path: &Path) -> Result<State, RegistryError> {
    let damaged = |message: String| RegistryError::Damaged { path: path.to_owned(), message };
    let text = fs::read(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => damaged("is gone; restore the registry from a copy".to_owned()),
        _ => io_at("read", path)(error),
    })?;
    let state: State = serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?;
    if state.schema_version != SCHEMA_VERSION {
        return Err(damaged(format!("has the format {}", state.schema_version)));
    }
    Ok(state)
}
