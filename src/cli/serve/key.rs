//! `clinpipe serve key new`: a fresh key, told once, and what the service has to know of it.

use clap::{Args, Subcommand, ValueEnum};

use crate::cli::error::UsageError;
use crate::cli::exit::Exit;
use crate::cli::output::Output;
use crate::serve::{NewKey, Scope};

/// `serve key`.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Make a key: the key goes to stdout, its entry for the file of keys to stderr. Neither is kept.
    New(NewArgs),
}

/// `serve key new`.
#[derive(Debug, Args)]
pub struct NewArgs {
    /// Whose key it is, as logs and metrics will name it.
    #[arg(long, value_name = "NAME")]
    name: String,
    /// What it is good for; can be repeated. Otherwise predict, explain and read.
    #[arg(long, value_enum, value_name = "SCOPE")]
    scope: Vec<ScopeArg>,
}

/// A scope on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ScopeArg {
    /// `/predict` and `/predict/batch`.
    Predict,
    /// `/explain`.
    Explain,
    /// `/model/info`, `/model/card`, `/stats`, `/config`.
    Read,
    /// `/debug/preprocess`.
    Debug,
}

impl From<ScopeArg> for Scope {
    fn from(scope: ScopeArg) -> Self {
        match scope {
            ScopeArg::Predict => Self::Predict,
            ScopeArg::Explain => Self::Explain,
            ScopeArg::Read => Self::Read,
            ScopeArg::Debug => Self::Debug,
        }
    }
}

/// Makes the key.
pub fn run(command: &KeyCommand, output: &Output) -> anyhow::Result<Exit> {
    let KeyCommand::New(args) = command;
    let scopes: Vec<Scope> = match args.scope.as_slice() {
        [] => vec![Scope::Predict, Scope::Explain, Scope::Read],
        given => given.iter().copied().map(Scope::from).collect(),
    };
    let help = "see `clinpipe serve key new --help`";
    let key = NewKey::new(&args.name, &scopes).map_err(|error| UsageError::new(error.to_string(), help))?;
    output.talk("The key is shown this once. The service needs this line in its file of keys (serve.keys):");
    output.talk(&key.entry);
    output.data(&format!("{}\n", key.text))?;
    Ok(Exit::Done)
}
