//! The supervisor: one small process that runs the shell commands of a whole clinpipe run.
//!
//! It starts every command itself, so there is no moment at which a command runs and nobody knows of it, and it reads
//! its orders from a pipe whose other end only clinpipe holds: when that closes, however clinpipe ended, everything is
//! killed. On Linux it is the reaper of its descendants, so that a process which left its group (`setsid`, a daemon)
//! falls to it instead of to init, and does not outlive the run either. An attempt has ended when its process group is
//! empty. Nothing here knows stages, and nothing is written but the log files that orders name.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, WaitOptions, getpid, kill_process, kill_process_group, setsid, wait, waitid,
    waitpgid,
};
use signal_hook::consts::{SIGCHLD, SIGINT, SIGTERM};

use super::procfs::processes;
use super::protocol::{CommandEnd, CommandSpec, NO_REQUEST, Notice, Order, say};
use super::sandbox::{self, Rule};

/// Serves orders from stdin until it ends; notices go to stdout.
pub(super) fn run() -> u8 {
    // Said through the exit code: clinpipe reports a supervisor that is gone.
    let Ok(mut supervisor) = Supervisor::prepare() else { return NO_REQUEST };
    let code = supervisor.serve();
    supervisor.end_everything();
    code
}

struct Supervisor {
    orders: File,
    /// Readable when a child has ended.
    wakeups: UnixStream,
    tasks: BTreeMap<u64, Task>,
}

/// One order that is being carried out.
struct Task {
    spec: CommandSpec,
    log: File,
    line: usize,
    group: Pid,
    /// Exit code and signal of the line's shell, once it has ended; the group may still be emptying.
    status: Option<(Option<i32>, Option<i32>)>,
    stopped: bool,
}

impl Supervisor {
    fn prepare() -> io::Result<Self> {
        // Commands share a session of their own, by which clinpipe finds them should this process be killed. Ctrl-C at
        // a terminal is for clinpipe, which passes it on in order.
        setsid()?;
        // A handler, unlike ignoring, is reset in the shell: the commands see default dispositions.
        for signal in [SIGINT, SIGTERM] {
            signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)))?;
        }
        let (wakeups, ended) = UnixStream::pair()?;
        wakeups.set_nonblocking(true)?;
        ended.set_nonblocking(true)?;
        signal_hook::low_level::pipe::register(SIGCHLD, ended)?;
        #[cfg(target_os = "linux")]
        rustix::process::set_child_subreaper(Some(getpid()))?;
        Ok(Self { orders: File::from(io::stdin().as_fd().try_clone_to_owned()?), wakeups, tasks: BTreeMap::new() })
    }

    fn serve(&mut self) -> u8 {
        let mut pending = Vec::new();
        let mut buffer = vec![0_u8; 1 << 16];
        loop {
            let mut ready = [PollFd::new(&self.orders, PollFlags::IN), PollFd::new(&self.wakeups, PollFlags::IN)];
            match poll(&mut ready, None) {
                Ok(_) => {}
                Err(Errno::INTR) => continue,
                Err(_) => return NO_REQUEST,
            }
            let (has_orders, has_ended) = (!ready[0].revents().is_empty(), !ready[1].revents().is_empty());
            if has_ended {
                // Drained first: an end that comes while reaping makes it readable again.
                while self.wakeups.read(&mut buffer).is_ok_and(|count| count > 0) {}
                self.reap();
            }
            if has_orders {
                match self.orders.read(&mut buffer) {
                    Ok(0) => return 0,
                    Ok(count) => pending.extend_from_slice(&buffer[..count]),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(_) => return 0,
                }
                if !self.obey_all(&mut pending) {
                    return NO_REQUEST;
                }
            }
        }
    }

    /// Obeys every complete order; false when one is not understood, which must not leave clinpipe waiting.
    fn obey_all(&mut self, pending: &mut Vec<u8>) -> bool {
        while let Some(end) = pending.iter().position(|&byte| byte == b'\n') {
            let order = serde_json::from_slice(&pending[..end]);
            pending.drain(..=end);
            match order {
                Ok(order) => self.obey(order),
                Err(_) => return false,
            }
        }
        true
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Start { id, spec } => match begin(spec) {
                Ok(task) => drop(self.tasks.insert(id, task)),
                Err(end) => tell(&Notice { id, end }),
            },
            Order::Signal { id, signal } => {
                if let (Some(task), Some(signal)) = (self.tasks.get_mut(&id), Signal::from_named_raw(signal)) {
                    task.stopped = true;
                    // An empty group is no error: it has ended by itself. Its number is still ours, see `reap`.
                    let _ = kill_process_group(task.group, signal);
                }
            }
        }
    }

    /// Looks at every running line. A shell that has ended stays a zombie until the rest of its group is killed: as
    /// long as it is not reaped, its number cannot be given to another process, so the signal cannot hit a stranger.
    fn reap(&mut self) {
        let ids: Vec<u64> = self.tasks.keys().copied().collect();
        for id in ids {
            let Some(task) = self.tasks.get_mut(&id) else { continue };
            if task.status.is_none() {
                let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
                let Ok(Some(status)) = waitid(WaitId::Pid(task.group), options) else { continue };
                task.status = Some((status.exit_status(), status.terminating_signal()));
                let _ = kill_process_group(task.group, Signal::KILL);
            }
            if is_gone(task.group) {
                self.proceed(id);
            }
        }
        if self.tasks.is_empty() {
            // What left its group and has ended since.
            while let Ok(Some(_)) = wait(WaitOptions::NOHANG) {}
        }
    }

    /// Starts the next line, or reports the end.
    fn proceed(&mut self, id: u64) {
        let Some(mut task) = self.tasks.remove(&id) else { return };
        let end = match task.status.take().unwrap_or_default() {
            // Somebody asked for a stop and the command ended well all the same: what follows must not start.
            (Some(0), _) if task.stopped => {
                CommandEnd::LineFailed { line: task.line, exit: None, signal: Some(SIGTERM) }
            }
            (Some(0), _) if task.line + 1 == task.spec.lines.len() => CommandEnd::Succeeded,
            (Some(0), _) => match start_line(&task.spec, task.line + 1, &task.log) {
                Ok(group) => {
                    task.line += 1;
                    task.group = group;
                    self.tasks.insert(id, task);
                    return;
                }
                Err(error) => CommandEnd::NotStarted { line: task.line + 1, error: error.to_string() },
            },
            (exit, signal) => CommandEnd::LineFailed { line: task.line, exit, signal },
        };
        tell(&Notice { id, end });
    }

    /// Kills every group, then whatever else descends from this process.
    fn end_everything(&mut self) {
        for task in self.tasks.values() {
            let _ = kill_process_group(task.group, Signal::KILL);
        }
        let own = getpid().as_raw_pid();
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some(_)) | Err(Errno::INTR) => {}
                Ok(None) => {
                    for child in processes(|process| process.parent == own) {
                        let _ = kill_process(child, Signal::KILL);
                    }
                    // One of them ends, and its own children come to us.
                    if wait(WaitOptions::empty()).is_err() {
                        return;
                    }
                }
                Err(_) => return,
            }
        }
    }
}

fn begin(spec: CommandSpec) -> Result<Task, CommandEnd> {
    let failed = |error: io::Error| CommandEnd::NotStarted { line: 0, error: error.to_string() };
    let log = File::options().create(true).append(true).open(&spec.log).map_err(failed)?;
    let group = start_line(&spec, 0, &log).map_err(failed)?;
    Ok(Task { spec, log, line: 0, group, status: None, stopped: false })
}

/// Starts one line as the leader of a new process group.
fn start_line(spec: &CommandSpec, line: usize, log: &File) -> io::Result<Pid> {
    let line = spec.lines.get(line).map_or("", String::as_str);
    let mut words = spec.shell.iter().map(OsStr::new);
    let mut command = match spec.memory {
        // Limited in a shell, not here: this process maps a large binary, the commands may be small.
        Some(bytes) => {
            let mut command = Command::new("/bin/sh");
            command.arg("-c").arg(format!("ulimit -v {} && exec \"$@\"", bytes.div_ceil(1024))).arg("sh");
            command
        }
        None => Command::new(words.next().unwrap_or(OsStr::new("/bin/sh"))),
    };
    command.args(words).arg(line);
    if spec.bare {
        command.env_clear();
    }
    command
        .envs(spec.env.iter().map(|(name, value)| (name, value)))
        .current_dir(&spec.cwd)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log.try_clone()?)
        .process_group(0);
    let child = match &spec.sandbox {
        None => command.spawn()?,
        Some(rules) => spawn_confined(&mut command, rules)?,
    };
    Ok(Pid::from_child(&child))
}

/// Starts a command from a thread that has confined itself: the restriction goes to the child, and ends with the thread
/// here.
fn spawn_confined(command: &mut Command, rules: &[Rule]) -> io::Result<Child> {
    thread::scope(|scope| {
        let confined = scope.spawn(|| {
            sandbox::enforce(rules).map_err(io::Error::other)?;
            command.spawn()
        });
        confined.join().unwrap_or_else(|_| Err(io::Error::other("the confining thread panicked")))
    })
}

/// Reaps what has ended of a group; whether nothing of it is left.
fn is_gone(group: Pid) -> bool {
    loop {
        match waitpgid(group, WaitOptions::NOHANG) {
            Ok(Some(_)) | Err(Errno::INTR) => {}
            Ok(None) => return false,
            Err(_) => return true,
        }
    }
}

fn tell(notice: &Notice) {
    say(&mut io::stdout(), notice);
}
