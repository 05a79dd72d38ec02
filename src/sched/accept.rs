//! Recording outputs as they are, without running: `commit`.
//!
//! The record says what a person vouches for, not what the command was seen to write. Therefore it goes into journal
//! and lock, but never into the action cache. All stages are checked before any is recorded.

use super::outputs::Outputs;
use super::record;
use super::run::RunError;
use crate::config::{StageDef, StageName};
use crate::key::ReasonKind;
use crate::plan::{Assessment, Workspace};
use crate::store::StageRecord;

/// Why a stage cannot be accepted as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Objection {
    /// Which stage.
    pub stage: StageName,
    /// What stands against it.
    pub reason: String,
    /// Whether `--force` overrides it.
    pub can_be_forced: bool,
}

/// What was recorded.
#[derive(Debug, Default)]
pub struct AcceptReport {
    /// Stages with a new record, and why they were stale.
    pub accepted: Vec<(StageName, Vec<String>)>,
    /// Stages that were recorded and stored already.
    pub unchanged: Vec<StageName>,
    /// What stands against it; then nothing was recorded.
    pub objections: Vec<Objection>,
}

/// Records the outputs and inputs of these stages as they are. `note` is told who is waited for.
pub fn accept<'a>(
    workspace: &'a Workspace<'a>,
    stages: &[StageName],
    force: bool,
    note: &'a dyn Fn(&str),
) -> Result<AcceptReport, RunError> {
    let claims = record::claim_stages(workspace, stages, note)?;
    let _tmp = workspace.store.use_tmp()?;
    record::drop_outdated(workspace)?;
    let lock = workspace.current_lock()?;
    let mut report = AcceptReport::default();
    let mut assessed = Vec::new();
    for name in stages {
        let stage = workspace.stage(name);
        let assessment = workspace.assess(stage, &lock, false)?;
        report.objections.extend(objections(workspace, stage, &assessment, force)?);
        assessed.push((stage, assessment));
    }
    if !report.objections.is_empty() {
        return Ok(report);
    }
    for (stage, assessment) in assessed {
        let Some(claim) = claims.get(&stage.name) else { continue };
        let recorded = lock.stages.get(&stage.name);
        let outs = recorded.map(|record| record.outs.clone()).unwrap_or_default();
        let outputs = Outputs { workspace, stage, claim, recorded: outs, commit: true, note: Box::new(note) };
        record_stage(&outputs, assessment, recorded, &mut report)?;
    }
    record::write_locks(workspace)?;
    Ok(report)
}

fn objections(
    workspace: &Workspace<'_>,
    stage: &StageDef,
    assessment: &Assessment,
    force: bool,
) -> Result<Vec<Objection>, RunError> {
    let object = |reason: String, can_be_forced| Objection { stage: stage.name.clone(), reason, can_be_forced };
    let mut found: Vec<Objection> =
        assessment.missing.iter().map(|path| object(format!("input {path} is missing"), false)).collect();
    for out in &stage.outs {
        if workspace.reader.content(&out.path).map_err(crate::plan::PlanError::from)?.record().is_none() {
            found.push(object(format!("output {} is missing", out.path), false));
        }
    }
    if !force {
        let is_doubtful = |kind| !matches!(kind, ReasonKind::OutputModified | ReasonKind::AlwaysChanged);
        let missing = |kind| kind == ReasonKind::OutputMissing;
        let reasons = assessment.reasons.iter().filter(|reason| is_doubtful(reason.kind) && !missing(reason.kind));
        found.extend(reasons.map(|reason| object(reason.to_string(), true)));
    }
    Ok(found)
}

fn record_stage(
    outputs: &Outputs<'_>,
    assessment: Assessment,
    recorded: Option<&StageRecord>,
    report: &mut AcceptReport,
) -> Result<(), RunError> {
    let name = &outputs.stage.name;
    let outs = match outputs.collect()? {
        Ok(outs) => outs,
        Err(path) => return Err(RunError::Gone(path)),
    };
    let record = StageRecord::new(assessment.manifest, outs);
    if recorded == Some(&record) {
        report.unchanged.push(name.clone());
        return Ok(());
    }
    record::journal(outputs.workspace, outputs.stage, &record)?;
    outputs.claim.unmark()?;
    let reasons = assessment.reasons.iter().map(ToString::to_string).collect();
    report.accepted.push((name.clone(), reasons));
    Ok(())
}
