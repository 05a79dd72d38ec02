//! clinpipe's side of the supervisor: starts it with the first command of a run, gives it orders, hears how they end.
//!
//! One thread reads all notices and passes each to the thread that waits for it. When the supervisor dies, its
//! commands are killed and whoever waits is told; the next command starts another one. Dropping it ends it, and with it
//! every process that still descends from a command.

use std::collections::BTreeMap;
use std::io::{self, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::procfs::processes;
use super::protocol::{CommandEnd, CommandSpec, Notice, Order, listen};
use super::watch::{Ended, Wake, Watch};
use super::{Cancel, SUPERVISOR_COMMAND};

/// A running supervisor.
#[derive(Debug)]
pub(super) struct Supervisor {
    orders: Mutex<Option<ChildStdin>>,
    work: Arc<Mutex<Work>>,
    reader: Option<JoinHandle<()>>,
}

/// What it is doing.
#[derive(Debug, Default)]
struct Work {
    next: u64,
    /// Who waits for which work.
    open: BTreeMap<u64, Sender<Wake<CommandEnd>>>,
    /// The supervisor is gone.
    lost: bool,
}

impl Supervisor {
    /// Starts one. `exe` is a clinpipe binary.
    pub(super) fn start(exe: &Path) -> io::Result<Self> {
        let mut child =
            Command::new(exe).arg(SUPERVISOR_COMMAND).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let orders = Mutex::new(child.stdin.take());
        let notices = child.stdout.take();
        let work = Arc::new(Mutex::new(Work::default()));
        let shared = Arc::clone(&work);
        let reader =
            thread::Builder::new().name("supervisor".to_owned()).spawn(move || read(child, notices, &shared))?;
        Ok(Self { orders, work, reader: Some(reader) })
    }

    /// Whether it is gone.
    pub(super) fn is_lost(&self) -> bool {
        lock(&self.work).lost
    }

    /// Runs the lines to their end, or stops them.
    pub(super) fn run(&self, spec: CommandSpec, timeout: Option<Duration>, cancel: &Cancel) -> Ended<CommandEnd> {
        let start = Instant::now();
        let (sender, receiver) = mpsc::channel();
        let stop = sender.clone();
        let subscription = cancel.subscribe(move |request| drop(stop.send(Wake::Stop(request))));
        let id = self.open(sender);
        self.order(&Order::Start { id, spec });
        let pass_on = |which: Signal| self.order(&Order::Signal { id, signal: which.as_raw() });
        let mut watch = Watch::new(&pass_on, timeout.map(|limit| start + limit));
        let how = watch.until_exit(&receiver, &mut drop);
        drop(subscription);
        let how = how.unwrap_or(CommandEnd::Lost { exit: None, signal: None });
        Ended { how, cause: watch.cause, wall: start.elapsed() }
    }

    fn open(&self, ended: Sender<Wake<CommandEnd>>) -> u64 {
        let mut work = lock(&self.work);
        let id = work.next;
        work.next += 1;
        if work.lost {
            drop(ended.send(Wake::Exited(CommandEnd::Lost { exit: None, signal: None })));
        } else {
            work.open.insert(id, ended);
        }
        id
    }

    /// A supervisor that is gone cannot hear; the reader tells whoever waits.
    fn order(&self, order: &Order) {
        let Ok(mut line) = serde_json::to_vec(order) else { return };
        line.push(b'\n');
        if let Some(orders) = self.orders.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            let _ = orders.write_all(&line);
        }
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        // The end of its orders is the order to end.
        drop(self.orders.lock().unwrap_or_else(PoisonError::into_inner).take());
        if let Some(reader) = self.reader.take() {
            drop(reader.join());
        }
    }
}

fn read(mut child: Child, notices: Option<ChildStdout>, work: &Mutex<Work>) {
    if let Some(notices) = notices {
        // An unreadable pipe says no more than a closed one.
        drop(listen(BufReader::new(notices), |notice| hear(notice, work)));
    }
    let session = Pid::from_child(&child).as_raw_pid();
    let status = child.wait().ok();
    // After an end in order there is nothing left to do here.
    if status.is_none_or(|status| !status.success()) {
        end_session(session);
    }
    let mut work = lock(work);
    work.lost = true;
    for ended in std::mem::take(&mut work.open).into_values() {
        let end = CommandEnd::Lost {
            exit: status.and_then(|status| status.code()),
            signal: status.and_then(|status| status.signal()),
        };
        drop(ended.send(Wake::Exited(end)));
    }
}

/// Kills what a supervisor that died has left behind. Nobody else can join its session.
fn end_session(session: i32) {
    // Each round kills what the ones before had started meanwhile.
    for _ in 0..100 {
        let left = processes(|process| process.session == session);
        if left.is_empty() {
            return;
        }
        for process in left {
            let _ = kill_process(process, Signal::KILL);
        }
        thread::yield_now();
    }
}

fn hear(notice: Notice, work: &Mutex<Work>) {
    if let Some(ended) = lock(work).open.remove(&notice.id) {
        drop(ended.send(Wake::Exited(notice.end)));
    }
}

fn lock(work: &Mutex<Work>) -> MutexGuard<'_, Work> {
    work.lock().unwrap_or_else(PoisonError::into_inner)
}
