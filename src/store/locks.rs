//! Locks between processes: `flock` on a small file that names its holder. They vanish with their process.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, Write};
use std::path::PathBuf;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::{Claim, StoreError};

/// A lock that one process at a time can hold.
#[derive(Debug, Clone)]
pub struct FileLock {
    path: PathBuf,
}

/// A held lock; released when dropped.
#[derive(Debug)]
pub struct Held {
    _file: File,
}

impl FileLock {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Takes the lock if it is free. `Err(holder)` inside `Ok` names who has it.
    pub fn try_claim(&self) -> Result<Result<Claim, String>, StoreError> {
        let file = self.open()?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Claim::new(file, self.path.clone()).map(Ok),
            Err(Errno::WOULDBLOCK) => {
                let text = fs::read_to_string(&self.path).unwrap_or_default();
                let holder = text.lines().next().map(str::trim).filter(|line| line.starts_with("process "));
                Ok(Err(holder.unwrap_or("another process").to_owned()))
            }
            Err(error) => Err(StoreError::io("lock", &self.path, io::Error::from(error))),
        }
    }

    /// Takes the lock if nobody else holds or shares it.
    pub fn try_hold(&self) -> Result<Option<Held>, StoreError> {
        let file = self.open()?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Held { _file: file })),
            Err(Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(StoreError::io("lock", &self.path, io::Error::from(error))),
        }
    }

    /// Holds the lock together with others, unless somebody holds it alone.
    pub fn try_share(&self) -> Option<Held> {
        let file = self.open().ok()?;
        flock(&file, FlockOperation::NonBlockingLockShared).ok()?;
        Some(Held { _file: file })
    }

    /// Takes the lock, waiting as long as it takes; for locks that are held for moments only.
    pub fn hold(&self) -> Result<Held, StoreError> {
        let mut file = self.open()?;
        self.wait(&file, FlockOperation::LockExclusive)?;
        self.sign(&mut file)?;
        Ok(Held { _file: file })
    }

    /// Holds the lock together with others; the file names nobody. Who finds nobody else there runs `alone` first.
    pub fn share(&self, alone: impl FnOnce()) -> Result<Held, StoreError> {
        let file = self.open()?;
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok() {
            alone();
        }
        self.wait(&file, FlockOperation::LockShared)?;
        Ok(Held { _file: file })
    }

    fn wait(&self, file: &File, operation: FlockOperation) -> Result<(), StoreError> {
        loop {
            match flock(file, operation) {
                Ok(()) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(error) => return Err(StoreError::io("lock", &self.path, io::Error::from(error))),
            }
        }
    }

    fn open(&self) -> Result<File, StoreError> {
        let fail = |error| StoreError::io("lock", &self.path, error);
        if let Some(parent) = self.path.parent() {
            fs::create_dir_all(parent).map_err(fail)?;
        }
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&self.path).map_err(fail)
    }

    fn sign(&self, file: &mut File) -> Result<(), StoreError> {
        let fail = |error| StoreError::io("lock", &self.path, error);
        file.set_len(0).map_err(fail)?;
        file.rewind().map_err(fail)?;
        write!(file, "process {}", std::process::id()).map_err(fail)
    }
}
