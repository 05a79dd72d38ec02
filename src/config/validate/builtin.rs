//! A built-in stage's roles and parameter keys against its declaration.

use crate::config::pipeline::{BuiltinCatalog, BuiltinRole, BuiltinSpec, Span, StageDef, Work};
use crate::config::report::Report;
use crate::util::nearest;

/// Checks what a stage of a built-in binds. An unknown built-in has been told already.
pub(super) fn check(stage: &StageDef, catalog: &dyn BuiltinCatalog, report: &mut Report) {
    let Work::Builtin(uses) = &stage.work else { return };
    let Some(spec) = catalog.spec(uses) else { return };
    let inputs: Vec<_> = stage.deps.iter().filter_map(|dep| Some((dep.role.as_deref()?, dep.span))).collect();
    let outputs: Vec<_> = stage.outs.iter().filter_map(|out| Some((out.role.as_deref()?, out.span))).collect();
    check_roles(stage, uses, "deps", &inputs, &spec.inputs, report);
    check_roles(stage, uses, "outs", &outputs, &spec.outputs, report);
    check_params(stage, uses, &spec, report);
}

fn check_roles(
    stage: &StageDef,
    uses: &str,
    field: &str,
    bound: &[(&str, Span)],
    declared: &[BuiltinRole],
    report: &mut Report,
) {
    for (at, (role, span)) in bound.iter().enumerate() {
        if !declared.iter().any(|known| known.name == *role) {
            let message = format!("`{uses}` has no role `{role}` under `{field}` (stage `{}`)", stage.name);
            report.fault_with_help(*span, message, suggest(role, declared));
        } else if bound[..at].iter().any(|(earlier, _)| earlier == role) {
            report.fault(*span, format!("role `{role}` of stage `{}` is bound twice", stage.name));
        }
    }
    for missing in declared.iter().filter(|role| role.required && !bound.iter().any(|(name, _)| *name == role.name)) {
        let message = format!(
            "stage `{}` does not bind the role `{}` of `{uses}` under `{field}` ({})",
            stage.name, missing.name, missing.about
        );
        let help = format!("add `{}: <path>` under `{field}`", missing.name);
        report.fault_with_help(stage.span, message, help);
    }
}

/// A built-in sees whole top-level keys: exactly those it declares.
fn check_params(stage: &StageDef, uses: &str, spec: &BuiltinSpec, report: &mut Report) {
    let mut listed: Vec<&str> = Vec::new();
    for source in &stage.params {
        let Some(keys) = &source.keys else {
            let message = format!("stage `{}` lists a whole parameter file", stage.name);
            let names: Vec<&str> = spec.params.iter().map(|key| key.name.as_str()).collect();
            let help = format!("list the keys that `{uses}` reads: {}", names.join(", "));
            report.fault_with_help(source.span, message, help);
            return;
        };
        for key in keys {
            if !spec.params.iter().any(|known| known.name == *key) {
                let message = format!("`{uses}` reads no parameter `{key}` (stage `{}`)", stage.name);
                report.fault_with_help(report.within(source.span, key), message, suggest(key, &spec.params));
            }
            listed.push(key);
        }
    }
    for missing in spec.params.iter().filter(|key| key.required && !listed.contains(&key.name.as_str())) {
        let message =
            format!("stage `{}` does not list the parameter `{}` that `{uses}` reads", stage.name, missing.name);
        report.fault_with_help(stage.span, message, format!("add `{}` to `params`", missing.name));
    }
}

fn suggest(word: &str, known: &[BuiltinRole]) -> String {
    let names: Vec<&str> = known.iter().map(|role| role.name.as_str()).collect();
    match nearest(word, names.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if names.is_empty() => "remove it".to_owned(),
        None => format!("known are {}", names.join(", ")),
    }
}
