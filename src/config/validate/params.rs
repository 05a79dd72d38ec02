//! The parameters of built-in stages exist and have the types and values that the stage accepts. Those of commands
//! are the plan's matter: one that is absent is a reason to run, and then a failure.

use crate::config::overlap::OutputIndex;
use crate::config::params::ParamFiles;
use crate::config::pipeline::{BuiltinCatalog, Pipeline, Work};
use crate::config::report::Report;

/// Every key that a built-in lists is there. A file that a stage writes may not exist yet.
pub(super) fn check_keys(pipeline: &Pipeline, files: &ParamFiles, report: &mut Report) {
    let index = OutputIndex::new(pipeline);
    for stage in pipeline.order.iter().filter_map(|name| pipeline.stages.get(name)) {
        report.turn_to(&stage.file);
        for source in stage.params.iter().filter(|_| matches!(stage.work, Work::Builtin(_))) {
            if !index.touching(&source.file).is_empty() {
                continue;
            }
            if files.file(&source.file).is_none() {
                let message =
                    format!("stage `{}` reads parameters of `{}`, which does not exist", stage.name, source.file);
                report.fault_with_help(source.span, message, format!("create {}", source.file));
                continue;
            }
            for key in source.keys.iter().flatten() {
                if files.get(&source.file, key).is_none() {
                    let message = format!("`{}` has no parameter `{key}` (stage `{}`)", source.file, stage.name);
                    let near = files.nearest_key(&source.file, key);
                    report.fault_near(report.within(source.span, key), message, near.as_deref());
                }
            }
        }
    }
}

/// Asks each built-in about its parameters; faults point into the parameter file. One wrong value is told once,
/// however many stages read it.
pub(super) fn check_values(pipeline: &Pipeline, files: &ParamFiles, catalog: &dyn BuiltinCatalog, report: &mut Report) {
    let mut told = Vec::new();
    for stage in pipeline.order.iter().filter_map(|name| pipeline.stages.get(name)) {
        let Work::Builtin(uses) = &stage.work else { continue };
        let Err((path, message)) = catalog.check_params(uses, &files.builtin_params(stage)) else { continue };
        let top = path.split('.').next().unwrap_or_default();
        let source = stage.params.iter().find(|source| source.keys.iter().flatten().any(|key| key == top));
        let file = source.map_or(files.main(), |source| &source.file);
        let fault = files.fault(file, &path, format!("parameter `{path}`: {message}"));
        if !told.contains(&fault) {
            told.push(fault);
        }
    }
    report.extend(told);
}
