//! Runs one attempt of one stage somewhere: on this machine now, elsewhere later.
//!
//! Invariants: an attempt writes its log, timing and built-in outputs into its own directory only; every process of
//! an attempt is in one process group, which is gone when `run` returns and dies when clinpipe dies, however it dies.
//! A process that leaves its group (`setsid`) lives on after its attempt, but not after the run, where the system
//! knows subreapers (Linux). Killing clinpipe and its helper process in one blow (`killall -9`) is not covered.
//! This room knows nothing of pipelines, keys or the store, prints nothing to the user, and decides nothing about what
//! a failure means for the run.

use std::ffi::OsString;
use std::path::Path;

mod attempt;
mod cancel;
mod child;
mod job;
mod lifeline;
mod local;
mod logtail;
mod message;
mod process;
mod procfs;
mod protocol;
mod sandbox;
mod supervise;
mod supervisor;
mod watch;

pub use attempt::{Attempt, ExitRecord};
pub use cancel::{Cancel, StopRequest, StopSignal, Subscription};
pub use job::{ExecError, Executor, Job, JobEnd, JobEnv, JobWork};
pub use local::{LocalExecutor, ParentEnv};
pub use procfs::descends_from;
pub use sandbox::{Confinement, StrictUnavailable, check_strict};

/// The hidden subcommand by which clinpipe calls itself for a built-in stage: `clinpipe __stage SPEC.json`.
const CHILD_COMMAND: &str = "__stage";
/// The one by which it starts the process that runs commands.
const SUPERVISOR_COMMAND: &str = "__supervise";

/// Does the work of a helper process when the arguments (the first is the program's name) ask for it, and returns its
/// exit code. Comes before anything else in the program, because helpers are started all the time.
pub fn help_out(args: &[OsString]) -> Option<u8> {
    match (args.get(1)?.to_str()?, args.get(2), args.len()) {
        (CHILD_COMMAND, Some(spec), 3) => Some(child::run(Path::new(spec))),
        (SUPERVISOR_COMMAND, None, 2) => Some(supervise::run()),
        _ => None,
    }
}
