//! Runs one attempt of one stage somewhere: on this machine now, elsewhere later.
//!
//! Invariants: an attempt writes its log, timing and built-in outputs into its own directory only; every process of
//! an attempt is in one process group, which is gone when `run` returns and dies when clinpipe dies, however it dies.
//! This room knows nothing of pipelines, keys or the store, prints nothing to the user, and decides nothing about what
//! a failure means for the run.

mod attempt;
mod cancel;
pub mod child;
mod job;
mod lifeline;
mod local;
mod logtail;
mod message;
mod process;
mod protocol;
mod supervise;

pub use attempt::{Attempt, ExitRecord};
pub use cancel::{Cancel, StopRequest, StopSignal, Subscription};
pub use job::{ExecError, Executor, Job, JobEnd, JobEnv, JobWork};
pub use local::{LocalExecutor, ParentEnv};

/// The hidden subcommand by which clinpipe calls itself: `clinpipe __stage SPEC.json`. The command line hands its
/// argument to [`child::run`] and exits with what it returns.
pub const CHILD_COMMAND: &str = "__stage";
