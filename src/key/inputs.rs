//! Taking digests of files and directories.
//!
//! A directory's digest covers the relative path, the executable bit and the digest of each member, in path order.
//! Members that editors and interpreters leave behind, and those that `.dvcignore` or `.clinpipeignore` match, do not
//! count. Symbolic links count as what they point to.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use ignore::WalkBuilder;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::hash::hash_file;
use super::hint::FileState;
use super::{ContentRecord, Digest, HintTable};
use crate::config::PIPELINE_FILES;
use crate::util::ignore_rules::IGNORE_FILES;
use crate::util::{IgnoreRules, RelPath};

/// What stands at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Nothing.
    Missing,
    /// A file.
    File(ContentRecord),
    /// A directory and its members in path order.
    Directory(ContentRecord, Vec<Entry>),
}

impl Content {
    /// Digest, size and count, unless nothing is there.
    pub fn record(&self) -> Option<&ContentRecord> {
        match self {
            Self::Missing => None,
            Self::File(record) | Self::Directory(record, _) => Some(record),
        }
    }
}

/// One member of a directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Path relative to the directory.
    pub path: String,
    /// Digest of its bytes.
    pub digest: Digest,
    /// Bytes.
    pub size: u64,
    /// Whether its owner may execute it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub executable: bool,
}

/// A file that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {path}: {source}")]
pub struct InputError {
    /// Which.
    pub path: String,
    /// Why.
    pub source: io::Error,
}

/// Digests the files below a project root, with hints.
#[derive(Debug)]
pub struct Reader {
    root: PathBuf,
    hints: HintTable,
}

impl Reader {
    /// A reader for the project at `root`.
    pub fn new(root: PathBuf, hints: HintTable) -> Self {
        Self { root, hints }
    }

    /// The hints as they are now.
    pub fn hints(&self) -> &HintTable {
        &self.hints
    }

    /// What stands at `path`, with its digest.
    pub fn content(&self, path: &RelPath) -> Result<Content, InputError> {
        self.look(path, true)
    }

    /// What stands at `path`, if trusted hints tell without reading it.
    pub fn recall(&self, path: &RelPath) -> Option<Content> {
        self.look(path, false).ok()
    }

    fn look(&self, path: &RelPath, read: bool) -> Result<Content, InputError> {
        let absolute = path.under(&self.root);
        match fs::metadata(&absolute) {
            Ok(metadata) if metadata.is_dir() => self.directory(path, &absolute, read),
            Ok(metadata) => {
                let state = FileState::from(&metadata);
                ensure_regular(state).map_err(|source| InputError { path: path.to_string(), source })?;
                let digest = self.file(path.as_str(), &absolute, state, read)?;
                let executable = state.is_executable();
                Ok(Content::File(ContentRecord { digest, size: state.size, count: None, executable }))
            }
            Err(error) if is_absence(&error) => {
                self.hints.forget(path.as_str());
                Ok(Content::Missing)
            }
            Err(source) => Err(InputError { path: path.to_string(), source }),
        }
    }

    /// Digests again what was hashed within the clock's resolution of its last change, so that the next run can trust
    /// its hints. Waits for the clock to move on if there is such a file.
    pub fn settle(&self) {
        let racy = self.hints.racy_paths();
        if racy.is_empty() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_nanos(super::hint::CLOCK_RESOLUTION_NS as u64 + 5_000_000));
        racy.par_iter().for_each(|name| {
            let path = self.root.join(name);
            // A file that has gone or turned unreadable since loses its hint, nothing more.
            match fs::metadata(&path) {
                Ok(metadata) => drop(self.file(name, &path, FileState::from(&metadata), true)),
                Err(_) => self.hints.forget(name),
            }
        });
    }

    fn directory(&self, path: &RelPath, absolute: &Path, read: bool) -> Result<Content, InputError> {
        let fail = |source| InputError { path: path.to_string(), source };
        let members = self.members(path, absolute).map_err(fail)?;
        let open = OwnedFd::from(File::open(absolute).map_err(fail)?);
        let entries = members
            .into_par_iter()
            .map(|relative| self.member(path, (absolute, &open), relative, read))
            .collect::<Result<Vec<_>, InputError>>()?;
        Ok(Content::Directory(directory_record(&entries), entries))
    }

    fn member(
        &self,
        directory: &RelPath,
        (absolute, open): (&Path, &OwnedFd),
        relative: String,
        read: bool,
    ) -> Result<Entry, InputError> {
        let name = format!("{directory}/{relative}");
        let state = FileState::below(open, &relative).and_then(|state| ensure_regular(state).map(|()| state));
        let state = state.map_err(|source| InputError { path: name.clone(), source })?;
        let digest = self.file(&name, &absolute.join(&relative), state, read)?;
        Ok(Entry { path: relative, digest, size: state.size, executable: state.is_executable() })
    }

    /// What is below a directory, without the directories, in path order. Ignore files lie above it: one within would
    /// decide what is tracked and be tracked itself.
    fn members(&self, path: &RelPath, directory: &Path) -> io::Result<Vec<String>> {
        let rules = IgnoreRules::above(&self.root, path)?;
        if rules.ignoring_within(path, true).is_some() {
            return Ok(Vec::new());
        }
        let mut walk = WalkBuilder::new(directory);
        walk.standard_filters(false).follow_links(true).filter_entry(move |entry| {
            let is_directory = entry.file_type().is_some_and(|kind| kind.is_dir());
            entry.depth() == 0
                || !(is_litter(&entry.file_name().to_string_lossy())
                    || (is_directory && is_lock_directory(entry.path()))
                    || rules.ignoring(entry.path(), is_directory).is_some())
        });
        let walked = directory.as_os_str().as_bytes();
        let start = walked.len() + usize::from(!walked.ends_with(b"/"));
        let mut members = Vec::new();
        for entry in walk.build() {
            let entry = entry.map_err(io::Error::other)?;
            if entry.file_type().is_some_and(|kind| kind.is_dir()) {
                continue;
            }
            // What a walk yields begins with where it began.
            let bytes = entry.path().as_os_str().as_bytes().get(start..).unwrap_or_default();
            let relative = Path::new(OsStr::from_bytes(bytes));
            let name = entry.file_name().to_str().filter(|name| IGNORE_FILES.contains(name));
            if let Some(name) = name.filter(|_| !path.is_root() || entry.depth() > 1) {
                let message = format!(
                    "{name} lies within it, at {}; move its lines to one above the directory",
                    relative.display()
                );
                return Err(io::Error::new(io::ErrorKind::InvalidData, message));
            }
            if name.is_some() {
                continue;
            }
            let relative = relative.to_str().ok_or_else(|| {
                io::Error::other(format!("the file name {} is not UTF-8; rename it", relative.display()))
            })?;
            members.push(relative.to_owned());
        }
        members.par_sort_unstable();
        Ok(members)
    }

    /// The digest of a file; without `read` an error, unless a trusted hint tells it.
    fn file(&self, name: &str, path: &Path, state: FileState, read: bool) -> Result<Digest, InputError> {
        if let Some(digest) = self.hints.lookup(name, state) {
            return Ok(digest);
        }
        if !read {
            return Err(InputError { path: name.to_owned(), source: io::Error::from(io::ErrorKind::WouldBlock) });
        }
        let now_ns = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_nanos() as i64);
        let digest = hash_file(path).map_err(|source| InputError { path: name.to_owned(), source })?;
        self.hints.record(name, state, digest, now_ns);
        Ok(digest)
    }
}

/// Digest, size and count of a directory with these members (in path order).
pub fn directory_record(entries: &[Entry]) -> ContentRecord {
    let mut hasher = blake3::Hasher::new_derive_key("clinpipe directory v1");
    for entry in entries {
        hasher.update(&(entry.path.len() as u64).to_le_bytes());
        hasher.update(entry.path.as_bytes());
        hasher.update(&[u8::from(entry.executable)]);
        hasher.update(&entry.digest.hex());
    }
    ContentRecord {
        digest: hasher.finalize().into(),
        size: entries.iter().map(|entry| entry.size).sum(),
        count: Some(entries.len() as u64),
        executable: false,
    }
}

/// Reading a pipe would wait for ever, reading a device never end.
fn ensure_regular(state: FileState) -> io::Result<()> {
    if state.is_regular() {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::InvalidInput,
        "it is neither a file nor a directory but a pipe, socket or device",
    ))
}

fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Where the locks of a directory's pipeline lie, which change whenever a stage has run.
fn is_lock_directory(path: &Path) -> bool {
    let is_beside_pipeline = |parent: &Path| PIPELINE_FILES.iter().any(|name| parent.join(name).is_file());
    path.file_name().is_some_and(|name| name == "lockfiles") && path.parent().is_some_and(is_beside_pipeline)
}

/// What interpreters, desktops, version control and clinpipe itself leave in directories.
fn is_litter(name: &str) -> bool {
    matches!(name, "__pycache__" | ".ipynb_checkpoints" | ".DS_Store" | ".git" | ".hg" | ".dvc" | ".clinpipe")
        || Path::new(name).extension().is_some_and(|extension| extension == "pyc")
}
