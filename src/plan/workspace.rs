//! Everything that planning looks at, in one place.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::config::{BuiltinCatalog, Project, StageDef, StageName, Work};
use crate::graph::Graph;
use crate::key::{ActionKey, ContentRecord, HintTable, Reader, ReasonKind, StaleReason};
use crate::store::{FileLock, Journal, Lock, LockNews, StageRecord, Store, StoreError, lock_name, lock_path};
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
    /// How far the locks have been read by [`Workspace::lock_news`].
    pub news: LockNews,
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
        Self { project, graph, catalog, store, reader, env, strict: false, news: LockNews::default() }
    }

    /// The declaration of a stage of this pipeline.
    ///
    /// # Panics
    /// When the name is not one of the pipeline's: names come from the pipeline itself.
    pub fn stage(&self, name: &StageName) -> &'a StageDef {
        &self.project.pipeline.stages[name]
    }

    /// Where the lock of a pipeline file lies.
    pub fn lock_path(&self, file: &RelPath) -> PathBuf {
        lock_path(&file.under(&self.project.pipeline.root))
    }

    /// A lock about a pipeline file or one of its stages. It lies beside that file, not in the store of this root: a run
    /// that was started further up or down works on the same outputs, and the two must not.
    pub fn process_lock(&self, file: &RelPath, kind: &str) -> FileLock {
        let name = file.as_str().rsplit('/').next().and_then(RelPath::parse).unwrap_or_default();
        let directory = file.parent().under(&self.project.pipeline.root);
        Store::lock_beside(&directory, &format!("{}.{kind}", lock_name(&name)))
    }

    /// The journal of a pipeline file.
    pub fn journal(&self, file: &RelPath) -> Journal {
        self.store.journal(&lock_name(file), self.lock_path(file))
    }

    /// What the action cache holds for a stage, if it is complete and is what this stage would write. A record is
    /// only believed about the stage's own outputs.
    pub fn cached(&self, stage: &StageDef, key: ActionKey) -> Option<BTreeMap<RelPath, ContentRecord>> {
        let outs = self.store.action(key)?.outs_from(&stage.base())?;
        let own: BTreeSet<&RelPath> = stage.outs.iter().map(|out| &out.path).collect();
        let is_own = outs.keys().collect::<BTreeSet<_>>() == own;
        (is_own && outs.values().all(|out| self.store.cas().holds(out))).then_some(outs)
    }

    /// What the lock names as the outputs of a stage that lacks nothing but those, if the store holds it all. It goes
    /// before what the action cache says: a person may have committed another result, and work that is not
    /// deterministic has several.
    pub fn kept(
        &self,
        stage: &StageDef,
        reasons: &[StaleReason],
        record: Option<&StageRecord>,
    ) -> Option<BTreeMap<RelPath, ContentRecord>> {
        let is_output =
            |reason: &StaleReason| matches!(reason.kind, ReasonKind::OutputMissing | ReasonKind::OutputModified);
        let outs = &record?.outs;
        let is_whole = stage.outs.iter().all(|out| outs.contains_key(&out.path)) && outs.len() == stage.outs.len();
        let is_held = || outs.values().all(|out| self.store.cas().holds(out));
        (reasons.iter().all(is_output) && is_whole && is_held()).then(|| outs.clone())
    }

    /// The lock files of the project as one, without what journals add.
    pub fn committed_lock(&self) -> Result<Lock, StoreError> {
        self.read_locks(|file| self.store.lock(&self.lock_path(file), file))
    }

    /// Whether runs that did not end have left records that the lock files do not hold.
    pub fn has_journals(&self) -> bool {
        self.project.pipeline.files().any(|file| self.journal(file).exists())
    }

    /// The lock files of the project as one, with what runs that did not end recorded after them.
    pub fn current_lock(&self) -> Result<Lock, StoreError> {
        self.read_locks(|file| self.file_lock(file))
    }

    /// The lock of one pipeline file, by the names in that file, with what a run that did not end recorded after it.
    pub fn file_lock(&self, file: &RelPath) -> Result<Lock, StoreError> {
        let (path, base) = (self.lock_path(file), file.parent());
        loop {
            let before = identity_of_file(&path);
            let mut lock = Lock::read(&path, &base)?;
            self.journal(file).replay(&mut lock, &base)?;
            // A run that ends between the two reads moves its entries from the journal into a new lock file.
            if identity_of_file(&path) == before {
                return Ok(lock);
            }
        }
    }

    /// What was recorded for the stages of one pipeline file since this was last asked, by the names in that file.
    pub fn lock_news(&self, file: &RelPath) -> Result<Lock, StoreError> {
        self.news.read(file, &self.lock_path(file), &self.journal(file))
    }

    fn read_locks(&self, read: impl Fn(&RelPath) -> Result<Lock, StoreError>) -> Result<Lock, StoreError> {
        let pipeline = &self.project.pipeline;
        let mut all = Lock::default();
        for file in pipeline.files() {
            let records = read(file)?.stages;
            all.stages.extend(records.into_iter().map(|(name, record)| (pipeline.address(file, &name.0), record)));
        }
        Ok(all)
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
