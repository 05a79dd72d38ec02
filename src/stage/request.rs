//! The request by which a built-in stage is called in a child process.

use std::path::Path;

use clinpipe_stages::{StageFile, StageRequest};
use serde_json::{Map, Value};

use crate::config::{StageDef, Work};

/// The request for a built-in stage: inputs in the workspace at `root`, outputs below `out_dir`, one entry a role.
/// `None` for a command.
pub fn builtin_request(
    stage: &StageDef,
    root: &Path,
    out_dir: &Path,
    params: Map<String, Value>,
    threads: usize,
) -> Option<StageRequest> {
    let Work::Builtin(uses) = &stage.work else { return None };
    let inputs = stage.deps.iter().filter_map(|dep| {
        let path = dep.path.under(root);
        let file = StageFile { name: dep.path.to_string(), path };
        // An optional input that is absent is not part of the request.
        file.path.exists().then(|| (dep.role.clone().unwrap_or_default(), file))
    });
    let outputs = stage.outs.iter().map(|out| {
        let role = out.role.clone().unwrap_or_default();
        let name = if out.directory { format!("{}/", out.path) } else { out.path.to_string() };
        (role.clone(), StageFile { path: out_dir.join(role), name })
    });
    Some(StageRequest { uses: uses.clone(), inputs: inputs.collect(), outputs: outputs.collect(), params, threads })
}
