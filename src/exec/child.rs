//! The process of a built-in stage: `clinpipe __stage SPEC.json`.
//!
//! A stage function runs here with its own thread pool, memory limit and crash boundary. stdout belongs to the
//! protocol, stderr is the attempt's log. Nothing here knows the pipeline, and no output leaves the paths that the
//! request names.

use std::any::Any;
use std::fs;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use clinpipe_stages::{Progress, Stage, StageContext, StageError, StageRequest};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::lifeline;
use super::protocol::{BuiltinSpec, CRASHED, ChildMessage, NO_REQUEST, STAGE_FAILED, say};

/// Between two progress messages of the same child; a stage may report as often as it likes.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

/// Does what the spec file says and returns the exit code. Returns early only when the file cannot be read.
pub(super) fn run(spec_file: &Path) -> u8 {
    match read_spec(spec_file) {
        Ok(spec) => run_stage_child(spec.request, spec.memory),
        Err(message) => {
            log(&format!("error: {message}"));
            NO_REQUEST
        }
    }
}

/// Calls the stage that the request names. `memory` limits the address space, in bytes.
fn run_stage_child(request: StageRequest, memory: Option<u64>) -> u8 {
    let mut out = io::stdout();
    if let Err(message) = prepare(memory) {
        return report_failure(&mut out, &StageError::failed(message));
    }
    let code = if let Some(stage) = clinpipe_stages::find(&request.uses) {
        run_stage(stage, request, Box::new(io::stdout()))
    } else {
        let message = format!("there is no built-in stage `{}`", request.uses);
        report_failure(&mut out, &StageError::failed(message))
    };
    if let Some(max_rss) = peak_memory() {
        say(&mut out, &ChildMessage::Usage { max_rss });
    }
    code
}

fn read_spec(file: &Path) -> Result<BuiltinSpec, String> {
    let bytes = fs::read(file).map_err(|error| format!("cannot read the request {}: {error}", file.display()))?;
    serde_json::from_slice(&bytes).map_err(|error| format!("the request {} is malformed: {error}", file.display()))
}

fn prepare(memory: Option<u64>) -> Result<(), String> {
    lifeline::hold().map_err(|error| format!("cannot start a thread: {error}"))?;
    if let Some(limit) = memory {
        // Asking for more than the hard limit is refused, and that limit serves the purpose as well.
        let limit = getrlimit(Resource::As).maximum.map_or(limit, |hard| limit.min(hard));
        setrlimit(Resource::As, Rlimit { current: Some(limit), maximum: Some(limit) })
            .map_err(|error| format!("cannot limit the memory to {limit} bytes: {error}"))?;
    }
    Ok(())
}

/// Runs `stage` in a pool of the requested size; messages go to `out`, the failure also to stderr.
fn run_stage(stage: &dyn Stage, request: StageRequest, out: Box<dyn Write + Send>) -> u8 {
    let name = request.uses.clone();
    let channel = Channel { state: Mutex::new(ChannelState { out, last: None }) };
    let progress = |progress: Progress| channel.progress(progress);
    let start = Instant::now();
    let clock = || start.elapsed();
    let context = StageContext::new(request, &progress).with_log(&log, &clock);
    let pool = match rayon::ThreadPoolBuilder::new().num_threads(context.threads()).build() {
        Ok(pool) => pool,
        Err(error) => {
            let message = format!("cannot start {} threads: {error}", context.threads());
            return channel.with(|out| report_failure(out, &StageError::failed(message)));
        }
    };
    // The context is only read, and the process ends after a panic: no broken invariant can be seen later.
    match catch_unwind(AssertUnwindSafe(|| pool.install(|| stage.run(&context)))) {
        Ok(Ok(())) => 0,
        Ok(Err(error)) => channel.with(|out| report_failure(out, &error)),
        Err(panic) => channel.with(|out| report_crash(out, &name, panic.as_ref())),
    }
}

fn report_failure(out: &mut dyn Write, error: &StageError) -> u8 {
    let hint = error.hint().map(str::to_owned);
    log(&format!("error: {error}"));
    if let Some(hint) = &hint {
        log(&format!("help: {hint}"));
    }
    say(out, &ChildMessage::StageFailed { message: error.to_string(), hint });
    STAGE_FAILED
}

fn report_crash(out: &mut dyn Write, stage: &str, panic: &(dyn Any + Send)) -> u8 {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    let message = format!("internal error in stage {stage}: {text}");
    let hint = "this is a fault of clinpipe, not of your data; please report it with the log".to_owned();
    log(&format!("error: {message}\nhelp: {hint}"));
    say(out, &ChildMessage::StageFailed { message, hint: Some(hint) });
    CRASHED
}

/// A line for the attempt's log. A log that cannot be written (full disk) must not change the result.
fn log(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// The way to the parent, shared by the stage's threads.
struct Channel {
    state: Mutex<ChannelState>,
}

struct ChannelState {
    out: Box<dyn Write + Send>,
    last: Option<Instant>,
}

impl Channel {
    fn progress(&self, progress: Progress) {
        let Ok(mut state) = self.state.lock() else { return };
        let finished = progress.total == Some(progress.done);
        if finished || state.last.is_none_or(|last| last.elapsed() >= PROGRESS_INTERVAL) {
            state.last = Some(Instant::now());
            say(state.out.as_mut(), &ChildMessage::Progress(progress));
        }
    }

    fn with(&self, report: impl FnOnce(&mut dyn Write) -> u8) -> u8 {
        let mut state = self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        report(state.out.as_mut())
    }
}

/// Peak resident set of this process in bytes, where the system tells it in a file.
fn peak_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests;
