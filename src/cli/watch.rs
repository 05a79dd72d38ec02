//! The console of a run, and the table at its end.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context;
use indicatif::ProgressDrawTarget;

use super::args::ReproArgs;
use super::openlineage;
use super::output::Output;
use super::project::Opened;
use super::recording::Known;
use crate::config::{OutClass, StageDef, Work};
use crate::console::{
    Fanout, JsonConsole, Lines, PlainConsole, QuietConsole, RunSummary, StageResult, StudyFiles, StudySummary, Style,
    TtyConsole,
};
use crate::sched::RunReport;
use crate::sched::events::{EventSink, Outcome};

/// Columns when the width of stdout is not known.
const DEFAULT_WIDTH: usize = 100;

/// The files of JSON lines that a run writes, besides what its console shows.
#[derive(Default)]
pub(super) struct Files(Vec<(PathBuf, Lines)>);

impl Files {
    fn open(&mut self, path: &Path) -> anyhow::Result<Lines> {
        let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
        let lines = Lines::new(Box::new(file));
        self.0.push((path.to_owned(), lines.clone()));
        Ok(lines)
    }

    /// Says which of them are not complete. A run does not fail for it.
    pub(super) fn finish(&self, output: &Output) {
        for (path, lines) in &self.0 {
            if let Some(error) = lines.take_error() {
                output.error(&format!("warning: {} is not complete: {error}", path.display()));
            }
        }
    }
}

/// The console that fits the terminal and the options.
pub(super) fn console(output: &Output) -> Box<dyn EventSink + Send> {
    let style = Style { color: output.colors_stderr(), verbose: output.is_verbose() };
    let stderr = || Box::new(io::stderr());
    if output.is_quiet() {
        Box::new(QuietConsole::new(stderr(), style))
    } else if output.is_live() {
        Box::new(TtyConsole::new(ProgressDrawTarget::stderr(), style))
    } else {
        Box::new(PlainConsole::new(stderr(), style))
    }
}

/// The console, and the files that were asked for.
pub(super) fn sinks(opened: &Opened, args: &ReproArgs, output: &Output) -> anyhow::Result<(Fanout, Files)> {
    let (mut files, mut sinks) = (Files::default(), vec![console(output)]);
    if let Some(path) = &args.events {
        sinks.push(Box::new(JsonConsole::new(files.open(path)?)));
    }
    if let Some(path) = &args.openlineage {
        sinks.push(Box::new(openlineage::console(opened, files.open(path)?)));
    }
    Ok((Fanout::new(sinks), files))
}

/// The final table of a run. The study's numbers are shown only when this run vouches for them: every selected stage
/// is up to date, and the evaluation is among them.
/// What the audit chain knows comes with it.
pub(super) fn summary(opened: &Opened, report: &RunReport, known: &Known) -> String {
    let order = opened.graph.order().iter();
    let stages = order.filter_map(|name| {
        let stage = report.stages.get(name)?;
        Some(StageResult { name: name.0.clone(), outcome: stage.outcome, seconds: stage.seconds })
    });
    let vouched = !report.any(Outcome::Failed) && !report.any(Outcome::Interrupted) && !report.any(Outcome::Skipped);
    let study = study_files(opened, report)
        .filter(|_| vouched)
        .and_then(|files| StudySummary::read(&opened.project.pipeline.root, &files))
        .map(|study| StudySummary { test_use: known.test_use.clone(), audit: known.head.clone(), ..study });
    RunSummary { stages: stages.collect(), seconds: report.seconds, study }.render(width())
}

fn width() -> usize {
    // A terminal that does not know its size says 0.
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok().filter(|size| size.ws_col > 0);
    size.map_or(DEFAULT_WIDTH, |size| usize::from(size.ws_col).max(40))
}

/// Where the built-in stages of this run put the numbers of the table.
fn study_files(opened: &Opened, report: &RunReport) -> Option<StudyFiles> {
    let output = |uses: &str, role: &str| -> Option<PathBuf> {
        // Another pipeline of the project may have such a stage too.
        let is_it = |stage: &&StageDef| {
            matches!(&stage.work, Work::Builtin(name) if name == uses) && report.stages.contains_key(&stage.name)
        };
        let stage = opened.project.pipeline.stages.values().find(is_it)?;
        let out = stage.outs.iter().find(|out| out.role.as_deref() == Some(role))?;
        Some(PathBuf::from(out.path.as_str()))
    };
    // An evaluation on new data is another one than that of the study's own test part, which the gate judges.
    let is_test = |stage: &&StageDef| {
        matches!(&stage.work, Work::Builtin(name) if name == "evaluate")
            && report.stages.contains_key(&stage.name)
            && stage.deps.iter().any(|dep| dep.role.as_deref() == Some("split"))
    };
    let tested = opened.project.pipeline.stages.values().find(is_test);
    let tested = tested.and_then(|stage| stage.outs.iter().find(|out| out.role.as_deref() == Some("metrics")));
    let tested = tested.map(|out| PathBuf::from(out.path.as_str()));
    let metrics = tested.or_else(|| output("evaluate", "metrics")).or_else(|| {
        let outs = opened.project.pipeline.stages.values().flat_map(|stage| &stage.outs);
        let named =
            outs.filter(|out| out.class == OutClass::Metric).find(|out| out.path.as_str().ends_with("metrics.json"));
        named.map(|out| PathBuf::from(out.path.as_str()))
    })?;
    Some(StudyFiles {
        metrics,
        verdict: output("gate", "verdict"),
        threshold: output("tune_threshold", "threshold"),
        cv: output("train", "cv"),
        validation: output("validate", "report"),
        report: output("report", "page"),
    })
}
