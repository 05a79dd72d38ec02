//! A loaded project in a form that can be kept between runs, so that a large pipeline need not be read and checked again.
//!
//! Only a project without faults is kept. It is given back only when every file that loading looked at, those that were
//! absent included, is what it was, and the same pipeline files are found below the root. Parameter files are always
//! read anew: they are small, and their places are needed for messages.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::diagnostic::Source;
use super::discover::others;
use super::load::{Project, load_params};
use super::params::ParamFiles;
use super::pipeline::Pipeline;
use super::report::Report;
use crate::util::{IGNORE_FILES, RelPath};

/// BLAKE3 of a file's text; `None` for a file that is not there.
pub(super) type Fingerprint = Option<[u8; 32]>;

/// The fingerprint of what [`Source::read`] found.
pub(super) fn fingerprint(source: Option<&Source>) -> Fingerprint {
    source.map(|source| *blake3::hash(source.text.as_bytes()).as_bytes())
}

/// A project and what it was made of.
#[derive(Debug, Serialize, Deserialize)]
pub struct Kept<'a> {
    sources: BTreeMap<RelPath, Fingerprint>,
    main_params: RelPath,
    params: Vec<RelPath>,
    pipeline: Cow<'a, Pipeline>,
    edges: Cow<'a, [(usize, usize)]>,
}

impl<'a> Kept<'a> {
    /// A project as it can be kept, if it can: not when `--set` has changed parameters, and not when ignore files have a
    /// say in which outputs are valid.
    pub fn of(project: &'a Project) -> Option<Self> {
        let Project { pipeline, params, edges, sources } = project;
        if params.has_overrides() {
            return None;
        }
        let mut sources = sources.clone();
        sources.extend(params.fingerprints());
        for file in ignore_files(pipeline) {
            let source = Source::read(&pipeline.root, &file).ok()?;
            let text = source.as_ref().map_or("", |source| &source.text);
            if text.lines().any(|line| !line.trim().is_empty() && !line.starts_with('#')) {
                return None;
            }
            sources.insert(file, fingerprint(source.as_ref()));
        }
        Some(Self {
            sources,
            main_params: params.main().clone(),
            params: params.paths().cloned().collect(),
            pipeline: Cow::Borrowed(pipeline),
            edges: Cow::Borrowed(edges),
        })
    }

    /// The project of a pipeline file below `root`, if nothing has changed since it was kept.
    pub fn project(self, root: &Path, file: &RelPath) -> Option<Project> {
        let is_same = |(path, known): (&RelPath, &Fingerprint)| {
            Source::read(root, path).is_ok_and(|source| fingerprint(source.as_ref()) == *known)
        };
        let mut pipeline = self.pipeline.into_owned();
        if pipeline.file != *file || !self.sources.iter().all(is_same) || others(root, file) != pipeline.others {
            return None;
        }
        root.clone_into(&mut pipeline.root);
        let mut params = ParamFiles::new(root, self.main_params).ok()?;
        for path in &self.params {
            params.load(root, path).ok()?;
        }
        let mut report = Report::default();
        load_params(&pipeline, &mut params, &mut report);
        let edges = self.edges.into_owned();
        report.is_clean().then_some(Project { pipeline, params, edges, sources: self.sources })
    }
}

/// The ignore files that could rule an output, whether or not they exist.
fn ignore_files(pipeline: &Pipeline) -> BTreeSet<RelPath> {
    let mut directories = BTreeSet::new();
    for output in pipeline.stages.values().flat_map(|stage| &stage.outs) {
        let mut directory = output.path.parent();
        while directories.insert(directory.clone()) && !directory.is_root() {
            directory = directory.parent();
        }
    }
    let files = |directory: &RelPath| IGNORE_FILES.map(|name| RelPath::resolve(directory, name));
    directories.iter().flat_map(files).flatten().collect()
}
