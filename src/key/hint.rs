//! Hints that spare re-hashing: what a file looked like when its digest was taken.
//!
//! A hint is trusted only when the file was last changed clearly before it was hashed; a change within the clock's
//! resolution could otherwise hide behind an equal time. Losing all hints costs time, never truth.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::sync::Mutex;

use serde::{Deserialize, Serialize};

use super::Digest;

/// Coarsest time stamp expected of a file system, with room to spare: 20 ms.
pub const CLOCK_RESOLUTION_NS: i64 = 20_000_000;

/// One file's state and the digest it had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatHint {
    mtime_ns: i64,
    ctime_ns: i64,
    size: u64,
    inode: u64,
    /// The latest of the file's own times at which the digest was already complete.
    hashed_ns: i64,
    digest: Digest,
}

impl StatHint {
    fn new(metadata: &Metadata, digest: Digest, hashed_ns: i64) -> Self {
        Self {
            mtime_ns: time_ns(metadata.mtime(), metadata.mtime_nsec()),
            ctime_ns: time_ns(metadata.ctime(), metadata.ctime_nsec()),
            size: metadata.size(),
            inode: metadata.ino(),
            hashed_ns,
            digest,
        }
    }

    /// Whether a later change could have left the file's times as they are.
    fn is_racy(&self) -> bool {
        self.mtime_ns.max(self.ctime_ns).saturating_add(CLOCK_RESOLUTION_NS) >= self.hashed_ns
    }

    fn matches(&self, metadata: &Metadata) -> bool {
        *self == Self::new(metadata, self.digest, self.hashed_ns)
    }
}

fn time_ns(seconds: i64, nanoseconds: i64) -> i64 {
    // Wrapping: a nonsensical time only makes a hint that is not trusted.
    seconds.wrapping_mul(1_000_000_000).wrapping_add(nanoseconds)
}

/// The hints of a project by path; shared between threads.
#[derive(Debug, Default)]
pub struct HintTable {
    hints: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    known: BTreeMap<String, StatHint>,
    changed: bool,
}

impl HintTable {
    /// A table of hints read from disk.
    pub fn new(known: BTreeMap<String, StatHint>) -> Self {
        Self { hints: Mutex::new(State { known, changed: false }) }
    }

    /// The digest of the file, if its hint can be trusted.
    pub fn lookup(&self, path: &str, metadata: &Metadata) -> Option<Digest> {
        let state = self.hints.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let hint = state.known.get(path)?;
        (hint.matches(metadata) && !hint.is_racy()).then_some(hint.digest)
    }

    /// Remembers a digest. `metadata` was read before hashing began and `now_ns` is the clock at that moment.
    pub fn record(&self, path: &str, metadata: &Metadata, digest: Digest, now_ns: i64) {
        let mut state = self.hints.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let hint = StatHint::new(metadata, digest, now_ns);
        state.changed |= state.known.insert(path.to_owned(), hint) != Some(hint);
    }

    /// Paths whose hints cannot be trusted yet; hashing them again once the clock has moved on settles them.
    pub fn racy_paths(&self) -> Vec<String> {
        let state = self.hints.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        state.known.iter().filter(|(_, hint)| hint.is_racy()).map(|(path, _)| path.clone()).collect()
    }

    /// Forgets a file that is gone.
    pub fn forget(&self, path: &str) {
        let mut state = self.hints.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        state.changed |= state.known.remove(path).is_some();
    }

    /// The hints to write to disk, or nothing when they are as they were read.
    pub fn changed(&self) -> Option<BTreeMap<String, StatHint>> {
        let state = self.hints.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        state.changed.then(|| state.known.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_hint_taken_too_soon_is_not_trusted() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("file");
        fs::write(&path, "a").expect("written");
        let metadata = fs::metadata(&path).expect("there");
        let changed = time_ns(metadata.mtime(), metadata.mtime_nsec());
        let table = HintTable::default();
        let digest = Digest::of(b"a");
        table.record("file", &metadata, digest, changed + 1);
        assert_eq!(table.lookup("file", &metadata), None, "within the clock's resolution");
        assert_eq!(table.racy_paths(), ["file"]);
        table.record("file", &metadata, digest, changed + 2 * CLOCK_RESOLUTION_NS);
        assert_eq!(table.lookup("file", &metadata), Some(digest));
        fs::write(&path, "b").expect("written");
        let metadata = fs::metadata(&path).expect("there");
        assert_eq!(table.lookup("file", &metadata), None, "changed since");
    }
}
