//! What `metrics diff` and `params diff` share: which two states are compared, and how the changes are printed.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;

use anyhow::Context;
use clap::Args;
use clinpipe_stages::common::gate_rules::GateRule;

use super::error::UsageError;
use super::project::Opened;
use super::snapshot::Snapshot;
use crate::key::Content;
use crate::metrics::table::DECIMALS;
use crate::metrics::{Changes, Columns, MetricsSet, Table, direction_of, parse_bytes};
use crate::util::RelPath;

/// What is compared, and how it is shown.
#[derive(Debug, Args)]
pub struct CompareArgs {
    /// The earlier git revision.
    #[arg(default_value = "HEAD")]
    pub rev: String,
    /// The later git revision; the workspace when absent.
    pub rev2: Option<String>,
    /// Compare these files instead of those that the pipeline names.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub targets: Vec<String>,
    /// Show what is unchanged too.
    #[arg(long)]
    pub all: bool,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
    /// Print a Markdown table.
    #[arg(long, conflicts_with = "json")]
    pub md: bool,
    /// Leave the column of files out.
    #[arg(long)]
    pub no_path: bool,
    /// Decimals of metrics in tables, at most.
    #[arg(long, value_name = "N", default_value_t = DECIMALS as u8, value_parser = clap::value_parser!(u8).range(0..=17))]
    pub precision: u8,
}

/// A state of the project: a revision, or the workspace.
pub(super) struct Side<'a> {
    present: &'a Opened,
    snapshot: Option<Snapshot>,
}

impl<'a> Side<'a> {
    fn open(present: &'a Opened, rev: Option<&str>) -> anyhow::Result<Self> {
        let snapshot = rev.map(|rev| Snapshot::take(present, rev)).transpose()?;
        Ok(Self { present, snapshot })
    }

    /// The project as it is in this state; none when the revision has no pipeline that can be read.
    pub(super) fn project(&self) -> Option<&Opened> {
        match &self.snapshot {
            None => Some(self.present),
            Some(snapshot) => snapshot.opened.as_ref(),
        }
    }

    /// What could not be read of this state.
    pub(super) fn note(&self) -> Option<&str> {
        self.snapshot.as_ref()?.note.as_deref()
    }

    /// The files below a directory, in order; none when this state does not have it.
    pub(super) fn files_below(&self, dir: &RelPath) -> anyhow::Result<BTreeSet<RelPath>> {
        if let Some(snapshot) = &self.snapshot {
            return snapshot.files_below(self.present, dir);
        }
        let content = self.present.workspace().reader.content(dir)?;
        let Content::Directory(_, entries) = content else { return Ok(BTreeSet::new()) };
        Ok(entries.iter().filter_map(|entry| RelPath::resolve(dir, &entry.path)).collect())
    }

    /// The bytes of a file; none when this state does not have it.
    pub(super) fn bytes(&self, file: &RelPath) -> anyhow::Result<Option<Vec<u8>>> {
        if let Some(snapshot) = &self.snapshot {
            return snapshot.file(self.present, file);
        }
        match fs::read(file.under(&self.present.project.pipeline.root)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if is_no_file(&error) => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {file}")),
        }
    }

    /// The files as documents; those that this state does not have are left out.
    pub(super) fn documents(&self, files: &BTreeSet<RelPath>) -> anyhow::Result<MetricsSet> {
        let mut set = MetricsSet::new();
        for file in files {
            if let Some(bytes) = self.bytes(file)? {
                set.insert(file.to_string(), parse_bytes(file.as_str(), bytes));
            }
        }
        Ok(set)
    }
}

/// Opens a state of the project: a revision, or the workspace.
pub(super) fn side<'a>(present: &'a Opened, rev: Option<&str>) -> anyhow::Result<Side<'a>> {
    Side::open(present, rev)
}

impl CompareArgs {
    /// Both states, and what could not be read of them.
    pub(super) fn sides<'a>(&self, present: &'a Opened) -> anyhow::Result<([Side<'a>; 2], Vec<String>)> {
        let sides = [Side::open(present, Some(&self.rev))?, Side::open(present, self.rev2.as_deref())?];
        let notes = sides.iter().filter_map(|side| side.snapshot.as_ref()?.note.clone()).collect();
        Ok((sides, notes))
    }

    /// `--targets` as paths of the project.
    pub(super) fn target_files(&self) -> anyhow::Result<BTreeSet<RelPath>> {
        self.targets.iter().map(|text| target(text)).collect()
    }

    /// The later state, in words.
    pub(super) fn later(&self) -> &str {
        self.rev2.as_deref().unwrap_or("workspace")
    }

    /// The changes as a table, or a sentence when there are none.
    pub(super) fn text(&self, changes: &Changes, leaf: &str, rules: &[GateRule]) -> String {
        if changes.files.is_empty() {
            return format!("No {} differs between {} and {}.\n", leaf.to_lowercase(), self.rev, self.later());
        }
        let columns = Columns {
            leaf,
            sides: [&self.rev, self.later()],
            path: !self.no_path,
            change: leaf == "Metric",
            decimals: (leaf == "Metric").then_some(self.precision.into()),
        };
        self.layout(&changes.table(&columns, &|file, path| direction_of(rules, file, path)))
    }

    /// A table as text or Markdown.
    pub(super) fn layout(&self, table: &Table) -> String {
        if self.md { table.to_markdown() } else { table.to_text() }
    }
}

/// Whether there is nothing at the path, or a directory.
fn is_no_file(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::IsADirectory)
}

/// A file named on the command line, as a path of the project.
pub(super) fn target(text: &str) -> anyhow::Result<RelPath> {
    RelPath::parse(text).filter(|path| !path.is_root()).ok_or_else(|| {
        let help = "name a file below the project's directory";
        UsageError::new(format!("`{text}` is not a path inside the project"), help).into()
    })
}
