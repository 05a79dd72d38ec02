//! What identifies a stage's work, and why it is stale.
//!
//! Content decides: a digest is taken of bytes, and a file's times, size and inode may only spare taking it again.
//! The key and the reasons are made of the same entries of a [`Manifest`], so they cannot disagree.
//! This room reads files but never writes them; persisting hints and records belongs to `store/`.

pub mod digest;
pub mod hash;
pub mod hint;
pub mod inputs;
pub mod manifest;
pub mod reason;

pub use digest::{ActionKey, Digest};
pub use hint::{HintTable, StatHint};
pub use inputs::{Content, Entry, InputError, Reader};
pub use manifest::{ContentRecord, Manifest};
pub use reason::{ReasonKind, StaleReason};
