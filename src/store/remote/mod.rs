//! Remotes: where other machines find what this one computed.
//!
//! A remote holds the same objects as the store, under the same names, and offers four operations; what is sent, in
//! which order, and what is believed is decided in [`transfer`], the same for every kind of remote. An object that is
//! there is never replaced.

mod directory;
mod transfer;

use std::fmt;
use std::io;
use std::path::Path;

pub use directory::DirectoryRemote;
pub use transfer::{Alarm, Transfer, Want, action_outputs, fetch, push};

use crate::key::{ActionKey, Digest};

/// What a remote can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ObjectName {
    /// The bytes of a file, or the list of a directory.
    Blob(Digest),
    /// What an action produced.
    Action(ActionKey),
}

impl fmt::Display for ObjectName {
    /// Its path in the remote: `cas/<2 hex>/<62 hex>` or `ac/<2 hex>/<62 hex>`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, hex) = match self {
            Self::Blob(digest) => ("cas", digest.to_string()),
            Self::Action(key) => ("ac", key.to_string()),
        };
        write!(formatter, "{kind}/{}/{}", &hex[..2], &hex[2..])
    }
}

/// Which objects are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectKind {
    /// Blobs.
    Blobs,
    /// Action records.
    Actions,
}

/// Why a remote did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {name} at {remote}: {source}")]
pub struct RemoteError {
    /// `read`, `write`, `list`.
    action: &'static str,
    name: String,
    remote: String,
    source: io::Error,
}

/// A place that holds objects.
pub trait Remote: fmt::Display + Sync {
    /// Whether the object is there.
    fn has(&self, name: ObjectName) -> Result<bool, RemoteError>;

    /// Writes the object's bytes, unverified, to the file `into`, which is replaced. `false` when it is not there.
    fn get(&self, name: ObjectName, into: &Path) -> Result<bool, RemoteError>;

    /// Stores the bytes of the file `from`, whole and durable, unless the object is there. Returns whether it stored.
    fn put_if_absent(&self, name: ObjectName, from: &Path) -> Result<bool, RemoteError>;

    /// The objects of one kind, in order.
    fn list(&self, kind: ObjectKind) -> Result<Vec<ObjectName>, RemoteError>;
}
