//! What must hold beyond the shape of each stage: built-ins get the roles and parameters they need, parameters exist,
//! outputs do not collide, and no stage waits for itself.

mod builtin;
mod cycle;
mod ignored;
mod params;
mod paths;

use super::params::ParamFiles;
use super::pipeline::{BuiltinCatalog, Pipeline};
use super::report::Report;

/// Adds every fault of a pipeline whose stages have the right shape.
pub(super) fn validate(pipeline: &Pipeline, files: &ParamFiles, catalog: &dyn BuiltinCatalog, report: &mut Report) {
    for name in &pipeline.order {
        let Some(stage) = pipeline.stages.get(name) else { continue };
        report.turn_to(&stage.file);
        builtin::check(stage, catalog, report);
    }
    paths::check(pipeline, report);
    cycle::check(pipeline, report);
    ignored::check(pipeline, report);
    if report.is_clean() {
        params::check_keys(pipeline, files, report);
    }
    if report.is_clean() {
        params::check_values(pipeline, files, catalog, report);
    }
}
