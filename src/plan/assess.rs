//! The state of one stage whose inputs are settled.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Workspace;
use crate::config::{ConfigErrors, ParamFiles, ParamSource, StageDef, Work};
use crate::key::{ContentRecord, InputError, Manifest, ReasonKind, StaleReason};
use crate::store::{Lock, StageRecord};
use crate::util::RelPath;

/// Why a plan cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// An input or output cannot be read.
    #[error(transparent)]
    Input(#[from] InputError),
    /// A parameter file that a stage wrote cannot be read.
    #[error(transparent)]
    Params(#[from] ConfigErrors),
}

/// What a stage consumes now, and how that differs from what it last consumed.
#[derive(Debug, Clone)]
pub struct Assessment {
    /// Everything that decides what it does. Inputs that are missing are recorded as absent.
    pub manifest: Manifest,
    /// Required inputs that are not there: it cannot run.
    pub missing: Vec<RelPath>,
    /// Parameters that are listed and not there, as `file:key`: it cannot run either.
    pub absent_params: Vec<String>,
    /// Why it is stale; empty when it is fresh.
    pub reasons: Vec<StaleReason>,
}

/// Tells what stands at a path, or why that is not known.
pub(super) type Contents<'a> = &'a dyn Fn(&RelPath) -> Result<Option<ContentRecord>, InputError>;

/// Parameter file → dotted key → value.
pub type Params = BTreeMap<RelPath, BTreeMap<String, Value>>;

/// Input contents that are known although they are not in the workspace yet.
pub(super) type Known = BTreeMap<RelPath, ContentRecord>;

/// Set to 1 for a command that runs in strict mode, and never otherwise.
const STRICT_VARIABLE: &str = "CLINPIPE_STRICT";

fn is_strict(manifest: &Manifest) -> bool {
    manifest.env.as_ref().is_some_and(|env| env.contains_key(STRICT_VARIABLE))
}

impl Workspace<'_> {
    /// Compares a stage with its entry in the lock. Reads every input and output it does not have a trusted hint for.
    /// With `allow_missing`, files that are not there count as what the lock says of them.
    pub fn assess(&self, stage: &StageDef, lock: &Lock, allow_missing: bool) -> Result<Assessment, PlanError> {
        self.assess_with(stage, lock, allow_missing, &Known::new())
    }

    /// [`Workspace::assess`] with some inputs known although they are not in the workspace.
    pub(super) fn assess_with(
        &self,
        stage: &StageDef,
        lock: &Lock,
        allow_missing: bool,
        known: &Known,
    ) -> Result<Assessment, PlanError> {
        let input = |path: &RelPath| match known.get(path) {
            Some(record) => Ok(Some(record.clone())),
            None => self.read(path),
        };
        self.assess_by(stage, lock, allow_missing, (&input, &|path: &RelPath| self.read(path)))
    }

    fn read(&self, path: &RelPath) -> Result<Option<ContentRecord>, InputError> {
        Ok(self.reader.content(path)?.record().cloned())
    }

    /// The comparison itself. `contents` tell what stands at the path of an input, and at that of an output.
    pub(super) fn assess_by(
        &self,
        stage: &StageDef,
        lock: &Lock,
        allow_missing: bool,
        (inputs, outputs): (Contents<'_>, Contents<'_>),
    ) -> Result<Assessment, PlanError> {
        let locked = lock.stages.get(&stage.name);
        let (mut manifest, missing) = self.manifest_by(stage, inputs)?;
        if allow_missing {
            for path in &missing {
                manifest.deps.insert(path.clone(), self.recorded(stage, path, lock));
            }
        }
        let absent_params = absent_params(stage, &*self.project.params.current(&self.project.pipeline.root, stage)?);
        let Some(record) = locked else {
            let reasons = vec![StaleReason::plain(ReasonKind::NeverRun, "")];
            return Ok(Assessment { manifest, missing, absent_params, reasons });
        };
        // A strict result promises more than one that is asked for without --strict, so it is compared as what it is.
        let mut reasons = if !self.strict && is_strict(&record.manifest) {
            Manifest { env: self.environment(stage, true), ..manifest.clone() }.explain(&record.manifest)
        } else {
            manifest.explain(&record.manifest)
        };
        for subject in &absent_params {
            if !reasons.iter().any(|reason| reason.kind == ReasonKind::Param && reason.subject == *subject) {
                let listed = Some("listed".to_owned());
                reasons.push(StaleReason::changed(ReasonKind::Param, subject.clone(), listed, None));
            }
        }
        if record.is_edited() {
            reasons.push(StaleReason::plain(ReasonKind::LockEdited, ""));
        }
        if is_always_changed(stage) {
            reasons.push(StaleReason::plain(ReasonKind::AlwaysChanged, ""));
        }
        let outputs = changed_outputs(stage, record, outputs).into_iter();
        reasons.extend(outputs.filter(|reason| !(allow_missing && reason.kind == ReasonKind::OutputMissing)));
        Ok(Assessment { manifest, missing, absent_params, reasons })
    }

    /// What the lock says of an input that is not there: as its producer wrote it, else as the stage last read it. What
    /// lies within a directory that was written is known if the store holds the list of its files.
    fn recorded(&self, stage: &StageDef, path: &RelPath, lock: &Lock) -> Option<ContentRecord> {
        let producers = self.graph.producers(&stage.name).into_iter().filter_map(|name| lock.stages.get(name));
        let written = producers.flat_map(|record| &record.outs).find_map(|(out, record)| {
            let inner = path.as_str().strip_prefix(out.as_str())?;
            match inner.strip_prefix('/') {
                Some(inner) => self.store.cas().part(record.digest, inner).map(|(record, _)| record),
                None => inner.is_empty().then(|| record.clone()),
            }
        });
        let read = || lock.stages.get(&stage.name)?.manifest.deps.get(path)?.clone();
        let record = written.or_else(read)?;
        Some(ContentRecord { executable: false, ..record })
    }

    /// The manifest of a stage as the files are now, and the required inputs that are missing.
    pub fn manifest(&self, stage: &StageDef) -> Result<(Manifest, Vec<RelPath>), PlanError> {
        self.manifest_by(stage, &|path: &RelPath| self.read(path))
    }

    fn manifest_by(&self, stage: &StageDef, inputs: Contents<'_>) -> Result<(Manifest, Vec<RelPath>), PlanError> {
        let mut deps = BTreeMap::new();
        let mut missing = Vec::new();
        for dep in &stage.deps {
            let record = inputs(&dep.path)?;
            if record.is_none() && !dep.optional {
                missing.push(dep.path.clone());
            }
            // The executable bit is not part of any key, so it does not belong into the lock's inputs.
            deps.insert(dep.path.clone(), record.map(|record| ContentRecord { executable: false, ..record }));
        }
        let manifest = Manifest {
            base: stage.base(),
            cmd: self.identity(stage),
            wdir: stage.wdir.clone(),
            env: self.command_env(stage),
            deps,
            params: self.params(stage)?,
            outs: stage.outs.iter().map(|out| out.path.clone()).collect(),
        };
        Ok((manifest, missing))
    }

    /// The variables that a command sees besides the fixed ones, with their values; `None` = it inherits everything.
    pub fn command_env(&self, stage: &StageDef) -> Option<BTreeMap<String, Option<String>>> {
        self.environment(stage, self.strict)
    }

    /// A command that is confined is told so by a variable. Like every variable it is given, that is part of its key: a
    /// result made without strict mode may depend on files that nobody declared, so it must never pass for a strict
    /// one, neither as fresh nor out of the action cache.
    fn environment(&self, stage: &StageDef, strict: bool) -> Option<BTreeMap<String, Option<String>>> {
        let strict = strict && matches!(stage.work, Work::Command(_));
        if stage.env.is_none() && !strict {
            return None;
        }
        let names = stage.env.iter().flatten().filter(|name| *name != STRICT_VARIABLE);
        let mut env: BTreeMap<_, _> = names.map(|name| (name.clone(), self.env.get(name).cloned())).collect();
        if strict {
            env.insert(STRICT_VARIABLE.to_owned(), Some("1".to_owned()));
        }
        Some(env)
    }

    fn params(&self, stage: &StageDef) -> Result<Params, PlanError> {
        Ok(selected(stage, &*self.project.params.current(&self.project.pipeline.root, stage)?))
    }

    /// The parameters that a command finds when it reads its files now; nothing for a stage that is handed its
    /// parameters, or has none.
    pub fn params_on_disk(&self, stage: &StageDef) -> Result<Option<Params>, PlanError> {
        if stage.params.is_empty() || matches!(stage.work, Work::Builtin(_)) {
            return Ok(None);
        }
        Ok(Some(selected(stage, &ParamFiles::on_disk(&self.project.pipeline.root, stage)?)))
    }
}

/// Outputs of the lock entry that are gone or different.
fn changed_outputs(stage: &StageDef, record: &StageRecord, contents: Contents<'_>) -> Vec<StaleReason> {
    let mut reasons = Vec::new();
    for out in &stage.outs {
        let Some(locked) = record.outs.get(&out.path) else { continue };
        let subject = String::from(out.path.relative_to(&stage.base()));
        let content = match contents(&out.path) {
            Ok(content) => content,
            // Whatever it is, it is not what the stage wrote.
            Err(error) => {
                let (old, new) = (locked.digest.to_string(), error.source.to_string());
                reasons.push(StaleReason::changed(ReasonKind::OutputModified, subject, Some(old), Some(new)));
                continue;
            }
        };
        match content {
            None => reasons.push(StaleReason::plain(ReasonKind::OutputMissing, subject)),
            Some(now) if now.digest != locked.digest => {
                let (old, new) = (locked.digest.to_string(), now.digest.to_string());
                reasons.push(StaleReason::changed(ReasonKind::OutputModified, subject, Some(old), Some(new)));
            }
            Some(_) => {}
        }
    }
    reasons
}

/// What a stage sees of parameter files.
fn selected(stage: &StageDef, files: &ParamFiles) -> Params {
    let mut params = Params::new();
    for source in &stage.params {
        // A key that is absent is not listed, so adding it later is a change.
        let values = files.select(source).into_iter().map(|(key, value)| (key, value.clone()));
        params.entry(source.file.clone()).or_default().extend(values);
    }
    params
}

/// What a stage lists under `params` and does not find. A file listed as a whole need only exist.
fn absent_params(stage: &StageDef, files: &ParamFiles) -> Vec<String> {
    let absent = |source: &ParamSource| match &source.keys {
        None if files.file(&source.file).is_none() => vec![source.file.to_string()],
        None => Vec::new(),
        Some(keys) => {
            let is_absent = |key: &&String| files.get(&source.file, key).is_none();
            keys.iter().filter(is_absent).map(|key| format!("{}:{key}", source.file)).collect()
        }
    };
    stage.params.iter().flat_map(absent).collect()
}

/// Whether a stage runs every time: by declaration, or because nothing could ever tell that it is fresh.
pub(super) fn is_always_changed(stage: &StageDef) -> bool {
    stage.always_changed || (stage.deps.is_empty() && stage.outs.is_empty())
}

impl Workspace<'_> {
    /// Whether the action cache may answer for a stage: its result must be a function of its key, and complete.
    pub fn is_cacheable(&self, stage: &StageDef) -> bool {
        use crate::config::OutClass;
        !is_always_changed(stage)
            && !stage.outs.is_empty()
            && stage.outs.iter().all(|out| !out.persist && (out.cache || out.class != OutClass::Out))
    }
}
