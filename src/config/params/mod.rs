//! Parameter files: loaded once, looked up by dotted keys, with the place of each value for messages.
//!
//! YAML, JSON and TOML, in the order in which they are written. `--set` changes values of the main file in memory; a fault of
//! such a value points at the option instead of the file.

mod parse;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Map, Value};

use super::diagnostic::{ConfigError, ConfigErrors, Source};
use super::kept::{Fingerprint, fingerprint};
use super::pipeline::{ParamSource, Span, StageDef};
use super::yaml::{self, Node};
use crate::util::{RelPath, nearest};

/// One file.
#[derive(Debug, Clone)]
struct ParamFile {
    value: Value,
    /// The same with order and places.
    tree: Node,
    source: Source,
}

/// All parameter files that a pipeline names and that exist.
#[derive(Debug, Clone, Default)]
pub struct ParamFiles {
    main: RelPath,
    files: BTreeMap<RelPath, ParamFile>,
    /// Files that were looked for in vain.
    absent: BTreeSet<RelPath>,
    /// Files that a stage writes: what they hold is only known when their readers begin.
    generated: BTreeSet<RelPath>,
    overrides: Vec<Override>,
}

/// One `--set`.
#[derive(Debug, Clone)]
struct Override {
    file: RelPath,
    key: String,
    /// The option as written, as a one-line file.
    source: Source,
    tree: Node,
}

impl ParamFiles {
    /// Loads the main file (`params.yaml`) if it is there.
    pub(super) fn new(root: &Path, main: RelPath) -> Result<Self, ConfigErrors> {
        let mut files = Self { main: main.clone(), ..Self::default() };
        files.load(root, &main)?;
        Ok(files)
    }

    /// Loads a file unless that is done; `false` when it does not exist.
    pub(super) fn load(&mut self, root: &Path, file: &RelPath) -> Result<bool, ConfigErrors> {
        if self.files.contains_key(file) {
            return Ok(true);
        }
        let Some(source) = Source::read(root, file)? else {
            self.absent.insert(file.clone());
            return Ok(false);
        };
        let tree = parse::parse(&source)?;
        self.files.insert(file.clone(), ParamFile { value: tree.to_json(), tree, source });
        Ok(true)
    }

    /// What every file was that was looked for.
    pub(super) fn fingerprints(&self) -> impl Iterator<Item = (RelPath, Fingerprint)> {
        let absent = self.absent.iter().map(|path| (path.clone(), None));
        absent.chain(self.files.iter().map(|(path, file)| (path.clone(), fingerprint(Some(&file.source)))))
    }

    /// Whether `--set` has changed a value.
    pub(super) fn has_overrides(&self) -> bool {
        !self.overrides.is_empty()
    }

    /// Marks a file that a stage writes.
    pub(super) fn mark_generated(&mut self, file: &RelPath) {
        self.generated.insert(file.clone());
    }

    /// What a stage sees now: files that other stages write are read again, everything else is as it was loaded.
    pub fn current(&self, root: &Path, stage: &StageDef) -> Result<Cow<'_, Self>, ConfigErrors> {
        let generated: Vec<&RelPath> =
            stage.params.iter().map(|source| &source.file).filter(|file| self.generated.contains(*file)).collect();
        if generated.is_empty() {
            return Ok(Cow::Borrowed(self));
        }
        let mut now = self.clone();
        for file in generated {
            now.files.remove(file);
            now.load(root, file)?;
        }
        Ok(Cow::Owned(now))
    }

    /// The files of a stage as they are on the disk now: what its command finds, whatever was loaded before or set for
    /// this run.
    pub fn on_disk(root: &Path, stage: &StageDef) -> Result<Self, ConfigErrors> {
        let mut now = Self::default();
        for source in &stage.params {
            now.load(root, &source.file)?;
        }
        Ok(now)
    }

    /// A `--set` that replaces what a stage lists under `params`, as `FILE:KEY`.
    pub fn override_of(&self, stage: &StageDef) -> Option<String> {
        let listed = |set: &&Override| {
            stage.params.iter().any(|source| {
                let is_it = |key: &String| is_below(key, &set.key) || is_below(&set.key, key);
                source.file == set.file && source.keys.as_ref().is_none_or(|keys| keys.iter().any(is_it))
            })
        };
        self.overrides.iter().find(listed).map(|set| format!("{}:{}", set.file, set.key))
    }

    /// The main file's path.
    pub fn main(&self) -> &RelPath {
        &self.main
    }

    /// The files that exist, in order.
    pub fn paths(&self) -> impl Iterator<Item = &RelPath> {
        self.files.keys()
    }

    /// The whole content of a file.
    pub fn file(&self, file: &RelPath) -> Option<&Value> {
        self.files.get(file).map(|file| &file.value)
    }

    /// The whole content of a file, in its order.
    pub(super) fn tree(&self, file: &RelPath) -> Option<&Node> {
        self.files.get(file).map(|file| &file.tree)
    }

    /// The value under a dotted key (list items by index).
    pub fn get(&self, file: &RelPath, key: &str) -> Option<&Value> {
        lookup(self.file(file)?, key)
    }

    /// What a source selects: dotted key → value. A key that is absent is left out; a file that is absent gives
    /// nothing. A whole file is one entry per top-level key.
    pub fn select(&self, source: &ParamSource) -> BTreeMap<String, &Value> {
        match (&source.keys, self.file(&source.file)) {
            (Some(keys), Some(value)) => {
                keys.iter().filter_map(|key| Some((key.clone(), lookup(value, key)?))).collect()
            }
            (None, Some(Value::Object(map))) => map.iter().map(|(key, value)| (key.clone(), value)).collect(),
            _ => BTreeMap::new(),
        }
    }

    /// The parameters of a built-in stage: declared top-level key → value.
    pub fn builtin_params(&self, stage: &StageDef) -> Map<String, Value> {
        let mut params = Map::new();
        for source in &stage.params {
            params.extend(self.select(source).into_iter().map(|(key, value)| (key, value.clone())));
        }
        params
    }

    /// A fault of the value under a dotted key: points at the value, or at the deepest part of its path that exists.
    pub fn fault(&self, file: &RelPath, key: &str, message: impl Into<String>) -> ConfigError {
        let is_it = |set: &&Override| set.file == *file && (is_below(key, &set.key) || is_below(&set.key, key));
        if let Some(set) = self.overrides.iter().rev().find(is_it) {
            let inner = key.strip_prefix(&set.key).and_then(|rest| rest.strip_prefix('.')).unwrap_or("");
            return set.source.error(set.tree.place(inner), message);
        }
        match self.files.get(file) {
            Some(ParamFile { tree, source, .. }) if !is_json(source) => source.error(tree.place(key), message),
            _ => ConfigError::of_file(file.as_str(), message),
        }
    }

    /// A key of the file that `key` probably means.
    pub fn nearest_key(&self, file: &RelPath, key: &str) -> Option<String> {
        let mut value = self.file(file)?;
        let mut known = String::new();
        for part in key.split('.') {
            if let Some(next) = child(value, part) {
                value = next;
                known.push_str(part);
                known.push('.');
                continue;
            }
            let Value::Object(map) = value else { return None };
            return nearest(part, map.keys().map(String::as_str)).map(|word| format!("{known}{word}"));
        }
        None
    }

    /// Applies `--set KEY=TEXT` to the main file, or `--set FILE:KEY=TEXT` to another. The key must exist.
    pub(super) fn set(&mut self, root: &Path, option: &str, text: &str) -> Result<(), ConfigErrors> {
        let source = Source::new("--set", &format!("{option}={text}"));
        let start = Span { line: 1, column: 1 };
        let (file, key) = match option.split_once(':') {
            None => (self.main.clone(), option),
            Some((file, key)) => {
                let file = RelPath::parse(file)
                    .ok_or_else(|| source.error(start, format!("`{file}` lies outside the project")))?;
                (file, key)
            }
        };
        if !self.load(root, &file)? {
            return Err(source.error(start, format!("`{file}` does not exist")).into());
        }
        let shift = option.chars().count() + 1;
        let tree = yaml::parse(&Source::new("--set", text)).map_err(|errors| {
            ConfigErrors(
                errors.0.into_iter().map(|error| source.error(shifted(error.span, shift), error.message)).collect(),
            )
        })?;
        let value = tree.to_json();
        let target = self.files.get_mut(&file);
        let target = target.and_then(|file| Some((lookup_mut(&mut file.value, key)?, file.tree.at_mut(key)?)));
        let Some((target, node)) = target else {
            let near = self.nearest_key(&file, key);
            let message = format!("`{key}` is not a key of {file}");
            return Err(source.error(start, message).did_you_mean(near.as_deref()).into());
        };
        *target = value;
        *node = tree.moved(node.span);
        self.overrides.push(Override { file, key: key.to_owned(), source, tree: shift_tree(tree, shift) });
        Ok(())
    }
}

fn shifted(span: Option<Span>, by: usize) -> Span {
    match span {
        Some(Span { line: 1, column }) => Span { line: 1, column: column + by },
        Some(span) => span,
        None => Span { line: 1, column: by + 1 },
    }
}

/// Moves the places of a tree behind `key=`.
fn shift_tree(mut node: Node, by: usize) -> Node {
    node.span = shifted(Some(node.span), by);
    node.kind = match node.kind {
        yaml::Kind::List(items) => yaml::Kind::List(items.into_iter().map(|item| shift_tree(item, by)).collect()),
        yaml::Kind::Map(entries) => yaml::Kind::Map(
            entries
                .into_iter()
                .map(|entry| yaml::Entry {
                    key_span: shifted(Some(entry.key_span), by),
                    value: shift_tree(entry.value, by),
                    key: entry.key,
                })
                .collect(),
        ),
        kind => kind,
    };
    node
}

/// Whether a file is JSON, whose values have no places.
fn is_json(source: &Source) -> bool {
    Path::new(&source.name).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"))
}

/// Whether a dotted key is `base` or lies below it.
fn is_below(key: &str, base: &str) -> bool {
    key.strip_prefix(base).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn child<'a>(value: &'a Value, part: &str) -> Option<&'a Value> {
    match value {
        Value::Object(map) => map.get(part),
        Value::Array(items) => items.get(part.parse::<usize>().ok()?),
        _ => None,
    }
}

/// The value under a dotted key.
fn lookup<'a>(value: &'a Value, key: &str) -> Option<&'a Value> {
    key.split('.').try_fold(value, child)
}

fn lookup_mut<'a>(value: &'a mut Value, key: &str) -> Option<&'a mut Value> {
    key.split('.').try_fold(value, |value, part| match value {
        Value::Object(map) => map.get_mut(part),
        Value::Array(items) => items.get_mut(part.parse::<usize>().ok()?),
        _ => None,
    })
}

/// The content of a parameter file, by the ending of its name.
pub fn parse_text(name: &str, text: &str) -> Result<Value, ConfigErrors> {
    parse::parse(&Source::new(name, text)).map(|tree| tree.to_json())
}
