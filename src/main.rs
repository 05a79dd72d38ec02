//! The binary: hands its arguments to the command line.

use std::path::Path;
use std::process::ExitCode;

use clinpipe::exec;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    match &arguments[..] {
        [command, spec] if command == exec::CHILD_COMMAND => ExitCode::from(exec::child::run(Path::new(spec))),
        _ => ExitCode::from(2),
    }
}
