//! Where an artifact comes from: the chain of recorded work from its bytes back to the raw data.
//!
//! The lock is the witness: what is told is what was recorded when the bytes were made, and where the lock's entries do
//! not fit together, or the workspace holds other bytes, that is said. Nothing is changed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::Serialize;
use serde_json::Value;

use super::Workspace;
use crate::config::StageName;
use crate::key::{ContentRecord, Digest, InputError};
use crate::store::{Lock, StageRecord};
use crate::util::{RelPath, nearest};

/// The history of one artifact.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Lineage {
    /// What was asked for.
    pub artifact: Artifact,
    /// The work behind it: the stage that wrote it first, then what that stage needed, consumers before producers.
    pub stages: Vec<Step>,
    /// What no stage made.
    pub raw: Vec<Artifact>,
}

/// Recorded bytes at a path.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Artifact {
    /// Where.
    pub path: RelPath,
    /// What the lock says of it.
    #[serde(flatten)]
    pub record: ContentRecord,
    /// How the workspace compares.
    pub state: State,
}

/// Whether the workspace holds the recorded bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It does.
    Vouched,
    /// It holds other bytes: the lock says nothing about them.
    Changed,
    /// It holds none.
    Missing,
}

/// One stage as it ran.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Step {
    /// The stage.
    pub stage: StageName,
    /// What identifies the work.
    pub key: String,
    /// Commands, or `uses@version`.
    pub cmd: Vec<String>,
    /// Parameter file → dotted key → value.
    pub params: BTreeMap<RelPath, BTreeMap<String, Value>>,
    /// Declared environment variables.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, Option<String>>,
    /// What it read.
    pub inputs: Vec<Input>,
    /// What does not fit.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// One input of a stage.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Input {
    /// Where.
    pub path: RelPath,
    /// Its digest; null for an optional input that was absent.
    pub digest: Option<Digest>,
    /// The stages that made it; none for raw data.
    pub from: Vec<StageName>,
}

/// Why there is no history to tell.
#[derive(Debug, thiserror::Error)]
pub enum LineageError {
    /// The lock knows no such path or digest.
    #[error("the lock knows no file or digest `{asked}`{}", nearest.as_ref().map(|word| format!("; did you mean `{word}`?")).unwrap_or_default())]
    Unknown {
        /// As given.
        asked: String,
        /// What it probably means.
        nearest: Option<String>,
    },
    /// A prefix of several digests.
    #[error("`{asked}` begins several digests: {}", found.join(", "))]
    Ambiguous {
        /// As given.
        asked: String,
        /// What it may mean.
        found: Vec<String>,
    },
    /// A file of the workspace cannot be read.
    #[error(transparent)]
    Input(#[from] InputError),
}

/// Fewer digits than these are no digest but a name.
const LEAST_DIGITS: usize = 6;

/// A recorded path, its content, and the stage that wrote it (none for raw data).
type Found = (RelPath, ContentRecord, Option<StageName>);

impl Workspace<'_> {
    /// The history of `asked`: a path, a path inside an output directory, or the beginning of a digest.
    pub fn lineage(&self, lock: &Lock, asked: &str) -> Result<Lineage, LineageError> {
        Witness { workspace: self, lock, writers: writers(lock) }.lineage(asked)
    }
}

/// A lock, and the workspace it is compared with.
struct Witness<'a> {
    workspace: &'a Workspace<'a>,
    lock: &'a Lock,
    /// Output path → the stage that wrote it.
    writers: BTreeMap<&'a RelPath, &'a StageName>,
}

impl Witness<'_> {
    fn lineage(&self, asked: &str) -> Result<Lineage, LineageError> {
        let (path, record, producer) = self.find(asked)?;
        let artifact = self.artifact(path.clone(), record)?;
        let Some(producer) = producer else {
            return Ok(Lineage { artifact: artifact.clone(), stages: Vec::new(), raw: vec![artifact] });
        };
        let reached = self.reach(producer);
        let mut raw: BTreeMap<RelPath, ContentRecord> = BTreeMap::new();
        let mut stages = Vec::new();
        for name in reached {
            let record = &self.lock.stages[&name];
            let step = self.step(&name, record);
            for input in step.inputs.iter().filter(|input| input.from.is_empty()) {
                if let Some(Some(content)) = record.manifest.deps.get(&input.path) {
                    raw.entry(input.path.clone()).or_insert_with(|| content.clone());
                }
            }
            stages.push(step);
        }
        let raw = raw.into_iter().map(|(path, record)| self.artifact(path, record)).collect::<Result<_, _>>()?;
        Ok(Lineage { artifact, stages, raw })
    }

    fn step(&self, name: &StageName, record: &StageRecord) -> Step {
        let manifest = &record.manifest;
        let mut notes = Vec::new();
        if !self.workspace.project.pipeline.stages.contains_key(name) {
            notes.push("the pipeline no longer has this stage".to_owned());
        }
        if record.key != manifest.key() {
            notes.push("the lock entry was edited: its key is not that of its content".to_owned());
        }
        let mut inputs = Vec::new();
        for (path, content) in &manifest.deps {
            let from: Vec<StageName> =
                self.producers(path).into_iter().filter(|producer| *producer != name).cloned().collect();
            for producer in &from {
                notes.extend(content.as_ref().and_then(|content| self.mismatch(producer, path, content)));
            }
            inputs.push(Input { path: path.clone(), digest: content.as_ref().map(|content| content.digest), from });
        }
        Step {
            stage: name.clone(),
            key: record.key.to_string(),
            cmd: manifest.cmd.clone(),
            params: manifest.params.clone(),
            env: manifest.env.clone().unwrap_or_default(),
            inputs,
            notes,
        }
    }

    /// Says when a stage read other bytes than its producer is now recorded with.
    fn mismatch(&self, producer: &StageName, path: &RelPath, read: &ContentRecord) -> Option<String> {
        let (out, made) = self.lock.stages.get(producer)?.outs.iter().find(|(out, _)| path.is_within(out))?;
        let made = if out == path { made.digest } else { self.member(out, made, path)?.digest };
        let message =
            || format!("it read {path} as {}, but {producer} has since made {}", read.digest.short(), made.short());
        (made != read.digest).then(message)
    }

    fn find(&self, asked: &str) -> Result<Found, LineageError> {
        let unknown = || {
            let outs = self.lock.stages.values().flat_map(|record| record.outs.keys());
            let deps = self.lock.stages.values().flat_map(|record| record.manifest.deps.keys());
            let near = nearest(asked, outs.chain(deps).map(RelPath::as_str)).map(str::to_owned);
            LineageError::Unknown { asked: asked.to_owned(), nearest: near }
        };
        if let Some(found) = RelPath::parse(asked).and_then(|path| self.find_path(&path)) {
            return Ok(found);
        }
        let is_prefix = asked.len() >= LEAST_DIGITS && asked.chars().all(|c| c.is_ascii_hexdigit());
        if !is_prefix {
            return Err(unknown());
        }
        let prefix = asked.to_ascii_lowercase();
        let mut found: Vec<Found> = self.recorded();
        found.retain(|(_, record, _)| record.digest.to_string().starts_with(&prefix));
        let digests: BTreeSet<Digest> = found.iter().map(|(_, record, _)| record.digest).collect();
        if digests.len() > 1 {
            let found = digests.iter().map(ToString::to_string).collect();
            return Err(LineageError::Ambiguous { asked: asked.to_owned(), found });
        }
        // What a stage made says more than that another one read it.
        found.sort_by_key(|(path, _, producer)| (producer.is_none(), path.clone()));
        found.into_iter().next().ok_or_else(unknown)
    }

    fn find_path(&self, path: &RelPath) -> Option<Found> {
        for (name, record) in &self.lock.stages {
            if let Some((out, content)) = record.outs.iter().find(|(out, _)| path.is_within(out)) {
                let content = if out == path { content.clone() } else { self.member(out, content, path)? };
                return Some((path.clone(), content, Some(name.clone())));
            }
        }
        let read = self.lock.stages.values().find_map(|record| record.manifest.deps.get(path)?.clone());
        read.map(|content| (path.clone(), content, None))
    }

    /// Everything the lock records, members of output directories included where the store lists them.
    fn recorded(&self) -> Vec<Found> {
        let mut found = Vec::new();
        for (name, record) in &self.lock.stages {
            for (out, content) in &record.outs {
                found.push((out.clone(), content.clone(), Some(name.clone())));
                for entry in self.entries(out, content) {
                    if let Some(path) = RelPath::resolve(out, &entry.path) {
                        found.push((path, entry_record(&entry), Some(name.clone())));
                    }
                }
            }
            let deps = record.manifest.deps.iter().filter_map(|(path, content)| Some((path, content.as_ref()?)));
            for (path, content) in deps.filter(|(path, _)| self.producers(path).is_empty()) {
                found.push((path.clone(), content.clone(), None));
            }
        }
        found
    }

    /// A file of a recorded directory: as the store lists it, else as the workspace holds it when that is the recorded
    /// directory.
    fn member(&self, out: &RelPath, content: &ContentRecord, path: &RelPath) -> Option<ContentRecord> {
        let entries = self.entries(out, content);
        entries.iter().find(|entry| RelPath::resolve(out, &entry.path).as_ref() == Some(path)).map(entry_record)
    }

    fn entries(&self, out: &RelPath, content: &ContentRecord) -> Vec<crate::key::Entry> {
        if content.count.is_none() {
            return Vec::new();
        }
        if let Ok(entries) = self.workspace.store.cas().entries(content.digest) {
            return entries;
        }
        match self.workspace.reader.content(out) {
            Ok(crate::key::Content::Directory(now, entries)) if now.digest == content.digest => entries,
            _ => Vec::new(),
        }
    }

    fn artifact(&self, path: RelPath, record: ContentRecord) -> Result<Artifact, InputError> {
        let state = match self.workspace.reader.content(&path)?.record() {
            None => State::Missing,
            Some(now) if now.digest == record.digest => State::Vouched,
            Some(_) => State::Changed,
        };
        Ok(Artifact { path, record, state })
    }

    /// The stages whose outputs are, hold or lie within a path, in name order.
    fn producers(&self, path: &RelPath) -> BTreeSet<&StageName> {
        let around = std::iter::successors(Some(path.clone()), |path| (!path.is_root()).then(|| path.parent()));
        let mut found: BTreeSet<&StageName> = around.filter_map(|path| self.writers.get(&path).copied()).collect();
        let prefix = format!("{path}/");
        // Outputs are in order, so those below a path end where names go beyond it.
        let is_near =
            |out: &RelPath| path.is_root() || out.as_str() < prefix.as_str() || out.as_str().starts_with(&prefix);
        let near = self.writers.range::<RelPath, _>(path..).take_while(|(out, _)| is_near(out));
        found.extend(near.filter(|(out, _)| out.is_within(path)).map(|(_, name)| *name));
        found
    }

    /// A stage and everything it was made from, consumers before producers, ties by name.
    fn reach(&self, start: StageName) -> Vec<StageName> {
        let feeds = |name: &StageName| -> BTreeSet<StageName> {
            let deps = self.lock.stages.get(name).into_iter().flat_map(|record| record.manifest.deps.keys());
            deps.flat_map(|path| self.producers(path)).filter(|producer| *producer != name).cloned().collect()
        };
        let mut edges: BTreeMap<StageName, BTreeSet<StageName>> = BTreeMap::new();
        let mut open = VecDeque::from([start.clone()]);
        while let Some(name) = open.pop_front() {
            edges.entry(name).or_insert_with_key(|name| {
                let found = feeds(name);
                open.extend(found.iter().cloned());
                found
            });
        }
        // A lock put together by hand may hold a cycle; then what is left follows by name.
        let mut waiting: BTreeMap<&StageName, usize> = edges.keys().map(|name| (name, 0)).collect();
        for producer in edges.values().flatten() {
            *waiting.entry(producer).or_default() += 1;
        }
        let mut order = Vec::new();
        while let Some(next) =
            waiting.iter().find(|(_, count)| **count == 0).or_else(|| waiting.iter().next()).map(|(name, _)| *name)
        {
            waiting.remove(next);
            for producer in &edges[next] {
                if let Some(count) = waiting.get_mut(producer) {
                    *count = count.saturating_sub(1);
                }
            }
            order.push(next.clone());
        }
        order
    }
}

fn entry_record(entry: &crate::key::Entry) -> ContentRecord {
    ContentRecord { digest: entry.digest, size: entry.size, count: None, executable: entry.executable }
}

fn writers(lock: &Lock) -> BTreeMap<&RelPath, &StageName> {
    lock.stages.iter().flat_map(|(name, record)| record.outs.keys().map(move |out| (out, name))).collect()
}
