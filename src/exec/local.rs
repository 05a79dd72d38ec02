//! Runs jobs as processes of this machine.
//!
//! Every job is one child of clinpipe, `clinpipe __stage`, that either calls the stage function or runs and watches
//! the shell lines; so crashes, limits and the death of clinpipe are handled in one way for both.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clinpipe_stages::Progress;

use super::process::{Cause, Ended};
use super::protocol::{ChildMessage, ChildSpec};
use super::{CHILD_COMMAND, Cancel, ExecError, Executor, ExitRecord, Job, JobEnd, JobEnv, JobWork};
use super::{logtail, message, process};

/// Variables by which common numeric libraries learn how many threads they may use.
const THREAD_VARIABLES: [&str; 5] =
    ["RAYON_NUM_THREADS", "POLARS_MAX_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"];

/// What a bare environment takes over from clinpipe's own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ParentEnv {
    /// `PATH`.
    pub path: Option<OsString>,
    /// `HOME`.
    pub home: Option<OsString>,
}

/// Runs jobs on this machine.
#[derive(Debug, Clone)]
pub struct LocalExecutor {
    exe: PathBuf,
    parent: ParentEnv,
}

impl LocalExecutor {
    /// `exe` is a clinpipe binary that answers to [`CHILD_COMMAND`], usually this one.
    pub fn new(exe: PathBuf, parent: ParentEnv) -> Self {
        Self { exe, parent }
    }

    fn command(&self, job: &Job<'_>) -> Result<Command, ExecError> {
        let attempt = job.attempt;
        let spec = match job.work.clone() {
            JobWork::Command { lines } => ChildSpec::Command { lines, memory: job.memory },
            JobWork::Builtin(request) => ChildSpec::Builtin { request, memory: job.memory },
        };
        write_json(&attempt.request_path(), &spec)?;
        let log = File::options().create(true).append(true).open(attempt.log_path());
        let log = log.map_err(file_error("open", &attempt.log_path()))?;
        let mut command = Command::new(&self.exe);
        command
            .arg(CHILD_COMMAND)
            .arg(attempt.request_path())
            .current_dir(&job.cwd)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .process_group(0);
        self.set_environment(&mut command, job);
        Ok(command)
    }

    fn set_environment(&self, command: &mut Command, job: &Job<'_>) {
        let none = BTreeMap::new();
        let (bare, threads, own) = match (&job.work, &job.env) {
            (JobWork::Builtin(request), _) => (true, Some(request.threads.max(1)), &none),
            (JobWork::Command { .. }, JobEnv::Only(only)) => (true, job.threads, only),
            (JobWork::Command { .. }, JobEnv::Inherit { extra }) => (false, job.threads, extra),
        };
        if bare {
            command.env_clear().env("LC_ALL", "C").env("TZ", "UTC").env("TMPDIR", job.attempt.tmp_dir());
            for (name, value) in [("PATH", &self.parent.path), ("HOME", &self.parent.home)] {
                if let Some(value) = value {
                    command.env(name, value);
                }
            }
        }
        if let Some(threads) = threads {
            command.envs(THREAD_VARIABLES.map(|name| (name, threads.to_string())));
        }
        // Last: what the pipeline declares wins.
        command.envs(own);
    }
}

impl Executor for LocalExecutor {
    fn run(&self, job: &Job<'_>, cancel: &Cancel, progress: &(dyn Fn(Progress) + Sync)) -> Result<JobEnd, ExecError> {
        if cancel.is_requested() {
            return Ok(JobEnd::Interrupted);
        }
        if !job.cwd.is_dir() {
            return Ok(failed(job, (None, None), "its working directory does not exist".to_owned(), None));
        }
        let mut command = self.command(job)?;
        let mut report = Report::default();
        let ended = process::run(&mut command, job.timeout, cancel, |message| match message {
            ChildMessage::Progress(step) => progress(step),
            other => report.take(other),
        });
        let ended = ended
            .map_err(|source| ExecError::Spawn { stage: job.stage.to_owned(), source })?
            .map_err(|source| ExecError::Wait { stage: job.stage.to_owned(), source })?;
        let end = judge(job, &report, &ended);
        write_json(&job.attempt.exit_path(), &record(&end, &report, &ended))?;
        Ok(end)
    }
}

/// What the child said besides progress.
#[derive(Debug, Default)]
struct Report {
    failure: Option<ChildMessage>,
    max_rss: Option<u64>,
}

impl Report {
    fn take(&mut self, message: ChildMessage) {
        match message {
            ChildMessage::Usage { max_rss } => self.max_rss = Some(max_rss),
            failure => self.failure = Some(failure),
        }
    }
}

/// Turns exit status and messages into the result. Having been told to stop outranks both: a command that traps the
/// signal and exits with 0 has not done its work.
fn judge(job: &Job<'_>, report: &Report, ended: &Ended) -> JobEnd {
    match (ended.cause, job.timeout) {
        (Some(Cause::Cancelled), _) => return JobEnd::Interrupted,
        (Some(Cause::TimedOut), Some(after)) => {
            return JobEnd::TimedOut { after, log_tail: logtail::tail(&job.attempt.log_path()) };
        }
        _ => {}
    }
    let status = (ended.status.code(), ended.status.signal());
    match &report.failure {
        Some(ChildMessage::StageFailed { message, hint }) => failed(job, status, message.clone(), hint.clone()),
        Some(ChildMessage::LineFailed { line, error: Some(error), .. }) => {
            failed(job, (None, None), format!("cannot run `{line}`: {error}"), None)
        }
        Some(ChildMessage::LineFailed { line, exit, signal, .. }) => {
            let (message, hint) = message::line_failed(line, *exit, *signal);
            failed(job, (*exit, *signal), message, hint)
        }
        _ if ended.status.success() => JobEnd::Succeeded,
        _ => {
            let (message, hint) = message::child_ended(status.0, status.1, job.memory);
            failed(job, status, message, hint)
        }
    }
}

fn failed(job: &Job<'_>, status: (Option<i32>, Option<i32>), message: String, hint: Option<String>) -> JobEnd {
    let log_tail = logtail::tail(&job.attempt.log_path());
    JobEnd::Failed { exit: status.0, signal: status.1, message, hint, log_tail }
}

fn record(end: &JobEnd, report: &Report, ended: &Ended) -> ExitRecord {
    let (name, exit, signal) = match end {
        JobEnd::Succeeded => ("succeeded", Some(0), None),
        JobEnd::Failed { exit, signal, .. } => ("failed", *exit, *signal),
        JobEnd::TimedOut { .. } => ("timed_out", ended.status.code(), ended.status.signal()),
        JobEnd::Interrupted => ("interrupted", ended.status.code(), ended.status.signal()),
    };
    ExitRecord {
        schema_version: 1,
        end: name.to_owned(),
        exit,
        signal,
        seconds: ended.wall.as_secs_f64(),
        max_rss: report.max_rss,
    }
}

fn write_json<T: serde::Serialize>(path: &Path, value: &T) -> Result<(), ExecError> {
    let bytes = serde_json::to_vec_pretty(value).map_err(|error| file_error("write", path)(error.into()))?;
    fs::write(path, bytes).map_err(file_error("write", path))
}

fn file_error(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> ExecError {
    let path = path.to_owned();
    move |source| ExecError::File { action, path, source }
}
