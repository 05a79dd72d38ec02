//! `clinpipe export dvc`: a project that DVC runs.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::cli::args::Global;
use crate::cli::error::UsageError;
use crate::cli::exit::Exit;
use crate::cli::output::Output;
use crate::cli::project::{CATALOG, Opened};
use crate::config::BuiltinCatalog;
use crate::export::dvc_project;
use crate::util::{RelPath, atomic_write};

/// `export dvc`.
#[derive(Debug, clap::Args)]
pub struct DvcArgs {
    /// The directory to write to; the project's own gets dvc.yaml, another one the pipeline and its parameters as well.
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    /// Replace files that are there already.
    #[arg(long)]
    force: bool,
}

/// What DVC reads.
const FILE: &str = "dvc.yaml";

/// Writes the project.
pub(super) fn run(global: &Global, args: &DvcArgs, output: &Output) -> anyhow::Result<Exit> {
    let opened = Opened::load(global, &[])?;
    let pipeline = &opened.project.pipeline;
    if pipeline.file.as_str() == FILE {
        let help = "run `dvc repro`, or name a pipeline.yaml with --file";
        return Err(UsageError::new("this pipeline is a dvc.yaml already", help).into());
    }
    let version = |uses: &str| CATALOG.spec(uses).map(|spec| spec.version);
    let project = dvc_project(pipeline, version, |path| path.under(&pipeline.root).exists());
    let root = pipeline.root.canonicalize().with_context(|| format!("cannot read {}", pipeline.root.display()))?;
    let target = place(&root, &args.output)?;
    let mut files = vec![(RelPath::parse(FILE).unwrap_or_default(), project.text.into_bytes())];
    if target != root {
        for path in project.params.iter().chain([&pipeline.file]) {
            let bytes = fs::read(path.under(&root)).with_context(|| format!("cannot read {path}"))?;
            files.push((path.clone(), bytes));
        }
    }
    for (path, bytes) in &files {
        let there = fs::read(path.under(&target)).ok();
        if !args.force && there.is_some_and(|there| there != *bytes) {
            let message = format!("{} is there already and differs", path.under(&args.output).display());
            return Err(UsageError::new(message, "replace it with --force, or name another place").into());
        }
    }
    for (path, bytes) in &files {
        let file = path.under(&target);
        let written = file.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| atomic_write::write(&file, bytes));
        written.with_context(|| format!("cannot write {}", path.under(&args.output).display()))?;
    }
    for remark in &project.remarks {
        output.talk(&format!("note: {remark}"));
    }
    let missing: Vec<&str> =
        project.raw.iter().filter(|path| !path.under(&target).exists()).map(RelPath::as_str).collect();
    if !missing.is_empty() {
        output.talk(&format!("note: put there what no stage writes: {}", missing.join(", ")));
    }
    let place = args.output.join(FILE);
    output.talk(&format!("wrote {}; `dvc repro` there needs the clinpipe program on the PATH", place.display()));
    Ok(Exit::Done)
}

/// Where to write: the root itself, or outside it.
fn place(root: &Path, asked: &Path) -> anyhow::Result<PathBuf> {
    let target = std::path::absolute(asked)?;
    let target = match target.canonicalize() {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let existing = target.ancestors().find_map(|path| Some((path, path.canonicalize().ok()?)));
            existing.map_or_else(|| target.clone(), |(path, real)| real.join(target.strip_prefix(path).unwrap_or(path)))
        }
        Err(error) => return Err(error.into()),
    };
    if target != root && target.starts_with(root) {
        let message = format!("{} lies inside the project, whose pipeline it would become part of", asked.display());
        return Err(UsageError::new(message, "name a directory outside it, or `-o .` for the project itself").into());
    }
    Ok(target)
}
