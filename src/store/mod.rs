//! What is on disk: the lock file, and under `.clinpipe/` the blobs, action records, the journal and the hints.
//! The formats are known here only; `docs/formats.md` describes them.
//!
//! Invariants: every file is replaced as a whole; blobs reach the disk before the record that names them, and the
//! record before the lock. A blob is verified when it is read back. Blobs and records need no lock: they are named by
//! content. This room does not know graphs, stages or commands.

mod action;
mod cas;
mod check;
mod claim;
mod derived;
mod gc;
mod journal;
mod kept_lock;
mod lock;
mod locks;
mod news;
pub mod remote;
mod roots;
mod stat;
mod survey;

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

pub use action::{ActionRecord, RecordVerdict};
pub use cas::Cas;
pub use check::{CheckReport, Damage, Fault};
pub use claim::{Claim, Mark};
pub use gc::Sweep;
pub use journal::Journal;
pub use lock::{Lock, StageRecord};
pub use locks::{FileLock, Held};
pub use news::LockNews;
pub use roots::{is_lock, lock_outputs};
pub use survey::{Share, Size, Survey};

use crate::config::Link;
use crate::key::{Digest, HintTable};
use crate::util::{RelPath, atomic_write};

/// The version of every format written by this room.
pub const SCHEMA_VERSION: u32 = 1;

/// Names everything in the store, itself included.
const GITIGNORE: &str = ".gitignore";

/// What can go wrong with the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file of the store cannot be read or written.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// `read`, `write` …
        action: &'static str,
        /// Which file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// A file of the store does not hold what it should.
    #[error("{path} is damaged: {message}")]
    Damaged {
        /// Which file.
        path: String,
        /// What is wrong, and what to do.
        message: String,
    },
    /// The store does not hold a blob.
    #[error("the store does not hold {0}")]
    Missing(Digest),
}

impl StoreError {
    fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { action, path: path.display().to_string(), source }
    }
}

/// The `.clinpipe` directory of a project.
#[derive(Debug, Clone)]
pub struct Store {
    dir: PathBuf,
    link: Link,
}

impl Store {
    /// The store of the project at `root`. Nothing is created until something is written.
    pub fn new(root: &Path) -> Self {
        Self { dir: root.join(".clinpipe"), link: Link::default() }
    }

    /// The same store, whose files get into the workspace in this way.
    pub fn with_link(self, link: Link) -> Self {
        Self { link, ..self }
    }

    /// The blobs.
    pub fn cas(&self) -> Cas {
        Cas::new(self.dir.join("cas"), self.tmp(), self.link)
    }

    /// Where the attempts of a lock file's stages live; on the same file system as the project.
    pub fn attempts(&self, lock_stem: &str) -> PathBuf {
        self.tmp().join(lock_stem)
    }

    /// Where temporary files live, while [`Store::use_tmp`] is held.
    pub fn tmp(&self) -> PathBuf {
        self.dir.join("tmp")
    }

    /// Takes part in the use of `tmp/`. Who finds nobody else there removes what killed processes left, and sees to it
    /// that git leaves the store alone, also in a project whose `.gitignore` does not know it.
    pub fn use_tmp(&self) -> Result<Held, StoreError> {
        self.file_lock("tmp").share(|| {
            // Litter that cannot be removed harms nobody; nor does a file that somebody wrote there.
            drop(fs::remove_dir_all(self.tmp()));
            self.ignore_itself();
        })
    }

    /// Tells git to leave this directory alone.
    fn ignore_itself(&self) {
        let mine = OpenOptions::new().write(true).create_new(true).open(self.dir.join(GITIGNORE));
        drop(mine.and_then(|mut file| file.write_all(b"*\n")));
    }

    /// A lock between processes in a `.clinpipe` that holds nothing else, unless it is a store as well.
    pub fn lock_beside(directory: &Path, name: &str) -> FileLock {
        let beside = Self::new(directory);
        if !beside.dir.is_dir() && fs::create_dir(&beside.dir).is_ok() {
            beside.ignore_itself();
        }
        beside.file_lock(name)
    }

    /// Makes durable whatever was written to the store and to the workspace on its file system: blobs, records, the
    /// journal, outputs. One wait for all of it; a lock is written after this only.
    pub fn sync(&self) -> Result<(), StoreError> {
        let cas = self.dir.join("cas");
        let device = |path: &Path| fs::metadata(path).map(|metadata| metadata.dev()).ok();
        let places = [Some(&self.dir), Some(&cas).filter(|cas| device(cas) != device(&self.dir))];
        for dir in places.into_iter().flatten().filter(|dir| dir.is_dir()) {
            atomic_write::sync_file_system(dir).map_err(|error| StoreError::io("write", dir, error))?;
        }
        Ok(())
    }

    /// Where the log of a stage's last attempt is kept.
    pub fn log(&self, lock_stem: &str, stage: &str) -> PathBuf {
        self.dir.join("log").join(lock_stem).join(format!("{}.log", file_name(stage)))
    }

    /// Where content is put that the user would otherwise lose.
    pub fn rescued(&self) -> PathBuf {
        self.dir.join("rescued")
    }

    /// The journal of a lock file.
    pub fn journal(&self, lock_stem: &str, lock_path: PathBuf) -> Journal {
        Journal::new(self.dir.join("journal").join(format!("{lock_stem}.jsonl")), lock_path)
    }

    /// A lock between processes.
    pub fn file_lock(&self, name: &str) -> FileLock {
        FileLock::new(self.dir.join("locks").join(name))
    }

    /// Reads the hints; damaged or missing ones are none.
    pub fn hints(&self) -> HintTable {
        stat::read(&self.dir.join("stat"))
    }

    /// Writes the hints if they have changed and the store exists. The caller holds [`Store::use_tmp`].
    pub fn save_hints(&self, hints: &HintTable) -> Result<(), StoreError> {
        if self.dir.is_dir() { stat::write(&self.tmp(), &self.dir.join("stat"), hints) } else { Ok(()) }
    }
}

/// A stage's name as a file name: unusual names keep apart by their digest.
pub fn file_name(stage: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '@');
    if stage.len() <= 80 && stage.chars().all(is_plain) && !stage.starts_with('.') {
        return stage.to_owned();
    }
    let safe: String = stage.chars().map(|c| if is_plain(c) { c } else { '_' }).take(60).collect();
    format!("_{safe}-{}", Digest::of(stage.as_bytes()).short())
}

/// Where the lock file of a pipeline file lies: `lockfiles/<stem>.lock` beside it.
pub fn lock_path(pipeline: &Path) -> PathBuf {
    // The stem may hold dots itself: `a.b.yaml` and `a.c.yaml` have locks of their own.
    let mut name = pipeline.file_stem().unwrap_or_default().to_owned();
    name.push(".lock");
    let parent = pipeline.parent().unwrap_or_else(|| Path::new("."));
    parent.join("lockfiles").join(name)
}

/// What names a pipeline file's journal, logs and locks in the store, which all pipeline files below a root share.
pub fn lock_name(pipeline: &RelPath) -> String {
    let path = pipeline.as_str();
    let (parent, name) = path.rsplit_once('/').map_or(("", path), |(parent, name)| (parent, name));
    let stem = Path::new(name).file_stem().unwrap_or_default().to_string_lossy();
    file_name(&if parent.is_empty() { stem.into_owned() } else { format!("{parent}/{stem}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_pipeline_files_never_share_a_lock_or_a_journal() {
        assert_eq!(lock_path(Path::new("p/a.b.yaml")), Path::new("p/lockfiles/a.b.lock"));
        assert_eq!(lock_path(Path::new("pipeline.yaml")), Path::new("lockfiles/pipeline.lock"));
        let name = |path| lock_name(&RelPath::parse(path).expect("inside"));
        assert_eq!(name("pipeline.yaml"), "pipeline");
        let names = ["a.yaml", "a.b.yaml", "s/a.yaml", "t/a.yaml", "s_a.yaml", "_s_a.yaml"].map(name);
        let distinct: std::collections::BTreeSet<_> = names.iter().collect();
        assert_eq!(distinct.len(), names.len(), "{names:?}");
        assert!(names.iter().all(|name| !name.contains('/')));
    }
}
