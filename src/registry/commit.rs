//! Changing a registry: a version more, or the next state.
//!
//! Whatever is written stands complete and synced under a name of its own before one rename makes it count, so a process
//! that is killed has changed nothing anybody reads. What it leaves is cleared by the next one that holds the lock.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;

use clinpipe_stages::bundle::Bundle;
use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::aliases;
use super::place::{CURRENT, DOCUMENT, Registry, RegistryError, STATES, io_at, state_name};
use super::state::{Move, State};
use super::version::{self, BUNDLE, Evidence, Version};
use crate::key::Digest;
use crate::util::atomic_write;

/// What names of unfinished work begin with.
const UNFINISHED: &str = ".new-";

/// A champion in words.
fn named(digest: Option<Digest>) -> String {
    digest.map_or_else(|| "none".to_owned(), |digest| digest.short())
}

/// A registry whose lock is held.
pub struct Held<'a> {
    registry: &'a Registry,
    _lock: File,
}

impl<'a> Held<'a> {
    /// `lock` is the registry's lock file, locked.
    pub(super) fn new(registry: &'a Registry, lock: File) -> Self {
        Self { registry, _lock: lock }
    }

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
        let is_same = || self.registry.version(digest).is_ok_and(|known| known == version);
        // A bundle that was damaged there is replaced.
        if is_there && is_same() && self.registry.load(digest).is_ok() {
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

    /// Puts the state after a move in place if the champion is still `expected`. It holds once [`Self::point`] has led
    /// `current` to it; in between is the time to record it.
    ///
    /// # Errors
    /// [`RegistryError::Moved`] when it is not; else when the state cannot be written.
    pub fn prepare(&self, expected: Option<Digest>, done: Move) -> Result<State, RegistryError> {
        let registry = self.registry;
        let before = registry.state()?;
        let champion = before.as_ref().and_then(|state| state.champion);
        if champion != expected {
            return Err(RegistryError::Moved { now: named(champion), then: named(expected) });
        }
        let state = State::after(before.as_ref(), done)?;
        let states = registry.dir.join(STATES);
        clear(&states)?;
        let staged = states.join(format!("{UNFINISHED}{:06}", state.seq));
        let place = registry.state_dir(state.seq);
        write_state(&state, &staged).map_err(io_at("write", &staged))?;
        // A process that was killed before it recorded its state may have left one of this number.
        if place.exists() {
            fs::remove_dir_all(&place).map_err(io_at("remove", &place))?;
        }
        fs::rename(&staged, &place).and_then(|()| atomic_write::sync_dir(&states)).map_err(io_at("write", &place))?;
        Ok(state)
    }

    /// Lets a state hold that is in place.
    ///
    /// # Errors
    /// When a link cannot be written; then the state before holds.
    pub fn point(&self, state: &State) -> Result<(), RegistryError> {
        self.lead_to(state).map_err(io_at("write", &self.registry.dir))
    }

    /// Lets `current` lead to a state, and the aliases through it.
    fn lead_to(&self, state: &State) -> io::Result<()> {
        let dir = &self.registry.dir;
        aliases::lead(state, dir)?;
        let staged = dir.join(format!("{UNFINISHED}current"));
        match fs::remove_file(&staged) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        symlink(state_name(state.seq), &staged)?;
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
    aliases::write(state, dir)?;
    atomic_write::write(&dir.join(DOCUMENT), state.text()?.as_bytes())
}
