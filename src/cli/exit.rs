//! Exit codes, decided in one place.

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// The answer is no: stale under `--check`, an enforced gate, bytes that differ.
    No = 1,
    /// The command line or the configuration is wrong.
    Usage = 2,
    /// A stage failed.
    StageFailed = 3,
    /// The environment: disk, permissions, a damaged store or bundle.
    Environment = 4,
    /// Stopped by a signal.
    Interrupted = 130,
}

impl From<Exit> for u8 {
    fn from(exit: Exit) -> Self {
        exit as Self
    }
}
