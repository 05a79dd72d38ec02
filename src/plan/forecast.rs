//! The forecast of a whole run.

use std::collections::BTreeSet;

use serde::Serialize;

use super::assess::Known;
use super::{Assessment, PlanError, Workspace};
use crate::config::{StageDef, StageName};
use crate::key::{ReasonKind, StaleReason};
use crate::store::Lock;
use crate::util::RelPath;

/// What would happen to a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Forecast {
    /// Nothing to do.
    Fresh,
    /// Frozen: taken as it is.
    Frozen,
    /// Its result is in the action cache.
    Restore,
    /// It will run.
    Run,
    /// It depends on a stage that will run; whether it does shows when that one has run.
    MayRun,
}

/// One stage of a plan.
#[derive(Debug, Clone)]
pub struct PlannedStage {
    /// Its name.
    pub name: StageName,
    /// What would happen.
    pub forecast: Forecast,
    /// Why; empty when fresh.
    pub reasons: Vec<StaleReason>,
    /// Its state as the files are now.
    pub assessment: Assessment,
}

impl PlannedStage {
    /// Whether it is stale by itself, not only through a stage before it.
    pub fn is_stale(&self) -> bool {
        self.reasons.iter().any(|reason| reason.kind != ReasonKind::Upstream)
    }
}

/// What would run, in the order in which it could.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Topological order; ties by the order of the pipeline file.
    pub stages: Vec<PlannedStage>,
}

/// What decides besides content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PlanOptions {
    /// Every selected stage is stale.
    pub force: bool,
    /// What reads the outputs of a stage that ran is stale.
    pub force_downstream: bool,
    /// Files that are not there count as what the lock says of them.
    pub allow_missing: bool,
    /// No result comes from the action cache.
    pub no_run_cache: bool,
}

impl Plan {
    /// Forecasts the selected stages (in topological order).
    pub fn new(
        workspace: &Workspace<'_>,
        lock: &Lock,
        selected: &[StageName],
        options: PlanOptions,
    ) -> Result<Self, PlanError> {
        let mut planner = Planner {
            workspace,
            lock,
            options,
            will_run: BTreeSet::new(),
            pending: BTreeSet::new(),
            restored: BTreeSet::new(),
            known: Known::new(),
        };
        let stages = selected.iter().map(|name| planner.plan(name)).collect::<Result<_, _>>()?;
        Ok(Self { stages })
    }

    /// Whether anything would run or be restored.
    pub fn is_pending(&self) -> bool {
        self.stages.iter().any(|stage| !matches!(stage.forecast, Forecast::Fresh | Forecast::Frozen))
    }
}

struct Planner<'a> {
    workspace: &'a Workspace<'a>,
    lock: &'a Lock,
    options: PlanOptions,
    /// Stages that will run for certain.
    will_run: BTreeSet<StageName>,
    /// Stages whose result is not known yet.
    pending: BTreeSet<StageName>,
    /// Stages whose result the action cache will bring.
    restored: BTreeSet<StageName>,
    /// Outputs that the action cache will bring.
    known: Known,
}

impl Planner<'_> {
    fn plan(&mut self, name: &StageName) -> Result<PlannedStage, PlanError> {
        let stage = self.workspace.stage(name);
        let allow_missing = self.options.allow_missing;
        let mut assessment = self.workspace.assess_with(stage, self.lock, allow_missing, &self.known)?;
        let mut reasons = std::mem::take(&mut assessment.reasons);
        if stage.frozen {
            return Ok(PlannedStage { name: name.clone(), forecast: Forecast::Frozen, reasons, assessment });
        }
        let is_forced = self.is_forced(stage);
        if is_forced {
            reasons = vec![StaleReason::plain(ReasonKind::Forced, "")];
        }
        let waits_for = self.waits_for(stage);
        let forecast = if waits_for.is_empty() {
            self.forecast_settled(stage, &assessment, &reasons, is_forced)
        } else {
            // What a pending stage will write cannot be a reason yet; that it may write something is.
            let base = stage.base();
            reasons.retain(|reason| !self.is_written_by(&waits_for, &base, reason));
            let may_run_only = reasons.is_empty();
            reasons.extend(waits_for.iter().map(|parent| StaleReason::plain(ReasonKind::Upstream, parent.to_string())));
            if may_run_only { Forecast::MayRun } else { Forecast::Run }
        };
        if matches!(forecast, Forecast::Run | Forecast::MayRun) {
            self.pending.insert(name.clone());
        }
        if forecast == Forecast::Run {
            self.will_run.insert(name.clone());
        }
        Ok(PlannedStage { name: name.clone(), forecast, reasons, assessment })
    }

    fn is_forced(&self, stage: &StageDef) -> bool {
        let follows =
            || self.workspace.graph.producers(&stage.name).into_iter().any(|name| self.will_run.contains(name));
        self.options.force || (self.options.force_downstream && follows())
    }

    /// Producers whose output this stage cannot know yet: they will run, or the action cache will bring a directory
    /// of which this stage reads a part.
    fn waits_for(&self, stage: &StageDef) -> Vec<StageName> {
        let unknown = |producer: &StageName| {
            let outs = &self.workspace.stage(producer).outs;
            let reads_part = |out: &RelPath| {
                stage.deps.iter().any(|dep| {
                    let overlap = dep.path.is_within(out) || out.is_within(&dep.path);
                    overlap && !self.known.contains_key(&dep.path)
                })
            };
            self.pending.contains(producer)
                || (self.restored.contains(producer) && outs.iter().any(|out| reads_part(&out.path)))
        };
        self.workspace.graph.producers(&stage.name).into_iter().filter(|name| unknown(name)).cloned().collect()
    }

    fn forecast_settled(
        &mut self,
        stage: &StageDef,
        assessment: &Assessment,
        reasons: &[StaleReason],
        is_forced: bool,
    ) -> Forecast {
        if reasons.is_empty() {
            return Forecast::Fresh;
        }
        let is_looked_up = !is_forced && !self.options.no_run_cache && self.workspace.is_cacheable(stage);
        if !is_looked_up || !assessment.missing.is_empty() {
            return Forecast::Run;
        }
        let kept = self.workspace.kept(stage, reasons, self.lock.stages.get(&stage.name));
        let cached = || self.workspace.cached(stage, assessment.manifest.key());
        match kept.or_else(cached) {
            Some(outs) => {
                self.known.extend(outs);
                self.restored.insert(stage.name.clone());
                Forecast::Restore
            }
            None => Forecast::Run,
        }
    }

    fn is_written_by(&self, stages: &[StageName], base: &RelPath, reason: &StaleReason) -> bool {
        let Some(path) = RelPath::resolve(base, &reason.subject) else { return false };
        reason.kind == ReasonKind::Dep
            && stages.iter().any(|name| {
                self.workspace.stage(name).outs.iter().any(|out| out.path.is_within(&path) || path.is_within(&out.path))
            })
    }
}
