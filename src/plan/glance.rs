//! What a look at the files tells without reading any: the contents that trusted hints vouch for.
//!
//! A glance can only say that a stage is fresh, and says so by the same comparison as [`Workspace::assess`]. Of whatever
//! it has no hint for, or that looks different, it says nothing.

use std::collections::{HashMap, HashSet};
use std::io;

use rayon::prelude::*;

use super::Workspace;
use crate::config::{StageDef, StageName};
use crate::key::{Content, ContentRecord, InputError};
use crate::store::Lock;
use crate::util::RelPath;

/// Contents by path, as far as hints know them; `None` where nothing is.
#[derive(Debug, Default)]
pub struct Glance<'a> {
    contents: HashMap<&'a RelPath, Option<ContentRecord>>,
}

impl Glance<'_> {
    /// The content at a path; an error when this glance does not know it.
    pub(super) fn content(&self, path: &RelPath) -> Result<Option<ContentRecord>, InputError> {
        let unknown = || InputError { path: path.to_string(), source: io::Error::from(io::ErrorKind::WouldBlock) };
        self.contents.get(path).cloned().ok_or_else(unknown)
    }
}

impl<'a> Workspace<'a> {
    /// Looks at every input and output of some stages, each once, with all threads.
    pub fn glance(&self, stages: &[StageName]) -> Glance<'a> {
        let stages = stages.iter().map(|name| self.stage(name));
        let paths: HashSet<&'a RelPath> = stages
            .flat_map(|stage| stage.deps.iter().map(|dep| &dep.path).chain(stage.outs.iter().map(|out| &out.path)))
            .collect();
        let paths: Vec<&RelPath> = paths.into_iter().collect();
        let look = |path: &&'a RelPath| {
            let content = self.reader.recall(path)?;
            let record = match content {
                Content::Missing => None,
                Content::File(record) | Content::Directory(record, _) => Some(record),
            };
            Some((*path, record))
        };
        Glance { contents: paths.par_iter().filter_map(look).collect() }
    }

    /// Whether a glance is enough to see that a stage is fresh.
    pub fn is_fresh(&self, stage: &StageDef, lock: &Lock, allow_missing: bool, glance: &Glance<'_>) -> bool {
        let content = |path: &RelPath| glance.content(path);
        let assessment = self.assess_by(stage, lock, allow_missing, (&content, &content));
        assessment.is_ok_and(|assessment| assessment.reasons.is_empty())
    }
}
