//! Outputs that an ignore file matches: they would be made and then not be seen.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::config::diagnostic::ConfigError;
use crate::config::pipeline::Pipeline;
use crate::config::report::Report;
use crate::util::{IgnoreRules, RelPath};

/// Checks all outputs; each directory's ignore files are read once.
pub(super) fn check(pipeline: &Pipeline, report: &mut Report) {
    let mut known: BTreeMap<RelPath, IgnoreRules> = BTreeMap::new();
    for stage in pipeline.order.iter().filter_map(|name| pipeline.stages.get(name)) {
        report.turn_to(&stage.file);
        for output in &stage.outs {
            let parent = output.path.as_str().rsplit_once('/').map_or("", |(parent, _)| parent);
            let rules = match known.entry(RelPath::parse(parent).unwrap_or_default()) {
                Entry::Occupied(rules) => rules.into_mut(),
                Entry::Vacant(slot) => match IgnoreRules::above(&pipeline.root, &output.path) {
                    Ok(rules) => slot.insert(rules),
                    Err(error) => {
                        let message = format!("an ignore file cannot be used: {error}");
                        report.extend([ConfigError::of_file(output.path.as_str(), message)]);
                        return;
                    }
                },
            };
            if rules.is_empty() {
                continue;
            }
            let is_directory = output.directory || output.path.under(&pipeline.root).is_dir();
            if let Some(by) = rules.ignoring_within(&output.path, is_directory) {
                let message = format!(
                    "output `{}` of stage `{}` is ignored by `{}` in {}",
                    output.path, stage.name, by.pattern, by.file
                );
                let help = "an output must be seen: write it elsewhere, or change the pattern";
                report.fault_with_help(output.span, message, help);
            }
        }
    }
}
