//! What must hold beyond the shape of each stage: built-ins get the roles and parameters they need, parameters exist,
//! outputs do not collide, and no stage waits for itself.

mod builtin;
mod cycle;
mod params;
mod paths;

use super::params::ParamFiles;
use super::pipeline::{BuiltinCatalog, Pipeline};
use super::report::Report;
use crate::util::nearest;

/// Adds every fault of a pipeline whose stages have the right shape.
pub(super) fn validate(pipeline: &Pipeline, files: &ParamFiles, catalog: &dyn BuiltinCatalog, report: &mut Report) {
    for name in &pipeline.order {
        let Some(stage) = pipeline.stages.get(name) else { continue };
        builtin::check(stage, catalog, report);
        if let Some(pool) = stage.pool.as_ref().filter(|pool| !pipeline.pools.contains_key(*pool)) {
            let message = format!("stage `{name}` names the pool `{pool}`, which `pools` does not have");
            match nearest(pool, pipeline.pools.keys().map(String::as_str)) {
                Some(word) => report.fault_near(stage.span, message, Some(word)),
                None => report.fault_with_help(stage.span, message, format!("add `pools: {{{pool}: 1}}`")),
            }
        }
    }
    paths::check(pipeline, report);
    cycle::check(pipeline, report);
    params::check_keys(pipeline, files, report);
    if report.is_clean() {
        params::check_values(pipeline, files, catalog, report);
    }
}
