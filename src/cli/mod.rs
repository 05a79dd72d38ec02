//! The command line: wires the rooms together. It alone prints, exits, and reads the environment and the clock.

mod args;
mod audit;
mod cache;
mod check_claims;
mod checkout;
mod commit;
mod compare;
mod completions;
mod dag;
mod decision;
mod error;
mod evaluations;
mod exit;
mod export;
mod freeze;
mod init;
mod lineage;
mod log;
mod man;
mod metrics;
mod openlineage;
mod output;
mod params;
mod plots;
mod predict;
mod project;
mod recording;
mod registry;
mod remote;
mod repro;
mod revision;
mod schema;
mod serve;
mod snapshot;
mod status;
mod verify;
mod watch;
mod why;

use std::ffi::OsString;

use clap::Parser;

use args::{Cli, Command, Global};
use error::UsageError;
use output::Output;

/// Runs the program on its arguments (the first is its name) and returns the exit code.
pub fn run(args: impl Iterator<Item = OsString>) -> u8 {
    let args: Vec<OsString> = args.collect();
    if let Some(code) = crate::exec::help_out(&args) {
        return code;
    }
    let wants_json = args.iter().any(|arg| arg == "--json");
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // clap prints help and version to stdout, everything else to stderr; a closed pipe is nobody's error.
            drop(error.print());
            let code = error.exit_code() as u8;
            if wants_json && error.use_stderr() {
                drop(Output::json_failure(&error.render().to_string(), code));
            }
            return code;
        }
    };
    let output = Output::new(&cli.global);
    match enter(&cli.global).and_then(|()| dispatch(cli, &output)) {
        Ok(code) => code,
        Err(error) => {
            output.failure(&error);
            let code = error::exit(&error).into();
            if wants_json && !output.has_answered() {
                // When stdout is what failed, there is nowhere to say so but stderr.
                drop(Output::json_failure(&error::render(&error), code));
            }
            code
        }
    }
}

/// Goes to the directory that `-C` names, so that every relative path on the command line starts there.
fn enter(global: &Global) -> anyhow::Result<()> {
    let Some(dir) = &global.directory else { return Ok(()) };
    std::env::set_current_dir(dir).map_err(|error| {
        let message = format!("cannot enter {}: {error}", dir.display());
        UsageError::new(message, "name an existing directory with -C").into()
    })
}

fn dispatch(cli: Cli, output: &Output) -> anyhow::Result<u8> {
    let Cli { global, command } = cli;
    let exit = match command {
        Command::Init(args) => init::run(&args, output)?,
        Command::Repro(args) => repro::run(&global, &args, output)?,
        Command::Status(args) => status::run(&global, &args, output)?,
        Command::Why(args) => why::run(&global, &args, output)?,
        Command::Dag(args) => dag::run(&global, &args, output)?,
        Command::Metrics(command) => metrics::run(&global, &command, output)?,
        Command::Params(command) => params::run(&global, &command, output)?,
        Command::Verify(args) => verify::run(&global, &args, output)?,
        Command::Checkout(args) => checkout::run(&global, &args, output)?,
        Command::Commit(args) => commit::run(&global, &args, output)?,
        Command::Freeze(args) => freeze::run(&global, &args, true, output)?,
        Command::Unfreeze(args) => freeze::run(&global, &args, false, output)?,
        Command::Cache(command) => cache::run(&global, &command, output)?,
        Command::Push(args) => remote::push(&global, &args, output)?,
        Command::Fetch(args) => remote::fetch(&global, &args, output)?,
        Command::Pull(args) => remote::pull(&global, &args, output)?,
        Command::Log(args) => log::run(&global, &args, output)?,
        Command::Predict(args) => predict::run(&args, output)?,
        Command::Export(command) => export::run(&global, &command, output)?,
        Command::Serve(args) => serve::run(&global, &args, output)?,
        Command::Promote(args) => registry::promote(&global, &args, output)?,
        Command::Registry(command) => registry::run(&global, &command, output)?,
        Command::Audit(command) => audit::run(&global, &command, output)?,
        Command::CheckClaims(args) => check_claims::run(&args, output)?,
        Command::Decision(args) => decision::run(&global, &args, output)?,
        Command::Lineage(args) => lineage::run(&global, &args, output)?,
        Command::Plots(command) => plots::run(&global, &command, output)?,
        Command::Schema(args) => schema::run(&args, output)?,
        Command::Completions(args) => completions::run(&args, output)?,
        Command::Man(args) => man::run(&args, output)?,
    };
    Ok(exit.into())
}
