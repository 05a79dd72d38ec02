//! Runs jobs as processes of this machine.
//!
//! A built-in is one child of clinpipe, `clinpipe __stage`, that calls the stage function. Commands are run by one
//! supervisor a run, because starting this program once a command would cost more than most commands do.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clinpipe_stages::common::pseudonym;
use clinpipe_stages::{Progress, StageRequest};

use super::protocol::{BuiltinSpec, ChildMessage, CommandEnd, CommandSpec};
use super::supervisor::Supervisor;
use super::watch::{Cause, Ended};
use super::{CHILD_COMMAND, Cancel, ExecError, Executor, ExitRecord, Job, JobEnd, JobEnv, JobWork};
use super::{logtail, message, process, sandbox};

/// Variables by which common numeric libraries learn how many threads they may use.
const THREAD_VARIABLES: [&str; 5] =
    ["RAYON_NUM_THREADS", "POLARS_MAX_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"];

/// Blocks of a megabyte go back to the system when they are freed, where the C library is GNU's. Left to itself it keeps
/// ever larger ones for reuse, and a stage holds columns that it has long dropped.
const LARGE_BLOCKS: (&str, &str) = ("MALLOC_MMAP_THRESHOLD_", "1048576");

/// What commands and bare environments take over from clinpipe's own environment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ParentEnv {
    /// `PATH`.
    pub path: Option<OsString>,
    /// `HOME`.
    pub home: Option<OsString>,
    /// `SHELL`: runs commands that inherit the environment.
    pub shell: Option<OsString>,
    /// The key of the log of predictions, handed to the one built-in that joins outcomes by it. It is a secret, so it is
    /// no input of the stage; another key than the log's makes that stage fail and can change nothing else.
    pub log_key: Option<OsString>,
}

/// The built-in that gets the key.
const KEYED_STAGE: &str = "drift";

/// Runs jobs on this machine.
#[derive(Debug)]
pub struct LocalExecutor {
    exe: PathBuf,
    parent: ParentEnv,
    supervisor: Mutex<Option<Arc<Supervisor>>>,
}

impl LocalExecutor {
    /// `exe` is a clinpipe binary, usually this one.
    pub fn new(exe: PathBuf, parent: ParentEnv) -> Self {
        Self { exe, parent, supervisor: Mutex::new(None) }
    }

    fn run_builtin(
        &self,
        job: &Job<'_>,
        request: &StageRequest,
        cancel: &Cancel,
        progress: &(dyn Fn(Progress) + Sync),
    ) -> Result<JobEnd, ExecError> {
        let mut command = self.builtin(job, request)?;
        let mut report = Report::default();
        let ended = process::run(&mut command, job.timeout, cancel, |message| match message {
            ChildMessage::Progress(step) => progress(step),
            other => report.take(other),
        });
        let ended = ended
            .map_err(|source| ExecError::Spawn { stage: job.stage.to_owned(), source })?
            .map_err(|source| ExecError::Wait { stage: job.stage.to_owned(), source })?;
        let status = (ended.how.code(), ended.how.signal());
        let end = stopped(job, ended.cause).unwrap_or_else(|| judge_builtin(job, &report, status));
        write_json(&job.attempt.exit_path(), &record(&end, status, report.max_rss, ended.wall))?;
        Ok(end)
    }

    fn builtin(&self, job: &Job<'_>, request: &StageRequest) -> Result<Command, ExecError> {
        let attempt = job.attempt;
        for dir in [attempt.out_dir(), attempt.tmp_dir()] {
            fs::create_dir_all(&dir).map_err(file_error("create", &dir))?;
        }
        let spec = BuiltinSpec { request: request.clone(), memory: job.memory };
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
            .process_group(0)
            .env_clear()
            .envs(self.bare_environment(job))
            .envs(thread_variables(Some(request.threads.max(1))))
            .env(LARGE_BLOCKS.0, LARGE_BLOCKS.1);
        if let Some(key) = self.parent.log_key.as_ref().filter(|_| request.uses == KEYED_STAGE) {
            command.env(pseudonym::VARIABLE, key);
        }
        Ok(command)
    }

    fn run_command(&self, job: &Job<'_>, lines: &[String], cancel: &Cancel) -> Result<JobEnd, ExecError> {
        let spec = self.command(job, lines)?;
        let supervisor =
            self.supervisor().map_err(|source| ExecError::Spawn { stage: job.stage.to_owned(), source })?;
        let ended = supervisor.run(spec, job.timeout, cancel);
        let end = stopped(job, ended.cause).unwrap_or_else(|| judge_command(job, lines, &ended));
        let status = match ended.how {
            CommandEnd::LineFailed { exit, signal, .. } | CommandEnd::Lost { exit, signal } => (exit, signal),
            CommandEnd::Succeeded | CommandEnd::NotStarted { .. } => (None, None),
        };
        write_json(&job.attempt.exit_path(), &record(&end, status, None, ended.wall))?;
        Ok(end)
    }

    fn command(&self, job: &Job<'_>, lines: &[String]) -> Result<CommandSpec, ExecError> {
        let (shell, bare, own) = match &job.env {
            JobEnv::Inherit { extra } => (shell_words(self.parent.shell.as_deref()), false, extra),
            JobEnv::Only(only) => (shell_words(None), true, only),
        };
        let mut env = Vec::new();
        if bare {
            let dir = job.attempt.tmp_dir();
            fs::create_dir_all(&dir).map_err(file_error("create", &dir))?;
            env = self.bare_environment(job);
        }
        env.extend(thread_variables(job.threads).map(|(name, value)| (name, value.into())));
        // Last: what the pipeline declares wins.
        env.extend(own.iter().map(|(name, value)| (name.clone(), value.into())));
        Ok(CommandSpec {
            shell,
            lines: lines.to_vec(),
            cwd: job.cwd.clone().into(),
            log: job.attempt.log_path().into(),
            bare,
            env,
            memory: job.memory,
            sandbox: job.confinement.as_ref().map(|confinement| {
                let private = [job.attempt.tmp_dir(), job.attempt.log_path()];
                sandbox::rules(confinement, &private, self.parent.path.as_ref())
            }),
        })
    }

    /// The running supervisor, or a new one.
    fn supervisor(&self) -> std::io::Result<Arc<Supervisor>> {
        let mut current = self.supervisor.lock().unwrap_or_else(PoisonError::into_inner);
        match current.as_ref().filter(|supervisor| !supervisor.is_lost()) {
            Some(supervisor) => Ok(Arc::clone(supervisor)),
            None => Ok(Arc::clone(current.insert(Arc::new(Supervisor::start(&self.exe)?)))),
        }
    }

    fn bare_environment(&self, job: &Job<'_>) -> Vec<(String, OsString)> {
        let fixed = [("LC_ALL", "C".into()), ("TZ", "UTC".into()), ("TMPDIR", job.attempt.tmp_dir().into())];
        let inherited = [("PATH", &self.parent.path), ("HOME", &self.parent.home)];
        let inherited = inherited.into_iter().filter_map(|(name, value)| Some((name, value.clone()?)));
        fixed.into_iter().chain(inherited).map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

fn thread_variables(threads: Option<usize>) -> impl Iterator<Item = (String, String)> {
    let variables = threads.map(|threads| THREAD_VARIABLES.map(|name| (name.to_owned(), threads.to_string())));
    variables.into_iter().flatten()
}

/// A shell as DVC calls it: without the start-up files that would change what the command sees.
fn shell_words(shell: Option<&OsStr>) -> Vec<OsString> {
    let shell = shell.filter(|shell| !shell.is_empty()).unwrap_or(OsStr::new("/bin/sh"));
    let name = Path::new(shell).file_name().and_then(OsStr::to_str).unwrap_or_default().to_lowercase();
    let flags: &[&str] = match name.as_str() {
        "bash" => &["--noprofile", "--norc"],
        "zsh" => &["--no-rcs"],
        "fish" => &["--no-config"],
        _ => &[],
    };
    std::iter::once(shell).chain(flags.iter().map(OsStr::new)).chain([OsStr::new("-c")]).map(OsStr::to_owned).collect()
}

impl Executor for LocalExecutor {
    fn run(&self, job: &Job<'_>, cancel: &Cancel, progress: &(dyn Fn(Progress) + Sync)) -> Result<JobEnd, ExecError> {
        if cancel.is_requested() {
            return Ok(JobEnd::Interrupted);
        }
        if !job.cwd.is_dir() {
            return Ok(failed(job, (None, None), "its working directory does not exist".to_owned(), None));
        }
        match &job.work {
            JobWork::Builtin(request) => self.run_builtin(job, request, cancel, progress),
            JobWork::Command { lines } => self.run_command(job, lines, cancel),
        }
    }
}

/// What the child said besides progress.
#[derive(Debug, Default)]
struct Report {
    /// Message and hint.
    failure: Option<(String, Option<String>)>,
    max_rss: Option<u64>,
}

impl Report {
    fn take(&mut self, message: ChildMessage) {
        match message {
            ChildMessage::Usage { max_rss } => self.max_rss = Some(max_rss),
            ChildMessage::StageFailed { message, hint } => self.failure = Some((message, hint)),
            ChildMessage::Progress(_) => {}
        }
    }
}

type Status = (Option<i32>, Option<i32>);

/// Having been told to stop outranks how it ended: a command that traps the signal and exits with 0 has not done its
/// work.
fn stopped(job: &Job<'_>, cause: Option<Cause>) -> Option<JobEnd> {
    match (cause?, job.timeout) {
        (Cause::TimedOut, Some(after)) => {
            Some(JobEnd::TimedOut { after, log_tail: logtail::tail(&job.attempt.log_path()) })
        }
        _ => Some(JobEnd::Interrupted),
    }
}

fn judge_builtin(job: &Job<'_>, report: &Report, status: Status) -> JobEnd {
    match &report.failure {
        Some((message, hint)) => failed(job, status, message.clone(), hint.clone()),
        None if status.0 == Some(0) => JobEnd::Succeeded,
        None => {
            let (message, hint) = message::child_ended(status.0, status.1, job.memory);
            failed(job, status, message, hint)
        }
    }
}

fn judge_command(job: &Job<'_>, lines: &[String], ended: &Ended<CommandEnd>) -> JobEnd {
    let text = |line: &usize| lines.get(*line).map_or("", String::as_str);
    match &ended.how {
        CommandEnd::Succeeded => JobEnd::Succeeded,
        CommandEnd::LineFailed { line, exit, signal } => {
            let (message, hint) = message::line_failed(text(line), *exit, *signal);
            failed(job, (*exit, *signal), message, hint)
        }
        CommandEnd::NotStarted { line, error } => {
            failed(job, (None, None), format!("cannot run `{}`: {error}", text(line)), None)
        }
        CommandEnd::Lost { exit, signal } => {
            let (message, hint) = message::child_ended(*exit, *signal, job.memory);
            failed(job, (*exit, *signal), message, hint)
        }
    }
}

fn failed(job: &Job<'_>, status: (Option<i32>, Option<i32>), message: String, hint: Option<String>) -> JobEnd {
    let log_tail = logtail::tail(&job.attempt.log_path());
    JobEnd::Failed { exit: status.0, signal: status.1, message, hint, log_tail }
}

fn record(end: &JobEnd, status: Status, max_rss: Option<u64>, wall: Duration) -> ExitRecord {
    let (name, (exit, signal)) = match end {
        JobEnd::Succeeded => ("succeeded", (Some(0), None)),
        JobEnd::Failed { exit, signal, .. } => ("failed", (*exit, *signal)),
        JobEnd::TimedOut { .. } => ("timed_out", status),
        JobEnd::Interrupted => ("interrupted", status),
    };
    ExitRecord { schema_version: 1, end: name.to_owned(), exit, signal, seconds: wall.as_secs_f64(), max_rss }
}

fn write_json<T: serde::Serialize>(path: &Path, value: &T) -> Result<(), ExecError> {
    let bytes = serde_json::to_vec_pretty(value).map_err(|error| file_error("write", path)(error.into()))?;
    fs::write(path, bytes).map_err(file_error("write", path))
}

fn file_error(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> ExecError {
    let path = path.to_owned();
    move |source| ExecError::File { action, path, source }
}
