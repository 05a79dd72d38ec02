//! The life of one stage in a run: assess, look up, restore or attempt, record.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use super::events::{Event, Outcome};
use super::outputs::Outputs;
use super::run::{Message, RunError, Runner};
use super::shared::Shared;
use crate::config::StageDef;
use crate::exec::descends_from;
use crate::key::{ContentRecord, Manifest, ReasonKind, StaleReason};
use crate::plan::{Assessment, PlanError};
use crate::store::{ActionRecord, Claim, Lock, RecordVerdict, StageRecord, StoreError, lock_name};
use crate::util::RelPath;

/// How often a waiting process looks whether the other one is done.
pub(super) const LOCK_POLL: Duration = Duration::from_millis(50);

/// How a stage ended.
pub(super) struct StageEnd {
    pub(super) outcome: Outcome,
    pub(super) detail: String,
}

impl StageEnd {
    pub(super) fn good(outcome: Outcome) -> Self {
        Self { outcome, detail: String::new() }
    }

    pub(super) fn failed(detail: impl Into<String>) -> Self {
        Self { outcome: Outcome::Failed, detail: detail.into() }
    }

    pub(super) fn interrupted() -> Self {
        Self { outcome: Outcome::Interrupted, detail: "stopped; its outputs were not recorded".to_owned() }
    }
}

/// How one stage is to be treated.
#[derive(Debug, Clone, Copy)]
pub(super) struct StageOrder {
    /// It runs whatever content says, and its result is not looked up.
    pub(super) forced: bool,
    /// Whether its result may be recorded: not if it was made from what a failed stage left.
    pub(super) recorded: bool,
}

/// One stage of a run.
pub(super) struct StageRun<'a> {
    pub(super) runner: &'a Runner<'a>,
    pub(super) stage: &'a StageDef,
    pub(super) order: StageOrder,
    pub(super) shared: &'a Shared,
    pub(super) events: Sender<Message>,
}

impl StageRun<'_> {
    /// Runs the stage and tells how it ended.
    pub(super) fn report(&self) {
        let start = Instant::now();
        let name = &self.stage.name;
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.run()))
            .unwrap_or_else(|_| Err(RunError::Panicked(name.clone())));
        // The receiver outlives every stage's thread.
        drop(self.events.send(Message::Done(name.clone(), result, start.elapsed().as_secs_f64())));
    }

    fn run(&self) -> Result<StageEnd, RunError> {
        if self.stage.frozen {
            self.note("frozen: taken as it is");
            return Ok(StageEnd::good(Outcome::Fresh));
        }
        match self.assess() {
            // What a stage before this one wrote is no parameter file.
            Err(RunError::Plan(PlanError::Params(errors))) => return Ok(StageEnd::failed(errors.to_string())),
            Ok(now) if now.reasons.is_empty() => return Ok(StageEnd::good(Outcome::Fresh)),
            now => now?,
        };
        let claim = match self.claim()? {
            Ok(claim) => claim,
            Err(end) => return Ok(end),
        };
        self.shared.use_tmp(&self.runner.workspace.store)?;
        // Another process may have done the work meanwhile.
        self.refresh()?;
        let assessment = self.assess()?;
        if assessment.reasons.is_empty() {
            return Ok(StageEnd::good(Outcome::Fresh));
        }
        if let Some(message) = self.obstacle(&assessment) {
            return Ok(StageEnd::failed(message));
        }
        if self.restore(&assessment, &claim)? {
            return Ok(StageEnd::good(Outcome::Restored));
        }
        self.attempts(&assessment, &claim)
    }

    /// The file by which DVC itself tracks a missing input or a directory above it, if there is one.
    fn tracked_by_dvc(&self, input: &RelPath) -> Option<String> {
        let root = &self.runner.workspace.project.pipeline.root;
        let ancestors = Path::new(input.as_str()).ancestors().filter_map(Path::to_str).filter(|path| !path.is_empty());
        ancestors.map(|path| format!("{path}.dvc")).find(|file| root.join(file).is_file())
    }

    /// What the stage cannot run without and does not have.
    fn obstacle(&self, assessment: &Assessment) -> Option<String> {
        let name = &self.stage.name;
        if let Some(path) = assessment.missing.first() {
            let help = if self.runner.options.plan.allow_missing {
                format!("stage {name} must run: bring it with `clinpipe pull`, or leave --allow-missing out")
            } else {
                match self.tracked_by_dvc(path) {
                    Some(file) => format!("{file} tracks it: `dvc pull {file}` brings it"),
                    None => format!("create it, or correct the path under `deps` of stage {name}"),
                }
            };
            return Some(format!("input {path} is missing and no stage of this run wrote it\nhelp: {help}"));
        }
        let Some(param) = assessment.absent_params.first() else { return self.edited_params(assessment) };
        let (file, key) = param.split_once(':').unwrap_or((param, ""));
        let what = if key.is_empty() { "the parameter file".to_owned() } else { format!("parameter {key} of") };
        let params = &self.runner.workspace.project.params;
        let near = RelPath::parse(file).and_then(|file| params.nearest_key(&file, key));
        let help = near.map_or_else(
            || format!("add it there, or remove it from `params` of stage {name}"),
            |word| format!("did you mean `{word}`?"),
        );
        Some(format!("{what} {file} is missing\nhelp: {help}"))
    }

    /// Parameters that a command would find otherwise than they were when this run read them.
    fn edited_params(&self, assessment: &Assessment) -> Option<String> {
        let now = match self.runner.workspace.params_on_disk(self.stage) {
            Ok(Some(params)) => Manifest { params, ..assessment.manifest.clone() },
            Ok(None) => return None,
            Err(error) => return Some(error.to_string()),
        };
        let changed = now.explain(&assessment.manifest).into_iter().next()?;
        Some(format!("{changed} since this run read it\nhelp: run again"))
    }

    fn assess(&self) -> Result<Assessment, RunError> {
        let lock = self.relevant_lock();
        let mut assessment = self.runner.workspace.assess(self.stage, &lock, self.runner.options.plan.allow_missing)?;
        if self.order.forced {
            assessment.reasons = vec![StaleReason::plain(ReasonKind::Forced, "")];
        }
        Ok(assessment)
    }

    /// What the lock says of this stage and of those it reads from; a copy, because hashing takes time.
    fn relevant_lock(&self) -> Lock {
        let producers = self.runner.workspace.graph.producers(&self.stage.name);
        let lock = self.locked();
        let names = producers.into_iter().chain([&self.stage.name]);
        Lock { stages: names.filter_map(|name| Some((name.clone(), lock.stages.get(name)?.clone()))).collect() }
    }

    /// Takes over what other processes have recorded in the lock of this stage's pipeline file.
    fn refresh(&self) -> Result<(), RunError> {
        let workspace = self.runner.workspace;
        let file = &self.stage.file;
        let records = workspace.lock_news(file)?.stages.into_iter();
        let pipeline = &workspace.project.pipeline;
        self.locked().stages.extend(records.map(|(name, record)| (pipeline.address(file, &name.0), record)));
        Ok(())
    }

    /// Takes the lock under which one process at a time runs this stage. The inner error: stopped while waiting, or
    /// waiting might never end.
    fn claim(&self) -> Result<Result<Claim, StageEnd>, RunError> {
        let workspace = self.runner.workspace;
        let lock = super::record::stage_lock(workspace, self.stage);
        let mut told = false;
        loop {
            match lock.try_claim()? {
                Ok(claim) => return Ok(Ok(claim)),
                Err(holder) => {
                    if is_ancestor(&holder) {
                        return Ok(Err(StageEnd::failed(NESTED)));
                    }
                    if !std::mem::replace(&mut told, true) {
                        self.send(Event::Waiting { holder: format!("{holder}, which runs {}", self.stage.name) });
                    }
                    if self.runner.cancel.is_requested() {
                        return Ok(Err(StageEnd::interrupted()));
                    }
                    std::thread::sleep(LOCK_POLL);
                }
            }
        }
    }

    /// Brings the outputs as the lock has them when nothing else is amiss, else from the action cache; if the store can.
    fn restore(&self, assessment: &Assessment, claim: &Claim) -> Result<bool, RunError> {
        let workspace = self.runner.workspace;
        if self.order.forced || self.runner.options.plan.no_run_cache || !workspace.is_cacheable(self.stage) {
            return Ok(false);
        }
        let record = self.locked().stages.get(&self.stage.name).cloned();
        if let Some(outs) = workspace.kept(self.stage, &assessment.reasons, record.as_ref())
            && self.bring(&outs, claim)?
        {
            claim.unmark()?;
            return Ok(true);
        }
        let Some(outs) = workspace.cached(self.stage, assessment.manifest.key()) else { return Ok(false) };
        let is_brought = self.bring(&outs, claim)?;
        if is_brought {
            self.record(assessment.manifest.clone(), outs, claim)?;
        }
        Ok(is_brought)
    }

    /// Brings outputs from the store; `false` when it turns out to be damaged.
    fn bring(&self, outs: &BTreeMap<RelPath, ContentRecord>, claim: &Claim) -> Result<bool, RunError> {
        match self.outputs(claim).restore(outs) {
            Ok(()) => Ok(true),
            Err(RunError::Store(StoreError::Damaged { path, .. })) => {
                self.note(&format!("the stored result is damaged ({path}); running instead"));
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    fn attempts(&self, assessment: &Assessment, claim: &Claim) -> Result<StageEnd, RunError> {
        let reasons: Vec<String> = assessment.reasons.iter().map(ToString::to_string).collect();
        let mut attempt = 1;
        loop {
            self.send(Event::StageStarted { stage: self.stage.name.clone(), reasons: reasons.clone(), attempt });
            let end = self.attempt(assessment, claim)?;
            if end.outcome != Outcome::Failed || attempt > self.stage.retries || self.runner.cancel.is_requested() {
                return Ok(end);
            }
            let pause = Duration::from_secs(1 << attempt.min(6).saturating_sub(1));
            self.note(&format!("attempt {attempt} failed; trying again in {} s: {}", pause.as_secs(), end.detail));
            if !self.pause(pause) {
                return Ok(StageEnd::interrupted());
            }
            attempt += 1;
        }
    }

    /// Waits, unless the run is stopped meanwhile.
    fn pause(&self, time: Duration) -> bool {
        let end = std::time::Instant::now() + time;
        while std::time::Instant::now() < end {
            if self.runner.cancel.is_requested() {
                return false;
            }
            std::thread::sleep(LOCK_POLL);
        }
        true
    }

    /// Action record, then journal: whoever reads the later finds the earlier.
    pub(super) fn record(
        &self,
        manifest: Manifest,
        outs: BTreeMap<RelPath, ContentRecord>,
        claim: &Claim,
    ) -> Result<(), RunError> {
        let workspace = self.runner.workspace;
        if !self.order.recorded {
            self.note("not recorded: it was made from what a failed stage left");
            return Ok(());
        }
        if self.runner.options.commit && workspace.is_cacheable(self.stage) {
            let base = self.stage.base();
            let verdict = workspace.store.record_action(manifest.key(), &ActionRecord::new(&base, &outs))?;
            if let RecordVerdict::Differs(first) = verdict {
                self.note(&nondeterminism(&first.outs_from(&base).unwrap_or_default(), &outs));
            }
        }
        let record = StageRecord::new(manifest, outs);
        super::record::journal(workspace, self.stage, &record)?;
        let read = record.manifest.deps.iter().filter_map(|(path, content)| Some((path, content.as_ref()?)));
        self.send(Event::StageRecorded {
            stage: self.stage.name.clone(),
            inputs: read.map(|(path, content)| (path.clone(), content.digest)).collect(),
            outputs: record.outs.iter().map(|(path, content)| (path.clone(), content.digest)).collect(),
        });
        self.locked().stages.insert(self.stage.name.clone(), record);
        claim.unmark()?;
        Ok(self.shared.sync(&workspace.store)?)
    }

    /// What names the stage's pipeline file in the store.
    pub(super) fn lock_name(&self) -> String {
        lock_name(&self.stage.file)
    }

    pub(super) fn outputs<'c>(&'c self, claim: &'c Claim) -> Outputs<'c> {
        let record = self.locked().stages.get(&self.stage.name).cloned();
        let recorded = record.map(|record| record.outs).unwrap_or_default();
        Outputs {
            workspace: self.runner.workspace,
            stage: self.stage,
            claim,
            recorded,
            commit: self.runner.options.commit && self.order.recorded,
            note: Box::new(|text| self.note(text)),
        }
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, Lock> {
        self.shared.lock()
    }

    pub(super) fn note(&self, message: &str) {
        self.send(Event::Note { stage: Some(self.stage.name.clone()), message: message.to_owned() });
    }

    pub(super) fn send(&self, event: Event) {
        // The receiver outlives every stage's thread.
        drop(self.events.send(Message::Event(event)));
    }
}

/// Said instead of waiting for oneself. A stage that another stage's command waits for is an undeclared dependency even
/// where the wait would end.
const NESTED: &str = "the clinpipe that runs this command is running this stage itself\nhelp: let no command of a stage reproduce the stage it belongs to; declare what it needs under `deps`";

/// Whether a lock is held by a process that this one was started by.
pub(super) fn is_ancestor(holder: &str) -> bool {
    let number = holder.strip_prefix("process ").and_then(|rest| rest.split_whitespace().next());
    number.and_then(|number| number.parse().ok()).is_some_and(descends_from)
}

fn nondeterminism(first: &BTreeMap<RelPath, ContentRecord>, now: &BTreeMap<RelPath, ContentRecord>) -> String {
    let differing = now.iter().find_map(|(path, record)| {
        let old = first.get(path)?;
        (old.digest != record.digest).then(|| (path, old.digest.short(), record.digest.short()))
    });
    match differing {
        Some((path, old, new)) => format!(
            "not deterministic: the same work wrote {path} as {old} before and as {new} now; the first stays in the action cache"
        ),
        None => "not deterministic: the same work wrote other outputs before".to_owned(),
    }
}
