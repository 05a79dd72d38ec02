//! The loop over a whole run.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Instant;

use super::capacity::Capacity;
use super::events::{Event, EventSink, Outcome};
use super::queue::Queue;
use super::record::{drop_outdated, hold_lock, save_hints};
use super::shared::Shared;
use super::stage_run::{StageEnd, StageOrder, StageRun};
use crate::config::StageName;
use crate::exec::{Cancel, ExecError, Executor};
use crate::key::Digest;
use crate::plan::{PlanError, PlanOptions, Workspace};
use crate::store::{Lock, StoreError};
use crate::util::RelPath;

/// How a run behaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunOptions {
    /// How many stages may run at once; also the threads of a built-in that declares none.
    pub jobs: usize,
    /// Bytes of memory that stages which declare theirs may use together; `None` = not known, no bound.
    pub memory: Option<u64>,
    /// What is stale besides what content says.
    pub plan: PlanOptions,
    /// Run the stages one after the other as they were selected, whatever they need.
    pub in_order: bool,
    /// What happens after a failure.
    pub on_failure: OnFailure,
    /// Whether outputs and results are put into the store.
    pub commit: bool,
    /// Leave the lock file as committed, for a caller that compares with it.
    pub locked: bool,
}

/// What a failed stage means for the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnFailure {
    /// No further stage is started.
    #[default]
    Stop,
    /// What does not depend on it goes on.
    KeepGoing,
    /// What depends on it is tried as well, with whatever it left; the results are not recorded.
    Ignore,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self {
            jobs: 1,
            memory: None,
            plan: PlanOptions::default(),
            in_order: false,
            on_failure: OnFailure::Stop,
            commit: true,
            locked: false,
        }
    }
}

/// The machinery failed: disk, store, or a file that cannot be read. Stages that ended before are recorded.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A file cannot be read.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The store cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A process cannot be run.
    #[error(transparent)]
    Exec(#[from] ExecError),
    /// A file of the workspace cannot be moved or removed.
    #[error("cannot {action} {path}: {source}")]
    File {
        /// `remove`, `move` …
        action: &'static str,
        /// Which.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// An output vanished while it was recorded.
    #[error("{0} vanished while it was recorded; try again when nothing else changes it")]
    Gone(RelPath),
    /// A command of a stage asks for what the clinpipe that runs it is working on.
    #[error(
        "the clinpipe that runs this command is running stage {0} itself\nhelp: let a command of a stage name the other stages it means, or call it outside of the run"
    )]
    Nested(StageName),
    /// A thread of the engine panicked: a defect of clinpipe.
    #[error("internal error while running {0}; please report it")]
    Panicked(StageName),
}

/// How one stage ended.
#[derive(Debug, Clone, PartialEq)]
pub struct StageReport {
    /// How.
    pub outcome: Outcome,
    /// Wall time.
    pub seconds: f64,
    /// The message of a failure.
    pub detail: String,
}

/// How a run ended.
#[derive(Debug)]
pub struct RunReport {
    /// Every selected stage.
    pub stages: BTreeMap<StageName, StageReport>,
    /// The lock file as it was before the run.
    pub committed: Arc<Lock>,
    /// The lock after the run, whether or not it was written.
    pub lock: Arc<Lock>,
    /// The lock files that the run wrote or would have written had they changed, by their pipeline file. Empty when
    /// the run had nothing to do.
    pub locks: BTreeMap<RelPath, LockChange>,
    /// Wall time.
    pub seconds: f64,
    /// What stopped the run, if the machinery failed.
    pub error: Option<RunError>,
}

/// The digests of a lock file before and after a run touched it; none where there is no file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LockChange {
    /// Before.
    pub before: Option<Digest>,
    /// After.
    pub after: Option<Digest>,
}

impl RunReport {
    /// Whether a stage ended so.
    pub fn any(&self, outcome: Outcome) -> bool {
        self.stages.values().any(|stage| stage.outcome == outcome)
    }
}

/// Brings stages up to date.
pub struct Runner<'a> {
    /// The project.
    pub workspace: &'a Workspace<'a>,
    /// Runs attempts.
    pub executor: &'a dyn Executor,
    /// How to behave.
    pub options: &'a RunOptions,
    /// Stops the run when requested.
    pub cancel: &'a Cancel,
}

/// The lock files a run touched, by their pipeline file.
type LockChanges = BTreeMap<RelPath, LockChange>;

/// The digest of a lock file; none when it is not there.
fn digest_of(path: &Path) -> Option<Digest> {
    std::fs::read(path).ok().map(|bytes| Digest::of(&bytes))
}

/// What a stage's thread sends.
pub(super) enum Message {
    Event(Event),
    Done(StageName, Result<StageEnd, RunError>, f64),
}

impl Runner<'_> {
    /// Runs the selected stages, given in topological order, and records what succeeded.
    pub fn run(&self, selected: &[StageName], sink: &mut dyn EventSink) -> Result<RunReport, RunError> {
        let start = Instant::now();
        sink.event(&Event::RunStarted { stages: selected.len(), jobs: self.options.jobs });
        drop_outdated(self.workspace)?;
        let has_journals = self.workspace.has_journals();
        let committed = Arc::new(self.workspace.committed_lock()?);
        let current = if has_journals { Arc::new(self.workspace.current_lock()?) } else { Arc::clone(&committed) };
        let mut queue = Queue::new(self.workspace.graph, selected);
        let mut capacity =
            Capacity::new(self.options.jobs, self.options.memory, &self.workspace.project.pipeline.pools);
        self.settle_fresh(selected, &current, &mut queue, sink);
        if !queue.is_done() {
            self.run_all(&mut queue, &mut capacity, Arc::unwrap_or_clone(current), sink);
        }
        let (lock, locks) = self.finish(&queue, &committed)?;
        let seconds = start.elapsed().as_secs_f64();
        sink.event(&Event::RunFinished { seconds });
        Ok(RunReport { stages: queue.reports, committed, lock, locks, seconds, error: queue.error })
    }

    fn run_all<'s>(&'s self, queue: &mut Queue<'_>, capacity: &mut Capacity<'s>, lock: Lock, sink: &mut dyn EventSink) {
        let (sender, receiver) = mpsc::channel();
        let shared = Shared::new(lock);
        thread::scope(|scope| {
            loop {
                queue.stopped |= self.cancel.is_requested();
                while let Some(name) = self.next(queue, capacity) {
                    let order =
                        StageOrder { forced: self.is_forced(name, queue), recorded: !queue.tainted.contains(name) };
                    let run = StageRun {
                        runner: self,
                        stage: self.workspace.stage(name),
                        order,
                        shared: &shared,
                        events: sender.clone(),
                    };
                    scope.spawn(move || run.report());
                }
                if queue.running() == 0 {
                    break;
                }
                self.receive(&receiver, queue, capacity, sink);
            }
        });
        shared.clear();
        for name in queue.drain(|_| true) {
            queue.finish(&name, Outcome::Skipped, 0.0, String::new(), sink);
        }
    }

    /// Takes the next stage that may start.
    fn next<'s, 'q>(&'s self, queue: &mut Queue<'q>, capacity: &mut Capacity<'s>) -> Option<&'q StageName> {
        if queue.stopped || capacity.is_exhausted() {
            return None;
        }
        let name = if self.options.in_order {
            queue.first().filter(|_| queue.running() == 0)?
        } else {
            queue.ready().find(|name| capacity.has_room(self.workspace.stage(name)))?
        };
        capacity.take(self.workspace.stage(name));
        queue.start(name);
        Some(name)
    }

    /// Whether a stage runs although content does not ask for it.
    fn is_forced(&self, name: &StageName, queue: &Queue<'_>) -> bool {
        let ran = |producer| queue.reports.get(producer).is_some_and(|report| report.outcome == Outcome::Ran);
        let follows = || self.workspace.graph.producers(name).into_iter().any(ran);
        self.options.plan.force || (self.options.plan.force_downstream && follows())
    }

    fn receive(
        &self,
        receiver: &Receiver<Message>,
        queue: &mut Queue<'_>,
        capacity: &mut Capacity<'_>,
        sink: &mut dyn EventSink,
    ) {
        let (name, result, seconds) = match receiver.recv() {
            Ok(Message::Done(name, result, seconds)) => (name, result, seconds),
            Ok(Message::Event(event)) => return sink.event(&event),
            Err(_) => return,
        };
        capacity.give_back(self.workspace.stage(&name));
        match result {
            Ok(end) => {
                let bad = matches!(end.outcome, Outcome::Failed | Outcome::Interrupted);
                queue.finish(&name, end.outcome, seconds, end.detail, sink);
                if bad {
                    self.react(&name, end.outcome, queue, sink);
                }
            }
            Err(error) => {
                queue.finish(&name, Outcome::Failed, seconds, error.to_string(), sink);
                queue.error.get_or_insert(error);
                queue.stopped = true;
            }
        }
    }

    fn react(&self, failed: &StageName, outcome: Outcome, queue: &mut Queue<'_>, sink: &mut dyn EventSink) {
        if self.options.on_failure == OnFailure::Ignore && outcome == Outcome::Failed {
            queue.settle(failed);
            queue.tainted.extend(self.workspace.graph.downstream(failed));
            return;
        }
        self.skip_consumers(failed, queue, sink);
        queue.stopped |= self.options.on_failure == OnFailure::Stop || outcome == Outcome::Interrupted;
    }

    /// What depends on a failed stage is not tried.
    fn skip_consumers(&self, failed: &StageName, queue: &mut Queue<'_>, sink: &mut dyn EventSink) {
        let downstream = self.workspace.graph.downstream(failed);
        for name in queue.drain(|name| downstream.contains(name)) {
            queue.finish(&name, Outcome::Skipped, 0.0, format!("needs {failed}, which failed"), sink);
        }
    }

    /// Writes locks and hints, unless nothing happened. Returns the lock as it now is or would be.
    fn finish(&self, queue: &Queue<'_>, committed: &Arc<Lock>) -> Result<(Arc<Lock>, LockChanges), RunError> {
        let workspace = self.workspace;
        let worked = |report: &StageReport| !matches!(report.outcome, Outcome::Fresh | Outcome::Skipped);
        let touched: BTreeSet<&RelPath> = queue
            .reports
            .iter()
            .filter(|(_, report)| worked(report))
            .map(|(name, _)| &workspace.stage(name).file)
            .chain(workspace.project.pipeline.files().filter(|file| workspace.journal(file).exists()))
            .collect();
        if touched.is_empty() {
            self.save_hints_at_rest();
            return Ok((Arc::clone(committed), LockChanges::new()));
        }
        let _tmp = workspace.store.use_tmp()?;
        // Blobs and records before the lock that names them.
        workspace.store.sync()?;
        let mut lock = Lock::clone(committed);
        let mut changes = LockChanges::new();
        for file in touched {
            changes.insert(file.clone(), self.write_lock(file, queue, committed, &mut lock)?);
        }
        save_hints(workspace)?;
        Ok((Arc::new(lock), changes))
    }

    /// Brings the lock of one pipeline file up to its journal, and `all` up to both.
    fn write_lock(
        &self,
        file: &RelPath,
        queue: &Queue<'_>,
        committed: &Lock,
        all: &mut Lock,
    ) -> Result<LockChange, RunError> {
        let workspace = self.workspace;
        let path = workspace.lock_path(file);
        let pipeline = &workspace.project.pipeline;
        let _writer = hold_lock(workspace, file)?;
        let mut lock = workspace.file_lock(file)?;
        let address = |name: &StageName| pipeline.address(file, &name.0);
        lock.stages.retain(|name, _| pipeline.stages.contains_key(&address(name)));
        all.stages.retain(|name, _| pipeline.stages.get(name).is_some_and(|stage| stage.file != *file));
        all.stages.extend(lock.stages.iter().map(|(name, record)| (address(name), record.clone())));
        if self.options.locked {
            let selected = queue.reports.keys().map(|name| workspace.stage(name)).filter(|stage| stage.file == *file);
            for stage in selected {
                let name = StageName(stage.local.clone());
                match committed.stages.get(&stage.name) {
                    Some(record) => drop(lock.stages.insert(name, record.clone())),
                    None => drop(lock.stages.remove(&name)),
                }
            }
        }
        // Both are taken under the writer's lock, so what lies between them is this run's doing.
        let before = digest_of(&path);
        lock.write(&workspace.store.tmp(), &path)?;
        workspace.journal(file).clear()?;
        Ok(LockChange { before, after: digest_of(&path) })
    }

    /// Keeps what a run without work had to hash again, so that the next one need not: a file whose times have changed
    /// but not its bytes. Hints only save time, and the project may be read-only: a failure is no failure of the run.
    fn save_hints_at_rest(&self) {
        let store = &self.workspace.store;
        if self.workspace.reader.hints().is_changed()
            && let Ok(_tmp) = store.use_tmp()
        {
            drop(store.save_hints(self.workspace.reader.hints()));
        }
    }
}
