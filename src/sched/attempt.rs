//! One attempt at a stage: make room, execute, check that nothing moved, take what was written.
//!
//! Whatever happens, the log is kept, and what a failed command left is no result.

use std::collections::BTreeMap;
use std::fs;
use std::time::SystemTime;

use super::confine::Confined;
use super::events::{Event, Outcome};
use super::outputs::Outputs;
use super::run::{OnFailure, RunError};
use super::stage_run::{StageEnd, StageRun};
use crate::config::Work;
use crate::exec::{Attempt, Job, JobEnd, JobEnv, JobWork};
use crate::plan::Assessment;
use crate::stage;
use crate::store::Claim;

impl StageRun<'_> {
    pub(super) fn attempt(&self, assessment: &Assessment, claim: &Claim) -> Result<StageEnd, RunError> {
        let workspace = self.runner.workspace;
        let stem = self.lock_name();
        let attempts = workspace.store.attempts(&stem);
        let attempt = self.shared.attempt(&attempts, &self.stage.local).map_err(|source| RunError::File {
            action: "create",
            path: attempts.display().to_string(),
            source,
        })?;
        let end = self.execute(assessment, claim, &attempt);
        let log = workspace.store.log(&stem, &self.stage.local);
        attempt.keep_log(&log).and_then(|()| self.shared.put_back(attempt)).map_err(|source| RunError::File {
            action: "keep",
            path: log.display().to_string(),
            source,
        })?;
        end
    }

    fn execute(&self, assessment: &Assessment, claim: &Claim, attempt: &Attempt) -> Result<StageEnd, RunError> {
        let start = SystemTime::now();
        let outputs = self.outputs(claim);
        let work = self.prepare(&outputs, attempt)?;
        let is_confined = self.runner.workspace.strict && matches!(work, JobWork::Command { .. });
        let confined = is_confined.then(|| Confined::prepare(self.runner.workspace, self.stage)).transpose()?;
        let confinement = confined.as_ref().map(|confined| confined.confinement.clone());
        let job = Job { confinement, ..self.job(work, attempt) };
        let progress = |progress: clinpipe_stages::Progress| {
            self.send(Event::StageProgress {
                stage: self.stage.name.clone(),
                done: progress.done,
                total: progress.total,
                unit: progress.unit,
                message: progress.message,
            });
        };
        let run = || self.runner.executor.run(&job, self.runner.cancel, &progress);
        let is_command = matches!(self.stage.work, Work::Command(_));
        let ended = if is_command { claim.renewing(&outputs.mark(SystemTime::now())?, run) } else { run() };
        let keeps_partial = self.runner.options.on_failure == OnFailure::Ignore;
        if ended.is_err() && is_command {
            // What went wrong is worth more than what clearing up may add to it.
            drop(outputs.discard_partial());
        }
        if let Some(confined) = &confined {
            confined.remove_untouched();
        }
        let end = match ended? {
            JobEnd::Succeeded => self.accept(assessment, &outputs, attempt, start)?,
            JobEnd::Interrupted => StageEnd::interrupted(),
            failed => {
                let help = match (&confined, &failed) {
                    (Some(confined), JobEnd::Failed { log_tail, .. }) => confined.explain(log_tail),
                    _ => String::new(),
                };
                StageEnd::failed(failed.detail() + &help)
            }
        };
        if end.outcome != Outcome::Ran && is_command && !(keeps_partial && end.outcome == Outcome::Failed) {
            outputs.discard_partial()?;
        }
        Ok(end)
    }

    /// Makes room for the outputs and says what to execute.
    fn prepare(&self, outputs: &Outputs<'_>, attempt: &Attempt) -> Result<JobWork, RunError> {
        let workspace = self.runner.workspace;
        match &self.stage.work {
            Work::Command(lines) => {
                outputs.clear()?;
                Ok(JobWork::Command { lines: lines.clone() })
            }
            Work::Builtin(_) => {
                for out in self.stage.outs.iter().filter(|out| out.directory) {
                    let path = attempt.out_dir().join(out.role.as_deref().unwrap_or_default());
                    fs::create_dir_all(&path).map_err(|source| RunError::File {
                        action: "create",
                        path: path.display().to_string(),
                        source,
                    })?;
                }
                let threads = self.stage.resources.threads.unwrap_or(self.runner.options.jobs).max(1);
                let params = workspace.project.params.builtin_params(self.stage);
                let root = &workspace.project.pipeline.root;
                stage::builtin_request(self.stage, root, &attempt.out_dir(), params, threads)
                    .map(JobWork::Builtin)
                    .ok_or_else(|| RunError::Panicked(self.stage.name.clone()))
            }
        }
    }

    fn job<'j>(&'j self, work: JobWork, attempt: &'j Attempt) -> Job<'j> {
        let workspace = self.runner.workspace;
        let env = match workspace.command_env(self.stage) {
            None => JobEnv::Inherit { extra: self.dvc_variables() },
            Some(declared) => {
                JobEnv::Only(declared.into_iter().filter_map(|(name, value)| Some((name, value?))).collect())
            }
        };
        Job {
            stage: &self.stage.name.0,
            work,
            cwd: self.stage.wdir.under(&workspace.project.pipeline.root),
            env,
            confinement: None,
            threads: self.stage.resources.threads,
            timeout: self.stage.timeout,
            memory: self.stage.resources.memory,
            attempt,
        }
    }

    /// What DVC adds to the environment of a command; scripts written for it may ask. As there, a root set from
    /// outside stays.
    fn dvc_variables(&self) -> BTreeMap<String, String> {
        let workspace = self.runner.workspace;
        let mut variables = BTreeMap::from([("DVC_STAGE".to_owned(), self.stage.name.0.clone())]);
        if let Some(root) = workspace.project.pipeline.root.to_str().filter(|_| !workspace.env.contains_key("DVC_ROOT"))
        {
            variables.insert("DVC_ROOT".to_owned(), root.to_owned());
        }
        variables
    }

    /// Checks that inputs stood still, takes the outputs and records them.
    fn accept(
        &self,
        before: &Assessment,
        outputs: &Outputs<'_>,
        attempt: &Attempt,
        start: SystemTime,
    ) -> Result<StageEnd, RunError> {
        let (mut after, _) = self.runner.workspace.manifest(self.stage)?;
        match self.runner.workspace.params_on_disk(self.stage) {
            Ok(params) => after.params = params.unwrap_or(after.params),
            Err(error) => return Ok(StageEnd::failed(error.to_string())),
        }
        if let Some(changed) = after.explain(&before.manifest).first() {
            return Ok(StageEnd::failed(format!(
                "{changed} while the stage ran; its result was refused\nhelp: run again when nothing else writes it"
            )));
        }
        if matches!(self.stage.work, Work::Builtin(_)) {
            outputs.publish(&attempt.out_dir(), start)?;
        }
        let outs = match outputs.collect() {
            Ok(Ok(outs)) => outs,
            Ok(Err(path)) => {
                return Ok(StageEnd::failed(format!("it ended without writing its output {path}")));
            }
            // Pipes, links to nowhere, names that are no text: the stage wrote what cannot be kept.
            Err(RunError::Plan(error)) => return Ok(StageEnd::failed(format!("its output cannot be taken: {error}"))),
            Err(error) => return Err(error),
        };
        self.record(before.manifest.clone(), outs, outputs.claim)?;
        Ok(StageEnd::good(Outcome::Ran))
    }
}
