//! Looking a chain through before it is continued, so that an edit before its end is told by whoever continues it.
//!
//! A short chain is checked record by record. Of a long one the bytes are hashed and held against what the last append
//! left: a tenth of a second for a hundred megabytes. Where that is not known, or is not the same, every record is checked.
//! What is kept lies in the store and proves nothing to anybody else; that is what anchors are for.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};

use serde::{Deserialize, Serialize};

use super::verify::{Fault, verify};
use crate::key::Digest;
use crate::store::Store;

/// What the digest of a chain's bytes is kept under in the store.
const KEPT: &str = "audit-bytes-1";
/// Up to so many bytes, some hundred records, a chain is checked record by record whenever it is continued.
const SHORT: u64 = 1 << 18;

/// The bytes of a chain that was found to hold together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Bytes {
    length: u64,
    blake3: Digest,
}

/// What looking through gave.
pub(super) struct Looked {
    /// The first thing that is wrong before the last sound record.
    pub fault: Option<Fault>,
    /// The hash of all bytes, of a long chain that holds together.
    hasher: Option<blake3::Hasher>,
    length: u64,
}

impl Looked {
    /// Looks through a chain whose last sound record has the hash `last` and ends after `sound` bytes.
    pub fn through(store: &Store, mut file: &File, sound: u64, last: Option<Digest>) -> io::Result<Self> {
        let length = file.metadata()?.len();
        let mut hasher = None;
        if length > SHORT {
            file.seek(SeekFrom::Start(0))?;
            let mut bytes = blake3::Hasher::new();
            bytes.update_reader(file.take(length))?;
            let known: Option<Bytes> = last.and_then(|last| store.derived(KEPT, last));
            let found = Bytes { length, blake3: bytes.finalize().into() };
            if known == Some(found) {
                return Ok(Self { fault: None, hasher: Some(bytes), length });
            }
            hasher = Some(bytes);
        }
        file.seek(SeekFrom::Start(0))?;
        let fault = verify(BufReader::new(file.take(sound)), &[])?.fault;
        // What is wrong is told again by every append.
        Ok(Self { hasher: hasher.filter(|_| fault.is_none()), fault, length })
    }

    /// Remembers the bytes after an append whose last record has the hash `head`.
    pub fn keep(self, store: &Store, appended: &[u8], head: Digest) {
        if let Some(mut hasher) = self.hasher {
            let blake3 = hasher.update(appended).finalize().into();
            store.keep_derived(KEPT, head, &Bytes { length: self.length + appended.len() as u64, blake3 });
        }
    }
}
