//! The values that templates may name: params.yaml, then each entry of `vars`, then `item` and `key`.
//!
//! Mappings merge deeply; a leaf is set once. A file enters whole or in parts, never both.

use std::collections::BTreeMap;
use std::path::Path;

use super::syntax::Piece;
use crate::config::diagnostic::ConfigErrors;
use crate::config::dvc_config::FlagStyle;
use crate::config::params::ParamFiles;
use crate::config::pipeline::Span;
use crate::config::report::Report;
use crate::config::yaml::{Entry, Kind, Node};
use crate::util::{RelPath, nearest};

/// The values of one stage or of the whole file.
#[derive(Debug, Clone)]
pub(in crate::config) struct Context {
    /// A mapping.
    values: Node,
    /// `item` and `key` of a member; reserved while they are set.
    locals: BTreeMap<&'static str, Node>,
    /// What was merged, to name both sources of a conflict.
    merged: Vec<(String, Node)>,
    /// Files that entered: `None` = whole, else the keys.
    loaded: BTreeMap<RelPath, Option<Vec<String>>>,
    /// How mappings in commands are written.
    pub(super) flags: FlagStyle,
}

impl Context {
    /// The context of a pipeline file with this params.yaml, which need not exist.
    pub(in crate::config) fn new(params: &ParamFiles, main: &RelPath, flags: FlagStyle) -> Self {
        let mut context = Self {
            values: Node::new(Span::default(), Kind::Map(Vec::new())),
            locals: BTreeMap::new(),
            merged: Vec::new(),
            loaded: BTreeMap::new(),
            flags,
        };
        if let Some(tree) = params.tree(main) {
            context.values = tree.clone();
            context.merged.push((main.to_string(), tree.clone()));
            context.loaded.insert(main.clone(), None);
        }
        context
    }

    /// The same with `item` and `key`.
    pub(super) fn with_locals(&self, item: Node, key: Option<Node>) -> Self {
        let mut context = self.clone();
        context.locals.insert("item", item);
        if let Some(key) = key {
            context.locals.insert("key", key);
        }
        context
    }

    /// The value at a path.
    pub(super) fn get(&self, steps: &[String]) -> Option<&Node> {
        let (first, rest) = steps.split_first()?;
        let start = self.locals.get(first.as_str()).or_else(|| self.values.get(first))?;
        rest.iter().try_fold(start, |node, step| node.child(step))
    }

    /// The name closest to a path that leads nowhere.
    pub(super) fn nearest(&self, steps: &[String]) -> Option<String> {
        for at in 0..steps.len() {
            if self.get(&steps[..=at]).is_some() {
                continue;
            }
            let parent = if at == 0 { Some(&self.values) } else { self.get(&steps[..at]) };
            let word = nearest(&steps[at], parent?.entries().iter().map(|entry| entry.key.as_str()))?;
            return Some(steps[..at].iter().map(String::as_str).chain([word]).collect::<Vec<_>>().join("."));
        }
        None
    }

    /// Merges a mapping; the error names the leaf and both sources, or the reserved name.
    fn merge(&mut self, value: Node, source: &str) -> Result<(), String> {
        if let Some(entry) = value.entries().iter().find(|entry| self.locals.contains_key(entry.key.as_str())) {
            return Err(format!("`{}` is reserved in foreach and matrix stages; {source} sets it", entry.key));
        }
        if let Some(path) = first_conflict(&self.values, &value, &mut Vec::new()) {
            let first = self
                .merged
                .iter()
                .find(|(_, earlier)| path.iter().try_fold(earlier, |node, step| node.get(step)).is_some());
            let first = first.map_or("an earlier source", |(name, _)| name);
            let key = path.join(".");
            return Err(format!("`{key}` is set by {first} and again by {source}; a name is given its value once"));
        }
        merge_into(&mut self.values, &value);
        self.merged.push((source.to_owned(), value));
        Ok(())
    }
}

/// The path of the first value that both set, unless both are mappings.
fn first_conflict(old: &Node, new: &Node, path: &mut Vec<String>) -> Option<Vec<String>> {
    let (Kind::Map(_), Kind::Map(entries)) = (&old.kind, &new.kind) else { return Some(path.clone()) };
    for entry in entries {
        let Some(known) = old.get(&entry.key) else { continue };
        path.push(entry.key.clone());
        let conflict = first_conflict(known, &entry.value, path);
        path.pop();
        if conflict.is_some() {
            return conflict;
        }
    }
    None
}

fn merge_into(old: &mut Node, new: &Node) {
    let Kind::Map(into) = &mut old.kind else { return };
    for entry in new.entries() {
        match into.iter_mut().find(|known| known.key == entry.key) {
            Some(known) => merge_into(&mut known.value, &entry.value),
            None => into.push(entry.clone()),
        }
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
        if let Some(span) = template_within(item) {
            report.fault_with_help(
                span,
                "`vars` cannot hold templates: it is what templates are filled from",
                "write the value itself",
            );
            continue;
        }
        let outcome = match &item.kind {
            Kind::Map(_) => context.merge(item.clone(), &format!("`vars` in line {}", item.span.line)),
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

/// Where the first template within a value stands.
fn template_within(node: &Node) -> Option<Span> {
    let is_template = |text: &str| {
        super::syntax::split(text).map_or(true, |pieces| pieces.iter().any(|piece| matches!(piece, Piece::Name(_))))
    };
    match &node.kind {
        Kind::Text(text) => is_template(text).then_some(node.span),
        Kind::List(items) => items.iter().find_map(template_within),
        Kind::Map(entries) => entries.iter().find_map(|entry| {
            if is_template(&entry.key) { Some(entry.key_span) } else { template_within(&entry.value) }
        }),
        _ => None,
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
    let listed = text.split_once(':').map_or("", |(_, keys)| keys);
    let keys: Vec<String> = listed.split(',').map(str::trim).filter(|key| !key.is_empty()).map(str::to_owned).collect();
    let keys = (!keys.is_empty()).then_some(keys);
    match (context.loaded.get(file), &keys) {
        (Some(None), None) => return Ok(Ok(())),
        (Some(None), Some(_)) => {
            return Ok(Err(format!("`{text}` cannot be partially loaded: `{file}` is already loaded whole")));
        }
        (Some(Some(earlier)), None) => {
            let earlier = earlier.join(", ");
            return Ok(Err(format!("`{file}` cannot be loaded whole: it is already partially loaded ({earlier})")));
        }
        (Some(Some(earlier)), Some(keys)) => {
            if let Some(twice) = keys.iter().find(|key| earlier.contains(key)) {
                return Ok(Err(format!("`{twice}` of `{file}` is already partially loaded")));
            }
        }
        (None, _) => {}
    }
    if !params.load(root, file)? {
        return Ok(Err(format!("`{file}` does not exist")));
    }
    let Some(whole) = params.tree(file) else { return Ok(Ok(())) };
    let value = match &keys {
        None => whole.clone(),
        Some(keys) => {
            let mut part: Vec<Entry> = Vec::new();
            for key in keys {
                let Some(entry) = whole.entry(key) else {
                    return Ok(Err(format!("`{file}` has no key `{key}`")));
                };
                if !part.iter().any(|known| known.key == *key) {
                    part.push(entry.clone());
                }
            }
            Node::new(whole.span, Kind::Map(part))
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
