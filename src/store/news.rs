//! What is new in the locks and journals of a project since it was last asked.
//!
//! Before each stage a run looks whether another process has done the work. Reading everything each time would make a
//! run of many stages quadratic; a lock that has not been replaced and a journal that has only grown cost two looks at
//! their inodes and the lines that are new.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use super::{Journal, Lock, StoreError};
use crate::util::RelPath;

/// Remembers how far each pipeline file's lock and journal have been read.
#[derive(Debug, Default)]
pub struct LockNews {
    seen: Mutex<BTreeMap<RelPath, Seen>>,
}

#[derive(Debug)]
struct Seen {
    lock: Option<Identity>,
    journal: Option<Identity>,
    /// The journal's first line: a new journal may get the inode of the one before it.
    begun: Vec<u8>,
    /// Bytes of the journal that have been read.
    offset: u64,
}

/// What tells one version of a file from the next: locks are replaced by renaming, so the inode is another.
#[derive(Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    mtime: (i64, i64),
    size: u64,
}

impl LockNews {
    /// The records of a pipeline file that were written since the last call; at first, and after the lock was replaced,
    /// all of them.
    pub fn read(&self, file: &RelPath, lock_path: &Path, journal: &Journal) -> Result<Lock, StoreError> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let base = file.parent();
        loop {
            let (lock, begun) = (identity(lock_path), journal.first_line()?);
            let now = Seen { lock, journal: identity(journal.path()), begun, offset: 0 };
            let (mut lock, offset) = match seen.get(file) {
                Some(known) if known.lock == now.lock && known.is_continued_by(&now) => (Lock::default(), known.offset),
                _ => (Lock::read(lock_path, &base)?, 0),
            };
            let (_, offset) = journal.replay_from(offset, &mut lock, &base)?;
            // A run that ends between the two reads moves its entries from the journal into a new lock file.
            if identity(lock_path) == now.lock {
                seen.insert(file.clone(), Seen { offset, ..now });
                return Ok(lock);
            }
        }
    }
}

impl Seen {
    /// Whether the journal has at most grown.
    fn is_continued_by(&self, now: &Self) -> bool {
        let same = self.begun == now.begun;
        match (&self.journal, &now.journal) {
            (None, _) => self.offset == 0,
            (Some(_), None) => false,
            (Some(before), Some(now)) => {
                (before.device, before.inode) == (now.device, now.inode) && now.size >= self.offset && same
            }
        }
    }
}

fn identity(path: &Path) -> Option<Identity> {
    let metadata: Metadata = fs::metadata(path).ok()?;
    Some(Identity {
        device: metadata.dev(),
        inode: metadata.ino(),
        mtime: (metadata.mtime(), metadata.mtime_nsec()),
        size: metadata.size(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;
    use crate::store::lock::tests::record;

    #[test]
    fn each_record_is_new_once_and_all_are_when_the_lock_was_replaced() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let store = Store::new(dir.path());
        let lock_path = dir.path().join("lockfiles/dvc.lock");
        let journal = store.journal("dvc", lock_path.clone());
        let file = RelPath::parse("dvc.yaml").expect("inside");
        let news = LockNews::default();
        let names = || -> Vec<String> {
            let lock = news.read(&file, &lock_path, &journal).expect("readable");
            lock.stages.into_keys().map(|name| name.0).collect()
        };
        assert!(names().is_empty(), "nothing is there");
        journal.append("a", &record("a")).expect("written");
        journal.append("b", &record("b")).expect("written");
        assert_eq!(names(), ["a", "b"]);
        assert!(names().is_empty(), "nothing is new");
        journal.append("c", &record("c")).expect("written");
        assert_eq!(names(), ["c"]);
        let mut lock = Lock::default();
        journal.replay(&mut lock, &RelPath::default()).expect("readable");
        lock.write(&store.tmp(), &lock_path).expect("written");
        journal.clear().expect("removed");
        assert_eq!(names(), ["a", "b", "c"], "another process has ended its run");
        assert!(names().is_empty(), "nothing is new");
        journal.append("d", &record("d")).expect("written");
        assert_eq!(names(), ["d"]);
    }

    #[test]
    fn a_new_journal_in_the_place_of_the_old_one_is_read_from_its_beginning() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let store = Store::new(dir.path());
        let lock_path = dir.path().join("lockfiles/dvc.lock");
        let journal = store.journal("dvc", lock_path.clone());
        let file = RelPath::parse("dvc.yaml").expect("inside");
        let news = LockNews::default();
        let names = || -> Vec<String> {
            let lock = news.read(&file, &lock_path, &journal).expect("readable");
            lock.stages.into_keys().map(|name| name.0).collect()
        };
        journal.append("a", &record("a")).expect("written");
        let mut lock = Lock::default();
        journal.replay(&mut lock, &RelPath::default()).expect("readable");
        lock.write(&store.tmp(), &lock_path).expect("written");
        // A run that ends has written the lock and not yet removed the journal.
        assert_eq!(names(), ["a"]);
        // The next journal has the inode of the removed one, as file systems give it, and is already longer.
        fs::write(journal.path(), "").expect("emptied");
        for name in ["b", "c", "d"] {
            journal.append(name, &record(name)).expect("written");
        }
        assert_eq!(names(), ["a", "b", "c", "d"]);
    }

    #[test]
    fn a_line_that_is_not_whole_yet_is_read_when_it_is() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let store = Store::new(dir.path());
        let lock_path = dir.path().join("lockfiles/dvc.lock");
        let journal = store.journal("dvc", lock_path.clone());
        let file = RelPath::parse("dvc.yaml").expect("inside");
        let news = LockNews::default();
        journal.append("a", &record("a")).expect("written");
        let whole = fs::read(journal.path()).expect("readable");
        fs::write(journal.path(), &whole[..30]).expect("written");
        assert_eq!(news.read(&file, &lock_path, &journal).expect("readable"), Lock::default());
        fs::write(journal.path(), &whole).expect("written");
        assert_eq!(news.read(&file, &lock_path, &journal).expect("readable").stages.len(), 1);
    }
}
