//! What the stages of one run share: the lock as it grows, attempt directories, and the time of the last sync.
//!
//! Nothing here is held while a command runs, but for the share in the use of `tmp/`.

use std::io;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::exec::Attempt;
use crate::store::{Held, Lock, Store, StoreError};

/// How long results may wait to be made durable together. A power cut costs what was recorded meanwhile; the death of
/// the process costs nothing.
const SYNC_INTERVAL: Duration = Duration::from_secs(2);

/// What the stages of a run share.
pub(super) struct Shared {
    /// The lock as far as this run knows it.
    lock: Mutex<Lock>,
    /// Keeps `tmp/` from being tidied up by others.
    tmp: OnceLock<Held>,
    /// Empty attempt directories, each below the one that its pipeline file's attempts have.
    spare: Mutex<Vec<Attempt>>,
    synced: Mutex<Instant>,
}

impl Shared {
    pub(super) fn new(lock: Lock) -> Self {
        Self {
            lock: Mutex::new(lock),
            tmp: OnceLock::new(),
            spare: Mutex::default(),
            synced: Mutex::new(Instant::now()),
        }
    }

    /// The lock as far as this run knows it.
    pub(super) fn lock(&self) -> MutexGuard<'_, Lock> {
        self.lock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An attempt directory below `attempts`.
    pub(super) fn attempt(&self, attempts: &Path, stage: &str) -> io::Result<Attempt> {
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        let own = spare.iter().position(|attempt| attempt.dir().parent() == Some(attempts));
        let own = own.map(|at| spare.swap_remove(at));
        drop(spare);
        match own {
            Some(attempt) => attempt.hand_over(stage),
            None => Attempt::create(attempts, stage),
        }
    }

    /// Takes back an attempt directory whose log has been kept.
    pub(super) fn put_back(&self, attempt: Attempt) -> io::Result<()> {
        if !attempt.is_empty() {
            return attempt.remove();
        }
        self.spare.lock().unwrap_or_else(PoisonError::into_inner).push(attempt);
        Ok(())
    }

    /// Removes what was kept for further stages. What cannot be removed is litter that the next run clears away.
    pub(super) fn clear(self) {
        for attempt in self.spare.into_inner().unwrap_or_else(PoisonError::into_inner) {
            drop(attempt.remove());
        }
    }

    pub(super) fn use_tmp(&self, store: &Store) -> Result<(), StoreError> {
        if self.tmp.get().is_none() {
            // When another thread was faster, its hold is as good.
            drop(self.tmp.set(store.use_tmp()?));
        }
        Ok(())
    }

    /// Makes what was recorded durable, unless that was done a moment ago or is being done.
    pub(super) fn sync(&self, store: &Store) -> Result<(), StoreError> {
        match self.synced.try_lock() {
            Ok(mut synced) if synced.elapsed() >= SYNC_INTERVAL => {
                store.sync()?;
                *synced = Instant::now();
                Ok(())
            }
            _ => Ok(()),
        }
    }
}
