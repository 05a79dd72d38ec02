//! `clinpipe init`: write a ready project from the embedded studies.

use std::fs;

use anyhow::Context;

use super::args::{InitArgs, Study};
use super::error::UsageError;
use super::exit::Exit;
use super::output::Output;
use crate::templates::{self, Template};

pub(super) fn run(args: &InitArgs, output: &Output) -> anyhow::Result<Exit> {
    let files = templates::files(match args.study {
        Study::Dropout => Template::Dropout,
        Study::DropoutVisits => Template::DropoutVisits,
        Study::Outcome => Template::Outcome,
        Study::Stroke => Template::Stroke,
        Study::PatientYear => Template::PatientYear,
        Study::Empty => Template::Empty,
    });
    // Nothing is written when anything is in the way.
    if let Some((name, _)) = files.iter().find(|(name, _)| args.dir.join(name).exists()) {
        let message = format!("{} is already there", args.dir.join(name).display());
        return Err(UsageError::new(message, "choose another directory, or remove it first").into());
    }
    for (name, text) in files {
        let path = args.dir.join(name);
        let parent = path.parent().unwrap_or(&args.dir);
        fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))?;
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let count = files.len();
    output.talk(&if args.dir.as_os_str() == "." {
        format!("Wrote {count} files. Next: `clinpipe repro`")
    } else {
        format!("Wrote {count} files to {0}. Next: `cd {0} && clinpipe repro`", args.dir.display())
    });
    Ok(Exit::Done)
}
