//! The `clinpipe` program: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(clinpipe::cli::run(std::env::args_os()))
}
