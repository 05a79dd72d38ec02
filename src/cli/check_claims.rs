//! `clinpipe check-claims FILE`: which reported numbers cannot be true together.

use std::fs;
use std::io::Read;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;

use super::error::UsageError;
use super::exit::Exit;
use super::output::Output;
use crate::claims::{self, Level};
use crate::config::Source;

/// `check-claims`.
#[derive(Debug, Args)]
pub struct CheckClaimsArgs {
    /// The numbers as they were published, in YAML or JSON (docs/claims.md has the format); - for stdin.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
}

pub(super) fn run(args: &CheckClaimsArgs, output: &Output) -> anyhow::Result<Exit> {
    let report = claims::check(&source(args)?)?;
    if args.json {
        output.json(&report)?;
    } else {
        output.data(&report.text())?;
    }
    Ok(if report.count(Level::Impossible) > 0 { Exit::No } else { Exit::Done })
}

fn source(args: &CheckClaimsArgs) -> anyhow::Result<Source> {
    let name = args.file.display().to_string();
    let bytes = if name == "-" {
        let mut bytes = Vec::new();
        std::io::stdin().lock().read_to_end(&mut bytes).context("cannot read stdin")?;
        bytes
    } else {
        fs::read(&args.file).map_err(|error| {
            UsageError::new(
                format!("cannot read {name}: {error}"),
                "name a file with claims; docs/claims.md has the format",
            )
        })?
    };
    let name = if name == "-" { "stdin".to_owned() } else { name };
    let text = String::from_utf8(bytes)
        .map_err(|error| UsageError::new(format!("{name} is not UTF-8 text: {error}"), "save it as UTF-8"))?;
    Ok(Source::new(name, &text))
}
