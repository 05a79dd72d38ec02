//! Everything that planning looks at, in one place.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::config::{BuiltinCatalog, Project, StageDef, StageName, Work};
use crate::graph::Graph;
use crate::key::{ActionKey, HintTable, Reader};
use crate::store::{ActionRecord, Lock, Store, StoreError, lock_name, lock_path};
use crate::util::RelPath;

/// A loaded project with its graph, store and file reader.
pub struct Workspace<'a> {
    /// Pipeline and parameters.
    pub project: &'a Project,
    /// Its graph.
    pub graph: &'a Graph,
    /// What the built-ins declare.
    pub catalog: &'a (dyn BuiltinCatalog + Sync),
    /// The store.
    pub store: Store,
    /// Reads and digests files.
    pub reader: Reader,
    /// The environment of this process, for stages that declare variables.
    pub env: &'a BTreeMap<String, String>,
    /// Whether commands are confined to what they declare, and only results that were made so are believed.
    pub strict: bool,
}

impl<'a> Workspace<'a> {
    /// A workspace over a loaded project.
    pub fn new(
        project: &'a Project,
        graph: &'a Graph,
        catalog: &'a (dyn BuiltinCatalog + Sync),
        env: &'a BTreeMap<String, String>,
        store: Store,
        hints: HintTable,
    ) -> Self {
        let reader = Reader::new(project.pipeline.root.clone(), hints);
        Self { project, graph, catalog, store, reader, env, strict: false }
    }

    /// The declaration of a stage of this pipeline.
    ///
    /// # Panics
    /// When the name is not one of the pipeline's: names come from the pipeline itself.
    pub fn stage(&self, name: &StageName) -> &'a StageDef {
        &self.project.pipeline.stages[name]
    }

    /// Where the lock file lies.
    pub fn lock_path(&self) -> PathBuf {
        lock_path(&self.project.pipeline.file.under(&self.project.pipeline.root))
    }

    /// What names this pipeline's journal, logs and locks in the store.
    pub fn lock_stem(&self) -> String {
        lock_name(&self.project.pipeline.file)
    }

    /// What the action cache holds for a stage, if it is complete and is what this stage would write. A record is
    /// only believed about the stage's own outputs.
    pub fn cached(&self, stage: &StageDef, key: ActionKey) -> Option<ActionRecord> {
        let record = self.store.action(key)?;
        let own: BTreeSet<&RelPath> = stage.outs.iter().map(|out| &out.path).collect();
        let is_own = record.outs.keys().collect::<BTreeSet<_>>() == own;
        (is_own && record.outs.values().all(|out| self.store.cas().holds(out))).then_some(record)
    }

    /// The lock file, and what a run that did not end recorded after it.
    pub fn current_lock(&self) -> Result<Lock, StoreError> {
        let path = self.lock_path();
        loop {
            let before = identity_of_file(&path);
            let lock = self.replayed(Lock::read(&path)?)?;
            // A run that ends between the two reads moves its entries from the journal into a new lock file.
            if identity_of_file(&path) == before {
                return Ok(lock);
            }
        }
    }

    /// A lock with what a run that did not end recorded after it.
    pub fn replayed(&self, mut lock: Lock) -> Result<Lock, StoreError> {
        self.store.journal(&self.lock_stem()).replay(&mut lock)?;
        Ok(lock)
    }

    /// What the key says a stage executes: its commands, or `uses@version`.
    pub(super) fn identity(&self, stage: &StageDef) -> Vec<String> {
        match &stage.work {
            Work::Command(lines) => lines.clone(),
            Work::Builtin(uses) => {
                let version = self.catalog.spec(uses).map_or(0, |spec| spec.version);
                vec![format!("{uses}@{version}")]
            }
        }
    }
}

/// What tells a file from the one that takes its place.
fn identity_of_file(path: &Path) -> Option<(u64, i64, i64)> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.ino(), metadata.ctime(), metadata.ctime_nsec()))
}
