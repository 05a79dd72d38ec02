//! Outputs: one owner each, none within another, none over what the engine or the user owns.

use std::collections::BTreeSet;

use crate::config::overlap::{OutputIndex, reads};
use crate::config::pipeline::{Output, Pipeline, StageDef};
use crate::config::report::Report;
use crate::util::RelPath;

/// Directories that no stage may write into.
const RESERVED: [&str; 4] = [".clinpipe", ".git", ".dvc", "lockfiles"];

/// Checks all outputs.
pub(super) fn check(pipeline: &Pipeline, report: &mut Report) {
    let index = OutputIndex::new(pipeline);
    let mut told: BTreeSet<(&RelPath, &RelPath)> = BTreeSet::new();
    for stage in pipeline.order.iter().filter_map(|name| pipeline.stages.get(name)) {
        report.turn_to(&stage.file);
        let mut listed: BTreeSet<&RelPath> = BTreeSet::new();
        for output in &stage.outs {
            if protected(pipeline, stage, output, report) {
                continue;
            }
            if !listed.insert(&output.path) {
                report.fault(output.span, format!("stage `{}` lists the output `{}` twice", stage.name, output.path));
            }
            for (other, touched) in index.touching(&output.path) {
                let same_stage = other.name == stage.name;
                if touched.path.as_str().is_empty()
                    || (same_stage && touched.path == output.path)
                    || told.contains(&(&touched.path, &output.path))
                    || !told.insert((&output.path, &touched.path))
                {
                    continue;
                }
                collision((stage, output), (other, touched), report);
                report.turn_to(&stage.file);
            }
        }
        for path in reads(stage) {
            let own = index.touching(path).into_iter().find(|(other, _)| other.name == stage.name);
            if let Some((_, output)) = own {
                let message = if output.path == *path {
                    format!("stage `{}` both reads and writes `{path}`", stage.name)
                } else {
                    format!("stage `{}` reads `{path}` and writes `{}`, which overlap", stage.name, output.path)
                };
                report.fault_with_help(output.span, message, "write to another path");
            }
        }
    }
}

fn collision(one: (&StageDef, &Output), two: (&StageDef, &Output), report: &mut Report) {
    // The fault points at what stands later in the file.
    let place =
        |(stage, output): (&StageDef, &Output)| (report.position(&stage.file), output.span.line, output.span.column);
    let (first, second) = if place(one) <= place(two) { (one, two) } else { (two, one) };
    let message = if first.1.path == second.1.path {
        format!("`{}` is written by two stages, `{}` and `{}`", first.1.path, first.0.name, second.0.name)
    } else {
        let (outer, inner) = if first.1.path.is_within(&second.1.path) { (second, first) } else { (first, second) };
        format!(
            "output `{}` of stage `{}` lies within output `{}` of stage `{}`",
            inner.1.path, inner.0.name, outer.1.path, outer.0.name
        )
    };
    let line = first.1.span.line;
    let place = if first.0.file == second.0.file { format!("line {line}") } else { format!("{}:{line}", first.0.file) };
    let help = format!("give it a path of its own; the other is declared in {place}");
    report.turn_to(&second.0.file);
    report.fault_with_help(second.1.span, message, help);
}

/// Whether an output lies over the pipeline file, the engine's own directories or the project itself, which is a fault.
fn protected(pipeline: &Pipeline, stage: &StageDef, output: &Output, report: &mut Report) -> bool {
    let reserved = RESERVED.iter().find(|dir| output.path.parts().any(|part| part == **dir));
    let what = if output.path.as_str().is_empty() {
        "is the project itself".to_owned()
    } else if let Some(file) = pipeline.files().find(|file| file.is_within(&output.path)) {
        format!("would overwrite the pipeline file `{file}`")
    } else if let Some(dir) = reserved {
        format!("lies in `{dir}`, which no stage may write")
    } else {
        return false;
    };
    let message = format!("output `{}` of stage `{}` {what}", output.path, stage.name);
    let is_found = pipeline.others.iter().any(|file| file.is_within(&output.path));
    let help = if is_found {
        "write below a directory of its own, such as `artifacts/`; if the stage itself writes that pipeline file, name the output in .gitignore, and it is no part of this project"
    } else {
        "write below a directory of its own, such as `artifacts/`"
    };
    report.fault_with_help(output.span, message, help);
    true
}
