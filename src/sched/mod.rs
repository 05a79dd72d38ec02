//! The run loop: which stage may start, and what happened.
//!
//! One thread owns the state of the run and is the only one that speaks to the event sink; each running stage has a
//! thread of its own that reports by message. A stage starts as soon as what it reads is settled, within the number of
//! jobs and its pool. Whatever order stages finish in, the lock's bytes are the same.

mod accept;
mod attempt;
mod capacity;
mod checkout;
mod confine;
pub mod events;
mod glance;
mod outputs;
mod queue;
mod record;
mod run;
mod shared;
mod stage_run;

pub use accept::{AcceptReport, Objection, accept};
pub use checkout::{CheckoutOptions, CheckoutReport, Wanted, checkout};
pub use run::{LockChange, OnFailure, RunError, RunOptions, RunReport, Runner, StageReport};
