//! The values that templates may name: params.yaml, then each entry of `vars`, then `item` and `key`.
//!
//! Mappings merge deeply; a leaf is set once. A file enters whole or in parts, never both.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value};

use crate::config::diagnostic::ConfigErrors;
use crate::config::params::{ParamFiles, lookup};
use crate::config::pipeline::Span;
use crate::config::report::Report;
use crate::config::yaml::{Kind, Node};
use crate::util::{RelPath, nearest};

/// Names that `foreach` and `matrix` set.
const RESERVED: [&str; 2] = ["item", "key"];

/// The values of one stage or of the whole file.
#[derive(Debug, Clone, Default)]
pub(in crate::config) struct Context {
    values: Value,
    /// `item` and `key`.
    locals: BTreeMap<&'static str, Value>,
    /// What was merged, to name both sources of a conflict.
    merged: Vec<(String, Value)>,
    /// Files that entered: `None` = whole, else the keys.
    loaded: BTreeMap<RelPath, Option<Vec<String>>>,
}

impl Context {
    /// The context of a pipeline file with this params.yaml, which need not exist.
    pub(in crate::config) fn new(params: &ParamFiles, main: &RelPath) -> Self {
        let mut context = Self { values: Value::Object(Map::new()), ..Self::default() };
        if let Some(value) = params.file(main) {
            context.values = value.clone();
            context.merged.push((main.to_string(), value.clone()));
            context.loaded.insert(main.clone(), None);
        }
        context
    }

    /// The same with `item` and `key`.
    pub(super) fn with_locals(&self, item: Value, key: Option<Value>) -> Self {
        let mut context = self.clone();
        context.locals.insert("item", item);
        if let Some(key) = key {
            context.locals.insert("key", key);
        }
        context
    }

    /// The value at a path.
    pub(super) fn get(&self, steps: &[String]) -> Option<&Value> {
        let (first, rest) = steps.split_first()?;
        let start = self.locals.get(first.as_str()).or_else(|| self.values.get(first))?;
        rest.iter().try_fold(start, |value, step| match value {
            Value::Object(map) => map.get(step),
            Value::Array(items) => items.get(step.parse::<usize>().ok()?),
            _ => None,
        })
    }

    /// The name closest to a path that leads nowhere.
    pub(super) fn nearest(&self, steps: &[String]) -> Option<String> {
        for at in 0..steps.len() {
            if self.get(&steps[..=at]).is_some() {
                continue;
            }
            let parent = if at == 0 { Some(&self.values) } else { self.get(&steps[..at]) };
            let keys = parent?.as_object()?.keys().map(String::as_str);
            let word = nearest(&steps[at], keys)?;
            return Some(steps[..at].iter().map(String::as_str).chain([word]).collect::<Vec<_>>().join("."));
        }
        None
    }

    /// Merges a mapping; the error names the leaf and both sources.
    fn merge(&mut self, value: Value, source: &str) -> Result<(), String> {
        if let Some(key) = first_conflict(&self.values, &value, String::new()) {
            let first = self.merged.iter().find(|(_, earlier)| lookup(earlier, &key).is_some());
            let first = first.map_or("an earlier source", |(name, _)| name);
            return Err(format!("`{key}` is set by {first} and again by {source}; a name is given its value once"));
        }
        merge_into(&mut self.values, value.clone());
        self.merged.push((source.to_owned(), value));
        Ok(())
    }
}

fn first_conflict(old: &Value, new: &Value, path: String) -> Option<String> {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => new.iter().find_map(|(key, value)| {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            first_conflict(old.get(key)?, value, path)
        }),
        _ => Some(path),
    }
}

fn merge_into(old: &mut Value, new: Value) {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            for (key, value) in new {
                match old.get_mut(&key) {
                    Some(slot) => merge_into(slot, value),
                    None => {
                        old.insert(key, value);
                    }
                }
            }
        }
        (old, new) => *old = new,
    }
}

/// Adds the entries of a `vars` list; files are relative to `base`.
pub(in crate::config) fn load_vars(
    context: &mut Context,
    node: &Node,
    (root, base): (&Path, &RelPath),
    params: &mut ParamFiles,
    report: &mut Report,
) {
    for item in report.list(node, "`vars`", "file names or mappings") {
        let outcome = match &item.kind {
            Kind::Map(entries) => {
                if let Some(entry) = entries.iter().find(|entry| RESERVED.contains(&entry.key.as_str()))
                    && !context.locals.is_empty()
                {
                    report.fault(entry.key_span, format!("`{}` is reserved in foreach and matrix stages", entry.key));
                    continue;
                }
                let name = format!("`vars` in line {}", item.span.line);
                context.merge(item.to_json(), &name)
            }
            Kind::Text(text) => match report.path(base, text.split(':').next().unwrap_or_default(), item.span) {
                Some(file) => match load_file(context, &file, text, root, params) {
                    Ok(outcome) => outcome,
                    Err(errors) => {
                        report.extend(errors.0);
                        continue;
                    }
                },
                None => continue,
            },
            _ => {
                report.expected(item, "an entry of `vars`", "a file name or a mapping");
                continue;
            }
        };
        if let Err(message) = outcome {
            report.fault(item.span, message);
        }
    }
}

/// Adds a file of a `vars` list (`file` or `file:key,key`).
fn load_file(
    context: &mut Context,
    file: &RelPath,
    text: &str,
    root: &Path,
    params: &mut ParamFiles,
) -> Result<Result<(), String>, ConfigErrors> {
    let keys: Option<Vec<String>> =
        text.split_once(':').map(|(_, keys)| keys.split(',').map(|key| key.trim().to_owned()).collect());
    match (context.loaded.get(file), &keys) {
        (Some(None), None) => return Ok(Ok(())),
        (Some(Some(earlier)), Some(keys)) if !keys.iter().any(|key| earlier.contains(key)) => {}
        (Some(_), _) => return Ok(Err(format!("`{file}` is already loaded, partially or whole"))),
        (None, _) => {}
    }
    if !params.load(root, file)? {
        return Ok(Err(format!("`{file}` does not exist")));
    }
    let Some(whole) = params.file(file).cloned() else { return Ok(Ok(())) };
    let value = match &keys {
        None => whole,
        Some(keys) => {
            let mut part = Map::new();
            for key in keys {
                let Some(value) = whole.get(key) else {
                    return Ok(Err(format!("`{file}` has no key `{key}`")));
                };
                part.insert(key.clone(), value.clone());
            }
            Value::Object(part)
        }
    };
    match (context.loaded.get_mut(file), keys) {
        (Some(Some(earlier)), Some(keys)) => earlier.extend(keys),
        (_, keys) => {
            context.loaded.insert(file.clone(), keys);
        }
    }
    Ok(context.merge(value, file.as_str()))
}

/// Says which name leads nowhere.
pub(super) fn missing(context: &Context, steps: &[String], span: Span, place: &str, report: &mut Report) {
    let name = steps.join(".");
    let message = format!("`${{{name}}}` in {place} names no parameter or variable");
    let near = context.nearest(steps);
    let help = near.map_or_else(
        || format!("write `\\${{{name}}}` for a shell variable"),
        |word| format!("did you mean `{word}`?"),
    );
    report.fault_with_help(report.within(span, &format!("${{{name}}}")), message, help);
}
