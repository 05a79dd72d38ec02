//! Hints that spare re-hashing: what a file looked like when its digest was taken.
//!
//! A hint is trusted only when the file was last changed clearly before it was hashed; a change within the clock's
//! resolution could otherwise hide behind an equal time. Losing all hints costs time, never truth.

use std::collections::HashMap;
use std::fs::Metadata;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::Digest;

/// Coarsest time stamp expected of a file system, with room to spare: 20 ms.
pub const CLOCK_RESOLUTION_NS: i64 = 20_000_000;

/// One file's state and the digest it had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatHint {
    /// When its bytes were last changed, in nanoseconds since 1970.
    pub mtime_ns: i64,
    /// When its inode was last changed, likewise.
    pub ctime_ns: i64,
    /// Bytes.
    pub size: u64,
    /// Inode number.
    pub inode: u64,
    /// The latest of the file's own times at which the digest was already complete.
    pub hashed_ns: i64,
    /// The digest it had.
    pub digest: Digest,
}

/// What a file looks like without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileState {
    mtime_ns: i64,
    ctime_ns: i64,
    /// Bytes.
    pub size: u64,
    inode: u64,
    mode: u32,
}

impl FileState {
    /// The state of a file by its path below an open directory: the way to the directory is walked once for all.
    pub fn below(directory: &OwnedFd, relative: &str) -> io::Result<Self> {
        let stat = rustix::fs::statat(directory, relative, rustix::fs::AtFlags::empty())?;
        Ok(Self {
            mtime_ns: time_ns(stat.st_mtime, stat.st_mtime_nsec as i64),
            ctime_ns: time_ns(stat.st_ctime, stat.st_ctime_nsec as i64),
            size: stat.st_size as u64,
            inode: stat.st_ino,
            mode: stat.st_mode,
        })
    }

    /// Whether it is a file and neither a directory nor a pipe, socket or device.
    pub fn is_regular(&self) -> bool {
        rustix::fs::FileType::from_raw_mode(self.mode).is_file()
    }

    /// Whether its owner may execute it.
    pub fn is_executable(&self) -> bool {
        self.mode & 0o100 != 0
    }
}

impl From<&Metadata> for FileState {
    fn from(metadata: &Metadata) -> Self {
        Self {
            mtime_ns: time_ns(metadata.mtime(), metadata.mtime_nsec()),
            ctime_ns: time_ns(metadata.ctime(), metadata.ctime_nsec()),
            size: metadata.size(),
            inode: metadata.ino(),
            mode: metadata.mode(),
        }
    }
}

impl StatHint {
    fn new(state: FileState, digest: Digest, hashed_ns: i64) -> Self {
        let FileState { mtime_ns, ctime_ns, size, inode, mode: _ } = state;
        Self { mtime_ns, ctime_ns, size, inode, hashed_ns, digest }
    }

    /// Whether a later change could have left the file's times as they are.
    fn is_racy(&self) -> bool {
        self.mtime_ns.max(self.ctime_ns).saturating_add(CLOCK_RESOLUTION_NS) >= self.hashed_ns
    }

    fn matches(&self, state: FileState) -> bool {
        *self == Self::new(state, self.digest, self.hashed_ns)
    }
}

fn time_ns(seconds: i64, nanoseconds: i64) -> i64 {
    // Wrapping: a nonsensical time only makes a hint that is not trusted.
    seconds.wrapping_mul(1_000_000_000).wrapping_add(nanoseconds)
}

/// The hints of a project by path; shared between threads.
#[derive(Debug, Default)]
pub struct HintTable {
    hints: RwLock<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Looked up far more often than listed, so not in order.
    known: HashMap<String, StatHint>,
    changed: bool,
}

impl HintTable {
    /// A table of hints read from disk.
    pub fn new(known: HashMap<String, StatHint>) -> Self {
        Self { hints: RwLock::new(State { known, changed: false }) }
    }

    /// The digest of the file, if its hint can be trusted.
    pub fn lookup(&self, path: &str, file: FileState) -> Option<Digest> {
        let state = self.read();
        let hint = state.known.get(path)?;
        (hint.matches(file) && !hint.is_racy()).then_some(hint.digest)
    }

    /// Remembers a digest. The state was read before hashing began and `now_ns` is the clock at that moment.
    pub fn record(&self, path: &str, file: FileState, digest: Digest, now_ns: i64) {
        let hint = StatHint::new(file, digest, now_ns);
        let mut state = self.write();
        state.changed |= state.known.insert(path.to_owned(), hint) != Some(hint);
    }

    /// Paths whose hints cannot be trusted yet; hashing them again once the clock has moved on settles them.
    pub fn racy_paths(&self) -> Vec<String> {
        self.read().known.iter().filter(|(_, hint)| hint.is_racy()).map(|(path, _)| path.clone()).collect()
    }

    /// Forgets a file that is gone.
    pub fn forget(&self, path: &str) {
        let is_known = self.read().known.contains_key(path);
        if is_known {
            let mut state = self.write();
            state.changed |= state.known.remove(path).is_some();
        }
    }

    /// Whether the hints differ from those that were read.
    pub fn is_changed(&self) -> bool {
        self.read().changed
    }

    /// The hints to write to disk, in path order, or nothing when they are as they were read.
    pub fn changed(&self) -> Option<Vec<(String, StatHint)>> {
        let state = self.read();
        let mut hints: Vec<_> =
            state.changed.then(|| state.known.iter().map(|(path, hint)| (path.clone(), *hint)).collect())?;
        drop(state);
        hints.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        Some(hints)
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.hints.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.hints.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_file_looks_the_same_from_its_directory() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        fs::create_dir(dir.path().join("below")).expect("created");
        let path = dir.path().join("below/file");
        fs::write(&path, "abc").expect("written");
        let open = OwnedFd::from(fs::File::open(dir.path()).expect("there"));
        let state = FileState::below(&open, "below/file").expect("there");
        assert_eq!(state, FileState::from(&fs::metadata(&path).expect("there")));
        assert!(state.is_regular() && !state.is_executable() && state.size == 3);
        assert!(!FileState::below(&open, "below").expect("there").is_regular());
        FileState::below(&open, "absent").expect_err("nothing is there");
    }

    #[test]
    fn a_hint_taken_too_soon_is_not_trusted() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("file");
        fs::write(&path, "a").expect("written");
        let metadata = fs::metadata(&path).expect("there");
        let changed = time_ns(metadata.mtime(), metadata.mtime_nsec());
        let table = HintTable::default();
        let digest = Digest::of(b"a");
        table.record("file", FileState::from(&metadata), digest, changed + 1);
        assert_eq!(table.lookup("file", FileState::from(&metadata)), None, "within the clock's resolution");
        assert_eq!(table.racy_paths(), ["file"]);
        table.record("file", FileState::from(&metadata), digest, changed + 2 * CLOCK_RESOLUTION_NS);
        assert_eq!(table.lookup("file", FileState::from(&metadata)), Some(digest));
        fs::write(&path, "b").expect("written");
        let metadata = fs::metadata(&path).expect("there");
        assert_eq!(table.lookup("file", FileState::from(&metadata)), None, "changed since");
    }
}
