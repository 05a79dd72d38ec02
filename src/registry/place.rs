//! Where a registry is: `artifacts/registry/<model>/` with its versions, its states and its aliases.
//!
//! `current` is a link to the directory of the present state, which holds the state's document and a link for each role
//! to the bundle that has it; `champion`, `challenger` and `archived` lead through `current`. Renaming a new link over
//! `current` therefore moves all of them at once, and a process that is killed before has changed nothing anybody reads.
//! What it leaves is cleared by the next one that holds the lock.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use clinpipe_stages::bundle::{Bundle, BundleError};
use rustix::fs::{CWD, FlockOperation, RenameFlags, flock, renameat_with};
use rustix::io::Errno;

use super::seen::{RowKey, SeenRows};
use super::state::{Move, SCHEMA_VERSION, State};
use super::version::{self, BUNDLE, Evidence, Version};
use crate::key::Digest;
use crate::util::atomic_write;

/// Where registries are, below the project's root.
const BASE: &str = "artifacts/registry";
/// The alias of the model in use.
pub const CHAMPION: &str = "champion";
/// The alias of the model on trial.
const CHALLENGER: &str = "challenger";
/// The alias of the version that lost its role last.
const ARCHIVED: &str = "archived";
/// The link to the present state.
const CURRENT: &str = "current";
/// The document of a state.
const DOCUMENT: &str = "state.json";
/// What names of unfinished work begin with.
const UNFINISHED: &str = ".new-";

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
    #[error("the bundle at {}: {source}", path.display())]
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

fn io_at<'a>(action: &'static str, path: &'a Path) -> impl Fn(io::Error) -> RegistryError + 'a {
    move |source| RegistryError::Io { action, path: path.to_owned(), source }
}

/// The registry of a model.
#[derive(Debug, Clone)]
pub struct Registry {
    dir: PathBuf,
    model: String,
}

/// A champion in words.
pub(super) fn named(digest: Option<Digest>) -> String {
    digest.map_or_else(|| "none".to_owned(), |digest| digest.short())
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

    /// The directory of a version.
    pub fn version_dir(&self, bundle: Digest) -> PathBuf {
        self.dir.join("versions").join(bundle.to_string())
    }

    /// The present state; none before the first promotion.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn state(&self) -> Result<Option<State>, RegistryError> {
        read_state(&self.dir.join(CURRENT).join(DOCUMENT))
    }

    /// Every state, the first first, each found to name the one before.
    ///
    /// # Errors
    /// When one cannot be read, or does not follow the one before.
    pub fn history(&self) -> Result<Vec<State>, RegistryError> {
        let Some(last) = self.state()? else { return Ok(Vec::new()) };
        let mut states = Vec::new();
        for seq in 1..=last.seq {
            let path = self.state_dir(seq).join(DOCUMENT);
            let damaged = |message: &str| RegistryError::Damaged { path: path.clone(), message: message.to_owned() };
            let state = read_state(&path)?.ok_or_else(|| damaged("is missing"))?;
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
        for dir in [self.dir.clone(), self.dir.join("versions"), self.dir.join("states")] {
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
        Ok(Held { registry: self, _lock: file })
    }

    fn state_dir(&self, seq: u64) -> PathBuf {
        self.dir.join("states").join(format!("{seq:06}"))
    }
}

fn read_state(path: &Path) -> Result<Option<State>, RegistryError> {
    let text = match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        text => text.map_err(io_at("read", path))?,
    };
    let damaged = |message: String| RegistryError::Damaged { path: path.to_owned(), message };
    let state: State = serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?;
    if state.schema_version != SCHEMA_VERSION {
        return Err(damaged(format!("has the format {}", state.schema_version)));
    }
    Ok(Some(state))
}

/// A registry whose lock is held.
pub struct Held<'a> {
    registry: &'a Registry,
    _lock: File,
}

impl Held<'_> {
    /// Adds a version, or the papers of one that is there.
    ///
    /// # Errors
    /// When it cannot be written, or the bundle is not what its manifest says.
    pub fn add(&self, source: &Path, bundle: &Bundle, evidence: &Evidence) -> Result<Digest, RegistryError> {
        let damaged = |message: String| RegistryError::Damaged { path: source.to_owned(), message };
        let digest: Digest = bundle.digest().parse().map_err(|_| damaged("has no digest".to_owned()))?;
        let version = Version::new(digest, bundle.manifest(), evidence);
        let dir = self.registry.version_dir(digest);
        let is_there = dir.exists();
        if is_there && self.registry.version(digest).is_ok_and(|known| known == version) {
            self.registry.load(digest)?;
            return Ok(digest);
        }
        let versions = self.registry.dir.join("versions");
        clear(&versions)?;
        let staged = versions.join(format!("{UNFINISHED}{digest}"));
        version::copy_bundle(source, bundle.manifest(), &staged.join(BUNDLE)).map_err(io_at("write", &staged))?;
        version.write(&staged, evidence).map_err(io_at("write", &staged))?;
        let copy = staged.join(BUNDLE);
        let copied = Bundle::load(&copy).map_err(|source| RegistryError::Bundle { path: copy, source })?;
        if copied.digest() != bundle.digest() {
            return Err(damaged("changed while it was registered".to_owned()));
        }
        put(&staged, &dir, is_there).and_then(|()| atomic_write::sync_dir(&versions)).map_err(io_at("write", &dir))?;
        clear(&versions)?;
        Ok(digest)
    }

    /// Moves to the next state if the champion is still `expected`.
    ///
    /// # Errors
    /// [`RegistryError::Moved`] when it is not; else when the state cannot be written. Then nothing has changed.
    pub fn commit(&self, expected: Option<Digest>, done: Move) -> Result<State, RegistryError> {
        let registry = self.registry;
        let before = registry.state()?;
        let champion = before.as_ref().and_then(|state| state.champion);
        if champion != expected {
            return Err(RegistryError::Moved { now: named(champion), then: named(expected) });
        }
        let state = State::after(before.as_ref(), done)?;
        let states = registry.dir.join("states");
        clear(&states)?;
        let staged = states.join(format!("{UNFINISHED}{:06}", state.seq));
        let place = registry.state_dir(state.seq);
        write_state(&state, &staged).map_err(io_at("write", &staged))?;
        // A process that was killed before it moved `current` may have left a state of this number.
        if place.exists() {
            fs::remove_dir_all(&place).map_err(io_at("remove", &place))?;
        }
        fs::rename(&staged, &place).and_then(|()| atomic_write::sync_dir(&states)).map_err(io_at("write", &place))?;
        self.point(&state).map_err(io_at("write", &registry.dir))?;
        Ok(state)
    }

    /// Lets `current` lead to a state, and the aliases through it.
    fn point(&self, state: &State) -> io::Result<()> {
        let dir = &self.registry.dir;
        for role in [CHAMPION, CHALLENGER, ARCHIVED] {
            match symlink(Path::new(CURRENT).join(role), dir.join(role)) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
        }
        let staged = dir.join(format!("{UNFINISHED}current"));
        match fs::remove_file(&staged) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        symlink(format!("states/{:06}", state.seq), &staged)?;
        fs::rename(&staged, dir.join(CURRENT))?;
        atomic_write::sync_dir(dir)
    }
}

/// Removes what killed processes left.
fn clear(dir: &Path) -> Result<(), RegistryError> {
    for entry in fs::read_dir(dir).map_err(io_at("list", dir))? {
        let path = entry.map_err(io_at("list", dir))?.path();
        if path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(UNFINISHED)) {
            fs::remove_dir_all(&path).map_err(io_at("remove", &path))?;
        }
    }
    Ok(())
}

/// Puts a directory in place of another at once, which then has the name of the first.
fn put(staged: &Path, dir: &Path, is_there: bool) -> io::Result<()> {
    if is_there {
        return Ok(renameat_with(CWD, staged, CWD, dir, RenameFlags::EXCHANGE)?);
    }
    fs::rename(staged, dir)
}

/// Writes a state's directory, synced.
fn write_state(state: &State, dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    let roles =
        [(CHAMPION, state.champion), (CHALLENGER, state.challenger), (ARCHIVED, state.archived.first().copied())];
    for (role, version) in roles {
        if let Some(version) = version {
            symlink(format!("../../versions/{version}/{BUNDLE}"), dir.join(role))?;
        }
    }
    atomic_write::write(&dir.join(DOCUMENT), state.text()?.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::super::state::Act;
    use super::super::state::tests::{digest, done};
    use super::*;

    fn registry() -> (tempfile::TempDir, Registry) {
        let root = tempfile::tempdir().expect("a directory");
        let registry = Registry::new(root.path(), "dropout").expect("a name");
        (root, registry)
    }

    fn promote(registry: &Registry, expected: Option<&str>, name: &str) -> Result<State, RegistryError> {
        let held = registry.lock().expect("the lock");
        fs::create_dir_all(registry.version_dir(digest(name)).join(BUNDLE)).expect("a version");
        held.commit(expected.map(digest), done(Act::Promotion, name))
    }

    #[test]
    fn the_alias_leads_to_the_bundle_and_moves_with_the_state() {
        let (root, registry) = registry();
        assert!(registry.state().expect("readable").is_none() && registry.history().expect("readable").is_empty());
        promote(&registry, None, "a").expect("promoted");
        let champion = root.path().join(registry.alias(CHAMPION));
        let leads = |alias: &Path| alias.canonicalize().expect("leads somewhere");
        assert_eq!(leads(&champion), leads(&registry.version_dir(digest("a")).join(BUNDLE)));
        promote(&registry, Some("a"), "b").expect("promoted");
        assert_eq!(leads(&champion), leads(&registry.version_dir(digest("b")).join(BUNDLE)));
        assert_eq!(
            leads(&root.path().join(registry.alias(ARCHIVED))),
            leads(&registry.version_dir(digest("a")).join(BUNDLE))
        );
        assert_eq!(registry.history().expect("holds together").len(), 2);
        assert_eq!(registry.find("champion").expect("found"), digest("b"));
        assert_eq!(registry.find(&digest("a").to_string()[..8]).expect("found"), digest("a"));
        assert_eq!(Registry::models(root.path()).expect("listed"), ["dropout"]);
    }

    #[test]
    fn a_comparison_with_another_champion_does_not_hold() {
        let (_root, registry) = registry();
        promote(&registry, None, "a").expect("promoted");
        for expected in [None, Some("b")] {
            assert!(matches!(promote(&registry, expected, "b"), Err(RegistryError::Moved { .. })));
        }
        assert_eq!(registry.state().expect("readable").and_then(|state| state.champion), Some(digest("a")));
    }

    #[test]
    fn what_a_killed_process_left_changes_nothing_and_is_cleared() {
        let (_root, registry) = registry();
        promote(&registry, None, "a").expect("promoted");
        // Killed while it wrote a state, and before `current` was moved.
        fs::create_dir_all(registry.dir.join("states/.new-000002")).expect("left");
        fs::create_dir_all(registry.dir.join("states/000002")).expect("left");
        fs::write(registry.dir.join("states/000002").join(DOCUMENT), "{").expect("left");
        symlink("states/000002", registry.dir.join(".new-current")).expect("left");
        assert_eq!(registry.history().expect("holds together").len(), 1);
        promote(&registry, Some("a"), "b").expect("promoted");
        assert_eq!(registry.history().expect("holds together").len(), 2);
        assert!(!registry.dir.join("states/.new-000002").exists() && !registry.dir.join(".new-current").exists());
    }

    #[test]
    fn a_rewritten_history_is_found() {
        let (_root, registry) = registry();
        promote(&registry, None, "a").expect("promoted");
        promote(&registry, Some("a"), "b").expect("promoted");
        let path = registry.state_dir(1).join(DOCUMENT);
        let text = fs::read_to_string(&path).expect("readable").replace("ana", "bob");
        fs::write(&path, text).expect("written");
        assert!(matches!(registry.history(), Err(RegistryError::Damaged { .. })));
    }

    #[test]
    fn names_are_plain() {
        for name in ["", ".", "..", ".x", "a/b", "a b", "ä"] {
            assert!(Registry::new(Path::new("."), name).is_err(), "{name}");
        }
    }
}
