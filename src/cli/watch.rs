//! The console of a run, and the table at its end.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use indicatif::ProgressDrawTarget;
use serde_json::Value;

use super::args::ReproArgs;
use super::error::UsageError;
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

/// What names the format of an OpenLineage event.
const SPECIFICATION: &str = "https://openlineage.io/spec/";
/// A first line that is longer is no event of a run's beginning.
const LONGEST_FIRST: u64 = 1 << 20;
/// Columns of the final table where the width of a terminal is not known.
const DEFAULT_WIDTH: usize = 100;

/// The files of JSON lines that a run writes, besides what its console shows.
#[derive(Default)]
pub(super) struct Files(Vec<(PathBuf, Lines)>);

/// What the lines of a file are.
#[derive(Clone, Copy)]
enum Kind {
    Events,
    OpenLineage,
}

impl Kind {
    /// Whether the first line of such a file could be this one.
    fn begins(self, line: &[u8]) -> bool {
        let line: Value = serde_json::from_slice(line).unwrap_or_default();
        match self {
            Self::Events => line["event"] == "run_started",
            Self::OpenLineage => line["schemaURL"].as_str().is_some_and(|url| url.starts_with(SPECIFICATION)),
        }
    }
}

impl Files {
    fn open(&mut self, path: &Path, kind: Kind) -> anyhow::Result<Lines> {
        replaceable(path, kind)?;
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

/// Refuses to write over anything but the lines of an earlier run: the name may be a slip, and the file a data set.
fn replaceable(path: &Path, kind: Kind) -> anyhow::Result<()> {
    if path.to_str().is_some_and(|path| path.contains("://")) {
        let help = "name a file; OpenLineage's clients send its lines to a server";
        return Err(UsageError::new(format!("{} is an address, no file", path.display()), help).into());
    }
    // Pipes and devices hold nothing that could be lost.
    if !path.metadata().is_ok_and(|found| found.is_file() && found.len() > 0) {
        return Ok(());
    }
    let mut line = Vec::new();
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    BufReader::new(file.take(LONGEST_FIRST))
        .read_until(b'\n', &mut line)
        .with_context(|| format!("cannot read {}", path.display()))?;
    if kind.begins(&line) {
        return Ok(());
    }
    let message = format!("{} exists and is not the events of an earlier run", path.display());
    Err(UsageError::new(message, "name another file, or remove it first").into())
}

/// Whether two paths lead to one file, which need not be there yet.
fn is_one_file(one: &Path, other: &Path) -> bool {
    match (one.metadata(), other.metadata()) {
        (Ok(one), Ok(other)) => (one.dev(), one.ino()) == (other.dev(), other.ino()),
        (Err(_), Err(_)) => place(one) == place(other),
        _ => false,
    }
}

/// Where a file would be made that is not there: behind every link.
fn place(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    // As many links as the system follows.
    for _ in 0..40 {
        let Ok(target) = path.read_link() else { break };
        path = path.parent().map_or(target.clone(), |parent| parent.join(&target));
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match (parent.canonicalize(), path.file_name()) {
        (Ok(parent), Some(name)) => parent.join(name),
        _ => path,
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
    if let (Some(events), Some(lineage)) = (&args.events, &args.openlineage)
        && is_one_file(events, lineage)
    {
        let message = format!("--events and --openlineage name one file, {}", events.display());
        return Err(UsageError::new(message, "name two files").into());
    }
    let (mut files, mut sinks) = (Files::default(), vec![console(output)]);
    if let Some(path) = &args.events {
        sinks.push(Box::new(JsonConsole::new(files.open(path, Kind::Events)?)));
    }
    if let Some(path) = &args.openlineage {
        sinks.push(Box::new(openlineage::console(opened, files.open(path, Kind::OpenLineage)?)));
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
    RunSummary { stages: stages.collect(), seconds: report.seconds, study }
        .render(Output::width().unwrap_or(DEFAULT_WIDTH))
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn one_file_is_known_by_any_of_its_names() {
        let dir = tempfile::tempdir().expect("a directory");
        let at = |name: &str| dir.path().join(name);
        std::fs::create_dir(at("sub")).expect("made");
        symlink("x", at("link")).expect("linked");
        symlink("sub", at("way")).expect("linked");
        let same = ["x", "sub/../x", "./x", "link"];
        let check = |names: &[&str]| {
            for one in names {
                assert!(names.iter().all(|other| is_one_file(&at(one), &at(other))), "{one}");
                assert!(["y", "sub/x", "nowhere/x"].iter().all(|other| !is_one_file(&at(one), &at(other))), "{one}");
            }
        };
        check(&same);
        assert!(is_one_file(&at("sub/z"), &at("way/z")));
        std::fs::write(at("x"), "").expect("written");
        std::fs::hard_link(at("x"), at("second")).expect("linked");
        check(&[&same[..], &["second"]].concat());
    }
}
