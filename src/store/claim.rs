//! A stage's claim: the lock under which one process at a time works on the stage, and a mark of what it is writing.
//!
//! While a command runs, the claim's file lists the outputs that the command writes, all of which were cleared before
//! it started. When the process is killed, the mark stays, and the next holder knows that what stands there is
//! half-done work, not somebody's edit. So that an edit made after the kill is not mistaken for it, the mark is valid for
//! a few seconds only and is renewed while the work goes on: what changed later than the mark says is somebody's own.
//!
//! Layout: `process <id>`, padded to [`HEADER`] bytes; then, only while something is being written, one line of JSON.
//! A mark that cannot be read is none. The mark decides what is saved, never what is fresh.

use std::collections::BTreeSet;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::{SCHEMA_VERSION, StoreError};
use crate::key::hint::CLOCK_RESOLUTION_NS;
use crate::util::RelPath;

/// Bytes of the line that names the holder.
const HEADER: usize = 24;

/// How often a mark is renewed while the work goes on.
const RENEWAL: Duration = Duration::from_secs(1);

/// How far into the future a mark is valid; more than [`RENEWAL`], because a busy machine renews late.
const VALIDITY_NS: i64 = 3_000_000_000;

/// The right to work on a stage; given back when dropped.
#[derive(Debug)]
pub struct Claim {
    file: File,
    path: PathBuf,
    unfinished: Option<Mark>,
}

/// What a process was writing, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mark {
    schema_version: u32,
    /// Outputs, by path from the project's root.
    outs: BTreeSet<RelPath>,
    /// When they had been cleared, in nanoseconds since 1970.
    since_ns: i64,
    /// Until when the work is known to have gone on, at most.
    until_ns: i64,
}

impl Claim {
    /// Takes over a file that is locked already, reads what the last holder left in it, and signs it.
    pub(super) fn new(file: File, path: PathBuf) -> Result<Self, StoreError> {
        let mut bytes = Vec::new();
        io::Read::read_to_end(&mut &file, &mut bytes).map_err(|error| StoreError::io("read", &path, error))?;
        let unfinished = bytes.get(HEADER..).and_then(|mark| serde_json::from_slice::<Mark>(mark).ok());
        let unfinished = unfinished.filter(|mark| mark.schema_version == SCHEMA_VERSION);
        let claim = Self { file, path, unfinished };
        // The mark stays where it is: who is killed before clearing the outputs must not forget it.
        let header = format!("{:<width$}\n", format!("process {}", std::process::id()), width = HEADER - 1);
        claim.write(header.as_bytes(), 0)?;
        Ok(claim)
    }

    /// What the last holder was writing when it was killed.
    pub fn unfinished(&self) -> Option<&Mark> {
        self.unfinished.as_ref()
    }

    /// Marks outputs as being written since a moment; what stood there then is saved or gone.
    pub fn mark(&self, outs: BTreeSet<RelPath>, since: SystemTime) -> Result<Mark, StoreError> {
        let since_ns = nanoseconds(since);
        let mark = Mark { schema_version: SCHEMA_VERSION, outs, since_ns, until_ns: since_ns };
        self.unmark()?;
        self.renew(&mark)?;
        Ok(mark)
    }

    /// Does `work`, which writes what is marked, and renews the mark meanwhile.
    pub fn renewing<T>(&self, mark: &Mark, work: impl FnOnce() -> T) -> T {
        thread::scope(|scope| {
            let (work_goes_on, ended) = mpsc::channel::<()>();
            scope.spawn(move || {
                while let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(RENEWAL) {
                    // A mark that is not renewed makes the next run save more than it must.
                    drop(self.renew(mark));
                }
            });
            let result = work();
            drop(work_goes_on);
            result
        })
    }

    fn renew(&self, mark: &Mark) -> Result<(), StoreError> {
        let until_ns = nanoseconds(SystemTime::now()).saturating_add(VALIDITY_NS);
        let line = serde_json::to_vec(&Mark { until_ns, ..mark.clone() });
        let line = line.map_err(|error| StoreError::io("write", &self.path, io::Error::other(error)))?;
        // In one piece, and as long as the one before: who is killed here leaves a whole mark.
        self.write(&line, HEADER as u64)
    }

    /// Removes the mark: the outputs are recorded or gone.
    pub fn unmark(&self) -> Result<(), StoreError> {
        self.file.set_len(HEADER as u64).map_err(|error| StoreError::io("write", &self.path, error))
    }

    fn write(&self, bytes: &[u8], offset: u64) -> Result<(), StoreError> {
        self.file.write_all_at(bytes, offset).map_err(|error| StoreError::io("write", &self.path, error))
    }
}

impl Mark {
    /// Whether what stands at an output, read below `root`, was written by the marked work and not changed since.
    pub fn wrote(&self, out: &RelPath, root: &Path) -> bool {
        self.outs.contains(out) && self.covers(&out.under(root)).unwrap_or(false)
    }

    /// Whether nothing at or below `path` changed outside the mark's time. A file's change time, unlike its
    /// modification time, cannot be set back.
    fn covers(&self, path: &Path) -> io::Result<bool> {
        let metadata = fs::symlink_metadata(path)?;
        if !self.is_within(&metadata) {
            return Ok(false);
        }
        if metadata.is_dir() {
            for entry in fs::read_dir(path)? {
                if !self.covers(&entry?.path())? {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    fn is_within(&self, metadata: &Metadata) -> bool {
        let changed = metadata.ctime().saturating_mul(1_000_000_000).saturating_add(metadata.ctime_nsec());
        (self.since_ns.saturating_sub(CLOCK_RESOLUTION_NS)..=self.until_ns).contains(&changed)
    }
}

fn nanoseconds(moment: SystemTime) -> i64 {
    moment.duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_nanos() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(path: &Path) -> Claim {
        let file = File::options().read(true).write(true).create(true).truncate(false).open(path).expect("opened");
        Claim::new(file, path.to_owned()).expect("claimed")
    }

    fn out(name: &str) -> RelPath {
        RelPath::parse(name).expect("inside")
    }

    #[test]
    fn a_killed_holder_leaves_its_mark_until_somebody_writes_again() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("claim");
        let first = claim(&path);
        assert_eq!(first.unfinished(), None);
        first.mark(BTreeSet::from([out("a"), out("b")]), SystemTime::now()).expect("marked");
        fs::write(dir.path().join("a"), "half").expect("written");
        fs::write(dir.path().join("c"), "half").expect("written");
        drop(first);
        for _ in 0..2 {
            let next = claim(&path);
            let mark = next.unfinished().expect("left by the first");
            assert!(mark.wrote(&out("a"), dir.path()));
            assert!(!mark.wrote(&out("c"), dir.path()), "it is not an output");
            assert!(!mark.wrote(&out("b"), dir.path()), "it is not there");
        }
        claim(&path).unmark().expect("unmarked");
        assert_eq!(claim(&path).unfinished(), None);
    }

    #[test]
    fn what_changed_after_the_mark_is_somebodys_own() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        fs::create_dir(dir.path().join("d")).expect("created");
        fs::write(dir.path().join("d/member"), "half").expect("written");
        let mark =
            claim(&dir.path().join("claim")).mark(BTreeSet::from([out("d")]), SystemTime::now()).expect("marked");
        let now = nanoseconds(SystemTime::now());
        let whole = Mark { since_ns: now - 1_000_000_000, until_ns: now + 1, ..mark.clone() };
        assert!(whole.wrote(&out("d"), dir.path()));
        for (since_ns, until_ns) in [(0, now - 1_000_000_000), (now + 1_000_000_000, i64::MAX)] {
            let mark = Mark { since_ns, until_ns, ..mark.clone() };
            assert!(!mark.wrote(&out("d"), dir.path()));
        }
    }

    #[test]
    fn no_bytes_make_a_mark_by_accident() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("claim");
        claim(&path).mark(BTreeSet::from([out("a")]), SystemTime::now()).expect("marked");
        let whole = fs::read(&path).expect("readable");
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).expect("written");
            assert_eq!(claim(&path).unfinished(), None, "{length} bytes");
        }
    }
}
