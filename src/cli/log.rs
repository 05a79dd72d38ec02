//! `clinpipe log STAGE`: what the stage's last attempt wrote.

use std::fs;
use std::io::ErrorKind;

use super::args::{Global, LogArgs};
use super::error::UsageError;
use super::exit::Exit;
use super::output::Output;
use super::project::Opened;
use crate::store::lock_name;

pub(super) fn run(global: &Global, args: &LogArgs, output: &Output) -> anyhow::Result<Exit> {
    let opened = Opened::load(global, &[])?;
    let name = opened.stage(&args.stage)?;
    let workspace = opened.workspace();
    let stage = workspace.stage(&name);
    let path = workspace.store.log(&lock_name(&stage.file), &stage.local);
    match fs::read(&path) {
        Ok(bytes) if bytes.is_empty() => output.talk(&format!("Stage {name} wrote nothing to its log.")),
        Ok(bytes) => output.styled(&String::from_utf8_lossy(&bytes))?,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let help = format!("`clinpipe repro {name}` runs it, if it is stale");
            return Err(UsageError::new(format!("stage {name} has not run here yet, so it has no log"), help).into());
        }
        Err(error) => return Err(anyhow::Error::new(error).context(format!("cannot read {}", path.display()))),
    }
    Ok(Exit::Done)
}
