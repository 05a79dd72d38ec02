//! The audit chain: `lockfiles/audit.jsonl`, one line for each thing that was done, each naming the hash of the one
//! before.
//!
//! Invariants: lines are only ever appended, under a lock and synced; no byte that was written is changed or removed
//! by clinpipe. What a killed process or a power cut left half-written stays where it is, and the record that follows
//! vouches for it by length and digest, so that it is neither hidden nor mistaken for tampering. Appending looks the chain through
//! and tells what is wrong before its end. This room knows no clock, no environment and no pipeline: who, when and what come from
//! its callers. It never prints.
//!
//! A chain alone cannot show that its end was cut off. [`Anchor`]s, kept elsewhere, can.

mod chain;
#[cfg(test)]
mod chain_tests;
mod export;
mod ledger;
mod prefix;
mod record;
mod signature;
mod tail;
mod verify;

pub use chain::{AuditError, Chain, Head, Origin, State};
pub use export::{to_csv, to_jsonl};
pub use ledger::{Evaluation, LOST, Ledger, TestRows, TestUse};
pub use record::{Action, Damage, Entry, Record};
pub use signature::{KeyError, Meaning, PublicKeys, Signer, Statement};
pub use verify::{Anchor, Fault, SignatureFound, Verdict, verify, verify_signed};

/// The version of the format of a line.
pub const SCHEMA_VERSION: u32 = 1;
