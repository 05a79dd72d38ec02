//! `clinpipe audit sign` and `clinpipe audit key new`: signatures with a meaning.

use std::path::{Path, PathBuf};

use clap::builder::PossibleValue;
use clap::{Args, Subcommand, ValueEnum};
use clinpipe_stages::bundle::MANIFEST;

use crate::audit::{KeyError, Meaning, Signer, Statement};
use crate::cli::error::UsageError;
use crate::cli::exit::Exit;
use crate::cli::output::Output;
use crate::cli::project::Opened;
use crate::cli::recording::{chain, origin};
use crate::key::{Digest, hash};
use crate::util::visible;

/// `audit key`.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Make a key to sign with: the secret in FILE, which only its owner may read, and FILE.pub for those who check.
    New(NewKeyArgs),
}

/// `audit key new`.
#[derive(Debug, Args)]
pub struct NewKeyArgs {
    /// Whose key it is, without blanks and characters that cannot be seen.
    #[arg(long, value_name = "NAME")]
    name: String,
    /// Where the secret goes; neither it nor FILE.pub may exist.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

/// `audit sign`.
#[derive(Debug, Args)]
pub struct SignArgs {
    /// What the signature means.
    #[arg(long, value_enum)]
    meaning: Meaning,
    /// The secret key.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// What is signed: a bundle's directory or an alias of the registry (by the digest of its bundle.json), or a file; the
    /// chain up to its last record when absent.
    #[arg(long, value_name = "PATH")]
    object: Option<PathBuf>,
    /// Why.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

impl ValueEnum for Meaning {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.name()))
    }
}

fn usage(error: KeyError) -> anyhow::Error {
    let help = match error {
        KeyError::Open { .. } => "allow its owner only: chmod 600",
        _ => "`clinpipe audit key new --name NAME --output FILE` makes a key",
    };
    UsageError::new(error.to_string(), help).into()
}

/// Makes a key.
pub(super) fn key(command: &KeyCommand, output: &Output) -> anyhow::Result<Exit> {
    let KeyCommand::New(args) = command;
    let signer = Signer::make(&args.name, &args.output).map_err(usage)?;
    output.talk(&format!(
        "the secret key of {} is in {}; whoever has it signs as {}",
        args.name,
        args.output.display(),
        args.name
    ));
    output.data(&format!("{}\n", signer.public()))?;
    Ok(Exit::Done)
}

/// Signs an object or the chain. A chain that does not hold together is not signed.
pub(super) fn sign(opened: &Opened, args: &SignArgs, output: &Output) -> anyhow::Result<Exit> {
    if args.reason.as_ref().is_some_and(|reason| reason.trim().is_empty()) {
        return Err(UsageError::new("the reason is empty", "say with --reason why, or leave it out").into());
    }
    let signer = Signer::read(&args.key).map_err(usage)?;
    let chain = chain(opened);
    let verdict = super::check(&chain, &[], None)?;
    if verdict.fault.is_some() {
        output.error(&super::broken(&chain, &verdict));
        return Ok(Exit::No);
    }
    let zero = Digest::from_bytes([0; 32]);
    let head = verdict.head.map_or(zero, |head| head.hash);
    let (object, digest) = match &args.object {
        Some(path) => (path.display().to_string(), digest_of(path)?),
        None if verdict.head.is_none() => {
            let help = "`clinpipe repro` begins one when it does something; or name what you sign with --object";
            return Err(UsageError::new("there is no audit chain to sign yet", help).into());
        }
        None => {
            let local = chain.path().strip_prefix(&opened.project.pipeline.root).unwrap_or(chain.path());
            (local.display().to_string(), head)
        }
    };
    let origin = origin(opened);
    let statement =
        Statement::new(args.meaning, signer.name(), &object, digest, head, &origin.utc).because(args.reason.as_deref());
    let entry = signer.sign(&statement)?;
    chain.append(&origin, vec![entry])?;
    let told = format!("{} signed {object} ({}): {}", signer.name(), digest.short(), args.meaning.name());
    output.talk(&visible::line(&told));
    Ok(Exit::Done)
}

/// The digest of a bundle's manifest, which covers its members, or of a file.
fn digest_of(path: &Path) -> anyhow::Result<Digest> {
    let file = if path.is_dir() { path.join(MANIFEST) } else { path.to_owned() };
    let help = "name a file, or a directory that is a bundle";
    if path.is_dir() {
        crate::cli::serve::load_bundle(path)?;
    }
    hash::hash_file(&file)
        .map_err(|error| UsageError::new(format!("cannot read {}: {error}", file.display()), help).into())
}
